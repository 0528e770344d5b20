//! Where errors of the server are told.

use levqor_model::Region;
use levqor_server::{
    Environment,
    error_reporter::{About, ErrorReporter},
};

use super::Reader;

impl Reader<'_> {
    pub(super) fn error_reporter(
        &mut self,
        region: Option<&Region>,
        environment: Environment,
    ) -> Option<ErrorReporter> {
        const NAME: &str = "errors.sentry_dsn";
        let dsn = self.text(NAME).to_owned();
        if dsn.is_empty() {
            return None;
        }
        let about = About {
            release: format!("levqor@{}", env!("CARGO_PKG_VERSION")),
            environment: match environment {
                Environment::Production => "production".to_owned(),
                Environment::Development => "development".to_owned(),
            },
            region: region.map_or_else(String::new, |region| region.code.to_string()),
        };
        match ErrorReporter::new(&dsn, about) {
            Ok(reporter) => Some(reporter),
            Err(problem) => {
                self.complain(NAME, "the value is no DSN", problem);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::resolved;

    #[test]
    fn a_dsn_is_taken_and_another_text_is_refused_without_being_shown() {
        assert!(resolved("", &[]).unwrap().error_reporter.is_none());
        let set = [("SENTRY_DSN", "https://key@sentry.example.com/42")];
        assert_eq!(resolved("", &set).unwrap().error_reporter.unwrap().host(), "sentry.example.com");
        let refusal = resolved("", &[("SENTRY_DSN", "hunter2")]).unwrap_err();
        assert!(
            refusal.contains("environment SENTRY_DSN: errors.sentry_dsn: the value is no DSN"),
            "{refusal}"
        );
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}
