//! What strangers try at the door: to be sent on, to learn who is known, to come in by guessing or by another's form.

use std::time::{Duration, Instant};

use http::StatusCode;
use levqor_model::Role;
use levqor_server::features::sign_in::service::issue_link;
use levqor_store::{Options, audit::Filter};
use levqor_testkit::{temp_dir, wait_for};
use rusqlite::Connection;
use serde_json::json;

use crate::{
    callers::{keep_log, kept_log},
    pages::Browser,
    support::{TestApp, sign_in_as},
};

const ELSEWHERE: &[&str] = &[
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example",
    "HTTPS://EVIL.example",
    "http:\\\\evil.example",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "mailto:a@evil.example",
    "@evil.example",
    ".evil.example",
    "evil.example",
    "%2F%2Fevil.example",
    "/%0d%0aLocation: https://evil.example",
    "/\r\nSet-Cookie: evil=1",
    "/\u{200b}/evil.example",
    "／／evil.example",
    "/..//evil.example",
    "/.//evil.example",
    "/dashboard/..//evil.example",
];

async fn link(test: &TestApp) -> String {
    let user = test.store.user_by_email("ada@example.com".to_owned()).await.unwrap().unwrap();
    let issued = issue_link(&test.store, &*test.app.random, "", user.id, test.app.now());
    issued.await.unwrap().expose().to_owned()
}

/// Where a browser goes that follows `location` from our site.
fn followed(location: &str) -> url::Url {
    url::Url::parse("https://levqor.example/signin").unwrap().join(location).unwrap()
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let test = TestApp::new().await;
    for next in ELSEWHERE {
        let once =
            percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC).to_string();
        let twice =
            percent_encoding::utf8_percent_encode(&once, percent_encoding::NON_ALPHANUMERIC).to_string();
        let entered = test.form(&link(&test).await, &[("next", next)]).send().await;
        let mut places = vec![entered.header("location").unwrap().to_owned()];
        for query in [once, twice] {
            let known =
                test.page(&format!("/signin?next={query}")).header("cookie", &test.cookie).send().await;
            places.push(known.header("location").unwrap().to_owned());
        }
        for place in places {
            let url = followed(&place);
            assert_eq!(
                url.origin().ascii_serialization(),
                "https://levqor.example",
                "{next:?} leads to {place:?}"
            );
        }
        assert!(entered.headers.get_all("set-cookie").iter().count() == 1, "{next:?}");
        let page = test.page("/dashboard").header("referer", "https://evil.example/").send().await;
        assert_eq!(page.header("location"), Some("/signin?next=/dashboard"));
    }
    // What the redirect to the sign-in page carries is a path of ours, however it is written.
    for path in [
        "/dashboard//evil.example",
        "/dashboard/runs?next=//evil.example",
        "/dashboard/runs/%2F%2Fevil.example",
    ] {
        let answer = test.page(path).send().await;
        if let Some(place) = answer.header("location") {
            assert!(place.starts_with("/signin?next=/dashboard"), "{path}: {place}");
        }
    }
}

#[tokio::test]
async fn who_is_known_shows_neither_in_words_nor_in_time() {
    let test = TestApp::new().await;
    let mut times = [Vec::new(), Vec::new()];
    let mut answers = [Vec::new(), Vec::new()];
    for round in 0..4 {
        for (which, email) in ["ada@example.com", "eve@example.com"].into_iter().enumerate() {
            let began = Instant::now();
            let answer =
                test.form("/signin", &[("email", email)]).from(&format!("192.0.2.{round}")).send().await;
            times[which].push(began.elapsed());
            let headers: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
            answers[which].push((answer.status, headers, answer.text().replace("ada@", "eve@")));
        }
    }
    assert_eq!(answers[0], answers[1]);
    // Each takes the same fixed time; how long the look-up took does not show.
    for times in &times {
        assert!(times.iter().all(|time| *time >= Duration::from_millis(200)), "{times:?}");
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[1]
    };
    let (known, unknown) = (median(&mut times[0]), median(&mut times[1]));
    assert!(known.abs_diff(unknown) < Duration::from_millis(100), "{known:?} {unknown:?}");
    // A mailbox that had enough says so for anybody's.
    for email in ["ada@example.com", "eve@example.com"] {
        let mut last = StatusCode::OK;
        for round in 0..6 {
            last = test
                .form("/signin", &[("email", email)])
                .from(&format!("198.51.100.{round}"))
                .send()
                .await
                .status;
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "{email}");
    }
}

/// A link is written for a known address only, so nobody may wait for that.
#[tokio::test]
async fn a_database_that_takes_its_time_tells_nobody_who_is_known() {
    let directory = temp_dir();
    let file = directory.path().join("levqor.db");
    let test = TestApp::over(Options::file(file.clone()), |_| {}).await;
    // Whoever writes waits for this one.
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for email in ["ada@example.com", "eve@example.com"] {
        let asked = test.form("/signin", &[("email", email)]).send();
        let answer = tokio::time::timeout(Duration::from_secs(4), asked).await.expect("an answer meanwhile");
        assert_eq!(answer.status, StatusCode::OK, "{email}: {}", answer.text());
    }
    let count = || other.query_row("SELECT count(*) FROM links", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(), 0, "nothing was written yet");
    other.execute_batch("ROLLBACK").unwrap();
    wait_for("the link", || std::future::ready((count() == 1).then_some(()))).await;
    // It is still on record who asked for it, and from where.
    let wanted = Filter { kind: Some("sign_in_link.created".to_owned()), ..Filter::default() };
    let records = test.store.audit_records(wanted, None, 10).await.unwrap();
    assert_eq!((records.len(), records[0].author.as_str()), (1, "visitor"));
    assert!(records[0].request_id.is_some() && records[0].details.contains("network"), "{records:?}");
}

/// Addresses were taken with characters that nobody sees before new ones with them were refused.
#[tokio::test]
async fn somebody_whose_address_was_taken_before_hides_nothing_and_still_comes_in() {
    let directory = temp_dir();
    let file = directory.path().join("levqor.db");
    let test = TestApp::over(Options::file(file.clone()), |_| {}).await;
    let (known, unknown) = ("gr\u{200b}ace@example.com", "ev\u{200b}e@example.com");
    sign_in_as(&test.app, test.account, known, Role::Viewer).await;
    let ask = async |email: &str| test.form("/signin", &[("email", email)]).send().await;
    let (theirs, nobodys) = (ask(known).await, ask(unknown).await);
    assert_eq!((theirs.status, nobodys.status), (StatusCode::OK, StatusCode::OK));
    assert!(theirs.text().contains("U+200B"), "{}", theirs.text());
    assert_eq!(theirs.text().replace("gr\u{200b}ace", "ev\u{200b}e"), nobodys.text());
    assert!(!ask("grace@example.com").await.text().contains("U+200B"), "what looks alike is another address");

    let links = "SELECT users.email FROM links JOIN users ON users.user_id = links.user_id";
    let other = Connection::open(&file).unwrap();
    let made = || -> Vec<String> {
        let mut statement = other.prepare(links).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    wait_for("the link", || std::future::ready((!made().is_empty()).then_some(()))).await;
    assert_eq!(made(), [known], "one, for who was here");

    // Operators find them, too.
    let asked = json!({ "email": known });
    let out = test.post("/api/ops/people/sign-out").key(&test.keys.operator).json(&asked).send().await;
    assert_eq!((out.status, &out.json()["ended"]), (StatusCode::OK, &json!(1)), "{}", out.text());
    let gone = test.post("/api/ops/people/forget").key(&test.keys.operator).json(&asked).send().await;
    assert_eq!(gone.status, StatusCode::OK, "{}", gone.text());
}

#[tokio::test]
async fn links_cannot_be_guessed_forged_or_used_twice() {
    let test = TestApp::new().await;
    let good = link(&test).await;
    let token = good.rsplit('/').next().unwrap().to_owned();
    let mut flipped = token.clone().into_bytes();
    flipped[0] ^= 1;
    let flipped = String::from_utf8(flipped).unwrap();
    for guess in [
        "a",
        &"A".repeat(43),
        &token[..42],
        &format!("{token}A"),
        &flipped,
        &token.to_uppercase(),
        "%00",
        "' OR 1=1 --",
    ] {
        let guess = percent_encoding::utf8_percent_encode(guess, percent_encoding::NON_ALPHANUMERIC);
        let answer = test.form(&format!("/signin/link/{guess}"), &[]).send().await;
        assert_eq!(answer.status, StatusCode::GONE, "{guess}");
        assert!(answer.headers.get("set-cookie").is_none());
    }
    assert_eq!(test.form(&good, &[]).send().await.status, StatusCode::SEE_OTHER);
    assert_eq!(test.form(&good, &[]).send().await.status, StatusCode::GONE, "replayed");
    let old = link(&test).await;
    test.advance(15 * 60 + 1);
    assert_eq!(test.form(&old, &[]).send().await.status, StatusCode::GONE, "expired");
}

#[tokio::test]
async fn tries_to_come_in_are_logged_good_or_not() {
    let test = TestApp::new().await;
    let (good, spent, late) = (link(&test).await, link(&test).await, link(&test).await);
    test.form(&spent, &[]).send().await;
    let wrong = format!("lvq_{}", "k".repeat(43));
    let stale = "s".repeat(43);
    let forged = format!("{}={stale}", levqor_server::gateway::SESSION_COOKIE);
    keep_log();
    for _ in 0..2 {
        // Twice the same is one guess and one line; the access log has both.
        test.get("/api/runs").from("192.0.2.77").key(&wrong).send().await;
    }
    test.page("/dashboard").from("192.0.2.77").header("cookie", &forged).send().await;
    test.form(&spent, &[]).from("192.0.2.77").send().await;
    test.form("/signin", &[("email", "nobody@example.org")]).from("192.0.2.77").send().await;
    let entered = test.form(&good, &[]).from("192.0.2.77").send().await;
    assert_eq!(entered.status, StatusCode::SEE_OTHER, "{}", entered.text());
    test.advance(15 * 60 + 1);
    test.form(&late, &[]).from("2001:db8:1:2:3::4").send().await;
    test.page("/invitations/an-unknown-token").from("192.0.2.77").send().await;
    let (text, lines) = kept_log();
    let refused: Vec<_> = lines.iter().filter(|line| line["fields"]["sign_in.refused"].is_string()).collect();
    let told: Vec<_> = refused
        .iter()
        .map(|line| {
            let field = |name: &str| line["fields"][name].as_str().unwrap();
            (field("sign_in.way"), field("client.network"))
        })
        .collect();
    let (here, there) = ("192.0.2.0/24", "2001:db8:1::/48");
    let expected = [
        ("key", here),
        ("session", here),
        ("link", here),
        ("link", here),
        ("link", there),
        ("invitation", here),
    ];
    assert_eq!(told, expected, "{text}");
    assert_eq!(refused[0]["fields"]["sign_in.refused"], "nobody has it");
    let begun: Vec<_> = lines.iter().filter(|line| line["fields"]["session.id"].is_string()).collect();
    assert_eq!(begun.len(), 1, "{text}");
    assert_eq!(begun[0]["fields"]["sign_in.way"], "link");
    let tokens = [&good, &spent, &late].map(|link| link.rsplit('/').next().unwrap().to_owned());
    let [good, spent, late] = &tokens;
    let hidden: [&str; 9] = [
        good,
        spent,
        late,
        &wrong,
        &stale,
        "an-unknown-token",
        "nobody@example.org",
        "192.0.2.77",
        "2001:db8:1:2:3::4",
    ];
    for secret in hidden {
        assert!(!text.contains(secret), "{secret} is in the log: {text}");
    }
}

#[tokio::test]
async fn sessions_cannot_be_given_to_somebody_or_forged() {
    let test = TestApp::new().await;
    let fixed = format!("{}={}", levqor_server::gateway::SESSION_COOKIE, "f".repeat(43));
    let entered = test.form(&link(&test).await, &[]).header("cookie", &fixed).send().await;
    let given = entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_ne!(given, fixed, "a session that was there before is not taken over");
    assert_eq!(
        test.page("/dashboard").header("cookie", &fixed).send().await.status,
        StatusCode::TEMPORARY_REDIRECT
    );
    assert_eq!(test.page("/dashboard").header("cookie", &given).send().await.status, StatusCode::OK);
    for forged in ["levqor_session=", "levqor_session=null", "levqor_session=%00", "levqor_session=' OR 1=1"]
    {
        let answer = test.page("/dashboard").header("cookie", forged).send().await;
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT, "{forged}");
    }
}

#[tokio::test]
async fn forms_of_other_sites_do_nothing() {
    let test = TestApp::new().await;
    let page = test.page("/dashboard/keys").header("cookie", &test.cookie).send().await;
    let token = crate::pages::csrf(&page);
    let fields = |token: &str| {
        [("csrf", token.to_owned()), ("name", "evil".to_owned()), ("role", "viewer".to_owned())]
    };
    let send = async |token: &str| {
        let fields = fields(token);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        test.form("/dashboard/keys", &fields).header("cookie", &test.cookie).send().await.status
    };
    let swapped: String = token.chars().rev().collect();
    for wrong in ["", "x", &token[1..], &swapped] {
        assert_eq!(send(wrong).await, StatusCode::FORBIDDEN, "{wrong}");
    }
    assert_eq!(send(&token).await, StatusCode::CREATED);
    // Another session's token is none.
    let other =
        crate::support::sign_in_as(&test.app, test.account, "bob@example.com", levqor_model::Role::Owner)
            .await;
    let answer = test
        .form("/dashboard/keys", &[("csrf", &token), ("name", "x"), ("role", "viewer")])
        .header("cookie", &other);
    assert_eq!(answer.send().await.status, StatusCode::FORBIDDEN);
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("sec-fetch-site", "none")]
    {
        let answer = test.form("/signin", &[("email", "ada@example.com")]).header(name, value).send().await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
}

#[tokio::test]
async fn keys_cannot_be_guessed_without_end() {
    let test = TestApp::new().await;
    let wrong = |number: u32| format!("Bearer lvq_{number:0>43}");
    let mut seen = Vec::new();
    for number in 0..120 {
        let call = test.get("/api/runs").from("192.0.2.9").header("authorization", &wrong(number));
        seen.push(call.send().await.status.as_u16());
    }
    assert_eq!((seen[99], seen[100], seen[119]), (401, 429, 429));
    // The same wrong key again is one guess, another address has its own, and who is known stays so.
    assert_eq!(
        test.get("/api/runs")
            .from("192.0.2.9")
            .header("authorization", &wrong(5))
            .send()
            .await
            .status
            .as_u16(),
        401
    );
    assert_eq!(
        test.get("/api/runs")
            .from("192.0.2.10")
            .header("authorization", &wrong(500))
            .send()
            .await
            .status
            .as_u16(),
        401
    );
    test.get("/api/runs").from("192.0.2.10").key(&test.keys.viewer).send().await;
    assert_eq!(
        test.get("/api/runs").from("192.0.2.9").key(&test.keys.viewer).send().await.status,
        StatusCode::OK
    );
    test.advance(60);
    assert_eq!(
        test.get("/api/runs")
            .from("192.0.2.9")
            .header("authorization", &wrong(600))
            .send()
            .await
            .status
            .as_u16(),
        401
    );
}

#[tokio::test]
async fn sessions_cannot_be_guessed_without_end() {
    let test = TestApp::new().await;
    let ask = |number: u32, from: &str| {
        let cookie = format!("{}={number:0>43}", levqor_server::gateway::SESSION_COOKIE);
        test.page("/dashboard").from(from).header("cookie", &cookie).send()
    };
    let mut last = StatusCode::OK;
    for number in 0..1_000 {
        last = ask(number, "192.0.2.9").await.status;
    }
    assert_eq!(last, StatusCode::TEMPORARY_REDIRECT, "each was looked up");
    let refused = ask(1_000, "192.0.2.9").await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, Some("60")));
    // A browser that goes on to send an old cookie is one guess, and other addresses are as before.
    assert_eq!(ask(999, "192.0.2.9").await.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(ask(1_001, "192.0.2.10").await.status, StatusCode::TEMPORARY_REDIRECT);
    test.page("/dashboard").from("192.0.2.10").header("cookie", &test.cookie).send().await;
    let known = test.page("/dashboard").from("192.0.2.9").header("cookie", &test.cookie).send().await;
    assert_eq!(known.status, StatusCode::OK, "who was known a moment ago stays so");
    test.advance(1);
    assert_eq!(ask(1_002, "192.0.2.9").await.status, StatusCode::TEMPORARY_REDIRECT);
}
