//! What of each part is a reason to look at it, and how much of one. Pure: facts in, parts out.

use std::time::Duration;

use levqor_model::Timestamp;

use super::facts::{
    AlertsFact, DriftFact, IncidentFact, JobFact, Matter, NodeFact, Part, PlaceFact, ProbesFact, QueuesFact,
    RegionFact, SloFact, Standing, TicketsFact,
};
use crate::pages::plural;

/// A run that waits for its turn for longer is a reason to look.
const RUN_WAITS_MAX: Duration = Duration::from_secs(5 * 60);
/// An event that the sink does not have after this time is one, too.
const EVENT_WAITS_MAX: Duration = Duration::from_secs(5 * 60);
/// Failures of a job that calls somebody, one after the other.
const JOB_FAILURES: usize = 3;

pub(super) const INCIDENTS: &str = "/admin/incidents";
pub(super) const ALERTS: &str = "/admin/alerts";
pub(super) const REGIONS: &str = "/admin#regions";
pub(super) const NODES: &str = "/admin#nodes";
pub(super) const SLOS: &str = "/admin/slos";
pub(super) const PROBES: &str = "/admin/probes";
pub(super) const JOBS: &str = "/admin/jobs";
pub(super) const QUEUES: &str = "/admin#queues";
pub(super) const MESSAGES: &str = "/admin/notifications";
pub(super) const TAMPER: &str = "/admin/tamper";
pub(super) const DRIFT: &str = "/admin/drift";
pub(super) const CUSTOMERS: &str = "/admin/customers";

/// Trouble when it calls somebody.
const fn by(calls: bool) -> Standing {
    if calls { Standing::Trouble } else { Standing::Attention }
}

/// A number of things, in words.
fn many(number: usize, one: &str, more: &str) -> String {
    plural(i64::try_from(number).unwrap_or(i64::MAX), one, more)
}

pub(super) fn incidents(found: &[IncidentFact]) -> Part {
    let matter = |one: &IncidentFact| {
        let standing = by(matches!(one.level, "l3" | "l4"));
        let dealt = one.acknowledged_by.as_ref().map_or_else(
            || "nobody has said that they deal with it".to_owned(),
            |by| format!("{by} deals with it"),
        );
        let sentence =
            format!("Incident {}, {}: {}; {dealt}", one.level.to_uppercase(), one.state, one.title);
        Matter::new(standing, sentence, format!("{INCIDENTS}/{}", one.id)).since(Some(one.since))
    };
    Part::of("incidents", INCIDENTS, "No incident is open", found.iter().map(matter).collect())
}

pub(super) fn alerts(found: &AlertsFact) -> Part {
    let mut matters = Vec::new();
    if !found.looked_for {
        let sentence = "Nobody has looked for alerts within the last minute, so what fires is not known";
        matters.push(Matter::new(Standing::Unknown, sentence, ALERTS));
    }
    for one in found.open.iter().filter(|one| one.state == "firing") {
        let link = format!("{ALERTS}#{}", one.id);
        matters.push(Matter::new(by(one.severity == "critical"), &*one.summary, link).since(Some(one.since)));
    }
    let good = match found.pending {
        0 => "Nothing fires".to_owned(),
        pending => {
            format!("Nothing fires; {} not so for long enough", many(pending, "thing is", "things are"))
        }
    };
    Part::of("alerts", ALERTS, good, matters)
}

pub(super) fn regions(found: &[RegionFact]) -> Part {
    let mut matters = Vec::new();
    for one in found {
        let reason = one.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
        let (standing, word) = match one.status {
            "down" => (Standing::Trouble, "down"),
            "draining" => (Standing::Attention, "drained"),
            _ => continue,
        };
        matters.push(
            Matter::new(standing, format!("Region {} is {word}{reason}", one.code), REGIONS).since(one.since),
        );
    }
    let active: Vec<_> =
        found.iter().filter(|one| one.status == "active").map(|one| one.code.as_str()).collect();
    if active.is_empty() {
        matters.insert(0, Matter::new(Standing::Trouble, "No region is active", REGIONS));
    }
    let good =
        format!("{}: {}", many(active.len(), "region is active", "regions are active"), active.join(", "));
    Part::of("regions", REGIONS, good, matters)
}

pub(super) fn nodes(found: &[NodeFact]) -> Part {
    let matter = |one: &NodeFact| {
        let NodeFact { id, region, reason, .. } = one;
        let reason = reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
        let (standing, sentence) = match one.state {
            "ready" => return None,
            "late" => (
                Standing::Attention,
                format!("Node {id} in {region} has said nothing since its lease was over"),
            ),
            "unknown" => (Standing::Unknown, format!("Node {id} in {region} has not said how it is")),
            _ => (Standing::Attention, format!("Node {id} in {region} is not ready{reason}")),
        };
        Some(Matter::new(standing, sentence, NODES).since(one.late_since))
    };
    let mut matters: Vec<_> = found.iter().filter_map(matter).collect();
    if found.is_empty() {
        // Not even the one that answers: the others hold it for gone.
        matters.push(Matter::new(Standing::Trouble, "No node is known to live", NODES));
    }
    let good = format!("{} ready", many(found.len(), "node is", "nodes are"));
    Part::of("nodes", NODES, good, matters)
}

pub(super) fn slos(found: &[SloFact]) -> Part {
    if found.is_empty() {
        return Part::not_set_up("slos", SLOS, "No objective is configured");
    }
    let matter = |one: &SloFact| {
        let title = &one.title;
        let (standing, sentence) = match one.status {
            "met" | "quiet" => return None,
            "slow" => (Standing::Attention, format!("{title}: the budget is spent too fast, but slowly")),
            "burning" => (Standing::Trouble, format!("{title}: the budget is spent far too fast")),
            "exhausted" => (Standing::Trouble, format!("{title}: more than the budget is spent")),
            _ => {
                let why = one.unknown.as_deref().unwrap_or("there is no fresh evidence");
                (Standing::Unknown, format!("{title}: nothing is known, since {why}"))
            }
        };
        Some(Matter::new(standing, sentence, SLOS))
    };
    let good = format!("{} met", many(found.len(), "objective is", "objectives are"));
    Part::of("slos", SLOS, good, found.iter().filter_map(matter).collect())
}

pub(super) fn probes(found: &ProbesFact) -> Part {
    if found.targets.is_empty() && found.heartbeats.is_empty() {
        return Part::not_set_up("probes", PROBES, "Nothing is probed");
    }
    let mut matters = Vec::new();
    for one in &found.targets {
        let what = match &one.target {
            Some(target) => format!("{target} ({})", one.probe),
            None => format!("what {} looks at", one.probe),
        };
        let reason = one.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
        let (standing, sentence) = match (one.state, one.disputed) {
            ("down", _) => (by(one.critical), format!("Probes find {what} down{reason}")),
            ("up", true) => (Standing::Attention, format!("Some regions do not reach {what}{reason}")),
            ("up", false) => continue,
            // Nobody said that it should be looked at now.
            _ if !one.by_itself => continue,
            _ => (Standing::Unknown, format!("It is not known how {what} is{reason}")),
        };
        matters.push(Matter::new(standing, sentence, PROBES).since(one.since));
    }
    for one in &found.heartbeats {
        let reason = one.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
        let (standing, sentence) = match one.state {
            "down" => (Standing::Attention, format!("The job {} elsewhere is missed{reason}", one.name)),
            "new" if one.overdue => {
                (Standing::Unknown, format!("Nothing was ever heard of the job {}", one.name))
            }
            _ => continue,
        };
        matters.push(Matter::new(standing, sentence, PROBES).since(Some(one.since)));
    }
    let up = found.targets.iter().filter(|one| one.state == "up").count();
    let heard_of = found.heartbeats.iter().filter(|one| one.state == "up").count();
    if matters.is_empty() && up + heard_of == 0 {
        // Nobody needs to know anything yet, and nobody does.
        return Part::not_set_up(
            "probes",
            PROBES,
            "Nothing was probed yet, and no job elsewhere was heard of",
        );
    }
    let mut good = format!("{} up", many(up, "target is", "targets are"));
    if !found.heartbeats.is_empty() {
        good.push_str(&format!(
            ", {} of",
            many(heard_of, "job elsewhere is heard", "jobs elsewhere are heard")
        ));
    }
    let waiting = found.targets.iter().filter(|one| one.state == "unknown" && !one.by_itself).count();
    if waiting > 0 {
        good.push_str(&format!("; {} not asked for yet", many(waiting, "is", "are")));
    }
    Part::of("probes", PROBES, good, matters)
}

pub(super) fn jobs(found: &[JobFact]) -> Part {
    if found.iter().all(|one| one.state == "unknown") {
        let sentence = "No scheduler has begun, so no job is done";
        return Part::of("jobs", JOBS, "", vec![Matter::new(Standing::Unknown, sentence, JOBS)]);
    }
    let mut matters = Vec::new();
    for one in found {
        let (id, link) = (one.id, format!("{JOBS}/{}", one.id));
        if one.failures > 0 {
            let standing = by(one.critical && one.failures >= JOB_FAILURES);
            let why = one.result.as_deref().map_or_else(String::new, |why| format!(": {why}"));
            let times = match one.failures {
                1 => "failed the last time".to_owned(),
                times => format!("failed {times} times one after the other"),
            };
            let since = one.last_at.filter(|_| one.failures == 1);
            matters.push(Matter::new(standing, format!("Job {id} {times}{why}"), link.clone()).since(since));
        }
        if let Some(why) = &one.late {
            matters.push(Matter::new(Standing::Attention, why.clone(), link.clone()).since(one.next_at));
        }
        match one.state {
            "paused" => {
                let matter = Matter::new(Standing::Attention, format!("Job {id} is paused"), link);
                matters.push(matter.since(one.since));
            }
            "unknown" => {
                matters.push(Matter::new(Standing::Unknown, format!("No scheduler knows job {id}"), link));
            }
            _ => {}
        }
    }
    let running = found.iter().filter(|one| one.state == "running").count();
    let good = format!("{} active, {running} running now", many(found.len(), "job is", "jobs are"));
    Part::of("jobs", JOBS, good, matters)
}

pub(super) fn queues(found: &QueuesFact, now: Timestamp) -> Part {
    let mut matters = Vec::new();
    let mut add = |standing, sentence: String, link: &str, since| {
        matters.push(Matter::new(standing, sentence, link).since(since));
    };
    let QueuesFact { store_waiting: waiting, store_capacity: capacity, .. } = *found;
    if waiting >= capacity {
        add(
            Standing::Trouble,
            format!("{waiting} writes wait for the database, as many as may"),
            QUEUES,
            None,
        );
    } else if waiting.saturating_mul(5) >= capacity.saturating_mul(4) {
        add(
            Standing::Attention,
            format!("{waiting} writes wait for the database, of {capacity} that may"),
            QUEUES,
            None,
        );
    }
    if let Some(stuck) = &found.runs_stuck {
        add(Standing::Trouble, format!("Runs do not go on: {stuck}"), QUEUES, None);
    }
    if let Some(oldest) = found.runs_oldest_at.filter(|at| now.since(*at) > RUN_WAITS_MAX) {
        let sentence = format!("{} for their turn", plural(found.runs_waiting, "run waits", "runs wait"));
        add(Standing::Attention, sentence, QUEUES, Some(oldest));
    }
    if found.sink {
        let waiting = plural(found.sink_waiting, "event waits", "events wait");
        if let Some(since) = found.sink_failing_since {
            let why = found.sink_problem.as_deref().unwrap_or("it does not say why");
            add(
                Standing::Attention,
                format!("The event sink takes nothing: {why}; {waiting}"),
                QUEUES,
                Some(since),
            );
        } else if let Some(oldest) = found.sink_oldest_at.filter(|at| now.since(*at) > EVENT_WAITS_MAX) {
            add(Standing::Attention, format!("The event sink is behind: {waiting}"), QUEUES, Some(oldest));
        }
    }
    let QueuesFact { messages_dead: dead, messages_late: late, messages_undeliverable: nowhere, .. } = *found;
    if dead > 0 {
        add(Standing::Trouble, format!("{dead} messages that call somebody were given up"), MESSAGES, None);
    }
    if late > 0 {
        let sentence = format!("{late} messages that call somebody wait for more than five minutes");
        add(Standing::Trouble, sentence, MESSAGES, None);
    }
    if nowhere > 0 {
        let sentence = format!("{nowhere} messages that call somebody had nobody to go to in the last day");
        add(Standing::Attention, sentence, MESSAGES, None);
    }
    Part::of("queues", QUEUES, "Nothing waits for too long", matters)
}

/// `guards`: whether this node guards its files.
pub(super) fn tamper(found: &[PlaceFact], guards: bool) -> Part {
    if found.is_empty() && !guards {
        return Part::not_set_up("tamper", TAMPER, "No files are guarded");
    }
    let matter = |one: &PlaceFact| {
        let place = &one.place;
        let (standing, sentence) = match one.verdict {
            "untouched" => return None,
            "changed" => (
                Standing::Trouble,
                format!(
                    "At {place} {} not as agreed",
                    plural(i64::try_from(one.findings).unwrap_or(i64::MAX), "thing is", "things are")
                ),
            ),
            _ => (Standing::Unknown, format!("It is not known whether the files at {place} are as agreed")),
        };
        Some(Matter::new(standing, sentence, TAMPER).since(one.since))
    };
    let mut matters: Vec<_> = found.iter().filter_map(matter).collect();
    if found.is_empty() {
        let sentence = "No node has said yet how it finds its files";
        matters.push(Matter::new(Standing::Unknown, sentence, TAMPER));
    }
    let files: u64 = found.iter().map(|one| one.files).sum();
    let good =
        format!("{} as agreed", plural(i64::try_from(files).unwrap_or(i64::MAX), "file is", "files are"));
    Part::of("tamper", TAMPER, good, matters)
}

/// `silent`: the regions of nodes that live and have not looked lately. `since`: when the first thing was found that counts, as this node
/// knows it.
pub(super) fn drift(found: &[DriftFact], silent: &[String], since: Option<Timestamp>) -> Part {
    let fresh: Vec<_> = found.iter().filter(|one| one.fresh).collect();
    let mut matters = Vec::new();
    if fresh.is_empty() {
        let sentence = "No node has looked lately whether what is served is what was agreed";
        matters.push(Matter::new(Standing::Unknown, sentence, DRIFT));
    } else {
        for region in silent {
            let sentence =
                format!("A node in {region} has not looked lately whether what it serves is what was agreed");
            matters.push(Matter::new(Standing::Unknown, sentence, DRIFT));
        }
    }
    for one in fresh.iter().filter(|one| !one.pass) {
        let things = plural(i64::try_from(one.findings).unwrap_or(i64::MAX), "thing is", "things are");
        let sentence = format!("In {} {things} not served as agreed", one.region);
        matters.push(Matter::new(Standing::Attention, sentence, DRIFT).since(since));
    }
    Part::of("drift", DRIFT, "What is served is what was agreed", matters)
}

pub(super) fn tickets(found: &TicketsFact) -> Part {
    let mut matters = Vec::new();
    if found.late > 0 {
        let sentence = format!("{} late", plural(found.late, "support request is", "support requests are"));
        matters.push(Matter::new(Standing::Attention, sentence, CUSTOMERS).since(found.late_since));
    }
    let good = format!("No support request is late, {} open", found.open);
    Part::of("tickets", CUSTOMERS, good, matters)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{
        super::facts::{AlertFact, HeartbeatFact, ProbeFact},
        *,
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_795_502_901);

    fn region(code: &str, status: &'static str) -> RegionFact {
        RegionFact {
            code: code.to_owned(),
            name: code.to_owned(),
            status,
            reason: (status == "down").then(|| "no node is alive there".to_owned()),
            since: (status != "active").then_some(NOW),
            nodes_live: 1,
            runs: 0,
            latency_ms: BTreeMap::new(),
        }
    }

    #[test]
    fn regions_are_down_drained_or_active() {
        type Row<'a> = (&'a [(&'a str, &'static str)], Standing, &'a str);
        let rows: &[Row<'_>] = &[
            (
                &[("eu-west", "active"), ("ap-south", "planned")],
                Standing::AllRight,
                "1 region is active: eu-west",
            ),
            (
                &[("eu-west", "active"), ("us-east", "draining")],
                Standing::Attention,
                "Region us-east is drained",
            ),
            (
                &[("eu-west", "active"), ("us-east", "draining"), ("ap-south", "down")],
                Standing::Trouble,
                "Region ap-south is down: no node is alive there (and 1 more)",
            ),
            (&[("eu-west", "planned")], Standing::Trouble, "No region is active"),
            (&[], Standing::Trouble, "No region is active"),
        ];
        for (found, standing, sentence) in rows {
            let found: Vec<_> = found.iter().map(|(code, status)| region(code, status)).collect();
            let part = regions(&found);
            assert_eq!((part.standing, part.sentence.as_str()), (*standing, *sentence));
        }
    }

    #[test]
    fn nodes_that_say_nothing_are_not_ready() {
        let node = |state: &'static str| NodeFact {
            id: "node_1".to_owned(),
            region: "eu-west".to_owned(),
            version: "0.1.0".to_owned(),
            state,
            reason: (state == "not_ready").then(|| "disk: full".to_owned()),
            started_at: NOW,
            late_since: (state == "late").then_some(NOW),
        };
        for (state, standing, words) in [
            ("ready", Standing::AllRight, "1 node is ready"),
            ("unknown", Standing::Unknown, "has not said how it is"),
            ("not_ready", Standing::Attention, "is not ready: disk: full"),
            ("late", Standing::Attention, "since its lease was over"),
        ] {
            let part = nodes(&[node(state)]);
            assert_eq!(part.standing, standing, "{state}");
            assert!(part.sentence.contains(words), "{}", part.sentence);
        }
        assert_eq!(nodes(&[]).standing, Standing::Trouble, "no node is not well");
    }

    #[test]
    fn an_alert_is_as_bad_as_its_severity_and_silence_is_not_calm() {
        let alert = |severity: &'static str, state: &'static str| AlertFact {
            id: "alr_1".to_owned(),
            rule: "slo.burn".to_owned(),
            subject: "requests".to_owned(),
            severity,
            state,
            summary: format!("{severity} {state}"),
            since: NOW,
            acknowledged_by: Some("ada".to_owned()),
            silenced: true,
        };
        let rows = [
            (None, true, Standing::AllRight),
            (None, false, Standing::Unknown),
            (Some(("critical", "pending")), true, Standing::AllRight),
            (Some(("critical", "pending")), false, Standing::Unknown),
            (Some(("minor", "firing")), true, Standing::Attention),
            (Some(("major", "firing")), false, Standing::Attention),
            (Some(("critical", "firing")), false, Standing::Trouble),
        ];
        for (one, looked_for, standing) in rows {
            let open: Vec<_> = one.map(|(severity, state)| alert(severity, state)).into_iter().collect();
            let firing = open.iter().filter(|one| one.state == "firing").count();
            let part = alerts(&AlertsFact { firing, pending: open.len() - firing, looked_for, open });
            assert_eq!(part.standing, standing, "{one:?} {looked_for:?}");
            if firing > 0 {
                assert_eq!((part.since, part.link.as_str()), (Some(NOW), "/admin/alerts#alr_1"));
            }
        }
    }

    #[test]
    fn incidents_and_objectives_are_what_they_are_called() {
        for (level, standing) in [
            ("l1", Standing::Attention),
            ("l2", Standing::Attention),
            ("l3", Standing::Trouble),
            ("l4", Standing::Trouble),
        ] {
            let one = IncidentFact {
                id: "inc_1".to_owned(),
                title: "Hooks fail".to_owned(),
                level,
                state: "investigating",
                since: NOW,
                acknowledged_by: None,
            };
            let part = incidents(&[one]);
            assert_eq!(
                (part.standing, part.since, part.link.as_str()),
                (standing, Some(NOW), "/admin/incidents/inc_1")
            );
            assert!(part.sentence.contains("Hooks fail; nobody has said"), "{}", part.sentence);
        }
        assert_eq!(incidents(&[]).standing, Standing::AllRight);
        for (status, standing) in [
            ("met", Standing::AllRight),
            ("quiet", Standing::AllRight),
            ("slow", Standing::Attention),
            ("burning", Standing::Trouble),
            ("exhausted", Standing::Trouble),
            ("unknown", Standing::Unknown),
            ("a word of tomorrow", Standing::Unknown),
        ] {
            let one = SloFact {
                name: "requests".to_owned(),
                title: "Requests are answered".to_owned(),
                status,
                unknown: None,
                target_percent: 99.9,
                left_percent: None,
                burn_of_hour: None,
            };
            assert_eq!(slos(&[one]).standing, standing, "{status}");
        }
        assert_eq!(slos(&[]).standing, Standing::NotSetUp);
    }

    #[test]
    fn probes_that_nobody_asked_for_need_not_be_known() {
        let probe = |state: &'static str, critical, by_itself, disputed| ProbeFact {
            probe: "website".to_owned(),
            target: Some("eu-west".to_owned()),
            critical,
            by_itself,
            state,
            disputed,
            since: Some(NOW),
            reason: None,
        };
        for (one, standing) in [
            (probe("up", true, true, false), Standing::AllRight),
            (probe("up", true, true, true), Standing::Attention),
            (probe("down", true, true, false), Standing::Trouble),
            (probe("down", false, true, true), Standing::Attention),
            (probe("unknown", true, true, false), Standing::Unknown),
            (probe("unknown", true, false, false), Standing::NotSetUp),
        ] {
            let found = ProbesFact { targets: vec![one.clone()], heartbeats: Vec::new() };
            assert_eq!(probes(&found).standing, standing, "{one:?}");
        }
        let asked_for = vec![probe("up", true, true, false), probe("unknown", true, false, false)];
        let found = probes(&ProbesFact { targets: asked_for, heartbeats: Vec::new() });
        assert_eq!(
            (found.standing, found.sentence.as_str()),
            (Standing::AllRight, "1 target is up; 1 is not asked for yet")
        );
        for (state, overdue, standing) in [
            ("up", false, Standing::AllRight),
            ("down", false, Standing::Attention),
            ("new", false, Standing::NotSetUp),
            ("new", true, Standing::Unknown),
        ] {
            let beat = HeartbeatFact { name: "backup".to_owned(), state, overdue, since: NOW, reason: None };
            let found = ProbesFact { targets: Vec::new(), heartbeats: vec![beat] };
            assert_eq!(probes(&found).standing, standing, "{state} {overdue}");
        }
        let nothing = ProbesFact { targets: Vec::new(), heartbeats: Vec::new() };
        assert_eq!(probes(&nothing).standing, Standing::NotSetUp);
    }

    #[test]
    fn jobs_fail_are_late_or_paused() {
        let job = |change: fn(&mut JobFact)| {
            let mut job = JobFact {
                id: "slo_watchdog",
                state: "active",
                critical: true,
                since: None,
                failures: 0,
                late: None,
                last: Some("done"),
                last_at: Some(NOW),
                result: None,
                next_at: Some(NOW),
            };
            change(&mut job);
            job
        };
        type Change = fn(&mut JobFact);
        let rows: [(Change, Standing); 7] = [
            (|_| {}, Standing::AllRight),
            (|job| job.failures = 1, Standing::Attention),
            (|job| job.failures = 3, Standing::Trouble),
            (|job| (job.failures, job.critical) = (3, false), Standing::Attention),
            (|job| job.late = Some("late".to_owned()), Standing::Attention),
            (|job| job.state = "paused", Standing::Attention),
            (|job| job.state = "unknown", Standing::Unknown),
        ];
        for (change, standing) in rows {
            let one = job(change);
            assert_eq!(jobs(std::slice::from_ref(&one)).standing, standing, "{one:?}");
            // Beside one that is well, it is the same.
            assert_eq!(jobs(&[job(|_| {}), one]).standing, standing);
        }
    }

    #[test]
    fn queues_matter_when_something_waits_for_too_long() {
        let calm = || QueuesFact {
            store_waiting: 0,
            store_capacity: 100,
            runs_waiting: 3,
            runs_oldest_at: Some(NOW - RUN_WAITS_MAX),
            runs_stuck: None,
            sink: true,
            sink_waiting: 2,
            sink_oldest_at: Some(NOW - EVENT_WAITS_MAX),
            sink_failing_since: None,
            sink_problem: None,
            messages_waiting: 9,
            messages_late: 0,
            messages_dead: 0,
            messages_undeliverable: 0,
        };
        type Change = fn(&mut QueuesFact);
        let rows: [(Change, Standing); 11] = [
            (|_| {}, Standing::AllRight),
            (|found| found.store_waiting = 80, Standing::Attention),
            (|found| found.store_waiting = 100, Standing::Trouble),
            (|found| found.runs_stuck = Some("run x is stuck".to_owned()), Standing::Trouble),
            (|found| found.runs_oldest_at = Some(NOW - RUN_WAITS_MAX * 2), Standing::Attention),
            (|found| found.sink_oldest_at = Some(NOW - EVENT_WAITS_MAX * 2), Standing::Attention),
            (|found| found.sink_failing_since = Some(NOW), Standing::Attention),
            (|found| (found.sink, found.sink_failing_since) = (false, Some(NOW)), Standing::AllRight),
            (|found| found.messages_dead = 1, Standing::Trouble),
            (|found| found.messages_late = 1, Standing::Trouble),
            (|found| found.messages_undeliverable = 1, Standing::Attention),
        ];
        for (change, standing) in rows {
            let mut found = calm();
            change(&mut found);
            assert_eq!(queues(&found, NOW).standing, standing, "{found:?}");
        }
    }

    #[test]
    fn files_promises_and_requests() {
        let place = |verdict: &'static str| PlaceFact {
            place: "here:/data".to_owned(),
            region: "eu-west".to_owned(),
            verdict,
            files: 7,
            findings: 2,
            since: Some(NOW),
        };
        assert_eq!(tamper(&[], false).standing, Standing::NotSetUp);
        assert_eq!(tamper(&[], true).standing, Standing::Unknown);
        assert_eq!(tamper(&[place("untouched")], true).sentence, "7 files are as agreed");
        assert_eq!(tamper(&[place("untouched"), place("unknown")], true).standing, Standing::Unknown);
        let changed = tamper(&[place("unknown"), place("changed")], false);
        assert_eq!((changed.standing, changed.since), (Standing::Trouble, Some(NOW)));

        let look =
            |pass, fresh| DriftFact { region: "eu-west".to_owned(), at: NOW, pass, fresh, findings: 1 };
        for (found, standing) in [
            (vec![], Standing::Unknown),
            (vec![look(true, true)], Standing::AllRight),
            (vec![look(true, true), look(false, false)], Standing::AllRight),
            (vec![look(true, false)], Standing::Unknown),
            (vec![look(true, true), look(false, true)], Standing::Attention),
        ] {
            assert_eq!(drift(&found, &[], Some(NOW)).standing, standing, "{found:?}");
        }
        // Of two nodes that live, one has not looked: what it serves is not known.
        let half = drift(&[look(true, true)], &["us-east".to_owned()], None);
        assert_eq!(half.standing, Standing::Unknown);
        assert!(half.sentence.contains("A node in us-east has not looked lately"), "{}", half.sentence);
        let worse = drift(&[look(false, true)], &["us-east".to_owned()], None);
        assert_eq!(worse.standing, Standing::Attention, "what is known to be wrong is told first");

        let none = TicketsFact { open: 2, late: 0, late_since: None };
        assert_eq!(tickets(&none).standing, Standing::AllRight);
        let late = TicketsFact { open: 2, late: 1, late_since: Some(NOW) };
        assert_eq!((tickets(&late).standing, tickets(&late).since), (Standing::Attention, Some(NOW)));
    }
}
