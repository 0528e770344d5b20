//! `POST /api/marketing/lead` and `POST /api/marketing/event`.

use axum::{Json, extract::State};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service::{self, Kind, Told};
use crate::{
    App, Problem,
    gateway::{Body, ClientAddress, OptionalActor},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub(super) fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(lead)).routes(routes!(event))
}

/// Somebody who wants to hear of Levqor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLead {
    #[schema(example = "ada@example.com", max_length = 254)]
    email: String,
    /// Where they come from: letters, digits, points, dashes and underscores.
    #[schema(example = "pricing", min_length = 1, max_length = 64)]
    source: String,
    /// Whether they agree to be written to about more than what they ask for.
    #[serde(default)]
    consent: bool,
    /// Must be empty or left out: programs that fill in every field show themselves by it.
    website: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::features) struct Done {
    #[schema(example = true)]
    pub(in crate::features) success: bool,
    /// A sentence for people.
    pub(in crate::features) message: String,
}

/// Leave an address. The answer is the same whether it is known or not.
#[utoipa::path(
    post,
    path = "/api/marketing/lead",
    operation_id = "leave_lead",
    tag = "business",
    request_body = NewLead,
    responses((status = 200, body = Done), Refusals)
)]
async fn lead(
    State(app): State<App>,
    client: ClientAddress,
    _caller: OptionalActor,
    Body(new): Body<NewLead>,
) -> Result<Json<Done>, Problem> {
    service::refuse_programs(new.website.as_deref())?;
    service::keep_lead(&app, client, &new.email, &new.source, new.consent).await?;
    Ok(Json(Done { success: true, message: "Thank you. Your address was kept.".to_owned() }))
}

/// What happened on a page.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EventName {
    PageView,
    CtaClick,
}

/// A page that was looked at, or something on it that was clicked. Nothing else is kept, and nothing of who did it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PageEvent {
    event: EventName,
    /// A path of this site, without a query.
    #[schema(example = "/pricing", max_length = 200)]
    page: String,
    /// What was clicked; only with `cta_click`.
    #[schema(example = "start-trial", max_length = 64)]
    target: Option<String>,
    /// The campaign by which the visitor came; kept only with their consent.
    #[schema(example = "newsletter-may", max_length = 64)]
    source: Option<String>,
    /// Whether the visitor agreed to that. `Sec-GPC: 1` and `DNT: 1` say no.
    #[serde(default)]
    consent: bool,
}

/// Tell what happened on a page.
#[utoipa::path(
    post,
    path = "/api/marketing/event",
    operation_id = "tell_page_event",
    tag = "business",
    request_body = PageEvent,
    responses((status = 200, body = Done), Refusals)
)]
async fn event(
    State(app): State<App>,
    _caller: OptionalActor,
    headers: HeaderMap,
    Body(event): Body<PageEvent>,
) -> Result<Json<Done>, Problem> {
    let told = Told {
        kind: match event.event {
            EventName::PageView => Kind::PageView,
            EventName::CtaClick => Kind::CtaClick,
        },
        page: &event.page,
        target: event.target.as_deref(),
        source: event.source.as_deref(),
        consent: event.consent && !asks_not_to_be_followed(&headers),
    };
    service::count(&app, told).await?;
    Ok(Json(Done { success: true, message: "It was counted.".to_owned() }))
}

/// Global Privacy Control, and Do Not Track before it.
fn asks_not_to_be_followed(headers: &HeaderMap) -> bool {
    ["sec-gpc", "dnt"].iter().any(|name| headers.get(*name).is_some_and(|value| value == "1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_says_whether_it_may_be_followed() {
        let headers = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, http::HeaderValue::from_static(value));
            headers
        };
        assert!(asks_not_to_be_followed(&headers("sec-gpc", "1")));
        assert!(asks_not_to_be_followed(&headers("dnt", "1")));
        assert!(!asks_not_to_be_followed(&headers("dnt", "0")));
        assert!(!asks_not_to_be_followed(&HeaderMap::new()));
    }
}
