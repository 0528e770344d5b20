//! Agreeing to what a key signed that was given up with its keyring.

use levqor_model::{
    Timestamp,
    audit::{Acceptance, KEY_ACCEPTED, OtherKey},
};
use serde_json::{Value, json};

use super::{Note, note};
use crate::{Error, Store};

impl Store {
    /// Notes what an operator agreed to; `told` is the key as they saw it.
    pub async fn accept_audit_key(
        &self,
        acceptance: Acceptance,
        told: &OtherKey,
        at: Timestamp,
    ) -> Result<(), Error> {
        let mut details = json!(acceptance);
        if let Value::Object(details) = &mut details {
            details.insert("checkpoints".to_owned(), json!(told.checkpoints));
            details.insert("chains".to_owned(), json!(told.chains));
        }
        self.write(move |session| {
            let at = session.now(at)?;
            let subject = &acceptance.accepted;
            note(session, Note { kind: KEY_ACCEPTED, at, account: None, subject, details })
        })
        .await
    }
}
