//! `levqor edge`: the proxy before the regions, from its file to a clean stop. It needs no database and no server.

use std::{
    io::{Write, stdout},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use levqor_edge::{Config, Edge, Loaded};
use levqor_model::{RegionCode, SystemClock, SystemRandom};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::serve::{unusable_address, wait_for_signal};
use crate::{
    Exit,
    cli::EdgeArgs,
    config::{self, Flags},
    console::{Tone, paint, say, table},
    telemetry,
};

const FILE_DEFAULT: &str = "edge.toml";

pub async fn edge(flags: &Flags, args: &EdgeArgs, as_json: bool) -> Exit {
    let path = flags.config.clone().unwrap_or_else(|| PathBuf::from(FILE_DEFAULT));
    let loaded = match refuse_flags(flags).and_then(|()| levqor_edge::load(&path).map_err(|all| all.0)) {
        Ok(loaded) => loaded,
        Err(complaints) => return refused(&complaints, args.check && as_json),
    };
    if args.check {
        check(&loaded, as_json);
        return Exit::Done;
    }
    match run(flags, path, loaded, as_json).await {
        Ok(()) => Exit::Done,
        Err(problem) => refused(&[problem], false),
    }
}

/// Flags of a node that mean nothing here.
fn refuse_flags(flags: &Flags) -> Result<(), Vec<String>> {
    let given = [
        ("--listen", flags.listen.is_some(), "[[listen]]"),
        ("--region", flags.region.is_some(), "region"),
        ("--data-dir", flags.data_dir.is_some(), "snapshot.file"),
    ];
    let complaints: Vec<_> = given
        .iter()
        .filter(|(_, given, _)| *given)
        .map(|(flag, _, key)| format!("{flag} is for nodes; the edge's file says it in {key}"))
        .collect();
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

fn refused(complaints: &[String], as_json: bool) -> Exit {
    if as_json {
        say(format_args!("{:#}", json!({ "ok": false, "errors": complaints })));
    } else {
        for complaint in complaints {
            eprintln!("levqor: {complaint}");
        }
    }
    Exit::WrongUse
}

async fn run(flags: &Flags, path: PathBuf, loaded: Loaded, as_json: bool) -> Result<(), String> {
    let log = config::log(flags).map_err(|complaints| complaints.to_string())?;
    let region = match &loaded.config.region {
        Some(region) => region.clone(),
        None => "unknown".parse::<RegionCode>().map_err(|error| error.to_string())?,
    };
    telemetry::start(&log, &region, None, None)?;
    let listeners = levqor_edge::listen(&loaded.config.listen)
        .await
        .map_err(|(address, error)| unusable_address(address, &error, "[[listen]] of the edge's file"))?;
    let addresses: Vec<(SocketAddr, bool)> = listeners
        .iter()
        .filter_map(|listener| Some((listener.socket.local_addr().ok()?, listener.tls)))
        .collect();
    let edge = Edge::start(
        loaded.config.clone(),
        loaded.material.clone(),
        &loaded.folder,
        Arc::new(SystemClock),
        Arc::new(SystemRandom),
    );
    // Who reads this waits for it; when nobody does, the edge works all the same.
    let _ = tell(&loaded.config, &addresses, as_json);
    let stop = CancellationToken::new();
    let signals = tokio::spawn(wait_for_signal(stop.clone()));
    let snapshots = tokio::spawn(Arc::clone(&edge).follow_snapshots());
    let file = tokio::spawn(levqor_edge::follow(Arc::clone(&edge), path, loaded));
    levqor_edge::serve(edge, listeners, stop).await;
    // Both end with the edge.
    let _ = tokio::join!(snapshots, file);
    signals.abort();
    tracing::info!("stopped");
    Ok(())
}

fn tell(config: &Config, addresses: &[(SocketAddr, bool)], as_json: bool) -> std::io::Result<()> {
    let mut out = stdout().lock();
    let urls: Vec<_> = addresses
        .iter()
        .map(|(address, tls)| format!("{}://{address}", if *tls { "https" } else { "http" }))
        .collect();
    if as_json {
        let told = json!({ "name": config.name, "urls": urls, "version": env!("CARGO_PKG_VERSION") });
        writeln!(out, "{told}")?;
        return out.flush();
    }
    writeln!(
        out,
        "{} {}, {} origins in {} regions\n",
        paint("Levqor edge", Tone::Strong, &stdout()),
        env!("CARGO_PKG_VERSION"),
        config.origins.len(),
        config.regions.len()
    )?;
    for url in &urls {
        writeln!(out, "  {url}")?;
    }
    if let Some(url) = urls.first() {
        writeln!(out, "\n  What it thinks of its origins: {url}/edge/health\n")?;
    }
    out.flush()
}

/// The effective table: what is routed where, and by which numbers.
fn check(loaded: &Loaded, as_json: bool) {
    let config = &loaded.config;
    if as_json {
        return say(format_args!("{:#}", report(config)));
    }
    let listen = config
        .listen
        .iter()
        .map(|place| vec![place.address.to_string(), if place.tls { "https" } else { "http" }.to_owned()]);
    say(table(&["listen", "protocol"], listen));
    let origins = config
        .origins
        .iter()
        .map(|origin| vec![origin.name.clone(), origin.region.to_string(), origin.url.to_string()]);
    say(format_args!("\n{}", table(&["origin", "region", "url"], origins)));
    let routes = config.routes.iter().flat_map(|route| {
        route.hosts.iter().map(move |host| {
            vec![
                route.name.clone(),
                format!("{host}{}", route.path),
                all_or(&route.regions),
                if route.affinity { "cookie" } else { "-" }.to_owned(),
                format!("{} ms", route.hold.as_millis()),
            ]
        })
    });
    say(format_args!("\n{}", table(&["route", "takes", "regions", "affinity", "holds"], routes)));
    let steering = std::iter::once(vec!["(others)".to_owned(), by_latency(&config.preferences.prefer)])
        .chain(config.preferences.countries.iter().map(|(code, list)| vec![code.clone(), by_latency(list)]));
    say(format_args!("\n{}", table(&["country", "prefers"], steering)));
    let health = &config.health;
    say(format_args!(
        "\nchecks: GET {} every {} ms, {} misses make suspect, {} passes make up again",
        health.path, health.interval_ms, health.misses, health.passes
    ));
    let snapshot = config.snapshot.as_ref().map_or_else(
        || "not followed".to_owned(),
        |snapshot| {
            format!("{} every {} s, kept in {}", snapshot.path, snapshot.poll.as_secs(), snapshot.file)
        },
    );
    say(format_args!("region snapshot: {snapshot}"));
    say(paint("configuration ok", Tone::Good, &stdout()));
}

fn all_or(regions: &[RegionCode]) -> String {
    if regions.is_empty() { "all".to_owned() } else { join(regions) }
}

fn by_latency(regions: &[RegionCode]) -> String {
    if regions.is_empty() { "the nearest".to_owned() } else { join(regions) }
}

fn join(regions: &[RegionCode]) -> String {
    regions.iter().map(RegionCode::as_str).collect::<Vec<_>>().join(", ")
}

fn report(config: &Config) -> Value {
    let listen: Vec<_> = config
        .listen
        .iter()
        .map(|place| json!({ "address": place.address.to_string(), "tls": place.tls }))
        .collect();
    let origins: Vec<_> = config
        .origins
        .iter()
        .map(|origin| json!({ "name": origin.name, "region": origin.region, "url": origin.url.to_string() }))
        .collect();
    let routes: Vec<_> = config
        .routes
        .iter()
        .map(|route| {
            json!({
                "name": route.name, "hosts": route.hosts, "path": route.path, "regions": route.regions,
                "affinity": route.affinity,
                "hold_ms": u64::try_from(route.hold.as_millis()).unwrap_or(u64::MAX),
            })
        })
        .collect();
    json!({
        "ok": true,
        "errors": [],
        "name": config.name,
        "region": config.region,
        "listen": listen,
        "regions": config.regions,
        "origins": origins,
        "routes": routes,
        "steering": { "prefer": config.preferences.prefer, "countries": config.preferences.countries },
        "health": {
            "path": config.health.path, "interval_ms": config.health.interval_ms,
            "timeout_ms": config.health.timeout_ms, "misses": config.health.misses, "passes": config.health.passes,
        },
        "snapshot": config.snapshot.as_ref().map(|snapshot| {
            json!({ "path": snapshot.path, "file": snapshot.file, "poll_seconds": snapshot.poll.as_secs() })
        }),
    })
}
