//! `/status`: the same bytes for all who ask, whoever they are, so that it can be given to very many and without a database.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use levqor_model::{IncidentLevel, IncidentState, Timestamp};
use levqor_store::{
    declarations::{Declaration, Declared},
    maintenance::{Phase, Window},
};
use maud::{Markup, html};

use super::{
    charts, facts,
    incidents::Disturbance,
    measured::span_words,
    reasons::Reader,
    rendered,
    service::{Capability, ComponentReport, DAYS, Day, FRESH, RegionReport, Report, State as Health},
    snapshot::{self, Snapshot},
};
use crate::{
    App,
    pages::{
        Page, Section, Theme, View,
        components::{
            badge::{Tone, badge, region_badge},
            charts::{Bar, day_bars},
            icon::{icon, icon_address},
            note::note,
            table::table,
            time::{age, ago, moment, utc},
        },
        duration_words, percent_down, plural,
    },
};

/// Seconds after which the page asks again. Evidence is up to 5 s old when it is served, so that a page that asks in vain is never
/// green with evidence older than [`FRESH`] by much, also where there are no scripts.
const REFRESH_SECONDS: u32 = 5;
const REFRESH_SECONDS_WITHOUT_SCRIPTS: u32 = 10;
/// Incidents and windows of the past that are shown.
const PAST: usize = 12;

pub(super) async fn status(State(app): State<App>, headers: HeaderMap) -> Response {
    let snapshot = snapshot::current(&app).await;
    let theme = Theme::of(&headers);
    let make = || page(&app, &snapshot, theme).into_string().into_bytes();
    snapshot.rendered.answer(rendered::View::Page(theme), &headers, make)
}

/// A view of nobody in particular.
pub(super) fn view(app: &App, theme: Theme, path: &str, now: Timestamp) -> View {
    View {
        theme,
        path: path.to_owned(),
        reader: None,
        region: app.region.code.to_string(),
        version: app.settings.version.clone(),
        public_url: app.settings.public_url.clone(),
        operator: app.settings.site.operator_name.clone(),
        known: None,
        now,
    }
}

fn page(app: &App, snapshot: &Snapshot, theme: Theme) -> Markup {
    let (report, now) = (&snapshot.report, snapshot.report.at);
    let old = snapshot.age().map(|age| format!("{:.1}", age.as_secs_f64()));
    let in_use: Vec<&RegionReport> = report.regions.iter().filter(|region| !region.planned).collect();
    let body = html! {
        div.wide.band.tight {
            div.stack-l id="status" data-live="on" data-refresh=(REFRESH_SECONDS) data-evidence-age=[old] data-fresh=(FRESH.as_secs()) {
                (verdict(report, now))
                (trouble(snapshot, now))
                @for said in &report.declarations { (declaration(said, now)) }
                (open_incidents(snapshot, now))
                (maintenance(snapshot, now))
                @if in_use.len() > 1 { (capabilities(&report.capabilities)) }
                @for region in &in_use { (of_region(region, snapshot, now)) }
                (planned(&report.regions))
                (past(snapshot, now))
                (subscribe())
                (facts::business(snapshot.totals.as_deref()))
                (facts::method(snapshot))
            }
        }
    };
    Page::new("Status", Section::Status, body)
        .describe("The state of Levqor, computed from stored samples.")
        .at("/status")
        .refresh_every(Some(REFRESH_SECONDS_WITHOUT_SCRIPTS))
        .render(&view(app, theme, "/status", now))
}

/// Colour, picture and word of a state.
fn look(state: Health) -> (Tone, &'static str) {
    match state {
        Health::Operational => (Tone::Good, "check-ring"),
        Health::Degraded => (Tone::Warn, "alert"),
        Health::Down => (Tone::Bad, "cross-ring"),
        Health::Unknown => (Tone::Idle, "question"),
    }
}

pub(super) fn state_badge(state: Health) -> Markup {
    let (tone, picture) = look(state);
    html! {
        span class={ "badge " (tone.class()) } data-state=(state.as_str()) { (icon(picture)) (state.as_str()) }
    }
}

pub(super) const fn title(state: Health) -> &'static str {
    match state {
        Health::Operational => "All observed parts are operational",
        Health::Degraded => "Some parts are not well",
        Health::Down => "Levqor is down",
        Health::Unknown => "Unknown: there is no fresh evidence",
    }
}

fn verdict(report: &Report, now: Timestamp) -> Markup {
    let (tone, picture) = look(report.state);
    html! {
        div class={ "verdict " (tone.class()) } role="status" data-unknown-icon=(icon_address("question")) {
            (icon(picture))
            div {
                h1 { (title(report.state)) }
                p.quiet.small {
                    span.mono { (report.state.as_str()) }
                    @if let Some(at) = report.newest {
                        ", newest evidence " (ago(at, now)) ", of " span.nums { (utc(at)) }
                    } @else { ", no evidence yet" }
                }
            }
        }
    }
}

/// The database is away, and what that means for what is shown.
fn trouble(snapshot: &Snapshot, now: Timestamp) -> Markup {
    let Some(_) = &snapshot.trouble else { return html! {} };
    html! {
        (note(Tone::Warn, &html! {
            p {
                strong { "The evidence cannot be read from the database now." } " "
                @match snapshot.read_at {
                    Some(at) => { "What is shown was read " (age(at, now)) ", at " (utc(at)) ", or seen by this node itself. " }
                    None => "What is shown was seen by this node itself. ",
                }
                "What nobody confirms turns to unknown after " (FRESH.as_secs()) " s."
            }
        }))
    }
}

fn declaration(said: &Declaration, now: Timestamp) -> Markup {
    let tone = match said.state {
        Some(Declared::Down) => Tone::Bad,
        Some(Declared::Degraded) => Tone::Warn,
        None => Tone::Idle,
    };
    html! {
        (note(tone, &html! {
            p { (said.words) }
            p.small.quiet {
                "Said by the operators " (ago(said.at, now)) " of " code { (said.part) }
                @if let Some(state) = said.state { ", which they call " (state.as_str()) }
                ", until " (moment(said.ends_at)) "."
            }
        }))
    }
}

const fn impact(level: IncidentLevel) -> (Tone, &'static str) {
    match level {
        IncidentLevel::L1 | IncidentLevel::L2 => (Tone::Warn, "alert"),
        IncidentLevel::L3 | IncidentLevel::L4 => (Tone::Bad, "cross-ring"),
    }
}

fn open_incidents(snapshot: &Snapshot, now: Timestamp) -> Markup {
    let open: Vec<&Disturbance> = snapshot.disturbances.iter().filter(|one| one.is_open()).collect();
    html! {
        @if !open.is_empty() {
            section.card aria-labelledby="incidents" {
                header { h2 id="incidents" { "Incidents" } }
                ul.told { @for one in open { (incident(one, now, true)) } }
            }
        }
    }
}

fn incident(one: &Disturbance, now: Timestamp, whole: bool) -> Markup {
    let (tone, picture) = if one.is_open() { impact(one.level) } else { (Tone::Idle, "check") };
    let updates = html! {
        @if !one.updates.is_empty() {
            ul.updates {
                @for update in one.updates.iter().rev() {
                    li {
                        p { (update.text) }
                        p.small.quiet { (update.state.as_str()) ", " (ago(update.at, now)) ", " (moment(update.at)) }
                    }
                }
            }
        }
    };
    html! {
        li id={ "incident-" (one.id) } {
            div.row.between { h3 { (one.title) } (badge(tone, picture, one.state.as_str())) }
            p.small.quiet {
                (one.level.title()) ", began " (moment(one.began_at))
                @match one.resolved_at {
                    Some(at) => { ", over after " (duration_words(at.since(one.began_at))) }
                    None => { ", " (ago(one.began_at, now)) }
                }
                @if !one.parts.is_empty() { ": " (one.parts.join(", ")) }
            }
            @if whole { (updates) } @else if !one.updates.is_empty() {
                details id={ "updates-" (one.id) } { summary { "What was said" } (updates) }
            }
        }
    }
}

fn maintenance(snapshot: &Snapshot, now: Timestamp) -> Markup {
    let open = |window: &&Window| matches!(window.phase(now), Phase::InProgress | Phase::Scheduled);
    let windows: Vec<&Window> = snapshot.windows.iter().filter(open).collect();
    html! {
        @if !windows.is_empty() {
            section.card aria-labelledby="maintenance" {
                header { h2 id="maintenance" { "Maintenance" } }
                ul.told { @for one in windows { (window(one, now)) } }
            }
        }
    }
}

fn window(one: &Window, now: Timestamp) -> Markup {
    let (tone, picture, word) = match one.phase(now) {
        Phase::InProgress => (Tone::Run, "turn", "in progress"),
        Phase::Scheduled => (Tone::Accent, "clock", "scheduled"),
        Phase::Completed => (Tone::Idle, "check", "completed"),
        Phase::Cancelled => (Tone::Idle, "skip", "cancelled"),
    };
    html! {
        li id={ "maintenance-" (one.id) } {
            div.row.between { h3 { (one.title) } (badge(tone, picture, word)) }
            p.small.quiet { (moment(one.starts_at)) " to " (moment(one.ends_at)) ": " (one.parts.join(", ")) }
            @if !one.words.is_empty() { p { (one.words) } }
        }
    }
}

fn capabilities(all: &[Capability]) -> Markup {
    html! {
        section.card aria-labelledby="capabilities" {
            header { h2 id="capabilities" { "What works" } }
            (table("Each part over all regions", &[("Part", false), ("Everywhere", false), ("By region", false)], &html! {
                @for one in all {
                    tr {
                        th scope="row" { span { (one.title) " " span.small.faint { (one.does) } } }
                        td data-label="Everywhere" { (state_badge(one.state)) }
                        td data-label="By region" {
                            span.row {
                                @for (code, state) in &one.regions { span.nowrap { code { (code) } " " (state_badge(*state)) } }
                            }
                        }
                    }
                }
            }))
        }
    }
}

fn of_region(region: &RegionReport, snapshot: &Snapshot, now: Timestamp) -> Markup {
    html! {
        section.card aria-labelledby={ "region-" (region.code) } {
            header {
                div.row {
                    h2 id={ "region-" (region.code) } { (region.name) }
                    (region_badge(&region.code))
                    @if region.draining { (badge(Tone::Warn, "hourglass", "draining")) }
                }
                (state_badge(region.state))
            }
            @if !region.facts.is_empty() {
                div.component { p.small.quiet.nums { (region.facts.join(" · ")) } }
            }
            @for component in &region.components { (row(&region.code, component, snapshot, now)) }
        }
    }
}

fn row(region: &str, component: &ComponentReport, snapshot: &Snapshot, now: Timestamp) -> Markup {
    let label = format!("{}: samples of the last {DAYS} days", component.title);
    html! {
        div.component {
            div.row.between {
                div.row {
                    h3 { (component.title) }
                    span.small.faint { (component.does) }
                    @if component.in_maintenance { (badge(Tone::Run, "turn", "maintenance")) }
                }
                (state_badge(component.state))
            }
            (day_bars(&label, &component.days.iter().map(bar).collect::<Vec<_>>()))
            div.ends {
                span { (DAYS) " days ago" }
                span { (uptime(component)) }
                span { "today" }
            }
            p.small.quiet {
                @if component.state != component.measured {
                    "Measured as " (component.measured.as_str()) "; the operators call it " (component.state.as_str()) ". "
                }
                @if let Some(at) = component.at {
                    "Newest sample " (ago(at, now))
                    @if let Some(latency) = component.latency { ", answered in " (duration_words(latency)) }
                    @if let Some(reason) = &component.reason { ": " (Reader::Everybody.reason(reason)) }
                } @else { "No sample yet." }
            }
            (charts::last_day(region, &component.name, &component.title, &snapshot.buckets, now))
        }
    }
}

/// The share of good samples, with the window that it is true for and how much of that was measured.
fn uptime(component: &ComponentReport) -> String {
    let Some(percent) = percent_down(component.good, component.total) else { return "no samples".to_owned() };
    let samples = plural(component.total, "sample", "samples");
    let known = component.known.words();
    let first = component.days.iter().find(|day| day.total > 0).map(|day| day.date);
    // The region may have been observed for longer than the bars reach.
    let since = match (component.since.map(Timestamp::date), first) {
        (Some(since), Some(first)) if since >= first => since.to_string(),
        (_, Some(first)) => first.to_string(),
        (Some(since), None) => since.to_string(),
        (None, None) => return format!("{percent} of {samples}, over {known} of measured time"),
    };
    format!("{percent} of {samples} good since {since}, over {known} of measured time")
}

fn bar(day: &Day) -> Bar {
    let Some(percent) = percent_down(day.good, day.total) else {
        return Bar { class: "none", title: format!("{}: no data", day.date), share: 0 };
    };
    let may_be_whole = day.measured.may_be_whole(day.passed);
    let class = match day {
        // Half of a day's samples or more were bad.
        day if day.good * 2 <= day.total => "bad",
        day if day.good < day.total => "warn",
        // What nobody saw was not good, nor what nobody knows to have been seen.
        day if !day.measured.is_whole(day.passed) => "part",
        _ => "good",
    };
    let samples = plural(day.total, "sample", "samples");
    let (known, passed) = (day.measured.words(), span_words(day.passed));
    let part = if may_be_whole { "" } else { "partly measured, " };
    Bar {
        class,
        title: format!("{}: {part}{percent} of {samples} good, measured for {known} of {passed}", day.date),
        share: if may_be_whole { 1_000 } else { day.measured.share(day.passed) },
    }
}

fn planned(regions: &[RegionReport]) -> Markup {
    html! {
        @if regions.iter().any(|region| region.planned) {
            section aria-labelledby="planned" {
                h2 id="planned" { "Planned regions" }
                p.quiet.small { "Nothing runs there, so there is nothing to measure." }
                br;
                ul.region-list {
                    @for region in regions.iter().filter(|region| region.planned) {
                        li.planned {
                            div.row.between { strong { (region.name) } (badge(Tone::Idle, "dots", "planned")) }
                            p.small.quiet { (region.description) }
                            p.small { (region_badge(&region.code)) }
                        }
                    }
                }
            }
        }
    }
}

/// What is over.
fn past(snapshot: &Snapshot, now: Timestamp) -> Markup {
    let incidents: Vec<&Disturbance> =
        snapshot.disturbances.iter().filter(|one| one.state == IncidentState::Resolved).take(PAST).collect();
    let over = |window: &&Window| window.phase(now) == Phase::Completed;
    let windows: Vec<&Window> = snapshot.windows.iter().rev().filter(over).take(PAST).collect();
    html! {
        section.card aria-labelledby="past" {
            header { h2 id="past" { "The last " (DAYS) " days" } a.small href="/status/history.atom" { "Feed" } }
            @if incidents.is_empty() && windows.is_empty() {
                div.body { p.quiet { "No incident was told of, and nothing was maintained." } }
            } @else {
                ul.told {
                    @for one in incidents { (incident(one, now, false)) }
                    @for one in windows { (window(one, now)) }
                }
            }
        }
    }
}

fn subscribe() -> Markup {
    html! {
        section.card aria-labelledby="hear" {
            header { h2 id="hear" { "Hear of it" } }
            div.body.stack {
                p { "Incidents and maintenance, by mail or as a signed webhook. " a href="/status/subscribe" { "Subscribe" } }
                p.small {
                    a href="/status/history.atom" { "Atom feed" } ", "
                    a href="/status/maintenance.ics" { "calendar of maintenance" } ", "
                    a href="/api/status" { "JSON" } ", "
                    a href="/api/v2/summary.json" { "JSON as Statuspage has it" } ", "
                    a href="/status/badge.svg" { "badge" } ", "
                    a href="/api/status/uptime" { "signed uptime records" } ". "
                    a href="/docs/status" { "How to use them" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::features::status_page::measured::Measured;

    #[test]
    fn a_day_is_green_only_when_all_of_it_was_good() {
        let date = Timestamp::from_seconds(1_795_503_701).date();
        let passed = Duration::from_secs(86_400);
        let day = |good, total, seconds| Day {
            date,
            good,
            total,
            measured: Measured::exactly(Duration::from_secs(seconds)),
            passed,
        };
        for (good, total, seconds, class, share) in [
            (10, 10, 86_400, "good", 1_000),
            (9, 10, 86_400, "warn", 1_000),
            (5, 10, 86_400, "bad", 1_000),
            (0, 10, 86_400, "bad", 1_000),
            (0, 0, 0, "none", 0),
            // Nothing is green without evidence; and what was bad is not hidden by how little was seen.
            (10, 10, 12_000, "part", 138),
            (10, 10, 82_100, "good", 1_000),
            (10, 10, 82_000, "part", 949),
            (9, 10, 12_000, "warn", 138),
            (5, 10, 12_000, "bad", 138),
        ] {
            let bar = bar(&day(good, total, seconds));
            assert_eq!((bar.class, bar.share), (class, share), "{good}/{total} {seconds}: {}", bar.title);
        }
        let told = bar(&day(2_400, 2_400, 12_000)).title;
        assert_eq!(
            told,
            format!("{date}: partly measured, 100 % of 2,400 samples good, measured for 3 h 20 min of 24 h")
        );
        let sums_only = Day { measured: Measured::at_most(17_280), ..day(17_280, 17_280, 0) };
        let bar = bar(&sums_only);
        assert_eq!((bar.class, bar.share), ("part", 1_000));
        assert!(bar.title.ends_with("good, measured for at most 24 h of 24 h"), "{}", bar.title);
    }
}
