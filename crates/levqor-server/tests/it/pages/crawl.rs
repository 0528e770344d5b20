//! From the front page to everything that it leads to, as a stranger, a browser and a robot would go.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;

use super::{
    Browser, SITE,
    markup::{Tag, tags},
};
use crate::support::{Answer, TestApp};

/// More addresses than any site of ours has.
const ADDRESSES_MAX: usize = 2_000;

/// What a tag of a page makes a browser ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Leads {
    To(String),
    /// A form: its address, and its fields with their values.
    Form(String, Vec<(String, String)>),
}

/// The address in a tag, when there is one.
fn address(tag: &Tag) -> Option<&str> {
    match tag.name.as_str() {
        "a" | "link" | "use" => tag.get("href"),
        "img" | "script" | "source" | "iframe" => tag.get("src"),
        // A form of the method "get" leads to its address; others are sent.
        "form" if tag.get("method") != Some("post") => tag.get("action"),
        _ => None,
    }
}

fn leads(html: &str) -> Vec<Leads> {
    let mut found = Vec::new();
    for tag in tags(html) {
        if let Some(to) = address(&tag) {
            found.push(Leads::To(to.to_owned()));
        }
        match tag.name.as_str() {
            "form" if tag.get("method") == Some("post") => {
                found.push(Leads::Form(tag.get("action").unwrap().to_owned(), Vec::new()));
            }
            "input" | "textarea" => {
                if let (Some(Leads::Form(_, fields)), Some(name)) = (found.last_mut(), tag.get("name")) {
                    fields.push((name.to_owned(), tag.get("value").unwrap_or_default().to_owned()));
                }
            }
            _ => {}
        }
    }
    found
}

/// What was found on the way.
#[derive(Debug, Default)]
struct Crawl {
    /// Every address that was asked for, with the ids of its elements and who led there.
    seen: BTreeMap<String, BTreeSet<String>>,
    /// Forms by address and the names of their fields.
    forms: BTreeSet<String>,
    /// Fragments that were linked: page, fragment, from where.
    fragments: BTreeSet<(String, String, String)>,
    faults: Vec<String>,
}

fn is_fine(path: &str, answer: &Answer) -> bool {
    let console = path.starts_with("/dashboard") || path.starts_with("/admin");
    let to_sign_in = answer.header("location").is_some_and(|to| to.starts_with("/signin"));
    answer.status == StatusCode::OK
        || (console && answer.status == StatusCode::TEMPORARY_REDIRECT && to_sign_in)
}

async fn crawl(app: &TestApp) -> Crawl {
    let mut crawl = Crawl::default();
    let mut open = vec![("/".to_owned(), "the beginning".to_owned())];
    while let Some((path, from)) = open.pop() {
        if crawl.seen.contains_key(&path) {
            continue;
        }
        assert!(crawl.seen.len() < ADDRESSES_MAX, "the ways never end; the last one is {path}, from {from}");
        let answer = app.page(&path).send().await;
        let text = answer.text();
        let ids = tags(&text).iter().filter_map(|tag| tag.get("id").map(str::to_owned)).collect();
        crawl.seen.insert(path.clone(), ids);
        if !is_fine(&path, &answer) {
            crawl.faults.push(format!("{path} (from {from}): {}", answer.status));
        }
        if answer.header("content-type") != Some("text/html; charset=utf-8") {
            continue;
        }
        for lead in leads(&text) {
            match lead {
                Leads::To(to) => follow(app, &mut crawl, &mut open, &path, &to),
                Leads::Form(to, fields) => send(app, &mut crawl, &path, &to, &fields).await,
            }
        }
    }
    for (page, fragment, from) in &crawl.fragments {
        if !crawl.seen[page].contains(fragment) {
            crawl.faults.push(format!("{page}#{fragment} (from {from}): there is no such place"));
        }
    }
    crawl
}

fn follow(app: &TestApp, crawl: &mut Crawl, open: &mut Vec<(String, String)>, from: &str, to: &str) {
    let to = to.strip_prefix(&app.app.settings.public_url).unwrap_or(to);
    if to.starts_with("https://") || to.starts_with("mailto:") {
        return;
    }
    let (path, fragment) = to.split_once('#').unwrap_or((to, ""));
    let path = if path.is_empty() { from } else { path };
    if !path.starts_with('/') || path.starts_with("//") {
        crawl.faults.push(format!("{to} (from {from}): leads nowhere on this site"));
        return;
    }
    if !fragment.is_empty() {
        crawl.fragments.insert((path.to_owned(), fragment.to_owned(), from.to_owned()));
    }
    open.push((path.to_owned(), from.to_owned()));
}

/// Sends a form as it stands on the page: it is taken, or refused with a reason, but there is somebody who reads it.
async fn send(app: &TestApp, crawl: &mut Crawl, from: &str, to: &str, fields: &[(String, String)]) {
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    if !crawl.forms.insert(format!("{to} {}", names.join(","))) {
        return;
    }
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = app.form(to, &fields).send().await;
    if !matches!(answer.status.as_u16(), 200 | 303 | 422) {
        crawl.faults.push(format!("the form {to} (from {from}): {}", answer.status));
    }
}

#[tokio::test]
async fn every_way_from_the_front_page_leads_somewhere() {
    let app = TestApp::new().await;
    let crawl = crawl(&app).await;
    assert_eq!(crawl.faults, Vec::<String>::new());
    for page in SITE {
        assert!(crawl.seen.contains_key(*page), "{page} is linked from nowhere");
    }
    let others = [
        "/signin",
        "/docs/problems/plan-limit",
        "/openapi.json",
        "/metrics",
        "/api/plans",
        "/dashboard/runs",
        "/.well-known/security.txt",
    ];
    for path in others {
        assert!(crawl.seen.contains_key(path), "{path} is linked from nowhere");
    }
    for start in ["/assets/app-", "/assets/theme-", "/assets/icons-", "/assets/mark-"] {
        assert!(crawl.seen.keys().any(|path| path.starts_with(start)), "{start} was not asked for");
    }
    for form in ["/theme theme,next", "/draft query", "/signin next,email"] {
        assert!(crawl.forms.iter().any(|sent| sent.starts_with(form)), "{form}: {:?}", crawl.forms);
    }
    assert!(crawl.fragments.len() > 100, "{}", crawl.fragments.len());
}

#[tokio::test]
async fn the_sitemap_has_every_public_page_and_nothing_else() {
    let app = TestApp::new().await;
    let answer = app.get("/sitemap.xml").send().await;
    assert_eq!(answer.header("content-type"), Some("application/xml; charset=utf-8"));
    let text = answer.text();
    let listed: BTreeSet<_> = text
        .split("<loc>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().strip_prefix("http://127.0.0.1:8000").unwrap().to_owned())
        .collect();
    for path in &listed {
        assert_eq!(app.page(path).send().await.status, StatusCode::OK, "{path}");
    }
    let public = crawl(&app).await.seen.into_keys().filter(|path| {
        let hidden = [
            "/assets/",
            "/api/",
            "/dashboard",
            "/draft",
            "/signin",
            "/metrics",
            "/openapi.json",
            "/.well-known/",
            // What belongs to the status page: its feeds, its badge, and the form to subscribe.
            "/status/",
        ];
        !hidden.iter().any(|start| path.starts_with(start))
    });
    assert_eq!(listed, public.collect::<BTreeSet<_>>());
    assert!(text.contains("<lastmod>2026-"), "policies have their days");
}

#[test]
fn the_crawl_sees_every_kind_of_lead() {
    let found = leads(
        "<a href=\"/a?x=1&amp;y=2#z\"></a><link href=\"/b.css\"><img src=\"/c.png\"><script src=\"/d.js\"></script>\
         <use href=\"/e.svg#f\"></use><form method=\"post\" action=\"/g\"><input name=\"h\" value=\"i\"></form><form action=\"/j\"></form>",
    );
    assert_eq!(found.len(), 7);
    assert_eq!(found[0], Leads::To("/a?x=1&y=2#z".to_owned()));
    assert_eq!(found[5], Leads::Form("/g".to_owned(), vec![("h".to_owned(), "i".to_owned())]));
}
