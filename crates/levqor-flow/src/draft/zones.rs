//! Names of places and zones as people say them, and the IANA zones that they mean.

/// What a name says about the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Zone(&'static str),
    /// It could be any of these (when there are some worth naming); someone must say which.
    Ambiguous(&'static [&'static str]),
}

const PLACES: &[(&str, &str)] = &[
    ("utc", "UTC"),
    ("gmt", "UTC"),
    ("zulu", "UTC"),
    ("greenwich", "UTC"),
    // Europe
    ("london", "Europe/London"),
    ("uk", "Europe/London"),
    ("united kingdom", "Europe/London"),
    ("britain", "Europe/London"),
    ("british", "Europe/London"),
    ("england", "Europe/London"),
    ("scotland", "Europe/London"),
    ("wales", "Europe/London"),
    ("edinburgh", "Europe/London"),
    ("manchester", "Europe/London"),
    ("dublin", "Europe/Dublin"),
    ("ireland", "Europe/Dublin"),
    ("irish", "Europe/Dublin"),
    ("lisbon", "Europe/Lisbon"),
    ("portugal", "Europe/Lisbon"),
    ("madrid", "Europe/Madrid"),
    ("barcelona", "Europe/Madrid"),
    ("paris", "Europe/Paris"),
    ("france", "Europe/Paris"),
    ("french", "Europe/Paris"),
    ("brussels", "Europe/Brussels"),
    ("belgium", "Europe/Brussels"),
    ("amsterdam", "Europe/Amsterdam"),
    ("netherlands", "Europe/Amsterdam"),
    ("dutch", "Europe/Amsterdam"),
    ("luxembourg", "Europe/Luxembourg"),
    ("berlin", "Europe/Berlin"),
    ("germany", "Europe/Berlin"),
    ("german", "Europe/Berlin"),
    ("munich", "Europe/Berlin"),
    ("hamburg", "Europe/Berlin"),
    ("frankfurt", "Europe/Berlin"),
    ("zurich", "Europe/Zurich"),
    ("zürich", "Europe/Zurich"),
    ("geneva", "Europe/Zurich"),
    ("switzerland", "Europe/Zurich"),
    ("swiss", "Europe/Zurich"),
    ("vienna", "Europe/Vienna"),
    ("austria", "Europe/Vienna"),
    ("rome", "Europe/Rome"),
    ("milan", "Europe/Rome"),
    ("italy", "Europe/Rome"),
    ("italian", "Europe/Rome"),
    ("copenhagen", "Europe/Copenhagen"),
    ("denmark", "Europe/Copenhagen"),
    ("oslo", "Europe/Oslo"),
    ("norway", "Europe/Oslo"),
    ("stockholm", "Europe/Stockholm"),
    ("sweden", "Europe/Stockholm"),
    ("helsinki", "Europe/Helsinki"),
    ("finland", "Europe/Helsinki"),
    ("warsaw", "Europe/Warsaw"),
    ("poland", "Europe/Warsaw"),
    ("prague", "Europe/Prague"),
    ("budapest", "Europe/Budapest"),
    ("hungary", "Europe/Budapest"),
    ("bucharest", "Europe/Bucharest"),
    ("romania", "Europe/Bucharest"),
    ("sofia", "Europe/Sofia"),
    ("athens", "Europe/Athens"),
    ("greece", "Europe/Athens"),
    ("kyiv", "Europe/Kyiv"),
    ("kiev", "Europe/Kyiv"),
    ("ukraine", "Europe/Kyiv"),
    ("istanbul", "Europe/Istanbul"),
    ("turkey", "Europe/Istanbul"),
    ("moscow", "Europe/Moscow"),
    ("bst", "Europe/London"),
    ("wet", "Europe/Lisbon"),
    ("cet", "Europe/Paris"),
    ("cest", "Europe/Paris"),
    ("central european", "Europe/Paris"),
    ("eet", "Europe/Athens"),
    ("eest", "Europe/Athens"),
    ("msk", "Europe/Moscow"),
    // America
    ("new york", "America/New_York"),
    ("nyc", "America/New_York"),
    ("boston", "America/New_York"),
    ("miami", "America/New_York"),
    ("atlanta", "America/New_York"),
    ("washington", "America/New_York"),
    ("virginia", "America/New_York"),
    ("us eastern", "America/New_York"),
    ("eastern", "America/New_York"),
    ("est", "America/New_York"),
    ("edt", "America/New_York"),
    ("et", "America/New_York"),
    ("toronto", "America/Toronto"),
    ("montreal", "America/Toronto"),
    ("chicago", "America/Chicago"),
    ("dallas", "America/Chicago"),
    ("houston", "America/Chicago"),
    ("austin", "America/Chicago"),
    ("us central", "America/Chicago"),
    ("cdt", "America/Chicago"),
    ("denver", "America/Denver"),
    ("mountain", "America/Denver"),
    ("mst", "America/Denver"),
    ("mdt", "America/Denver"),
    ("phoenix", "America/Phoenix"),
    ("los angeles", "America/Los_Angeles"),
    ("san francisco", "America/Los_Angeles"),
    ("seattle", "America/Los_Angeles"),
    ("california", "America/Los_Angeles"),
    ("us pacific", "America/Los_Angeles"),
    ("pacific", "America/Los_Angeles"),
    ("pst", "America/Los_Angeles"),
    ("pdt", "America/Los_Angeles"),
    ("pt", "America/Los_Angeles"),
    ("vancouver", "America/Vancouver"),
    ("anchorage", "America/Anchorage"),
    ("alaska", "America/Anchorage"),
    ("honolulu", "Pacific/Honolulu"),
    ("hawaii", "Pacific/Honolulu"),
    ("halifax", "America/Halifax"),
    ("mexico city", "America/Mexico_City"),
    ("bogota", "America/Bogota"),
    ("bogotá", "America/Bogota"),
    ("colombia", "America/Bogota"),
    ("lima", "America/Lima"),
    ("peru", "America/Lima"),
    ("santiago", "America/Santiago"),
    ("buenos aires", "America/Argentina/Buenos_Aires"),
    ("argentina", "America/Argentina/Buenos_Aires"),
    ("sao paulo", "America/Sao_Paulo"),
    ("são paulo", "America/Sao_Paulo"),
    ("rio de janeiro", "America/Sao_Paulo"),
    // Africa and the Middle East
    ("cairo", "Africa/Cairo"),
    ("egypt", "Africa/Cairo"),
    ("casablanca", "Africa/Casablanca"),
    ("morocco", "Africa/Casablanca"),
    ("lagos", "Africa/Lagos"),
    ("nigeria", "Africa/Lagos"),
    ("accra", "Africa/Accra"),
    ("ghana", "Africa/Accra"),
    ("nairobi", "Africa/Nairobi"),
    ("kenya", "Africa/Nairobi"),
    ("johannesburg", "Africa/Johannesburg"),
    ("cape town", "Africa/Johannesburg"),
    ("south africa", "Africa/Johannesburg"),
    ("jerusalem", "Asia/Jerusalem"),
    ("tel aviv", "Asia/Jerusalem"),
    ("israel", "Asia/Jerusalem"),
    ("dubai", "Asia/Dubai"),
    ("abu dhabi", "Asia/Dubai"),
    ("uae", "Asia/Dubai"),
    ("riyadh", "Asia/Riyadh"),
    ("saudi arabia", "Asia/Riyadh"),
    ("doha", "Asia/Qatar"),
    ("qatar", "Asia/Qatar"),
    ("tehran", "Asia/Tehran"),
    // Asia and the Pacific
    ("karachi", "Asia/Karachi"),
    ("pakistan", "Asia/Karachi"),
    ("mumbai", "Asia/Kolkata"),
    ("delhi", "Asia/Kolkata"),
    ("new delhi", "Asia/Kolkata"),
    ("bangalore", "Asia/Kolkata"),
    ("bengaluru", "Asia/Kolkata"),
    ("kolkata", "Asia/Kolkata"),
    ("chennai", "Asia/Kolkata"),
    ("india", "Asia/Kolkata"),
    ("indian", "Asia/Kolkata"),
    ("dhaka", "Asia/Dhaka"),
    ("bangladesh", "Asia/Dhaka"),
    ("kathmandu", "Asia/Kathmandu"),
    ("nepal", "Asia/Kathmandu"),
    ("colombo", "Asia/Colombo"),
    ("sri lanka", "Asia/Colombo"),
    ("bangkok", "Asia/Bangkok"),
    ("thailand", "Asia/Bangkok"),
    ("hanoi", "Asia/Ho_Chi_Minh"),
    ("vietnam", "Asia/Ho_Chi_Minh"),
    ("jakarta", "Asia/Jakarta"),
    ("kuala lumpur", "Asia/Kuala_Lumpur"),
    ("malaysia", "Asia/Kuala_Lumpur"),
    ("singapore", "Asia/Singapore"),
    ("sgt", "Asia/Singapore"),
    ("manila", "Asia/Manila"),
    ("philippines", "Asia/Manila"),
    ("hong kong", "Asia/Hong_Kong"),
    ("hkt", "Asia/Hong_Kong"),
    ("taipei", "Asia/Taipei"),
    ("taiwan", "Asia/Taipei"),
    ("shanghai", "Asia/Shanghai"),
    ("beijing", "Asia/Shanghai"),
    ("china", "Asia/Shanghai"),
    ("seoul", "Asia/Seoul"),
    ("korea", "Asia/Seoul"),
    ("kst", "Asia/Seoul"),
    ("tokyo", "Asia/Tokyo"),
    ("japan", "Asia/Tokyo"),
    ("jst", "Asia/Tokyo"),
    ("perth", "Australia/Perth"),
    ("adelaide", "Australia/Adelaide"),
    ("brisbane", "Australia/Brisbane"),
    ("sydney", "Australia/Sydney"),
    ("melbourne", "Australia/Melbourne"),
    ("aest", "Australia/Sydney"),
    ("aedt", "Australia/Sydney"),
    ("auckland", "Pacific/Auckland"),
    ("wellington", "Pacific/Auckland"),
    ("new zealand", "Pacific/Auckland"),
    ("nzst", "Pacific/Auckland"),
    ("nzdt", "Pacific/Auckland"),
];

const AMBIGUOUS: &[(&str, &[&str])] = &[
    ("cst", &["America/Chicago", "Asia/Shanghai", "America/Havana"]),
    ("central", &["America/Chicago", "Europe/Paris", "Australia/Adelaide"]),
    ("ist", &["Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"]),
    ("ast", &["America/Halifax", "Asia/Riyadh"]),
    ("amt", &["America/Manaus", "Asia/Yerevan"]),
    ("us", &["America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"]),
    ("usa", &["America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"]),
    ("america", &["America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"]),
    ("american", &["America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"]),
    ("canada", &["America/Toronto", "America/Vancouver", "America/Halifax"]),
    ("australia", &["Australia/Sydney", "Australia/Brisbane", "Australia/Perth"]),
    ("australian", &["Australia/Sydney", "Australia/Brisbane", "Australia/Perth"]),
    ("brazil", &["America/Sao_Paulo", "America/Manaus"]),
    ("mexico", &["America/Mexico_City", "America/Tijuana"]),
    ("russia", &["Europe/Moscow", "Asia/Yekaterinburg", "Asia/Vladivostok"]),
    ("spain", &["Europe/Madrid", "Atlantic/Canary"]),
    ("indonesia", &["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"]),
    ("europe", &["Europe/London", "Europe/Paris", "Europe/Athens"]),
    ("european", &["Europe/London", "Europe/Paris", "Europe/Athens"]),
    ("local", &[]),
    ("my", &[]),
    ("our", &[]),
];

/// The zone that a name in lower case means.
pub fn place(name: &str) -> Option<Place> {
    let known = PLACES.iter().find(|(known, _)| *known == name).map(|(_, zone)| Place::Zone(zone));
    known.or_else(|| {
        AMBIGUOUS.iter().find(|(known, _)| *known == name).map(|(_, zones)| Place::Ambiguous(zones))
    })
}

/// An IANA name in any case ("europe/london"), in its proper form.
pub fn iana(name: &str) -> Option<String> {
    if !name.contains('/') {
        return None;
    }
    let zone = jiff::tz::TimeZoneDatabase::bundled().get(name).ok()?;
    zone.iana_name().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_exists() {
        let known = PLACES.iter().map(|(_, zone)| *zone);
        for zone in known.chain(AMBIGUOUS.iter().flat_map(|(_, zones)| zones.iter().copied())) {
            assert!(jiff::tz::TimeZoneDatabase::bundled().get(zone).is_ok(), "{zone} is no IANA zone");
        }
    }

    #[test]
    fn names_are_written_once_and_in_lower_case() {
        let mut names: Vec<&str> = PLACES.iter().map(|(name, _)| *name).collect();
        names.extend(AMBIGUOUS.iter().map(|(name, _)| *name));
        let count = names.len();
        assert!(names.iter().all(|name| name.to_lowercase() == *name));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn iana_names_are_put_in_their_proper_form() {
        assert_eq!(iana("europe/london").as_deref(), Some("Europe/London"));
        assert_eq!(iana("and/or"), None);
    }
}
