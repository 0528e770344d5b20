//! Time zones by their IANA names, from the data that is compiled in: every node must agree on them.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A zone of the database; UTC unless named.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// # Errors
    /// That there is no such zone, with a hint at the one that may be meant.
    pub fn named(name: &str) -> Result<Self, String> {
        let plain = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
        if plain && let Ok(zone) = DATABASE.get(name) {
            return Ok(Self(zone));
        }
        let shown: String = name.chars().take(64).collect();
        let hint = suggestion(&shown).map_or_else(
            || "use an IANA name such as Europe/London, or UTC".to_owned(),
            |zone| format!("did you mean {zone}?"),
        );
        Err(format!("there is no time zone {shown:?}; {hint}"))
    }

    pub fn into_inner(self) -> TimeZone {
        self.0
    }
}

/// The zone whose city was named, or whose name is near.
fn suggestion(name: &str) -> Option<String> {
    let city = name.rsplit('/').next().unwrap_or(name).replace(' ', "_");
    let names: Vec<String> = DATABASE.available().map(|name| name.as_str().to_owned()).collect();
    let city_of = |zone: &str| zone.rsplit('/').next().unwrap_or(zone).to_owned();
    let by_city =
        names.iter().find(|zone| zone.contains('/') && city_of(zone).eq_ignore_ascii_case(&city)).cloned();
    by_city.or_else(|| {
        let near = crate::document::nearest(name, names.iter().map(String::as_str));
        near.map(str::to_owned).or_else(|| {
            let cities: Vec<String> = names.iter().map(|zone| city_of(zone)).collect();
            let near = crate::document::nearest(&city, cities.iter().map(String::as_str))?;
            names.iter().find(|zone| zone.contains('/') && city_of(zone) == near).cloned()
        })
    })
}
