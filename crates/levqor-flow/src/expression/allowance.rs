//! What several evaluations of this thread may use together.
//!
//! [`Bounds`](super::Bounds) hold for one evaluation. One task may have ten thousands of them, and a thread may be lent for a
//! moment only. So the machine opens an allowance around each of its steps, and whoever lends it a thread opens one around the
//! slice. Both are kept per thread: a step and a slice run on one.
//!
//! What a step may use is counted the same on every machine, so using it up is an error of the expression. What a slice may use
//! is nobody's concern but the lender's: the evaluation is given up, and made again in another slice.

use std::cell::Cell;

use super::ExpressionError;

/// How many steps there are still. None: as many as one likes.
#[derive(Debug, Clone, Copy)]
struct Left {
    /// With how many there were.
    step: Option<(u64, u64)>,
    slice: Option<u64>,
}

thread_local! {
    static LEFT: Cell<Left> = const { Cell::new(Left { step: None, slice: None }) };
}

/// Closes the allowance when it is dropped.
#[derive(Debug)]
pub(crate) enum Allowance {
    Step { before: Option<(u64, u64)> },
    Slice { before: Option<u64> },
}

/// Opens what the expressions of one step of a run may use together.
pub(crate) fn step(steps: u64) -> Allowance {
    LEFT.with(|left| {
        let before = left.get().step;
        left.set(Left { step: Some((steps, steps)), ..left.get() });
        Allowance::Step { before }
    })
}

/// Opens what may be used until the thread is given back.
pub(crate) fn slice(steps: u64) -> Allowance {
    LEFT.with(|left| {
        let before = left.get().slice;
        left.set(Left { slice: Some(steps), ..left.get() });
        Allowance::Slice { before }
    })
}

impl Drop for Allowance {
    fn drop(&mut self) {
        LEFT.with(|left| match *self {
            Allowance::Step { before } => left.set(Left { step: before, ..left.get() }),
            Allowance::Slice { before } => left.set(Left { slice: before, ..left.get() }),
        });
    }
}

/// Which bound an evaluation meets first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Evaluation,
    /// With what there was at the beginning of the step.
    Step(u64),
    Slice,
}

impl Limit {
    /// What an evaluation that needs more than `granted` steps has met.
    pub(super) fn error(self, granted: u64) -> ExpressionError {
        match self {
            Limit::Evaluation => ExpressionError::TooManySteps(granted),
            Limit::Step(together) => ExpressionError::TooManyStepsTogether(together),
            Limit::Slice => ExpressionError::Unfinished,
        }
    }
}

/// The steps that an evaluation gets which may have `steps` by itself. Of equal bounds the one that is the same everywhere counts.
pub(super) fn granted(steps: u64) -> (u64, Limit) {
    let left = LEFT.with(Cell::get);
    let mut granted = (steps, Limit::Evaluation);
    if let Some((step, together)) = left.step
        && step < granted.0
    {
        granted = (step, Limit::Step(together));
    }
    if let Some(slice) = left.slice
        && slice < granted.0
    {
        granted = (slice, Limit::Slice);
    }
    granted
}

/// An evaluation has used `steps`.
pub(super) fn spend(steps: u64) {
    LEFT.with(|left| {
        let now = left.get();
        left.set(Left {
            step: now.step.map(|(left, together)| (left.saturating_sub(steps), together)),
            slice: now.slice.map(|left| left.saturating_sub(steps)),
        });
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::expression::{Bounds, Expression};

    /// Uses between a thousand and ten thousand steps.
    fn thousand() -> Result<Value, ExpressionError> {
        Expression::compile("[range(1000)] | length", &[]).unwrap().evaluate(
            &Value::Null,
            &|_| Value::Null,
            &Bounds::default(),
        )
    }

    #[test]
    fn evaluations_share_what_there_is() {
        {
            let _step = step(20_000);
            let mut done = 0;
            let error = loop {
                match thousand() {
                    Ok(length) => assert_eq!(length, json!(1000)),
                    Err(error) => break error,
                }
                done += 1;
            };
            assert!((2..=20).contains(&done), "{done}");
            assert_eq!(error, ExpressionError::TooManyStepsTogether(20_000));
            assert_eq!(thousand(), Err(ExpressionError::TooManyStepsTogether(20_000)), "it is used up");
            {
                let _inner = step(20_000);
                assert_eq!(thousand(), Ok(json!(1000)), "the next step has its own");
            }
            assert!(thousand().is_err(), "and leaves that of the one around");
        }
        assert_eq!(thousand(), Ok(json!(1000)), "and what is outside has none");
    }

    #[test]
    fn a_slice_ends_before_a_step_does_unless_both_end_at_once() {
        let _slice = slice(100);
        assert_eq!(thousand(), Err(ExpressionError::Unfinished));
        let _step = step(100);
        let _fresh = slice(100);
        assert_eq!(thousand(), Err(ExpressionError::TooManyStepsTogether(100)));
    }
}
