//! Identifiers: a prefix that says what it is, and a ULID that sorts by the time it was made.
//!
//! Source: ULID specification, <https://github.com/ulid/spec>.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use crate::{Random, Timestamp};

/// Why a text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("an id of this kind starts with \"{expected}\"")]
    Prefix { expected: &'static str },
    #[error(
        "after \"{prefix}\" an id has 26 characters of Crockford base 32 (digits and upper case letters)"
    )]
    Body { prefix: &'static str },
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, from the injected clock's reading and randomness.
            pub fn new(now: Timestamp, random: &dyn Random) -> Self {
                let high = u128::from(random.u64());
                let low = u128::from(random.u64());
                // A ULID keeps the lower 80 bits.
                Self(Ulid::from_parts(now.as_millis().max(0) as u64, (high << 64) | low))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let body = text.strip_prefix($prefix).ok_or(IdError::Prefix { expected: $prefix })?;
                // Ids are compared as text in the store, so only the canonical spelling is an id.
                let ulid = Ulid::from_string(body).map_err(|_| IdError::Body { prefix: $prefix })?;
                if ulid.to_string() != body {
                    return Err(IdError::Body { prefix: $prefix });
                }
                Ok(Self(ulid))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/// A tenant.
    AccountId, "acc_");
id!(/// A person.
    UserId, "usr_");
id!(/// An API key (its public half; the secret is never stored).
    KeyId, "key_");
id!(/// A sign-in session.
    SessionId, "ses_");
id!(/// A magic link.
    LinkId, "lnk_");
id!(/// An invitation to an account.
    InvitationId, "inv_");
id!(/// A workflow, over all its versions.
    WorkflowId, "wf_");
id!(/// One execution of a workflow.
    RunId, "run_");
id!(/// One `levqor serve` process.
    NodeId, "node_");
id!(/// One HTTP request.
    RequestId, "req_");
id!(/// One AI conversation.
    ConversationId, "cnv_");
id!(/// An address that starts a workflow.
    WebhookId, "whk_");
id!(/// A decision of a person that a run waits for.
    ApprovalId, "apr_");
id!(/// A key of the server's keyring; it names the key and gives nothing of it away.
    RingKeyId, "rky_");
id!(/// A message to people or to other systems.
    NotificationId, "ntf_");
id!(/// Something that is not as it should be, from when it was seen until it was over.
    AlertId, "alr_");
id!(/// A time in which alerts of a kind tell nobody.
    SilenceId, "sil_");
id!(/// A disturbance that people deal with.
    IncidentId, "inc_");
id!(/// What is to be done after an incident.
    ActionItemId, "act_");
id!(/// A time in which operators work on the platform.
    MaintenanceId, "mnt_");
id!(/// Somebody who wants to hear of the platform's state.
    SubscriptionId, "sub_");
id!(/// What an operator says of the platform's state.
    DeclarationId, "dcl_");
id!(/// A support request.
    TicketId, "tkt_");
id!(/// A consultation that was booked.
    ConsultationId, "csl_");
id!(/// Somebody who left an address.
    LeadId, "led_");
id!(/// An answer to the survey about the trial.
    FeedbackId, "fbk_");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRandom;

    #[test]
    fn an_id_survives_its_text_and_sorts_by_time() {
        let random = SeededRandom::new(7);
        let early = RunId::new(Timestamp::from_micros(1_000_000), &random);
        let late = RunId::new(Timestamp::from_micros(9_000_000), &random);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!(early < late && early.to_string() < late.to_string());
    }

    #[test]
    fn what_is_not_an_id_says_why() {
        let rows = [
            ("wf_01ARZ3NDEKTSV4RRFFQ69G5FAV", IdError::Prefix { expected: "run_" }),
            ("run_", IdError::Body { prefix: "run_" }),
            ("run_01ARZ3NDEKTSV4RRFFQ69G5FA", IdError::Body { prefix: "run_" }),
            ("run_01arz3ndektsv4rrffq69g5fav", IdError::Body { prefix: "run_" }),
            ("run_ÿÿÿÿÿÿÿÿÿÿÿÿÿ", IdError::Body { prefix: "run_" }),
        ];
        for (text, error) in rows {
            assert_eq!(text.parse::<RunId>(), Err(error), "{text}");
        }
    }
}
