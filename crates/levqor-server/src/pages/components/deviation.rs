//! What is not as agreed: how bad it is, what was agreed, what is there.

use levqor_model::{Deviation, Severity};
use maud::{Markup, html};

use super::badge::{Tone, badge};

pub fn severity_badge(severity: Severity) -> Markup {
    let (tone, picture) = match severity {
        Severity::Critical => (Tone::Bad, "cross-ring"),
        Severity::Major => (Tone::Warn, "alert"),
        Severity::Minor => (Tone::Idle, "info"),
    };
    badge(tone, picture, severity.as_str())
}

/// Both values, one under the other.
pub fn values(deviation: &Deviation) -> Markup {
    let value = |value: &Option<String>| match value {
        Some(text) => html! { code { (text) } },
        None => html! { span.faint { "nothing" } },
    };
    html! {
        dl.facts {
            dt { "agreed" } dd { (value(&deviation.expected)) }
            dt { "found" } dd { (value(&deviation.found)) }
        }
    }
}
