//! What is said of who operates this site, and how they are reached.

use maud::{Markup, html};

use crate::Site;

/// The operator's address for mail as a link, or words that can stand for it in a sentence.
pub fn contact(site: &Site) -> Markup {
    match &site.contact_email {
        Some(email) => html! { a href={ "mailto:" (email) } { (email) } },
        None => html! { "the person who gave you access (no address is published here)" },
    }
}

/// Where weaknesses are reported to.
pub fn security_contact(site: &Site) -> Markup {
    match site.security_address() {
        Some(address) => {
            let shown = address.strip_prefix("mailto:").unwrap_or(&address).to_owned();
            html! { a href=(address) { (shown) } }
        }
        None => contact(site),
    }
}

/// The postal address, or that there is none here.
pub fn postal_address(site: &Site) -> Markup {
    html! { (site.operator_address.as_deref().unwrap_or("not published on this site")) }
}
