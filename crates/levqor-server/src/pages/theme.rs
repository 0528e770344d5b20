//! Light or dark: the reader's choice, kept in a cookie so that the server draws the page in it at once.

use axum::{
    Form,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::cookie::CookieJar;
use serde::Deserialize;

use super::local_path;
use crate::App;

/// The cookie that keeps the choice; the scripts know its names too.
const COOKIE: &str = "levqor_theme";
/// The same over TLS: its name has browsers take it from this very host only.
const HOST_COOKIE: &str = "__Host-levqor_theme";

/// How a page is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the reader's system says.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    fn parse(word: &str) -> Self {
        match word {
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            _ => Theme::System,
        }
    }

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        // Whichever there is: what a neighbour's could change is a colour, and a choice from before outlives a move to TLS.
        let jar = CookieJar::from_headers(headers);
        jar.get(HOST_COOKIE)
            .or_else(|| jar.get(COOKIE))
            .map_or(Theme::System, |cookie| Theme::parse(cookie.value()))
    }

    /// The value of `data-theme`.
    pub(crate) fn attribute(self) -> Option<&'static str> {
        match self {
            Theme::System => None,
            Theme::Light => Some("light"),
            Theme::Dark => Some("dark"),
        }
    }

    /// What the switch leads to. The server cannot know what the system shows, so it goes from "system" to dark.
    pub(crate) fn next(self) -> &'static str {
        match self {
            Theme::Dark => "light",
            Theme::System | Theme::Light => "dark",
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    theme: String,
    next: String,
}

/// `POST /theme`: the switch of readers without JavaScript. It needs no CSRF token: all that it can change is colours.
pub(crate) async fn choose(State(app): State<App>, Form(choice): Form<Choice>) -> Response {
    let value = match Theme::parse(&choice.theme) {
        Theme::Light => "light",
        Theme::Dark => "dark",
        Theme::System => "",
    };
    let age = if value.is_empty() { 0 } else { 31_536_000 };
    let over_tls = app.settings.public_url.starts_with("https:");
    let (name, secure) = if over_tls { (HOST_COOKIE, "; Secure") } else { (COOKIE, "") };
    let cookie = format!("{name}={value}; Path=/; Max-Age={age}; SameSite=Lax{secure}");
    let mut response = Redirect::to(local_path(&choice.next).unwrap_or("/")).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
