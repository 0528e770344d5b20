//! Bodies, types and texts that mean harm.

use http::{Method, StatusCode};
use levqor_model::limits;
use serde_json::{Value, json};

use crate::{
    pages::{Browser, csrf},
    support::{GREET, TestApp},
};

/// Texts that would be commands, if somebody put them into one.
const INJECTIONS: &[&str] = &[
    "' OR '1'='1",
    "'; DROP TABLE runs; --",
    "\" OR 1=1 --",
    "1); DELETE FROM accounts; --",
    "$1",
    "%' AND 1=CAST((SELECT version()) AS int) --",
    "{{7*7}}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "{% raw %}",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "$(touch /tmp/evil)",
    "`id`",
    "| cat /etc/passwd",
    "../../etc/passwd",
    "\u{0}",
    "\u{202e}txt.exe",
    "%00",
    "a\r\nSet-Cookie: evil=1",
    "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>",
    "(&(uid=*)(userPassword=*))",
    "=HYPERLINK(\"http://evil.example\")",
];

/// Operations that take JSON, and who may send it.
fn writes(test: &TestApp) -> Vec<(Method, String, String)> {
    let editor = &test.keys.editor;
    [
        (Method::POST, "/api/workflows", editor),
        (Method::POST, "/api/workflows/validate", editor),
        (Method::POST, "/api/events", editor),
        (Method::PUT, "/api/secrets/name", editor),
        (Method::POST, "/api/keys", &test.keys.admin),
        (Method::POST, "/api/ai/chat", editor),
        (Method::POST, "/api/ai/workflow", editor),
    ]
    .into_iter()
    .map(|(method, path, key)| (method, path.to_owned(), key.clone()))
    .collect()
}

#[tokio::test]
async fn huge_and_nested_bodies_are_refused_everywhere() {
    let test = TestApp::with(|settings| settings.body_bytes_max = 100_000).await;
    let bombs = [
        ("huge", format!("{{\"definition\": \"{}\"}}", "a".repeat(200_000))),
        ("many arrays", "[".repeat(50_000)),
        ("many objects", "{\"a\":".repeat(15_000)),
        ("nested in a member", format!("{{\"definition\": {}1{}}}", "[".repeat(5_000), "]".repeat(5_000))),
        ("a long number", format!("{{\"definition\": {}}}", "9".repeat(90_000))),
        ("a large exponent", "{\"definition\": 1e999999999}".to_owned()),
        ("many members", format!("{{{}\"definition\": 1}}", "\"a\":1,".repeat(15_000))),
        ("a member twice", "{\"definition\": {}, \"definition\": {}}".to_owned()),
        ("half a surrogate", "{\"definition\": \"\\ud800\"}".to_owned()),
        ("no text", String::from_utf8_lossy(&[0xff, 0xfe, 0x00]).into_owned()),
        ("not a number", "{\"definition\": NaN}".to_owned()),
        ("a byte-order mark", "\u{feff}{}".to_owned()),
    ];
    for (method, path, key) in writes(&test) {
        for (what, body) in &bombs {
            let call = test.call(method.clone(), &path).key(&key).body("application/json", body.clone());
            let answer = call.send().await;
            let status = answer.status.as_u16();
            assert!(
                matches!(status, 200 | 204 | 400 | 413 | 415 | 422),
                "{what} to {method} {path}: {status} {}",
                answer.text()
            );
            if path != "/api/workflows/validate" && path != "/api/secrets/name" {
                assert!(status >= 400, "{what} to {method} {path} is taken: {}", answer.text());
            }
        }
    }
    let deep = format!(
        "{{\"definition\": {}1{}}}",
        "[".repeat(limits::NESTING_MAX + 80),
        "]".repeat(limits::NESTING_MAX + 80)
    );
    let answer =
        test.post("/api/workflows").key(&test.keys.editor).body("application/json", deep).send().await;
    assert!(answer.status.is_client_error());
    assert!(answer.text().contains("nested"), "{}", answer.text());
}

#[tokio::test]
async fn yaml_that_grows_is_bounded() {
    let test = TestApp::new().await;
    let mut laughs = "a0: &a0 lol\n".to_owned();
    for level in 1..12 {
        let parts = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{parts}]\n"));
    }
    for text in [laughs, "a: &a [*a]".to_owned(), "{".repeat(20_000), format!("a: {}", "- ".repeat(20_000))] {
        let body = json!({ "definition": text });
        let began = std::time::Instant::now();
        let answer = test.post("/api/workflows").key(&test.keys.editor).json(&body).send().await;
        assert!(answer.status.is_client_error(), "{}", answer.status);
        assert!(began.elapsed().as_secs() < 20, "it is refused and not worked off");
    }
}

#[tokio::test]
async fn other_content_types_are_refused() {
    let test = TestApp::new().await;
    let types = [
        "text/plain",
        "text/html",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/jsonp",
        "application/json-seq",
        "text/json",
        "*/*",
        "json",
        "",
    ];
    for (method, path) in [
        (Method::POST, "/api/workflows"),
        (Method::POST, "/api/workflows/validate"),
        (Method::PUT, "/api/secrets/name"),
        (Method::POST, "/api/events"),
    ] {
        for media in types {
            let answer = test
                .call(method.clone(), path)
                .key(&test.keys.editor)
                .body(media, "{\"value\": 1}")
                .send()
                .await;
            assert_eq!(
                answer.problem(),
                "unsupported-media-type",
                "{method} {path} as {media:?}: {}",
                answer.text()
            );
        }
    }
    for media in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        let answer = test.post("/signin").body(media, "{}").send().await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "a form is a form, and not {media}");
    }
    // What is packed is not unpacked: no bomb.
    let packed =
        test.post("/api/workflows/validate").key(&test.keys.viewer).header("content-encoding", "gzip");
    let answer = packed.body("application/json", vec![0x1f, 0x8b, 8, 0]).send().await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
}

#[tokio::test]
async fn texts_that_are_commands_elsewhere_are_texts_here() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    let runs_before = test.read("/api/runs").await["runs"].as_array().unwrap().len();
    for text in INJECTIONS {
        // As data they come back as they went in.
        let run = test.start(&workflow, 5, &json!({ "name": text })).await;
        assert_eq!(run["output"]["message"], json!(format!("Hello, {text}!")), "{text:?}");
        // As parameters they find nothing, and the answer shows them as texts.
        let encoded =
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        for path in [
            format!("/api/runs/{encoded}"),
            format!("/api/workflows/{encoded}"),
            format!("/api/runs?status={encoded}"),
            format!("/api/runs?workflow={encoded}"),
            format!("/api/runs?cursor={encoded}"),
            format!("/api/workflows?limit={encoded}"),
            format!("/api/keys/{encoded}"),
            format!("/api/usage/export?from={encoded}"),
        ] {
            let answer = test.get(&path).key(&test.keys.owner).send().await;
            assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
            assert!(answer.headers.get("set-cookie").is_none(), "{path}");
        }
        // In headers they are either refused by the header's own form or nothing.
        if let Ok(value) = http::HeaderValue::from_str(text)
            && let Ok(value) = value.to_str()
        {
            let answer = test
                .get("/api/runs")
                .key(&test.keys.viewer)
                .header("idempotency-key", value)
                .header("user-agent", value);
            assert_eq!(answer.send().await.status, StatusCode::OK);
            let wrong =
                test.get("/api/runs").header("authorization", &format!("Bearer {value}")).send().await;
            assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
        }
    }
    let runs = test.read("/api/runs?limit=200").await["runs"].as_array().unwrap().len();
    assert_eq!(runs, runs_before + INJECTIONS.len(), "nothing was dropped, and nothing more began");
    let keys = test.get("/api/keys").key(&test.keys.admin).send().await.json();
    assert!(keys["keys"].as_array().unwrap().len() >= 5, "{keys}");
}

#[tokio::test]
async fn texts_become_no_markup_on_any_page() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    let page = test.page("/dashboard/keys").header("cookie", &test.cookie).send().await;
    let token = csrf(&page);
    for text in INJECTIONS.iter().filter(|text| !text.contains('\0')) {
        let run =
            test.start(&workflow, 5, &json!({ "name": text })).await["run_id"].as_str().unwrap().to_owned();
        let encoded =
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let mut pages = vec![
            test.page(&format!("/dashboard/runs/{run}")).header("cookie", &test.cookie).send().await,
            test.page(&format!("/dashboard/runs?status={encoded}"))
                .header("cookie", &test.cookie)
                .send()
                .await,
            test.page(&format!("/docs/{encoded}")).send().await,
            test.page(&format!("/signin?next={encoded}")).send().await,
            test.form("/signin", &[("email", text), ("next", text)]).send().await,
            test.form("/draft", &[("query", text)]).send().await,
        ];
        let form = test.form("/dashboard/keys", &[("csrf", &token), ("name", text), ("role", text)]);
        pages.push(form.header("cookie", &test.cookie).send().await);
        for page in pages {
            let html = page.text();
            for evil in ["<script>alert", "<img src=x", "onerror=alert(1)>", "href=\"javascript:"] {
                assert!(!html.contains(evil), "{text:?} is markup on a page: {evil}");
            }
            assert!(
                !html.contains(">49<") && page.headers.get("set-cookie").is_none(),
                "{text:?} was worked out"
            );
        }
    }
}

#[tokio::test]
async fn parameters_and_headers_that_come_twice_are_refused() {
    let test = TestApp::new().await;
    for query in ["limit=1&limit=2", "limit=1&limit=1", "cursor=a&cursor=b", "status=running&status=faulted"]
    {
        let answer = test.get(&format!("/api/runs?{query}")).key(&test.keys.viewer).send().await;
        assert_eq!(answer.problem(), "bad-parameter", "{query}: {}", answer.text());
    }
    // What belongs in a body is not taken from the query, nor the other way round.
    let answer = test
        .post("/api/keys?role=owner")
        .key(&test.keys.admin)
        .json(&json!({ "name": "x", "role": "viewer" }));
    let made = answer.send().await;
    assert!(made.status.is_client_error() || made.json()["role"] == "viewer", "{}", made.text());
    let mut request = http::Request::get("/api/runs").body(axum::body::Body::empty()).unwrap();
    for key in [&test.keys.viewer, &test.keys.owner] {
        request.headers_mut().append("authorization", format!("Bearer {key}").parse().unwrap());
    }
    let answer = tower::ServiceExt::oneshot(test.router.clone(), request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn names_that_javascript_objects_have_are_names() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    for name in ["__proto__", "constructor", "prototype", "toString"] {
        let mut input = serde_json::Map::new();
        input.insert("name".to_owned(), json!("Ada"));
        input.insert(name.to_owned(), json!({ "operator": true }));
        let run = test.start(&workflow, 5, &Value::Object(input)).await;
        assert_eq!((&run["status"], &run["input"][name]["operator"]), (&json!("completed"), &json!(true)));
    }
}

/// Names are shown to others, so nothing hides in them, wherever one is taken.
#[tokio::test]
async fn names_have_no_characters_that_nobody_sees() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    let (account, keys, members) = ("/api/account", "/api/keys", "/api/members/invitations");
    let triggers = format!("/api/workflows/{workflow}/triggers");
    let begins_at = test.app.now() + std::time::Duration::from_secs(24 * 60 * 60);
    for hidden in ["\u{202e}", "\u{2066}", "\u{200b}", "\u{feff}", "\u{ad}"] {
        let name = format!("Acme{hidden} Corp");
        let address = format!("ada{hidden}@example.org");
        let rows = [
            (Method::PATCH, account, json!({ "name": name }), "/name"),
            (Method::POST, keys, json!({ "name": name, "role": "viewer" }), "/name"),
            (Method::POST, &*triggers, json!({ "name": name }), "/name"),
            (
                Method::POST,
                "/api/consultations",
                json!({ "email": "ada@example.org", "name": name, "topic": "Imports", "begins_at": begins_at }),
                "/name",
            ),
            (Method::POST, members, json!({ "email": address, "role": "viewer" }), "/email"),
        ];
        for (method, path, body, pointer) in rows {
            let answer = test.call(method, path).key(&test.keys.owner).json(&body).send().await;
            assert_eq!(answer.problem(), "invalid-fields", "{path} {hidden:?}");
            let error = &answer.json()["errors"][0];
            let told = error["message"].as_str().unwrap();
            assert_eq!(error["pointer"], pointer, "{path}: {told}");
            let code = hidden.chars().next().map(u32::from).unwrap();
            assert!(told.contains(&format!("U+{code:04X}")) && told.contains("write it without"), "{told}");
        }
        let asked = test.form("/signin", &[("email", &address)]).send().await;
        // Somebody may be here by such an address since before; the answer says the same whether somebody is.
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.text());
        assert!(asked.text().contains("has a character that nobody sees"), "{}", asked.text());
    }
    // What is written so belongs there.
    let persian = "می\u{200c}خواهم";
    let renamed = test
        .call(Method::PATCH, account)
        .key(&test.keys.owner)
        .json(&json!({ "name": persian }))
        .send()
        .await;
    assert_eq!((renamed.status, &renamed.json()["name"]), (StatusCode::OK, &json!(persian)));
}

/// So are reasons, titles and words, which stand in evidence and on the status page.
#[tokio::test]
async fn texts_that_others_read_hide_and_turn_nothing() {
    let test = TestApp::new().await;
    let until = test.app.now() + std::time::Duration::from_secs(60 * 60);
    for hidden in ["\u{202e}", "\u{2066}", "\u{feff}"] {
        let text = format!("it is {hidden}well");
        let rows = [
            (
                "/api/ops/status/declarations",
                json!({ "part": "*/*", "words": text, "until": until }),
                "/words",
            ),
            (
                "/api/ops/maintenance",
                json!({ "title": text, "words": "", "parts": ["*/*"], "starts_at": until, "ends_at": until }),
                "/title",
            ),
            (
                "/api/ops/maintenance",
                json!({ "title": "Disk", "words": text, "parts": ["*/*"], "starts_at": until, "ends_at": until }),
                "/words",
            ),
            ("/api/support", json!({ "message": text }), "/message"),
        ];
        for (path, body, pointer) in rows {
            let answer = test.post(path).key(&test.keys.operator).json(&body).send().await;
            assert_eq!(answer.problem(), "invalid-fields", "{path} {hidden:?}: {}", answer.text());
            let error = &answer.json()["errors"][0];
            let told = error["message"].as_str().unwrap();
            let code = hidden.chars().next().map(u32::from).unwrap();
            assert_eq!(error["pointer"], pointer, "{path}: {told}");
            assert!(told.contains(&format!("U+{code:04X}")) && told.contains("in place 7"), "{told}");
        }
    }
}
