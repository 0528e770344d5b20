//! Stored series asked for in a terminal, and what a real process sends to an OpenTelemetry collector.

use std::{path::Path, process::Command};

use levqor_lab::{Server, Signal};
use levqor_testkit::{HttpStub, Reply, Route, temp_dir, wait_for};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value as Any,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use serde_json::{Value, json};

use crate::api::{Levqor, setup};

async fn serving(directory: &Path, endpoint: &str) -> Levqor {
    let setup = setup(directory).env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let server = Server::start(&setup).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    Levqor::of(server, &key)
}

async fn play(levqor: &Levqor) -> String {
    let workflow = levqor
        .create(&json!({
            "document": { "dsl": "1.0.1", "namespace": "test", "name": "one", "version": "1.0.0" },
            "do": [{ "a": { "set": { "x": 1 } } }],
        }))
        .await;
    let run = levqor.start(&workflow, &json!({ "wait_seconds": 30 })).await;
    run["run_id"].as_str().unwrap().to_owned()
}

/// The exit code of a server that is asked to stop.
async fn stopped(levqor: &mut Levqor) -> i32 {
    levqor.server.signal(Signal::TERM).unwrap();
    let code = wait_for("the server to stop", || {
        let code = levqor.server.exit_code().unwrap();
        async move { code }
    });
    code.await
}

fn spans(stub: &HttpStub) -> Vec<Span> {
    let requests = stub.requests_to("/v1/traces");
    let decoded = requests.iter().map(|request| ExportTraceServiceRequest::decode(&*request.body).unwrap());
    decoded
        .flat_map(|request| request.resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect()
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text.clone()),
        Any::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

#[tokio::test]
async fn requests_and_runs_become_spans() {
    let (directory, stub) = (temp_dir(), HttpStub::start().await);
    let mut levqor = serving(directory.path(), &stub.url("")).await;
    let run = play(&levqor).await;
    let client = crate::api::client();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    for flags in ["01", "00"] {
        let parent = format!("00-{trace}-b7ad6b716920333{}-{flags}", &flags[1..]);
        let request = client.get(levqor.server.url("/api/regions/mars")).header("traceparent", parent);
        assert_eq!(request.send().await.unwrap().status(), 404);
    }
    // What is left goes at the end.
    assert_eq!(stopped(&mut levqor).await, 0);
    let spans = spans(&stub);
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    let of_run = spans.iter().find(|span| span.name == "run").unwrap_or_else(|| panic!("{names:?}"));
    assert_eq!(attribute(of_run, "run.id"), Some(run));
    assert_eq!(attribute(of_run, "workflow.name"), Some("one".to_owned()));
    let started = spans.iter().find(|span| span.name == "POST /api/workflows/{id}/runs").unwrap();
    assert_eq!(started.kind(), SpanKind::Server);
    assert_eq!(attribute(started, "http.response.status_code"), Some("200".to_owned()));
    assert!(started.end_time_unix_nano > started.start_time_unix_nano);
    // The one that its caller records is in the caller's trace, and the other is not told.
    let mars: Vec<_> = spans.iter().filter(|span| span.name == "GET /api/regions/{code}").collect();
    assert_eq!(mars.len(), 1, "{names:?}");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        (hex(&mars[0].trace_id), hex(&mars[0].parent_span_id)),
        (trace.to_owned(), "b7ad6b7169203331".to_owned())
    );
    assert!(!stub.requests_to("/v1/metrics").is_empty());
}

#[tokio::test]
async fn a_collector_that_hangs_or_is_not_there_disturbs_nobody() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/v1/*").reply(Reply::hang()));
    for endpoint in [stub.url(""), "http://127.0.0.1:1".to_owned()] {
        let directory = temp_dir();
        let mut levqor = serving(directory.path(), &endpoint).await;
        play(&levqor).await;
        assert_eq!(levqor.get("/ready").await["status"], "ready");
        assert_eq!(stopped(&mut levqor).await, 0, "{endpoint}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    let directory = temp_dir();
    let ran = Command::new(env!("CARGO_BIN_EXE_levqor"))
        .args(["serve", "--data-dir", directory.path().to_str().unwrap()])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(2), "{told}");
    assert!(told.contains("telemetry.otlp_endpoint") && told.contains("http://127.0.0.1:4318"), "{told}");
}

#[tokio::test]
async fn series_are_asked_for_in_a_terminal() {
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    play(&levqor).await;
    let url = levqor.server.url("");
    let run = |arguments: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_levqor"))
            .args(arguments)
            .args(["--url", &url, "--key", &levqor.key])
            .env_remove("LEVQOR_REGION")
            .output()
            .unwrap();
        (
            ran.status.code(),
            String::from_utf8_lossy(&ran.stdout).into_owned(),
            String::from_utf8_lossy(&ran.stderr).into_owned(),
        )
    };
    // The next step begins within ten seconds, and then the question is about the one before.
    let answer = wait_for("the series to be written", || async {
        let (code, found, problem) =
            run(&["metrics", "query", "runs_started", "--json", "--aggregation", "sum"]);
        assert_eq!(code, Some(0), "{problem}");
        let found: Value = serde_json::from_str(&found).unwrap();
        (!found["series"].as_array().unwrap().is_empty()).then_some(found)
    })
    .await;
    assert_eq!(answer["series"][0]["points"][0]["value"], 1.0);
    let (code, told, problem) = run(&["metrics", "query", "runs_started", "--from=-2h", "--step", "1h"]);
    assert_eq!(code, Some(0), "{problem}");
    assert!(
        told.starts_with("runs_started (sum), steps of 3600 s") && told.contains("region=eu-west"),
        "{told}"
    );
    let (_, told, _) = run(&["metrics", "query", "runs_started", "--points"]);
    assert!(told.contains("Z  1") || told.contains(" 1 "), "{told}");
    let (code, told, _) = run(&["metrics", "list"]);
    assert!(code == Some(0) && told.contains("http_duration_us") && told.contains("microseconds"), "{told}");
    let (code, told, _) = run(&["metrics", "list", "runs_started"]);
    assert!(code == Some(0) && told.contains("eu-west"), "{told}");
    let (code, _, problem) = run(&["metrics", "query", "run_started"]);
    assert_eq!(code, Some(1), "{problem}");
    assert!(problem.contains("did you mean runs_started?"), "{problem}");
}
