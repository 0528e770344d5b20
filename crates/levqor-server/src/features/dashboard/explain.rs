//! What an error of a run means, and what to do about it.

use levqor_flow::machine::{FlowError, REFUSED};

/// The last part of the error's type: `timeout` of `https://…/errors/timeout`.
pub(super) fn short_kind(error: &FlowError) -> &str {
    error.kind.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&error.kind)
}

/// One or two sentences for people who did not write the workflow.
pub(super) fn explain(error: &FlowError) -> &'static str {
    if !error.kind.starts_with("https://serverlessworkflow.io/spec/") {
        return "The workflow raised this error itself, or a service that it called did. Its type says which.";
    }
    match (short_kind(error), error.status) {
        ("communication", 401 | 403) => {
            "The called service refused the caller. Check the credentials that the call sends."
        }
        ("communication", 404) => "The called service knows nothing at that address. Check the endpoint.",
        ("communication", 429) => {
            "The called service asks for fewer requests. A retry with a longer delay usually helps."
        }
        ("communication", 400..500) => {
            "The called service did not accept the request. Compare the task's input with what the service expects."
        }
        ("communication", _) => {
            "The called service failed or could not be reached. Retry when it is back, or put the call into a `try` with a retry policy."
        }
        ("timeout", _) => {
            "A time limit ran out. Retry if the delay was a passing one, or raise the `timeout` of the task."
        }
        ("expression", _) => {
            "An expression could not be evaluated on this data. Open the failed task and compare its input with the expression."
        }
        ("validation", _) => {
            "Data did not have the shape that the workflow asks for. Compare the input below with the schema."
        }
        ("authentication", _) => "The workflow could not prove who it is. Check the credentials of the call.",
        ("authorization", _) if error.title.as_deref() == Some(REFUSED) => {
            "A person was asked whether this may happen, and said no. A retry asks again."
        }
        ("authorization", _) => {
            "The called service knows the caller and still says no. Check what the credentials of the call may do."
        }
        ("configuration", _) => {
            "Something that the workflow needs is not set up or not allowed on this server: an address, a secret, another workflow."
        }
        _ => "The task failed while it ran. The detail and the failed task say more.",
    }
}

#[cfg(test)]
mod tests {
    use levqor_flow::machine::ErrorKind;

    use super::*;

    #[test]
    fn every_standard_error_has_words_of_its_own() {
        let kinds = [
            ErrorKind::Configuration,
            ErrorKind::Validation,
            ErrorKind::Expression,
            ErrorKind::Authentication,
            ErrorKind::Authorization,
            ErrorKind::Timeout,
            ErrorKind::Communication,
            ErrorKind::Runtime,
        ];
        let words: std::collections::HashSet<_> =
            kinds.iter().map(|kind| explain(&kind.error("", ""))).collect();
        assert_eq!(words.len(), kinds.len());
        let own = FlowError {
            kind: "https://shop.example/errors/late".to_owned(),
            status: 400,
            title: None,
            detail: None,
            instance: String::new(),
        };
        assert!(explain(&own).contains("raised"));
        assert_eq!(short_kind(&own), "late");
    }
}
