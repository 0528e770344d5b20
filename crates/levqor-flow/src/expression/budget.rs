//! What the running evaluation has used and may still use, kept per thread.
//!
//! The evaluator calls into values and functions through traits that carry no context, so the account is a
//! thread local that [`Session`] opens and closes around one evaluation. Three rules make it a bound:
//!
//! - every place where an expression can repeat itself (a definition, a comma, an iteration, a fold, a long
//!   copy) calls [`tick`], and stops when that answers false;
//! - every value that owns memory calls [`charge`] before it grows and [`credit`] when it is dropped;
//! - the first bound that is met stays recorded ([`stopped`]), and the evaluation answers that error whatever
//!   the expression made of it. So nothing in the language can catch it.
//!
//! Steps and bytes are counted, not measured, hence the same on every machine.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::Bounds;

/// A bound that was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Steps,
    Data,
    /// Data nested deeper than the evaluator holds.
    Nesting,
    /// More recursion than any stack of ours carries.
    Deep,
    /// The stack of this thread is used up; a bigger one may do.
    Stack,
    Slow,
}

/// Bytes that one step may copy; about what the bookkeeping of a step costs in time.
const BYTES_PER_STEP: usize = 1024;
/// Steps between two looks at the clock.
const STEPS_PER_LOOK: u64 = 2048;
/// Stack whose levels take about as long to climb as a step.
const STACK_PER_STEP: usize = 16 * 1024;
/// Calls in which a recursive definition hands itself a filter. Each links to the one before, so that
/// dropping the last one takes stack for all of them.
const LINKS_MAX: u32 = 50_000;
/// What a suspended alternative of a loop or of a recursion takes, roughly; such memory is not seen otherwise.
const SUSPENDED_BYTES: usize = 256;

/// More than any machine has, and little enough to calculate with.
const BYTES_MAX: usize = 1 << 40;

struct Account {
    /// Which evaluation of this thread it is.
    number: Cell<u64>,
    steps: Cell<u64>,
    bytes: Cell<usize>,
    bytes_max: Cell<usize>,
    links: Cell<u32>,
    look_in: Cell<u64>,
    time: Cell<Option<(Instant, Duration)>>,
    stack_base: Cell<usize>,
    stack_max: Cell<usize>,
    stop: Cell<Option<Stop>>,
}

thread_local! {
    static ACCOUNT: Account = const {
        Account {
            number: Cell::new(0),
            steps: Cell::new(0),
            bytes: Cell::new(0),
            bytes_max: Cell::new(0),
            links: Cell::new(0),
            look_in: Cell::new(0),
            time: Cell::new(None),
            stack_base: Cell::new(0),
            stack_max: Cell::new(0),
            stop: Cell::new(None),
        }
    };
}

/// One evaluation's account; closed when dropped.
pub(super) struct Session(());

impl Session {
    /// Opens the account of an evaluation that may use `stack` bytes of this thread's stack from here on.
    pub(super) fn open(bounds: &Bounds, stack: usize) -> Self {
        ACCOUNT.with(|account| {
            account.number.set(account.number.get() + 1);
            account.steps.set(bounds.steps);
            account.bytes.set(0);
            account.bytes_max.set(bounds.bytes.min(BYTES_MAX));
            account.links.set(0);
            account.look_in.set(STEPS_PER_LOOK);
            account.time.set(Some((Instant::now(), bounds.time)));
            account.stack_base.set(stack_address());
            account.stack_max.set(stack);
            account.stop.set(None);
        });
        Self(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        ACCOUNT.with(|account| {
            account.stop.set(None);
            account.steps.set(0);
            account.bytes_max.set(0);
        });
    }
}

/// The number of the evaluation: different from those before and after on this thread.
pub(super) fn evaluation() -> u64 {
    ACCOUNT.with(|account| account.number.get())
}

/// Steps that the evaluation has not used.
pub(super) fn steps_left() -> u64 {
    ACCOUNT.with(|account| account.steps.get())
}

/// The bound that was met, if any.
pub(super) fn stopped() -> Option<Stop> {
    ACCOUNT.with(|account| account.stop.get())
}

/// Records that a bound was met; the first one counts.
pub(super) fn stop(reason: Stop) {
    ACCOUNT.with(|account| account.stop(reason));
}

/// Uses `steps`; false when the evaluation is over.
pub(super) fn tick(steps: u64) -> bool {
    ACCOUNT.with(|account| account.tick(steps))
}

/// Uses the steps that copying, comparing or scanning `bytes` is worth; false when the evaluation is over.
pub(super) fn work(bytes: usize) -> bool {
    let steps = bytes / BYTES_PER_STEP;
    if steps == 0 { stopped().is_none() } else { tick(steps as u64) }
}

/// A step that also looks at the stack: for places that can nest.
pub(super) fn tick_deep() -> bool {
    ACCOUNT.with(|account| {
        let used = account.stack_base.get().abs_diff(stack_address());
        if used > account.stack_max.get() {
            account.stop(Stop::Stack);
        }
        // Results climb through all that nests here, so that steps take longer; look at the clock sooner.
        let sooner = (used / STACK_PER_STEP) as u64;
        account.look_in.set(account.look_in.get().saturating_sub(sooner));
        account.tick(1)
    })
}

/// A step of a loop or recursion that may leave an alternative behind.
pub(super) fn tick_suspending() -> bool {
    // Never credited: how long the alternative stays cannot be seen from here.
    tick_deep() && charge(SUSPENDED_BYTES)
}

/// A call in which a recursive definition may hand itself a filter.
pub(super) fn tick_linking() -> bool {
    ACCOUNT.with(|account| {
        let links = account.links.get() + 1;
        account.links.set(links);
        if links > LINKS_MAX {
            account.stop(Stop::Deep);
        }
    });
    tick_suspending()
}

/// Something took long: the next step looks at the clock.
pub(super) fn look_soon() {
    ACCOUNT.with(|account| account.look_in.set(0));
}

/// Counts `bytes` as alive; false when that is more than there may be. Ask before allocating.
pub(super) fn charge(bytes: usize) -> bool {
    ACCOUNT.with(|account| {
        let now = account.bytes.get().saturating_add(bytes);
        account.bytes.set(now);
        if now > account.bytes_max.get() {
            account.stop(Stop::Data);
        }
        account.stop.get().is_none()
    })
}

/// Whether `bytes` more would fit; records that they did not. For memory that lives only inside one function.
pub(super) fn fits(bytes: usize) -> bool {
    let fits = charge(bytes);
    credit(bytes);
    fits
}

/// Whether one value of `bytes` is allowed at all; records that it is not.
pub(super) fn allows(bytes: usize) -> bool {
    ACCOUNT.with(|account| {
        if bytes > account.bytes_max.get() {
            account.stop(Stop::Data);
        }
        account.stop.get().is_none()
    })
}

/// Counts `bytes` as free again.
pub(super) fn credit(bytes: usize) {
    ACCOUNT.with(|account| account.bytes.set(account.bytes.get().saturating_sub(bytes)));
}

impl Account {
    fn stop(&self, reason: Stop) {
        if self.stop.get().is_none() {
            self.stop.set(Some(reason));
        }
    }

    fn tick(&self, steps: u64) -> bool {
        if self.stop.get().is_some() {
            return false;
        }
        let Some(left) = self.steps.get().checked_sub(steps) else {
            self.stop(Stop::Steps);
            return false;
        };
        self.steps.set(left);
        match self.look_in.get().checked_sub(steps) {
            Some(look_in) => self.look_in.set(look_in),
            None => {
                self.look_in.set(STEPS_PER_LOOK);
                if self.time.get().is_some_and(|(start, time)| start.elapsed() > time) {
                    self.stop(Stop::Slow);
                    return false;
                }
            }
        }
        true
    }
}

/// Where the stack is now, as a number to compare with another.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}
