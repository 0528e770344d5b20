//! Notes, empty states and the heads of pages: the places where a page speaks to its reader.

use levqor_model::Timestamp;
use maud::{Markup, html};

use super::{badge::Tone, icon::icon, time::moment};

/// A remark beside the content.
pub fn note(tone: Tone, content: &Markup) -> Markup {
    let (class, picture, role) = match tone {
        Tone::Good => ("note good", "check-ring", "status"),
        Tone::Bad => ("note bad", "cross-ring", "alert"),
        Tone::Warn => ("note warn", "alert", "note"),
        Tone::Accent => ("note ask", "question", "note"),
        Tone::Run | Tone::Idle => ("note", "info", "note"),
    };
    html! { div class=(class) role=(role) { (icon(picture)) div { (content) } } }
}

/// What has just happened, at the top of the page.
pub fn said(tone: Tone, content: &Markup) -> Markup {
    html! { div.said-so { (note(tone, content)) } }
}

/// Nothing here yet, and what to do about it.
pub fn empty(picture: &str, title: &str, text: &str, action: &Markup) -> Markup {
    html! {
        div.empty {
            (icon(picture))
            h3 { (title) }
            p { (text) }
            (action)
        }
    }
}

/// The way back up: pairs of path and name; the last one is the page itself.
pub fn crumbs(way: &[(&str, &str)], here: &str) -> Markup {
    html! {
        nav.crumbs aria-label="Breadcrumb" {
            ol {
                @for (path, name) in way { li { a href=(path) { (name) } } }
                li aria-current="page" { (here) }
            }
        }
    }
}

/// Seconds after which what operators look at is drawn anew, where there are scripts. Nothing that people type into is in such a part.
pub const LIVE_SECONDS: u32 = 10;

/// A [`page_head`] that is drawn anew.
pub fn live_head(title: &str, under: &Markup, actions: &Markup) -> Markup {
    html! { div id="page-head" data-live="on" data-refresh=(LIVE_SECONDS) { (page_head(title, under, actions)) } }
}

/// For pages with fields, which are not loaded again without scripts, since what was typed would be lost.
pub fn as_it_was(now: Timestamp) -> Markup {
    html! { noscript { p.small.quiet { "As it was at " (moment(now)) "; load the page again to see what is new." } } }
}

/// Title, what stands under it, and what can be done.
pub fn page_head(title: &str, under: &Markup, actions: &Markup) -> Markup {
    html! {
        div.page-head {
            div { h1 { (title) } div.quiet { (under) } }
            div.actions { (actions) }
        }
    }
}
