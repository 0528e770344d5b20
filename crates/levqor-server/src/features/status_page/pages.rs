//! `/status`.

use axum::extract::State;
use levqor_model::Timestamp;
use maud::{Markup, html};

use super::service::{self, ComponentReport, DAYS, Day, FRESH, RegionReport, Report, State as Health};
use crate::{
    App,
    features::metrics::Counter,
    pages::{
        Page, Section, View,
        components::{
            badge::{Tone, badge, region_badge},
            charts::{Bar, day_bars},
            icon::icon,
            time::{ago, utc},
        },
        count, duration_words, percent_down, plural,
    },
};

/// Seconds after which the page asks again.
const REFRESH_SECONDS: u32 = 15;

/// What is counted of the business, with the words for readers.
const BUSINESS: [Counter; 7] = [
    Counter::ConsultationsBooked,
    Counter::ConsultationsRun,
    Counter::SupportAutoRequests,
    Counter::SupportAutoEscalations,
    Counter::LifecycleTicks,
    Counter::PricingCtaClicks,
    Counter::TrialFeedbackSubmissions,
];

pub(super) async fn status(State(app): State<App>, view: View) -> Markup {
    let report = match service::report(&app).await {
        Ok(report) => report,
        Err(error) => {
            tracing::warn!("the status page cannot read its evidence: {error}");
            service::unreadable(app.regions.all(), view.now)
        }
    };
    let totals = app.store.totals().await.ok();
    let body = html! {
        div.wide.band.tight {
            div.stack-l id="status" data-live="on" data-refresh=(REFRESH_SECONDS) {
                (verdict(&report, view.now))
                @for region in report.regions.iter().filter(|region| !region.planned) { (in_use(region, view.now)) }
                (planned(&report.regions))
                (business(totals.as_deref()))
                (method(view.now))
            }
        }
    };
    Page::new("Status", Section::Status, body)
        .describe("The state of Levqor, computed from stored samples.")
        .at("/status")
        .refresh_every(Some(REFRESH_SECONDS))
        .render(&view)
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

fn state_badge(state: Health) -> Markup {
    let (tone, picture) = look(state);
    badge(tone, picture, state.as_str())
}

fn verdict(report: &Report, now: Timestamp) -> Markup {
    let (tone, picture) = look(report.state);
    let title = match report.state {
        Health::Operational => "All observed parts are operational",
        Health::Degraded => "Some parts are down",
        Health::Down => "Levqor is down",
        Health::Unknown => "Unknown: there is no fresh evidence",
    };
    html! {
        div class={ "verdict " (tone.class()) } role="status" {
            (icon(picture))
            div {
                h1 { (title) }
                p.quiet.small {
                    span.mono { (report.state.as_str()) }
                    @if let Some(at) = report.newest { ", newest evidence " (ago(at, now)) } @else { ", no evidence yet" }
                }
            }
        }
    }
}

fn in_use(region: &RegionReport, now: Timestamp) -> Markup {
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
            @for component in &region.components { (row(component, now)) }
        }
    }
}

fn row(component: &ComponentReport, now: Timestamp) -> Markup {
    let label = format!("{}: samples of the last {DAYS} days", component.title);
    html! {
        div.component {
            div.row.between {
                div.row {
                    h3 { (component.title) }
                    span.small.faint { (component.does) }
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
                @if let Some(at) = component.at {
                    "Newest sample " (ago(at, now))
                    @if let Some(latency) = component.latency { ", answered in " (duration_words(latency)) }
                    @if let Some(reason) = &component.reason { ": " (reason) }
                } @else { "No sample yet." }
            }
        }
    }
}

/// The share of good samples, with the window that it is true for.
fn uptime(component: &ComponentReport) -> String {
    let Some(percent) = percent_down(component.good, component.total) else { return "no samples".to_owned() };
    let samples = plural(component.total, "sample", "samples");
    let first = component.days.iter().find(|day| day.total > 0).map(|day| day.date);
    // The region may have been observed for longer than the bars reach.
    let since = match (component.since.map(Timestamp::date), first) {
        (Some(since), Some(first)) if since >= first => since.to_string(),
        (_, Some(first)) => first.to_string(),
        (Some(since), None) => since.to_string(),
        (None, None) => return format!("{percent} of {samples}"),
    };
    format!("{percent} of {samples} good since {since}")
}

fn bar(day: &Day) -> Bar {
    let Some(percent) = percent_down(day.good, day.total) else {
        return Bar { class: "none", title: format!("{}: no data", day.date) };
    };
    let class = match day {
        day if day.good == day.total => "good",
        // Half of a day's samples or more were bad.
        day if day.good * 2 <= day.total => "bad",
        _ => "warn",
    };
    Bar {
        class,
        title: format!("{}: {percent} of {} good", day.date, plural(day.total, "sample", "samples")),
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

fn business(totals: Option<&[(String, i64)]>) -> Markup {
    html! {
        section.card aria-labelledby="business" {
            header { h2 id="business" { "Business metrics tracked" } }
            @if let Some(totals) = totals {
                dl.figures {
                    @for counter in BUSINESS {
                        div {
                            dt { (counter.help()) code.small.faint { (counter.name()) } }
                            dd { (count(total(totals, counter.name()))) }
                        }
                    }
                }
            } @else {
                div.body { p.quiet { "The totals cannot be read now." } }
            }
        }
    }
}

fn total(totals: &[(String, i64)], name: &str) -> i64 {
    totals.iter().find(|(found, _)| found == name).map_or(0, |(_, total)| *total)
}

fn method(now: Timestamp) -> Markup {
    html! {
        section.stack aria-labelledby="method" {
            h2 id="method" { "How this is computed" }
            p.quiet {
                "Each node samples its parts several times a minute and stores the result. A part is operational when its newest sample is "
                "good and at most " (FRESH.as_secs()) " seconds old; without such a sample it is unknown. Uptime is the share of good samples. "
                "Grey days are days without samples: they count neither for nor against."
            }
            ul.legend {
                @for (class, word) in [("good", "all samples good"), ("warn", "some bad"), ("bad", "half or more bad"), ("none", "no data")] {
                    li { svg.bars viewBox="0 0 8 8" aria-hidden="true" { rect class=(class) width="8" height="8" rx="1.5" {} } (word) }
                }
            }
            p.small {
                "Raw figures: " a href="/metrics" { "/metrics" } " and " a href="/api/metrics/app" { "/api/metrics/app" }
                ". Computed at " time.nums datetime=(now) { (utc(now)) } "; this page asks again every " (REFRESH_SECONDS) " seconds."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_green_only_when_all_of_it_was_good() {
        let date = Timestamp::from_seconds(1_795_503_701).date();
        for (good, total, class) in
            [(10, 10, "good"), (9, 10, "warn"), (5, 10, "bad"), (0, 10, "bad"), (0, 0, "none")]
        {
            assert_eq!(bar(&Day { date, good, total }).class, class, "{good}/{total}");
        }
    }
}
