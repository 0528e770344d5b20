//! Agreeing to what a key signed that was given up with its keyring.
//!
//! The next key cannot know whose the signatures of before are. An operator can, who has noted the old public key: they name it, with
//! the digest of all that it signed, and this node signs that. It refuses while anything else is wrong with the log, so that an
//! agreement is never what a change hides behind. What still other keys signed stays a finding until it is agreed to itself: whoever has
//! lost two secrets agrees to one key after the other.

use levqor_model::{
    PublicKey, TextError,
    audit::{Acceptance, Finding, OtherKey, RecordHash},
    one_line,
};
use levqor_store::audit::Filter;
use serde_json::Value;
use tracing::{info, warn};

use super::service::{Verdict, signing_key, verify_as_if};
use crate::{App, Problem, features::tamper};

/// What an operator must say of the reason.
pub(super) const REASON_CHARS_MAX: usize = 500;
/// What giving up a keyring leaves in the log.
const ABANDONED: &str = "keyring.abandoned";

/// What an operator agrees to.
#[derive(Debug)]
pub(super) struct Wish {
    /// The public key that was given up.
    pub(super) key: String,
    /// The digest of what it signed, as verifying has shown it.
    pub(super) seen: String,
    pub(super) reason: String,
}

/// Agrees to all that the key signed, and has every node verify the log anew.
///
/// # Errors
/// When it is not a key that was given up, when it signed something else by now, and when something else is wrong with the log.
pub(super) async fn accept(app: &App, wish: Wish) -> Result<OtherKey, Problem> {
    let reason = match one_line(&wish.reason, REASON_CHARS_MAX) {
        Ok(reason) => reason.to_owned(),
        Err(TextError::Empty) => {
            let problem = format!("say why the key was given up, in 1 to {REASON_CHARS_MAX} characters");
            return Err(Problem::field("/reason", problem));
        }
        Err(problem) => return Err(Problem::field("/reason", problem.to_string())),
    };
    let key = PublicKey::parse(&wish.key).map_err(|error| {
        Problem::field("/key", format!("{error}; verifying the evidence log names the keys that signed it"))
    })?;
    let seen = serde_json::from_value::<RecordHash>(Value::String(wish.seen)).map_err(|_| {
        Problem::field(
            "/seen",
            "it has 64 hexadecimal digits; verifying the evidence log shows it as the digest of the key",
        )
    })?;
    let signing = signing_key(app).await?;
    if signing.public_key() == key {
        return Err(Problem::field(
            "/key",
            "it is the key that signs now, which needs nobody's agreement; name one that was given up",
        ));
    }
    let abandoned = Filter { kind: Some(ABANDONED.to_owned()), ..Filter::default() };
    if app.store.audit_records(abandoned, None, 1).await?.is_empty() {
        return Err(Problem::field(
            "/key",
            "no keyring was given up here (`levqor keys abandon`), so what another key signed is forged; find out who did it",
        ));
    }
    let acceptance = Acceptance::sign(key, seen, reason, &signing);
    let Verdict { report, .. } = verify_as_if(app, Some(acceptance.clone())).await?;
    let name = key.to_string();
    let Some(other) = report.other_keys.iter().find(|other| other.key == name) else {
        return Err(Problem::field(
            "/key",
            "nothing is signed by it; name one of the other keys that verifying the evidence log shows",
        ));
    };
    if other.digest != seen {
        return Err(Problem::field(
            "/seen",
            format!(
                "the key signed something else by now, {} checkpoints with the digest {}; verify the log again, and agree to what you see then",
                other.checkpoints, other.digest
            ),
        ));
    }
    // Keys are told up to a hundred: what more of them signed counts as anything else does.
    let by_others: u64 = report.other_keys.iter().map(|other| other.findings).sum();
    if report.findings_total > by_others {
        let of_records = report.findings.iter().find(|finding| !is_about_signer(finding));
        let first = of_records.or(report.findings.first()).map(ToString::to_string).unwrap_or_default();
        return Err(Problem::field(
            "/key",
            format!(
                "the log would not be whole with it either: {first}; see to that first, since agreeing must not cover it ({} findings)",
                report.findings_total
            ),
        ));
    }
    app.store.accept_audit_key(acceptance, other, app.now()).await?;
    info!(
        "an operator agreed to what the abandoned key {name} signed: {} checkpoints in {} chains",
        other.checkpoints, other.chains
    );
    // Nodes believe what they verified last, which may be hours old.
    if let Err(problem) = tamper::ask_for_new_hashes(app).await {
        warn!(
            "nodes were not asked to verify the evidence log anew, and do so within hours: {}",
            problem.detail
        );
    }
    Ok(other.clone())
}

/// Whether it says that no trusted key signed something.
fn is_about_signer(finding: &Finding) -> bool {
    matches!(finding, Finding::Forged { .. } | Finding::ForgedAcceptance { .. } | Finding::ForgedHeads { .. })
}
