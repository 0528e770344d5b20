//! The public pages in a real browser: everybody can read them, in light and dark, on a phone, with a screen reader.

use levqor_testkit::temp_dir;
use serde_json::json;

use crate::{
    api::Levqor,
    browser::{Browser, LOOKS, Look},
};

const PAGES: &[&str] = &[
    "/",
    "/draft",
    "/pricing",
    "/trial",
    "/how-it-works",
    "/integrations",
    "/about",
    "/careers",
    "/guarantee",
    "/support",
    "/stay-in-touch",
    "/stay-in-touch/thanks",
    "/status",
    "/security",
    "/docs",
    "/docs/runs",
    "/docs/api",
    "/docs/problems",
    "/signin",
    "/terms",
    "/privacy",
    "/fair-use",
    "/acceptable-use",
    "/refunds",
    "/sla",
    "/support-policy",
    "/cancellation",
    "/disputes",
    "/revisions",
    "/dfy-contract",
    "/no/such/page",
];

async fn look_at_all(look: Look) {
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    let browser = Browser::open(look).await;
    for path in PAGES {
        let page = format!("{path} ({})", look.name);
        browser.go(&levqor.server.url(path)).await;
        let name = path.trim_matches('/').replace('/', "-");
        browser
            .picture(&format!("site-{}-{}", if name.is_empty() { "home" } else { &name }, look.name))
            .await;
        browser.check_manners(&page).await;
        browser.check_axe(&page).await;
        let width = browser.script("return window.innerWidth").await;
        assert_eq!(width == json!(360), look.phone, "{page} is {width} wide");
    }
    browser.close().await;
}

#[tokio::test]
async fn public_pages_are_for_everybody_in_light() {
    look_at_all(LOOKS[0]).await;
}

#[tokio::test]
async fn public_pages_are_for_everybody_in_the_dark() {
    look_at_all(LOOKS[1]).await;
}

#[tokio::test]
async fn public_pages_are_for_everybody_on_a_phone() {
    look_at_all(LOOKS[2]).await;
}

#[tokio::test]
async fn axe_finds_what_is_wrong() {
    let browser = Browser::open(LOOKS[0]).await;
    browser
        .go("data:text/html,<title>x</title><main><h1>x</h1><img src='y'><p style='color:%23bbb;background:white'>pale</p></main>")
        .await;
    let found = browser.axe().await.join("\n");
    for rule in ["image-alt", "html-has-lang", "color-contrast"] {
        assert!(found.contains(rule), "{rule} is not in {found}");
    }
    browser.close().await;
}
