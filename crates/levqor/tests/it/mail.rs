//! Workflows send mail by the mail server that the configuration names.

use levqor_lab::Server;
use levqor_testkit::{SmtpStub, temp_dir};
use reqwest::Method;
use serde_json::json;

use crate::api::{Levqor, setup};

fn workflow() -> serde_json::Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "test", "name": "tell", "version": "1.0.0" },
        "do": [{ "tell": {
            "try": [{ "send": { "call": "email:1.0.0@default", "with": {
                "to": "${ .to }", "subject": "${ \"Order \" + .id }", "text": "Thank you.",
            } } }],
            "catch": { "errors": { "with": { "status": 503 } }, "retry": { "limit": { "attempt": { "count": 3 } } } },
        } }],
    })
}

#[tokio::test]
async fn a_workflow_sends_mail_and_what_is_refused_for_now_is_sent_again() {
    let stub = SmtpStub::start().await;
    let directory = temp_dir();
    let setup = setup(directory.path())
        .env("SMTP_URL", &stub.url())
        .env("LEVQOR_MAIL_FROM", "Levqor <levqor@example.com>");
    let server = Server::start(&setup).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    let levqor = Levqor::of(server, &key);
    let workflow = levqor.create(&workflow()).await;

    stub.refuse_next("451 come back later");
    let run =
        levqor.start(&workflow, &json!({ "input": { "to": "Ada <ada@example.com>", "id": "7" } })).await;
    let ended = levqor.ended(run["run_id"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    let mails = stub.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(
        (mails[0].from.as_str(), mails[0].to.as_slice()),
        ("levqor@example.com", &["ada@example.com".to_owned()][..])
    );
    assert_eq!(mails[0].header("subject").unwrap(), "Order 7");
    assert_eq!(mails[0].header("message-id").unwrap(), ended["output"]["messageId"]);

    stub.refuse_next("550 no such person");
    let run = levqor.start(&workflow, &json!({ "input": { "to": "eve@example.com", "id": "8" } })).await;
    let ended = levqor.ended(run["run_id"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "faulted", "{ended}");
    assert_eq!(ended["error"]["status"], 422, "{ended}");
    assert!(ended["error"]["detail"].as_str().unwrap().contains("no such person"), "{ended}");
}

#[tokio::test]
async fn without_a_mail_server_the_workflow_is_refused() {
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    let body = json!({ "definition": workflow() });
    let (status, problem) = levqor.call(Method::POST, "/api/workflows", Some(&body)).await;
    assert_eq!(status, 422, "{problem}");
    let shown = problem.to_string();
    assert!(shown.contains("/do/0/tell/try/0/send/call") && shown.contains("mail.smtp_url"), "{problem}");
}
