//! Messages of the server's own, brought to addresses outside: what operators want to be told, and those who subscribed.
//!
//! Whoever delivers decides what and when; here is how, within bounds: one `POST`, signed when there is a secret, no redirect, a few
//! seconds, a small answer. The same message has the same id however often it comes.
//!
//! Invariants: what the operator lets workflows reach, those who subscribed do not reach; no part of an address but its host is in a
//! problem, whatever the receiver repeats of it.

use std::{fmt, time::Duration};

use levqor_flow::machine::Outcome;
use levqor_model::{Secret, Timestamp};
use url::Url;

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
            far: bounded(Vec::new()),
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
        match client.tell(&request).await {
            Outcome::Output(_) => Ok(()),
            Outcome::Failed { error, answered } => {
                let problem = error.detail.or(error.title).unwrap_or(error.kind);
                let problem = without_address(&problem, &parcel.url);
                let plain = problem.chars().map(|char| if char.is_control() { ' ' } else { char });
                Err(NotDelivered {
                    problem: plain.take(PROBLEM_CHARS_MAX).collect(),
                    status: answered.then_some(error.status),
                })
            }
        }
    }
}

/// Without what may prove who sends: receivers like to repeat the address that they do not know.
fn without_address(problem: &str, address: &str) -> String {
    /// Shorter parts prove nothing, and are parts of words.
    const TOLD_CHARS_MAX: usize = 5;
    let Ok(url) = Url::parse(address) else { return problem.to_owned() };
    let query = url.query().unwrap_or_default();
    let parts = url.path().split('/').chain(query.split(['&', '='])).chain([url.path(), query]);
    let mut parts: Vec<&str> = parts.filter(|part| part.len() > TOLD_CHARS_MAX).collect();
    // The longest first, so that no rest of one is left.
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts.into_iter().fold(problem.to_owned(), |text, part| text.replace(part, "…"))
}

/// Whether a text is a secret of Standard Webhooks whose key is as long as it should be.
pub fn is_secret(text: &str) -> bool {
    signing::is_secret(text)
}

#[cfg(test)]
mod tests {
    use levqor_testkit::{HttpStub, Reply, Route};

    use super::*;

    fn courier() -> Courier {
        let policy =
            egress::Policy { allow: vec!["127.0.0.1".parse().unwrap()], ..egress::Policy::default() };
        Courier::new(&policy, "0")
    }

    async fn bring(stub: &HttpStub, path: &str, near: bool) -> Result<(), NotDelivered> {
        let (id, url, body) = ("ntf_1".to_owned(), stub.url(path), "{}".to_owned());
        let parcel = Parcel { id, url, body, secret: None, near };
        courier().deliver(&parcel, Timestamp::from_seconds(1_795_500_000)).await
    }

    /// Otherwise it would come again and again to somebody who has it.
    #[tokio::test]
    async fn who_says_that_they_have_it_has_it_whatever_else_they_say() {
        let stub = HttpStub::start().await;
        for (path, reply) in [
            ("/much", Reply::text(&"x".repeat(ANSWER_BYTES_MAX + 1))),
            ("/broken", Reply::text("{").header("content-type", "application/json")),
            ("/nothing", Reply::status(204)),
        ] {
            stub.route(Route::new(path).reply(reply));
            assert_eq!(bring(&stub, path, true).await, Ok(()), "{path}");
        }
        // It is not sent on: whoever answers may lead anywhere.
        stub.route(Route::new("/moved").reply(Reply::redirect(307, &stub.url("/much"))));
        assert_eq!(bring(&stub, "/moved", true).await.unwrap_err().status, Some(307));
        assert_eq!(stub.requests_to("/much").len(), 1);
    }

    #[tokio::test]
    async fn a_stranger_reaches_nothing_that_workflows_may_reach() {
        let stub = HttpStub::start().await;
        let refused = bring(&stub, "/hook", false).await.unwrap_err();
        assert!(refused.problem.contains("loopback"), "{refused:?}");
        assert_eq!(stub.count(), 0);
    }

    #[tokio::test]
    async fn what_a_receiver_repeats_of_the_address_is_not_told() {
        let stub = HttpStub::start().await;
        let said = "Cannot POST /services/T0123456/hunter2hunter2?token=hunter3 (hunter2hunter2)";
        stub.route(Route::new("/services/T0123456/hunter2hunter2").reply(Reply::text(said).with_status(404)));
        let path = "/services/T0123456/hunter2hunter2?token=hunter3";
        let refused = bring(&stub, path, true).await.unwrap_err();
        assert_eq!(refused.status, Some(404));
        for secret in ["hunter2", "hunter3", "T0123456"] {
            assert!(!refused.problem.contains(secret), "{refused:?}");
        }
        assert!(refused.problem.contains("404: Cannot POST"), "{refused:?}");
    }
}
