//! What the log calls an error is told to whoever collects errors, too.

use std::{collections::BTreeMap, fmt};

use levqor_model::{Clock, SystemClock};
use levqor_server::error_reporter::{ErrorReporter, Occurrence};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// Of this program's own modules only: the reporter's client must not tell of itself.
const OURS: &str = "levqor";
/// Fields that become tags; the others are in the log.
const TAGS_MAX: usize = 8;

#[derive(Debug)]
pub struct ErrorLayer(pub ErrorReporter);

impl<S: Subscriber> Layer<S> for ErrorLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR || !metadata.target().starts_with(OURS) {
            return;
        }
        let mut found = Found::default();
        event.record(&mut found);
        self.0.report(Occurrence {
            at: SystemClock.now(),
            message: found.message,
            logger: metadata.target().to_owned(),
            is_error: true,
            tags: found.tags,
        });
    }
}

#[derive(Default)]
struct Found {
    message: String,
    tags: BTreeMap<String, String>,
}

impl Visit for Found {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else if self.tags.len() < TAGS_MAX {
            self.tags.insert(field.name().to_owned(), text.chars().take(200).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use levqor_server::error_reporter::{About, Told};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn errors_of_this_program_are_told_and_nothing_else() {
        let about = About { release: String::new(), environment: String::new(), region: String::new() };
        let reporter = ErrorReporter::new("http://key@127.0.0.1:9/1", about).unwrap();
        let subscriber = tracing_subscriber::registry().with(ErrorLayer(reporter.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "levqor_server::background", job = "prune", "it panicked");
            tracing::warn!(target: "levqor_server::background", "it will try again");
            tracing::error!(target: "hyper", "a stranger's error");
        });
        assert_eq!((reporter.queued(), reporter.told()), (1, Told::default()));
    }
}
