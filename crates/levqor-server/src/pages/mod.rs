//! What all HTML pages share: the shell around them, their parts, their style sheets and scripts.
//!
//! Pages are drawn on the server and work without scripts; what scripts add is comfort (live runs, ages that grow).
//! Invariant: no page holds an inline script or style, or asks another host for anything, so that the content
//! security policy can be `default-src 'self'`.

mod assets;
mod card;
pub mod components;
mod console;
mod errors;
mod footer;
mod form_data;
mod head;
mod kept;
mod layout;
pub mod markdown;
mod small;
mod text;
mod theme;
mod view;
pub mod yaml;

use axum::{
    Router,
    routing::{get, post},
};

pub use card::{again, card_page};
pub use console::{Button, Done, chosen, uncached};
pub use errors::{not_found, problem_page};
pub use form_data::{FormData, from_this_site};
pub(crate) use kept::{holds, tag};
pub use layout::{Page, Section};
pub(crate) use small::{GZIP, gzipped, takes_gzip};
pub use text::{count, duration_words, percent_down, plural};
pub use theme::Theme;
pub use view::View;

use crate::App;

/// The routes that belong to no page: assets, the theme switch, what browsers ask for by themselves.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/assets/{file}", get(assets::serve))
        .route("/favicon.ico", get(async || axum::response::Redirect::permanent(assets::mark())))
        .route("/theme", post(theme::choose))
}

/// The path, when it leads nowhere but to this site: `/…`, without a scheme, a host or control characters.
pub fn local_path(path: &str) -> Option<&str> {
    let local = path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 2_048
        && !path.contains('\\')
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    local.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_followed() {
        let rows = [
            ("/", true),
            ("/dashboard/runs?status=faulted#x", true),
            ("", false),
            ("dashboard", false),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("\\\\evil.example", false),
            ("https://evil.example/", false),
            ("javascript:alert(1)", false),
            ("/\t/evil.example", false),
            ("/a b", false),
            ("/a\r\nSet-Cookie: x=y", false),
            ("/ü", false),
        ];
        for (path, good) in rows {
            assert_eq!(local_path(path).is_some(), good, "{path:?}");
        }
        assert_eq!(local_path(&format!("/{}", "a".repeat(3_000))), None);
    }
}
