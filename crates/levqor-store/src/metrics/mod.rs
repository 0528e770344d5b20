//! Series of measurements, kept at three grains: what nodes measure every ten seconds, and what is made of it by merging, a minute and
//! an hour.
//!
//! ```text
//! nodes ─► write ─► rows of 10 s ─┐
//!                                 ├─ roll ─► rows of 1 min ─┐
//!                                 │                         ├─ roll ─► rows of 1 h
//! query ◄─ read ◄─ the grain asked for, and of the finer ones what is not rolled up yet
//! ```
//!
//! A row holds all series of one name in one step, packed (`pack`): a few dozen rows a step instead of ten thousand, and a question
//! reads the rows of its name only.
//!
//! Invariants: a row is in the next coarser grain if and only if it says `rolled`, as both are written in one transaction. So whatever is
//! read counts everything once, however late rows come. What a node writes twice, since it did not hear of the first time, is there once:
//! its batch has a number.

pub use levqor_model::{Histogram, Point, SeriesKind, SeriesPoints, SeriesQuery};

mod pack;
mod read;
mod roll;
mod write;
