//! How far a strategy has come: which filters have had their event, and what the events' keys are bound to.

use serde::{Deserialize, Serialize};

use super::{
    CloudEvent, Targets,
    filter::{Bound, Evaluate, takes},
    lifecycle::is_lifecycle,
};
use crate::definition::{Mode, Strategy};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Filters of an `all` that have had their event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    done: Vec<usize>,
    /// The same of the strategy in `until`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stopping: Vec<usize>,
    #[serde(default, skip_serializing_if = "Bound::is_empty")]
    pub(super) bound: Bound,
}

/// That a filter takes an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Match {
    filter: usize,
    /// The filter is one of `until`.
    stops: bool,
    binds: Bound,
}

impl Match {
    /// The event brings the end nearer, and is not among what is consumed.
    pub(crate) fn stops(&self) -> bool {
        self.stops
    }
}

/// Where an event has brought a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// It goes on, if its condition does not end it.
    More,
    Satisfied,
}

impl Progress {
    /// The filter that takes the event now: the first that still waits, those of `until` before the others.
    pub(crate) fn matching(
        &self,
        strategy: &Strategy,
        targets: &Targets,
        event: &CloudEvent,
        evaluate: Evaluate<'_>,
    ) -> Option<Match> {
        let first = |strategy: &Strategy, done: &[usize], offset: usize| {
            if strategy.filters.is_empty() {
                if is_lifecycle(event.kind()) {
                    return None;
                }
                return Some((0, Bound::new()));
            }
            let open = strategy
                .filters
                .iter()
                .enumerate()
                .filter(|(filter, _)| strategy.mode != Mode::All || !done.contains(filter));
            let mut found = open.filter_map(|(filter, definition)| {
                let binds = takes((definition, offset + filter), targets, &self.bound, event, evaluate)?;
                Some((filter, binds))
            });
            found.next()
        };
        let stop = strategy.stop().and_then(|stop| first(stop, &self.stopping, strategy.filters.len()));
        if let Some((filter, binds)) = stop {
            return Some(Match { filter, stops: true, binds });
        }
        first(strategy, &self.done, 0).map(|(filter, binds)| Match { filter, stops: false, binds })
    }

    pub(crate) fn take(&mut self, strategy: &Strategy, matched: Match) -> Reached {
        self.bound.extend(matched.binds);
        let (strategy, done) = match strategy.stop() {
            Some(stop) if matched.stops => (stop, &mut self.stopping),
            _ => (strategy, &mut self.done),
        };
        match strategy.mode {
            Mode::One => Reached::Satisfied,
            Mode::Any if strategy.until.is_none() => Reached::Satisfied,
            Mode::Any => Reached::More,
            Mode::All => {
                done.push(matched.filter);
                if done.len() >= strategy.filters.len() { Reached::Satisfied } else { Reached::More }
            }
        }
    }
}
