//! `/edge/health`: what the edge thinks of each origin, since when and why, and how old its knowledge is.

use levqor_model::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{edge::Edge, snapshot::Keeper, verdict::Verdict};

/// The document. `status` is `ok` while any origin is up, `unknown` before the first verdict, else `down`.
pub fn health(edge: &Edge) -> Value {
    let live = edge.live();
    let now = edge.clock.now();
    let verdicts: Vec<Verdict> = live.origins.iter().map(|origin| origin.verdict()).collect();
    let status = if verdicts.contains(&Verdict::Up) {
        "ok"
    } else if verdicts.iter().all(|verdict| *verdict == Verdict::Unknown) {
        "unknown"
    } else {
        "down"
    };
    let origins: Vec<_> = live
        .origins
        .iter()
        .map(|origin| {
            let told = origin.told();
            json!({
                "name": origin.spec.name,
                "region": origin.spec.region,
                "url": origin.spec.url.to_string(),
                "verdict": told.verdict.as_str(),
                "since_seconds": Instant::now().duration_since(told.since).as_secs_f64(),
                "latency_ms": told.latency.map(|latency| latency.as_secs_f64() * 1_000.0),
                "in_flight": origin.in_flight(),
                "last_error": told.last_error,
            })
        })
        .collect();
    let mut codes: Vec<_> = live.origins.iter().map(|origin| origin.spec.region.clone()).collect();
    codes.sort();
    codes.dedup();
    let regions: Vec<_> = codes
        .iter()
        .map(|code| {
            let of = |wanted: Option<Verdict>| {
                let own = live.origins.iter().filter(|origin| origin.spec.region == *code);
                own.filter(|origin| wanted.is_none_or(|wanted| origin.verdict() == wanted)).count()
            };
            json!({ "code": code, "origins": of(None), "up": of(Some(Verdict::Up)) })
        })
        .collect();
    let reload_error = edge.reload_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    json!({
        "status": status,
        "name": live.config.name,
        "version": env!("CARGO_PKG_VERSION"),
        "region": live.config.region,
        "timestamp": now,
        "uptime_seconds": now.since(edge.started_at).as_secs(),
        "waiting": edge.waiting.requests(),
        "config": { "age_seconds": now.since(live.loaded_at).as_secs(), "error": reload_error },
        "countries": live.countries.as_ref().map(|countries| {
            json!({ "kind": countries.kind(), "age_days": countries.age_days(now), "old": countries.is_old(now) })
        }),
        "snapshot": snapshot(edge, now),
        "regions": regions,
        "origins": origins,
    })
}

fn snapshot(edge: &Edge, now: Timestamp) -> Value {
    let Some(keeper) = &edge.keeper else { return json!({ "state": "not configured" }) };
    let Some(snapshot) = Keeper::newest(keeper) else { return json!({ "state": "none yet" }) };
    json!({
        "state": if snapshot.expires_at <= now { "expired" } else { "fresh" },
        "sequence": snapshot.sequence,
        "issued_at": snapshot.issued_at,
        "expires_at": snapshot.expires_at,
        "age_seconds": now.since(snapshot.issued_at).as_secs(),
    })
}
