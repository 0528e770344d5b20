//! Over real sockets: what only connections show.

use std::time::Duration;

use levqor_model::RunStatus;
use levqor_store::runs::RunFilter;
use levqor_testkit::wait_for;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::support::{TestApp, WAIT};

#[derive(Debug)]
pub struct Served {
    pub address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

pub async fn serve(test: &TestApp) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let task = tokio::spawn(levqor_server::serve(listener, test.app.clone(), stop.clone()));
    Served { address, stop, task }
}

impl Served {
    pub async fn stopped(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// Sends the text and reads until the server closes the connection.
pub async fn talk(address: std::net::SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection may also be reset: what was read until then is the answer.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_node_answers_observes_itself_and_stops() {
    let test = TestApp::new().await;
    let served = serve(&test).await;
    let answer = talk(served.address, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("x-levqor-region: eu-west"),
        "{answer}"
    );
    let api = wait_for("the node to observe its own API", || async {
        test.store.latest_samples().await.unwrap().into_iter().find(|sample| sample.component == "api")
    })
    .await;
    assert!(api.good, "{api:?}");
    let metrics = test.get("/metrics").send().await.text();
    assert!(metrics.contains("\nlevqor_background_jobs{region=\"eu-west\"} 33\n"), "{metrics}");
    let address = served.address;
    served.stopped().await;
    assert!(TcpStream::connect(address).await.is_err());
    // What was counted is written.
    let totals = test.store.totals().await.unwrap();
    assert!(totals.iter().any(|(name, total)| name == "requests" && *total >= 2), "{totals:?}");
}

#[tokio::test]
async fn a_node_says_that_it_leaves_before_it_closes_its_port() {
    let test = TestApp::with(|settings| settings.drain_notice = Duration::from_secs(30)).await;
    let served = serve(&test).await;
    served.stop.cancel();
    let ready = "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = wait_for("the node to say so", || async {
        let answer = talk(served.address, ready).await;
        answer.contains("\"draining\"").then_some(answer)
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let health = talk(served.address, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    // Half of the time for a stop, and no more.
    served.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn slow_heads_are_cut_off() {
    let test = TestApp::with(|settings| settings.header_timeout = Duration::from_millis(100)).await;
    let served = serve(&test).await;
    for beginning in ["", "GET /health HTTP/1.1\r\nHost:"] {
        let answer = talk(served.address, beginning).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    let many: String = (0..150).map(|number| format!("x-{number}: 1\r\n")).collect();
    let answer = talk(served.address, &format!("GET /health HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    served.stopped().await;
}

#[tokio::test]
async fn a_stop_ends_streams_and_lets_requests_finish() {
    let test = TestApp::new().await;
    let workflow = test.save("wait", WAIT).await;
    let run = test.start(&workflow, 0, &serde_json::json!({})).await["run_id"].as_str().unwrap().to_owned();
    let served = serve(&test).await;
    let request = format!(
        "GET /api/runs/{run}/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        test.keys.viewer
    );
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = vec![0; 15];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(first, b"HTTP/1.1 200 OK");
    served.stopped().await;
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("event: run"), "{rest}");
}

#[tokio::test]
async fn a_stop_answers_long_polls_with_the_run_as_it_is() {
    let test = TestApp::new().await;
    let workflow = test.save("wait", WAIT).await;
    let served = serve(&test).await;
    let body = r#"{"wait_seconds":60}"#;
    let request = format!(
        "POST /api/workflows/{workflow}/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        test.keys.editor,
        body.len()
    );
    let address = served.address;
    let poll = tokio::spawn(async move { talk(address, &request).await });
    wait_for("the run to wait", || async {
        let runs = test.store.runs_of(Some(test.account), RunFilter::default(), None, 1).await.unwrap();
        runs.first().filter(|run| run.status == RunStatus::Waiting).map(|_| ())
    })
    .await;
    let began = std::time::Instant::now();
    served.stopped().await;
    let answer = poll.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
    assert!(answer.contains("\"run_id\":\"run_"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}
