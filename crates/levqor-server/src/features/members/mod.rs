//! Who belongs to the account, and as what.
//!
//! An account keeps an owner; only owners make owners and touch them; nobody gives a role above their own, and so nobody raises
//! themselves. Who is lowered, raised or removed is signed out of the account in the same transaction: on this node at once, on others
//! within the seconds that they remember callers for.

mod routes;
pub mod service;

pub use routes::api;
