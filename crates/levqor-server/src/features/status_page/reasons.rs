//! Why a part is not well, in words that everybody may read.
//!
//! Whoever looks at a part writes down what they found, for operators: names and addresses of machines, what a driver said, numbers of
//! runs. Everybody else is told of what kind it is, in words that stand here and nowhere else, so that nothing of the text can get out.

/// Whom something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Everybody,
    Operator,
}

impl Reader {
    /// The reason of a sample as this reader gets it.
    pub(super) fn reason(self, reason: &str) -> String {
        match self {
            Reader::Everybody => for_everybody(reason).to_owned(),
            Reader::Operator => reason.to_owned(),
        }
    }
}

/// What tells that something is of a kind, and the words for it. The first that fits counts, so what is more particular comes first.
const KINDS: [(&[&str], &str); 11] = [
    (&["certificate", "tls"], "its certificate is not in order"),
    (&["name server", "has no record", "dns"], "its name cannot be looked up"),
    (&["shutting down", "draining"], "is being stopped"),
    (&["schema is at"], "is being brought up to date"),
    (&["bytes are free", "disk is full"], "is short of space"),
    (&["is stuck"], "stands still"),
    (&["clock"], "its clock is not right"),
    (&["writes wait"], "is overloaded"),
    (&["it took"], "is slow"),
    (
        &["it answered", "did not answer 200", "redirected", "its answer", "not as it must be"],
        "answers with errors",
    ),
    (
        &["no answer", "not answer", "within", "refused", "connect", "reach", "could not be asked", "lease"],
        "does not answer",
    ),
];

/// What is of no kind that is known.
const OTHERWISE: &str = "is not well";

fn for_everybody(reason: &str) -> &'static str {
    let reason = reason.to_lowercase();
    let kind = KINDS.iter().find(|(signs, _)| signs.iter().any(|sign| reason.contains(sign)));
    kind.map_or(OTHERWISE, |(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reasons as nodes and probes write them.
    #[test]
    fn everybody_is_told_of_what_kind_it_is_and_nothing_else() {
        let rows = [
            ("the database did not answer within 3 s", "does not answer"),
            ("/health could not be asked: Connection refused (os error 111)", "does not answer"),
            ("no answer within 1000 ms", "does not answer"),
            ("/health did not answer 200", "answers with errors"),
            ("it answered 503", "answers with errors"),
            ("its answer is not as it must be: .ok", "answers with errors"),
            ("it took 812 ms; at most 500 are wanted", "is slow"),
            ("its certificate ended on 2026-11-01", "its certificate is not in order"),
            ("db-7.internal has no record A", "its name cannot be looked up"),
            ("the name server answered SERVFAIL", "its name cannot be looked up"),
            ("1024 bytes are free where the database lives; at least 65536 are needed", "is short of space"),
            ("run run_01J8 is stuck, and 3 more: nobody drives it", "stands still"),
            ("the schema is at 30, this build expects 36", "is being brought up to date"),
            ("this node has no live lease in the database", "does not answer"),
            ("the node is shutting down", "is being stopped"),
            ("512 writes wait for the database, as many as may", "is overloaded"),
            ("role \"levqor\" of 10.1.2.3 is not permitted to log in", "is not well"),
            ("", "is not well"),
        ];
        for (reason, expected) in rows {
            assert_eq!(Reader::Everybody.reason(reason), expected, "{reason}");
            assert_eq!(Reader::Operator.reason(reason), reason);
        }
    }
}
