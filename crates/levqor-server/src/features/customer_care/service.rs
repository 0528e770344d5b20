//! The rules: who answers, until when, and what is taken.

use std::{ops::RangeInclusive, time::Duration};

use levqor_model::{
    AccountId, ConsultationId, ConsultationState, FeedbackId, NotificationId, ProblemCode, Severity,
    TextError, TicketId, TicketState, Timestamp, one_line, several_lines, shown_name,
};
use levqor_store::{
    consultations::{Booked, Consultation},
    notifications::{NewNotification, Target},
    people::Forgotten,
    tickets::Ticket,
    trial_feedback::TrialFeedback,
};
use serde_json::json;

use crate::{
    App, Problem,
    features::{
        ai::{
            language::Language,
            service::{self as ai, Answer},
        },
        marketing::service::too_often,
        metrics::Counter,
        sign_in,
    },
    gateway::{Actor, Allowance, ClientAddress, Mailboxes},
    problem::FieldError,
};

pub(super) const SUBJECT_CHARS_MAX: usize = 200;
pub(super) const MESSAGE_CHARS_MAX: usize = 5_000;
pub(super) const TOPIC_CHARS_MAX: usize = 1_000;
pub(super) const COMMENT_CHARS_MAX: usize = 2_000;
/// A consultation begins so long from now at the earliest, and at the latest.
const NOTICE_MIN: Duration = Duration::from_secs(60 * 60);
const NOTICE_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Consultations that one address may have ahead of it.
const BOOKED_MAX: usize = 3;
/// What one network may ask for at once, and how long it takes to earn another; the same for one address.
const PER_NETWORK: Allowance = (10, Duration::from_secs(60));
const PER_EMAIL: Allowance = (5, Duration::from_secs(300));
/// Where operators are told.
const ROUTE: &str = "support";

/// How often people asked.
struct Asked(Mailboxes);

/// A support request, as it was sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Request<'a> {
    pub(super) email: Option<&'a str>,
    pub(super) subject: Option<&'a str>,
    pub(super) message: &'a str,
    pub(super) language: Option<&'a str>,
    /// The assistant is not to answer.
    pub(super) wants_person: bool,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) client: ClientAddress,
    pub(super) actor: Option<&'a Actor>,
}

/// What became of a support request.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Answered(Answer),
    /// A person will answer.
    Escalated(Ticket),
}

/// Answers from the documentation when that can, else opens a ticket.
///
/// # Errors
/// 422 that names every field that is wrong; 429.
pub(super) async fn ask(app: &App, asker: Asker<'_>, request: Request<'_>) -> Result<Outcome, Problem> {
    let mut wrong = Vec::new();
    let subject = request.subject.unwrap_or_default();
    let subject = line("/subject", subject, 0..=SUBJECT_CHARS_MAX).map_err(|error| wrong.push(error));
    let message = text("/message", request.message, 3..=MESSAGE_CHARS_MAX).map_err(|error| wrong.push(error));
    let email = request.email.map(str::trim).filter(|email| !email.is_empty());
    let email = email
        .map(sign_in::service::email)
        .transpose()
        .map_err(|error| wrong.push(FieldError::new("/email", error.to_string())));
    let (Ok(subject), Ok(message), Ok(email)) = (subject, message, email) else { return Err(invalid(wrong)) };
    allow(app, asker.client, email.as_deref())?;
    if !request.wants_person {
        app.count(Counter::SupportAutoRequests);
        if let Some(answer) = answer(app, &subject, &message, request.language) {
            return Ok(Outcome::Answered(answer));
        }
    }
    let Some(email) = email else {
        let message = if request.wants_person {
            "is missing: a person answers by e-mail"
        } else {
            "is missing: the documentation does not answer this, and a person answers by e-mail"
        };
        return Err(Problem::field("/email", message));
    };
    let ticket = escalate(app, asker, email, subject, message).await?;
    // Only now: without an address nobody was asked to answer.
    if !request.wants_person {
        app.count(Counter::SupportAutoEscalations);
    }
    Ok(Outcome::Escalated(ticket))
}

/// What the documentation says; None: it does not.
fn answer(app: &App, subject: &str, message: &str, language: Option<&str>) -> Option<Answer> {
    let question: String =
        [subject, message].join(" ").trim().chars().take(*ai::QUESTION_CHARS.end()).collect();
    let answer = ai::answer(&question, Language::normalised(language.unwrap_or_default()), &app.blueprint);
    answer.known.then_some(answer)
}

async fn escalate(
    app: &App,
    asker: Asker<'_>,
    email: String,
    subject: String,
    message: String,
) -> Result<Ticket, Problem> {
    let now = app.now();
    let account = asker.actor.map(|actor| actor.account_id);
    let hours = first_response_hours(app, account).await?;
    let ticket = Ticket {
        id: TicketId::new(now, &*app.random),
        account,
        subject: if subject.is_empty() { first_line(&message) } else { subject },
        email,
        message,
        created_at: now,
        respond_by: now + Duration::from_secs(u64::from(hours) * 3_600),
        state: TicketState::Open,
        answered_at: None,
        ended_at: None,
    };
    let told = notification(
        app,
        &ticket.id.to_string(),
        format!("Support request: {}", ticket.subject),
        format!(
            "{}\n\nFrom: {}\nAnswer by: {}\n{}/admin/customers",
            ticket.message, ticket.email, ticket.respond_by, app.settings.public_url
        ),
    );
    app.store.open_ticket(ticket.clone(), told).await?;
    Ok(ticket)
}

/// What a message without a subject is about.
fn first_line(message: &str) -> String {
    let line = message.split(['\n', '\r']).next().unwrap_or_default();
    line.replace('\t', " ").chars().take(80).collect()
}

/// What the account's plan promises; who has none gets what the slowest plan does.
async fn first_response_hours(app: &App, account: Option<AccountId>) -> Result<u32, Problem> {
    let plan = match account {
        Some(id) => app.store.account(id).await?.map(|account| account.plan),
        None => None,
    };
    let plan = plan.and_then(|code| app.blueprint.plan(&code).map(|plan| plan.first_response_hours));
    let slowest = app.blueprint.plans.iter().map(|plan| plan.first_response_hours).max();
    plan.or(slowest).ok_or_else(|| Problem::broken("the blueprint has no plan"))
}

/// A consultation, as it was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Booking<'a> {
    pub(super) email: &'a str,
    pub(super) name: &'a str,
    pub(super) topic: &'a str,
    pub(super) begins_at: Timestamp,
}

/// Books a consultation.
///
/// # Errors
/// 422 that names every field that is wrong, also when the address has as many ahead of it as it may; 429.
pub(super) async fn book(app: &App, asker: Asker<'_>, booking: Booking<'_>) -> Result<Consultation, Problem> {
    let now = app.now();
    let mut wrong = Vec::new();
    let name = shown_name(booking.name)
        .map(str::to_owned)
        .map_err(|error| wrong.push(FieldError::new("/name", error.to_string())));
    let topic = text("/topic", booking.topic, 3..=TOPIC_CHARS_MAX).map_err(|error| wrong.push(error));
    let email = sign_in::service::email(booking.email)
        .map_err(|error| wrong.push(FieldError::new("/email", error.to_string())));
    let (earliest, latest) = (now + NOTICE_MIN, now + NOTICE_MAX);
    if booking.begins_at < earliest || booking.begins_at > latest {
        let message = format!("must be between {earliest} and {latest}");
        wrong.push(FieldError::new("/begins_at", message));
    }
    let (Ok(name), Ok(topic), Ok(email)) = (name, topic, email) else { return Err(invalid(wrong)) };
    if !wrong.is_empty() {
        return Err(invalid(wrong));
    }
    allow(app, asker.client, Some(&email))?;
    let new = Consultation {
        id: ConsultationId::new(now, &*app.random),
        account: asker.actor.map(|actor| actor.account_id),
        email,
        name,
        topic,
        begins_at: booking.begins_at,
        created_at: now,
        state: ConsultationState::Booked,
        ended_at: None,
    };
    let told = notification(
        app,
        &new.id.to_string(),
        format!("Consultation booked for {}", new.begins_at),
        format!(
            "{}\n\nWith: {} <{}>\n{}/admin/customers",
            new.topic, new.name, new.email, app.settings.public_url
        ),
    );
    match app.store.book_consultation(new.clone(), told, BOOKED_MAX).await? {
        Booked::Done => {
            app.count(Counter::ConsultationsBooked);
            Ok(new)
        }
        Booked::TooMany => Err(Problem::field(
            "/email",
            format!(
                "has {BOOKED_MAX} consultations ahead of it already; wait until one is over, or ask support to cancel one"
            ),
        )),
    }
}

/// Keeps what somebody thinks of the trial.
///
/// # Errors
/// 422 that names the field; 429.
pub(super) async fn keep_feedback(
    app: &App,
    asker: Asker<'_>,
    rating: i64,
    comment: &str,
) -> Result<TrialFeedback, Problem> {
    let mut wrong = Vec::new();
    let rating = u32::try_from(rating).ok().filter(|rating| (1..=5).contains(rating));
    if rating.is_none() {
        wrong.push(FieldError::new("/rating", "must be a whole number from 1 (bad) to 5 (good)"));
    }
    let comment = text("/comment", comment, 0..=COMMENT_CHARS_MAX).map_err(|error| wrong.push(error));
    let (Some(rating), Ok(comment)) = (rating, comment) else { return Err(invalid(wrong)) };
    allow(app, asker.client, None)?;
    let new = TrialFeedback {
        id: FeedbackId::new(app.now(), &*app.random),
        account: asker.actor.map(|actor| actor.account_id),
        rating,
        comment,
        created_at: app.now(),
    };
    app.store.keep_trial_feedback(new.clone()).await?;
    app.count(Counter::TrialFeedbackSubmissions);
    Ok(new)
}

/// An operator answered or closed a ticket, or opens it again.
///
/// # Errors
/// 404.
pub(super) async fn move_ticket(app: &App, id: TicketId, to: TicketState) -> Result<Ticket, Problem> {
    let moved = app.store.move_ticket(id, to, app.now()).await?;
    moved.ok_or_else(|| Problem::not_found(format!("there is no ticket {id}")))
}

/// A consultation was held or is cancelled.
///
/// # Errors
/// 404; 409 when it has ended in another way.
pub(super) async fn end_consultation(
    app: &App,
    id: ConsultationId,
    to: ConsultationState,
) -> Result<Consultation, Problem> {
    let ended = app.store.end_consultation(id, to, app.now()).await?;
    let Some((consultation, now)) = ended else {
        return Err(Problem::not_found(format!("there is no consultation {id}")));
    };
    if consultation.state != to {
        let detail = format!("the consultation was {} already", consultation.state);
        return Err(Problem::new(ProblemCode::ConsultationEnded, detail));
    }
    if now && to == ConsultationState::Held {
        app.count(Counter::ConsultationsRun);
    }
    Ok(consultation)
}

/// Forgets what is kept of an address outside of accounts.
///
/// # Errors
/// 422 for what is no address.
pub(super) async fn forget(app: &App, email: &str) -> Result<Forgotten, Problem> {
    let email =
        sign_in::service::stored_email(email).map_err(|error| Problem::field("/email", error.to_string()))?;
    Ok(app.store.forget_person(email, app.now()).await?)
}

fn allow(app: &App, client: ClientAddress, email: Option<&str>) -> Result<(), Problem> {
    let asked = app.memory(|_| Asked(Mailboxes::new(PER_NETWORK, PER_EMAIL)));
    // Whoever names no address is one of their network.
    let network = client.network();
    let key = email.map_or_else(|| network.to_string(), str::to_owned);
    asked.0.take(network, &key).map_err(too_often)
}

fn notification(app: &App, about: &str, subject: String, body: String) -> NewNotification {
    NewNotification {
        id: NotificationId::new(app.now(), &*app.random),
        dedup: about.to_owned(),
        target: Target::Route(ROUTE.to_owned()),
        severity: Severity::Minor,
        subject,
        body,
        data: json!({ "about": about }),
        at: app.now(),
    }
}

/// A text of several lines without blanks around it, of so many characters.
fn text(pointer: &str, given: &str, chars: RangeInclusive<usize>) -> Result<String, FieldError> {
    counted(pointer, given, &chars)?;
    match several_lines(given, *chars.end()) {
        Ok(text) => Ok(text),
        Err(TextError::Empty) => Ok(String::new()),
        Err(problem) => Err(FieldError::new(pointer, problem.to_string())),
    }
}

/// The same on one line: it becomes the subject of a mail, or a name beside an address.
fn line(pointer: &str, given: &str, chars: RangeInclusive<usize>) -> Result<String, FieldError> {
    counted(pointer, given, &chars)?;
    match one_line(given, *chars.end()) {
        Ok(line) => Ok(line.to_owned()),
        Err(TextError::Empty) => Ok(String::new()),
        Err(problem) => Err(FieldError::new(pointer, problem.to_string())),
    }
}

fn counted(pointer: &str, given: &str, chars: &RangeInclusive<usize>) -> Result<(), FieldError> {
    let found = given.trim().chars().count();
    if chars.contains(&found) {
        return Ok(());
    }
    let (min, max) = (chars.start(), chars.end());
    Err(FieldError::new(pointer, format!("has {found} characters; write between {min} and {max}")))
}

fn invalid(wrong: Vec<FieldError>) -> Problem {
    let detail = wrong.iter().map(|one| format!("{}: {}", one.pointer, one.message)).collect::<Vec<_>>();
    Problem::new(ProblemCode::InvalidFields, detail.join("; ")).with_errors(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_can_be_shown() {
        let rows = [
            ("  a question  ", Ok("a question")),
            ("two\nlines", Ok("two\nlines")),
            ("ab", Err("has 2 characters; write between 3 and 12")),
            ("   ", Err("has 0 characters; write between 3 and 12")),
            ("0123456789abc", Err("has 13 characters; write between 3 and 12")),
            ("a\u{0}bc", Err("has a character that nobody sees (U+0000), in place 2; write it without")),
            ("a\u{202E}bc", Err("has a character that nobody sees (U+202E), in place 2; write it without")),
        ];
        for (given, expected) in rows {
            let found = text("/message", given, 3..=12);
            assert_eq!(found.as_deref().map_err(|error| error.message.as_str()), expected, "{given:?}");
        }
    }

    /// A line break in it could become a header of a mail.
    #[test]
    fn subjects_and_names_are_on_one_line() {
        assert_eq!(line("/subject", " A run waits ", 0..=20).unwrap(), "A run waits");
        for (given, problem) in [
            ("a\r\nBcc: x@example.com", "more than one line"),
            ("two\nlines", "more than one line"),
            ("a\tb", "U+0009"),
            ("a\u{200B}b", "U+200B"),
        ] {
            let refused = line("/subject", given, 0..=50).unwrap_err();
            assert!(!first_line(given).contains(char::is_control), "{given:?}");
            assert!(refused.pointer == "/subject" && refused.message.contains(problem), "{given:?}");
        }
    }
}
