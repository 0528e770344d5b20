//! Parts that several of these pages have.

use maud::{Markup, html};

use crate::pages::components::icon::icon;

/// The first heading of a page and what it is about, in a sentence or two.
pub(super) fn opening(title: &Markup, lead: &Markup, actions: &Markup) -> Markup {
    html! {
        section.opening {
            div.wide {
                h1 { (title) }
                p.lead { (lead) }
                (actions)
            }
        }
    }
}

/// A part of a page with its heading.
pub(super) fn band(id: &str, title: &str, lead: &Markup, content: &Markup) -> Markup {
    let heading = format!("{id}-title");
    html! {
        section.band id=(id) aria-labelledby=(heading) {
            div.wide {
                div.band-head {
                    h2 id=(heading) { (title) }
                    @if !lead.0.is_empty() { p { (lead) } }
                }
                (content)
            }
        }
    }
}

/// Short statements side by side: picture, title, text.
pub(super) fn claims(claims: &[(&str, &str, Markup)]) -> Markup {
    // Three in a row would leave one alone.
    let pairs = claims.len() % 3 == 1;
    html! {
        div.claims.pairs[pairs] {
            @for (picture, title, text) in claims { div { h3 { (icon(picture)) (title) } p { (text) } } }
        }
    }
}

/// Links to what says more: path, name.
pub(super) fn further(links: &[(&str, &str)]) -> Markup {
    html! {
        ul.further {
            @for (path, name) in links { li { a href=(path) { (name) } } }
        }
    }
}
