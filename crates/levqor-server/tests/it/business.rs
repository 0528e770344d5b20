//! What people outside tell and ask, through the API and the forms.

use http::{Method, StatusCode};
use levqor_model::{TicketState, Timestamp};
use serde_json::{Value, json};

use crate::{
    pages::Browser as _,
    support::{TestApp, sign_in_operator},
};

async fn total(test: &TestApp, name: &str) -> i64 {
    test.read("/api/metrics/app").await["business_metrics"][name].as_i64().unwrap()
}

/// What operators read.
async fn ops(test: &TestApp, path: &str) -> Value {
    let answer = test.get(path).key(&test.keys.operator).send().await;
    assert_eq!(answer.status, StatusCode::OK, "GET {path}: {}", answer.text());
    answer.json()
}

fn in_hours(test: &TestApp, hours: u64) -> Timestamp {
    test.app.now() + std::time::Duration::from_secs(hours * 3_600)
}

#[tokio::test]
async fn leads_are_kept_and_nobody_learns_who_is_known() {
    let test = TestApp::new().await;
    let lead = json!({ "email": "Ada@Example.com", "source": "pricing" });
    let first = test.post("/api/marketing/lead").json(&lead).send().await;
    let second = test.post("/api/marketing/lead").json(&lead).send().await;
    assert_eq!((first.status, first.json()["success"].as_bool()), (StatusCode::OK, Some(true)));
    assert_eq!(first.text(), second.text());
    let rows = [
        (json!({ "email": "nobody", "source": "a" }), StatusCode::UNPROCESSABLE_ENTITY, "/email"),
        (json!({ "email": "a@b.example", "source": "=cmd()" }), StatusCode::UNPROCESSABLE_ENTITY, "/source"),
        (
            json!({ "email": "a@b.example", "source": "a", "website": "x" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "/website",
        ),
    ];
    for (body, status, pointer) in rows {
        let answer = test.post("/api/marketing/lead").json(&body).send().await;
        assert_eq!((answer.status, answer.json()["errors"][0]["pointer"].as_str()), (status, Some(pointer)));
    }
    let kept = ops(&test, "/api/ops/leads").await;
    assert_eq!(kept["leads"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&kept["leads"][0]["email"], &kept["leads"][0]["times"]),
        (&json!("ada@example.com"), &json!(2))
    );
    let path = format!("/api/ops/leads/{}", kept["leads"][0]["id"].as_str().unwrap());
    let operator = &test.keys.operator;
    assert_eq!(test.call(Method::DELETE, &path).key(operator).send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(test.call(Method::DELETE, &path).key(operator).send().await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn page_events_are_counted() {
    let test = TestApp::new().await;
    let send = async |body: Value, gpc: bool| {
        let call = test.post("/api/marketing/event");
        let call = if gpc { call.header("sec-gpc", "1") } else { call };
        call.json(&body).send().await
    };
    let view = |consent: bool| json!({ "event": "page_view", "page": "/pricing/", "source": "may", "consent": consent });
    for (body, gpc) in [(view(true), false), (view(false), false), (view(true), true)] {
        assert_eq!(send(body, gpc).await.status, StatusCode::OK);
    }
    let click = json!({ "event": "cta_click", "page": "/pricing", "target": "start-trial" });
    assert_eq!(send(click, false).await.status, StatusCode::OK);
    for (body, pointer) in [
        (json!({ "event": "cta_click", "page": "/pricing" }), "/target"),
        (json!({ "event": "page_view", "page": "https://evil.example/" }), "/page"),
        (json!({ "event": "page_view", "page": "/a", "target": "b" }), "/target"),
    ] {
        let answer = send(body, false).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
        assert_eq!(answer.json()["errors"][0]["pointer"], json!(pointer));
    }
    assert_eq!(total(&test, "pricing_cta_clicks").await, 1);
    let funnel = ops(&test, "/api/ops/marketing").await;
    assert_eq!(funnel["page_views"], json!([{ "name": "/pricing", "count": 3 }]));
    assert_eq!(funnel["cta_clicks"], json!([{ "name": "start-trial", "count": 1 }]));
    // Of three who came by it, one agreed to say so.
    assert_eq!(funnel["campaigns"], json!([{ "name": "may", "page_views": 1, "cta_clicks": 0 }]));
    let cookie = sign_in_operator(&test.app, test.account).await;
    let page = test.page("/admin/customers").header("cookie", &cookie).send().await.text();
    assert!(page.contains("<th scope=\"row\">may</th>"), "{page}");
}

#[tokio::test]
async fn the_documentation_answers_and_a_person_does_when_it_cannot() {
    let test = TestApp::new().await;
    let ask = async |body: Value| test.post("/api/support").json(&body).send().await;
    let answered = ask(json!({ "message": "How much does the Growth plan cost?" })).await;
    assert_eq!(
        (answered.status, &answered.json()["answered"]),
        (StatusCode::OK, &json!(true)),
        "{}",
        answered.text()
    );
    assert!(!answered.json()["sources"].as_array().unwrap().is_empty());
    let odd = "Qwyzzt brlfgh xqz?";
    let nowhere = ask(json!({ "message": odd })).await;
    assert_eq!(nowhere.status, StatusCode::UNPROCESSABLE_ENTITY, "there is no address to answer to");
    assert_eq!(nowhere.json()["errors"][0]["pointer"], json!("/email"));
    let escalated = ask(json!({ "message": odd, "email": "bob@example.com", "subject": "Odd" })).await;
    assert_eq!(escalated.json()["answered"], json!(false), "{}", escalated.text());
    let by = escalated.json()["ticket"]["respond_by"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(by, in_hours(&test, 48), "what the slowest plan promises to who has none");
    let wished = json!({ "message": "How much does the Growth plan cost?", "email": "bob@example.com", "want_person": true });
    assert_eq!(ask(wished).await.json()["answered"], json!(false));
    assert_eq!(total(&test, "support_auto_requests").await, 3);
    assert_eq!(total(&test, "support_auto_escalations").await, 1, "without an address nobody was asked");
    let tickets = ops(&test, "/api/ops/tickets").await;
    assert_eq!(tickets["tickets"].as_array().unwrap().len(), 2);
    let id = tickets["tickets"][0]["id"].as_str().unwrap().to_owned();
    test.advance(49 * 3_600);
    let late = ops(&test, "/api/ops/tickets?limit=1").await;
    assert_eq!(late["tickets"][0]["late"], json!(true));
    assert!(late["next_cursor"].is_string());
    let next = format!("/api/ops/tickets?limit=1&cursor={}", late["next_cursor"].as_str().unwrap());
    let next = ops(&test, &next).await;
    assert_ne!(next["tickets"][0]["id"], late["tickets"][0]["id"]);
    let closed = test.post(&format!("/api/ops/tickets/{id}/close")).key(&test.keys.operator).send().await;
    assert_eq!(closed.json()["state"], json!("closed"), "{}", closed.text());
    assert_eq!(test.store.tickets(TicketState::Open, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn consultations_are_booked_in_time_and_held_once() {
    let test = TestApp::new().await;
    let body = |at: Timestamp| json!({ "email": "ada@example.com", "name": "Ada", "topic": "Imports", "begins_at": at });
    let early = test.post("/api/consultations").json(&body(test.app.now())).send().await;
    assert_eq!(early.json()["errors"][0]["pointer"], json!("/begins_at"), "{}", early.text());
    let mut lines = body(in_hours(&test, 24));
    lines["name"] = json!("Ada\r\nBcc: everybody@example.com");
    let lines = test.post("/api/consultations").json(&lines).send().await;
    assert_eq!(lines.json()["errors"][0]["pointer"], json!("/name"), "{}", lines.text());
    let booked = test.post("/api/consultations").json(&body(in_hours(&test, 24))).send().await;
    assert_eq!(booked.status, StatusCode::CREATED, "{}", booked.text());
    let path = format!("/api/ops/consultations/{}", booked.json()["id"].as_str().unwrap());
    let operator = &test.keys.operator;
    for _ in 0..2 {
        let held = test.post(&format!("{path}/held")).key(operator).send().await;
        assert_eq!(held.json()["state"], json!("held"), "{}", held.text());
    }
    assert_eq!(
        test.post(&format!("{path}/cancel")).key(operator).send().await.problem(),
        "consultation-ended"
    );
    assert_eq!(total(&test, "consultations_booked").await, 1);
    assert_eq!(total(&test, "consultations_run").await, 1);
}

#[tokio::test]
async fn feedback_is_kept_within_its_scale() {
    let test = TestApp::new().await;
    for rating in [0, 6, -1] {
        let answer = test.post("/api/feedback/trial").json(&json!({ "rating": rating })).send().await;
        assert_eq!(answer.json()["errors"][0]["pointer"], json!("/rating"), "{rating}: {}", answer.text());
    }
    let good = json!({ "rating": 4, "comment": "quick" });
    let kept = test.post("/api/feedback/trial").key(&test.keys.viewer).json(&good).send().await;
    assert_eq!(kept.status, StatusCode::CREATED, "{}", kept.text());
    let list = ops(&test, "/api/ops/trial-feedback").await;
    assert_eq!(
        (&list["feedback"][0]["rating"], list["feedback"][0]["account_id"].is_string()),
        (&json!(4), true)
    );
    assert_eq!(total(&test, "trial_feedback_submissions").await, 1);
}

#[tokio::test]
async fn a_person_is_forgotten_when_they_ask_for_it() {
    let test = TestApp::new().await;
    let lead = json!({ "email": "ada@example.com", "source": "pricing" });
    test.post("/api/marketing/lead").json(&lead).send().await;
    let asked = json!({ "message": "Qwyzzt brlfgh xqz?", "email": "Ada@example.com", "want_person": true });
    assert_eq!(test.post("/api/support").json(&asked).send().await.json()["answered"], json!(false));
    let forget = async |email: &str| {
        let call = test.post("/api/ops/people/forget").key(&test.keys.operator);
        call.json(&json!({ "email": email })).send().await
    };
    let wrong = forget("nobody").await;
    assert_eq!(wrong.json()["errors"][0]["pointer"], json!("/email"), "{}", wrong.text());
    let forgotten = forget("ADA@example.com").await.json();
    assert_eq!(forgotten, json!({ "leads": 1, "tickets": 1, "consultations": 0, "messages": 1 }));
    assert_eq!(ops(&test, "/api/ops/tickets").await["tickets"], json!([]));
    assert_eq!(ops(&test, "/api/ops/leads").await["leads"], json!([]));
}

#[tokio::test]
async fn who_asks_too_often_waits() {
    let test = TestApp::new().await;
    let leave = async |email: &str| {
        let lead = json!({ "email": email, "source": "a" });
        test.post("/api/marketing/lead").json(&lead).send().await
    };
    for _ in 0..3 {
        assert_eq!(leave("ada@example.com").await.status, StatusCode::OK);
    }
    let refused = leave("ada@example.com").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((590..=601).contains(&wait), "one more for this address in ten minutes: {wait}");
    let mut last = StatusCode::OK;
    for number in 0..7 {
        last = leave(&format!("n{number}@example.com")).await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn the_forms_work_without_scripts_and_only_from_this_site() {
    let test = TestApp::new().await;
    let send = async |site: &str, fields: &str| {
        test.post("/support/request")
            .header("accept", "text/html")
            .header("sec-fetch-site", site)
            .body("application/x-www-form-urlencoded", fields.to_owned())
            .send()
            .await
    };
    assert_eq!(send("cross-site", "message=hello").await.status, StatusCode::FORBIDDEN);
    let wrong = send("same-origin", "message=Qwyzzt+brlfgh&email=nobody").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text().contains("Qwyzzt brlfgh"), "what was typed is still there");
    let trapped =
        send("same-origin", "message=Qwyzzt+brlfgh&email=bob%40example.com&website=ads.example").await;
    assert_eq!(trapped.status, StatusCode::UNPROCESSABLE_ENTITY);
    let text = trapped.text();
    assert!(text.contains("people do not see was filled in") && !text.contains("ads.example"), "{text}");
    assert!(text.contains("Qwyzzt brlfgh") && text.contains("id=\"support-email\""), "{text}");
    let sent = send("same-origin", "message=Qwyzzt+%3Cb%3Ebrlfgh&email=bob%40example.com").await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
    assert!(sent.text().contains("bob@example.com"));
    let cookie = sign_in_operator(&test.app, test.account).await;
    let page = test.page("/admin/customers").header("cookie", &cookie).send().await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Qwyzzt &lt;b&gt;brlfgh") && !page.text().contains("<b>brlfgh"));
}

#[tokio::test]
async fn an_address_is_left_by_a_form_that_works_without_scripts() {
    let test = TestApp::new().await;
    let consent = "type=\"checkbox\" name=\"consent\" value=\"yes\"";
    let form = "action=\"/stay-in-touch\"";
    for (path, source) in [("/", "front-page"), ("/stay-in-touch", "stay-in-touch")] {
        let page = test.page(path).send().await.text();
        assert!(page.contains(form) && page.contains(&format!("value=\"{source}\"")), "{path}");
        assert!(
            page.contains(consent) && !page.contains(&format!("{consent} checked")),
            "{path}: nobody has agreed yet"
        );
    }
    assert!(test.page("/pricing").send().await.text().contains("href=\"/stay-in-touch\""));
    let leave = async |fields: &[(&str, &str)]| test.form("/stay-in-touch", fields).send().await;

    let typed =
        [("email", "ada at <example>"), ("consent", "yes"), ("source", "front-page"), ("website", "")];
    let wrong = leave(&typed).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let text = wrong.text();
    assert!(text.contains("value=\"ada at &lt;example&gt;\""), "what was typed is still there: {text}");
    assert!(text.contains("aria-invalid=\"true\"") && text.contains("id=\"email-error\""), "{text}");
    assert!(text.contains(&format!("{consent} checked")) && text.contains("value=\"front-page\""), "{text}");
    let trapped = leave(&[("email", "ada@example.com"), ("website", "https://ads.example")]).await;
    assert_eq!(trapped.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(trapped.text().contains("value=\"ada@example.com\"") && !trapped.text().contains("ads.example"));
    assert_eq!(ops(&test, "/api/ops/leads").await["leads"], json!([]), "nothing is kept of either");

    let first = leave(&[("email", "Ada@Example.com"), ("source", "front-page"), ("website", "")]).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.text());
    let again = leave(&[("email", "ada@example.com"), ("consent", "yes"), ("source", "=cmd()")]).await;
    assert_eq!((again.status, again.header("location")), (first.status, first.header("location")));
    let thanks = test.page(first.header("location").unwrap()).send().await;
    assert_eq!(thanks.status, StatusCode::OK);
    assert!(thanks.text().contains("Thank you"));
    leave(&[("email", "bob@example.com"), ("source", "=cmd()")]).await;
    let kept = ops(&test, "/api/ops/leads").await;
    let kept: Vec<_> = kept["leads"].as_array().unwrap().iter().collect();
    let shown = |email: &str| {
        let lead = kept.iter().find(|lead| lead["email"] == email).unwrap();
        (lead["source"].clone(), lead["times"].clone())
    };
    assert_eq!(kept.len(), 2);
    assert_eq!(shown("ada@example.com"), (json!("front-page"), json!(2)));
    assert_eq!(shown("bob@example.com"), (json!("stay-in-touch"), json!(1)), "a source is one of ours");

    let elsewhere = test
        .post("/stay-in-touch")
        .header("accept", "text/html")
        .header("sec-fetch-site", "cross-site")
        .body("application/x-www-form-urlencoded", "email=eve%40example.com".to_owned())
        .send()
        .await;
    assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);
}
