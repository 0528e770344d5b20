//! To whom messages go, as the operator configured it.

use std::{collections::BTreeMap, fmt, sync::Arc};

use levqor_model::{Secret, Severity};
use levqor_slo::Catalogue;

/// The objectives of this installation.
#[derive(Debug, Clone)]
pub struct SloSettings(pub Arc<Catalogue>);

impl Default for SloSettings {
    /// What is shipped.
    fn default() -> Self {
        Self(Arc::new(crate::features::slo::catalogue(None).unwrap_or_default()))
    }
}

impl std::ops::Deref for SloSettings {
    type Target = Catalogue;

    fn deref(&self) -> &Catalogue {
        &self.0
    }
}

/// Destinations by name, and which of them are told of what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertSettings {
    pub destinations: Vec<Destination>,
    /// Names of destinations by route: a severity, `digest`, or a name that documents use. A route that is not here goes to all.
    pub routes: BTreeMap<String, Vec<String>>,
}

/// Somebody who is told, or something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub name: String,
    pub kind: DestinationKind,
}

#[derive(Clone, PartialEq, Eq)]
pub enum DestinationKind {
    /// Addresses of mail.
    Mail { to: Vec<String> },
    /// A webhook as Standard Webhooks has it; signed when there is a secret.
    Webhook { url: Secret, secret: Option<Secret> },
    /// A webhook that takes `{"text": …}`, as Slack, Mattermost and others do.
    Chat { url: Secret },
}

impl fmt::Debug for DestinationKind {
    /// Addresses of such hooks may hold what proves who sends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl DestinationKind {
    pub const fn word(&self) -> &'static str {
        match self {
            DestinationKind::Mail { .. } => "mail",
            DestinationKind::Webhook { .. } => "webhook",
            DestinationKind::Chat { .. } => "chat",
        }
    }
}

impl Destination {
    /// Itself, or one for each address: a server that refuses one of them has refused no other.
    fn each(&self) -> Vec<Self> {
        match &self.kind {
            DestinationKind::Mail { to } if to.len() > 1 => to
                .iter()
                .enumerate()
                .map(|(place, address)| Self {
                    name: format!("{}/{}", self.name, place + 1),
                    kind: DestinationKind::Mail { to: vec![address.clone()] },
                })
                .collect(),
            _ => vec![self.clone()],
        }
    }
}

impl AlertSettings {
    /// Who is told by a route. What nobody has configured goes the way of its severity, and that to all destinations: somebody who is told
    /// too much can say so, somebody who is not told cannot.
    pub fn of_route(&self, route: &str, severity: Severity) -> Vec<Destination> {
        let named = |names: &Vec<String>| {
            let listed = self.destinations.iter().filter(|it| names.contains(&it.name));
            listed.flat_map(Destination::each).collect::<Vec<_>>()
        };
        if let Some(names) = self.routes.get(route) {
            return named(names);
        }
        if let Some(destination) = self.destinations.iter().find(|it| it.name == route) {
            return destination.each();
        }
        match self.routes.get(severity.as_str()) {
            Some(names) => named(names),
            None => self.destinations.iter().flat_map(Destination::each).collect(),
        }
    }

    /// Who has a copy that was made for a destination, whatever routes are called. When nobody is called like that any more, it goes the
    /// way of a route.
    pub fn of_copy(&self, destination: &str, severity: Severity) -> Vec<Destination> {
        let own = self.destinations.iter().flat_map(Destination::each).find(|it| it.name == destination);
        own.map_or_else(|| self.of_route(destination, severity), |one| vec![one])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_leads_to_its_destinations_and_otherwise_to_all() {
        let destination = |name: &str| Destination {
            name: name.to_owned(),
            kind: DestinationKind::Mail { to: vec!["ops@example.com".to_owned()] },
        };
        let mut settings = AlertSettings {
            destinations: ["mail", "pager", "chat"].map(destination).to_vec(),
            routes: BTreeMap::new(),
        };
        let of = |settings: &AlertSettings, route: &str, severity| {
            settings.of_route(route, severity).iter().map(|it| it.name.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(&settings, "critical", Severity::Critical), "mail pager chat");
        assert_eq!(of(&settings, "pager", Severity::Minor), "pager");
        settings.routes.insert("critical".to_owned(), vec!["pager".to_owned(), "mail".to_owned()]);
        settings.routes.insert("minor".to_owned(), Vec::new());
        assert_eq!(of(&settings, "critical", Severity::Critical), "mail pager");
        // A name that nobody knows is no reason to tell nobody.
        assert_eq!(of(&settings, "pagr", Severity::Critical), "mail pager");
        assert_eq!(of(&settings, "digest", Severity::Major), "mail pager chat");
        assert_eq!(of(&settings, "minor", Severity::Minor), "");
        assert_eq!(of(&AlertSettings::default(), "critical", Severity::Critical), "");
    }

    #[test]
    fn each_address_is_told_by_itself_and_a_copy_is_never_split_again() {
        let mail = |name: &str, to: &[&str]| Destination {
            name: name.to_owned(),
            kind: DestinationKind::Mail { to: to.iter().map(ToString::to_string).collect() },
        };
        let settings = AlertSettings {
            destinations: vec![
                mail("team", &["ops@example.com", "desk@example.com"]),
                mail("pager", &["p@example.com"]),
            ],
            // A route that is called like one of its destinations.
            routes: BTreeMap::from([("pager".to_owned(), vec!["pager".to_owned(), "team".to_owned()])]),
        };
        let all = settings.of_route("pager", Severity::Critical);
        let names: Vec<_> = all.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["team/1", "team/2", "pager"]);
        assert_eq!(all[1].kind, DestinationKind::Mail { to: vec!["desk@example.com".to_owned()] });
        for one in &all {
            assert_eq!(settings.of_copy(&one.name, Severity::Critical), std::slice::from_ref(one));
        }
        // An address that was taken out: those who are left are told rather than nobody.
        assert_eq!(settings.of_copy("team/3", Severity::Critical), all);
    }

    #[test]
    fn addresses_are_not_shown() {
        let kind = DestinationKind::Chat { url: Secret::new("https://hooks.example/hunter2") };
        assert!(!format!("{kind:?}").contains("hunter2"));
    }
}
