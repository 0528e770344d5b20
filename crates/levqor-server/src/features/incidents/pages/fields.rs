//! Fields of forms of which a page has several: each has an id of its own beside its name.

use levqor_model::{IncidentLevel, IncidentState};
use maud::{Markup, html};

use crate::pages::components::form;

/// A line of text.
pub(super) fn line(id: &str, name: &str, label: &str, value: &str, hint: Option<&str>) -> Markup {
    html! {
        div.field {
            label for=(id) { (label) }
            @if let Some(hint) = hint { p.hint id={ (id) "-hint" } { (hint) } }
            input id=(id) name=(name) type="text" value=(value) autocomplete="off"
                aria-describedby=[form::described_by(id, hint.is_some(), false)];
        }
    }
}

pub(super) fn day(id: &str, name: &str, label: &str, value: &str) -> Markup {
    html! { div.field { label for=(id) { (label) } input id=(id) name=(name) type="date" value=(value) required; } }
}

/// A text of several lines.
pub(super) fn area(id: &str, name: &str, label: &str, rows: u32, value: &str, hint: Option<&str>) -> Markup {
    html! {
        div.field {
            label for=(id) { (label) }
            @if let Some(hint) = hint { p.hint id={ (id) "-hint" } { (hint) } }
            textarea id=(id) name=(name) rows=(rows) aria-describedby=[form::described_by(id, hint.is_some(), false)] { (form::text(value)) }
        }
    }
}

/// One of a few words; `none` is the choice that leaves it as it is.
pub(super) fn choice(
    id: &str,
    name: &str,
    label: &str,
    none: Option<&str>,
    options: &[(&str, &str)],
    selected: Option<&str>,
) -> Markup {
    html! {
        div.field {
            label for=(id) { (label) }
            select id=(id) name=(name) {
                @if let Some(none) = none { option value="" { (none) } }
                @for (value, words) in options { option value=(value) selected[Some(*value) == selected] { (words) } }
            }
        }
    }
}

pub(super) fn check(id: &str, name: &str, label: &str, on: bool) -> Markup {
    html! { label.check for=(id) { input id=(id) type="checkbox" name=(name) value="yes" checked[on]; span { (label) } } }
}

/// What the form is about, as its reader saw it.
pub(super) fn seen(version: i64) -> Markup {
    html! { input type="hidden" name="version" value=(version); }
}

pub(super) fn levels() -> Vec<(&'static str, &'static str)> {
    IncidentLevel::ALL.iter().map(|level| (level.as_str(), level.title())).collect()
}

/// Those that people say; that it is over is said by another form.
pub(super) fn states() -> Vec<(&'static str, &'static str)> {
    let open = IncidentState::ALL.iter().filter(|state| **state != IncidentState::Resolved);
    open.map(|state| (state.as_str(), state.as_str())).collect()
}
