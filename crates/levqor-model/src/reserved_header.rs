//! Headers of requests that belong to whoever sends them, not to the author of a workflow.

/// What whoever opens the connection says by itself: a wrong one would desynchronise it.
const OF_THE_CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Why a call must not set the header, and what to do instead, to be read after its name; None when it may. Names have no case.
pub fn reserved_header(name: &str) -> Option<&'static str> {
    OF_THE_CONNECTION
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
        .then_some("belongs to the connection; leave it out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_reserved_in_any_case() {
        for name in
            ["connection", "Content-Length", "TE", "Transfer-Encoding", "Proxy-Authorization", "upgrade"]
        {
            assert_eq!(reserved_header(name), Some("belongs to the connection; leave it out"), "{name}");
        }
        for name in ["", "authorization", "content-type", "idempotency-key", "host", "hosts", "te "] {
            assert_eq!(reserved_header(name), None, "{name}");
        }
    }
}
