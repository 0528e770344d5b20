//! From what is said and what is open to what changes: pure, so that every case is a test.

use std::collections::{BTreeMap, BTreeSet};

use levqor_model::{AlertId, AlertState, Condition, Severity, SilenceId, Timestamp, Verdict};
use levqor_slo::{
    Silencing,
    alert::{Before, Event, GAP_MAX, Track, step},
};
use levqor_store::{
    alerts::{Alert, AlertMove, AlertStep, OPEN_MAX},
    notifications::Target,
};

use super::{AlertSettings, Said, rules};

/// How often the summary of an alert that goes on is written anew.
const REWRITE_AFTER: std::time::Duration = std::time::Duration::from_secs(60);

/// What one source said, or why it could not.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) source: &'static str,
    pub(super) said: Result<Vec<Said>, String>,
}

/// What is known before a look.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) open: &'a [Alert],
    pub(super) silences: &'a [(SilenceId, Silencing)],
    /// Of things that fail and have no open alert: the alert that ended last.
    pub(super) before: &'a BTreeMap<(String, String), Before>,
    /// Who may be told.
    pub(super) settings: &'a AlertSettings,
    pub(super) now: Timestamp,
}

/// Something that people are told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct News {
    pub(super) alert: Alert,
    pub(super) event: Event,
    pub(super) to: Vec<Target>,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) moves: Vec<AlertMove>,
    pub(super) news: Vec<News>,
    /// Things that fail and have no place any more.
    pub(super) left_out: usize,
}

/// What is said of each thing, by rule and subject: of two answers about the same the worse one counts.
pub(super) fn flatten(answers: &[Answer]) -> BTreeMap<(String, String), (&'static str, Said)> {
    let mut all: BTreeMap<(String, String), (&'static str, Said)> = BTreeMap::new();
    for answer in answers {
        let said = answer.said.as_deref().unwrap_or_default();
        let knowledge = said.iter().filter_map(Said::of_knowledge);
        for said in said.iter().cloned().chain(knowledge) {
            let key = (said.condition.rule.clone(), said.condition.subject.clone());
            match all.get(&key) {
                Some((_, other)) if weight(&other.condition) >= weight(&said.condition) => {}
                _ => {
                    all.insert(key, (answer.source, said));
                }
            }
        }
    }
    all
}

fn weight(condition: &Condition) -> u8 {
    match condition.verdict {
        Verdict::Holds => 0,
        Verdict::Unknown => 1,
        Verdict::Fails => 2,
    }
}

/// Things that fail and have no open alert: whoever plans must know how the last one ended.
pub(super) fn beginning(
    said: &BTreeMap<(String, String), (&'static str, Said)>,
    open: &[Alert],
) -> Vec<(String, String)> {
    let has =
        |key: &(String, String)| open.iter().any(|alert| (&alert.rule, &alert.subject) == (&key.0, &key.1));
    said.iter()
        .filter(|(key, (_, said))| said.condition.verdict == Verdict::Fails && !has(key))
        .map(|(key, _)| key.clone())
        .collect()
}

/// What changes. `new_id` gives ids.
pub(super) fn plan(
    answers: &[Answer],
    said: &BTreeMap<(String, String), (&'static str, Said)>,
    known: &Known<'_>,
    mut new_id: impl FnMut() -> AlertId,
) -> Plan {
    let mut plan = Plan::default();
    let mut open: BTreeMap<(&str, &str), &Alert> = BTreeMap::new();
    for alert in known.open {
        open.insert((&alert.rule, &alert.subject), alert);
    }
    let left_out = left_out(said, &open);
    plan.left_out = left_out.len();
    // The worse rule first, so that the one that it covers sees it.
    let mut firing: BTreeSet<(String, String)> = known
        .open
        .iter()
        .filter(|alert| alert.state == AlertState::Firing)
        .map(|alert| (alert.rule.clone(), alert.subject.clone()))
        .collect();
    for ((rule, subject), (source, said)) in said {
        if left_out.contains(&(rule.as_str(), subject.as_str())) {
            continue;
        }
        let alert = open.remove(&(rule.as_str(), subject.as_str()));
        let covered = rules::covered_by(rule)
            .is_some_and(|other| firing.contains(&(other.to_owned(), subject.clone())));
        let looked = Looked { source, said, ending: "it holds again", covered };
        let fires = look(&mut plan, alert, &looked, known, &mut new_id);
        if fires {
            firing.insert((rule.clone(), subject.clone()));
        }
    }
    // What nobody speaks of any more is gone, if whoever spoke of it was asked.
    for alert in open.into_values() {
        let answered = answers.iter().any(|answer| answer.source == alert.source && answer.said.is_ok());
        if !answered {
            continue;
        }
        let condition = Condition {
            rule: alert.rule.clone(),
            subject: alert.subject.clone(),
            verdict: Verdict::Holds,
            severity: alert.severity,
            summary: alert.summary.clone(),
            details: alert.details.clone(),
        };
        let said = Said::of(condition).quiet_when_unknown();
        let looked = Looked {
            source: source_of(&alert.source, answers),
            said: &said,
            ending: "it is not looked at any more",
            covered: false,
        };
        look(&mut plan, Some(alert), &looked, known, &mut new_id);
    }
    plan
}

/// Things that fail and have no place any more: the worst have those that there are.
fn left_out<'a>(
    said: &'a BTreeMap<(String, String), (&'static str, Said)>,
    open: &BTreeMap<(&str, &str), &Alert>,
) -> BTreeSet<(&'a str, &'a str)> {
    let mut begin: Vec<(Severity, (&str, &str))> = Vec::new();
    for ((rule, subject), (_, said)) in said {
        let key = (rule.as_str(), subject.as_str());
        if said.condition.verdict == Verdict::Fails && !open.contains_key(&key) {
            begin.push((said.condition.severity, key));
        }
    }
    begin.sort_unstable();
    begin.into_iter().skip(OPEN_MAX.saturating_sub(open.len())).map(|(_, key)| key).collect()
}

fn source_of(name: &str, answers: &[Answer]) -> &'static str {
    answers.iter().map(|answer| answer.source).find(|source| *source == name).unwrap_or_default()
}

/// One thing that was looked at.
struct Looked<'a> {
    source: &'static str,
    said: &'a Said,
    ending: &'a str,
    /// A worse alert says it already.
    covered: bool,
}

/// Takes one look into the plan; whether its alert fires afterwards.
fn look(
    plan: &mut Plan,
    alert: Option<&Alert>,
    looked: &Looked<'_>,
    known: &Known<'_>,
    new_id: &mut impl FnMut() -> AlertId,
) -> bool {
    let Looked { source, said, ending, covered } = looked;
    let condition = &said.condition;
    let severity = severity_of(alert, condition);
    let silence = known
        .silences
        .iter()
        .find(|(_, silencing)| {
            silencing.is_on(known.now) && silencing.is_about(&condition.rule, &condition.subject, severity)
        })
        .map(|(id, _)| *id);
    let hushed = silence.is_some() || *covered;
    let track = alert.map(track_of);
    let before = known.before.get(&(condition.rule.clone(), condition.subject.clone())).copied();
    let now = levqor_slo::alert::Said {
        verdict: condition.verdict,
        severity: condition.severity,
        hushed,
        at: known.now,
    };
    let (next, event) = step(track.as_ref(), before, now, said.patience);
    let made = match (alert, next) {
        (None, None) => return false,
        (None, Some(next)) => {
            let began_at = began_at(said, before, known.now);
            let made = fresh(new_id(), source, condition, &next, event, known.now);
            Alert { began_at, ..made }
        }
        (Some(alert), next) => changed(alert, condition, next, event, ending, known.now),
    };
    let mut made = Alert { silence, ..made };
    let fires = made.state == AlertState::Firing;
    let reminds = event == Event::Kept
        && !hushed
        && condition.verdict == Verdict::Fails
        && alert.is_some_and(|alert| is_reminder_due(alert, known.now));
    if let Some(alert) = alert
        && event == Event::Kept
        && !reminds
        && !is_worth_writing(alert, &made, known.now)
    {
        return fires;
    }
    // Whoever was not told that it fires is not told that it is over.
    let tells = match event {
        Event::Resolved => alert.is_some_and(|alert| alert.heard) && said.tells_over && silence.is_none(),
        Event::Fired | Event::Raised | Event::Told => !hushed,
        Event::Kept => reminds,
        Event::Nothing | Event::Dropped => false,
    };
    if tells {
        let heard_by = alert.map(|alert| told_before(alert, said, known.settings)).unwrap_or_default();
        let routes = routes_of(said, made.severity);
        let to = if event == Event::Resolved {
            let there = known.settings.still_there(&heard_by, made.severity);
            // None of those who heard of it can be told: rather others than nobody.
            if there.is_empty() { to_routes(routes) } else { there }
        } else {
            made.heard_by = known.settings.heard(heard_by, &routes, made.severity);
            to_routes(routes)
        };
        plan.news.push(News { alert: made.clone(), event, to });
    }
    plan.moves.push(AlertMove { alert: made, was: alert.map(|alert| alert.version), step: step_of(event) });
    fires
}

/// When something began that fails now: as its source has it, though not before the last alert of it was over.
fn began_at(said: &Said, before: Option<Before>, now: Timestamp) -> Timestamp {
    let began_at = said.since.unwrap_or(now);
    before.map_or(began_at, |before| began_at.max(before.ended_at)).min(now)
}

/// The routes by which an alert of that severity is told.
fn routes_of(said: &Said, severity: Severity) -> Vec<String> {
    if said.routes.is_empty() { vec![severity.to_string()] } else { said.routes.clone() }
}

fn to_routes(routes: Vec<String>) -> Vec<Target> {
    routes.into_iter().map(Target::Route).collect()
}

/// Who was told that it fires. A build before this one did not write it down: those whom its severity leads to.
fn told_before(alert: &Alert, said: &Said, settings: &AlertSettings) -> Vec<Target> {
    if alert.heard && alert.heard_by.is_empty() {
        return settings.hearers(&routes_of(said, alert.severity), alert.severity);
    }
    alert.heard_by.clone()
}

/// How bad it is, as silences see it: one of minor alerts is none of an alert that was critical a moment ago, and what holds again is as bad
/// as it was.
fn severity_of(alert: Option<&Alert>, condition: &Condition) -> Severity {
    match alert {
        Some(alert) if condition.verdict != Verdict::Fails => alert.severity,
        Some(alert) if alert.state == AlertState::Firing => alert.severity.min(condition.severity),
        _ => condition.severity,
    }
}

/// Whether it is time to say again that it goes on, since nobody has said that they deal with it. What was reminded of before is known by
/// when the row was written last, so that of two nodes one does it.
fn is_reminder_due(alert: &Alert, now: Timestamp) -> bool {
    let Some(fired) = alert.firing_at else { return false };
    let reminders = |at: Timestamp| rules::reminders(alert.severity, at.since(fired));
    alert.state == AlertState::Firing
        && alert.told
        && alert.acknowledged.is_none()
        && reminders(now) > reminders(alert.seen_at)
}

const fn step_of(event: Event) -> AlertStep {
    match event {
        Event::Nothing | Event::Kept => AlertStep::Kept,
        Event::Dropped => AlertStep::Dropped,
        Event::Fired => AlertStep::Fired,
        Event::Raised => AlertStep::Raised,
        Event::Told => AlertStep::Told,
        Event::Resolved => AlertStep::Resolved,
    }
}

fn track_of(alert: &Alert) -> Track {
    Track {
        state: alert.state,
        severity: alert.severity,
        seen_at: alert.seen_at,
        held: std::time::Duration::from_micros(alert.held_us.max(0).cast_unsigned()),
        flaps: alert.flaps,
        told: alert.told,
        heard: alert.heard,
    }
}

fn held_us(track: &Track) -> i64 {
    i64::try_from(track.held.as_micros()).unwrap_or(i64::MAX)
}

fn fresh(
    id: AlertId,
    source: &str,
    condition: &Condition,
    next: &Track,
    event: Event,
    now: Timestamp,
) -> Alert {
    Alert {
        id,
        rule: condition.rule.clone(),
        subject: condition.subject.clone(),
        source: source.to_owned(),
        severity: condition.severity,
        state: next.state,
        summary: condition.summary.clone(),
        details: condition.details.clone(),
        began_at: now,
        firing_at: (event == Event::Fired).then_some(now),
        ended_at: None,
        seen_at: now,
        held_us: held_us(next),
        flaps: next.flaps,
        told: next.told,
        heard: next.heard,
        heard_by: Vec::new(),
        silence: None,
        ending: None,
        acknowledged: None,
        version: 1,
    }
}

fn changed(
    alert: &Alert,
    condition: &Condition,
    next: Option<Track>,
    event: Event,
    ending: &str,
    now: Timestamp,
) -> Alert {
    // What is said of it while it holds again is not why it fired.
    let fails = condition.verdict == Verdict::Fails;
    let (summary, details) = if fails {
        (condition.summary.clone(), condition.details.clone())
    } else {
        (alert.summary.clone(), alert.details.clone())
    };
    let version = alert.version + 1;
    match next {
        Some(next) => Alert {
            severity: if next.state == AlertState::Firing { next.severity } else { condition.severity },
            state: next.state,
            summary,
            details,
            firing_at: alert.firing_at.or((event == Event::Fired).then_some(now)),
            seen_at: now,
            held_us: held_us(&next),
            told: next.told,
            heard: next.heard,
            version,
            ..alert.clone()
        },
        None => Alert {
            state: AlertState::Resolved,
            ended_at: Some(now),
            seen_at: now,
            ending: Some(ending.to_owned()),
            version,
            ..alert.clone()
        },
    }
}

/// Whether a look that nobody needs to know of is written: what is counted in time is, and now and then what it measures.
fn is_worth_writing(was: &Alert, is: &Alert, now: Timestamp) -> bool {
    let counting = is.state == AlertState::Pending || is.held_us != was.held_us;
    let away = now.since(was.seen_at).max(was.seen_at.since(now));
    counting
        || is.silence != was.silence
        || is.severity != was.severity
        || (away >= REWRITE_AFTER.max(GAP_MAX) && (is.summary != was.summary || is.details != was.details))
}

/// The worst of some alerts.
pub(super) fn worst(news: &[&News]) -> Severity {
    news.iter().map(|news| news.alert.severity).min().unwrap_or(Severity::Minor)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
