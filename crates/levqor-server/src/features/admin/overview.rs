//! `/admin`: one screen that answers whether everything is all right, and if not, what and since when.
//!
//! Works without scripts by being loaded again; with them it is drawn anew when `/admin/events` says that something is another.

use axum::extract::State;
use levqor_model::{KeyPurpose, KeyState, Timestamp, audit::Record};
use levqor_store::keyring::KeptKey;
use maud::{Markup, html};

use super::{
    cards::{self, look},
    facts::{Overview, Part, Standing},
    service,
};
use crate::{
    App,
    features::alerts::WHAT_TO_DO,
    gateway::PageActor,
    pages::{
        Page, Section, View,
        components::{badge::badge, icon::icon, time::ago},
        count,
    },
};

/// Records that are shown.
const LATEST: usize = 8;
/// Seconds after which a page with scripts looks by itself, also when it is told nothing.
const REFRESH_SECONDS: u32 = 15;
/// The same without scripts.
const REFRESH_SECONDS_WITHOUT_SCRIPTS: u32 = 30;

pub(super) async fn page(State(app): State<App>, page: PageActor, view: View) -> Markup {
    let (overview, latest, keys) = tokio::join!(
        service::look_now(&app),
        service::latest_records(&app, LATEST),
        service::server_keys(&app),
    );
    let now = view.now;
    let body = html! {
        div.stack id="overview" data-live="on" data-refresh=(REFRESH_SECONDS) data-events="/admin/events" {
            (verdict(&overview, &view))
            (figures(&overview))
            div.grid.main-aside {
                div.stack {
                    (parts(&overview.parts, now))
                    (cards::regions(&overview))
                    (cards::alerts(&overview, &page.csrf, now))
                    (cards::incidents(&overview, now))
                    (cards::slos(&overview))
                    (cards::nodes(&overview, now))
                }
                div.stack {
                    (cards::jobs(&overview, now))
                    (cards::probes(&overview, now))
                    (cards::queues(&overview, now))
                    (cards::costs(&overview, now))
                    (cards::trust(&overview, now))
                    (records(latest.as_deref().map_err(String::as_str), now))
                    (server_keys(keys.as_deref().map_err(String::as_str), now))
                }
            }
        }
    };
    Page::new("Operations", Section::Admin, body)
        .refresh_every(Some(REFRESH_SECONDS_WITHOUT_SCRIPTS))
        .render(&view)
}

fn verdict(overview: &Overview, view: &View) -> Markup {
    let found = &overview.verdict;
    let (tone, picture) = look(found.standing);
    html! {
        div class={ "verdict " (tone.class()) } role="status" {
            (icon(picture))
            div {
                h1 { (found.standing.title()) }
                p {
                    @match &found.link { Some(link) => a href=(link) { (found.sentence) }, None => (found.sentence) }
                    @match (found.since, found.standing) {
                        (Some(since), _) => { ", since " (ago(since, view.now)) },
                        (None, Standing::AllRight) => "",
                        (None, _) => ", nobody knows since when",
                    }
                    "."
                    @if found.parts_not_right > 1 { " " (found.parts_not_right) " parts are not all right." }
                    @if found.standing != Standing::AllRight { " " a href=(WHAT_TO_DO) { "What to look at, in order" } "." }
                }
                p.quiet.small {
                    "Levqor " (view.version) ", this answer from region " (view.region) ", " (ago(overview.at, view.now)) "."
                    @if !found.not_set_up.is_empty() { " Not set up here: " (found.not_set_up.join(", ")) "." }
                }
            }
        }
    }
}

fn figures(overview: &Overview) -> Markup {
    let known = |number: Option<usize>| {
        number.map_or_else(|| "–".to_owned(), |number| count(i64::try_from(number).unwrap_or(i64::MAX)))
    };
    let with_nodes = overview.regions.as_ref().map(|all| all.iter().filter(|one| one.nodes_live > 0).count());
    let live = overview.regions.as_ref().map(|all| all.iter().map(|one| one.nodes_live).sum::<usize>());
    let accounts = overview.accounts.map_or_else(|| "–".to_owned(), count);
    let tiles = [
        ("Regions", "pin", known(with_nodes), "/status"),
        ("Live nodes", "layers", known(live), "#nodes"),
        ("Accounts", "home", accounts, "/admin/accounts"),
        (
            "Suspicious addresses",
            "shield",
            known(Some(overview.suspicious_addresses)),
            "/docs/operating#who-may-ask-how-often",
        ),
    ];
    html! {
        section aria-label="Now" {
            div.tiles {
                @for (word, picture, number, path) in tiles {
                    a href=(path) {
                        span.eyebrow { (icon(picture)) (word) }
                        span.figure-number { (number) }
                    }
                }
            }
        }
    }
}

/// Every part in one line, so that nothing is looked for.
fn parts(parts: &[Part], now: Timestamp) -> Markup {
    html! {
        section.card aria-labelledby="parts" {
            header { h2 id="parts" { "What is looked at" } }
            ul.lines {
                @for part in parts {
                    @let (tone, picture) = look(part.standing);
                    li {
                        (badge(tone, picture, part.standing.as_str()))
                        a.main href=(part.link) { (part.name) }
                        span.small { (part.sentence) }
                        @if let Some(since) = part.since { span.small.faint { "since " (ago(since, now)) } }
                    }
                }
            }
        }
    }
}

fn records(latest: Result<&[Record], &str>, now: Timestamp) -> Markup {
    html! {
        section.card aria-labelledby="latest" {
            header { h2 id="latest" { "Done last" } a.small href="/admin/audit" { "All" } }
            @match latest {
                Err(reason) => (cards::unknown(&format!("The evidence log could not be read: {reason}"))),
                Ok(latest) => ul.lines {
                    @for record in latest {
                        li {
                            (icon("book"))
                            a.main href={ "/admin/audit?kind=" (record.kind) } { (record.kind) }
                            span.small.faint { (record.author) ", " (ago(record.at, now)) }
                        }
                    }
                },
            }
        }
    }
}

fn server_keys(keys: Result<&[KeptKey], &str>, now: Timestamp) -> Markup {
    let active = |keys: &[KeptKey], purpose: KeyPurpose| {
        keys.iter()
            .find(|key| key.purpose == purpose && key.state == KeyState::Active)
            .map(|key| key.activates_at)
    };
    html! {
        section.card aria-labelledby="keys" {
            header { h2 id="keys" { "Server keys" } a.small href="/admin/keys" { "All" } }
            @match keys {
                Err(reason) => (cards::unknown(&format!("The keyring could not be read: {reason}"))),
                Ok(keys) => ul.lines {
                    @for purpose in KeyPurpose::ALL {
                        li {
                            (icon("key"))
                            span.main { (purpose) }
                            span.small.faint {
                                @match active(keys, *purpose) { Some(at) => { "active since " (ago(at, now)) }, None => "no active key" }
                            }
                        }
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_says_so_and_why() {
        let now = Timestamp::from_seconds(1_795_502_901);
        let shown =
            [records(Err("no answer within 4 s"), now), server_keys(Err("no answer within 4 s"), now)];
        for card in shown.map(maud::PreEscaped::into_string) {
            assert!(
                card.contains("unknown") && card.contains("could not be read: no answer within 4 s"),
                "{card}"
            );
            assert!(!card.contains("<ul"), "nothing is listed: {card}");
        }
        let none = server_keys(Ok(&[]), now).into_string();
        assert!(none.contains("no active key"), "{none}");
    }
}
