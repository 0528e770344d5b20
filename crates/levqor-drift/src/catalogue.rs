//! Which pages there must be, what they are headed by, and which promises they must show.
//!
//! The list is SPEC §9's. A page that is missing, or that does not show what it is for, is a deviation; a page that shows more is
//! not, as long as what it shows is as agreed.

/// How a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    Is(&'static str),
    /// The words of this promise.
    Promise(&'static str),
    /// It has one; operators may write these pages anew.
    Some,
}

/// A page that everybody may read.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub path: &'static str,
    pub heading: Heading,
    /// Promises that must stand on it; `*` is any part of a name.
    pub shows: &'static [&'static str],
    /// Whether its numbers about price, trial and uptime are promises only. Documentation and measurements have others.
    pub promises_only: bool,
}

const fn page(path: &'static str, heading: Heading, shows: &'static [&'static str]) -> Place {
    Place { path, heading, shows, promises_only: true }
}

const fn facts(path: &'static str, heading: Heading) -> Place {
    Place { path, heading, shows: &[], promises_only: false }
}

use Heading::{Is, Promise, Some};

pub const PLACES: &[Place] = &[
    page("/", Some, &["plan.*.month_price", "trial.headline", "trial.card_note"]),
    page(
        "/pricing",
        Is("Pricing"),
        &[
            "plan.*.name",
            "plan.*.month_price",
            "plan.*.year_price",
            "plan.*.workflows",
            "plan.*.runs_per_month",
            "plan.*.ai_credits",
            "plan.*.first_response_hours",
            "package.*.name",
            "package.*.price",
            "addon.*.name",
            "addon.*.month_price",
            "package_revision_rounds",
            "trial.headline",
            "trial.card_note",
            "money_back_days",
            "uptime.promise_ppm",
            "fair_use.requests_per_minute",
            "fair_use.concurrent_runs",
        ],
    ),
    page(
        "/trial",
        Promise("trial.headline"),
        &[
            "trial.headline",
            "trial.card_note",
            "trial.days",
            "trial.active_per_account",
            "money_back_days",
            "plan.*.name",
        ],
    ),
    page("/how-it-works", Is("How it works"), &[]),
    page("/integrations", Is("Integrations"), &[]),
    page("/about", Is("About Levqor"), &[]),
    page("/careers", Is("Careers"), &[]),
    page(
        "/guarantee",
        Some,
        &[
            "money_back_days",
            "trial.headline",
            "trial.card_note",
            "uptime.promise_ppm",
            "uptime.credit.*.band",
            "uptime.credit.*.percent",
            "package_revision_rounds",
        ],
    ),
    page("/support", Is("Support"), &["plan.*.first_response_hours"]),
    facts("/status", Some),
    page("/security", Is("Security"), &[]),
    facts("/docs", Is("Documentation")),
    page("/terms", Some, &["trial.headline", "trial.card_note", "money_back_days"]),
    page("/privacy", Some, &[]),
    page("/fair-use", Some, &["fair_use.requests_per_minute", "fair_use.concurrent_runs"]),
    page("/acceptable-use", Some, &[]),
    page("/refunds", Some, &["money_back_days", "trial.days"]),
    page("/sla", Some, &["uptime.promise_ppm", "uptime.credit.*.band", "uptime.credit.*.percent"]),
    page("/support-policy", Some, &["plan.*.first_response_hours"]),
    page("/cancellation", Some, &["trial.days"]),
    page("/disputes", Some, &[]),
    page("/revisions", Some, &["package_revision_rounds"]),
    page("/dfy-contract", Some, &["package.*.name", "package.*.price", "package_revision_rounds"]),
];

/// What no page has to show: names for programs, weights, times of our own mail, and where a band of service credits begins,
/// which its name says.
pub const ON_NO_PAGE: &[&str] =
    &["currency", "plan.*.aliases", "plan.*.queue_weight", "lifecycle.*", "uptime.credit.*.from_ppm"];

/// What the API does not tell: what orders runs within the server, and times of our own mail.
pub const NOT_IN_THE_API: &[&str] = &["plan.*.queue_weight", "lifecycle.*"];

/// Where strangers are sent to the page for signing in.
pub const SIGNED_IN: &[&str] = &["/dashboard", "/admin"];
pub const SIGN_IN: &str = "/signin";

/// Whether a name is meant by a pattern.
pub fn means(pattern: &str, name: &str) -> bool {
    let (mut wanted, mut found) = (pattern.split('.'), name.split('.'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Option::Some(wanted), Option::Some(found)) if wanted == "*" || wanted == found => {}
            _ => return false,
        }
    }
}

pub fn meant_by(patterns: &[&str], name: &str) -> bool {
    patterns.iter().any(|pattern| means(pattern, name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use levqor_model::Blueprint;

    use super::*;

    #[test]
    fn every_promise_must_stand_somewhere_or_is_named_as_one_that_need_not() {
        for promise in Blueprint::parse(Blueprint::SHIPPED).unwrap().promises() {
            let shown = PLACES.iter().any(|place| meant_by(place.shows, &promise.path));
            assert_ne!(shown, meant_by(ON_NO_PAGE, &promise.path), "{}", promise.path);
        }
    }

    #[test]
    fn every_pattern_means_something_and_every_page_is_listed_once() {
        let promises = Blueprint::parse(Blueprint::SHIPPED).unwrap().promises();
        let all = PLACES.iter().flat_map(|place| place.shows).chain(ON_NO_PAGE).chain(NOT_IN_THE_API);
        for pattern in all {
            assert!(promises.iter().any(|promise| means(pattern, &promise.path)), "{pattern}");
        }
        let paths: BTreeSet<_> = PLACES.iter().map(|place| place.path).collect();
        assert_eq!(paths.len(), PLACES.len());
        let rows =
            [("a.*.c", "a.b.c", true), ("a.*", "a.b.c", false), ("a.*.c", "a.b", false), ("a", "a", true)];
        for (pattern, name, expected) in rows {
            assert_eq!(means(pattern, name), expected, "{pattern} {name}");
        }
    }
}
