//! `/status/badge.svg`: the state as a small picture for other pages. A picture cannot grow older by itself, so it says of when it is.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use levqor_model::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    rendered::share,
    service::{Report, State as Health},
    snapshot,
};
use crate::{App, Problem, gateway::Query};

/// About as wide as a letter is in the font, in tenths of a pixel.
const LETTER: usize = 66;
const PADDING: usize = 60;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only of this region.
    region: Option<String>,
    /// Only of this component.
    component: Option<String>,
}

pub(super) async fn badge(State(app): State<App>, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let snapshot = snapshot::current(&app).await;
    let (label, state) = chosen(&snapshot.report, &asked)?;
    let picture = drawn(&label, state, snapshot.report.newest);
    let mut response = (StatusCode::OK, picture.into_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    // No longer than evidence lasts.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=10, must-revalidate"));
    share(headers);
    Ok(response)
}

/// What the picture is about, and its state.
fn chosen(report: &Report, asked: &Asked) -> Result<(String, Health), Problem> {
    let none = |name: &str, value: &str| {
        let shown: String = value.chars().take(64).collect();
        Problem::not_found(format!(
            "{name}: no part that is observed is called {shown:?}; /api/status lists them"
        ))
    };
    match (&asked.region, &asked.component) {
        (None, None) => Ok(("levqor".to_owned(), report.state)),
        (None, Some(component)) => {
            let found = report.capabilities.iter().find(|one| one.name == *component);
            let found = found.ok_or_else(|| none("component", component))?;
            Ok((found.title.clone(), found.state))
        }
        (Some(region), component) => {
            let there = report.regions.iter().find(|one| one.code == *region && !one.planned);
            let there = there.ok_or_else(|| none("region", region))?;
            let Some(component) = component else { return Ok((there.code.clone(), there.state)) };
            let found = there.components.iter().find(|one| one.name == *component);
            let found = found.ok_or_else(|| none("component", component))?;
            Ok((format!("{} {}", there.code, found.name), found.state))
        }
    }
}

fn drawn(label: &str, state: Health, newest: Option<Timestamp>) -> Markup {
    let colour = match state {
        Health::Operational => "#0f6e46",
        Health::Degraded => "#835000",
        Health::Down => "#b0241c",
        Health::Unknown => "#5b616c",
    };
    let of =
        newest.map_or_else(|| "no evidence".to_owned(), |at| at.to_jiff().strftime("%H:%M UTC").to_string());
    let word = format!("{}, {of}", state.as_str());
    let whole = newest.map_or_else(
        || format!("{label}: {}, there is no evidence", state.as_str()),
        |at| format!("{label}: {}, by evidence of {at}", state.as_str()),
    );
    let width = |text: &str| (text.chars().count() * LETTER + 2 * PADDING) / 10;
    let (left, right) = (width(label), width(&word));
    let all = left + right;
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(all) height="20" viewBox={ "0 0 " (all) " 20" } role="img" aria-label=(whole) {
            title { (whole) }
            rect width=(all) height="20" rx="4" fill="#2b2f37" {}
            path d={ "M" (left) " 0h" (right - 4) "a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4h-" (right - 4) "z" } fill=(colour) {}
            g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle" {
                text x=(left / 2) y="14" textLength=(left - 12) { (label) }
                text x=(left + right / 2) y="14" textLength=(right - 12) { (word) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_says_of_when_it_is() {
        let at: Timestamp = "2026-11-24T07:01:41Z".parse().unwrap();
        let shown = drawn("eu-west <api>", Health::Operational, Some(at)).into_string();
        for part in [
            "operational, 07:01 UTC",
            "by evidence of 2026-11-24T07:01:41.000000Z",
            "eu-west &lt;api&gt;",
            "#0f6e46",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let unknown = drawn("levqor", Health::Unknown, None).into_string();
        assert!(unknown.contains("unknown, no evidence") && !unknown.contains("#0f6e46"), "{unknown}");
    }
}
