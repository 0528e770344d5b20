//! One look at one target: within its time, whatever the target does.
//!
//! A target that hangs, that streams for ever, or that leads elsewhere is a look that failed, with a reason; it holds up nobody.
//! What is looked at is the operator's word: what is written in a definition may be reached where it is written as an address, and what it
//! leads to (by a name, by a redirect) only where that is public or allowed.

mod certificate;
mod dns;
mod http;
mod journey;
mod reach;
mod tls;

use std::{sync::Arc, time::Duration};

use levqor_engine::egress::Network;
use levqor_model::{RegionCode, Timestamp};
use tokio::time::Instant;

pub(super) use journey::Step;
pub(super) use tls::Verifiers;

use super::definition::{Definition, Expect, Kind};
use crate::App;

/// A timer that rings so much later than it was set says that this process stood still, and nothing of the target.
const STOOD_STILL: Duration = Duration::from_millis(300);
/// Characters of a reason.
const REASON_CHARS_MAX: usize = 300;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// A region's code, or what is written in the definition, without secrets.
    pub(super) name: String,
    pub(super) region: Option<RegionCode>,
    /// Where the region's nodes are reached; empty for what is not a region.
    pub(super) addresses: Vec<String>,
}

/// What was seen.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) at: Timestamp,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// Why it is not good.
    pub(super) fault: Option<String>,
    /// Until when the certificate is good.
    pub(super) certificate: Option<Timestamp>,
    /// Of a journey.
    pub(super) steps: Vec<Step>,
}

impl Look {
    pub(super) fn is_good(&self) -> bool {
        self.fault.is_none()
    }

    pub(super) fn latency(&self) -> Duration {
        self.ended.duration_since(self.began)
    }
}

/// What was found on the way, also when the look failed.
#[derive(Debug, Default)]
struct Found {
    certificate: Option<Timestamp>,
    steps: Vec<Step>,
}

/// Looks once. None: this process stood still, so nothing is known of the target. Cancel safe: connections are closed.
pub(super) async fn look(
    app: &App,
    definition: &Definition,
    target: &Target,
    attempt: usize,
) -> Option<Look> {
    let (at, began) = (app.now(), Instant::now());
    let mut found = Found::default();
    let outcome =
        tokio::time::timeout(definition.timeout, once(app, definition, target, attempt, &mut found)).await;
    let ended = Instant::now();
    let took = ended.duration_since(began);
    if took > definition.timeout + STOOD_STILL {
        tracing::debug!(probe = definition.name, "a look took {took:?}, so this process stood still");
        return None;
    }
    let outcome = match outcome {
        Ok(outcome) => outcome.and_then(|()| on_time(&definition.expect, took)),
        Err(_) => Err(format!("no answer within {} ms", definition.timeout.as_millis())),
    };
    let outcome = outcome.and_then(|()| lasts(definition, found.certificate, at));
    Some(Look {
        at,
        began,
        ended,
        fault: outcome.err().map(|fault| fault.chars().take(REASON_CHARS_MAX).collect()),
        certificate: found.certificate,
        steps: found.steps,
    })
}

async fn once(
    app: &App,
    definition: &Definition,
    target: &Target,
    attempt: usize,
    found: &mut Found,
) -> Result<(), String> {
    let eyes = super::memory(app);
    match &definition.kind {
        Kind::Http(http) => http::look(app, definition, http, target, attempt, found).await,
        Kind::Tcp(at) => {
            let reach = reach::Reach::written(&at.host, at.port, &allowed(app, definition));
            reach::connect(&reach, &at.host, at.port).await.map(drop)
        }
        Kind::Dns(dns) => dns::look(&definition.expect, dns, &*app.random).await,
        Kind::Tls(tls) => {
            let reach = reach::Reach::written(&tls.at.host, tls.at.port, &allowed(app, definition));
            let stream = reach::connect(&reach, &tls.at.host, tls.at.port).await?;
            let verifier = eyes.verifiers.of(&tls.authorities).await?;
            tls::shake_hands(stream, &tls.server_name, verifier, &mut found.certificate).await.map(drop)
        }
        Kind::Database => database(app).await,
        Kind::Journey(journey) => {
            journey::go(app, definition, journey, target, attempt, &mut found.steps).await
        }
    }
}

/// Networks that may be reached besides the public internet.
fn allowed(app: &App, definition: &Definition) -> Vec<Network> {
    app.settings.probes.allow.iter().chain(&definition.allow).copied().collect()
}

async fn database(app: &App) -> Result<(), String> {
    let found = app.store.readiness().await;
    found.read.map_err(|reason| format!("it cannot be read: {reason}"))?;
    found.write.map_err(|reason| format!("it cannot be written: {reason}"))?;
    if found.migration == found.migration_expected {
        return Ok(());
    }
    Err(format!("its schema is at {}, this build expects {}", found.migration, found.migration_expected))
}

fn on_time(expect: &Expect, took: Duration) -> Result<(), String> {
    match expect.latency {
        Some(most) if took > most => {
            Err(format!("it took {} ms; at most {} are wanted", took.as_millis(), most.as_millis()))
        }
        Some(_) | None => Ok(()),
    }
}

fn lasts(definition: &Definition, certificate: Option<Timestamp>, now: Timestamp) -> Result<(), String> {
    let Some(least) = definition.expect.certificate else { return Ok(()) };
    let Some(until) = certificate else {
        // Regions are reached as their nodes say it, be it with or without TLS.
        if definition.kind.is_of_regions() {
            return Ok(());
        }
        return Err("no certificate was shown whose end can be read, and one is wanted".to_owned());
    };
    if until >= now + least {
        return Ok(());
    }
    let wanted = least.as_secs() / 86_400;
    if until <= now {
        return Err(format!("its certificate ended on {}", until.date()));
    }
    let left = until.since(now).as_secs() / 86_400;
    Err(format!("its certificate ends on {}, in {left} days; {wanted} are wanted", until.date()))
}

/// One of the addresses, another each time: of nodes of a region, one that is gone fails only some looks.
fn address_of(target: &Target, attempt: usize) -> Result<&str, String> {
    let count = target.addresses.len();
    let found = count.checked_sub(1).and_then(|_| target.addresses.get(attempt % count));
    found.map(String::as_str).ok_or_else(|| "no node of the region has said where it is reached".to_owned())
}

/// A definition that is shared.
pub(super) type Shared = Arc<Definition>;
