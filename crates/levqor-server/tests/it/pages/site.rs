//! The public pages around their content: what they say of themselves, who may keep them, and what is for programs.

use std::collections::BTreeMap;

use http::StatusCode;
use levqor_server::Site;

use super::{
    Browser, SITE,
    markup::{Tag, tags},
};
use crate::support::TestApp;

/// What a page says of itself in its head.
fn heads(html: &str) -> (Vec<Tag>, String) {
    let head = &html[..html.find("</head>").unwrap()];
    let title = head.split("<title>").nth(1).unwrap().split("</title>").next().unwrap().to_owned();
    (tags(head), title)
}

#[tokio::test]
async fn every_public_page_names_itself() {
    let app = TestApp::with(|settings| settings.public_url = "https://levqor.example".to_owned()).await;
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for path in SITE {
        let text = app.page(&format!("{path}?from=elsewhere")).send().await.text();
        let (tags, title) = heads(&text);
        let content = |key: &str, value: &str| {
            let tag = tags.iter().find(|tag| tag.get(key) == Some(value));
            tag.and_then(|tag| tag.get("content"))
                .unwrap_or_else(|| panic!("{path} has no {value}"))
                .to_owned()
        };
        let address = format!("https://levqor.example{path}");
        let canonical = tags.iter().find(|tag| tag.get("rel") == Some("canonical")).unwrap();
        assert_eq!(canonical.get("href"), Some(address.as_str()), "{path}");
        assert_eq!(content("property", "og:url"), address);
        assert_eq!(content("property", "og:site_name"), "Levqor");
        assert_eq!(content("property", "og:type"), "website");
        let description = content("name", "description");
        assert_eq!(content("property", "og:description"), description, "{path}");
        assert!((20..=220).contains(&description.chars().count()), "{path}: {description}");
        assert!(title == "Levqor" || title.ends_with(" · Levqor"), "{title}");
        for text in [title, description] {
            if let Some(other) = seen.insert(text.clone(), path) {
                panic!("{path} and {other} both say {text:?}");
            }
        }
    }
}

#[tokio::test]
async fn pages_are_kept_until_they_change() {
    let app = TestApp::new().await;
    for path in ["/pricing", "/terms", "/security", "/docs/runs"] {
        let first = app.page(path).send().await;
        let tag = first.header("etag").unwrap().to_owned();
        assert_eq!(first.header("cache-control"), Some("public, max-age=60"), "{path}");
        assert_eq!(first.header("vary"), Some("Cookie"), "{path}");
        let again = app.page(path).header("if-none-match", &format!("\"x\", W/{tag}")).send().await;
        assert_eq!((again.status, again.bytes.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        // A cache takes these over from the answer; another policy would break the page that it kept.
        for name in ["etag", "cache-control", "vary", "content-security-policy", "content-type"] {
            assert_eq!(again.header(name), first.header(name), "{path}: {name}");
        }
        let old = app.page(path).header("if-none-match", "\"x\"").send().await;
        assert_eq!(old.status, StatusCode::OK, "{path}");
        // Other colours are another page, and whoever is signed in has one of their own.
        let dark =
            app.page(path).header("cookie", "levqor_theme=dark").header("if-none-match", &tag).send().await;
        assert_eq!(dark.status, StatusCode::OK, "{path}");
        let own = app.page(path).header("cookie", &app.cookie).header("if-none-match", &tag).send().await;
        assert_eq!(
            (own.status, own.header("cache-control")),
            (StatusCode::OK, Some("private, no-cache")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn programs_find_what_they_look_for() {
    let site = Site { security_contact: Some("mailto:safe@acme.example".to_owned()), ..Site::default() };
    let app = TestApp::with(|settings| {
        settings.public_url = "https://levqor.example".to_owned();
        settings.site = site;
    })
    .await;
    let security = app.get("/.well-known/security.txt").send().await;
    assert_eq!(security.header("content-type"), Some("text/plain; charset=utf-8"));
    insta::assert_snapshot!(security.text(), @r"
    Contact: mailto:safe@acme.example
    Expires: 2027-05-23T00:00:00Z
    Preferred-Languages: en
    Canonical: https://levqor.example/.well-known/security.txt
    Policy: https://levqor.example/security#report
    ");
    app.advance(24 * 60 * 60);
    let tomorrow = app.get("/.well-known/security.txt").send().await.text();
    assert!(tomorrow.contains("Expires: 2027-05-24T00:00:00Z"), "{tomorrow}");
    let robots = app.get("/robots.txt").send().await;
    assert_eq!(robots.header("content-type"), Some("text/plain; charset=utf-8"));
    let text = robots.text();
    assert!(text.ends_with("\nSitemap: https://levqor.example/sitemap.xml\n"), "{text}");
    for path in SITE {
        let barred = text
            .lines()
            .filter_map(|line| line.strip_prefix("Disallow: "))
            .any(|start| path.starts_with(start));
        assert!(!barred, "robots may not read {path}");
    }
}

#[tokio::test]
async fn the_operator_is_named_as_configured_and_never_made_up() {
    let app = TestApp::with(|settings| {
        settings.site = Site {
            operator_name: Some("Acme & Sons <Ltd>".to_owned()),
            operator_address: Some("1 Mill Lane, Leeds".to_owned()),
            contact_email: Some("help@acme.example".to_owned()),
            security_contact: Some("https://acme.example/report".to_owned()),
            governing_law: Some("England and Wales".to_owned()),
        };
    })
    .await;
    let rows = [
        ("/about", "Acme &amp; Sons &lt;Ltd&gt;"),
        ("/about", "1 Mill Lane, Leeds"),
        ("/support", "mailto:help@acme.example"),
        ("/careers", "mailto:help@acme.example"),
        ("/security", "https://acme.example/report"),
        ("/terms", "England and Wales"),
        ("/terms", "1 Mill Lane, Leeds"),
        ("/privacy", "Acme &amp; Sons &lt;Ltd&gt;"),
        ("/pricing", "Operated by Acme &amp; Sons &lt;Ltd&gt;"),
    ];
    for (path, part) in rows {
        let text = app.page(path).send().await.text();
        assert!(text.contains(part), "{path} lacks {part}");
    }
    let nameless = TestApp::new().await;
    for path in SITE {
        let text = nameless.page(path).send().await.text();
        assert!(!text.contains("mailto:") && !text.contains("Operated by"), "{path}");
    }
}
