//! The pages of signing in and out.

use std::{io::Write, sync::Arc, time::Duration};

use axum::{
    extract::{Path, State},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, header};
use levqor_model::{ProblemCode, UserId, unseen};
use levqor_store::audit;
use maud::{Markup, html};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::service::{self, Error};
use crate::{
    App, Environment, Problem,
    features::sessions::service::{Entered, Seat},
    gateway::{Allowance, ClientAddress, Mailboxes, PageActor, Query, farewell, log_refused, session_cookie},
    mail::Mailer,
    pages::{
        FormData, Page, Section, View,
        components::{badge::Tone, form::Field, icon::icon, note::note},
        from_this_site, local_path,
    },
};

/// Every answer to the form takes at least this long, so that its time does not tell whether the address is known.
const ANSWER_TIME: Duration = Duration::from_millis(200);
/// Links that one network may ask for at once, and how long it takes to earn another.
const PER_NETWORK: Allowance = (10, Duration::from_secs(60));
/// The same for one e-mail address, so that nobody's mailbox can be filled.
const PER_EMAIL: Allowance = (5, Duration::from_secs(180));
/// Links that are made and sent at once. When the database or the mail server cannot keep up, more are refused, whoever asks.
const AT_ONCE: usize = 64;
/// Seconds until it is worth to ask again then.
const RETRY_AFTER: u64 = 30;
/// What the log calls coming in by a link.
const WAY: &str = "link";
/// Where people go who did not ask for a page.
const START: &str = "/dashboard";

/// What is done for those who ask for links.
struct Links {
    /// How often they did.
    asked: Mailboxes,
    /// Of the links that are made and sent now.
    places: Arc<Semaphore>,
}

/// Where to go after signing in.
#[derive(Debug, Default, Deserialize)]
pub(in crate::features) struct Next {
    next: Option<String>,
}

impl Next {
    /// Only paths of this site are followed.
    pub(in crate::features) fn path(&self) -> &str {
        self.next.as_deref().and_then(local_path).unwrap_or(START)
    }
}

pub(super) async fn form(State(app): State<App>, view: View, Query(next): Query<Next>) -> Response {
    if view.reader.is_some() {
        return Redirect::to(next.path()).into_response();
    }
    uncached(sign_in_page(&view, form_card(&app, "", next.path(), None)))
}

#[derive(Debug, Deserialize)]
pub(super) struct Request {
    #[serde(default)]
    email: String,
    next: Option<String>,
}

pub(super) async fn request(
    State(app): State<App>,
    client: ClientAddress,
    headers: HeaderMap,
    view: View,
    FormData(request): FormData<Request>,
) -> Result<Response, Problem> {
    require_own_form(&headers)?;
    if service::is_elsewhere_only(&app) {
        log_refused(WAY, "people sign in by another system only", client.0);
        let detail =
            "people sign in by another system here, and no links are given; use the button on the page";
        return Err(Problem::new(ProblemCode::Forbidden, detail));
    }
    let next = Next { next: request.next };
    let email = match service::stored_email(&request.email) {
        Ok(email) => email,
        Err(error) => {
            let card = form_card(&app, &request.email, next.path(), Some(&error.to_string()));
            return Ok(
                (StatusCode::UNPROCESSABLE_ENTITY, uncached(sign_in_page(&view, card))).into_response()
            );
        }
    };
    let links = app.memory(|_| Links {
        asked: Mailboxes::new(PER_NETWORK, PER_EMAIL),
        places: Arc::new(Semaphore::new(AT_ONCE)),
    });
    if !links.asked.allow(client.network(), &email) {
        log_refused(WAY, "too many links were asked for", client.0);
        return Err(Problem::new(
            ProblemCode::RateLimited,
            "too many links were asked for; try again in a few minutes",
        )
        .retry_after(180));
    }
    // Before anybody knows whether there is anything to make.
    let Ok(place) = Arc::clone(&links.places).try_acquire_owned() else {
        let detail = "many links are being made and sent now; ask again in half a minute";
        return Err(Problem::new(ProblemCode::Overloaded, detail).retry_after(RETRY_AFTER));
    };
    let begun = begin_link(&app, client, &email, next.path(), place);
    let (begun, ()) = tokio::join!(begun, tokio::time::sleep(ANSWER_TIME));
    begun?;
    Ok(uncached(sign_in_page(&view, asked_card(&app, &email))))
}

/// Begins to make a link when somebody has that address. Nobody outside can tell: before the answer there is one question to the
/// store, the same for every address, and what only a known one needs goes on beside it, however slow the database or the mail server is.
async fn begin_link(
    app: &App,
    client: ClientAddress,
    email: &str,
    next: &str,
    place: OwnedSemaphorePermit,
) -> Result<(), Problem> {
    if app.mailer.is_none() && app.settings.environment == Environment::Production {
        // A link in a production log would be a key lying about.
        return Ok(());
    }
    let Some(user) = app.store.user_by_email(email.to_owned()).await? else {
        log_refused(WAY, "nobody has the address that it was asked for", client.0);
        return Ok(());
    };
    let (app, email, next) = (app.clone(), email.to_owned(), next.to_owned());
    let work = async move {
        if let Err(error) = send_link(&app, user.id, &email, &next).await {
            tracing::warn!(%error, "a link to sign in was not made");
        }
        drop(place);
    };
    match audit::current() {
        Some(author) => tokio::spawn(audit::by(author, work)),
        None => tokio::spawn(work),
    };
    Ok(())
}

async fn send_link(app: &App, user: UserId, email: &str, next: &str) -> Result<(), levqor_store::Error> {
    let link =
        service::issue_link(&app.store, &*app.random, &app.settings.public_url, user, app.now()).await?;
    let query = if next == START { String::new() } else { format!("?next={}", encoded(next)) };
    let link = format!("{}{query}", link.expose());
    match &app.mailer {
        Some(mailer) => mail_link(mailer, email, &link).await,
        None => tell_on_terminal(&format!("Sign in as {email} within 15 minutes, once:\n  {link}")),
    }
    Ok(())
}

async fn mail_link(mailer: &Mailer, email: &str, link: &str) {
    let letter = match service::letter(email, link) {
        Ok(letter) => letter,
        Err(invalid) => return tracing::warn!("a link to sign in cannot be mailed: {}", invalid.member),
    };
    // Whoever has the link has its name already.
    if let Err(reason) = mailer.send(link, &letter).await {
        tracing::warn!(error = %reason, "a link to sign in was not sent");
    }
}

/// The one place that shows a link, and only in development: on standard output, where the person who runs the server
/// looks. Never through `tracing`: logs are collected and kept, and a link is a key.
fn tell_on_terminal(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever closed the terminal does not want to know.
    let _ = writeln!(out, "\n  {text}\n").and_then(|()| out.flush());
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub(super) async fn confirm(view: View, Path(token): Path<String>, Query(next): Query<Next>) -> Response {
    let card = html! {
        div.body.stack {
            h1 { "Sign in to Levqor" }
            p.quiet { "The link works once, for 15 minutes after it was asked for." }
            form method="post" action={ "/signin/link/" (encoded(&token)) } {
                input type="hidden" name="next" value=(next.path());
                button.button.primary type="submit" { "Sign in" (icon("arrow")) }
            }
        }
    };
    uncached(sign_in_page(&view, card))
}

pub(super) async fn enter(
    State(app): State<App>,
    client: ClientAddress,
    view: View,
    Path(token): Path<String>,
    headers: HeaderMap,
    FormData(next): FormData<Next>,
) -> Result<Response, Problem> {
    require_own_form(&headers)?;
    let ends = view.reader.as_ref().map(PageActor::session);
    match service::enter(&app, &token, Seat::new(client.0, &headers, ends)).await {
        Ok(entered) => Ok(welcome(&app, &entered, WAY, next.path())),
        Err(error @ (Error::LinkSpent | Error::NoAccount | Error::Elsewhere)) => {
            log_refused(WAY, &error.to_string(), client.0);
            let status =
                if matches!(error, Error::LinkSpent) { StatusCode::GONE } else { StatusCode::FORBIDDEN };
            let card = html! {
                div.body.stack {
                    h1 { "That did not work" }
                    (note(Tone::Bad, &html! { p { (error) "." } }))
                    a.button.primary href="/signin" { "Back to signing in" }
                }
            };
            Ok((status, uncached(sign_in_page(&view, card))).into_response())
        }
        Err(Error::Store(error)) => Err(error.into()),
    }
}

/// The cookie of a session that begins, and the page that it begins with; `way` is how its person came in.
pub(in crate::features) fn welcome(app: &App, entered: &Entered, way: &str, next: &str) -> Response {
    tracing::info!(session.id = %entered.session, sign_in.way = way, "session {} begins by {way}", entered.session);
    let cookie = session_cookie(app, entered.token.expose(), entered.lifetime(app.now()));
    let headers =
        AppendHeaders([(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, "no-store".to_owned())]);
    (headers, Redirect::to(next)).into_response()
}

#[derive(Debug, Deserialize)]
pub(super) struct Token {
    #[serde(default)]
    csrf: String,
}

pub(super) async fn sign_out(
    State(app): State<App>,
    page: PageActor,
    FormData(form): FormData<Token>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let (user, session) = page.actor.person()?;
    app.store.revoke_session_of(user, session, app.now()).await?;
    app.forget_callers();
    Ok((farewell(&app), Redirect::to("/signin")).into_response())
}

pub(in crate::features) fn require_own_form(headers: &HeaderMap) -> Result<(), Problem> {
    if from_this_site(headers) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::Forbidden,
        "the form did not come from this site; open the page here and send it again",
    ))
}

pub(in crate::features) fn sign_in_page(view: &View, card: Markup) -> Markup {
    Page::new("Sign in", Section::SignIn, html! { div.narrow { section.card { (card) } } }).render(view)
}

fn form_card(app: &App, email: &str, next: &str, error: Option<&str>) -> Markup {
    let mut field = Field::text("email", "E-mail", email).required().error(error);
    field.kind = "email";
    field.autocomplete = Some("email");
    let by_link = !service::is_elsewhere_only(app);
    html! {
        div.body.stack {
            div {
                h1 { "Sign in" }
                @if by_link { p.quiet { "No password: you get a link that works once." } }
            }
            @if by_link {
                form.stack method="post" action="/signin" novalidate {
                    input type="hidden" name="next" value=(next);
                    (field.render())
                    button.button.primary type="submit" { (icon("mail")) "Get a link" }
                }
            }
            @if let Some(oidc) = &app.settings.oidc {
                // A link and no form: the page's policy lets forms lead nowhere but here, and the browser would count the way back.
                a.button href={ "/signin/oidc?next=" (encoded(next)) } { (icon("out")) "Sign in with " (oidc.name) }
            }
        }
    }
}

fn asked_card(app: &App, email: &str) -> Markup {
    html! {
        div.body.stack {
            @if app.mailer.is_some() {
                h1 { "Look at your mail" }
                p { "If " strong { (email) } " belongs to somebody here, a link that works once is on its way to it, good for 15 minutes." }
            } @else if app.settings.environment == Environment::Production {
                h1 { "Mail is not set up" }
                p { "This server cannot send mail yet, so no link is on its way to " strong { (email) } "." }
                p.quiet { "Its operator can sign in: at its first start " code { "levqor" } " prints a link for the first operator on its own line." }
            } @else {
                h1 { "Look for your link" }
                p { "If " strong { (email) } " belongs to somebody here, a link that works once was made, good for 15 minutes." }
                (note(Tone::Idle, &html! { p { "This server runs in development: it sends no mail and shows the link in the server's terminal." } }))
            }
            // The same for known and unknown addresses: a few old ones are stored so, and mostly it was pasted along.
            @if let Some((_, letter)) = unseen(email) {
                (note(Tone::Warn, &html! {
                    p { "The address has a character that nobody sees (U+" (format!("{:04X}", u32::from(letter))) "). If nothing comes, type the address anew." }
                }))
            }
            a.button href="/signin" { "Use another address" }
        }
    }
}

/// Pages with an address or a token on them are kept nowhere.
pub(in crate::features) fn uncached(page: Markup) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], page).into_response()
}
