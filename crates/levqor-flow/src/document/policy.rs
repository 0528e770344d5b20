//! `document.metadata`: anybody's, except for the member `levqor`, which is ours and closed, so that a slip does not
//! silently change when or where runs run.

use std::time::Duration;

use levqor_model::{Misfire, Overlap, Priority, RegionCode, Residency};
use serde_json::{Map, Value};

use super::{
    checker::{Checker, kind},
    data::{Moment, Scope, enclosed},
    duration,
    issue::{Place, clip},
};
use crate::{
    policy::{
        CATCH_UP_MAX, Concurrency, KEY_CHARS_MAX, KEY_LIMIT_MAX, Key, Policy, RETENTION_DAYS_MAX,
        SchedulePolicy,
    },
    schedule::Zone,
};

/// What `document.metadata.levqor` says.
#[derive(Debug, Clone, Default)]
pub(super) struct Ours {
    pub(super) zone: Zone,
    pub(super) policy: Policy,
}

type Members = Map<String, Value>;

impl<'d> Checker<'d> {
    pub(super) fn metadata(&mut self, value: &'d Value, place: &Place<'_>) -> Ours {
        let metadata = self.object(value, place, "{ owner: billing }");
        match metadata.and_then(|metadata| metadata.get("levqor")) {
            Some(ours) => self.ours(ours, &place.key("levqor")).unwrap_or_default(),
            None => Ours::default(),
        }
    }

    fn ours(&mut self, value: &'d Value, place: &Place<'_>) -> Option<Ours> {
        const KNOWN: [&str; 8] =
            ["zone", "priority", "concurrency", "schedule", "residency", "retention", "approval", "budget"];
        let ours = self.object(value, place, "{ zone: Europe/London }")?;
        self.closed(ours, place, &KNOWN);
        let retention = self.whole(
            ours,
            place,
            "retention",
            1..=u64::from(RETENTION_DAYS_MAX),
            " of days",
            "; leave it out to keep runs for as long as the server does",
        );
        let zone = self
            .optional_text(ours, place, "zone")
            .and_then(|zone| Zone::named(zone).map_err(|reason| self.error(&place.key("zone"), reason)).ok());
        let priority = self.whole(
            ours,
            place,
            "priority",
            u64::from(Priority::LEAST)..=u64::from(Priority::MOST),
            "",
            "; 9 is started first, 5 is usual",
        );
        let concurrency =
            ours.get("concurrency").and_then(|value| self.concurrency(value, &place.key("concurrency")));
        let schedule =
            ours.get("schedule").and_then(|value| self.schedule_policy(value, &place.key("schedule")));
        let residency =
            ours.get("residency").and_then(|value| self.residency(value, &place.key("residency")));
        let approval = ours
            .get("approval")
            .and_then(|value| self.question(value, &place.key("approval"), Scope::new(Moment::Start)));
        let budget = ours.get("budget").and_then(|value| self.budget(value, &place.key("budget")));
        Some(Ours {
            zone: zone.unwrap_or_default(),
            policy: Policy {
                priority: priority.and_then(Priority::new).unwrap_or_default(),
                concurrency,
                schedule: schedule.unwrap_or_default(),
                residency,
                retention_days: retention.and_then(|days| u32::try_from(days).ok()),
                approval,
                budget,
            },
        })
    }

    /// A whole number within bounds.
    pub(super) fn whole(
        &mut self,
        object: &'d Members,
        place: &Place<'_>,
        member: &str,
        range: std::ops::RangeInclusive<u64>,
        unit: &str,
        hint: &str,
    ) -> Option<u64> {
        let value = object.get(member)?;
        let number = value.as_u64().filter(|number| range.contains(number));
        if number.is_none() {
            let found = match value {
                Value::Number(number) => number.to_string(),
                other => kind(other).to_owned(),
            };
            let message = format!(
                "`{member}` must be a whole number{unit} from {} to {}, and is {found}{hint}",
                range.start(),
                range.end()
            );
            self.error(&place.key(member), message);
        }
        number
    }

    fn concurrency(&mut self, value: &'d Value, place: &Place<'_>) -> Option<Concurrency> {
        let concurrency = self.object(value, place, "{ key: '${ .customer }', limit: 1 }")?;
        self.closed(concurrency, place, &["key", "limit"]);
        let key = self.required_text(concurrency, place, "key");
        let at = place.key("key");
        let key = key.and_then(|text| match enclosed(text) {
            Some(inner) => self.compile(inner, &at, Scope::new(Moment::Start)).map(Key::Computed),
            None => match text.chars().count() {
                1..=KEY_CHARS_MAX => Some(Key::Literal(text.to_owned())),
                _ => {
                    self.error(
                        &at,
                        format!(
                            "`key` must have 1 to {KEY_CHARS_MAX} characters; write a name, or an expression on \
                             the run's input such as '${{ .customer }}'"
                        ),
                    );
                    None
                }
            },
        });
        self.required(concurrency, place, "limit");
        let limit = self.whole(concurrency, place, "limit", 1..=u64::from(KEY_LIMIT_MAX), "", "");
        Some(Concurrency { key: key?, limit: u32::try_from(limit?).ok()? })
    }

    fn schedule_policy(&mut self, value: &'d Value, place: &Place<'_>) -> Option<SchedulePolicy> {
        let overlaps: Vec<_> = Overlap::ALL.iter().map(|word| (word.as_str(), *word)).collect();
        let misfires: Vec<_> = Misfire::ALL.iter().map(|word| (word.as_str(), *word)).collect();
        let schedule = self.object(value, place, "{ overlap: skip, misfire: fire-once }")?;
        self.closed(schedule, place, &["overlap", "misfire", "catchUp"]);
        let overlap =
            schedule.get("overlap").and_then(|value| self.word(value, &place.key("overlap"), &overlaps));
        let misfire =
            schedule.get("misfire").and_then(|value| self.word(value, &place.key("misfire"), &misfires));
        let catch_up = schedule.get("catchUp").and_then(|value| self.catch_up(value, &place.key("catchUp")));
        let usual = SchedulePolicy::default();
        Some(SchedulePolicy {
            overlap: overlap.unwrap_or(usual.overlap),
            misfire: misfire.unwrap_or(usual.misfire),
            catch_up: catch_up.unwrap_or(usual.catch_up),
        })
    }

    fn catch_up(&mut self, value: &'d Value, place: &Place<'_>) -> Option<Duration> {
        match duration(value) {
            Ok(span) if span <= CATCH_UP_MAX => Some(span),
            Ok(_) => {
                self.error(
                    place,
                    "`catchUp` is at most 7 days: what was missed longer ago is not made up for",
                );
                None
            }
            Err(reason) => {
                self.error(place, reason);
                None
            }
        }
    }

    fn residency(&mut self, value: &'d Value, place: &Place<'_>) -> Option<Residency> {
        const FORMS: &str = "write anywhere, a list of regions such as [eu-west], or { jurisdiction: EU }";
        match value {
            Value::String(text) if text == "anywhere" => Some(Residency::Anywhere),
            Value::Array(codes) => self.regions(codes, place).map(Residency::Regions),
            Value::Object(members) => {
                self.closed(members, place, &["jurisdiction"]);
                let text = self.required_text(members, place, "jurisdiction")?;
                let shape = (1..=32).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                if !shape {
                    let message = format!(
                        "`jurisdiction` is a short code such as EU, US or IN, and is {:?}",
                        clip(text)
                    );
                    self.error(&place.key("jurisdiction"), message);
                }
                shape.then(|| Residency::Jurisdiction(text.to_owned()))
            }
            Value::String(text) => {
                self.error(place, format!("`residency` cannot be {:?}; {FORMS}", clip(text)));
                None
            }
            other => {
                self.error(place, format!("`residency` cannot be {}; {FORMS}", kind(other)));
                None
            }
        }
    }

    fn regions(&mut self, codes: &'d [Value], place: &Place<'_>) -> Option<Vec<RegionCode>> {
        const REGIONS_MAX: usize = 50;
        if codes.is_empty() || codes.len() > REGIONS_MAX {
            self.error(place, format!("`residency` must name 1 to {REGIONS_MAX} regions, or be `anywhere`"));
            return None;
        }
        let regions: Vec<_> = codes
            .iter()
            .enumerate()
            .filter_map(|(index, code)| {
                let place = place.index(index);
                let code = self.text(code, &place)?;
                code.parse().map_err(|reason| self.error(&place, format!("{reason}"))).ok()
            })
            .collect();
        (regions.len() == codes.len()).then_some(regions)
    }

    /// Rules for due times that the workflow does not have.
    pub(super) fn check_schedule_policy(&mut self, has_schedule: bool) {
        const PATH: &str = "/document/metadata/levqor/schedule";
        if has_schedule || self.document.pointer(PATH).is_none() {
            return;
        }
        let place = Place::ROOT;
        let place = place.key("document");
        let place = place.key("metadata");
        let place = place.key("levqor");
        self.warn(
            &place.key("schedule"),
            "these rules have no effect, since the workflow has no `schedule`; add one beside `do`",
        );
    }
}
