//! What a run waits for, in a form that can be shown.

use std::collections::BTreeMap;

use levqor_flow::{
    event::{CloudEvent, Interest},
    machine::{Effect, EffectId, HttpRequest, Machine, ProcessCall, ServiceCall, SubRun, TimerUse},
    policy::Budget,
};
use levqor_model::{RunId, Timestamp};
use percent_encoding::percent_decode_str;

use crate::egress::host_of;

/// An effect that the run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pending {
    Call {
        method: String,
        host: String,
        task: String,
        attempt: u64,
    },
    /// Without `wait` only for the sub-run to be accepted.
    SubRun {
        target: String,
        task: String,
        child: Option<RunId>,
        wait: bool,
    },
    Process {
        program: &'static str,
        task: String,
    },
    /// The server's own function.
    Service {
        name: &'static str,
        task: String,
    },
    /// The answer of a person.
    Approval {
        title: String,
        task: String,
    },
    Timer {
        at: Timestamp,
        what: What,
    },
    /// The event is durable; what is left is to go on.
    Emit {
        kind: String,
        task: String,
    },
    /// For events of these types; None: any.
    Listen {
        kinds: Vec<Option<String>>,
        task: Option<String>,
    },
}

/// What a timer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Wait {
        task: String,
    },
    Delay {
        task: String,
        retry: u64,
        of: Option<u64>,
    },
    /// It bounds something; nobody waits for it.
    Bound,
}

impl Pending {
    pub(crate) fn call(call: &HttpRequest) -> Self {
        let (task, attempt) = task_of(&call.key);
        Pending::Call { method: call.method.clone(), host: host_of(&call.uri), task, attempt }
    }

    pub(crate) fn sub_run(call: &SubRun) -> Self {
        let (task, _) = task_of(&call.key);
        let target = format!("{}/{}", call.namespace, call.name);
        Pending::SubRun { target, task, child: None, wait: call.wait }
    }

    pub(crate) fn process(call: &ProcessCall) -> Self {
        let (task, _) = task_of(&call.key);
        Pending::Process { program: call.program.word(), task }
    }

    pub(crate) fn service(call: &ServiceCall) -> Self {
        let (task, _) = task_of(&call.key);
        if call.service.waits() {
            let title = call.input.get("title").and_then(|title| title.as_str()).unwrap_or_default();
            Pending::Approval { title: title.to_owned(), task }
        } else {
            Pending::Service { name: call.service.name(), task }
        }
    }

    pub(crate) fn emit(key: &str, event: &CloudEvent) -> Self {
        let (task, _) = task_of(key);
        Pending::Emit { kind: event.kind().to_owned(), task }
    }

    pub(crate) fn listen(machine: Option<&Machine>, effect: EffectId, interests: &[Interest]) -> Self {
        let mut kinds: Vec<Option<String>> = Vec::new();
        for interest in interests {
            if !kinds.contains(&interest.kind) {
                kinds.push(interest.kind.clone());
            }
        }
        let task = machine.and_then(|machine| machine.listening_task(effect)).map(str::to_owned);
        Pending::Listen { kinds, task }
    }

    /// Without the machine nobody can tell what it is for.
    pub(crate) fn timer(machine: Option<&Machine>, effect: EffectId, at: Timestamp) -> Self {
        let what = match machine.and_then(|machine| machine.timer_use(effect)) {
            Some(TimerUse::Wait { task }) => What::Wait { task: task.to_owned() },
            Some(TimerUse::Delay { task, retry, of }) => What::Delay { task: task.to_owned(), retry, of },
            Some(TimerUse::Bound) | None => What::Bound,
        };
        Pending::Timer { at, what }
    }

    /// When it fires, for a timer.
    fn due(&self) -> Option<Timestamp> {
        if let Pending::Timer { at, .. } = self { Some(*at) } else { None }
    }

    /// All of a machine's pending effects.
    pub(crate) fn of(machine: Option<&Machine>, effects: &[Effect]) -> BTreeMap<EffectId, Pending> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::CallHttp { id, call } => Some((*id, Pending::call(call))),
                Effect::RunWorkflow { id, call } => Some((*id, Pending::sub_run(call))),
                Effect::RunProcess { id, call } => Some((*id, Pending::process(call))),
                Effect::CallService { id, call } => Some((*id, Pending::service(call))),
                Effect::Timer { id, at } => Some((*id, Pending::timer(machine, *id, *at))),
                Effect::Emit { id, key, event } => Some((*id, Pending::emit(key, event))),
                Effect::Listen { id, interests } => Some((*id, Pending::listen(machine, *id, interests))),
                Effect::Abandon { .. } => None,
            })
            .collect()
    }
}

/// The name of the task that a key belongs to, and the attempt, from 1.
///
/// A key is `<run>/<path>/<group>`; the path's last part is the task's name with the marks of loops and jumps behind it.
fn task_of(key: &str) -> (String, u64) {
    let (path, group) = key.rsplit_once('/').unwrap_or((key, "0"));
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.split('@').next().unwrap_or(name);
    let name = match name.find('[') {
        Some(mark) if name.ends_with(']') => &name[..mark],
        _ => name,
    };
    // A JSON Pointer writes ~ and / as ~0 and ~1.
    let name = percent_decode_str(name).decode_utf8_lossy().replace("~1", "/").replace("~0", "~");
    (name, group.parse::<u64>().unwrap_or(0).saturating_add(1))
}

/// Types of events that a sentence names.
const KINDS_SHOWN: usize = 3;

/// Why the run is not moving, in one sentence. What it calls comes first, then what it emits, sub-runs, events, the next
/// moment that it waits for; None when all that is pending only bounds what is going on.
pub(crate) fn describe(pending: &BTreeMap<EffectId, Pending>) -> Option<String> {
    let others = |count: usize| if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
    let calls: Vec<_> = pending.values().filter(|item| matches!(item, Pending::Call { .. })).collect();
    if let Some(Pending::Call { method, host, task, attempt }) = calls.first() {
        let attempt = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
        return Some(format!("calls {method} {host} (task {task}){attempt}{}", others(calls.len())));
    }
    let processes: Vec<_> = pending.values().filter(|item| matches!(item, Pending::Process { .. })).collect();
    if let Some(Pending::Process { program, task }) = processes.first() {
        return Some(format!("runs a process ({program}, task {task}){}", others(processes.len())));
    }
    let services = pending.values().find_map(|item| match item {
        Pending::Service { name, task } => Some(format!("calls {name} (task {task})")),
        _ => None,
    });
    if services.is_some() {
        return services;
    }
    let emitted = pending.values().find_map(|item| match item {
        Pending::Emit { kind, task } => Some(format!("emits {} (task {task})", shown(kind))),
        _ => None,
    });
    if emitted.is_some() {
        return emitted;
    }
    let runs: Vec<_> = pending.values().filter(|item| matches!(item, Pending::SubRun { .. })).collect();
    if let Some(Pending::SubRun { target, task, child, .. }) = runs.first() {
        let child = child.map_or_else(|| "a run".to_owned(), |child| format!("run {child}"));
        return Some(format!("waits for {child} of {target} (task {task}){}", others(runs.len())));
    }
    let approvals: Vec<_> =
        pending.values().filter(|item| matches!(item, Pending::Approval { .. })).collect();
    let asked = approvals.first().and_then(|first| match first {
        Pending::Approval { title, task } if task.is_empty() => {
            Some(format!("waits for a decision before its first task: {}", shown(title)))
        }
        Pending::Approval { title, task } => {
            Some(format!("waits for a decision: {} (task {task}){}", shown(title), others(approvals.len())))
        }
        _ => None,
    });
    if asked.is_some() {
        return asked;
    }
    let mut timers: Vec<_> = pending
        .values()
        .filter_map(|item| match item {
            Pending::Timer { what: What::Bound, .. } => None,
            Pending::Timer { at, what } => Some((*at, what)),
            _ => None,
        })
        .collect();
    if let Some(events) = listened_for(pending) {
        let until = pending.values().filter_map(Pending::due).min();
        let until = until.map_or_else(String::new, |until| format!(", or until {}", moment(until)));
        return Some(format!("waits for {events}{until}"));
    }
    timers.sort_by_key(|(at, _)| *at);
    let (at, what) = timers.first()?;
    let sentence = match what {
        What::Wait { task } => format!("waits until {} (task {task})", moment(*at)),
        What::Delay { task, retry, of } => {
            let of = of.map_or_else(String::new, |of| format!(" of {of}"));
            format!("waits until {} before retry {retry}{of} (task {task})", moment(*at))
        }
        What::Bound => return None,
    };
    Some(format!("{sentence}{}", others(timers.len())))
}

/// Why a suspended run is not moving.
pub(crate) fn suspended(since: Timestamp, by: Option<&str>) -> String {
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    format!("is suspended{by} since {}", moment(since))
}

/// Why a run of whose budget `parts` are used up is not moving.
pub(crate) fn used_up(since: Timestamp, parts: Budget) -> String {
    let many = |count: Option<u64>, unit: &str| {
        count.map(|count| format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
    };
    let budget: Vec<String> =
        [many(parts.calls, "call"), many(parts.credits, "AI credit")].into_iter().flatten().collect();
    let more = match (parts.calls, parts.credits) {
        (Some(count), None) | (None, Some(count)) => format!("{count} more"),
        _ => "as much again".to_owned(),
    };
    format!(
        "has used up its budget of {} and is suspended since {}; resume it to allow {more}",
        budget.join(" and "),
        moment(since)
    )
}

/// The events that listening tasks wait for, in words.
fn listened_for(pending: &BTreeMap<EffectId, Pending>) -> Option<String> {
    let mut kinds: Vec<&Option<String>> = Vec::new();
    let mut tasks: Vec<&Option<String>> = Vec::new();
    for item in pending.values() {
        if let Pending::Listen { kinds: some, task } = item {
            kinds.extend(some);
            tasks.push(task);
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        return None;
    }
    // Where more than one listens, the types don't say which task is whose.
    let task = match tasks[..] {
        [Some(task)] => format!(" (task {task})"),
        _ => String::new(),
    };
    if kinds.contains(&&None) {
        return Some(format!("an event{task}"));
    }
    let mut names: Vec<String> = kinds.iter().flat_map(|kind| kind.as_deref()).map(shown).collect();
    let more = names.len().saturating_sub(KINDS_SHOWN);
    names.truncate(KINDS_SHOWN);
    let more = if more > 0 { format!(" or {more} more") } else { String::new() };
    Some(format!("an event of type {}{more}{task}", names.join(" or ")))
}

/// A type as a sentence can hold it.
fn shown(kind: &str) -> String {
    const CHARS_MAX: usize = 80;
    if kind.chars().count() <= CHARS_MAX {
        return kind.to_owned();
    }
    kind.chars().take(CHARS_MAX).chain(['…']).collect()
}

/// RFC 3339 without empty fractions: people read this.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    match text.strip_suffix(".000000Z") {
        Some(whole) => format!("{whole}Z"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_task_and_attempt() {
        for (key, task, attempt) in [
            ("run_01/do/0/charge/0", "charge", 1),
            ("run_01/do/0/charge/2", "charge", 3),
            ("run_01/do/0/loop[3]/do/1/charge%20card@2/0", "charge card", 1),
            ("run_01/do/0/a~1b~0c[1]/1", "a/b~c", 2),
            ("", "", 1),
        ] {
            assert_eq!(task_of(key), (task.to_owned(), attempt), "{key}");
        }
    }

    #[test]
    fn what_a_run_waits_for_is_one_sentence() {
        let call = |attempt| Pending::Call {
            method: "POST".into(),
            host: "api.example.com".into(),
            task: "charge".into(),
            attempt,
        };
        let sub_run =
            Pending::SubRun { target: "orders/ship".into(), task: "ship".into(), child: None, wait: true };
        let timer = |seconds, what| Pending::Timer { at: Timestamp::from_seconds(seconds), what };
        let wait = |seconds, task: &str| timer(seconds, What::Wait { task: task.into() });
        let delay = |of| timer(7, What::Delay { task: "pay".into(), retry: 2, of });
        let listen = |task: Option<&str>, kinds: &[Option<&str>]| Pending::Listen {
            kinds: kinds.iter().map(|kind| kind.map(str::to_owned)).collect(),
            task: task.map(str::to_owned),
        };
        let emit = Pending::Emit { kind: "order.paid".into(), task: "tell".into() };
        let rows: [(Vec<Pending>, Option<&str>); 14] = [
            (vec![], None),
            (vec![timer(5, What::Bound)], None),
            (vec![call(1)], Some("calls POST api.example.com (task charge)")),
            (
                vec![wait(5, "pause"), call(2), call(1)],
                Some("calls POST api.example.com (task charge), attempt 2, and 1 more"),
            ),
            (vec![wait(5, "pause"), sub_run], Some("waits for a run of orders/ship (task ship)")),
            (
                vec![timer(1, What::Bound), wait(9, "later"), wait(5, "pause")],
                Some("waits until 1970-01-01T00:00:05Z (task pause), and 1 more"),
            ),
            (vec![wait(9, "a")], Some("waits until 1970-01-01T00:00:09Z (task a)")),
            (vec![delay(Some(5))], Some("waits until 1970-01-01T00:00:07Z before retry 2 of 5 (task pay)")),
            (vec![delay(None)], Some("waits until 1970-01-01T00:00:07Z before retry 2 (task pay)")),
            (
                vec![listen(Some("pay"), &[Some("order.paid")])],
                Some("waits for an event of type order.paid (task pay)"),
            ),
            (
                vec![timer(9, What::Bound), listen(Some("x"), &[Some("a")]), listen(Some("y"), &[Some("b")])],
                Some("waits for an event of type a or b, or until 1970-01-01T00:00:09Z"),
            ),
            (
                vec![listen(None, &["a", "b", "c", "d", "e"].map(Some))],
                Some("waits for an event of type a or b or c or 2 more"),
            ),
            (vec![listen(None, &[Some("a"), None])], Some("waits for an event")),
            (vec![listen(None, &[Some("a")]), emit], Some("emits order.paid (task tell)")),
        ];
        assert_eq!(
            suspended(Timestamp::from_seconds(5), Some("ada@example.com")),
            "is suspended by ada@example.com since 1970-01-01T00:00:05Z"
        );
        let budgets = [
            ((Some(1), None), "1 call", "1 more"),
            ((None, Some(20)), "20 AI credits", "20 more"),
            ((Some(2), Some(1)), "2 calls and 1 AI credit", "as much again"),
        ];
        for ((calls, credits), budget, more) in budgets {
            let sentence = format!(
                "has used up its budget of {budget} and is suspended since 1970-01-01T00:00:05Z; resume it to allow {more}"
            );
            assert_eq!(used_up(Timestamp::from_seconds(5), Budget { calls, credits }), sentence);
        }
        for (pending, sentence) in rows {
            let pending = pending.into_iter().enumerate().map(|(id, item)| (id as u64, item)).collect();
            assert_eq!(describe(&pending).as_deref(), sentence);
        }
    }
}
