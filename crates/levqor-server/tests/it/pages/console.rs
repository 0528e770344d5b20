//! The console: its forms, its pages, and who may use them.

use levqor_model::{Role, UserId};
use levqor_server::{
    features::sign_in::service::issue_link,
    gateway::{Access, PAGES},
};
use levqor_store::accounts::{Membership, User};

use super::*;

async fn token(app: &TestApp) -> String {
    csrf(&app.page("/dashboard/workflows/new").header("cookie", &app.cookie).send().await)
}

#[tokio::test]
async fn every_form_wants_its_token() {
    let app = TestApp::new().await;
    let workflow = app.save("guarded", WAIT).await;
    let run = app.start(&workflow, 0, &serde_json::json!({})).await;
    let run = run["run_id"].as_str().unwrap();
    let forms = [
        "/dashboard/workflows".to_owned(),
        format!("/dashboard/workflows/{workflow}/edit"),
        format!("/dashboard/workflows/{workflow}/runs"),
        format!("/dashboard/workflows/{workflow}/delete"),
        format!("/dashboard/workflows/{workflow}/triggers"),
        format!("/dashboard/workflows/{workflow}/triggers/whk_01ARZ3NDEKTSV4RRFFQ69G5FAV/rotate"),
        format!("/dashboard/workflows/{workflow}/triggers/whk_01ARZ3NDEKTSV4RRFFQ69G5FAV/delete"),
        format!("/dashboard/runs/{run}/cancel"),
        format!("/dashboard/runs/{run}/retry"),
        "/dashboard/approvals/apr_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
        "/dashboard/secrets".to_owned(),
        "/dashboard/secrets/key/delete".to_owned(),
        format!("/dashboard/runs/{run}/suspend"),
        format!("/dashboard/runs/{run}/resume"),
        "/dashboard/keys".to_owned(),
        "/dashboard/keys/key_01ARZ3NDEKTSV4RRFFQ69G5FAV/revoke".to_owned(),
        "/dashboard/keys/key_01ARZ3NDEKTSV4RRFFQ69G5FAV/rotate".to_owned(),
        "/dashboard/members/invitations".to_owned(),
        "/dashboard/members/invitations/inv_01ARZ3NDEKTSV4RRFFQ69G5FAV/revoke".to_owned(),
        "/dashboard/members/usr_01ARZ3NDEKTSV4RRFFQ69G5FAV/role".to_owned(),
        "/dashboard/members/usr_01ARZ3NDEKTSV4RRFFQ69G5FAV/remove".to_owned(),
        "/dashboard/members/usr_01ARZ3NDEKTSV4RRFFQ69G5FAV/sign-out".to_owned(),
        "/dashboard/account".to_owned(),
        "/dashboard/account/leave".to_owned(),
        "/dashboard/account/sessions/ses_01ARZ3NDEKTSV4RRFFQ69G5FAV/revoke".to_owned(),
        "/dashboard/account/sessions/revoke-others".to_owned(),
        "/signout".to_owned(),
    ];
    for path in forms {
        for fields in [&[][..], &[("csrf", "wrong")][..]] {
            let answer = app.form(&path, fields).header("cookie", &app.cookie).send().await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {fields:?}: {}", answer.text());
        }
        let stranger = app.form(&path, &[]).send().await;
        assert_eq!(stranger.header("location"), Some("/signin"), "{path}");
    }
    assert_eq!(app.read(&format!("/api/runs/{run}")).await["status"], "waiting");
}

/// Those of operators, too, and those that nobody added to the list above.
#[tokio::test]
async fn every_form_that_is_written_down_wants_its_token() {
    let app = TestApp::new().await;
    let operator = crate::support::sign_in_operator(&app.app, app.account).await;
    let mut tried = 0;
    for (method, path, access) in PAGES {
        let cookie = match access {
            Access::Reader(_) => &app.cookie,
            Access::OperatorReader => &operator,
            _ => continue,
        };
        if *method != http::Method::POST {
            continue;
        }
        let path = crate::matrix::concrete(path);
        for token in ["", "wrong"] {
            // What some forms cannot be read without.
            let fields = [("account", "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV"), ("csrf", token)];
            let answer = app.form(&path, &fields).header("cookie", cookie).send().await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {}", answer.text());
            assert!(answer.text().contains("reload the page"), "{path}: {}", answer.text());
        }
        tried += 1;
    }
    assert!(tried > 30, "{tried}");
}

#[tokio::test]
async fn a_workflow_is_made_run_changed_and_deleted() {
    let app = TestApp::new().await;
    let csrf = token(&app).await;
    let send = |path: String, fields: Vec<(&'static str, String)>| {
        let mut all = vec![("csrf", csrf.clone())];
        all.extend(fields);
        let pairs: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        app.form(&path, &pairs).header("cookie", &app.cookie)
    };
    let text = crate::support::document("greeting", "0.1.0", GREET);
    let made = send("/dashboard/workflows".into(), vec![("action", "create".into()), ("definition", text)])
        .send()
        .await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text());
    let path = made.header("location").unwrap().strip_suffix("?done=created").unwrap().to_owned();

    let page = app.page(&path).header("cookie", &app.cookie).send().await;
    super::assert_sound(&path, &page);
    let bad = send(format!("{path}/runs"), vec![("input", "{\"name\": <b>".into())]).send().await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    let shown = bad.text();
    assert!(
        shown.contains("id=\"input-error\"") && shown.contains("{&quot;name&quot;: &lt;b&gt;"),
        "{shown}"
    );
    let started = send(format!("{path}/runs"), vec![("input", "{\"name\": \"Ada\"}".into())]).send().await;
    let run = started.header("location").unwrap().to_owned();
    assert!(run.starts_with("/dashboard/runs/run_"));

    let edit = app.page(&format!("{path}/edit")).header("cookie", &app.cookie).send().await.text();
    assert!(edit.contains("version: '0.1.1'"), "the next version is suggested: {edit}");
    let text = crate::support::document("greeting", "0.1.1", GREET);
    let saved =
        send(format!("{path}/edit"), vec![("action", "save".into()), ("definition", text)]).send().await;
    assert_eq!(saved.header("location"), Some(format!("{path}?done=version").as_str()), "{}", saved.text());
    let old = app.page(&format!("{path}?version=0.1.0")).header("cookie", &app.cookie).send().await.text();
    assert!(old.contains("Definition, version 0.1.0"));

    let unsure = send(format!("{path}/delete"), vec![]).send().await;
    assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY, "the box is not ticked");
    let deleted = send(format!("{path}/delete"), vec![("confirm", "yes".into())]).send().await;
    assert_eq!(deleted.header("location"), Some("/dashboard/workflows?done=deleted"));
    assert_eq!(app.page(&path).header("cookie", &app.cookie).send().await.status, StatusCode::NOT_FOUND);
    let run = app.page(&run).header("cookie", &app.cookie).send().await;
    assert_eq!(run.status, StatusCode::OK, "runs outlive their workflow");
}

/// The cookie of somebody with a role in the account.
async fn member(app: &TestApp, role: Role) -> String {
    let (now, random) = (app.app.now(), &*app.app.random);
    let user = User {
        id: UserId::new(now, random),
        email: format!("{}@example.com", role.as_str()),
        operator: false,
        created_at: now,
    };
    app.store.create_user(user.clone()).await.unwrap();
    app.store
        .add_member(Membership { account_id: app.account, user_id: user.id, role }, user.created_at)
        .await
        .unwrap();
    let link = issue_link(&app.store, random, "", user.id, now).await.unwrap();
    let entered = app.form(link.expose(), &[]).send().await;
    entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_role_may_not_do_is_neither_offered_nor_done() {
    let app = TestApp::new().await;
    let workflow = app.save("looked-at", WAIT).await;
    let run = app.start(&workflow, 0, &serde_json::json!({})).await;
    let run = run["run_id"].as_str().unwrap();
    let viewer = member(&app, Role::Viewer).await;
    let page = app.page(&format!("/dashboard/workflows/{workflow}")).header("cookie", &viewer).send().await;
    assert_eq!(page.status, StatusCode::OK);
    let text = page.text();
    for missing in ["Start a run", "New version", "Delete this workflow", "/dashboard/keys"] {
        assert!(!text.contains(missing), "{missing}");
    }
    for path in
        ["/dashboard/keys", "/dashboard/workflows/new", &format!("/dashboard/workflows/{workflow}/edit")]
    {
        let refused = app.page(path).header("cookie", &viewer).send().await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
    }
    let csrf = csrf(&page);
    for (path, fields) in [
        ("/dashboard/workflows".to_owned(), vec![("definition", "a: 1")]),
        (format!("/dashboard/workflows/{workflow}/edit"), vec![("definition", "a: 1")]),
        (format!("/dashboard/workflows/{workflow}/runs"), vec![]),
        (format!("/dashboard/workflows/{workflow}/delete"), vec![("confirm", "yes")]),
        (format!("/dashboard/runs/{run}/cancel"), vec![]),
        (format!("/dashboard/runs/{run}/retry"), vec![("from", "start")]),
        ("/dashboard/keys".to_owned(), vec![("name", "x"), ("role", "viewer")]),
    ] {
        let fields: Vec<_> = [("csrf", csrf.as_str())].into_iter().chain(fields).collect();
        let refused = app.form(&path, &fields).header("cookie", &viewer).send().await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {}", refused.text());
    }
    let editor = member(&app, Role::Editor).await;
    assert_eq!(
        app.page("/dashboard/workflows/new").header("cookie", &editor).send().await.status,
        StatusCode::OK
    );
    assert_eq!(
        app.page("/dashboard/keys").header("cookie", &editor).send().await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn other_accounts_are_not_there() {
    let app = TestApp::new().await;
    let text = crate::support::document("theirs", "0.1.0", GREET);
    let body = serde_json::json!({ "definition": text });
    let saved = app.post("/api/workflows").key(&app.keys.other).json(&body).send().await.json();
    let workflow = saved["id"].as_str().unwrap();
    let path = format!("/api/workflows/{workflow}/runs");
    let run = app.post(&path).key(&app.keys.other).json(&serde_json::json!({})).send().await.json();
    let run = run["run_id"].as_str().unwrap();
    for path in [
        format!("/dashboard/workflows/{workflow}"),
        format!("/dashboard/workflows/{workflow}/edit"),
        format!("/dashboard/runs/{run}"),
        format!("/dashboard/runs/{run}/data/input"),
        format!("/dashboard/runs/{run}/tasks/1/input"),
    ] {
        let answer = app.page(&path).header("cookie", &app.cookie).send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/dashboard", "/dashboard/workflows", "/dashboard/runs"] {
        let text = app.page(path).header("cookie", &app.cookie).send().await.text();
        assert!(!text.contains("theirs") && !text.contains(run), "{path}");
    }
}

#[tokio::test]
async fn errors_of_a_document_are_shown_with_their_lines_and_keep_the_text() {
    let app = TestApp::new().await;
    let csrf = token(&app).await;
    let text = crate::support::document(
        "broken",
        "0.1.0",
        "do:\n  - a:\n      set: {}\n  - b:\n      fly: </textarea><script>\n",
    );
    for action in ["create", "check"] {
        let fields = [("csrf", csrf.as_str()), ("action", action), ("definition", text.as_str())];
        let page = app.form("/dashboard/workflows", &fields).header("cookie", &app.cookie).send().await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        let shown = page.text();
        assert!(
            shown.contains("data-line=\"") && shown.contains("fly: &lt;/textarea&gt;&lt;script&gt;"),
            "{shown}"
        );
        assert!(!shown.contains("</textarea><script>"));
    }
    let fields = [("csrf", csrf.as_str()), ("action", "check"), ("definition", "a: [")];
    let shown = app.form("/dashboard/workflows", &fields).header("cookie", &app.cookie).send().await.text();
    assert!(shown.contains("line 1"), "{shown}");
}

#[tokio::test]
async fn a_sentence_becomes_a_draft_to_edit() {
    let app = TestApp::new().await;
    let page = app
        .page("/dashboard/workflows/new?sentence=Every%20hour%2C%20fetch%20https%3A%2F%2Fa.example%2Fx")
        .header("cookie", &app.cookie)
        .send()
        .await;
    let text = page.text();
    assert!(text.contains("endpoint: https://a.example/x") && text.contains("What it will do"), "{text}");
    let short = app.page("/dashboard/workflows/new?sentence=x").header("cookie", &app.cookie).send().await;
    assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_run_page_shows_tasks_errors_and_what_can_be_done() {
    let app = TestApp::new().await;
    let faulty = app.save("faulty", FAULT).await;
    let input = serde_json::json!({ "note": "<img src=x onerror=alert(1)>" });
    let run = app.start(&faulty, 10, &input).await;
    let path = format!("/dashboard/runs/{}", run["run_id"].as_str().unwrap());
    let page = app.page(&path).header("cookie", &app.cookie).send().await;
    super::assert_sound(&path, &page);
    let text = page.text();
    for part in [
        "faulted",
        "https://example.com/errors/no",
        "Retry from the failed task",
        "Run again",
        "id=\"task-1\"",
        "data-live=\"done\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("<img"), "input is text");
    let data = app.page(&format!("{path}/data/input")).header("cookie", &app.cookie).send().await;
    assert_eq!(data.header("content-type"), Some("application/json"));
    assert_eq!(data.json(), input);
    let task = app.page(&format!("{path}/tasks/1/error")).header("cookie", &app.cookie).send().await;
    assert_eq!(task.json()["status"], 418);
    for missing in ["data/output", "data/secret", "tasks/9/input", "tasks/1/output"] {
        let answer = app.page(&format!("{path}/{missing}")).header("cookie", &app.cookie).send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{missing}");
    }
    let csrf = csrf(&page);
    let again = app
        .form(&format!("{path}/retry"), &[("csrf", &csrf), ("from", "start")])
        .header("cookie", &app.cookie)
        .send()
        .await;
    let location = again.header("location").unwrap();
    assert!(location.ends_with("?done=again") && !location.starts_with(&path), "{location}");

    // With changes, from a task that the page offers.
    assert!(text.contains("/retry?from=%2Fdo%2F0%2Ffail"), "{text}");
    let form =
        app.page(&format!("{path}/retry?from=%2Fdo%2F0%2Ffail")).header("cookie", &app.cookie).send().await;
    super::assert_sound("retry", &form);
    assert!(form.text().contains("<option value=\"/do/0/fail\" selected"), "{}", form.text());
    let send = |input: &'static str| {
        let fields = [("csrf", csrf.as_str()), ("from", "start"), ("version", ""), ("input", input)];
        app.form(&format!("{path}/retry"), &fields).header("cookie", &app.cookie).send()
    };
    let bad = send("{").await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bad.text().contains("id=\"input-error\""), "{}", bad.text());
    let edited = send("{\"edited\": true}").await;
    let location = edited.header("location").unwrap().split('?').next().unwrap().to_owned();
    let id = location.rsplit('/').next().unwrap();
    assert_eq!(app.read(&format!("/api/runs/{id}")).await["input"], serde_json::json!({ "edited": true }));
}

#[tokio::test]
async fn a_live_run_says_what_it_waits_for_and_is_cancelled() {
    let app = TestApp::new().await;
    let waiting = app.save("waiting", WAIT).await;
    let run = app.start(&waiting, 0, &serde_json::json!({})).await;
    let id = run["run_id"].as_str().unwrap();
    let path = format!("/dashboard/runs/{id}");
    let text = app.page(&path).header("cookie", &app.cookie).send().await.text();
    for part in [
        "data-live=\"on\"",
        &format!("data-events=\"/api/runs/{id}/events\""),
        "This run waits until 2026-11-24 13:00:00 UTC",
        "http-equiv=\"refresh\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = app.page(&path).header("cookie", &app.cookie).send().await;
    let csrf = csrf(&page);
    let cancelled =
        app.form(&format!("{path}/cancel"), &[("csrf", &csrf)]).header("cookie", &app.cookie).send().await;
    assert_eq!(cancelled.header("location"), Some(format!("{path}?done=cancelled").as_str()));
    let twice =
        app.form(&format!("{path}/cancel"), &[("csrf", &csrf)]).header("cookie", &app.cookie).send().await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn runs_are_filtered_and_paged() {
    let app = TestApp::new().await;
    let greet = app.save("greet", GREET).await;
    let faulty = app.save("faulty", FAULT).await;
    for _ in 0..51 {
        app.start(&greet, 0, &serde_json::json!({})).await;
    }
    app.start(&faulty, 10, &serde_json::json!({})).await;
    let rows = async |path: &str| {
        let text = app.page(path).header("cookie", &app.cookie).send().await.text();
        (text.matches("class=\"main\" href=\"/dashboard/runs/run_").count(), text)
    };
    let (shown, text) = rows("/dashboard/runs").await;
    assert_eq!(shown, 50);
    let next = text
        .split("rel=\"next\"")
        .next()
        .unwrap()
        .rsplit("href=\"")
        .next()
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert_eq!(rows(&next.replace("&amp;", "&")).await.0, 2);
    assert_eq!(rows("/dashboard/runs?status=faulted").await.0, 1);
    assert_eq!(rows(&format!("/dashboard/runs?workflow={faulty}&status=")).await.0, 1);
    assert!(rows("/dashboard/runs?status=cancelled").await.1.contains("No run matches"));
    let odd = app.page("/dashboard/runs?status=lost").header("cookie", &app.cookie).send().await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_key_is_shown_once_and_revoked() {
    let app = TestApp::new().await;
    let page = app.page("/dashboard/keys").header("cookie", &app.cookie).send().await;
    let csrf = csrf(&page);
    let fields = [("csrf", csrf.as_str()), ("name", "nightly <export>"), ("role", "viewer")];
    let made = app.form("/dashboard/keys", &fields).header("cookie", &app.cookie).send().await;
    assert_eq!((made.status, made.header("cache-control")), (StatusCode::CREATED, Some("no-store")));
    let text = made.text();
    let key = text.split("id=\"new-key\">").nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(app.get("/api/workflows").key(key).send().await.status, StatusCode::OK);
    let again = app.page("/dashboard/keys").header("cookie", &app.cookie).send().await.text();
    assert!(!again.contains(key) && again.contains("nightly &lt;export&gt;"));
    let before = again.split("nightly &lt;export&gt;” now").next().unwrap();
    let revoke = before.rsplit("action=\"").next().unwrap().split('"').next().unwrap();
    let revoked = app.form(revoke, &[("csrf", &csrf)]).header("cookie", &app.cookie).send().await;
    assert_eq!(revoked.header("location"), Some("/dashboard/keys?done=revoked"));
    assert_eq!(app.get("/api/workflows").key(key).send().await.status, StatusCode::UNAUTHORIZED);
    let empty = app
        .form("/dashboard/keys", &[("csrf", &csrf), ("name", " "), ("role", "admin")])
        .header("cookie", &app.cookie)
        .send()
        .await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    let text = empty.text();
    assert!(
        text.contains("id=\"name-error\"") && text.contains("<option value=\"admin\" selected"),
        "{text}"
    );
}

#[tokio::test]
async fn a_webhook_is_made_rotated_and_deleted_on_the_page_of_its_workflow() {
    let app = TestApp::new().await;
    let workflow = app.save("greet", crate::support::GREET).await;
    let path = format!("/dashboard/workflows/{workflow}");
    let page = app.page(&path).header("cookie", &app.cookie).send().await;
    let csrf = csrf(&page);
    assert!(page.text().contains("No webhooks"), "{}", page.text());
    let send = async |action: &str, fields: &[(&str, &str)]| {
        let fields: Vec<_> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        app.form(&format!("{path}/triggers{action}"), &fields).header("cookie", &app.cookie).send().await
    };
    let made = send("", &[("name", "shop <a>"), ("signed", "yes")]).await;
    assert_eq!((made.status, made.header("cache-control")), (StatusCode::CREATED, Some("no-store")));
    let address = |text: &str| {
        let shown = text.split("id=\"webhook-address\">").nth(1).unwrap().split('<').next().unwrap();
        shown.strip_prefix("http://127.0.0.1:8000").unwrap().to_owned()
    };
    let text = made.text();
    let first = address(&text);
    assert!(text.contains("whsec_") && text.contains("shop &lt;a&gt;"), "{text}");
    // It asks for a signature: the address is there.
    assert_eq!(app.post(&first).json(&serde_json::json!({})).send().await.problem(), "webhook-signature");
    let again = app.page(&path).header("cookie", &app.cookie).send().await.text();
    assert!(!again.contains(&first) && !again.contains("whsec_") && again.contains("shop &lt;a&gt;"));
    let id = again.split("/triggers/").nth(1).unwrap().split('/').next().unwrap().to_owned();

    let rotated = send(&format!("/{id}/rotate"), &[]).await;
    assert_eq!(rotated.status, StatusCode::OK);
    let second = address(&rotated.text());
    assert_eq!(app.post(&first).json(&serde_json::json!({})).send().await.problem(), "not-found");
    assert_eq!(app.post(&second).json(&serde_json::json!({})).send().await.problem(), "webhook-signature");
    let deleted = send(&format!("/{id}/delete"), &[]).await;
    assert_eq!(deleted.header("location"), Some(format!("{path}?done=webhook-deleted").as_str()));
    assert_eq!(app.post(&second).json(&serde_json::json!({})).send().await.problem(), "not-found");

    let empty = send("", &[("name", " ")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(empty.text().contains("id=\"name-error\""), "{}", empty.text());
}
