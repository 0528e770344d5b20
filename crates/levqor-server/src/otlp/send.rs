//! The way to the collector: one task for each signal, so that neither waits for the other.

use std::{
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use http::{StatusCode, header::CONTENT_TYPE};
use tokio::sync::mpsc;
use url::Url;

use super::{Exporter, Span, TelemetrySettings, encode};
use crate::problem::chain;

/// Spans of one request.
const BATCH: usize = 512;
/// How often a batch of spans is sent that the collector could not take now.
const TRIES: u32 = 3;
/// How much of the collector's own words is logged.
const REASON_CHARS_MAX: usize = 200;

/// Why something was not taken.
enum Refusal {
    /// It may be taken later.
    Later(String),
    Never(String),
}

/// Where one signal goes.
struct Way {
    client: reqwest::Client,
    address: Url,
    timeout: Duration,
    what: &'static str,
    /// Whether the last request failed: that is told once, and once when it is over.
    failing: bool,
}

/// # Errors
/// When no client can be made.
pub(super) fn start(
    exporter: &Exporter,
    settings: TelemetrySettings,
    waiting: mpsc::Receiver<Span>,
) -> Result<(), String> {
    let client = client(settings.timeout).map_err(|reason| chain(&reason))?;
    let way = |what, path: &str| {
        let mut address = settings.endpoint.clone();
        // An address of http or https always has segments.
        if let Ok(mut segments) = address.path_segments_mut() {
            segments.pop_if_empty().extend(["v1", path]);
        }
        Way { client: client.clone(), address, timeout: settings.timeout, what, failing: false }
    };
    let (traces, metrics) = (way("spans", "traces"), way("metrics", "metrics"));
    exporter.0.tasks.spawn(send_spans(exporter.clone(), settings.clone(), traces, waiting));
    exporter.0.tasks.spawn(send_metrics(exporter.clone(), settings, metrics));
    Ok(())
}

fn client(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    // Fails when a provider of cryptography is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("levqor/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .timeout(timeout)
            .connect_timeout(timeout)
    };
    // A machine without root certificates can still reach a collector of its own over plain HTTP.
    builder().build().or_else(|_| builder().tls_certs_only([]).build())
}

async fn send_spans(
    exporter: Exporter,
    settings: TelemetrySettings,
    mut way: Way,
    mut waiting: mpsc::Receiver<Span>,
) {
    let mut spans = Vec::with_capacity(BATCH);
    loop {
        let is_stopping = gather(&exporter, settings.every, &mut waiting, &mut spans).await;
        if spans.is_empty() {
            if is_stopping {
                return;
            }
            continue;
        }
        let body = encode::traces(&settings, &spans);
        if !deliver(&exporter, &mut way, settings.pause, body).await {
            exporter.0.dropped_spans.fetch_add(spans.len() as u64, Ordering::Relaxed);
        }
        spans.clear();
    }
}

/// Spans of one request: as many as fit, or as come within a while. True: these are the last ones.
async fn gather(
    exporter: &Exporter,
    every: Duration,
    waiting: &mut mpsc::Receiver<Span>,
    spans: &mut Vec<Span>,
) -> bool {
    let deadline = tokio::time::Instant::now() + every;
    while spans.len() < BATCH {
        tokio::select! { biased;
            () = exporter.0.stop.cancelled() => {
                while spans.len() < BATCH && let Ok(span) = waiting.try_recv() {
                    spans.push(span);
                }
                return spans.len() < BATCH;
            }
            span = waiting.recv() => match span {
                Some(span) => spans.push(span),
                None => return true,
            },
            () = tokio::time::sleep_until(deadline) => return false,
        }
    }
    false
}

/// Whether the collector took it, at once or a little later.
async fn deliver(exporter: &Exporter, way: &mut Way, mut pause: Duration, body: Vec<u8>) -> bool {
    for attempt in 1..=TRIES {
        match way.post(body.clone()).await {
            Ok(()) => return true,
            Err(Refusal::Never(_)) => return false,
            Err(Refusal::Later(_)) if attempt == TRIES || exporter.0.stop.is_cancelled() => return false,
            Err(Refusal::Later(_)) => tokio::select! {
                () = exporter.0.stop.cancelled() => {}
                () = tokio::time::sleep(pause) => pause *= 2,
            },
        }
    }
    false
}

async fn send_metrics(exporter: Exporter, settings: TelemetrySettings, mut way: Way) {
    let mut ticks = tokio::time::interval(settings.every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let is_stopping = tokio::select! { biased;
            () = exporter.0.stop.cancelled() => true,
            _ = ticks.tick() => false,
        };
        let body = {
            let sums = exporter.0.sums.lock().unwrap_or_else(PoisonError::into_inner);
            (!sums.names.is_empty()).then(|| encode::metrics(&settings, &sums))
        };
        if let Some(body) = body {
            // What is not taken now is in the next sums as well.
            let _ = way.post(body).await;
        }
        if is_stopping {
            return;
        }
    }
}

impl Way {
    async fn post(&mut self, body: Vec<u8>) -> Result<(), Refusal> {
        let outcome = match tokio::time::timeout(self.timeout, self.exchange(body)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Refusal::Later(format!("no answer within {:?}", self.timeout))),
        };
        let (address, what) = (&self.address, self.what);
        match &outcome {
            Ok(()) if self.failing => {
                tracing::info!("the OpenTelemetry collector at {address} takes {what} again");
            }
            Err(Refusal::Later(reason) | Refusal::Never(reason)) if !self.failing => {
                tracing::warn!("the OpenTelemetry collector at {address} does not take {what}: {reason}");
            }
            _ => {}
        }
        self.failing = outcome.is_err();
        outcome
    }

    async fn exchange(&self, body: Vec<u8>) -> Result<(), Refusal> {
        let request = self.client.post(self.address.clone()).header(CONTENT_TYPE, "application/x-protobuf");
        let mut answer =
            request.body(body).send().await.map_err(|reason| Refusal::Later(chain(&reason.without_url())))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let mut words = Vec::new();
        while words.len() < REASON_CHARS_MAX {
            match answer.chunk().await {
                Ok(Some(chunk)) => words.extend_from_slice(&chunk),
                _ => break,
            }
        }
        let words: String = String::from_utf8_lossy(&words)
            .chars()
            .filter(|letter| !letter.is_control())
            .take(REASON_CHARS_MAX)
            .collect();
        let reason = format!("{status} {words}").trim_end().to_owned();
        // What the protocol says may be tried again.
        let later = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        Err(if later { Refusal::Later(reason) } else { Refusal::Never(reason) })
    }
}
