//! What a run waits for, in a form that can be shown.

use std::collections::BTreeMap;

use levqor_flow::{
    event::{CloudEvent, Interest},
    machine::{Effect, EffectId, HttpRequest, ProcessCall, SubRun},
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
    Timer {
        at: Timestamp,
    },
    /// The event is durable; what is left is to go on.
    Emit {
        kind: String,
        task: String,
    },
    /// For events of these types; None: any.
    Listen {
        kinds: Vec<Option<String>>,
    },
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

    pub(crate) fn emit(key: &str, event: &CloudEvent) -> Self {
        let (task, _) = task_of(key);
        Pending::Emit { kind: event.kind().to_owned(), task }
    }

    pub(crate) fn listen(interests: &[Interest]) -> Self {
        let mut kinds: Vec<Option<String>> = Vec::new();
        for interest in interests {
            if !kinds.contains(&interest.kind) {
                kinds.push(interest.kind.clone());
            }
        }
        Pending::Listen { kinds }
    }

    /// All of a machine's pending effects.
    pub(crate) fn of(effects: &[Effect]) -> BTreeMap<EffectId, Pending> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::CallHttp { id, call } => Some((*id, Pending::call(call))),
                Effect::RunWorkflow { id, call } => Some((*id, Pending::sub_run(call))),
                Effect::RunProcess { id, call } => Some((*id, Pending::process(call))),
                Effect::Timer { id, at } => Some((*id, Pending::Timer { at: *at })),
                Effect::Emit { id, key, event } => Some((*id, Pending::emit(key, event))),
                Effect::Listen { id, interests } => Some((*id, Pending::listen(interests))),
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
/// timer. `sleeping` are the names of tasks that wait.
pub(crate) fn describe(pending: &BTreeMap<EffectId, Pending>, sleeping: &[&str]) -> Option<String> {
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
    let next = pending
        .values()
        .filter_map(|item| match item {
            Pending::Timer { at } => Some(*at),
            _ => None,
        })
        .min();
    // More than one sleeping task: the timers and listeners don't say which is whose.
    let task = match sleeping {
        [task] => format!(" (task {task})"),
        _ => String::new(),
    };
    if let Some(events) = listened_for(pending) {
        let until = next.map_or_else(String::new, |next| format!(", or until {}", moment(next)));
        return Some(format!("waits for {events}{task}{until}"));
    }
    next.map(|next| format!("waits until {}{task}", moment(next)))
}

/// The events that listening tasks wait for, in words.
fn listened_for(pending: &BTreeMap<EffectId, Pending>) -> Option<String> {
    let mut kinds: Vec<&Option<String>> = pending
        .values()
        .filter_map(|item| match item {
            Pending::Listen { kinds } => Some(kinds),
            _ => None,
        })
        .flatten()
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        return None;
    }
    if kinds.contains(&&None) {
        return Some("an event".to_owned());
    }
    let mut names: Vec<String> = kinds.iter().flat_map(|kind| kind.as_deref()).map(shown).collect();
    let more = names.len().saturating_sub(KINDS_SHOWN);
    names.truncate(KINDS_SHOWN);
    let more = if more > 0 { format!(" or {more} more") } else { String::new() };
    Some(format!("an event of type {}{more}", names.join(" or ")))
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
        let timer = |seconds| Pending::Timer { at: Timestamp::from_seconds(seconds) };
        let listen = |kinds: &[Option<&str>]| Pending::Listen {
            kinds: kinds.iter().map(|kind| kind.map(str::to_owned)).collect(),
        };
        let emit = Pending::Emit { kind: "order.paid".into(), task: "tell".into() };
        let rows: [(Vec<Pending>, &[&str], Option<&str>); 11] = [
            (vec![], &[], None),
            (vec![call(1)], &[], Some("calls POST api.example.com (task charge)")),
            (
                vec![timer(5), call(2), call(1)],
                &[],
                Some("calls POST api.example.com (task charge), attempt 2, and 1 more"),
            ),
            (vec![timer(5), sub_run], &[], Some("waits for a run of orders/ship (task ship)")),
            (vec![timer(9), timer(5)], &["pause"], Some("waits until 1970-01-01T00:00:05Z (task pause)")),
            (vec![timer(9)], &["a", "b"], Some("waits until 1970-01-01T00:00:09Z")),
            (
                vec![listen(&[Some("order.paid")])],
                &["pay"],
                Some("waits for an event of type order.paid (task pay)"),
            ),
            (
                vec![timer(9), listen(&[Some("a"), Some("b")])],
                &[],
                Some("waits for an event of type a or b, or until 1970-01-01T00:00:09Z"),
            ),
            (
                vec![listen(&["a", "b", "c", "d", "e"].map(Some))],
                &[],
                Some("waits for an event of type a or b or c or 2 more"),
            ),
            (vec![listen(&[Some("a"), None])], &[], Some("waits for an event")),
            (vec![listen(&[Some("a")]), emit], &[], Some("emits order.paid (task tell)")),
        ];
        for (pending, sleeping, sentence) in rows {
            let pending = pending.into_iter().enumerate().map(|(id, item)| (id as u64, item)).collect();
            assert_eq!(describe(&pending, sleeping).as_deref(), sentence);
        }
    }
}
