//! The loop that looks: each target in its own time, several on their way at once.
//!
//! A look begins when it is due, whatever became of the one before, so that a target that hangs is looked at as often as one that
//! answers. What is late is not made up for.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use levqor_store::Error;
use tokio::time::{Instant, sleep_until};

use super::{
    board::{Key, Observer},
    definition::Kind,
    look::{Look, Shared, Target, look},
    memory,
};
use crate::App;

/// Looks on their way at once; others wait for the next moment.
const AT_ONCE_MAX: usize = 512;
/// Targets come and go: so often is looked for new ones.
const PLANNED_EVERY: Duration = Duration::from_secs(1);

/// When a target is due, and how often it was looked at.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    attempt: usize,
}

/// Looks until the node stops.
///
/// # Errors
/// None so far: it has nothing to do with the store.
pub(crate) async fn run(app: &App) -> Result<(), Error> {
    let memory = memory(app);
    let own = Observer { node: app.node, region: app.region.code.clone() };
    let mut due: BTreeMap<Key, Due> = BTreeMap::new();
    let mut on_their_way = FuturesUnordered::new();
    loop {
        let now = Instant::now();
        let mut next = now + PLANNED_EVERY;
        let planned = plan(app);
        due.retain(|key, _| planned.iter().any(|(known, ..)| known == key));
        for (number, (key, definition, target, every)) in planned.into_iter().enumerate() {
            // Not all of them in the same moment.
            let first = now + spread(number).min(every);
            let mine = due.entry(key).or_insert(Due { at: first, attempt: 0 });
            if mine.at <= now && on_their_way.len() < AT_ONCE_MAX {
                let attempt = mine.attempt;
                *mine = Due { at: (mine.at + every).max(now), attempt: attempt.wrapping_add(1) };
                on_their_way.push(one(app.clone(), definition, target, attempt));
            }
            next = next.min(mine.at);
        }
        tokio::select! { biased;
            () = app.stopping.cancelled() => return Ok(()),
            Some((definition, target, seen)) = on_their_way.next(), if !on_their_way.is_empty() => {
                if let Some(seen) = seen {
                    memory.board.see(&own, &definition, &target, &seen);
                }
            }
            () = sleep_until(next) => {}
        }
    }
}

/// A few milliseconds between the first looks of a node that starts.
fn spread(number: usize) -> Duration {
    const STEP_MS: u64 = 37;
    Duration::from_millis(STEP_MS.saturating_mul(u64::try_from(number).unwrap_or(u64::MAX)))
}

async fn one(app: App, definition: Shared, target: Target, attempt: usize) -> (Shared, Target, Option<Look>) {
    let seen = look(&app, &definition, &target, attempt).await;
    (definition, target, seen)
}

/// All that this node looks at by itself.
fn plan(app: &App) -> Vec<(Key, Shared, Target, Duration)> {
    let memory = memory(app);
    let mut planned = Vec::new();
    for definition in &app.settings.probes.definitions.probes {
        let Some(every) = definition.every else { continue };
        // Journeys leave traces: one node of a region is enough.
        if matches!(definition.kind, Kind::Journey(_)) && !memory.targets.leads() {
            continue;
        }
        for target in memory.targets.of(definition) {
            let key: Key = (definition.name.as_str().into(), target.name.clone());
            planned.push((key, Arc::clone(definition), target, every));
        }
    }
    planned
}
