//! Connections of strangers, before anybody reads requests from them: what the HTTP library settles silently is refused here,
//! who does not read what is sent is let go, and nobody has more connections than their share.
//!
//! Nodes and the edge have the same doubts about the same bytes, and neither may know the other; so this knows neither, nor HTTP
//! beyond where a request ends.

mod crowd;
mod framing;

pub use crowd::{CROWDED, Crowd, One, network};
pub use framing::{Ambiguous, Guarded, HEAD_BYTES_MAX, Scanner};
