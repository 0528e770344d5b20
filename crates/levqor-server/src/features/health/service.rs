//! Is this node ready, and what did it observe of itself?
//!
//! Green is earned: every verdict comes from something that was just done (a row written and read, a lease looked up, a
//! request answered), and what was not observed is not reported as good.

use std::time::Duration;

use levqor_store::health::Sample;

use super::probe::probe;
use crate::App;

/// A clock may be set back by this much (time services do) before it counts as wrong.
const CLOCK_BACK_MAX: Duration = Duration::from_secs(5);
/// The clocks of a node and of the database may differ by this much: times in runs come from the one, leases from the other.
pub(crate) const CLOCK_OFF_MAX: Duration = Duration::from_secs(10);
/// No clock is right that shows a time before this product existed: 2025-01-01.
const CLOCK_MIN_SECONDS: i64 = 1_735_689_600;

/// What everybody is told of a clock.
const CLOCK_WRONG: &str = "the clock is not right";

/// Who asks for readiness wants an answer soon, also when the database hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// A look at the node is over by then; a database that says nothing for so long is down for whoever waits for it.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// Why something is not good: once for everybody, once for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Words that stand in the source and nowhere else: nothing that a driver, a machine or a run is called can get out with them.
    pub plain: &'static str,
    /// What was found, and what to do.
    pub detail: String,
}

/// What was found about one thing that the node depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    /// None when it is good.
    pub failure: Option<Failure>,
    pub latency_us: Option<u64>,
}

impl Check {
    /// Its failure is for people to know: the node does without.
    const INFORMS: &'static str = "database_replica";

    fn lets_work(&self) -> bool {
        self.failure.is_none() || self.name == Self::INFORMS
    }
}

/// All checks of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    pub checks: Vec<Check>,
}

impl Readiness {
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(Check::lets_work)
    }

    /// Why the node is not ready; None when it is.
    pub fn failure(&self) -> Option<String> {
        let names: Vec<_> =
            self.checks.iter().filter(|check| !check.lets_work()).map(|check| check.name).collect();
        self.failure_of(&names)
    }

    /// Why these checks are not all good.
    fn failure_of(&self, names: &[&str]) -> Option<String> {
        let failures: Vec<_> = self
            .checks
            .iter()
            .filter(|check| names.contains(&check.name))
            .filter_map(|check| Some(format!("{}: {}", check.name, check.failure.as_ref()?.detail)))
            .collect();
        (!failures.is_empty()).then(|| failures.join("; "))
    }

    /// What is not good, and of what kind that is: it stays the same while only numbers in a detail change.
    fn complaints(&self) -> Vec<(&'static str, &'static str)> {
        self.checks.iter().filter_map(|check| Some((check.name, check.failure.as_ref()?.plain))).collect()
    }
}

/// A verdict that is new, or that is found now. What this process knows of itself is as of now.
pub async fn readiness(app: &App) -> Readiness {
    let judge = {
        let app = app.clone();
        async move {
            let found = assess(&app).await;
            log_change(&app, &found);
            found
        }
    };
    let Some(mut found) = app.health.verdict(judge).await else { return without_answer(app, PATIENCE) };
    for check in found.checks.iter_mut().filter(|check| check.name == "engine") {
        check.failure = engine_failure(app);
    }
    found
}

/// Tells the log when something else is not good than before: there the whole reason stays, which not everybody is shown.
fn log_change(app: &App, found: &Readiness) {
    let complaints = found.complaints();
    // That a node which is being stopped is not ready is no news.
    if app.stopping.is_cancelled() || !app.health.complains_anew(&complaints) {
        return;
    }
    let names: Vec<_> = found.checks.iter().map(|check| check.name).collect();
    match found.failure_of(&names) {
        Some(failure) => {
            tracing::warn!(ready.failure = %failure, "not all that the node depends on is good: {failure}");
        }
        None => tracing::info!("all that the node depends on is good again"),
    }
}

/// Judges everything now.
pub async fn assess(app: &App) -> Readiness {
    let Ok(found) = tokio::time::timeout(PATIENCE, app.store.readiness()).await else {
        return without_answer(app, PATIENCE);
    };
    let check = |name, plain, detail: Option<String>| Check {
        name,
        failure: detail.map(|detail| Failure { plain, detail }),
        latency_us: None,
    };
    let timed = |name, plain, result: Result<u64, String>| Check {
        latency_us: result.as_ref().ok().copied(),
        ..check(name, plain, result.err())
    };
    let migrations = (found.migration != found.migration_expected).then(|| {
        format!("the schema is at {}, this build expects {}", found.migration, found.migration_expected)
    });
    let ahead = clock_ahead(app).await;
    app.health.note_disk_free(found.disk_free_bytes);
    let min = app.settings.disk_free_bytes_min;
    let disk = found
        .disk_free_bytes
        .filter(|free| *free < min)
        .map(|free| format!("{free} bytes are free where the database lives; at least {min} are needed"));
    let mut checks = vec![
        timed("database_read", "the database cannot be read", found.read),
        timed("database_write", "the database cannot be written to", found.write),
        check("migrations", "the database is of another version than this build", migrations),
        check("disk", "space is short where the database lives", disk),
        Check { name: "lease", failure: lease_failure(app).await, latency_us: None },
        check("clock", CLOCK_WRONG, clock_failure(app).or_else(|| ahead.and_then(ahead_failure))),
        Check { name: "engine", failure: engine_failure(app), latency_us: None },
    ];
    if let Some(replica) = app.store.replica() {
        let detail = replica.verdict.err().map(|reason| format!("{reason}; reads go to the primary"));
        checks.push(check(Check::INFORMS, "the replica is not read from; reads go to the primary", detail));
    }
    Readiness { checks }
}

/// How far this node's clock is ahead of the database's, and how long asking took, both in microseconds. None: the database has
/// no clock of its own, or does not answer.
pub(crate) async fn clock_ahead(app: &App) -> Option<(i64, i64)> {
    let asked = tokio::time::timeout(PATIENCE, app.store.clock_ahead(&*app.clock)).await;
    asked.ok()?.ok()?
}

/// Half of the time that asking took says nothing about the clocks.
pub(crate) fn ahead_failure((ahead, took): (i64, i64)) -> Option<String> {
    let off = Duration::from_micros(ahead.unsigned_abs().saturating_sub(took.unsigned_abs() / 2));
    (off > CLOCK_OFF_MAX).then(|| {
        format!(
            "the clock is {:.1} s {} the database's; set the time of one of them, and check the time services",
            off.as_secs_f64(),
            if ahead > 0 { "ahead of" } else { "behind" }
        )
    })
}

/// When the database says nothing at all, nothing that is in it is good.
fn without_answer(app: &App, patience: Duration) -> Readiness {
    let failed = |name, failure| Check { name, failure, latency_us: None };
    let mut checks: Vec<_> = ["database_read", "database_write", "migrations", "disk", "lease"]
        .map(|name| failed(name, Some(silence(patience))))
        .into();
    let clock = clock_failure(app).map(|detail| Failure { plain: CLOCK_WRONG, detail });
    checks.push(failed("clock", clock));
    checks.push(failed("engine", engine_failure(app)));
    Readiness { checks }
}

fn silence(patience: Duration) -> Failure {
    Failure {
        plain: "the database does not answer",
        detail: format!("the database did not answer within {} s", patience.as_secs()),
    }
}

/// A node without a lease may not work: another may have taken over.
async fn lease_failure(app: &App) -> Option<Failure> {
    let Ok(found) = tokio::time::timeout(PATIENCE, app.store.nodes(Some(app.now()))).await else {
        return Some(silence(PATIENCE));
    };
    match found {
        Ok(nodes) if nodes.iter().any(|node| node.id == app.node) => None,
        Ok(_) => Some(Failure {
            plain: "the node has no lease",
            detail: "this node has no live lease in the database".to_owned(),
        }),
        Err(error) => Some(Failure { plain: "the lease cannot be looked up", detail: error.to_string() }),
    }
}

fn clock_failure(app: &App) -> Option<String> {
    let now = app.now();
    if now.as_seconds() < CLOCK_MIN_SECONDS {
        return Some(format!("the clock shows {now}; set the machine's time"));
    }
    let back = app.health.clock_went_back(now);
    (back > CLOCK_BACK_MAX)
        .then(|| format!("the clock went back by {} s; check the time service", back.as_secs()))
}

fn engine_failure(app: &App) -> Option<Failure> {
    if app.stopping.is_cancelled() {
        let detail = "the node is shutting down".to_owned();
        return Some(Failure { plain: "the node is being stopped", detail });
    }
    let (depth, capacity) = app.store.queue_depth();
    if depth >= capacity {
        let detail = format!("{depth} writes wait for the database, as many as may");
        return Some(Failure { plain: "too many writes wait for the database", detail });
    }
    app.engine.failure().map(|detail| Failure { plain: "some runs do not go on", detail })
}

/// Looks at this node, and remembers what was seen; what says something new waits for the store. The store is not waited for, so that
/// its silence is seen like everything else.
pub(crate) async fn observe(app: &App) {
    let seen = look(app).await;
    app.health.saw(&seen);
    app.health.wait(app.health.worth_telling(seen));
}

/// Records what waits for it. What the store cannot take now is recorded later, with its own time.
///
/// # Errors
/// When the store cannot be reached.
pub(crate) async fn tell(app: &App) -> Result<(), levqor_store::Error> {
    record(app, Vec::new()).await
}

/// Observes this node and records what was seen: a round of both at once, for whoever moves the clock by hand.
///
/// # Errors
/// When the store cannot be reached.
pub async fn sample(app: &App) -> Result<(), levqor_store::Error> {
    let seen = look(app).await;
    app.health.saw(&seen);
    record(app, seen).await
}

async fn record(app: &App, seen: Vec<Sample>) -> Result<(), levqor_store::Error> {
    let samples = app.health.take_waiting(seen);
    if samples.is_empty() {
        return Ok(());
    }
    let result = add(app, samples.clone()).await;
    if result.is_err() {
        app.health.give_back_waiting(samples);
    }
    result
}

async fn add(app: &App, samples: Vec<Sample>) -> Result<(), levqor_store::Error> {
    // What was seen before the clock was set back is of a time that has not come; once it comes, it would be taken for new.
    let gone = app.store.drop_samples_ahead(app.now()).await?;
    if gone > 0 {
        tracing::warn!("the clock was set back: {gone} samples of a time that has not come were dropped");
    }
    app.store.add_samples(samples).await
}

/// What is to be seen of this node now.
async fn look(app: &App) -> Vec<Sample> {
    let begun = app.now();
    // A process that does not listen has no API to observe.
    let api = async {
        match app.health.listening() {
            Some(address) => Some(probe(address).await),
            None => None,
        }
    };
    let (found, api) = tokio::join!(tokio::time::timeout(LOOK_PATIENCE, readiness(app)), api);
    let silent = found.is_err();
    let readiness = found.unwrap_or_else(|_| without_answer(app, LOOK_PATIENCE));
    let at = app.now();
    let sample = |component: &str, latency: Option<Duration>, reason: Option<String>| Sample {
        region: app.region.code.clone(),
        node: app.node,
        component: component.to_owned(),
        at,
        good: reason.is_none(),
        latency_us: latency.map(|latency| i64::try_from(latency.as_micros()).unwrap_or(i64::MAX)),
        reason,
    };
    let database_latency = readiness
        .checks
        .iter()
        .find(|check| check.name == "database_write")
        .and_then(|check| check.latency_us)
        .map(Duration::from_micros);
    let mut samples = vec![
        sample(
            "database",
            database_latency,
            readiness.failure_of(&["database_read", "database_write", "migrations", "disk"]),
        ),
        sample("engine", None, readiness.failure_of(&["lease", "clock", "engine"])),
    ];
    if silent {
        // It was asked then, and has said nothing until now.
        let before: Vec<Sample> =
            samples.iter().map(|sample| Sample { at: begun, ..sample.clone() }).collect();
        samples.splice(0..0, before);
    }
    let stuck = app.engine.stuck();
    if stuck.looked {
        // No reason to take the node out of service: the others are well.
        samples.push(sample("runs", None, stuck.sentence()));
    }
    match api {
        Some(Ok(latency)) => samples.push(sample("api", Some(latency), None)),
        Some(Err(reason)) => samples.push(sample("api", None, Some(reason))),
        None => {}
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_what_cannot_be_the_way_there() {
        const S: i64 = 1_000_000;
        let rows = [
            (0, 0, None),
            (10 * S, 0, None),
            (11 * S, S, Some("10.5 s ahead of the database's")),
            (11 * S, 3 * S, None),
            (-30 * S, S, Some("29.5 s behind")),
            (i64::MIN, 0, Some("behind")),
        ];
        for (ahead, took, expected) in rows {
            let found = ahead_failure((ahead, took));
            match expected {
                None => assert_eq!(found, None, "{ahead} {took}"),
                Some(words) => assert!(found.unwrap().contains(words), "{ahead}"),
            }
        }
    }
}
