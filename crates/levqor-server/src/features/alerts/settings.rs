//! To whom messages go, as the operator configured it.

use std::{collections::BTreeMap, fmt, sync::Arc};

use levqor_model::{Secret, Severity};
use levqor_slo::Catalogue;
use levqor_store::{alerts::HEARD_BY_MAX, notifications::Target};

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
        self.led_to(route, severity).into_iter().flat_map(Destination::each).collect()
    }

    fn led_to(&self, route: &str, severity: Severity) -> Vec<&Destination> {
        if let Some(names) = self.routes.get(route) {
            return self.listed(names);
        }
        if let Some(destination) = self.named(route) {
            return vec![destination];
        }
        match self.routes.get(severity.as_str()) {
            Some(names) => self.listed(names),
            None => self.destinations.iter().collect(),
        }
    }

    fn listed(&self, names: &[String]) -> Vec<&Destination> {
        self.destinations.iter().filter(|it| names.contains(&it.name)).collect()
    }

    fn named(&self, name: &str) -> Option<&Destination> {
        self.destinations.iter().find(|it| it.name == name)
    }

    /// Who has what is meant for a destination, whatever routes lead there. When nobody is called like that any more, it goes the way of a
    /// route.
    pub fn of_destination(&self, name: &str, severity: Severity) -> Vec<Destination> {
        self.named(name).map_or_else(|| self.of_route(name, severity), Destination::each)
    }

    /// Who is told by some routes, as it is remembered: destinations by their names, so that they are found when the routes are others; and
    /// a route that leads to nobody by its own, since an operator may give it somebody and have the message sent after all.
    pub fn hearers(&self, routes: &[String], severity: Severity) -> Vec<Target> {
        let mut heard_by = Vec::new();
        for route in routes {
            let led_to = self.led_to(route, severity);
            if led_to.is_empty() {
                heard_by.push(Target::Route(route.clone()));
            }
            heard_by.extend(led_to.into_iter().map(|it| Target::Destination(it.name.clone())));
        }
        heard_by
    }

    /// Those who heard of something, and whoever hears of it now by some routes: each once, in the order in which they heard of it.
    pub fn heard(&self, mut heard_by: Vec<Target>, routes: &[String], severity: Severity) -> Vec<Target> {
        for target in self.hearers(routes, severity) {
            if heard_by.len() < HEARD_BY_MAX && !heard_by.contains(&target) {
                heard_by.push(target);
            }
        }
        heard_by
    }

    /// Of those who heard of something, whoever is still configured, each once. Empty: none of them is.
    pub fn still_there(&self, heard_by: &[Target], severity: Severity) -> Vec<Target> {
        let mut found: Vec<Target> = Vec::new();
        for target in heard_by {
            let there: Vec<&Destination> = match target {
                Target::Destination(name) => self.named(name).into_iter().collect(),
                Target::Route(route) => self.led_to(route, severity),
                Target::Subscription(_) => Vec::new(),
            };
            for one in there {
                let target = Target::Destination(one.name.clone());
                if !found.contains(&target) {
                    found.push(target);
                }
            }
        }
        found
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
    fn who_was_told_is_found_again_once_when_the_routes_are_others() {
        let destination = |name: &str| Destination {
            name: name.to_owned(),
            kind: DestinationKind::Chat { url: Secret::new("https://hooks.example/") },
        };
        let with = |names: &[&str], routes: &[(&str, &[&str])]| AlertSettings {
            destinations: names.iter().copied().map(destination).collect(),
            routes: routes
                .iter()
                .map(|(route, to)| ((*route).to_owned(), to.iter().map(ToString::to_string).collect()))
                .collect(),
        };
        let shown = |targets: &[Target]| targets.iter().map(Target::words).collect::<Vec<_>>().join(" ");
        let then = with(
            &["team", "pager", "desk"],
            &[("major", &["team"]), ("critical", &["pager", "team"]), ("minor", &[])],
        );
        let routes = ["major", "critical", "minor"].map(str::to_owned);
        let heard_by = then.hearers(&routes, Severity::Major);
        assert_eq!(shown(&heard_by), "destination:team destination:team destination:pager route:minor");
        let now = |settings: &AlertSettings| shown(&settings.still_there(&heard_by, Severity::Critical));
        assert_eq!(now(&then), "destination:team destination:pager");
        // In no route any more, and there; and one that had nobody has somebody.
        let other =
            with(&["team", "pager", "desk"], &[("major", &[]), ("critical", &[]), ("minor", &["desk"])]);
        assert_eq!(now(&other), "destination:team destination:pager destination:desk");
        // Out of the configuration, and its address with it.
        let less = with(&["pager"], &[("critical", &["pager"]), ("minor", &[])]);
        assert_eq!(now(&less), "destination:pager");
        assert_eq!(now(&with(&["new"], &[("minor", &[])])), "");
        let of = |settings: &AlertSettings| {
            let to = settings.of_destination("team", Severity::Critical);
            to.into_iter().map(|it| it.name).collect::<Vec<_>>().join(" ")
        };
        // Also one that no route names. One that is gone by the time of the delivery goes the way of the severity.
        assert_eq!((of(&other), of(&less)), ("team".to_owned(), "pager".to_owned()));
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
