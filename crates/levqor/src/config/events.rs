//! The sink that the life of runs is told to.

use levqor_engine::sink::Sink;
use levqor_model::Secret;

use super::Reader;

impl Reader<'_> {
    /// None: there is none, or there is a complaint.
    pub(super) fn sink(&mut self) -> Option<Sink> {
        let (url, secret) =
            (self.text("events.sink_url").to_owned(), self.text("events.sink_secret").to_owned());
        if url.is_empty() {
            if !secret.is_empty() {
                let remedy = "set it (LEVQOR_EVENTS_SINK_URL) to where events go, or leave the secret out";
                self.complain("events.sink_url", "is empty, and events.sink_secret is set", remedy);
            }
            return None;
        }
        let sink = match Sink::new(&url) {
            Ok(sink) => sink,
            Err(problem) => {
                self.complain("events.sink_url", problem, "write it like https://events.example.com/levqor");
                return None;
            }
        };
        let sink = if self.text("events.sink_format") == "batch" { sink.batching() } else { sink };
        if secret.is_empty() {
            return Some(sink);
        }
        match sink.signing(Secret::new(secret)) {
            Ok(sink) => Some(sink),
            Err(problem) => {
                let remedy =
                    "make one with `echo whsec_$(openssl rand -base64 32)`, and give it to the receiver";
                self.complain("events.sink_secret", problem, remedy);
                None
            }
        }
    }
}
