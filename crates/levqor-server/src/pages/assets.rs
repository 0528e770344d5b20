//! Style sheets, scripts and pictures of the pages: part of the binary, named by their content, and compressed once.
//!
//! A page refers to `/assets/app-<hash>.css`, which may be cached for ever. Another hash of a known name gets
//! the current content uncached, so that a page of one version works with a node of another.

use std::{fmt::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::Compression;
use sha2::{Digest, Sha256};

use super::{GZIP, gzipped, holds, takes_gzip};

/// One file, as it is served.
#[derive(Debug)]
struct Asset {
    name: &'static str,
    ending: &'static str,
    content_type: &'static str,
    body: &'static str,
    /// The same, compressed; None: it is small as it is.
    small: Option<Bytes>,
    hash: String,
    /// The hash as `If-None-Match` has it. Weak when it is sent: compressed or not, it is the same.
    tag: String,
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
        let (small, tag) = (gzipped(body.as_bytes(), Compression::best()), format!("\"{hash}\""));
        Self { name, ending, content_type, body, small, hash, tag, url }
    }
}

const STYLE: &str = concat!(
    include_str!("assets/tokens.css"),
    include_str!("assets/base.css"),
    include_str!("assets/shell.css"),
    include_str!("assets/components.css"),
    include_str!("assets/forms.css"),
    include_str!("assets/pictures.css"),
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
pub(crate) async fn serve(Path(file): Path<String>, asked: HeaderMap) -> Response {
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
    let known = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let mut response = if known.is_some_and(|known| holds(known, &asset.tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match asset.small.clone().filter(|_| takes_gzip(&asked)) {
            Some(small) => ([(header::CONTENT_ENCODING, GZIP)], small).into_response(),
            None => asset.body.into_response(),
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&format!("W/{}", asset.tag)) {
        headers.insert(header::ETAG, tag);
    }
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
            let response = serve(Path(file), HeaderMap::new()).await;
            let found = response.headers().get(header::CACHE_CONTROL).map_or("", |v| v.to_str().unwrap());
            assert_eq!((response.status().as_u16(), found), (status, cache), "{url}");
        }
    }

    async fn asked(url: &str, name: header::HeaderName, value: &str) -> (u16, HeaderMap, Bytes) {
        let file = url.trim_start_matches("/assets/").to_owned();
        let response = serve(Path(file), HeaderMap::from_iter([(name, value.parse().unwrap())])).await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status.as_u16(), parts.headers, body)
    }

    #[tokio::test]
    async fn what_is_served_was_compressed_once_and_is_known_again() {
        let (_, plain, whole) = asked(app_css(), header::ACCEPT_ENCODING, "identity").await;
        assert_eq!((whole, plain.contains_key(header::CONTENT_ENCODING)), (Bytes::from(STYLE), false));
        let (_, headers, small) = asked(app_css(), header::ACCEPT_ENCODING, "br, gzip").await;
        assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
        assert_eq!(headers[header::VARY], plain[header::VARY]);
        assert_eq!(headers[header::ETAG], plain[header::ETAG], "both are the same, weakly");
        assert!(small.len() < STYLE.len() / 3, "{}", small.len());
        let mut read = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&small[..]), &mut read).unwrap();
        assert_eq!(read, STYLE);
        // The very bytes, not others like them.
        let (_, _, again) = asked(app_css(), header::ACCEPT_ENCODING, "gzip").await;
        assert_eq!(again.as_ptr(), APP_CSS.small.as_ref().unwrap().as_ptr());

        let tag = headers[header::ETAG].to_str().unwrap();
        let (status, headers, body) = asked(app_css(), header::IF_NONE_MATCH, tag).await;
        assert_eq!((status, body.len(), headers[header::ETAG].to_str().unwrap()), (304, 0, tag));
        assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(asked(app_css(), header::IF_NONE_MATCH, "W/\"0\"").await.0, 200);
    }

    /// The colour of a token in one of the blocks of `tokens.css`, as relative luminance (WCAG 2.2).
    fn luminance(block: &str, token: &str) -> f64 {
        let value = block.split(&format!("--{token}: #")).nth(1).unwrap_or_else(|| panic!("{token}"));
        let channel = |place: usize| {
            let byte = u8::from_str_radix(&value[place..place + 2], 16).unwrap();
            let share = f64::from(byte) / 255.0;
            if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
    }

    #[test]
    fn colours_can_be_told_apart() {
        // Text needs 4.5 (success criterion 1.4.3), borders of controls and parts of pictures 3 (1.4.11).
        let text = ["ink", "ink-2", "ink-3", "accent"];
        let mut pairs = vec![("on-accent", "accent-fill", 4.5), ("on-accent", "accent-fill-hover", 4.5)];
        for ground in ["paper", "surface", "sunken"] {
            pairs.extend(text.map(|ink| (ink, ground, 4.5)));
            pairs.extend(["good", "bad", "warn", "run"].map(|ink| (ink, ground, 4.5)));
            pairs.push(("control", ground, 3.0));
        }
        pairs.extend([("accent", "accent-soft", 4.5), ("idle", "idle-soft", 4.5)]);
        pairs.extend([("good", "good-soft", 4.5), ("bad", "bad-soft", 4.5), ("warn", "warn-soft", 4.5)]);
        pairs.extend(["good-mark", "warn-mark", "bad-mark", "run-mark"].map(|mark| (mark, "surface", 3.0)));
        let tokens = include_str!("assets/tokens.css");
        let dark = tokens.split(":root[data-theme=\"dark\"]").nth(1).unwrap();
        for (theme, block) in [("light", tokens), ("dark", dark)] {
            for (ink, ground, least) in &pairs {
                // What stays the same in the dark stands in the first block only.
                let block_of =
                    |token: &str| if block.contains(&format!("--{token}: #")) { block } else { tokens };
                let (a, b) = (luminance(block_of(ink), ink), luminance(block_of(ground), ground));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= *least, "{theme}: {ink} on {ground} has {contrast:.2}, needs {least}");
            }
        }
    }

    #[test]
    fn both_ways_to_the_dark_are_the_same() {
        let tokens = include_str!("assets/tokens.css");
        let block = |start: &str| -> Vec<String> {
            let (_, rest) = tokens.split_once(start).unwrap();
            rest.split('}')
                .next()
                .unwrap()
                .lines()
                .map(|line| line.trim().to_owned())
                .filter(|line| line.starts_with("--"))
                .collect()
        };
        assert_eq!(block(":root:not([data-theme=\"light\"]) {"), block(":root[data-theme=\"dark\"] {"));
    }

    #[test]
    fn every_icon_has_its_symbol() {
        for name in super::super::components::icon::ALL {
            assert!(ICONS.body.contains(&format!("id=\"{name}\"")), "{name}");
        }
    }
}
