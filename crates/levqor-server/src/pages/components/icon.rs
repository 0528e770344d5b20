//! Pictures from the sprite `icons.svg`.

use maud::{Markup, html};

use crate::pages::assets;

/// Every picture that pages use; a test compares it with the sprite.
#[cfg(test)]
pub(crate) const ALL: &[&str] = &[
    "alert",
    "arrow",
    "book",
    "check",
    "check-ring",
    "chevron",
    "clock",
    "copy",
    "cross",
    "cross-ring",
    "dots",
    "download",
    "edit",
    "flow",
    "globe",
    "home",
    "hourglass",
    "info",
    "key",
    "people",
    "layers",
    "lock",
    "mail",
    "menu",
    "out",
    "pause",
    "pin",
    "play",
    "plus",
    "pulse",
    "question",
    "retry",
    "runs",
    "shield",
    "skip",
    "stop",
    "theme",
    "trash",
    "turn",
];

/// A decorative picture: what it means must stand beside it in words.
pub fn icon(name: &str) -> Markup {
    html! { svg.icon aria-hidden="true" { use href={ (assets::icons()) "#" (name) } {} } }
}

/// Where a picture is, for scripts that put another one in its place.
pub fn icon_address(name: &str) -> String {
    format!("{}#{name}", assets::icons())
}
