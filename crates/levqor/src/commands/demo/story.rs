//! What happens in the demo, in order: calm, the loss of a region, calm, its return, the count.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;

use super::{
    load::Load,
    picture::{RegionNow, Standing},
    report::{Loss, Report},
    screen::{DRAW_EVERY, Screen},
    stage::{REGIONS, Stage},
    watch::Watch,
    words::seconds,
};

const PRIMARY: &str = "PostgreSQL, primary";
const STANDBY: &str = "PostgreSQL, standby";
const LOST: &str = "PostgreSQL, lost";

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The nodes are asked less often than the edge: an account has 1,000 requests a minute at each of them.
const NODES_EVERY: Duration = Duration::from_millis(500);

/// # Errors
/// When something doesn't start, or what should happen does not.
pub async fn play(
    stage: &mut Stage,
    load: &Load,
    watch: &Watch,
    screen: &Screen,
    calm: Duration,
) -> anyhow::Result<Loss> {
    let lost = REGIONS[0];
    tokio::time::sleep(calm).await;
    load.forget_longest();
    let dead = watch.nodes().await?.remove(lost).unwrap_or_default().0;
    let begun = Instant::now();
    stage.lose(lost)?;
    let with = if stage.has_standby() { " and to the primary of the database" } else { "" };
    screen.tell(&format!("{lost} is lost: kill -9 to its node{with}"));
    let mut loss = Loss { region: lost.to_owned(), ..Loss::default() };

    if stage.has_standby() {
        databases(screen, [LOST, STANDBY]);
        stage.promote()?;
        databases(screen, [LOST, PRIMARY]);
        let promoted = begun.elapsed();
        screen.tell(&format!(
            "the standby in {} is the primary after {} (this demo promotes it, as a manager of PostgreSQL does)",
            REGIONS[1],
            seconds(promoted)
        ));
        loss.promoted = Some(promoted);
    }
    // Meanwhile the edge has seen it by itself, and tells when.
    loss.suspected = turned_away(watch, lost, begun).await?;
    screen.tell(&format!("the edge turned away from {lost} after {}", seconds(loss.suspected)));

    until("the dead node to be stopped", async || {
        let nodes = watch.nodes().await.ok()?;
        (nodes.get(lost)?.1 == "stopped").then_some(())
    })
    .await?;
    loss.stopped = begun.elapsed();
    screen.tell(&format!("its lease is over: the others stopped it after {}", seconds(loss.stopped)));
    until("its runs to be others'", async || {
        let nodes = watch.nodes().await.ok()?;
        (nodes.get(lost)?.2 == 0).then_some(())
    })
    .await?;
    loss.taken_over = begun.elapsed();
    loss.runs = watch.taken_from(&dead).await?;
    let by: Vec<String> = loss.runs.iter().map(|(region, runs)| format!("{runs} by {region}")).collect();
    let by = if by.is_empty() { "(it had none)".to_owned() } else { by.join(", ") };
    screen.tell(&format!("its runs go on, taken over {by} after {}", seconds(loss.taken_over)));
    // Nodes that were without a database for longer than a lease come back as new ones, which takes a moment.
    let next = format!("{} active", REGIONS[1]);
    let statuses = until("the next region to be active", async || {
        watch.statuses().await.ok().filter(|statuses| statuses.contains(&next))
    })
    .await?;
    screen.tell(&format!("GET /api/regions: {statuses}"));
    tokio::time::sleep(calm).await;
    (loss.longest_read, loss.longest_start) = load.forget_longest();

    let again = Instant::now();
    let with = if stage.has_standby() { "a copy of the database as the new standby, and " } else { "" };
    screen.tell(&format!("{lost} comes back: {with}a new node"));
    stage.bring_back(lost).await?;
    if stage.has_standby() {
        databases(screen, [STANDBY, PRIMARY]);
    }
    until("the edge to trust it again", async || watch.edge().await.ok()?.get(lost)?.0.then_some(())).await?;
    loss.back = again.elapsed();
    screen.tell(&format!("{lost} answers again after {}", seconds(loss.back)));
    tokio::time::sleep(calm).await;
    Ok(loss)
}

/// How long after `begun` the edge turned away from the region, by the edge's own clock.
async fn turned_away(watch: &Watch, region: &str, begun: Instant) -> anyhow::Result<Duration> {
    until("the edge to turn away from the dead region", async || {
        let (is_up, since) = *watch.edge().await.ok()?.get(region)?;
        (!is_up).then(|| begun.elapsed().saturating_sub(since))
    })
    .await
}

async fn until<T>(what: &str, probe: impl AsyncFn() -> Option<T>) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return Ok(found);
        }
        ensure!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Stops the callers, and counts what they were promised.
pub async fn count(load: &Load, screen: &Screen, loss: Loss, begun: Instant) -> Report {
    screen.tell("no more starts; each run that was acknowledged is looked at");
    let lost = load.settle(PATIENCE).await;
    let ledger = load.ledger();
    Report {
        took: begun.elapsed(),
        acknowledged: ledger.acknowledged.len(),
        ended: ledger.acknowledged.len() - lost.len(),
        lost,
        failed: ledger.failed.clone(),
        loss,
    }
}

/// Keeps the picture as things are, until it is dropped.
pub async fn observe(watch: Watch, load: Arc<Load>, screen: Arc<Screen>) {
    let mut nodes = BTreeMap::new();
    let mut asked: Option<Instant> = None;
    loop {
        let edge = watch.edge().await.unwrap_or_default();
        if asked.is_none_or(|at| at.elapsed() > NODES_EVERY) {
            asked = Some(Instant::now());
            // While nobody answers, the last that was heard stays.
            if let Ok(Ok(found)) = tokio::time::timeout(NODES_EVERY, watch.nodes()).await {
                nodes = found;
            }
        }
        {
            let mut ledger = load.ledger();
            let mut scene = screen.scene();
            for region in &mut scene.regions {
                let is_up = edge.get(&region.code).is_some_and(|(is_up, _)| *is_up);
                let (_, state, runs) = nodes.get(&region.code).cloned().unwrap_or_default();
                region.standing = Standing::of(&state, is_up);
                region.runs = runs;
                region.answers = ledger.answers(&region.code);
            }
            scene.acknowledged = ledger.acknowledged.len() as u64;
            scene.ended = ledger.ended.len() as u64;
            scene.failed = ledger.failed.len() as u64;
            scene.longest = ledger.longest_read.max(ledger.longest_start);
        }
        screen.draw();
        tokio::time::sleep(DRAW_EVERY).await;
    }
}

/// What the first two regions have of the database now.
fn databases(screen: &Screen, now: [&'static str; 2]) {
    for (region, database) in screen.scene().regions.iter_mut().zip(now) {
        region.database = database;
    }
}

/// The regions before anything is known of them.
pub fn regions(has_standby: bool) -> Vec<RegionNow> {
    let databases = if has_standby { [PRIMARY, STANDBY, ""] } else { [""; 3] };
    REGIONS
        .iter()
        .zip(databases)
        .map(|(code, database)| RegionNow { code: (*code).to_owned(), database, ..RegionNow::default() })
        .collect()
}
