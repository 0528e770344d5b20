//! Mail leaves through one SMTP server that the operator names.
//!
//! ```text
//! function `email` ─► Message (checked addresses) ─► Mailer: a turn, one pool of connections ─► SMTP server
//! ```
//!
//! Invariants: the address of the server, which may hold a password, is in no log and no error; a message that is sent again
//! has the same `Message-ID`; a value can never become a header of its own.

mod function;
mod message;
mod server;

pub use function::EmailFunction;
pub use message::{Invalid, Message};
pub use server::{MailServer, Mailer, NotSent};
