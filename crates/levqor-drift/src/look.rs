//! Asking for what is served: over a socket, in-process, or from a table in a test.

use std::fmt;

use http::{HeaderMap, StatusCode, header};

/// The largest answer that is read: the API's own description is the largest there is.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// As whom something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A stranger with a browser: what customers see.
    Browser,
    /// A stranger's program.
    Program,
    /// A program of an account.
    Account,
}

/// Somebody who can be asked.
pub trait Look: Sync {
    /// A GET of a path and query of the site. Never follows redirects, and never reads more than [`BODY_BYTES_MAX`].
    ///
    /// Why there is no answer is a text for people.
    fn get(&self, path: &str, caller: Caller) -> impl Future<Output = Result<Answer, String>> + Send;

    /// Whether [`Caller::Account`] can be asked for.
    fn has_account(&self) -> bool;
}

/// What came.
#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Without parameters, in small letters; empty when there is none.
    pub fn media_type(&self) -> String {
        let given = self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The body of a page that was found.
    ///
    /// # Errors
    /// Another status, another media type, or no text.
    pub fn html(&self) -> Result<&str, String> {
        self.is("text/html")?;
        str::from_utf8(&self.body).map_err(|_| "a page that is not UTF-8".to_owned())
    }

    /// # Errors
    /// As [`Answer::html`], or no JSON.
    pub fn json(&self) -> Result<serde_json::Value, String> {
        self.is("application/json")?;
        // Its reader refuses what is nested too deep.
        serde_json::from_slice(&self.body).map_err(|error| format!("an answer that is no JSON ({error})"))
    }

    fn is(&self, media_type: &str) -> Result<(), String> {
        if self.status != StatusCode::OK {
            return Err(format!("the status {}", self.status.as_u16()));
        }
        let found = self.media_type();
        if found == media_type { Ok(()) } else { Err(format!("an answer of the type {found:?}")) }
    }
}
