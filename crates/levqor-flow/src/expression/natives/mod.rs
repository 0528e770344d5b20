//! The functions that are written in Rust; `prelude.jq` builds the rest on them.
//!
//! Only what is pure is here: no clock, no environment, no input, no output, no exit. Each function pays for
//! its work and its memory from the [`budget`](super::budget) before it does it.

mod control;
mod format;
mod lists;
mod maths;
mod paths;
mod regex;
mod text;
mod time;

use jaq_core::native::Fun;
use jaq_core::{Bind, RunPtr};

use super::value::Val;

pub(super) use control::{FORK, LINK, LOOP, TICK};
pub(super) use lists::indices;

/// What the evaluator is instantiated with: our values, and no data besides the program.
pub(super) type Jq = jaq_core::data::JustLut<Val>;

type Native = (&'static str, Box<[Bind]>, RunPtr<Jq>);

/// A native function from a body; a plain `fn`, so that its lifetimes are those that the library asks for.
macro_rules! native {
    ($name:expr, $args:expr, |$cv:pat_param| $body:expr) => {{
        fn run<'a>(
            $cv: jaq_core::Cv<'a, $crate::expression::natives::Jq>,
        ) -> $crate::expression::value::ValXs<'a> {
            $body
        }
        ($name, $args, run as jaq_core::RunPtr<$crate::expression::natives::Jq>)
    }};
}

/// A function of the input alone.
macro_rules! of_input {
    ($name:expr, $f:expr) => {
        $crate::expression::natives::native!($name, jaq_core::native::v(0), |cv| jaq_core::native::bome($f(
            cv.1
        )))
    };
}

/// A function of the input and one argument, for each of the argument's values.
macro_rules! of_one {
    ($name:expr, $f:expr) => {
        $crate::expression::natives::native!($name, jaq_core::native::v(1), |mut cv| {
            let a = cv.0.pop_var();
            jaq_core::native::bome($f(cv.1, a))
        })
    };
}

/// A function of the input and two arguments.
macro_rules! of_two {
    ($name:expr, $f:expr) => {
        $crate::expression::natives::native!($name, jaq_core::native::v(2), |mut cv| {
            let b = cv.0.pop_var();
            let a = cv.0.pop_var();
            jaq_core::native::bome($f(cv.1, a, b))
        })
    };
}

use {native, of_input, of_one, of_two};

/// All native functions.
pub(super) fn all() -> impl Iterator<Item = Fun<Jq>> {
    let plain = [
        format::natives(),
        lists::natives(),
        maths::natives(),
        paths::natives(),
        regex::natives(),
        text::natives(),
        time::natives(),
    ];
    control::natives().chain(plain.into_iter().flatten().map(|native| jaq_core::native::run::<Jq>(native)))
}
