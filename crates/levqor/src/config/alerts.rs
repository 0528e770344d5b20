//! Who is told of alerts: the destinations of the file's list and those of the environment's names, and the routes to them.

use std::collections::BTreeSet;

use levqor_engine::courier::is_secret;
use levqor_model::Secret;
use levqor_server::{
    features::alerts::{AlertSettings, Destination, DestinationKind},
    mail::Message,
};
use url::Url;

use super::{
    Reader,
    layers::{AlertDestination, Complaint},
};

/// Destinations, and addresses of one of them.
const DESTINATIONS_MAX: usize = 50;
const ADDRESSES_MAX: usize = 20;
/// Routes that are told by their names.
const ROUTES_MAX: usize = 100;

impl Reader<'_> {
    pub(super) fn alerts(&mut self) -> AlertSettings {
        let mut destinations = Vec::new();
        let mut names = BTreeSet::new();
        for listed in self.layers.alert_destinations.clone() {
            let named = named(&listed.name, &mut names).and_then(|()| destination(&listed));
            match named {
                Ok(kind) => destinations.push(Destination { name: listed.name, kind }),
                Err(problem) => {
                    let name: String = listed.name.chars().take(64).collect();
                    self.complaints.push(Complaint(format!("alerts.destinations: {name:?}: {problem}")));
                }
            }
        }
        for (name, key) in
            [("mail", "alerts.mail_to"), ("webhook", "alerts.webhook_url"), ("chat", "alerts.slack_url")]
        {
            let text = self.text(key).trim().to_owned();
            if text.is_empty() {
                continue;
            }
            if let Err(problem) = named(name, &mut names) {
                self.complain(key, problem, "rename that one, or leave this key out");
                continue;
            }
            let kind = match name {
                "mail" => mail(&text.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>()),
                "webhook" => {
                    let secret = Secret::new(self.text("alerts.webhook_secret"));
                    webhook(&Secret::new(text), (!secret.expose().is_empty()).then_some(secret))
                }
                _ => address(&text).map(|()| DestinationKind::Chat { url: Secret::new(text) }),
            };
            match kind {
                Ok(kind) => destinations.push(Destination { name: name.to_owned(), kind }),
                Err(problem) => self.complain(key, problem, "or leave the key out"),
            }
        }
        if self.text("alerts.webhook_url").is_empty() && !self.text("alerts.webhook_secret").is_empty() {
            let remedy = "set it (LEVQOR_ALERTS_WEBHOOK_URL) to where alerts go, or leave the secret out";
            self.complain("alerts.webhook_url", "is empty, and alerts.webhook_secret is set", remedy);
        }
        if destinations.len() > DESTINATIONS_MAX || self.layers.alert_routes.len() > ROUTES_MAX {
            self.complaints.push(Complaint(format!(
                "alerts: there are more than {DESTINATIONS_MAX} destinations, or {ROUTES_MAX} routes; leave some out"
            )));
        }
        let has_mail = destinations.iter().any(|it| matches!(it.kind, DestinationKind::Mail { .. }));
        if has_mail && self.text("mail.smtp_url").is_empty() {
            let remedy = "set it (SMTP_URL) to the server that takes mail, or leave the addresses out";
            self.complain("mail.smtp_url", "is empty, and alerts go by mail", remedy);
        }
        let routes = self.layers.alert_routes.clone();
        for (route, to) in &routes {
            for name in to {
                if !names.contains(name) {
                    let known = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                    let hint = levqor_model::did_you_mean(name, names.iter().map(String::as_str));
                    self.complaints.push(Complaint(format!(
                        "alerts.routes: {route:?}: there is no destination {name:?}{hint}; known are: {known}"
                    )));
                }
            }
        }
        AlertSettings { destinations, routes }
    }
}

fn named(name: &str, names: &mut BTreeSet<String>) -> Result<(), String> {
    let inside = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if name.is_empty() || name.len() > 63 || !name.chars().all(inside) {
        return Err("the name takes 1 to 63 lower case letters, digits and dashes".to_owned());
    }
    if !names.insert(name.to_owned()) {
        return Err(format!("a destination is called {name:?} already; give each its own name"));
    }
    Ok(())
}

fn destination(listed: &AlertDestination) -> Result<DestinationKind, String> {
    let AlertDestination { mail: addresses, webhook: hook, secret, slack, .. } = listed;
    match (addresses, hook, slack) {
        (Some(addresses), None, None) if secret.is_none() => mail(addresses),
        (None, Some(hook), None) => webhook(hook, secret.clone()),
        (None, None, Some(url)) if secret.is_none() => {
            address(url.expose()).map(|()| DestinationKind::Chat { url: url.clone() })
        }
        _ => Err("give exactly one of mail, webhook and slack; only a webhook has a secret".to_owned()),
    }
}

fn mail(addresses: &[String]) -> Result<DestinationKind, String> {
    if addresses.is_empty() || addresses.len() > ADDRESSES_MAX {
        return Err(format!("{} addresses are given; give 1 to {ADDRESSES_MAX}", addresses.len()));
    }
    for address in addresses {
        Message::plain(address, "", String::new()).map_err(|invalid| invalid.problem)?;
    }
    Ok(DestinationKind::Mail { to: addresses.to_vec() })
}

fn webhook(url: &Secret, secret: Option<Secret>) -> Result<DestinationKind, String> {
    address(url.expose())?;
    if secret.as_ref().is_some_and(|secret| !is_secret(secret.expose())) {
        return Err("the secret is not whsec_ and 24 to 64 bytes in Base 64; make one with `echo whsec_$(openssl rand -base64 32)`"
            .to_owned());
    }
    Ok(DestinationKind::Webhook { url: url.clone(), secret })
}

/// Never shows the address, which may hold what proves who sends.
fn address(text: &str) -> Result<(), String> {
    let plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    };
    Url::parse(text.trim()).ok().filter(plain).map(drop).ok_or_else(|| {
        "the address is none of http or https without user and fragment; write it like https://hooks.example.com/abc"
            .to_owned()
    })
}
