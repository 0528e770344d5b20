//! The foot of the status page: what is counted of the business, and how everything is computed.

use maud::{Markup, html};

use super::{measured::WHOLE_PERCENT, service::FRESH, snapshot::Snapshot};
use crate::{
    features::metrics::Counter,
    pages::{components::time::utc, count},
};

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

pub(super) fn business(totals: Option<&[(String, i64)]>) -> Markup {
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

pub(super) fn method(snapshot: &Snapshot) -> Markup {
    let now = snapshot.report.at;
    html! {
        section.stack aria-labelledby="method" {
            h2 id="method" { "How this is computed" }
            p.quiet {
                "Each node looks at its parts every second, and stores what it saw: every five seconds, and at once when something changes. "
                "A part is operational when its newest sample is good and at most " (FRESH.as_secs()) " seconds old; without such a sample it is unknown. "
                "It is down when bad samples have followed each other for two seconds, so that a hiccup is no outage. "
                "Uptime is the share of good samples, reckoned over the time that was measured; grey days are days without samples, which count neither for nor against. "
                "A day of which less than " (WHOLE_PERCENT) " % was measured is partly measured and never green, and its bar is as high as the part that was. "
                "Operators can add words and call a part worse than it is measured, never better, and maintenance hides nothing. "
                "Each day is signed, so that anybody can count it again: " code { "levqor status verify" } "."
            }
            ul.legend {
                @for (class, word) in [("good", "all samples good"), ("part", "partly measured, or nobody knows for how long"), ("warn", "some bad"), ("bad", "half or more bad"), ("none", "no data")] {
                    li { svg.bars viewBox="0 0 8 8" aria-hidden="true" { rect class=(class) width="8" height="8" rx="1.5" {} } (word) }
                }
            }
            p.small {
                "Raw figures: " a href="/metrics" { "/metrics" } " and " a href="/api/metrics/app" { "/api/metrics/app" }
                ". Computed at " time.nums datetime=(now) { (utc(now)) } "; this page asks again every few seconds."
            }
        }
    }
}
