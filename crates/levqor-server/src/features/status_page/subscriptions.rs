//! The rules of subscriptions: who may be told, and that they have said so themselves.
//!
//! Invariant: what a stranger is answered, and how soon, is the same whether an address is known or not.

use std::{net::IpAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use levqor_model::{NotificationId, ProblemCode, Random, Secret, Severity, SubscriptionId, Timestamp};
use levqor_store::{
    Error,
    notifications::{NewNotification, Target},
    subscriptions::{
        Confirmed, NewSubscription, SUBSCRIPTIONS_MAX, Subscribed, Subscription, SubscriptionBounds,
        SubscriptionKind,
    },
};
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    limits::{Limits, RETRY_AFTER},
    parts,
};
use crate::{
    App, Environment, Problem,
    features::{audit, sign_in::service as sign_in},
    gateway::{new_token, token_hash},
};

/// How long a link to confirm works.
pub(super) const LINK_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Links that nobody has used, of the last hour.
const OPEN_MAX: usize = 500;
const OPEN_WITHIN: Duration = Duration::from_secs(60 * 60);
/// Every answer takes at least this long, so that its time does not tell whether the address is known.
const ANSWER_TIME: Duration = Duration::from_millis(200);
const URL_CHARS_MAX: usize = 2_000;
const PARTS_MAX: usize = 20;
/// Signed for each subscription's secret, and for nothing else.
const SECRET_PURPOSE: &[u8] = b"levqor status subscription secret 1\n";

/// What somebody wants.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) kind: SubscriptionKind,
    pub(super) address: String,
    pub(super) parts: Vec<String>,
}

/// Where a message for a subscription goes.
#[derive(Debug, Clone)]
pub struct Recipient {
    pub kind: SubscriptionKind,
    /// A mail address, or an address to post to.
    pub address: String,
    /// Of webhooks: `whsec_…`, as Standard Webhooks has it.
    pub secret: Option<Secret>,
    /// For `List-Unsubscribe`; a POST to it ends the subscription (RFC 8058).
    pub unsubscribe_url: String,
}

/// Whoever is behind a notification's [`Target::Subscription`]; None: they want no more, and nothing is to be sent.
///
/// # Errors
/// When the store cannot be read.
pub async fn recipient(app: &App, id: SubscriptionId) -> Result<Option<Recipient>, Error> {
    let Some(found) = app.store.subscription(id).await? else { return Ok(None) };
    let secret = match found.kind {
        SubscriptionKind::Email => None,
        SubscriptionKind::Webhook => Some(secret(app, id).await?),
    };
    Ok(Some(Recipient {
        kind: found.kind,
        unsubscribe_url: format!("{}/status/unsubscribe/{}", app.settings.public_url, found.farewell),
        address: found.address,
        secret,
    }))
}

/// What messages to a webhook are signed with: the same on all nodes, kept nowhere, and nobody can make it who has not the server's own
/// signing key. Signatures of Ed25519 are always the same for the same text, and a hash of one gives nothing of it away.
pub(super) async fn secret(app: &App, id: SubscriptionId) -> Result<Secret, Error> {
    let key = audit::signing_key(app).await?;
    let signature = key.sign(SECRET_PURPOSE, id.to_string().as_bytes());
    Ok(Secret::new(format!("whsec_{}", STANDARD.encode(Sha256::digest(signature)))))
}

/// Has a link sent to an address, whether it is known or not.
///
/// # Errors
/// 422 for what can be no address, and for one of mail where none is sent; 429; 503 when there are too many subscriptions.
pub(super) async fn subscribe(app: &App, network: IpAddr, wish: Wish) -> Result<(), Problem> {
    let wish = checked(app, wish)?;
    if wish.kind == SubscriptionKind::Email && app.mailer.is_none() {
        return Err(Problem::field(
            "/email",
            "cannot be written to, since this server sends no mail; follow /status/history.atom, or subscribe with a webhook",
        ));
    }
    let limits = app.memory(|_| Limits::new());
    if !limits.allow_network(network) {
        return Err(Problem::new(
            ProblemCode::RateLimited,
            "too many subscriptions were asked for from here; try again in a few minutes",
        )
        .retry_after(RETRY_AFTER));
    }
    // Who asks is not told that the address was asked for often: that would tell that somebody else has.
    let sent = async {
        if limits.allow_address(&wish.address) { send_link(app, wish).await } else { Ok(Subscribed::Done) }
    };
    let (sent, ()) = tokio::join!(sent, tokio::time::sleep(ANSWER_TIME));
    match sent? {
        Subscribed::Done => Ok(()),
        Subscribed::Full => Err(full()),
    }
}

/// Has them told from now on who have opened their link; None: the link works no more.
///
/// # Errors
/// 503 when as many are told as may be; the link goes on working.
pub(super) async fn confirm(app: &App, token: &str) -> Result<Option<Subscription>, Problem> {
    let now = app.now();
    let hash = token_hash(token);
    match app.store.confirm_subscription(hash, now - LINK_TTL, now, SUBSCRIPTIONS_MAX).await? {
        Confirmed::Done(confirmed) => Ok(Some(confirmed)),
        Confirmed::Unknown => Ok(None),
        Confirmed::Full => Err(full()),
    }
}

fn full() -> Problem {
    let detail = "no more subscriptions are taken now; try again later, or follow /status/history.atom";
    Problem::new(ProblemCode::Overloaded, detail).retry_after(RETRY_AFTER)
}

async fn send_link(app: &App, wish: Wish) -> Result<Subscribed, Error> {
    let now = app.now();
    let token = new_token(&*app.random);
    let hash = token_hash(&token);
    let new = NewSubscription {
        id: SubscriptionId::new(now, &*app.random),
        kind: wish.kind,
        address: wish.address,
        parts: wish.parts,
        confirm_hash: hash,
        farewell: new_token(&*app.random),
        at: now,
    };
    let bounds = SubscriptionBounds {
        open: OPEN_MAX,
        since: now - OPEN_WITHIN,
        expired: now - LINK_TTL,
        confirmed: SUBSCRIPTIONS_MAX,
    };
    let (site, random) = (app.settings.public_url.clone(), app.random.clone());
    let message = move |subscription: &Subscription, known: bool| {
        if known {
            known_already(subscription, &site, now, &*random)
        } else {
            to_confirm(subscription, &site, &token, now, &*random)
        }
    };
    app.store.subscribe(new, bounds, message).await
}

fn to_confirm(
    subscription: &Subscription,
    site: &str,
    token: &str,
    at: Timestamp,
    random: &dyn Random,
) -> NewNotification {
    let link = format!("{site}/status/confirm/{token}");
    NewNotification {
        id: NotificationId::new(at, random),
        // The store numbers them.
        dedup: String::new(),
        target: Target::Subscription(subscription.id.to_string()),
        severity: Severity::Minor,
        subject: "Confirm that you want to hear of Levqor's state".to_owned(),
        body: format!(
            "Somebody asked that you be told of incidents and maintenance of {site}. If that was you, open this link within 24 hours:\n\n\
             {link}\n\nIf it was not you, do nothing: you will hear no more of it.\n"
        ),
        data: json!({ "type": "subscription.confirm", "confirm_url": link }),
        at,
    }
}

fn known_already(
    subscription: &Subscription,
    site: &str,
    at: Timestamp,
    random: &dyn Random,
) -> NewNotification {
    let farewell = format!("{site}/status/unsubscribe/{}", subscription.farewell);
    NewNotification {
        id: NotificationId::new(at, random),
        // Once a day is often enough.
        dedup: format!("subscription/{}/known/{}", subscription.id, at.date()),
        target: Target::Subscription(subscription.id.to_string()),
        severity: Severity::Minor,
        subject: "You hear of Levqor's state already".to_owned(),
        body: format!(
            "Somebody asked that you be told of incidents and maintenance of {site}. You are already: nothing was changed.\n\n\
             To hear no more of it: {farewell}\n"
        ),
        data: json!({ "type": "subscription.known", "unsubscribe_url": farewell }),
        at,
    }
}

fn checked(app: &App, wish: Wish) -> Result<Wish, Problem> {
    let Wish { kind, address, parts } = wish;
    let address = match kind {
        SubscriptionKind::Email => {
            sign_in::email(&address).map_err(|error| Problem::field("/email", error.to_string()))?
        }
        SubscriptionKind::Webhook => {
            let secure = app.settings.environment == Environment::Production;
            endpoint(&address, secure).map_err(|problem| Problem::field("/url", problem))?
        }
    };
    if parts.len() > PARTS_MAX {
        return Err(Problem::field(
            "/parts",
            format!("names more than {PARTS_MAX} parts; leave it out for all"),
        ));
    }
    for (place, part) in parts.iter().enumerate() {
        if !parts::is_pattern(part) {
            return Err(Problem::field(
                format!("/parts/{place}"),
                "is no name of parts; write it like eu-west/api, eu-west/* or */api",
            ));
        }
    }
    Ok(Wish { kind, address, parts })
}

/// An address that messages can be posted to, in one form. What it may reach is looked at when something is sent.
fn endpoint(text: &str, secure: bool) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("enter the address that messages are posted to".to_owned());
    }
    if text.chars().count() > URL_CHARS_MAX {
        return Err(format!("is longer than {URL_CHARS_MAX} characters"));
    }
    let shape = || "is no address; write it like https://example.com/hooks/levqor".to_owned();
    let mut url = Url::parse(text).map_err(|_| shape())?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(shape());
    }
    match url.scheme() {
        "https" => {}
        "http" if !secure => {}
        _ => return Err("must begin with https://".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a name or a password in it; messages are signed instead".to_owned());
    }
    url.set_fragment(None);
    Ok(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_https_and_hold_no_password() {
        let rows = [
            (" https://Example.com/a#b ", true, Ok("https://example.com/a")),
            ("http://127.0.0.1:9/a", false, Ok("http://127.0.0.1:9/a")),
            ("http://example.com/a", true, Err("must begin with https://")),
            ("ftp://example.com/a", false, Err("must begin with https://")),
            ("https://me:secret@example.com/", true, Err("a name or a password")),
            ("example.com", true, Err("is no address")),
            ("", true, Err("enter the address")),
        ];
        for (text, secure, expected) in rows {
            match (endpoint(text, secure), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(part)) => assert!(found.contains(part), "{text}: {found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        assert!(endpoint(&format!("https://a.example/{}", "x".repeat(2_000)), true).is_err());
    }
}
