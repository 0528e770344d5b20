//! What the public pages have in common with what is not a page: the list of them, and what researchers are told.

use std::time::Duration;

use levqor_model::Timestamp;

use crate::Site;

/// Whether one can subscribe here.
// One text for all pages: it changes on the day on which it is no longer true.
pub const SUBSCRIBING: &str = "Subscribing online is not available yet.";

/// The pages of this feature and of the front page, as the sitemap lists them.
pub const PLACES: &[&str] = &[
    "/",
    "/how-it-works",
    "/pricing",
    "/trial",
    "/integrations",
    "/guarantee",
    "/support",
    "/security",
    "/about",
    "/careers",
    "/stay-in-touch",
    "/status",
    "/docs",
    "/docs/api",
    "/docs/problems",
];

/// Where robots have nothing to look for.
pub const NOT_FOR_ROBOTS: &[&str] = &["/api/", "/dashboard", "/draft", "/hooks/", "/signin"];

/// `security.txt` is trusted for this long. The standard asks for less than a year (RFC 9116, section 2.5.5).
const VALID: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// The text at `/.well-known/security.txt` (RFC 9116). Without a contact that the operator named, the page is it.
pub fn security_txt(site: &Site, public_url: &str, now: Timestamp) -> String {
    let contact = site.security_address().unwrap_or_else(|| format!("{public_url}/security#report"));
    // By the day, so that caches and readers see one text for a day.
    let expires = (now + VALID).date();
    format!(
        "Contact: {contact}\n\
         Expires: {expires}T00:00:00Z\n\
         Preferred-Languages: en\n\
         Canonical: {public_url}/.well-known/security.txt\n\
         Policy: {public_url}/security#report\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn researchers_are_told_where_to_write_and_until_when_that_holds() {
        let now: Timestamp = "2026-11-29T17:00:00Z".parse().unwrap();
        let contact = |site: &Site| {
            let text = security_txt(site, "https://levqor.example", now);
            assert!(text.contains("\nExpires: 2027-05-28T00:00:00Z\n"), "{text}");
            text.lines().next().unwrap().to_owned()
        };
        let by_mail = Site { contact_email: Some("help@a.example".to_owned()), ..Site::default() };
        let named = Site { security_contact: Some("https://a.example/report".to_owned()), ..by_mail.clone() };
        assert_eq!(contact(&Site::default()), "Contact: https://levqor.example/security#report");
        assert_eq!(contact(&by_mail), "Contact: mailto:help@a.example");
        assert_eq!(contact(&named), "Contact: https://a.example/report");
    }
}
