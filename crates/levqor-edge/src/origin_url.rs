//! Where an origin is: a scheme, a host and a port, and nothing else.

use std::{fmt, str::FromStr};

use url::{Host, Url};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginUrl {
    tls: bool,
    /// Without brackets.
    host: String,
    port: u16,
    v6: bool,
}

/// A text that is not the address of an origin; says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {problem}; write it like http://10.0.0.1:8000 or https://eu.example.com")]
pub struct BadOriginUrl {
    text: String,
    problem: &'static str,
}

impl OriginUrl {
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// For the `Host` header of the edge's own requests.
    pub fn authority(&self) -> String {
        if self.v6 {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for OriginUrl {
    type Err = BadOriginUrl;

    fn from_str(text: &str) -> Result<Self, BadOriginUrl> {
        let bad = |problem| BadOriginUrl { text: text.chars().take(200).collect(), problem };
        let url = Url::parse(text).map_err(|_| bad("is not a URL"))?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(bad("is neither http nor https")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("holds a user or a password, which an origin does not need"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(bad("has a path, but requests keep their own"));
        }
        let (host, v6) = match url.host().ok_or_else(|| bad("has no host"))? {
            Host::Domain(name) => (name.to_owned(), false),
            Host::Ipv4(address) => (address.to_string(), false),
            Host::Ipv6(address) => (address.to_string(), true),
        };
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or_else(|| bad("has no port"))?;
        Ok(Self { tls, host, port, v6 })
    }
}

impl fmt::Display for OriginUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, shown) in [
            ("http://10.0.0.1:8000", "http://10.0.0.1:8000"),
            ("https://EU.example.com/", "https://eu.example.com:443"),
            ("http://[::1]:9", "http://[::1]:9"),
        ] {
            assert_eq!(text.parse::<OriginUrl>().unwrap().to_string(), shown);
        }
        for (text, problem) in [
            ("10.0.0.1:8000", "is not a URL"),
            ("ftp://x/", "is neither http nor https"),
            ("http://u:p@x/", "holds a user or a password"),
            ("http://x/api", "has a path"),
            ("http://x/?a", "has a path"),
            ("http://x:0/", "has no port"),
            ("http://x:99999/", "is not a URL"),
        ] {
            let error = text.parse::<OriginUrl>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
