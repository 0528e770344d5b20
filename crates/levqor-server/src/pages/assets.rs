//! Style sheets, scripts and pictures of the pages: part of the binary, named by their content.
//!
//! A page refers to `/assets/app-<hash>.css`, which may be cached for ever. Another hash of a known name gets
//! the current content uncached, so that a page of one version works with a node of another.

use std::{fmt::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

/// One file, as it is served.
#[derive(Debug)]
struct Asset {
    name: &'static str,
    ending: &'static str,
    content_type: &'static str,
    body: &'static str,
    hash: String,
    url: String,
}

impl Asset {
    fn new(name: &'static str, ending: &'static str, body: &'static str) -> Self {
        let mut hash = String::new();
        for byte in Sha256::digest(body).iter().take(6) {
            // Writing to a String cannot fail.
            let _ = write!(hash, "{byte:02x}");
        }
        let content_type = match ending {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        let url = format!("/assets/{name}-{hash}.{ending}");
        Self { name, ending, content_type, body, hash, url }
    }
}

const STYLE: &str = concat!(
    include_str!("assets/tokens.css"),
    include_str!("assets/base.css"),
    include_str!("assets/shell.css"),
    include_str!("assets/components.css"),
    include_str!("assets/site.css"),
);

static APP_CSS: LazyLock<Asset> = LazyLock::new(|| Asset::new("app", "css", STYLE));
static APP_JS: LazyLock<Asset> = LazyLock::new(|| Asset::new("app", "js", include_str!("assets/app.js")));
static THEME_JS: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("theme", "js", include_str!("assets/theme.js")));
static ICONS: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icons", "svg", include_str!("assets/icons.svg")));
static MARK: LazyLock<Asset> = LazyLock::new(|| Asset::new("mark", "svg", include_str!("assets/mark.svg")));

pub(crate) fn app_css() -> &'static str {
    &APP_CSS.url
}

pub(crate) fn app_js() -> &'static str {
    &APP_JS.url
}

pub(crate) fn theme_js() -> &'static str {
    &THEME_JS.url
}

/// The sprite; a picture in it is `icons()#name`.
pub(crate) fn icons() -> &'static str {
    &ICONS.url
}

pub(crate) fn mark() -> &'static str {
    &MARK.url
}

/// Serves `/assets/{file}`.
pub(crate) async fn serve(Path(file): Path<String>) -> Response {
    let all = [&APP_CSS, &APP_JS, &THEME_JS, &ICONS, &MARK];
    let found = all.into_iter().find_map(|asset| {
        let hash = file.strip_prefix(asset.name)?.strip_prefix('-')?;
        let hash = hash.strip_suffix(asset.ending)?.strip_suffix('.')?;
        Some((&**asset, hash == asset.hash))
    });
    let Some((asset, current)) = found else {
        return (StatusCode::NOT_FOUND, "there is no such asset\n").into_response();
    };
    let cache = if current { "public, max-age=31536000, immutable" } else { "no-store" };
    let mut response = asset.body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_current_hash_may_be_kept() {
        let rows = [
            (app_css().to_owned(), 200, "public, max-age=31536000, immutable"),
            ("/assets/app-000000000000.css".to_owned(), 200, "no-store"),
            (icons().to_owned(), 200, "public, max-age=31536000, immutable"),
            ("/assets/app.css".to_owned(), 404, ""),
            ("/assets/other-000000000000.css".to_owned(), 404, ""),
        ];
        for (url, status, cache) in rows {
            let file = url.trim_start_matches("/assets/").to_owned();
            let response = serve(Path(file)).await;
            let found = response.headers().get(header::CACHE_CONTROL).map_or("", |v| v.to_str().unwrap());
            assert_eq!((response.status().as_u16(), found), (status, cache), "{url}");
        }
    }

    #[test]
    fn every_icon_has_its_symbol() {
        for name in super::super::components::icon::ALL {
            assert!(ICONS.body.contains(&format!("id=\"{name}\"")), "{name}");
        }
    }
}
