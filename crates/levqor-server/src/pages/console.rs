//! What the pages of people who are signed in share: forms that are only a button, what just happened, filters, and that nothing is
//! kept.

use std::{fmt::Display, str::FromStr};

use axum::response::Response;
use http::{HeaderValue, header};
use maud::{Markup, html};
use serde::Deserialize;

use super::components::{badge::Tone, note::said};
use crate::Problem;

/// What people see who are signed in is kept in no cache; the browser's way back must not show it after signing out.
pub async fn uncached(mut response: Response) -> Response {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A form that has nothing but its button.
#[derive(Debug, Deserialize)]
pub struct Button {
    #[serde(default)]
    pub csrf: String,
}

/// What just happened, as the address of the page that follows says it.
#[derive(Debug, Default, Deserialize)]
pub struct Done {
    pub done: Option<String>,
}

impl Done {
    /// The sentence for the word in the address. One that the page does not have says nothing: anybody can write a link.
    pub fn note(&self, sentences: &[(&str, &str)]) -> Markup {
        let found = sentences.iter().find(|(word, _)| self.done.as_deref() == Some(*word));
        found.map_or_else(|| html! {}, |(_, sentence)| said(Tone::Idle, &html! { p { (sentence) } }))
    }
}

/// What a parameter says; an empty choice of a form is none.
///
/// # Errors
/// 400 that names the parameter.
pub fn chosen<T: FromStr>(name: &str, value: Option<&str>) -> Result<Option<T>, Problem>
where
    T::Err: Display,
{
    match value {
        None | Some("") => Ok(None),
        Some(text) => {
            text.parse().map(Some).map_err(|error: T::Err| Problem::parameter(name, error.to_string()))
        }
    }
}
