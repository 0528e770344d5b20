//! Errors of one network within the last five minutes. Pure.

use std::{collections::VecDeque, time::Duration};

use levqor_model::Timestamp;

/// How long an error counts.
pub(crate) const WINDOW: Duration = Duration::from_secs(300);
/// So many make a network suspicious.
pub(crate) const ERRORS_MAX: u32 = 50;
/// Errors are counted by slots of this length; a slot counts until all of it is older than the window.
const SLOT_US: i64 = 10_000_000;

/// Slots by their beginnings, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Window(VecDeque<(i64, u32)>);

/// The slot in which a moment falls, by its beginning.
pub(super) fn slot_of(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros().div_euclid(SLOT_US) * SLOT_US)
}

/// The first slot that still counts.
pub(super) fn oldest_slot(now: Timestamp) -> Timestamp {
    slot_of(now - WINDOW)
}

impl Window {
    pub(super) fn add(&mut self, slot: Timestamp, errors: u32) {
        let slot = slot.as_micros();
        match self.0.iter_mut().rev().find(|(at, _)| *at <= slot) {
            Some((at, count)) if *at == slot => *count = count.saturating_add(errors),
            _ => {
                let place = self.0.partition_point(|(at, _)| *at < slot);
                self.0.insert(place, (slot, errors));
            }
        }
    }

    /// Forgets slots that had begun by then.
    pub(super) fn forget(&mut self, until: Timestamp) {
        self.0.retain(|(at, _)| *at > until.as_micros());
    }

    /// Forgets what counts no more; the errors that are left.
    pub(super) fn total(&mut self, now: Timestamp) -> u32 {
        let oldest = oldest_slot(now).as_micros();
        while self.0.front().is_some_and(|(at, _)| *at < oldest) {
            self.0.pop_front();
        }
        self.0.iter().fold(0, |total, (_, errors)| total.saturating_add(*errors))
    }

    /// When fewer than [`ERRORS_MAX`] will count, if no more come.
    pub(super) fn clears_at(&self) -> Timestamp {
        let mut left = self.0.iter().fold(0_u32, |total, (_, errors)| total.saturating_add(*errors));
        let mut clear = Timestamp::default();
        for (at, errors) in &self.0 {
            if left < ERRORS_MAX {
                break;
            }
            left -= errors;
            clear = Timestamp::from_micros(*at + SLOT_US) + WINDOW;
        }
        clear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    #[test]
    fn errors_count_for_five_minutes() {
        let mut window = Window::default();
        for second in [0, 3, 12, 12] {
            window.add(slot_of(at(second)), 20);
        }
        assert_eq!(window.total(at(12)), 80);
        assert_eq!(window.total(at(300)), 80);
        assert_eq!(window.total(at(309)), 80, "whole slots");
        assert_eq!(window.clears_at(), at(310));
        assert_eq!(window.total(at(310)), 40);
        assert_eq!(window.clears_at(), Timestamp::default(), "it is clear");
        window.add(slot_of(at(5)), 10);
        window.add(slot_of(at(25)), 10);
        assert_eq!(window.0.iter().map(|(at, _)| at / SLOT_US - 100_000).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(window.total(at(999)), 0);
    }
}
