//! One attempt: a message in the form that its destination takes.

use levqor_engine::courier::{NotDelivered, Parcel};
use levqor_store::notifications::{Notification, Target};
use serde_json::{Value, json};

use super::super::settings::{Destination, DestinationKind};
use crate::{
    App,
    mail::{Message, NotSent as MailNotSent},
};

/// Longest text of a chat message, in characters.
const CHAT_CHARS_MAX: usize = 3_000;

/// Why a message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotSent {
    pub(super) problem: String,
    /// It would be refused again.
    pub(super) for_good: bool,
}

/// Sends a message. It has the same id however often it comes.
///
/// # Errors
/// [`NotSent`], without secrets and without addresses but their hosts.
pub(super) async fn send(
    app: &App,
    message: &Notification,
    to: &Destination,
    unsubscribe_url: Option<&str>,
) -> Result<(), NotSent> {
    // Strangers may only name public addresses.
    let near = !matches!(message.target, Target::Subscription(_));
    match &to.kind {
        DestinationKind::Mail { to } => mail(app, message, to, unsubscribe_url).await,
        DestinationKind::Webhook { url, secret } => {
            let parcel = Parcel {
                id: message.id.to_string(),
                url: url.expose().to_owned(),
                body: webhook(message).to_string(),
                secret: secret.clone(),
                near,
            };
            app.engine.courier().deliver(&parcel, app.now()).await.map_err(not_sent)
        }
        DestinationKind::Chat { url } => {
            let parcel = Parcel {
                id: message.id.to_string(),
                url: url.expose().to_owned(),
                body: json!({ "text": chat(message) }).to_string(),
                secret: None,
                near,
            };
            app.engine.courier().deliver(&parcel, app.now()).await.map_err(not_sent)
        }
    }
}

/// A webhook's owner may put it right, so nothing is given up at once.
fn not_sent(refused: NotDelivered) -> NotSent {
    NotSent { problem: refused.problem, for_good: false }
}

/// What Standard Webhooks has: the type of the event, its time, and its data.
fn webhook(message: &Notification) -> Value {
    let kind = message.data.get("type").and_then(Value::as_str).unwrap_or("notification");
    json!({
        "type": kind,
        "timestamp": message.created_at,
        "data": {
            "id": message.id,
            "severity": message.severity,
            "subject": message.subject,
            "text": message.body,
            "details": message.data,
        },
    })
}

fn chat(message: &Notification) -> String {
    let text = format!("*{}*\n{}", escaped(&message.subject), escaped(&message.body));
    match text.char_indices().nth(CHAT_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// What chat systems take for mentions and links is text here.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

async fn mail(
    app: &App,
    message: &Notification,
    to: &[String],
    unsubscribe_url: Option<&str>,
) -> Result<(), NotSent> {
    let Some(mailer) = &app.mailer else {
        let problem = "no mail server is configured; set SMTP_URL and LEVQOR_MAIL_FROM".to_owned();
        return Err(NotSent { problem, for_good: false });
    };
    let input = json!({ "to": to, "subject": message.subject, "text": message.body });
    let mail =
        Message::read(&input).map_err(|invalid| NotSent { problem: invalid.to_string(), for_good: true })?;
    let mail = unsubscribe_url.map_or(mail.clone(), |address| mail.unsubscribed_by(address));
    // The key gives the Message-ID, which is the same whenever it is sent again.
    match mailer.send(&message.id.to_string(), &mail).await {
        Ok(_) => Ok(()),
        Err(reason) => {
            Err(NotSent { problem: reason.to_string(), for_good: matches!(reason, MailNotSent::Refused(_)) })
        }
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::{NotificationId, NotificationState, SeededRandom, Severity, Timestamp};

    use super::*;

    fn message(body: &str) -> Notification {
        let at = Timestamp::from_seconds(1_795_500_000);
        Notification {
            id: NotificationId::new(at, &SeededRandom::new(1)),
            dedup: "d".to_owned(),
            target: Target::Route("critical".to_owned()),
            severity: Severity::Critical,
            subject: "[critical] firing: <!channel> & more".to_owned(),
            body: body.to_owned(),
            data: json!({ "type": "alert.firing", "alerts": [] }),
            created_at: at,
            state: NotificationState::Waiting,
            attempts: 1,
            next_at: None,
            ended_at: None,
            problem: None,
            destination: None,
            copy_of: None,
            attempted_at: None,
        }
    }

    #[test]
    fn a_webhook_has_type_time_and_data() {
        let shown = webhook(&message("b"));
        assert_eq!(
            (&shown["type"], &shown["timestamp"]),
            (&json!("alert.firing"), &json!("2026-11-24T06:00:00.000000Z"))
        );
        assert_eq!(shown["data"]["subject"], "[critical] firing: <!channel> & more");
    }

    #[test]
    fn a_chat_message_mentions_nobody_and_is_bounded() {
        let text = chat(&message("x"));
        assert_eq!(text, "*[critical] firing: &lt;!channel&gt; &amp; more*\nx");
        assert!(chat(&message(&"ü".repeat(9_000))).chars().count() <= CHAT_CHARS_MAX + 1);
    }
}
