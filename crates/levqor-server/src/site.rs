//! Who operates this installation, as its pages and policies name them.
//!
//! All of it comes from the configuration. What is not configured is said to be so: no name, address or place is made up.

/// Facts that only the operator knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    pub operator_name: Option<String>,
    /// A postal address, on one line.
    pub operator_address: Option<String>,
    pub contact_email: Option<String>,
    /// Where weaknesses are reported to: `mailto:…` or `https://…`.
    pub security_contact: Option<String>,
    /// Whose law the terms are under, such as `England and Wales`.
    pub governing_law: Option<String>,
}

impl Site {
    /// The operator's name, or words that can stand for it in a sentence.
    pub fn operator(&self) -> &str {
        self.operator_name.as_deref().unwrap_or("the operator of this site")
    }

    /// The country or region whose law applies, or words that can stand for it.
    pub fn law(&self) -> &str {
        self.governing_law.as_deref().unwrap_or("the place where the operator is established")
    }

    /// Where to report weaknesses, as an address of the web or of mail; None when the operator named neither this nor a
    /// contact.
    pub fn security_address(&self) -> Option<String> {
        let by_mail = || self.contact_email.as_ref().map(|email| format!("mailto:{email}"));
        self.security_contact.clone().or_else(by_mail)
    }
}
