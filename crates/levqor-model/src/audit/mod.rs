//! The evidence log (audit): records in chains, each holding the hash of the one before it, and checkpoints that are signed.
//!
//! ```text
//! chain of node A   1 ◄── 2 ◄── 3 ◄── 4 (checkpoint: signs 3, and B's 2) ◄── 5
//! chain of node B   1 ◄── 2 ◄── 3 (checkpoint: signs 2, and A's 4) ◄── …
//! ```
//!
//! Each process that writes has a chain of its own, so nodes need not agree on an order. A checkpoint signs its own chain so
//! far and the ends of the others, so a chain cannot be cut off or dropped without one that still names it. What no later
//! record names is named by witnesses: ends of chains that nodes keep outside of the database.
//!
//! One key signs for the whole installation. When it was given up with its keyring, what it signed is believed once an operator has
//! agreed to exactly that, and the next key has signed it.
//!
//! Pure: this verifies records from anywhere, a database or a file, without either.

mod acceptance;
mod checkpoint;
mod finding;
mod mask;
mod others;
mod record;
#[cfg(test)]
mod tests;
mod verify;

/// What the first line of an export says of the rest.
pub const EXPORT_FORMAT: &str = "levqor audit 1";

pub use acceptance::{Acceptance, KEY_ACCEPTED};
pub use checkpoint::{CHECKPOINT, Checkpoint, Head, Heads, SignedHeads};
pub use finding::Finding;
pub use mask::{masked_address, masked_email};
pub use others::OtherKey;
pub use record::{Record, RecordHash};
pub use verify::{Report, Verifier};
