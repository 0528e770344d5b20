//! Where to expand: where requests come from, how far regions are apart, and which of them are ready.

use levqor_model::RegionStatus;
use serde_json::{Value, json};

use super::{Context, Done, expansion_verifier, output, percent};
use crate::{
    features::regions,
    pages::{count, plural},
};

/// Days of requests that are looked at.
const DAYS: i64 = 28;
/// Countries that are told by name.
const COUNTRIES_MAX: usize = 30;

pub(in super::super) async fn work(context: &Context) -> Done {
    let day = context.day();
    let countries = context.store().country_counts(day.plus_days(1 - DAYS), day).await?;
    let requests: i64 = countries.iter().map(|(_, requests)| requests).sum();
    let readiness = expansion_verifier::look(&context.app).await?;
    let all = regions::service::all(&context.app).await?;
    let latency: Vec<Value> = all
        .iter()
        .flat_map(|region| {
            let from = region.region.code.as_str();
            region.latency_ms.iter().map(move |(to, ms)| json!({ "from": from, "to": to.as_str(), "ms": ms }))
        })
        .collect();
    let most: Vec<String> = countries
        .iter()
        .take(3)
        .map(|(country, found)| format!("{country} {}", percent(*found, requests).unwrap_or_default()))
        .collect();
    let demand = if most.is_empty() {
        "Where requests come from is not known: no edge or proxy names countries".to_owned()
    } else {
        format!(
            "{} in {DAYS} days from {}, most from {}",
            plural(requests, "request", "requests"),
            plural(i64::try_from(countries.len()).unwrap_or(i64::MAX), "country", "countries"),
            most.join(", ")
        )
    };
    let distance = match latency.len() {
        0 => "no distance between regions is measured, so what another region would gain is not known"
            .to_owned(),
        found => format!(
            "{} distances between regions are measured",
            count(i64::try_from(found).unwrap_or(i64::MAX))
        ),
    };
    let words: Vec<String> =
        readiness.iter().map(|region| format!("{} {}", region.code, region.verdict())).collect();
    let planned = readiness.iter().filter(|region| region.status == RegionStatus::Planned).count();
    let summary = format!("{demand}; {distance}. Regions: {}.", words.join(", "));
    let listed: Vec<Value> = countries
        .iter()
        .take(COUNTRIES_MAX)
        .map(|(country, found)| {
            json!({ "country": country, "requests": found, "share": percent(*found, requests) })
        })
        .collect();
    let regions: Vec<Value> = readiness.iter().map(|region| region.told()).collect();
    output(
        summary,
        json!({
            "from": day.plus_days(1 - DAYS), "until": day, "requests": requests, "countries": listed,
            "countries_total": countries.len(), "latency_ms": latency, "regions": regions, "planned": planned,
            // Only a node there could measure it.
            "latency_gain": null,
        }),
    )
}
