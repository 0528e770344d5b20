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

/// What this node looks at, and when it does so next.
#[derive(Debug, Default)]
struct Timetable(BTreeMap<Key, Mine>);

#[derive(Debug)]
struct Mine {
    definition: Shared,
    target: Target,
    every: Duration,
    at: Instant,
    /// How often it was looked at.
    attempt: usize,
}

impl Timetable {
    /// Takes in what there is to look at: what is new has its turn soon, what was known keeps its time, what went is forgotten.
    fn renew(&mut self, planned: Vec<(Key, Shared, Target, Duration)>, now: Instant) {
        let mut before = std::mem::take(&mut self.0);
        for (number, (key, definition, target, every)) in planned.into_iter().enumerate() {
            let (at, attempt) = match before.remove(&key) {
                Some(known) => (known.at, known.attempt),
                // Not all of them in the same moment.
                None => (now + spread(number).min(every), 0),
            };
            self.0.insert(key, Mine { definition, target, every, at, attempt });
        }
    }

    /// What is to be looked at now: at most `room`, and those first that have waited longest.
    fn due(&mut self, now: Instant, room: usize) -> Vec<(Shared, Target, usize)> {
        let mut due: Vec<_> = self.0.values_mut().filter(|mine| mine.at <= now).collect();
        due.sort_by_key(|mine| mine.at);
        due.truncate(room);
        let begin = |mine: &mut Mine| {
            let attempt = mine.attempt;
            mine.attempt = attempt.wrapping_add(1);
            // What is late is not made up for.
            let next = mine.at + mine.every;
            mine.at = if next > now { next } else { now + mine.every };
            (Arc::clone(&mine.definition), mine.target.clone(), attempt)
        };
        due.into_iter().map(begin).collect()
    }

    /// When to look at the timetable again, at the latest at `latest`. Without room what is due waits for a look to end.
    fn wake(&self, latest: Instant, room: usize) -> Instant {
        let next = self.0.values().map(|mine| mine.at).min().filter(|_| room > 0);
        next.map_or(latest, |next| next.min(latest))
    }
}

/// Looks until the node stops.
///
/// # Errors
/// None so far: it has nothing to do with the store.
pub(crate) async fn run(app: &App) -> Result<(), Error> {
    let memory = memory(app);
    let own = Observer { node: app.node, region: app.region.code.clone() };
    let mut timetable = Timetable::default();
    let mut renewed_at: Option<Instant> = None;
    let mut on_their_way = FuturesUnordered::new();
    loop {
        let now = Instant::now();
        let renewed = renewed_at.filter(|at| now.duration_since(*at) < PLANNED_EVERY);
        let renewed = renewed.unwrap_or_else(|| {
            timetable.renew(plan(app), now);
            now
        });
        renewed_at = Some(renewed);
        for (definition, target, attempt) in
            timetable.due(now, AT_ONCE_MAX.saturating_sub(on_their_way.len()))
        {
            on_their_way.push(one(app.clone(), definition, target, attempt));
        }
        let wake = timetable.wake(renewed + PLANNED_EVERY, AT_ONCE_MAX.saturating_sub(on_their_way.len()));
        tokio::select! { biased;
            () = app.stopping.cancelled() => return Ok(()),
            Some((definition, target, seen)) = on_their_way.next(), if !on_their_way.is_empty() => {
                if let Some(seen) = seen {
                    memory.board.see(&own, &definition, &target, &seen);
                }
            }
            () = sleep_until(wake) => {}
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

#[cfg(test)]
mod tests {
    use super::{super::definition::Definitions, *};

    const EVERY: Duration = Duration::from_millis(500);

    fn planned(names: &[&str]) -> Vec<(Key, Shared, Target, Duration)> {
        let definition = Definitions::shipped().find("reach").cloned().unwrap();
        let one = |name: &&str| {
            let target = Target { name: (*name).to_owned(), region: None, addresses: Vec::new() };
            let key: Key = ("reach".into(), target.name.clone());
            (key, Arc::clone(&definition), target, EVERY)
        };
        names.iter().map(one).collect()
    }

    fn names(due: Vec<(Shared, Target, usize)>) -> Vec<String> {
        due.into_iter().map(|(_, target, attempt)| format!("{}{attempt}", target.name)).collect()
    }

    #[test]
    fn without_room_what_is_due_waits_and_those_that_wait_longest_are_first() {
        let start = Instant::now();
        let mut timetable = Timetable::default();
        timetable.renew(planned(&["c", "b", "a"]), start);
        let (now, latest) = (start + Duration::from_millis(200), start + Duration::from_secs(1));
        assert_eq!(names(timetable.due(now, 2)), ["c0", "b0"]);
        assert_eq!(names(timetable.due(now, 0)), [""; 0]);
        assert_eq!(timetable.wake(latest, 0), latest, "nobody asks again and again meanwhile");
        assert!(timetable.wake(latest, 1) <= now);
        assert_eq!(names(timetable.due(now + EVERY, 2)), ["a0", "c1"]);
    }

    #[test]
    fn what_is_late_is_not_made_up_for_and_what_stays_keeps_its_time() {
        let start = Instant::now();
        let mut timetable = Timetable::default();
        timetable.renew(planned(&["a"]), start);
        assert_eq!(names(timetable.due(start, 9)), ["a0"]);
        let late = start + Duration::from_secs(30);
        assert_eq!(names(timetable.due(late, 9)), ["a1"]);
        assert_eq!(names(timetable.due(late, 9)), [""; 0], "once, however late it was");
        timetable.renew(planned(&["b", "a"]), late);
        assert_eq!(names(timetable.due(late + EVERY, 9)), ["b0", "a2"]);
        timetable.renew(planned(&["b"]), late + EVERY);
        assert_eq!(timetable.wake(late + EVERY * 9, 9), late + EVERY * 2);
    }
}
