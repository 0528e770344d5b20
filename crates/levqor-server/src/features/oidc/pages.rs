//! `/signin/oidc` and what comes back from there.

use axum::{
    extract::State,
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use axum_extra::extract::cookie::CookieJar;
use http::{HeaderMap, StatusCode, header};
use maud::html;
use serde::Deserialize;

use super::{
    round::LIFETIME,
    service::{self, Answer, Error},
};
use crate::{
    App, Problem,
    features::{
        sessions::service::Seat,
        sign_in::pages::{Next, sign_in_page, uncached, welcome},
    },
    gateway::{ClientAddress, PageActor, Query},
    pages::{
        View,
        components::{badge::Tone, note::note},
    },
};

const COOKIE: &str = "levqor_oidc";
/// The same over TLS: nobody but this very host can put one there.
const HOST_COOKIE: &str = "__Host-levqor_oidc";

fn over_tls(app: &App) -> bool {
    app.settings.public_url.starts_with("https:")
}

fn cookie_name(app: &App) -> &'static str {
    if over_tls(app) { HOST_COOKIE } else { COOKIE }
}

/// It comes back from another site by a link, so it is `Lax`.
fn cookie(app: &App, value: &str, seconds: u64) -> String {
    let (name, secure) = (cookie_name(app), if over_tls(app) { "; Secure" } else { "" });
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

pub(super) async fn begin(
    State(app): State<App>,
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
        Err(error) => refused(&app, &view, error),
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
        Ok((entered, next)) => {
            let mut response = welcome(&app, &entered, &next);
            if let Ok(gone) = cookie(&app, "", 0).parse() {
                response.headers_mut().append(header::SET_COOKIE, gone);
            }
            Ok(response)
        }
        Err(error) => refused(&app, &view, error),
    }
}

fn refused(app: &App, view: &View, error: Error) -> Result<Response, Problem> {
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
        Error::Refused(_) | Error::NotVerified | Error::OtherPerson | Error::NoAccount | Error::Full => {
            StatusCode::FORBIDDEN
        }
    };
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
