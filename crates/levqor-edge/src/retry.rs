//! When a request may be sent once more. Pure rules, and the budget that keeps retries from becoming a storm.

use std::sync::atomic::{AtomicI64, Ordering};

use http::{HeaderMap, Method};

/// What is known of a request whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempted {
    /// Repeating it does no harm: by its method, or because it has an `Idempotency-Key`.
    pub idempotent: bool,
    /// Bytes of it may have reached the origin.
    pub sent: bool,
    /// Its body can be sent again.
    pub replayable: bool,
    /// Something of an answer reached the client.
    pub answered: bool,
    /// Times that it was sent, this one included.
    pub attempts: u32,
}

/// Why a request is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Final {
    /// The client has seen a part of the answer.
    Answered,
    /// It may have been done already, and twice would differ from once.
    NotIdempotent,
    /// The body is larger than what is kept of it.
    BodyGone,
    Attempts,
}

/// Whether a failed request may go to the next origin.
///
/// # Errors
/// The reason why not.
pub fn may_repeat(attempted: Attempted, attempts_max: u32) -> Result<(), Final> {
    if attempted.answered {
        return Err(Final::Answered);
    }
    if !attempted.replayable {
        return Err(Final::BodyGone);
    }
    if !attempted.sent {
        // Nothing happened yet; how often this is tried is bounded by the time that a request may be held.
        return Ok(());
    }
    if !attempted.idempotent {
        return Err(Final::NotIdempotent);
    }
    if attempted.attempts >= attempts_max { Err(Final::Attempts) } else { Ok(()) }
}

/// By RFC 9110, section 9.2.2, or by the caller's own promise.
pub fn is_idempotent(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
        || headers.contains_key("idempotency-key")
}

/// Retries that may be made: a burst, refilled by a share of the requests. Counted in hundredths of a retry.
#[derive(Debug)]
pub struct Budget(AtomicI64);

const WHOLE: i64 = 100;

impl Budget {
    pub fn full(burst: u32) -> Self {
        Self(AtomicI64::new(i64::from(burst) * WHOLE))
    }

    /// A request came in.
    pub fn refill(&self, percent: u32, burst: u32) {
        let max = i64::from(burst) * WHOLE;
        if self.0.load(Ordering::Relaxed) < max {
            // May end a little above `max` when several do this at once, which harms nobody.
            self.0.fetch_add(i64::from(percent), Ordering::Relaxed);
        }
    }

    /// False: the budget is spent.
    pub fn spend(&self) -> bool {
        if self.0.fetch_sub(WHOLE, Ordering::Relaxed) >= WHOLE {
            return true;
        }
        self.0.fetch_add(WHOLE, Ordering::Relaxed);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_repeated_only_when_that_does_no_harm() {
        // idempotent, sent, replayable, answered, attempts
        for (row, expected) in [
            ((true, true, true, false, 1), Ok(())),
            ((true, true, true, false, 4), Err(Final::Attempts)),
            ((true, true, true, true, 1), Err(Final::Answered)),
            ((true, true, false, false, 1), Err(Final::BodyGone)),
            ((false, true, true, false, 1), Err(Final::NotIdempotent)),
            // Nobody heard of it: any method, however often.
            ((false, false, true, false, 1), Ok(())),
            ((false, false, true, false, 9), Ok(())),
            ((false, false, false, false, 1), Err(Final::BodyGone)),
            ((false, false, true, true, 1), Err(Final::Answered)),
        ] {
            let (idempotent, sent, replayable, answered, attempts) = row;
            let attempted = Attempted { idempotent, sent, replayable, answered, attempts };
            assert_eq!(may_repeat(attempted, 4), expected, "{attempted:?}");
        }
    }

    #[test]
    fn a_promise_makes_any_method_idempotent() {
        let none = HeaderMap::new();
        let key: HeaderMap =
            [("idempotency-key".parse().unwrap(), "k".parse().unwrap())].into_iter().collect();
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            assert!(is_idempotent(&method.parse().unwrap(), &none), "{method}");
        }
        for method in ["POST", "PATCH", "BREW"] {
            assert!(!is_idempotent(&method.parse().unwrap(), &none), "{method}");
            assert!(is_idempotent(&method.parse().unwrap(), &key), "{method}");
        }
    }

    #[test]
    fn a_burst_then_a_share_of_the_requests() {
        let budget = Budget::full(3);
        assert_eq!((0..10).filter(|_| budget.spend()).count(), 3);
        let mut retries = 0;
        for _ in 0..1_000 {
            budget.refill(20, 3);
            retries += u32::from(budget.spend());
        }
        assert_eq!(retries, 200);
        for _ in 0..1_000 {
            budget.refill(20, 3);
        }
        assert_eq!((0..10).filter(|_| budget.spend()).count(), 3, "it does not grow beyond the burst");
    }
}
