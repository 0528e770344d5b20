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
const TAG_CHARS_MAX: usize = 200;

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
        let Found { message, tags } = found;
        let logger = metadata.target().to_owned();
        self.0.report(Occurrence { at: SystemClock.now(), message, logger, is_error: true, tags });
    }
}

#[derive(Default)]
struct Found {
    message: String,
    tags: BTreeMap<String, String>,
}

impl Found {
    fn take(&mut self, field: &Field, text: String) {
        if field.name() == "message" {
            self.message = text;
        } else if self.tags.len() < TAGS_MAX {
            self.tags.insert(field.name().to_owned(), text.chars().take(TAG_CHARS_MAX).collect());
        }
    }
}

impl Visit for Found {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }

    /// Without the quotes that the other has.
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

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
    #[test]
    fn fields_are_tags_as_they_are() {
        /// Keeps what events say.
        struct Keeper(Arc<Mutex<Vec<Found>>>);

        impl<S: Subscriber> Layer<S> for Keeper {
            fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
                let mut found = Found::default();
                event.record(&mut found);
                self.0.lock().unwrap().push(found);
            }
        }

        let kept = Arc::default();
        let subscriber = tracing_subscriber::registry().with(Keeper(Arc::clone(&kept)));
        tracing::subscriber::with_default(subscriber, || {
            let place = "a.rs:1";
            tracing::error!(job = "prune", place = %place, tries = 3, "it broke");
        });
        let kept = kept.lock().unwrap();
        let tags: Vec<_> = kept[0].tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(kept[0].message, "it broke");
        assert_eq!(tags, [("job", "prune"), ("place", "a.rs:1"), ("tries", "3")]);
    }
}
