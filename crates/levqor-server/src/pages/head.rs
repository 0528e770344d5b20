//! What a page says of itself to browsers, search engines and whoever shows a link to it.

use maud::{Markup, html};

use super::{Theme, assets};

/// The site's name; the front page has no other title.
const SITE: &str = "Levqor";

#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) title: &'a str,
    pub(super) description: Option<&'a str>,
    /// The one address of the page, with scheme and host. None: the page is not for search engines.
    pub(super) address: Option<&'a str>,
    /// Seconds after which a browser without scripts loads the page again.
    pub(super) refresh: Option<u32>,
}

/// The whole `<html>` around a body.
pub(super) fn document(head: Head<'_>, theme: Theme, body: &Markup) -> Markup {
    let title = if head.title == SITE { SITE.to_owned() } else { format!("{} · {SITE}", head.title) };
    html! {
        (maud::DOCTYPE)
        html lang="en" data-theme=[theme.attribute()] {
            head {
                meta charset="utf-8";
                title { (title) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(description) = head.description { meta name="description" content=(description); }
                @if let Some(address) = head.address {
                    link rel="canonical" href=(address);
                    meta property="og:type" content="website";
                    meta property="og:site_name" content=(SITE);
                    meta property="og:title" content=(head.title);
                    @if let Some(description) = head.description { meta property="og:description" content=(description); }
                    meta property="og:url" content=(address);
                }
                meta name="color-scheme" content="light dark";
                meta name="theme-color" content="#fbfaf7" media="(prefers-color-scheme: light)";
                meta name="theme-color" content="#0e1014" media="(prefers-color-scheme: dark)";
                link rel="icon" type="image/svg+xml" href=(assets::mark());
                link rel="stylesheet" href=(assets::app_css());
                script src=(assets::theme_js()) {}
                script src=(assets::app_js()) defer {}
                @if let Some(seconds) = head.refresh {
                    noscript { meta http-equiv="refresh" content=(seconds); }
                }
            }
            body {
                a.skip href="#main" { "Skip to content" }
                (body)
            }
        }
    }
}
