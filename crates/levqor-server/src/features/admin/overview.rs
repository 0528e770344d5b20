//! `/admin`: where operators begin.

use axum::extract::State;
use levqor_model::{KeyPurpose, KeyState, Timestamp, audit::Record};
use levqor_store::{audit::Filter, keyring::KeptKey, nodes::Node};
use maud::{Markup, html};

use crate::{
    App, Problem,
    gateway::PageActor,
    pages::{
        Page, Section, View,
        components::{icon::icon, note::page_head, time::ago},
        count, plural,
    },
};

/// Records that are shown.
const LATEST: usize = 8;

pub(super) async fn page(State(app): State<App>, _page: PageActor, view: View) -> Result<Markup, Problem> {
    let nodes = app.store.nodes(Some(app.now())).await?;
    let accounts = app.store.accounts_count().await?;
    let latest = app.store.views().audit_records(Filter::default(), None, LATEST).await?;
    let keys = app.store.keyring(None).await?.map(|(_, keys)| keys).unwrap_or_default();
    let suspects = app.reputation.suspects(app.now()).len();
    let tiles = [
        ("Regions", "pin", count(by_region(&nodes).len() as i64), "/status"),
        ("Live nodes", "layers", count(nodes.len() as i64), "/status"),
        ("Accounts", "home", count(accounts), "/admin/accounts"),
        ("Suspicious addresses", "shield", count(suspects as i64), "/docs/operating"),
    ];
    let body = html! {
        (page_head("Operations", &html! { "Levqor " (view.version) ", this answer from region " (view.region) "." }, &html! {}))
        div.stack {
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
            div.grid.main-aside {
                (records(&latest, view.now))
                div.stack {
                    (regions(&nodes))
                    (server_keys(&keys, view.now))
                }
            }
        }
    };
    Ok(Page::new("Operations", Section::Admin, body).refresh_every(Some(30)).render(&view))
}

fn records(latest: &[Record], now: Timestamp) -> Markup {
    html! {
        section.card aria-labelledby="latest" {
            header { h2 id="latest" { "Done last" } a.small href="/admin/audit" { "All" } }
            ul.lines {
                @for record in latest {
                    li {
                        (icon("book"))
                        a.main href={ "/admin/audit?kind=" (record.kind) } { (record.kind) }
                        span.small.faint { (record.author) ", " (ago(record.at, now)) }
                    }
                }
            }
        }
    }
}

/// How many nodes live in each region.
fn by_region(nodes: &[Node]) -> Vec<(&str, i64)> {
    let mut regions: Vec<(&str, i64)> = Vec::new();
    for node in nodes {
        match regions.iter_mut().find(|(code, _)| *code == node.region.as_str()) {
            Some((_, nodes)) => *nodes += 1,
            None => regions.push((node.region.as_str(), 1)),
        }
    }
    regions
}

fn regions(nodes: &[Node]) -> Markup {
    html! {
        section.card aria-labelledby="regions" {
            header { h2 id="regions" { "Regions" } a.small href="/status" { "Status" } }
            ul.lines {
                @for (code, nodes) in by_region(nodes) {
                    li { (icon("pin")) span.main { (code) } span.small.faint { (plural(nodes, "live node", "live nodes")) } }
                }
            }
        }
    }
}

fn server_keys(keys: &[KeptKey], now: Timestamp) -> Markup {
    let active =
        |purpose: KeyPurpose| keys.iter().find(|key| key.purpose == purpose && key.state == KeyState::Active);
    html! {
        section.card aria-labelledby="keys" {
            header { h2 id="keys" { "Server keys" } a.small href="/admin/keys" { "All" } }
            ul.lines {
                @for purpose in KeyPurpose::ALL {
                    li {
                        (icon("key"))
                        span.main { (purpose) }
                        span.small.faint {
                            @match active(*purpose) { Some(key) => { "active since " (ago(key.activates_at, now)) }, None => "no active key" }
                        }
                    }
                }
            }
        }
    }
}
