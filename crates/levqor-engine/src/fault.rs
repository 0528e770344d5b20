//! Planned crashes: the engine stops dead at a chosen point of its protocol, as a killed process would.
//!
//! Tests interrupt every step of every protocol this way; a running server has no plan and pays one comparison a point.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A point between two things that a crash may come between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    BeforeAccept,
    /// The run is durable; nobody was told.
    AfterAccept,
    /// Events were applied in memory only.
    BeforeAppend,
    /// The events are durable; their effects have not been performed.
    AfterAppend,
    BeforeCall,
    /// The callee answered; the answer is in memory only.
    AfterCall,
    BeforeSubRun,
    /// The sub-run is durable; its parent does not know it.
    AfterSubRun,
    /// The run's end is durable; whoever waits for it was not told.
    AfterEnd,
}

impl Point {
    pub const ALL: &'static [Point] = &[
        Point::BeforeAccept,
        Point::AfterAccept,
        Point::BeforeAppend,
        Point::AfterAppend,
        Point::BeforeCall,
        Point::AfterCall,
        Point::BeforeSubRun,
        Point::AfterSubRun,
        Point::AfterEnd,
    ];
}

/// At most one planned crash.
#[derive(Debug, Clone, Default)]
pub struct Faults(Option<Arc<Plan>>);

#[derive(Debug)]
struct Plan {
    point: Point,
    passes_left: AtomicUsize,
}

impl Faults {
    /// The crash comes when `point` is reached for the `nth` time, from 1.
    pub fn at(point: Point, nth: usize) -> Self {
        Self(Some(Arc::new(Plan { point, passes_left: AtomicUsize::new(nth) })))
    }

    /// Whether the crash comes now.
    pub(crate) fn strikes(&self, point: Point) -> bool {
        let Some(plan) = &self.0 else { return false };
        plan.point == point
            && plan
                .passes_left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok_and(|left| left == 1)
    }
}
