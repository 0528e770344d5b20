//! Asks every part how it is, and makes one picture of it: for the page, the API and the stream.
//!
//! Each part is asked on its own and for a bounded time: what cannot be asked is unknown, and the others are told all the same.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use levqor_model::{AlertState, RegionStatus, SeriesQuery, Timestamp, audit::Record};
use levqor_store::{audit::Filter, heartbeats::BeatState, jobs::FiringState, keyring::KeptKey};

use super::{
    facts::{
        AlertFact, AlertsFact, CostsFact, DriftFact, HeartbeatFact, IncidentFact, JobFact, NodeFact,
        Overview, Part, PlaceFact, ProbeFact, ProbesFact, QueuesFact, RegionFact, SloFact, TicketsFact,
    },
    rules,
    together::Together,
    verdict::verdict,
};
use crate::{
    App,
    features::{drift, jobs, probes, regions, slo, tamper},
    problem::chain,
};

/// Longest time that one part may take to answer.
const PATIENCE: Duration = Duration::from_secs(4);
const ALERTS_SHOWN: usize = 50;
const TARGETS_SHOWN: usize = 200;
const HEARTBEATS_SHOWN: usize = 100;
const NODES_SHOWN: usize = 200;
/// Firings that are looked through for the last costs.
const FIRINGS_LOOKED_AT: usize = 20;
/// Nodes tell what ten seconds have seen when those are over; a few may be late.
const ROUNDS_FRESH: Duration = Duration::from_secs(60);
/// What nodes write of themselves has steps of so long.
const STEP: Duration = Duration::from_secs(10);
/// What is collected once is told to all who ask within this time.
const KEPT: Duration = Duration::from_secs(1);
/// As alerts have it: a message that waits for longer is late, and one without a destination matters for so long.
const LATE_AFTER: Duration = Duration::from_secs(5 * 60);
const UNDELIVERABLE_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What was asked for, or why there is no answer.
type Known<T> = Result<T, String>;

/// How everything is now. Never fails: what cannot be known is unknown.
async fn look(app: &App) -> Overview {
    let now = app.now();
    let (places, slos, alerts, incidents, probes, jobs, queues, costs, tickets, tamper, drift, accounts) = tokio::join!(
        answer(places(app).boxed()),
        answer(slos(app).boxed()),
        answer(alerts(app).boxed()),
        answer(incidents(app).boxed()),
        answer(probed(app).boxed()),
        answer(done_by_itself(app).boxed()),
        answer(queues(app).boxed()),
        answer(costs(app).boxed()),
        answer(tickets(app).boxed()),
        answer(guarded(app).boxed()),
        answer(drifted(app).boxed()),
        answer(async { app.store.accounts_count().await.map_err(told) }.boxed()),
    );
    let (regions, nodes) = match places {
        Ok((regions, nodes)) => (Ok(regions), Ok(nodes)),
        Err(reason) => (Err(reason.clone()), Err(reason)),
    };
    let (drift, silent, drifts_since) = match drift {
        Ok((found, silent, since)) => (Ok(found), silent, since),
        Err(reason) => (Err(reason), Vec::new(), None),
    };
    let guards = app.settings.tamper.is_some();
    let parts = vec![
        part("incidents", rules::INCIDENTS, &incidents, |found| rules::incidents(found)),
        part("alerts", rules::ALERTS, &alerts, rules::alerts),
        part("regions", rules::REGIONS, &regions, |found| rules::regions(found)),
        part("nodes", rules::NODES, &nodes, |found| rules::nodes(found)),
        part("slos", rules::SLOS, &slos, |found| rules::slos(found)),
        part("probes", rules::PROBES, &probes, rules::probes),
        part("jobs", rules::JOBS, &jobs, |found| rules::jobs(found)),
        part("queues", rules::QUEUES, &queues, |found| rules::queues(found, now)),
        part("tamper", rules::TAMPER, &tamper, |found| rules::tamper(found, guards)),
        part("drift", rules::DRIFT, &drift, |found| rules::drift(found, &silent, drifts_since)),
        part("tickets", rules::CUSTOMERS, &tickets, rules::tickets),
    ];
    let (costs, costs_unknown) = match costs {
        Ok(found) => (found, None),
        Err(reason) => (None, Some(reason)),
    };
    Overview {
        at: now,
        region: app.region.code.to_string(),
        node: app.node.to_string(),
        version: app.settings.version.clone(),
        verdict: verdict(&parts),
        parts,
        regions: regions.ok(),
        nodes: nodes.ok(),
        slos: slos.ok(),
        alerts: alerts.ok(),
        incidents: incidents.ok(),
        jobs: jobs.ok(),
        probes: probes.ok(),
        queues: queues.ok(),
        costs,
        costs_unknown,
        tickets: tickets.ok(),
        tamper: tamper.ok(),
        drift: drift.ok(),
        accounts: accounts.ok(),
        suspicious_addresses: app.reputation.suspects(now).len(),
    }
}

#[derive(Debug, Default)]
struct Memory {
    overview: Together<Overview>,
}

/// [`look`], once for all who ask meanwhile: who has just done something sees it, and however many open the page at once, everything is
/// asked by one after the other.
pub(super) async fn look_now(app: &App) -> Arc<Overview> {
    let memory = app.memory(|_| Memory::default());
    memory.overview.get(Duration::ZERO, || look(app)).await
}

/// [`look_now`], but what is not older than [`KEPT`] is enough: however many watch, everything is asked once a second.
pub(super) async fn look_together(app: &App) -> Arc<Overview> {
    let memory = app.memory(|_| Memory::default());
    memory.overview.get(KEPT, || look(app)).await
}

/// What was done last, as the evidence log has it.
pub(super) async fn latest_records(app: &App, limit: usize) -> Known<Vec<Record>> {
    let asked = async { app.store.views().audit_records(Filter::default(), None, limit).await.map_err(told) };
    answer(asked.boxed()).await
}

/// All keys of the server.
pub(super) async fn server_keys(app: &App) -> Known<Vec<KeptKey>> {
    let asked = async { app.store.keyring(None).await.map_err(told) };
    Ok(answer(asked.boxed()).await?.map(|(_, keys)| keys).unwrap_or_default())
}

async fn answer<T>(asked: BoxFuture<'_, Known<T>>) -> Known<T> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

fn part<T>(name: &'static str, link: &str, known: &Known<T>, judge: impl FnOnce(&T) -> Part) -> Part {
    match known {
        Ok(found) => judge(found),
        Err(reason) => Part::unknown(name, link, reason),
    }
}

fn told(error: impl std::error::Error + 'static) -> String {
    let error: Box<dyn std::error::Error> = error.into();
    chain(&*error)
}

async fn places(app: &App) -> Known<(Vec<RegionFact>, Vec<NodeFact>)> {
    let now = app.now();
    let found = regions::service::all(app).await.map_err(told)?;
    let all = app.store.nodes(None).await.map_err(told)?;
    let (mut regions, mut nodes) = (Vec::new(), Vec::new());
    for one in found {
        let lived_last = || {
            let there = all.iter().filter(|node| node.region == one.region.code);
            there.map(|node| node.lived_until(app.engine.lease()).min(now)).max()
        };
        let since = match (&one.drain, one.status) {
            (_, RegionStatus::Down) if one.nodes.is_empty() => lived_last(),
            (Some(drain), _) => Some(drain.at),
            (None, _) => None,
        };
        let latency_ms = one.latency_ms.iter().map(|(to, ms)| (to.to_string(), *ms)).collect();
        for live in &one.nodes {
            let (state, reason) = match (&live.state, live.ready) {
                (_, true) => ("ready", None),
                (Some(state), false) => ("not_ready", state.reason.clone()),
                (None, false) if live.node.id == app.node => ("not_ready", None),
                (None, false) => ("unknown", None),
            };
            nodes.push(NodeFact {
                id: live.node.id.to_string(),
                region: one.region.code.to_string(),
                version: live.node.version.clone(),
                state,
                reason,
                started_at: live.node.started_at,
                late_since: None,
            });
        }
        regions.push(RegionFact {
            code: one.region.code.to_string(),
            status: one.status.as_str(),
            since,
            nodes_live: one.nodes.len(),
            runs: one.runs,
            latency_ms,
            name: one.region.name,
            reason: one.reason,
        });
    }
    // Nobody has stopped them, and they do not live.
    for node in all.iter().filter(|node| node.stopped_at.is_none()) {
        let id = node.id.to_string();
        if !nodes.iter().any(|live| live.id == id) {
            nodes.push(NodeFact {
                id,
                region: node.region.to_string(),
                version: node.version.clone(),
                state: "late",
                reason: None,
                started_at: node.started_at,
                late_since: Some(node.expires_at.min(now)),
            });
        }
    }
    // Those that are not ready first, so that none of them is left out for one that is.
    nodes.sort_by_key(|node| node.state == "ready");
    nodes.truncate(NODES_SHOWN);
    Ok((regions, nodes))
}

async fn slos(app: &App) -> Known<Vec<SloFact>> {
    let found = slo::glance(app).await.map_err(told)?.into_iter();
    Ok(found
        .map(|slo::Glance { name, title, status, unknown, target_percent, left_percent, burn_of_hour }| {
            SloFact { name, title, status, unknown, target_percent, left_percent, burn_of_hour }
        })
        .collect())
}

async fn alerts(app: &App) -> Known<AlertsFact> {
    let mut open = app.store.open_alerts().await.map_err(told)?;
    open.sort_by_key(|alert| (alert.state != AlertState::Firing, alert.severity, alert.began_at));
    let firing = open.iter().filter(|alert| alert.state == AlertState::Firing).count();
    let pending = open.len() - firing;
    open.truncate(ALERTS_SHOWN);
    let open = open.into_iter().map(|alert| AlertFact {
        id: alert.id.to_string(),
        rule: alert.rule,
        subject: alert.subject,
        severity: alert.severity.as_str(),
        state: alert.state.as_str(),
        summary: alert.summary,
        since: alert.began_at,
        acknowledged_by: alert.acknowledged.map(|given| given.by),
        silenced: alert.silence.is_some(),
    });
    let looked_for = match slo::judged_lately(app).await.map_err(told)? {
        Some(judged) => judged,
        None => rounds_lately(app).await?,
    };
    Ok(AlertsFact { firing, pending, looked_for, open: open.collect() })
}

/// Whether some node has ended a round of looking for alerts, by what nodes measure of themselves: it is seen so where there is no objective
/// whose judgement has a time.
async fn rounds_lately(app: &App) -> Known<bool> {
    let now = app.now();
    let ask = |name: &str| {
        app.store.series(SeriesQuery {
            name: name.to_owned(),
            labels: vec![("job".to_owned(), "watch_alerts".to_owned())],
            from: now - ROUNDS_FRESH,
            // The step that goes on has what was written of it so far.
            to: now + STEP,
            step: STEP,
        })
    };
    let ended = ask("job_duration_us").await.map_err(told)?;
    let failed = ask("job_failures").await.map_err(told)?;
    let ended: u64 = ended.iter().flat_map(|one| &one.points).map(|point| point.count).sum();
    let failed: f64 = failed.iter().flat_map(|one| &one.points).map(|point| point.sum).sum();
    // Both are small.
    Ok(ended as f64 > failed)
}

async fn incidents(app: &App) -> Known<Vec<IncidentFact>> {
    let mut open = app.store.open_incidents().await.map_err(told)?;
    open.sort_by_key(|incident| (std::cmp::Reverse(incident.level.as_str()), incident.opened_at));
    let fact = |incident: levqor_store::incidents::Incident| IncidentFact {
        id: incident.id.to_string(),
        title: incident.title,
        level: incident.level.as_str(),
        state: incident.state.as_str(),
        since: incident.began_at.unwrap_or(incident.opened_at),
        acknowledged_by: incident.acknowledged_by,
    };
    Ok(open.into_iter().map(fact).collect())
}

async fn probed(app: &App) -> Known<ProbesFact> {
    let now = app.now();
    let mut targets: Vec<_> = probes::glance(app)
        .into_iter()
        .map(|probes::Glance { probe, target, severity, by_itself, state, disputed, since, reason }| {
            ProbeFact {
                probe,
                target,
                critical: severity == levqor_model::Severity::Critical,
                by_itself,
                state: state.as_str(),
                disputed,
                since,
                reason,
            }
        })
        .collect();
    // The worst first, so that none of them is left out for one that is better.
    targets.sort_by_key(|one| match (one.state, one.disputed) {
        ("down", _) => 0,
        ("up", true) => 1,
        ("up", false) => 3,
        _ => 2,
    });
    targets.truncate(TARGETS_SHOWN);
    let mut heartbeats = probes::heartbeats_now(app).await.map_err(told)?;
    heartbeats.sort_by_key(|beat| match beat.state {
        BeatState::Down => 0,
        BeatState::New => 1,
        BeatState::Up => 2,
    });
    heartbeats.truncate(HEARTBEATS_SHOWN);
    let heartbeats = heartbeats.into_iter().map(|beat| HeartbeatFact {
        state: beat.state.as_str(),
        overdue: beat.state == BeatState::New && now > beat.created_at + beat.period + beat.grace,
        since: beat.since,
        reason: beat.reason,
        name: beat.name,
    });
    Ok(ProbesFact { targets, heartbeats: heartbeats.collect() })
}

async fn done_by_itself(app: &App) -> Known<Vec<JobFact>> {
    let found = jobs::glance(app).await.map_err(told)?.into_iter();
    Ok(found
        .map(|job| {
            let (last, last_at, result) = match job.last {
                Some((state, at, words)) => (Some(state.as_str()), at, words),
                None => (None, None, None),
            };
            let (state, since) = match (job.known, job.paused_at, job.running_since) {
                (false, ..) => ("unknown", None),
                (_, Some(at), _) => ("paused", Some(at)),
                (_, None, Some(at)) => ("running", Some(at)),
                (_, None, None) => ("active", None),
            };
            JobFact {
                id: job.id,
                state,
                critical: job.severity == levqor_model::Severity::Critical,
                since,
                failures: job.failures,
                late: job.late,
                last,
                last_at,
                result,
                next_at: job.next_at,
            }
        })
        .collect())
}

async fn queues(app: &App) -> Known<QueuesFact> {
    let now = app.now();
    let (store_waiting, store_capacity) = app.store.queue_depth();
    let runs = app.engine.queue_load().await.map_err(told)?;
    let behind = app.engine.sink_load().await.map_err(told)?;
    let sink = app.engine.sink();
    let failing = sink.as_ref().and_then(|sink| sink.failing.clone());
    let outbox = app.store.outbox_state(now - LATE_AFTER).await.map_err(told)?;
    let unsent =
        app.store.unsent_notifications(now - LATE_AFTER, now - UNDELIVERABLE_FOR).await.map_err(told)?;
    Ok(QueuesFact {
        store_waiting,
        store_capacity,
        runs_waiting: runs.queued,
        runs_oldest_at: runs.oldest_at,
        runs_stuck: app.engine.stuck().sentence(),
        sink: sink.is_some(),
        sink_waiting: behind.waiting,
        sink_oldest_at: behind.oldest_at,
        sink_failing_since: failing.as_ref().map(|(since, _)| *since),
        sink_problem: failing.map(|(_, problem)| problem),
        messages_waiting: outbox.operators.waiting,
        messages_late: unsent.late,
        messages_dead: unsent.dead,
        messages_undeliverable: unsent.undeliverable,
    })
}

/// None: they were never collected.
async fn costs(app: &App) -> Known<Option<CostsFact>> {
    let firings =
        app.store.job_firings("cost_collector".to_owned(), None, FIRINGS_LOOKED_AT).await.map_err(told)?;
    let done = firings.into_iter().find(|firing| firing.state == FiringState::Done);
    Ok(done.and_then(|done| Some(CostsFact { summary: done.summary?, at: done.ended_at? })))
}

async fn tickets(app: &App) -> Known<TicketsFact> {
    let now = app.now();
    let load = app.store.ticket_load(now).await.map_err(told)?;
    let first = app.store.tickets(levqor_model::TicketState::Open, None, 1).await.map_err(told)?;
    let late_since = first.first().map(|ticket| ticket.respond_by).filter(|at| *at < now);
    Ok(TicketsFact { open: load.open, late: load.late, late_since })
}

async fn guarded(app: &App) -> Known<Vec<PlaceFact>> {
    let (_, places) = tamper::standings(app).await.map_err(|problem| problem.detail)?;
    let (_, findings) = app.store.tampering(app.now()).await.map_err(told)?;
    let fact = |place: tamper::Standing| PlaceFact {
        since: findings
            .iter()
            .filter(|finding| finding.place == place.place)
            .map(|finding| finding.since)
            .min(),
        region: place.region,
        verdict: place.verdict,
        files: place.files,
        findings: place.findings,
        place: place.place,
    };
    Ok(places.into_iter().map(fact).collect())
}

/// And where nodes live that have not looked, and when the first thing was found that counts, as this node knows it.
async fn drifted(app: &App) -> Known<(Vec<DriftFact>, Vec<String>, Option<Timestamp>)> {
    let silent = drift::silent_regions(app).await.map_err(told)?;
    let found = drift::standings(app).await.map_err(told)?.into_iter();
    let facts = found.map(|one| DriftFact {
        region: one.region.to_string(),
        at: one.at,
        pass: one.pass,
        fresh: one.fresh,
        findings: one.findings,
    });
    let since = drift::last(app).and_then(|report| {
        let counting = report.findings.iter().filter(|finding| finding.acknowledged.is_none());
        counting.map(|finding| finding.since).min()
    });
    Ok((facts.collect(), silent.iter().map(ToString::to_string).collect(), since))
}

#[cfg(test)]
mod tests {
    use super::{super::facts::Standing, *};

    #[tokio::test]
    async fn a_part_that_cannot_be_asked_is_unknown_and_says_why() {
        let failed: Known<Vec<IncidentFact>> =
            answer(async { Err("the database is away".to_owned()) }.boxed()).await;
        let part = part("incidents", rules::INCIDENTS, &failed, |found| rules::incidents(found));
        assert_eq!(part.standing, Standing::Unknown);
        assert_eq!(part.sentence, "Nothing is known of incidents: the database is away");
        assert_eq!(verdict(&[part]).standing, Standing::Unknown);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_never_answers_holds_up_nobody() {
        let never: Known<()> = answer(std::future::pending().boxed()).await;
        assert_eq!(never.unwrap_err(), "no answer within 4 s");
    }
}
