//! `/signin/oidc` and what comes back from there.

use axum::{
    extract::State,
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use axum_extra::extract::cookie::CookieJar;
use http::{HeaderMap, StatusCode, header};
use levqor_store::invitations::Offer;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    OidcSettings, newcomer,
    round::LIFETIME,
    service::{self, Answer, End, Error, OWN},
};
use crate::{
    App, Problem,
    features::{
        sessions::service::Seat,
        sign_in::pages::{Next, require_own_form, sign_in_page, uncached, welcome},
    },
    gateway::{ClientAddress, PageActor, Query, log_refused},
    pages::{
        FormData, View,
        components::{badge::Tone, icon::icon, note::note},
    },
};

/// What the log calls coming in by the issuer's word.
const WAY: &str = "single sign-on";
const COOKIE: &str = "levqor_oidc";
/// The same over TLS: nobody but this very host can put one there.
const HOST_COOKIE: &str = "__Host-levqor_oidc";
/// Who somebody new is, until they have said what they want to join.
const NEWCOMER: &str = "levqor_newcomer";
const HOST_NEWCOMER: &str = "__Host-levqor_newcomer";

fn over_tls(app: &App) -> bool {
    app.settings.public_url.starts_with("https:")
}

fn cookie_name(app: &App) -> &'static str {
    if over_tls(app) { HOST_COOKIE } else { COOKIE }
}

fn newcomer_name(app: &App) -> &'static str {
    if over_tls(app) { HOST_NEWCOMER } else { NEWCOMER }
}

/// It comes back from another site by a link, so it is `Lax`.
fn cookie(app: &App, value: &str, seconds: u64) -> String {
    let (name, secure) = (cookie_name(app), if over_tls(app) { "; Secure" } else { "" });
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

/// It goes nowhere but from a page of ours to us.
fn newcomer_cookie(app: &App, value: &str, seconds: u64) -> String {
    let (name, secure) = (newcomer_name(app), if over_tls(app) { "; Secure" } else { "" });
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

pub(super) async fn begin(
    State(app): State<App>,
    client: ClientAddress,
    view: View,
    Query(next): Query<Next>,
) -> Result<Response, Problem> {
    let settings = service::settings(&app)?;
    match service::begin(&app, settings, next.path()).await {
        Ok((address, round)) => {
            let headers = AppendHeaders([
                (header::SET_COOKIE, cookie(&app, &round, LIFETIME.as_secs())),
                (header::CACHE_CONTROL, "no-store".to_owned()),
            ]);
            Ok((headers, Redirect::to(address.as_str())).into_response())
        }
        Err(error) => refused(&app, client, &view, error),
    }
}

/// What an issuer may send along; what it sends besides is its own affair.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

pub(super) async fn come_back(
    State(app): State<App>,
    client: ClientAddress,
    view: View,
    headers: HeaderMap,
    Query(sent): Query<Sent>,
) -> Result<Response, Problem> {
    let settings = service::settings(&app)?;
    let jar = CookieJar::from_headers(&headers);
    let carried = jar.get(cookie_name(&app)).map(|cookie| cookie.value().to_owned());
    let seat = Seat::new(client.0, &headers, view.reader.as_ref().map(PageActor::session));
    let answer = Answer { code: sent.code, state: sent.state, error: sent.error, iss: sent.iss };
    match service::end(&app, settings, carried.as_deref(), answer, seat).await {
        Ok(End::In(entered, next)) => {
            let mut response = welcome(&app, &entered, WAY, &next);
            if let Ok(gone) = cookie(&app, "", 0).parse() {
                response.headers_mut().append(header::SET_COOKIE, gone);
            }
            Ok(response)
        }
        Ok(End::Asked(newcomer, offers)) => {
            let sealed = match newcomer.sealed(&app.keyring).await {
                Ok(sealed) => sealed,
                Err(error) => return refused(&app, client, &view, error.into()),
            };
            let cookies = AppendHeaders([
                (header::SET_COOKIE, cookie(&app, "", 0)),
                (header::SET_COOKIE, newcomer_cookie(&app, &sealed, newcomer::LIFETIME.as_secs())),
            ]);
            let card = offers_card(settings, &newcomer.email, &offers);
            Ok((cookies, uncached(sign_in_page(&view, card))).into_response())
        }
        Err(error) => refused(&app, client, &view, error),
    }
}

/// What somebody new may join. They are in nothing yet.
fn offers_card(settings: &OidcSettings, email: &str, offers: &[Offer]) -> Markup {
    let button = |choice: &str, class: &str, label: &Markup| {
        html! {
            form method="post" action="/signin/oidc/join" {
                input type="hidden" name="choice" value=(choice);
                button class=(class) type="submit" { (label) }
            }
        }
    };
    html! {
        div.body.stack {
            div {
                h1 { "What do you want to join?" }
                p { strong { (email) } " has no account here yet, and is invited. Join only what you know." }
            }
            @for offer in offers {
                div.stack {
                    p { "“" (offer.account) "”, as " strong { (offer.invitation.role.as_str()) } }
                    (button(&offer.invitation.id.to_string(), "button", &html! { "Join “" (offer.account) "”" (icon("arrow")) }))
                }
            }
            @if settings.open_accounts {
                div.stack {
                    p.quiet { "Or none of these: their invitations stay open." }
                    (button(OWN, "button plain", &html! { "Make an account of my own" }))
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Join {
    #[serde(default)]
    choice: String,
}

pub(super) async fn join(
    State(app): State<App>,
    client: ClientAddress,
    view: View,
    headers: HeaderMap,
    FormData(Join { choice }): FormData<Join>,
) -> Result<Response, Problem> {
    require_own_form(&headers)?;
    let settings = service::settings(&app)?;
    let jar = CookieJar::from_headers(&headers);
    let carried = jar.get(newcomer_name(&app)).map(|cookie| cookie.value().to_owned());
    let seat = Seat::new(client.0, &headers, view.reader.as_ref().map(PageActor::session));
    match service::join(&app, settings, carried.as_deref(), &choice, seat).await {
        Ok((entered, next)) => {
            let mut response = welcome(&app, &entered, WAY, &next);
            if let Ok(gone) = newcomer_cookie(&app, "", 0).parse() {
                response.headers_mut().append(header::SET_COOKIE, gone);
            }
            Ok(response)
        }
        Err(error) => refused(&app, client, &view, error),
    }
}

fn refused(app: &App, client: ClientAddress, view: &View, error: Error) -> Result<Response, Problem> {
    let status = match &error {
        Error::Store(_) | Error::Keyring(_) => {
            return Err(match error {
                Error::Store(error) => error.into(),
                Error::Keyring(error) => error.into(),
                other => Problem::internal(other),
            });
        }
        Error::Unreachable(cause) | Error::NoToken(cause) => {
            tracing::warn!(error = %cause, "nobody was signed in by the issuer");
            StatusCode::BAD_GATEWAY
        }
        Error::State => StatusCode::BAD_REQUEST,
        Error::NoChoice => StatusCode::UNPROCESSABLE_ENTITY,
        Error::InvitationGone => StatusCode::GONE,
        Error::Refused(_)
        | Error::TooWeak(_)
        | Error::NotVerified
        | Error::OtherPerson
        | Error::NoAccount
        | Error::Full => StatusCode::FORBIDDEN,
    };
    log_refused(WAY, &error.to_string(), client.0);
    let card = html! {
        div.body.stack {
            h1 { "That did not work" }
            (note(Tone::Bad, &html! { p { (error) "." } }))
            a.button.primary href="/signin" { "Back to signing in" }
        }
    };
    let gone = AppendHeaders([(header::SET_COOKIE, cookie(app, "", 0))]);
    Ok((status, gone, uncached(sign_in_page(view, card))).into_response())
}
