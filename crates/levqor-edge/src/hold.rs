//! Requests that wait for a region to come up: how many, with how many bytes, and how long between two tries.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// First pause when a verdict did not change; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// All waiting requests together.
#[derive(Debug, Default)]
pub struct Waiting {
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

/// A place among those that wait; given back when dropped.
#[derive(Debug)]
pub struct Place<'a> {
    waiting: &'a Waiting,
    bytes: usize,
}

impl Waiting {
    /// None: as many wait already as may.
    pub fn enter(&self, bytes: usize, requests_max: usize, bytes_max: usize) -> Option<Place<'_>> {
        let place = Place { waiting: self, bytes };
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let all_bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (requests <= requests_max && all_bytes <= bytes_max).then_some(place)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.requests.fetch_sub(1, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How long to wait for a change before the next try, after `tries` of them.
pub fn pause(tries: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << tries.min(16)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_by_number_and_bytes_and_come_back() {
        let waiting = Waiting::default();
        let first = waiting.enter(10, 2, 25).unwrap();
        let second = waiting.enter(10, 2, 25).unwrap();
        assert!(waiting.enter(0, 2, 25).is_none(), "two are two");
        drop(second);
        assert!(waiting.enter(16, 2, 25).is_none(), "26 bytes are too many");
        assert!(waiting.enter(15, 2, 25).is_some());
        drop(first);
        assert_eq!((waiting.requests(), waiting.bytes.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn pauses_grow_to_a_second() {
        let pauses: Vec<_> = (0..7).map(|tries| pause(tries).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
    }
}
