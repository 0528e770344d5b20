//! Keeps calls away from a backend that does not work.
//!
//! ```text
//! closed ──N failures in a row, or told to wait──► open ──pause over──► one trial ──good──► closed
//!                                                   ▲                      └──────bad──────┐
//!                                                   └──────────────────────────────────────┘
//! ```

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use levqor_model::Timestamp;

/// Failures in a row that open it.
const FAILURES: u32 = 3;
/// How long it stays open.
const PAUSE: Duration = Duration::from_secs(30);
/// The longest rest that a backend may ask for.
const REST_MAX: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Open, and until when nobody gets through.
    until: Option<Timestamp>,
    /// Somebody is trying.
    trial: bool,
}

/// Leave to make one call. Dropped without a verdict, it says nothing about the backend.
#[derive(Debug)]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    trial: bool,
}

impl Breaker {
    /// None while it is open.
    pub fn enter(&self, now: Timestamp) -> Option<Permit<'_>> {
        let mut state = self.state();
        let trial = match state.until {
            None => false,
            Some(until) if now < until || state.trial => return None,
            Some(_) => true,
        };
        state.trial |= trial;
        Some(Permit { breaker: self, trial })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    pub fn good(self) {
        let mut state = self.breaker.state();
        // A call that began before the breaker opened is no proof that it may close.
        if self.trial || state.until.is_none() {
            state.failures = 0;
            state.until = None;
        }
    }

    /// Gives the time until which the breaker is open now, when it is.
    pub fn bad(self, now: Timestamp, rest: Option<Duration>) -> Option<Timestamp> {
        let mut state = self.breaker.state();
        state.failures = state.failures.saturating_add(1);
        let pause = (self.trial || state.failures >= FAILURES).then_some(PAUSE);
        let rest = rest.map(|rest| rest.min(REST_MAX));
        if let Some(span) = pause.max(rest) {
            state.until = state.until.max(Some(now + span));
        }
        state.until
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.trial {
            self.breaker.state().trial = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_one_good_trial() {
        let breaker = Breaker::default();
        for _ in 0..2 {
            assert_eq!(breaker.enter(at(0)).unwrap().bad(at(0), None), None);
        }
        breaker.enter(at(0)).unwrap().good();
        for _ in 0..2 {
            assert_eq!(breaker.enter(at(0)).unwrap().bad(at(0), None), None, "a good call began anew");
        }
        assert_eq!(breaker.enter(at(0)).unwrap().bad(at(0), None), Some(at(30)));
        assert!(breaker.enter(at(29)).is_none());
        let trial = breaker.enter(at(30)).unwrap();
        assert!(breaker.enter(at(30)).is_none(), "one tries, the others stay away");
        assert_eq!(trial.bad(at(31), None), Some(at(61)));
        assert!(breaker.enter(at(60)).is_none());
        breaker.enter(at(61)).unwrap().good();
        assert!(breaker.enter(at(61)).is_some() && breaker.enter(at(61)).is_some());
    }

    #[test]
    fn a_trial_that_is_given_up_lets_the_next_one_try() {
        let breaker = Breaker::default();
        breaker.enter(at(0)).unwrap().bad(at(0), Some(Duration::from_secs(5)));
        drop(breaker.enter(at(5)).unwrap());
        assert!(breaker.enter(at(5)).is_some());
    }

    #[test]
    fn a_rest_is_kept_and_bounded() {
        let breaker = Breaker::default();
        let early = breaker.enter(at(0)).unwrap();
        assert_eq!(
            breaker.enter(at(0)).unwrap().bad(at(0), Some(Duration::from_secs(90))),
            Some(at(90)),
            "at the first failure"
        );
        early.good();
        assert!(breaker.enter(at(89)).is_none(), "an older call's luck does not end the rest");
        assert_eq!(breaker.enter(at(90)).unwrap().bad(at(90), Some(Duration::MAX)), Some(at(390)));
    }
}
