//! Messages of the server's own, brought to addresses outside: what operators want to be told, and those who subscribed.
//!
//! Whoever delivers decides what and when; here is how, within bounds: one `POST`, signed when there is a secret, no redirect, a few
//! seconds, a small answer. The same message has the same id however often it comes.

use std::{fmt, time::Duration};

use levqor_flow::machine::Outcome;
use levqor_model::{Secret, Timestamp};

use crate::{
    egress::{self, Network, PRIVATE},
    signing,
};

/// Longest time for one delivery, answer included.
pub const DELIVERY_TIME_MAX: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How much of it is told when it is no good.
const PROBLEM_CHARS_MAX: usize = 300;

/// A message on its way.
#[derive(Clone)]
pub struct Parcel {
    /// By which the receiver knows it when it comes again.
    pub id: String,
    pub url: String,
    /// JSON.
    pub body: String,
    /// Signs it as Standard Webhooks has it.
    pub secret: Option<Secret>,
    /// The operator has named the address, so it may be near; others may only name public ones.
    pub near: bool,
}

impl fmt::Debug for Parcel {
    /// Addresses of such messages may hold what proves who sends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel").field("id", &self.id).field("near", &self.near).finish_non_exhaustive()
    }
}

/// Why a message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDelivered {
    pub problem: String,
    /// The status of the answer; None: there was none.
    pub status: Option<i64>,
}

/// Delivers messages.
#[derive(Debug)]
pub struct Courier {
    near: egress::Client,
    far: egress::Client,
}

impl Courier {
    pub(crate) fn new(policy: &egress::Policy, version: &str) -> Self {
        let bounded = |allow: Vec<Network>| {
            let policy = egress::Policy {
                allow,
                timeout: DELIVERY_TIME_MAX,
                response_bytes_max: ANSWER_BYTES_MAX,
                rewrites: Vec::new(),
                ..policy.clone()
            };
            egress::Client::new(policy, version)
        };
        let private = PRIVATE.iter().filter_map(|network| network.parse::<Network>().ok());
        Self {
            near: bounded(policy.allow.iter().copied().chain(private).collect()),
            far: bounded(policy.allow.clone()),
        }
    }

    /// Brings a message; done when the receiver has answered 2xx. Cancel safe: dropped, it closes the connection.
    ///
    /// # Errors
    /// [`NotDelivered`], without any part of the address but its host.
    pub async fn deliver(&self, parcel: &Parcel, now: Timestamp) -> Result<(), NotDelivered> {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let plain = || vec![("webhook-id".to_owned(), parcel.id.clone())];
        headers.extend(match &parcel.secret {
            None => plain(),
            Some(secret) => {
                let signed = signing::signed_as(secret.expose(), &parcel.id, now.as_seconds(), &parcel.body);
                signed.ok_or_else(|| NotDelivered {
                    problem: "the secret is not whsec_ and Base 64".to_owned(),
                    status: None,
                })?
            }
        });
        let request = egress::post(parcel.id.clone(), parcel.url.clone(), headers, parcel.body.clone());
        let client = if parcel.near { &self.near } else { &self.far };
        match client.call(&request).await {
            Outcome::Output(_) => Ok(()),
            Outcome::Failed { error, answered } => {
                let problem = error.detail.or(error.title).unwrap_or(error.kind);
                let plain = problem.chars().map(|char| if char.is_control() { ' ' } else { char });
                Err(NotDelivered {
                    problem: plain.take(PROBLEM_CHARS_MAX).collect(),
                    status: answered.then_some(error.status),
                })
            }
        }
    }
}

/// Whether a text is a secret of Standard Webhooks whose key is as long as it should be.
pub fn is_secret(text: &str) -> bool {
    signing::is_secret(text)
}
