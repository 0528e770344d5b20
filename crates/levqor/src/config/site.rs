//! Who operates the site, as its pages name them.

use std::path::PathBuf;

use levqor_model::{TextError, one_line};
use levqor_server::{Site, features::sign_in::service::email};
use url::Url;

use super::Reader;

/// Longest fact about the operator: a name or a postal address on one line.
const FACT_CHARS_MAX: usize = 300;

impl Reader<'_> {
    pub(super) fn site(&mut self) -> Site {
        Site {
            operator_name: self.fact("site.operator_name"),
            operator_address: self.fact("site.operator_address"),
            contact_email: self.contact(),
            security_contact: self.security_contact(),
            governing_law: self.fact("site.governing_law"),
        }
    }

    /// None: the shipped policies.
    pub(super) fn policies_dir(&self) -> Option<PathBuf> {
        Some(self.text("site.policies_dir")).filter(|folder| !folder.is_empty()).map(PathBuf::from)
    }

    fn fact(&mut self, name: &str) -> Option<String> {
        let text = self.text(name).to_owned();
        match one_line(&text, FACT_CHARS_MAX) {
            Ok(fact) => Some(fact.to_owned()),
            Err(TextError::Empty) => None,
            Err(problem) => {
                self.complain(name, problem.problem(), problem.remedy());
                None
            }
        }
    }

    fn contact(&mut self) -> Option<String> {
        const NAME: &str = "site.contact_email";
        let text = self.text(NAME).to_owned();
        if text.is_empty() {
            return None;
        }
        let address = email(&text);
        if address.is_err() {
            let problem = format!("{text:?} is not an e-mail address");
            self.complain(NAME, problem, "write it like help@example.com, or leave it empty");
        }
        address.ok()
    }

    fn security_contact(&mut self) -> Option<String> {
        const NAME: &str = "site.security_contact";
        let text = self.text(NAME).to_owned();
        if text.is_empty() {
            return None;
        }
        if let Ok(address) = email(&text) {
            return Some(format!("mailto:{address}"));
        }
        let address = Url::parse(&text).ok().filter(|url| url.scheme() == "https" && url.host().is_some());
        if address.is_none() {
            let problem = format!("{text:?} is neither an e-mail address nor an https address");
            self.complain(NAME, problem, "write it like security@example.com or https://example.com/report");
        }
        address.map(String::from)
    }
}
