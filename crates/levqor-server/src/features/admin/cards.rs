//! The cards of `/admin`: each draws what is known of a part, and says so when it is not.

use levqor_model::Timestamp;
use maud::{Markup, html};

use super::facts::{AlertFact, CostsFact, NodeFact, Overview, RegionFact, SloFact, Standing};
use crate::pages::{
    components::{
        badge::{Tone, badge},
        charts::meter,
        form,
        icon::icon,
        region_map::{Arrow, Place, region_map},
        table::table,
        time::ago,
    },
    count, plural,
};

/// Lines of a card; the page of the part has all.
const LINES: usize = 10;

pub(super) const fn look(standing: Standing) -> (Tone, &'static str) {
    match standing {
        Standing::AllRight => (Tone::Good, "check-ring"),
        Standing::NotSetUp => (Tone::Idle, "dots"),
        Standing::Unknown => (Tone::Idle, "question"),
        Standing::Attention => (Tone::Warn, "alert"),
        Standing::Trouble => (Tone::Bad, "cross-ring"),
    }
}

/// That a card does not have all of them, and where they are.
fn more(all: usize, page: &str) -> Markup {
    let left = i64::try_from(all.saturating_sub(LINES)).unwrap_or(i64::MAX);
    html! {
        @if left > 0 { div.body { p.small { a href=(page) { (count(left)) " more" } } } }
    }
}

pub(super) fn unknown(why: &str) -> Markup {
    html! { div.body { p.quiet { (badge(Tone::Idle, "question", "unknown")) " " (why) } } }
}

/// A card of a part: its heading, its standing, the way to its page, and what is known; else why nothing is.
fn card<T>(
    overview: &Overview,
    (name, title): (&'static str, &str),
    known: Option<T>,
    draw: impl FnOnce(T) -> Markup,
) -> Markup {
    let part = overview.parts.iter().find(|part| part.name == name);
    let page = match name {
        "regions" => Some("/status"),
        "nodes" | "queues" => None,
        "slos" => Some("/admin/slos"),
        "alerts" => Some("/admin/alerts"),
        "incidents" => Some("/admin/incidents"),
        "jobs" => Some("/admin/jobs"),
        "probes" => Some("/admin/probes"),
        _ => None,
    };
    html! {
        section.card aria-labelledby=(name) {
            header {
                h2 id=(name) { (title) }
                @if let Some(part) = part {
                    @let (tone, picture) = look(part.standing);
                    (badge(tone, picture, part.standing.as_str()))
                }
                @if let Some(page) = page { a.small href=(page) { "All" span.visually-hidden { " of " (title) } } }
            }
            @match known {
                Some(known) => (draw(known)),
                None => (unknown(part.map_or("It was not asked.", |part| part.sentence.as_str()))),
            }
        }
    }
}

pub(super) fn regions(overview: &Overview) -> Markup {
    card(overview, ("regions", "Regions"), overview.regions.as_deref(), |regions| {
        // Those that are not there yet would only be in the way.
        let drawn: Vec<&RegionFact> = regions.iter().filter(|one| one.status != "planned").collect();
        let planned = regions.len() - drawn.len();
        let places: Vec<_> = drawn.iter().map(|one| place(one)).collect();
        let mut arrows = Vec::new();
        for (source, one) in drawn.iter().enumerate() {
            for (to, ms) in &one.latency_ms {
                if let Some(target) = drawn.iter().position(|other| other.code == *to) {
                    arrows.push(Arrow { source, target, label: format!("{ms:.1} ms") });
                }
            }
        }
        let told: Vec<_> = drawn.iter().map(|one| format!("{} is {}", one.code, one.status)).collect();
        let label =
            format!("Regions and how long a request and its answer take between them: {}", told.join(", "));
        html! {
            div.body { (region_map(&label, &places, &arrows)) }
            @if !arrows.is_empty() {
                div.body {
                    details id="latencies" {
                        summary { "Round trips as a table" }
                        (table("Round trips", &[("From", false), ("To", false), ("Time", true)], &html! {
                            @for arrow in &arrows {
                                tr {
                                    th scope="row" { (drawn[arrow.source].code) }
                                    td data-label="To" { (drawn[arrow.target].code) }
                                    td.num data-label="Time" { (arrow.label) }
                                }
                            }
                        }))
                    }
                }
            } @else if drawn.len() > 1 {
                div.body { p.small.quiet { "Nobody has measured lately how far they are from each other." } }
            }
            @if planned > 0 {
                div.body { p.small.faint { (plural(i64::try_from(planned).unwrap_or(i64::MAX), "region is", "regions are")) " planned." } }
            }
        }
    })
}

fn place(one: &RegionFact) -> Place {
    let tone = match one.status {
        "active" => Tone::Good,
        "draining" => Tone::Warn,
        "down" => Tone::Bad,
        _ => Tone::Idle,
    };
    let nodes = plural(i64::try_from(one.nodes_live).unwrap_or(i64::MAX), "node", "nodes");
    Place { name: one.code.clone(), detail: format!("{}, {nodes}", one.status), tone }
}

pub(super) fn nodes(overview: &Overview, now: Timestamp) -> Markup {
    card(overview, ("nodes", "Nodes"), overview.nodes.as_deref(), |nodes| {
        html! {
            (table("Nodes", &[("Node", false), ("State", false), ("Region", false), ("Began", false)], &html! {
                @for one in nodes.iter().take(LINES * 2) { (node(one, now)) }
            }))
            @if nodes.len() > LINES * 2 {
                div.body { p.small { code { "levqor nodes" } " shows more." } }
            }
        }
    })
}

fn node(one: &NodeFact, now: Timestamp) -> Markup {
    let (tone, picture, word) = match one.state {
        "ready" => (Tone::Good, "check-ring", "ready"),
        "not_ready" => (Tone::Bad, "cross-ring", "not ready"),
        "late" => (Tone::Warn, "hourglass", "late"),
        _ => (Tone::Idle, "question", "unknown"),
    };
    html! {
        tr {
            th scope="row" { code.small { (one.id) } }
            td data-label="State" {
                (badge(tone, picture, word))
                @if let Some(reason) = &one.reason { p.small { (reason) } }
                @if let Some(since) = one.late_since { " " span.small.faint { (ago(since, now)) } }
            }
            td data-label="Region" { (one.region) }
            td data-label="Began" { (ago(one.started_at, now)) }
        }
    }
}

pub(super) fn alerts(overview: &Overview, csrf: &str, now: Timestamp) -> Markup {
    card(overview, ("alerts", "Alerts"), overview.alerts.as_ref(), |alerts| {
        html! {
            @if alerts.open.is_empty() {
                div.body { p.quiet { "Nothing is open." } }
            } @else {
                ul.lines { @for one in alerts.open.iter().take(LINES) { (alert(one, csrf, now)) } }
            }
            @if alerts.firing + alerts.pending > LINES {
                div.body { p.small { a href="/admin/alerts" { (alerts.firing) " fire, " (alerts.pending) " may" } } }
            }
        }
    })
}

fn alert(one: &AlertFact, csrf: &str, now: Timestamp) -> Markup {
    let firing = one.state == "firing";
    let (tone, picture) = match (firing, one.severity) {
        (false, _) => (Tone::Idle, "hourglass"),
        (true, "critical") => (Tone::Bad, "cross-ring"),
        (true, _) => (Tone::Warn, "alert"),
    };
    html! {
        li {
            (badge(tone, picture, if firing { one.severity } else { "pending" }))
            a.main href={ "/admin/alerts#" (one.id) } { (one.summary) }
            span.small.faint {
                code { (one.rule) } ", since " (ago(one.since, now))
                @if one.silenced { ", silenced" }
                @if let Some(by) = &one.acknowledged_by { ", " (by) " has it" }
            }
            @if firing && one.acknowledged_by.is_none() {
                form.inline-form method="post" action={ "/admin/alerts/" (one.id) "/acknowledge" } {
                    (form::csrf(csrf))
                    button.button.slim type="submit" { (icon("check")) "I have it" span.visually-hidden { ": " (one.summary) } }
                }
            }
        }
    }
}

pub(super) fn incidents(overview: &Overview, now: Timestamp) -> Markup {
    card(overview, ("incidents", "Incidents"), overview.incidents.as_deref(), |incidents| {
        html! {
            @if incidents.is_empty() {
                div.body { p.quiet { "No incident is open." } }
            } @else {
                ul.lines {
                    @for one in incidents.iter().take(LINES) {
                        li {
                            (badge(if matches!(one.level, "l3" | "l4") { Tone::Bad } else { Tone::Warn }, "alert", &one.level.to_uppercase()))
                            a.main href={ "/admin/incidents/" (one.id) } { (one.title) }
                            span.small.faint {
                                (one.state) ", since " (ago(one.since, now))
                                @match &one.acknowledged_by { Some(by) => { ", " (by) " deals with it" }, None => ", nobody deals with it" }
                            }
                        }
                    }
                }
                (more(incidents.len(), "/admin/incidents"))
            }
        }
    })
}

pub(super) fn slos(overview: &Overview) -> Markup {
    card(overview, ("slos", "Objectives"), overview.slos.as_deref(), |slos| {
        html! {
            @if slos.is_empty() { div.body { p.quiet { "No objective is configured." } } } @else {
                (table("Budgets", &[("Objective", false), ("State", false), ("Left of the budget", true), ("Burn of the last hour", true)], &html! {
                    @for one in slos { (objective(one)) }
                }))
            }
        }
    })
}

fn objective(one: &SloFact) -> Markup {
    let (tone, picture) = match one.status {
        "met" => (Tone::Good, "check-ring"),
        "quiet" => (Tone::Idle, "dots"),
        "slow" => (Tone::Warn, "alert"),
        "burning" | "exhausted" => (Tone::Bad, "cross-ring"),
        _ => (Tone::Idle, "question"),
    };
    html! {
        tr {
            th scope="row" { div { (one.title) div.small.faint { (one.target_percent) " %" } } }
            td data-label="State" {
                (badge(tone, picture, one.status))
                @if let Some(why) = &one.unknown { p.small { (why) } }
            }
            td.num data-label="Left of the budget" {
                @match one.left_percent {
                    Some(left) => {
                        (format!("{left:.1} %"))
                        (meter(&format!("{:.1} % of the budget is spent", 100.0 - left), spent_permille(left), 1_000))
                    },
                    None => span.faint { "no events" },
                }
            }
            td.num data-label="Burn of the last hour" {
                @match one.burn_of_hour { Some(burn) => (format!("{burn:.1}")), None => span.faint { "–" } }
            }
        }
    }
}

/// How much of a budget is spent, of a thousand.
fn spent_permille(left_percent: f64) -> i64 {
    let spent = ((100.0 - left_percent) * 10.0).clamp(0.0, 1_000.0);
    // Within a thousand, so nothing is lost.
    spent.round() as i64
}

pub(super) fn jobs(overview: &Overview, now: Timestamp) -> Markup {
    card(overview, ("jobs", "Jobs"), overview.jobs.as_deref(), |jobs| {
        let running: Vec<_> = jobs.iter().filter(|one| one.state == "running").collect();
        let wrong: Vec<_> = jobs
            .iter()
            .filter(|one| {
                one.failures > 0 || one.late.is_some() || !matches!(one.state, "active" | "running")
            })
            .collect();
        let mut next: Vec<_> = jobs.iter().filter_map(|one| Some((one.next_at?, one.id))).collect();
        next.sort_unstable();
        let line = |picture: &str, id: &str, words: &Markup| {
            html! {
                li {
                    (icon(picture))
                    a.main href={ "/admin/jobs/" (id) } { (id) }
                    span.small.faint { (words) }
                }
            }
        };
        html! {
            ul.lines {
                @for one in wrong.iter().take(LINES) {
                    (line("alert", one.id, &html! {
                        @if one.failures > 0 { "failed " (plural(i64::try_from(one.failures).unwrap_or(i64::MAX), "time", "times")) }
                        @else if one.late.is_some() { "late" }
                        @else { (one.state) }
                        @if let Some(at) = one.last_at { ", last " (ago(at, now)) }
                    }))
                }
                @for one in running.iter().take(LINES) {
                    (line("turn", one.id, &html! { "running" @if let Some(at) = one.since { ", since " (ago(at, now)) } }))
                }
                @for (at, id) in next.iter().take(3) { (line("clock", id, &html! { "next " (ago(*at, now)) })) }
            }
            (more(wrong.len(), "/admin/jobs"))
        }
    })
}

pub(super) fn probes(overview: &Overview, now: Timestamp) -> Markup {
    card(overview, ("probes", "Probes"), overview.probes.as_ref(), |probes| {
        let states = [
            ("up", Tone::Good, "check-ring"),
            ("down", Tone::Bad, "cross-ring"),
            ("unknown", Tone::Idle, "question"),
        ];
        let of = |state: &str| probes.targets.iter().filter(|one| one.state == state).count();
        let worse: Vec<_> = probes.targets.iter().filter(|one| one.state == "down" || one.disputed).collect();
        let missed: Vec<_> =
            probes.heartbeats.iter().filter(|one| one.state == "down" || one.overdue).collect();
        html! {
            div.body.row {
                @for (state, tone, picture) in states {
                    @let number = of(state);
                    @if number > 0 { (badge(tone, picture, &format!("{number} {state}"))) }
                }
                @if probes.targets.is_empty() { span.quiet { "Nothing is probed." } }
            }
            @let (all_worse, all_missed) = (worse.len(), missed.len());
            @if !worse.is_empty() || !missed.is_empty() {
                ul.lines {
                    @for one in worse.into_iter().take(LINES) {
                        @let word = if one.state == "down" { "down" } else { "disputed" };
                        li {
                            (icon("globe"))
                            span.main { (one.target.as_deref().unwrap_or("–")) }
                            span.small.faint {
                                (one.probe) ": " (word)
                                @if let Some(since) = one.since { ", since " (ago(since, now)) }
                            }
                        }
                    }
                    @for one in missed.into_iter().take(LINES) {
                        @let word = if one.state == "down" { "missed" } else { "never heard of" };
                        li {
                            (icon("pulse"))
                            span.main { (one.name) }
                            span.small.faint { (word) ", since " (ago(one.since, now)) }
                        }
                    }
                }
                (more(all_worse.max(all_missed), "/admin/probes"))
            }
        }
    })
}

pub(super) fn queues(overview: &Overview, now: Timestamp) -> Markup {
    card(overview, ("queues", "Queues"), overview.queues.as_ref(), |queues| {
        html! {
            div.body {
                dl.facts {
                    dt { "Writes, this node" }
                    dd.nums { (queues.store_waiting) " of " (queues.store_capacity) }
                    dt { "Runs" }
                    dd.nums {
                        (count(queues.runs_waiting)) " wait"
                        @if let Some(at) = queues.runs_oldest_at { ", the oldest since " (ago(at, now)) }
                    }
                    dt { "Event sink" }
                    dd.nums {
                        @if queues.sink {
                            (count(queues.sink_waiting)) " wait"
                            @if let Some(at) = queues.sink_failing_since { ", it takes nothing since " (ago(at, now)) }
                        } @else { "none" }
                    }
                    dt { a href="/admin/notifications" { "Messages" } }
                    dd.nums {
                        (count(queues.messages_waiting)) " wait, " (queues.messages_dead) " given up"
                        @if queues.messages_undeliverable > 0 { ", " (queues.messages_undeliverable) " with nobody to go to" }
                    }
                }
            }
        }
    })
}

pub(super) fn costs(overview: &Overview, now: Timestamp) -> Markup {
    html! {
        section.card aria-labelledby="costs" {
            header { h2 id="costs" { "Costs and requests" } a.small href="/admin/jobs/cost_collector" { "All" span.visually-hidden { " of the costs" } } }
            div.body.stack {
                (spent(overview.costs.as_ref(), overview.costs_unknown.as_deref(), now))
                @match &overview.tickets {
                    Some(tickets) => p {
                        a href="/admin/customers" { (plural(tickets.open, "support request waits", "support requests wait")) }
                        ", " (count(tickets.late)) " late"
                        @if let Some(since) = tickets.late_since { ", since " (ago(since, now)) }
                        "."
                    },
                    None => p.quiet { "How many support requests wait is not known." },
                }
            }
        }
    }
}

/// `unknown`: why costs cannot be read.
fn spent(costs: Option<&CostsFact>, unknown: Option<&str>, now: Timestamp) -> Markup {
    html! {
        @match (costs, unknown) {
            (Some(costs), _) => p { (costs.summary) " " span.small.faint { "Collected " (ago(costs.at, now)) "." } },
            (None, Some(reason)) => p.quiet {
                (badge(Tone::Idle, "question", "unknown")) " What it costs could not be read: " (reason)
            },
            (None, None) => p.quiet { "What it costs is not known yet: costs are collected once a day." },
        }
    }
}

/// Tamper detection and drift.
pub(super) fn trust(overview: &Overview, now: Timestamp) -> Markup {
    let find = |name: &str| overview.parts.iter().find(|part| part.name == name);
    html! {
        section.card aria-labelledby="trust" {
            header { h2 id="trust" { "As agreed" } }
            ul.lines {
                @for (title, path, part) in [("Files", "/admin/tamper", find("tamper")), ("Promises", "/admin/drift", find("drift"))] {
                    li {
                        @if let Some(part) = part {
                            @let (tone, picture) = look(part.standing);
                            (badge(tone, picture, part.standing.as_str()))
                        }
                        a.main href=(path) { (title) }
                        @if let Some(part) = part {
                            span.small { (part.sentence) }
                            @if let Some(since) = part.since { span.small.faint { "since " (ago(since, now)) } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_that_cannot_be_read_are_not_costs_that_were_never_collected() {
        let now = Timestamp::from_seconds(1_795_502_901);
        let costs = CostsFact { summary: "2.00 USD in all.".to_owned(), at: now };
        for (costs, unknown, words) in [
            (Some(&costs), None, "2.00 USD in all. <span class=\"small faint\">Collected "),
            (None, None, "costs are collected once a day"),
            (None, Some("no answer within 4 s"), "could not be read: no answer within 4 s"),
        ] {
            let shown = spent(costs, unknown, now).into_string();
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }

    #[test]
    fn what_a_card_leaves_out_is_counted() {
        assert_eq!(more(LINES, "/admin/jobs").into_string(), "");
        let shown = more(LINES + 3, "/admin/jobs").into_string();
        assert!(shown.contains("<a href=\"/admin/jobs\">3 more</a>"), "{shown}");
    }

    #[test]
    fn a_budget_is_spent_between_nothing_and_all() {
        for (left, spent) in
            [(100.0, 0), (87.5, 125), (0.0, 1_000), (-250.0, 1_000), (120.0, 0), (f64::NAN, 0)]
        {
            assert_eq!(spent_permille(left), spent, "{left}");
        }
    }
}
