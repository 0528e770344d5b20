//! The suite of `tests/it` over PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it is")]

#[path = "../it/accounts.rs"]
mod accounts;
#[path = "../it/alerts.rs"]
mod alerts;
#[path = "../it/archive.rs"]
mod archive;
#[path = "../it/audit.rs"]
mod audit;
mod backend;
#[path = "../it/business.rs"]
mod business;
#[path = "../it/drift.rs"]
mod drift;
#[path = "../it/events.rs"]
mod events;
#[path = "../it/health.rs"]
mod health;
#[path = "../it/heartbeats.rs"]
mod heartbeats;
#[path = "../it/idempotency.rs"]
mod idempotency;
#[path = "../it/incidents.rs"]
mod incidents;
#[path = "../it/invitations.rs"]
mod invitations;
#[path = "../it/jobs.rs"]
mod jobs;
#[path = "../it/keyring.rs"]
mod keyring;
#[path = "../it/members.rs"]
mod members;
#[path = "../it/metrics.rs"]
mod metrics;
#[path = "../it/model.rs"]
mod model;
#[path = "../it/nodes.rs"]
mod nodes;
mod nodes_together;
#[path = "../it/probes.rs"]
mod probes;
#[path = "../it/queue.rs"]
mod queue;
#[path = "../it/rates.rs"]
mod rates;
#[path = "../it/regions.rs"]
mod regions;
#[path = "../it/reputation.rs"]
mod reputation;
#[path = "../it/retention.rs"]
mod retention;
#[path = "../it/runs.rs"]
mod runs;
#[path = "../it/schedules.rs"]
mod schedules;
#[path = "../it/secrets.rs"]
mod secrets;
#[path = "../it/sink.rs"]
mod sink;
#[path = "../it/status.rs"]
mod status;
#[path = "../it/stress.rs"]
mod stress;
#[path = "../it/support.rs"]
mod support;
#[path = "../it/tamper.rs"]
mod tamper;
#[path = "../it/timers.rs"]
mod timers;
#[path = "../it/usage.rs"]
mod usage;
#[path = "../it/webhooks.rs"]
mod webhooks;
#[path = "../it/workflows.rs"]
mod workflows;

use std::collections::BTreeSet;

/// What is added to one suite is added to the other; what a backend alone has stays with it.
#[test]
fn the_suites_are_the_same() {
    let modules = |main: &str, alone: &str| {
        let names = main.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
        names.filter(|name| *name != alone).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let sqlite = modules(include_str!("../it/main.rs"), "files");
    assert_eq!(sqlite, modules(include_str!("main.rs"), "nodes_together"));
}
