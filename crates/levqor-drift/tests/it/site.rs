//! Asking over a socket: what is not read, where the key does not go, and what is waited for.

use levqor_drift::{BODY_BYTES_MAX, Caller, Look, Site};
use levqor_model::Secret;
use levqor_testkit::{HttpStub, Reply, Route};

use crate::start_tls;

fn site(stub: &HttpStub) -> Site {
    start_tls();
    Site::new(&stub.url(""), Some(Secret::new("lvq_hunter2"))).unwrap()
}

#[tokio::test]
async fn only_accounts_send_the_key_and_browsers_ask_for_pages() {
    let stub = HttpStub::start().await;
    let site = site(&stub);
    for caller in [Caller::Browser, Caller::Program, Caller::Account] {
        assert_eq!(site.get("/a?b=c", caller).await.unwrap().status, 200);
    }
    let sent: Vec<_> = stub
        .requests_to("/a")
        .iter()
        .map(|received| {
            (
                received.header("accept").unwrap().to_owned(),
                received.header("authorization").map(str::to_owned),
            )
        })
        .collect();
    let json = "application/json".to_owned();
    assert_eq!(
        sent,
        [("text/html".to_owned(), None), (json.clone(), None), (json, Some("Bearer lvq_hunter2".to_owned()))]
    );
    assert!(stub.requests().iter().all(|received| received.method == "GET"));
}

#[tokio::test]
async fn answers_are_bounded_and_redirects_are_not_followed() {
    let stub = HttpStub::start().await;
    let site = site(&stub);
    stub.route(Route::new("/large").reply(Reply::text(&"a".repeat(BODY_BYTES_MAX + 1))));
    stub.route(Route::new("/moved").reply(Reply::redirect(302, "/elsewhere")));
    stub.route(Route::new("/broken").reply(Reply::close()));
    assert!(site.get("/large", Caller::Browser).await.unwrap_err().contains("more than"));
    assert_eq!(site.get("/moved", Caller::Browser).await.unwrap().status, 302);
    assert!(stub.requests_to("/elsewhere").is_empty());
    let broken = site.get("/broken", Caller::Browser).await.unwrap_err();
    assert!(broken.starts_with("no answer (") && !broken.contains("127.0.0.1"), "{broken}");
}

#[tokio::test]
async fn links_to_other_sites_are_not_asked_for() {
    let (stub, other) = (HttpStub::start().await, HttpStub::start().await);
    let site = site(&stub);
    for link in [format!("//{}/x", other.address()), other.url("/x"), "/\\evil.example/".to_owned()] {
        // What stays is asked of the site itself.
        let _ = site.get(&link, Caller::Account).await;
    }
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn a_server_that_is_asked_too_often_is_waited_for_once_in_a_while() {
    let stub = HttpStub::start().await;
    let site = site(&stub);
    let refused = |seconds: &str| Reply::status(429).header("retry-after", seconds);
    stub.route(Route::new("/busy").reply(refused("0")).reply(Reply::text("fine")));
    stub.route(Route::new("/closed").reply(refused("3600")));
    assert_eq!(site.get("/busy", Caller::Browser).await.unwrap().body, b"fine");
    assert_eq!(site.get("/closed", Caller::Browser).await.unwrap().status, 429);
    // Numbers that no clock has, and waits that nobody asked for: they neither end the look nor use up its patience.
    for (path, status, seconds) in [
        ("/never", 429, "18446744073709551615"),
        ("/down", 503, "18446744073709551615"),
        ("/soon", 503, "151"),
    ] {
        stub.route(Route::new(path).reply(Reply::status(status).header("retry-after", seconds)));
        assert_eq!(site.get(path, Caller::Browser).await.unwrap().status, status, "{path}");
    }
    stub.route(Route::new("/again").reply(refused("0")).reply(Reply::text("fine")));
    assert_eq!(site.get("/again", Caller::Browser).await.unwrap().body, b"fine");
}

#[test]
fn what_is_no_address_is_refused() {
    start_tls();
    for base in ["levqor.example", "ftp://a.example", "http://", ""] {
        let refusal = Site::new(base, None).unwrap_err();
        assert!(refusal.contains("is not an http or https address"), "{base}: {refusal}");
    }
    assert_eq!(Site::new("http://127.0.0.1:8000/", None).unwrap().address(), "http://127.0.0.1:8000");
}
