//! What the gateway is told: whose word about callers is believed, which sites may call the API, what connections may do.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use levqor_server::gateway::{ForwardedHeader, GatewaySettings, Networks};

use super::Reader;

impl Reader<'_> {
    pub(super) fn gateway(&mut self) -> GatewaySettings {
        GatewaySettings {
            trusted_proxies: self.trusted_proxies(),
            forwarded_header: match self.text("gateway.forwarded_header") {
                "forwarded" => ForwardedHeader::Forwarded,
                _ => ForwardedHeader::XForwardedFor,
            },
            country_header: self.country_header(),
            cors_origins: self.cors_origins(),
            block_high_risk: self.text("security.block_high_risk_ips") == "true",
            connections_per_address: self.size("gateway.connections_per_address"),
            body_timeout: Duration::from_secs(self.number("gateway.body_timeout_seconds")),
            body_rate_min: self.number("gateway.body_bytes_per_second_min"),
            stall_timeout: Duration::from_secs(self.number("gateway.stall_timeout_seconds")),
        }
    }

    fn trusted_proxies(&mut self) -> Networks {
        match self.text("gateway.trusted_proxies").parse() {
            Ok(networks) => networks,
            Err(problem) => {
                self.complain(
                    "gateway.trusted_proxies",
                    problem,
                    "write networks or addresses like 10.1.0.0/16 or 192.0.2.7",
                );
                Networks::default()
            }
        }
    }

    fn country_header(&mut self) -> Option<HeaderName> {
        let text = self.text("gateway.country_header").to_owned();
        if text == "none" {
            return None;
        }
        let name = text.parse().ok();
        if name.is_none() {
            let problem = format!("{text:?} is no name of a header");
            self.complain("gateway.country_header", problem, "write it like cf-ipcountry, or none");
        }
        name
    }

    fn cors_origins(&mut self) -> Vec<HeaderValue> {
        let list = self.text("gateway.cors_origins").to_owned();
        let mut origins = Vec::new();
        for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match origin(text) {
                Some(origin) => origins.push(origin),
                None => self.complain(
                    "gateway.cors_origins",
                    format!("{text:?} is no origin"),
                    "write origins as browsers do, like https://app.example.com, in lower case, without a path; * is not one",
                ),
            }
        }
        origins
    }
}

/// As browsers send it: scheme, host, and a port that is not the scheme's own.
fn origin(text: &str) -> Option<HeaderValue> {
    let plain = |url: &url::Url| matches!(url.scheme(), "http" | "https") && !text.contains('*');
    let url = url::Url::parse(text).ok().filter(plain)?;
    (url.origin().ascii_serialization() == text).then(|| HeaderValue::from_str(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        let rows = [
            ("https://app.example.com", true),
            ("http://localhost:3000", true),
            ("http://[::1]:3000", true),
            ("https://app.example.com/", false),
            ("https://app.example.com:443", false),
            ("https://App.example.com", false),
            ("https://app.example.com/x", false),
            ("app.example.com", false),
            ("file:///etc", false),
            ("null", false),
            ("*", false),
            ("https://*.example.com", false),
        ];
        for (text, good) in rows {
            assert_eq!(origin(text).is_some(), good, "{text}");
        }
    }
}
