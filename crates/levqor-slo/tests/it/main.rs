//! Documents as operators write them, hostile ones, and a thousand histories in virtual time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it is")]

mod documents;
mod hostile;
mod replay;
