//! Workflows: saved, versioned, listed, deleted.

use http::{Method, StatusCode};
use levqor_model::{AccountId, Residency};
use levqor_store::accounts::Account;
use serde_json::{Value, json};

use crate::support::{Answer, FAULT, GREET, TestApp, add_key, document};

async fn put(test: &TestApp, id: &str, definition: impl Into<Value>) -> Answer {
    let path = format!("/api/workflows/{id}");
    let body = json!({ "definition": definition.into() });
    test.call(Method::PUT, &path).key(&test.keys.editor).json(&body).send().await
}

#[tokio::test]
async fn a_document_is_saved_as_text_or_as_an_object() {
    let test = TestApp::new().await;
    let text = document("greet", "0.1.0", GREET);
    let saved =
        test.post("/api/workflows").key(&test.keys.editor).json(&json!({ "definition": text })).send().await;
    assert_eq!(saved.status, StatusCode::CREATED, "{}", saved.text());
    let body = saved.json();
    let id = body["id"].as_str().unwrap();
    assert_eq!(saved.header("location"), Some(format!("/api/workflows/{id}").as_str()));
    let expected = json!({
        "id": id, "namespace": "test", "name": "greet", "version": "0.1.0",
        "created_at": "2026-11-24T12:00:00.000000Z", "warnings": [], "changed": true,
    });
    assert_eq!(body, expected);
    let read = test.read(&format!("/api/workflows/{id}")).await;
    assert_eq!(read["source"], text);
    assert_eq!(read["definition"]["document"]["name"], "greet");
    assert_eq!(read["schedule"], Value::Null);

    let mut object = read["definition"].clone();
    object["document"]["name"] = json!("greet-2");
    let saved = test
        .post("/api/workflows")
        .key(&test.keys.editor)
        .json(&json!({ "definition": object }))
        .send()
        .await;
    assert_eq!(saved.status, StatusCode::CREATED, "{}", saved.text());
    let read = test.read(&format!("/api/workflows/{}", saved.json()["id"].as_str().unwrap())).await;
    assert_eq!((&read["definition"], &read["source"]), (&object, &Value::Null));
}

#[tokio::test]
async fn an_invalid_document_is_refused_with_places() {
    let test = TestApp::new().await;
    let definition = document("bad", "0.1.0", "do: [{ a: { wiat: { hours: 1 } } }, { b: { set: 7 } }]");
    let refused = test
        .post("/api/workflows")
        .key(&test.keys.editor)
        .json(&json!({ "definition": definition }))
        .send()
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.problem(), "invalid-workflow");
    let errors = refused.json()["errors"].clone();
    let pointers: Vec<_> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert!(pointers.iter().any(|pointer| pointer.starts_with("/do/0/a")), "{errors}");
    assert!(pointers.iter().any(|pointer| pointer.starts_with("/do/1/b")), "{errors}");

    let checked = test
        .post("/api/workflows/validate")
        .key(&test.keys.viewer)
        .json(&json!({ "definition": definition }))
        .send()
        .await;
    assert_eq!(checked.status, StatusCode::OK);
    assert_eq!((&checked.json()["valid"], &checked.json()["errors"]), (&json!(false), &errors));

    for text in ["", "a: b: c", "[1, 2", "document: {}"] {
        let body = json!({ "definition": text });
        let checked = test.post("/api/workflows/validate").key(&test.keys.viewer).json(&body).send().await;
        assert_eq!(checked.status, StatusCode::OK);
        assert_eq!(checked.json()["valid"], false, "{text}");
        assert_ne!(checked.json()["errors"], json!([]), "{text}");
    }
}

#[tokio::test]
async fn a_valid_document_is_described() {
    let test = TestApp::new().await;
    let rest = format!("schedule: {{ cron: '0 9 * * 1-5' }}\n{GREET}");
    let body = json!({ "definition": document("daily", "0.1.0", &rest) });
    let checked = test.post("/api/workflows/validate").key(&test.keys.viewer).json(&body).send().await.json();
    assert_eq!(checked["valid"], true, "{checked}");
    assert_eq!(checked["workflow"]["name"], "daily");
    let schedule = &checked["schedule"];
    assert_eq!((schedule["cron"].as_str(), schedule["zone"].as_str()), (Some("0 9 * * 1-5"), Some("UTC")));
    let times = json!([
        "2026-11-25T09:00:00.000000Z",
        "2026-11-26T09:00:00.000000Z",
        "2026-11-27T09:00:00.000000Z",
        "2026-11-30T09:00:00.000000Z",
        "2026-12-01T09:00:00.000000Z",
    ]);
    assert_eq!(schedule["next_times"], times);
    assert_eq!(test.read("/api/workflows").await["workflows"], json!([]), "checking saves nothing");

    let id = test.save("daily", &rest).await;
    let read = test.read(&format!("/api/workflows/{id}")).await;
    assert_eq!(read["schedule"]["next_times"], times, "{}", read["schedule"]);
}

#[tokio::test]
async fn an_interval_counts_from_when_it_was_saved() {
    let test = TestApp::new().await;
    let id = test.save("often", &format!("schedule: {{ every: {{ minutes: 10 }} }}\n{GREET}")).await;
    let read = test.read(&format!("/api/workflows/{id}")).await;
    assert_eq!(read["schedule"]["every_seconds"], 600.0);
    let times: Vec<_> =
        ["10", "20", "30", "40", "50"].map(|minute| format!("2026-11-24T12:{minute}:00.000000Z")).into();
    assert_eq!(read["schedule"]["next_times"], json!(times));
}

#[tokio::test]
async fn versions_are_added_and_never_changed() {
    let test = TestApp::new().await;
    let id = test.save("greet", GREET).await;
    let same = put(&test, &id, document("greet", "0.1.0", GREET)).await;
    assert_eq!((same.status, &same.json()["changed"]), (StatusCode::OK, &json!(false)));

    let other = put(&test, &id, document("greet", "0.1.0", FAULT)).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert_eq!(other.problem(), "version-taken");
    assert!(other.text().contains("raise document.version, for example 0.1.1"), "{}", other.text());

    test.advance(1);
    let newer = put(&test, &id, document("greet", "0.2.0", FAULT)).await;
    assert_eq!((newer.status, &newer.json()["version"]), (StatusCode::OK, &json!("0.2.0")));
    assert_eq!(test.read(&format!("/api/workflows/{id}")).await["version"], "0.2.0");
    let back = put(&test, &id, document("greet", "0.1.0", GREET)).await;
    assert_eq!(back.problem(), "version-taken");
    assert!(back.text().contains("for example 0.2.1"), "{}", back.text());

    let renamed = put(&test, &id, document("greetings", "0.3.0", GREET)).await;
    assert_eq!(renamed.problem(), "invalid-fields");
    assert_eq!(renamed.json()["errors"][0]["pointer"], "/document/name");

    let list = test.read(&format!("/api/workflows/{id}/versions?limit=1")).await;
    assert_eq!(list["versions"][0]["version"], "0.2.0");
    let cursor = list["next_cursor"].as_str().unwrap();
    let rest = test.read(&format!("/api/workflows/{id}/versions?limit=1&cursor={cursor}")).await;
    assert_eq!((&rest["versions"][0]["version"], rest.get("next_cursor")), (&json!("0.1.0"), None));
    let old = test.read(&format!("/api/workflows/{id}/versions/0.1.0")).await;
    assert_eq!(old["definition"]["do"][0]["greet"]["set"]["message"], "${ \"Hello, \\(.name)!\" }");
    let none = test.get(&format!("/api/workflows/{id}/versions/9.9.9")).key(&test.keys.viewer).send().await;
    assert_eq!(none.problem(), "not-found");
}

#[tokio::test]
async fn a_name_is_taken_until_its_workflow_is_deleted() {
    let test = TestApp::new().await;
    let id = test.save("greet", GREET).await;
    let body = json!({ "definition": document("greet", "0.5.0", GREET) });
    let taken = test.post("/api/workflows").key(&test.keys.editor).json(&body).send().await;
    assert_eq!(taken.problem(), "name-taken");
    assert!(taken.text().contains("test/greet"));
    let run = test.start(&id, 10, &json!({ "name": "Ada" })).await;

    let path = format!("/api/workflows/{id}");
    assert_eq!(
        test.call(Method::DELETE, &path).key(&test.keys.editor).send().await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        test.call(Method::DELETE, &path).key(&test.keys.editor).send().await.problem(),
        "workflow-not-found"
    );
    assert_eq!(test.get(&path).key(&test.keys.viewer).send().await.problem(), "workflow-not-found");
    let run = test.read(&format!("/api/runs/{}", run["run_id"].as_str().unwrap())).await;
    assert_eq!(run["output"]["message"], "Hello, Ada!", "runs stay");
    let again = test.post("/api/workflows").key(&test.keys.editor).json(&body).send().await;
    assert_eq!(again.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_plan_bounds_the_number_of_workflows() {
    let test = TestApp::new().await;
    for (plan, allowed) in [("starter", 5), ("of-our-own", 7)] {
        let account = AccountId::new(test.app.now(), &*test.random);
        let row =
            Account { id: account, name: plan.to_owned(), plan: plan.to_owned(), created_at: test.app.now() };
        test.store.create_account(row).await.unwrap();
        let key = add_key(&test.app, account, levqor_model::Role::Owner, false).await;
        for number in 0..7 {
            let body = json!({ "definition": document(&format!("w{number}"), "0.1.0", GREET) });
            let answer = test.post("/api/workflows").key(&key).json(&body).send().await;
            if number < allowed {
                assert_eq!(answer.status, StatusCode::CREATED, "{plan} {number}: {}", answer.text());
            } else {
                assert_eq!(answer.status, StatusCode::FORBIDDEN);
                assert_eq!(answer.problem(), "plan-limit");
                assert!(answer.text().contains("Starter includes 5 workflows"), "{}", answer.text());
            }
        }
    }
}

#[tokio::test]
async fn processes_are_refused_unless_the_operator_allows_them() {
    let rest = "do: [{ a: { run: { shell: { command: 'echo hello' } } } }]";
    let body = json!({ "definition": document("process", "0.1.0", rest) });
    let test = TestApp::new().await;
    let refused = test.post("/api/workflows").key(&test.keys.editor).json(&body).send().await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let errors = &refused.json()["errors"];
    assert_eq!(errors[0]["pointer"], "/do/0/a/run/shell");
    assert!(errors[0]["message"].as_str().unwrap().contains("`processes.allow`"), "{errors}");

    // The engine of the tests allows none, as after the operator has changed his mind.
    let test = TestApp::with(|settings| settings.host = levqor_flow::document::Host::permissive()).await;
    let saved = test.post("/api/workflows").key(&test.keys.editor).json(&body).send().await;
    assert_eq!(saved.status, StatusCode::CREATED, "{}", saved.text());
    let run = test.start(saved.json()["id"].as_str().unwrap(), 30, &json!({})).await;
    assert_eq!(run["status"], "faulted", "{run}");
    assert!(run["error"]["detail"].as_str().unwrap().contains("`processes.allow`"), "{run}");
}

#[tokio::test]
async fn a_residency_names_regions_that_are_there_and_a_start_may_choose_another() {
    let test = TestApp::new().await;
    let with = |residency: &str| {
        document("stay", "0.1.0", GREET).replacen(
            "version:",
            &format!("metadata: {{ levqor: {{ residency: {residency} }} }}, version:"),
            1,
        )
    };
    for (residency, pointer) in [
        ("[eu-west, mars-north]", "/document/metadata/levqor/residency/1"),
        ("{ jurisdiction: MARS }", "/document/metadata/levqor/residency/jurisdiction"),
    ] {
        let body = json!({ "definition": with(residency) });
        let refused = test.post("/api/workflows").key(&test.keys.editor).json(&body).send().await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
    let body = json!({ "definition": with("[eu-west]") });
    let saved = test.post("/api/workflows").key(&test.keys.editor).json(&body).send().await;
    assert_eq!(saved.status, StatusCode::CREATED, "{}", saved.text());
    let path = format!("/api/workflows/{}/runs", saved.json()["id"].as_str().unwrap());
    let eu_west = Residency::Regions(vec!["eu-west".parse().unwrap()]);
    for (wish, residency) in [(json!({}), eu_west), (json!({ "residency": "anywhere" }), Residency::Anywhere)]
    {
        let started = test.post(&path).key(&test.keys.editor).json(&wish).send().await;
        let run = started.json()["run_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(test.app.store.run(None, run).await.unwrap().unwrap().residency, residency);
    }
}

#[tokio::test]
async fn a_schedule_tells_its_policy_and_what_it_has_done() {
    let test = TestApp::new().await;
    let ours =
        "metadata: { levqor: { schedule: { overlap: skip, misfire: fire-all, catchUp: PT2H } } }, version:";
    let text = document("tick", "0.1.0", &format!("schedule: {{ every: PT10M }}\n{GREET}"));
    let body = json!({ "definition": text.replacen("version:", ours, 1) });
    let saved = test.post("/api/workflows").key(&test.keys.editor).json(&body).send().await;
    let read = test.read(&format!("/api/workflows/{}", saved.json()["id"].as_str().unwrap())).await;
    let schedule = &read["schedule"];
    let policy = (&schedule["overlap"], &schedule["misfire"], &schedule["catch_up_seconds"]);
    assert_eq!(policy, (&json!("skip"), &json!("fire-all"), &json!(7200.0)));
    assert_eq!(schedule["next"], "2026-11-24T12:10:00.000000Z");
    assert_eq!((&schedule["last"], &schedule["last_run_id"]), (&Value::Null, &Value::Null));
    for count in ["fired", "missed", "skipped", "buffered"] {
        assert_eq!(schedule[count], 0, "{count}");
    }
}
