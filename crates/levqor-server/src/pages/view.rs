//! What a request tells every page: who reads it, in which colours, at which address.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::{header, request::Parts};
use levqor_model::Timestamp;

use super::Theme;
use crate::{App, gateway::PageActor};

/// The circumstances in which a page is drawn. Never fails: a page that cannot tell who reads it has no reader's name.
#[derive(Debug, Clone)]
pub struct View {
    pub theme: Theme,
    /// Path and query, for forms that come back here.
    pub path: String,
    pub reader: Option<PageActor>,
    pub region: String,
    pub version: String,
    /// What links with a host start with, without a slash at the end.
    pub public_url: String,
    /// Who operates this site, when they gave their name.
    pub operator: Option<String>,
    /// The tags of the pages that the reader has kept.
    pub known: Option<String>,
    pub now: Timestamp,
}

impl FromRequestParts<App> for View {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let reader = PageActor::from_request_parts(parts, app).await.ok();
        Ok(Self {
            theme: Theme::of(&parts.headers),
            path: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()),
            reader,
            region: app.region.code.to_string(),
            version: app.settings.version.clone(),
            public_url: app.settings.public_url.clone(),
            operator: app.settings.site.operator_name.clone(),
            known: parts
                .headers
                .get(header::IF_NONE_MATCH)
                .and_then(|tags| tags.to_str().ok())
                .map(str::to_owned),
            now: app.now(),
        })
    }
}
