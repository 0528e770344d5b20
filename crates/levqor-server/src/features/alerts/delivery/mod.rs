//! Delivery of messages: at least once, by one node at a time, within bounds.
//!
//! ```text
//! due ─► claim (lease) ─► route ─┬─ one destination ──► send ─┬─► delivered
//!                                ├─ several: a copy for each   ├─► later, with a pause that grows
//!                                └─ none: undeliverable        └─► dead
//! ```
//!
//! A claim lasts longer than any attempt may, so that nobody else sends what is being sent. A process that dies while it sends leaves the
//! message to the next one after that; it then has the same id, by which the receiver knows it.

mod backoff;
mod send;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use levqor_model::{NotificationId, Random};
use levqor_store::{
    Error,
    notifications::{Notification, Target, Undelivered},
};
use tokio::sync::Semaphore;

use super::settings::Destination;
use crate::{App, problem::chain};

pub use subscriptions::Resolved;

/// How long a claim lasts: longer than the longest attempt.
const LEASE: Duration = Duration::from_secs(90);
/// Longest attempt; the clients have bounds of their own below it.
const ATTEMPT_MAX: Duration = Duration::from_secs(75);
/// Messages on their way at once.
const AT_ONCE: usize = 32;
/// Of these, so many places are for operators only: subscribers that take long hold up nobody who is called.
const FOR_OPERATORS: usize = 12;

#[derive(Debug)]
struct Memory {
    places: Arc<Semaphore>,
}

/// Takes what is due and sends it; does not wait for those that take long, so that one receiver holds up no other.
///
/// # Errors
/// When the store cannot be asked.
pub(crate) async fn deliver(app: &App) -> Result<(), Error> {
    round(app).await.map(drop)
}

/// [`deliver`], to the end: for whoever moves the clock by hand.
///
/// # Errors
/// When the store cannot be asked.
pub async fn deliver_all(app: &App) -> Result<usize, Error> {
    let sent = round(app).await?;
    let number = sent.len();
    join_all(sent).await;
    Ok(number)
}

async fn round(app: &App) -> Result<Vec<tokio::task::JoinHandle<()>>, Error> {
    let memory = app.memory(|_| Memory { places: Arc::new(Semaphore::new(AT_ONCE)) });
    let mut places = Vec::new();
    while let Ok(place) = Arc::clone(&memory.places).try_acquire_owned() {
        places.push(place);
    }
    let for_others = places.len().saturating_sub(FOR_OPERATORS);
    let claimed = app.store.claim_notifications(app.now(), LEASE, places.len(), for_others).await?;
    let sent = claimed.into_iter().zip(places).map(|(message, place)| {
        let app = app.clone();
        // Should the process end meanwhile, the claim runs out, and somebody else sends it.
        tokio::spawn(async move {
            let _place = place;
            let id = message.id;
            match tokio::time::timeout(ATTEMPT_MAX, handle(&app, message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(notification.id = %id, "what became of message {id} cannot be written: {}", chain(&error));
                }
                Err(_) => tracing::warn!(notification.id = %id, "message {id} took too long; it is tried again"),
            }
        })
    });
    Ok(sent.collect())
}

/// One message, as far as it gets.
async fn handle(app: &App, message: Notification) -> Result<(), Error> {
    let settings = &app.settings.alerts;
    match &message.target {
        Target::Route(route) => {
            let destinations = match message.copy_of {
                None => settings.of_route(route, message.severity),
                Some(_) => settings.of_copy(route, message.severity),
            };
            to_operators(app, &message, route, &destinations).await
        }
        Target::Destination(name) => {
            let destinations = settings.of_destination(name, message.severity);
            to_operators(app, &message, name, &destinations).await
        }
        Target::Subscription(id) => match subscriptions::resolve(app, id).await? {
            Resolved::Gone(why) => {
                let claim = (message.id, message.attempts);
                app.store
                    .notification_failed(claim, None, why, Undelivered::Undeliverable, app.now())
                    .await
                    .map(drop)
            }
            Resolved::To { destination, unsubscribe_url } => {
                attempt(app, &message, &destination, Some(&unsubscribe_url)).await
            }
        },
    }
}

async fn to_operators(
    app: &App,
    message: &Notification,
    route: &str,
    destinations: &[Destination],
) -> Result<(), Error> {
    match destinations {
        [] => undeliverable(app, message, route).await,
        [one] => attempt(app, message, one, None).await,
        several => split(app, message, several).await,
    }
}

async fn undeliverable(app: &App, message: &Notification, route: &str) -> Result<(), Error> {
    let problem = format!(
        "nobody is named for the route {route}; set alerts.mail_to, alerts.webhook_url or alerts.slack_url, or list destinations"
    );
    tracing::warn!(notification.id = %message.id, "message {} cannot be delivered: {problem}", message.id);
    let claim = (message.id, message.attempts);
    app.store.notification_failed(claim, None, problem, Undelivered::Undeliverable, app.now()).await.map(drop)
}

async fn split(app: &App, message: &Notification, several: &[Destination]) -> Result<(), Error> {
    let now = app.now();
    let copies = several.iter().map(|it| (NotificationId::new(now, &*app.random), it.name.clone())).collect();
    app.store.split_notification((message.id, message.attempts), copies, now).await.map(drop)
}

async fn attempt(
    app: &App,
    message: &Notification,
    to: &Destination,
    unsubscribe_url: Option<&str>,
) -> Result<(), Error> {
    let sent = send::send(app, message, to, unsubscribe_url).await;
    let now = app.now();
    match sent {
        Ok(()) => app.store.notification_delivered(message.id, to.name.clone(), now).await,
        Err(not_sent) => {
            let random: &dyn Random = &*app.random;
            let pause = backoff::pause(message.attempts, message.severity, random);
            let then =
                if not_sent.for_good || backoff::is_over(message.attempts, now.since(message.created_at)) {
                    Undelivered::Dead
                } else {
                    Undelivered::Later(pause)
                };
            let problem = not_sent.problem;
            if then == Undelivered::Dead {
                tracing::error!(notification.id = %message.id, destination = to.name, "message {} is given up: {problem}", message.id);
            } else {
                tracing::warn!(notification.id = %message.id, destination = to.name, "message {} was not delivered: {problem}", message.id);
            }
            let claim = (message.id, message.attempts);
            app.store.notification_failed(claim, Some(to.name.clone()), problem, then, now).await.map(drop)
        }
    }
}
