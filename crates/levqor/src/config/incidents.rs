//! How long may pass in an incident, who is told next, and which alerts are incidents.

use std::{path::PathBuf, time::Duration};

use levqor_server::features::incidents::{IncidentSettings, LevelTimes};

use super::Reader;

/// A week: whoever wants to wait longer wants no incident.
const MINUTES_MAX: u64 = 7 * 24 * 60;
const ROUTES_MAX: usize = 20;
const RULES_MAX: usize = 200;

impl Reader<'_> {
    pub(super) fn incidents(&mut self) -> IncidentSettings {
        let acknowledge = self.minutes("incidents.acknowledge_minutes");
        let update = self.minutes("incidents.update_minutes");
        let shipped = IncidentSettings::default();
        let levels = match (acknowledge, update) {
            (Some(acknowledge), Some(update)) => std::array::from_fn(|place| LevelTimes {
                acknowledge: acknowledge[place],
                update: update[place],
            }),
            // There is a complaint.
            _ => shipped.levels,
        };
        let folder = self.text("incidents.postmortems_dir");
        let postmortems_dir = (!folder.is_empty()).then(|| PathBuf::from(folder));
        IncidentSettings { levels, routes: self.routes(), rules: self.rules(), postmortems_dir }
    }

    /// Of L1 to L4.
    fn minutes(&mut self, name: &'static str) -> Option<[Duration; 4]> {
        let list = self.words_of(name);
        let numbers: Vec<u64> = list
            .iter()
            .filter_map(|text| text.parse().ok())
            .filter(|minutes| (1..=MINUTES_MAX).contains(minutes))
            .collect();
        match <[u64; 4]>::try_from(numbers) {
            Ok(minutes) if list.len() == 4 => Some(minutes.map(|minutes| Duration::from_secs(minutes * 60))),
            _ => {
                let shown = list.join(",");
                self.complain(
                    name,
                    format!("{shown:?} is not four numbers of minutes from 1 to {MINUTES_MAX}"),
                    "write one for each of L1, L2, L3 and L4, such as 240,30,10,5",
                );
                None
            }
        }
    }

    fn routes(&mut self) -> Vec<String> {
        const NAME: &str = "incidents.routes";
        let routes = self.words_of(NAME);
        let is_name = |route: &String| {
            route.len() <= 64
                && route
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        };
        if let Some(wrong) = routes.iter().find(|route| !is_name(route)) {
            self.complain(
                NAME,
                format!("{wrong:?} is no name of a route"),
                "name routes with letters, digits, - and _",
            );
        }
        if routes.len() > ROUTES_MAX {
            self.complain(
                NAME,
                format!("has more than {ROUTES_MAX} routes"),
                "name those that are told in turn",
            );
        }
        routes
    }

    fn rules(&mut self) -> Vec<levqor_server::features::incidents::AlertRule> {
        const NAME: &str = "incidents.rules";
        let mut rules = Vec::new();
        for text in self.words_of(NAME) {
            match text.parse() {
                Ok(rule) => rules.push(rule),
                Err(problem) => self.complain(
                    NAME,
                    problem,
                    "write rule=level, or rule=level:minutes; the level is l1, l2, l3, l4 or none",
                ),
            }
        }
        if rules.len() > RULES_MAX {
            self.complain(
                NAME,
                format!("has more than {RULES_MAX} rules"),
                "write rules for the beginnings of names",
            );
        }
        rules
    }

    fn words_of(&self, name: &str) -> Vec<String> {
        let list = self.text(name).split(',').map(str::trim).filter(|part| !part.is_empty());
        list.map(str::to_owned).collect()
    }
}
