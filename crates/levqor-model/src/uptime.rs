//! What was measured of each day: counted from single observations by a rule that anybody can follow, signed, and each day chained to
//! the one before.
//!
//! ```text
//! samples of a day ─► tally ─► UptimeRecord ─► canonical JSON ─► SHA-256 ─► in the record of the day after
//!                                                       └──────► signature (Ed25519)
//! ```
//!
//! Invariant: the same samples give the same bytes, in whatever order they come.

mod tally;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ring::digest::{SHA256, digest as hashed};
use serde::{Deserialize, Serialize};
pub use tally::{OutOfOrder, Tally};

use crate::{Date, KeyError, PublicKey, SigningKey, Timestamp};

/// How long an observation speaks for what is so after it. What comes later is not known until the next one.
pub const SPEAKS_FOR: Duration = Duration::from_secs(15);

/// Signed together with each record, so that the signature fits nothing else.
pub const PURPOSE: &[u8] = b"levqor uptime record 1\n";

/// The shape of records that this version writes and reads.
pub const FORMAT: u32 = 1;

/// One observation, as much of it as is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Observation {
    pub region: String,
    pub component: String,
    pub at: Timestamp,
    /// Who observed.
    pub node: String,
    pub good: bool,
}

/// A day of one component in one region. Members in the order of their names, which is how canonical JSON has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentDay {
    /// Microseconds for which somebody's newest observation was not good.
    pub bad_us: i64,
    pub component: String,
    /// SHA-256 of the observations, a line each: what was counted is what can be fetched.
    pub evidence: String,
    /// Observations that were good.
    pub good: i64,
    /// Microseconds for which every observer's newest observation was good. The rest of the day is not known.
    pub good_us: i64,
    pub region: String,
    pub total: i64,
}

/// What was measured of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UptimeRecord {
    /// By component and region.
    pub components: Vec<ComponentDay>,
    pub day: Date,
    pub format: u32,
    /// SHA-256 of the record of the day before; empty in the first.
    pub previous: String,
    /// Microseconds for which an observation speaks.
    pub speaks_for_us: i64,
}

/// A record as it is kept and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUptime {
    /// The canonical JSON, exactly as it was signed.
    pub text: String,
    pub sha256: String,
    pub signature: String,
    pub key: String,
}

/// What is wrong with a signed record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UptimeError {
    #[error("the record is no record of a day: {0}")]
    Shape(String),
    #[error("the record is not in canonical form: the same values are written in another way")]
    NotCanonical,
    #[error("the record has format {found}; this version reads format {FORMAT}")]
    Format { found: u32 },
    #[error("the hash is {found}, but that of the record is {expected}")]
    Hash { found: String, expected: String },
    #[error("it is signed by the key {found}, not by {expected}")]
    OtherKey { found: String, expected: String },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the signature does not fit the record")]
    Signature,
}

impl UptimeRecord {
    /// The record of a day from its observations, of whatever order; those of other days are not counted. Whoever has many, and in their
    /// order, gives them to a [`Tally`].
    pub fn of(day: Date, observations: &[Observation], previous: String) -> Self {
        // A set of whole observations is in the order of region, component, time, node and word, and has each of them once.
        let own: BTreeSet<&Observation> = observations.iter().collect();
        let mut tally = Tally::new(day);
        for seen in own {
            let added = tally.add(seen);
            debug_assert!(added.is_ok(), "{added:?}");
        }
        tally.record(previous)
    }

    /// JSON without spaces, members in the order of their names (RFC 8785 for what occurs here: texts and whole numbers).
    pub fn canonical(&self) -> String {
        // Texts and numbers always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Why no counting gives this: so that a record whose samples are not kept any more cannot say just anything.
    fn check(&self) -> Result<(), String> {
        if self.speaks_for_us != speaks_for_us() {
            return Err(format!(
                "an observation speaks for {} µs and not for {}",
                self.speaks_for_us,
                speaks_for_us()
            ));
        }
        let name = |part: &ComponentDay| format!("{}/{}", part.region, part.component);
        let place = |part: &ComponentDay| (part.region.clone(), part.component.clone());
        if let Some(pair) = self.components.windows(2).find(|pair| place(&pair[0]) >= place(&pair[1])) {
            return Err(format!("{} is there twice, or not in its place", name(&pair[1])));
        }
        let day_us = self.day.plus_days(1).start().as_micros() - self.day.start().as_micros();
        let is_possible = |part: &&ComponentDay| {
            (0..=part.total).contains(&part.good)
                && part.good_us >= 0
                && part.bad_us >= 0
                && part.good_us.saturating_add(part.bad_us) <= day_us
        };
        match self.components.iter().find(|part| !is_possible(part)) {
            Some(part) => Err(format!("{} has more than there can be", name(part))),
            None => Ok(()),
        }
    }

    pub fn sign(&self, key: &SigningKey) -> SignedUptime {
        let text = self.canonical();
        SignedUptime {
            sha256: sha256(text.as_bytes()),
            signature: key.sign(PURPOSE, text.as_bytes()),
            key: key.public_key().to_string(),
            text,
        }
    }

    /// What is different in another record of the same day, in words; empty: nothing.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let by_part = |record: &Self| -> BTreeMap<String, ComponentDay> {
            let parts = record.components.iter();
            parts.map(|part| (format!("{}/{}", part.region, part.component), part.clone())).collect()
        };
        let (ours, theirs) = (by_part(self), by_part(other));
        let mut found = Vec::new();
        for part in ours.keys().chain(theirs.keys().filter(|part| !ours.contains_key(*part))) {
            match (ours.get(part), theirs.get(part)) {
                (Some(_), None) => found.push(format!("{part}: there is no evidence of it")),
                (None, Some(_)) => {
                    found.push(format!("{part}: there is evidence, and it is not in the record"))
                }
                (Some(ours), Some(theirs)) if ours != theirs => {
                    let rows = [
                        ("good", ours.good, theirs.good),
                        ("total", ours.total, theirs.total),
                        ("good_us", ours.good_us, theirs.good_us),
                        ("bad_us", ours.bad_us, theirs.bad_us),
                    ];
                    let of = |(name, ours, theirs): (&str, i64, i64)| {
                        (ours != theirs).then(|| format!("{name} is {ours}, counted again it is {theirs}"))
                    };
                    let values: Vec<_> = rows.into_iter().filter_map(of).collect();
                    let words = if values.is_empty() {
                        "the observations are others than those that were counted".to_owned()
                    } else {
                        values.join(", ")
                    };
                    found.push(format!("{part}: {words}"));
                }
                _ => {}
            }
        }
        found
    }
}

impl SignedUptime {
    /// The record, once its form, its hash and its signature hold. `expected`: whose signature is wanted; None: its own word is taken.
    ///
    /// # Errors
    /// [`UptimeError`].
    pub fn verified(&self, expected: Option<&PublicKey>) -> Result<UptimeRecord, UptimeError> {
        let record: UptimeRecord =
            serde_json::from_str(&self.text).map_err(|error| UptimeError::Shape(error.to_string()))?;
        if record.format != FORMAT {
            return Err(UptimeError::Format { found: record.format });
        }
        record.check().map_err(UptimeError::Shape)?;
        if record.canonical() != self.text {
            return Err(UptimeError::NotCanonical);
        }
        let hash = sha256(self.text.as_bytes());
        if hash != self.sha256 {
            return Err(UptimeError::Hash { found: self.sha256.clone(), expected: hash });
        }
        let key = PublicKey::parse(&self.key)?;
        if let Some(expected) = expected.filter(|expected| **expected != key) {
            return Err(UptimeError::OtherKey { found: key.to_string(), expected: expected.to_string() });
        }
        if !key.has_signed(PURPOSE, self.text.as_bytes(), &self.signature) {
            return Err(UptimeError::Signature);
        }
        Ok(record)
    }
}

fn speaks_for_us() -> i64 {
    i64::try_from(SPEAKS_FOR.as_micros()).unwrap_or(i64::MAX)
}

fn sha256(bytes: &[u8]) -> String {
    hex(hashed(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: &str = "2026-11-24";

    fn day() -> Date {
        DAY.parse().unwrap()
    }

    /// `api n1 good 3`: component, observer, word, second of the day.
    fn seen(text: &str) -> Vec<Observation> {
        let one = |part: &str| {
            let words: Vec<_> = part.split_whitespace().collect();
            Observation {
                region: "eu-west".to_owned(),
                component: words[0].to_owned(),
                at: Timestamp::from_micros(
                    day().start().as_micros() + words[3].parse::<i64>().unwrap() * 1_000_000,
                ),
                node: words[1].to_owned(),
                good: words[2] == "good",
            }
        };
        text.split(',').filter(|part| !part.trim().is_empty()).map(one).collect()
    }

    fn tally(text: &str) -> Vec<(String, i64, i64, i64, i64)> {
        let record = UptimeRecord::of(day(), &seen(text), String::new());
        let of = |part: ComponentDay| {
            (part.component, part.good, part.total, part.good_us / 1_000_000, part.bad_us / 1_000_000)
        };
        record.components.into_iter().map(of).collect()
    }

    #[test]
    fn time_is_counted_as_far_as_somebody_speaks() {
        type Tally = (i64, i64, i64, i64);
        let rows: [(&str, &[Tally]); 9] = [
            ("", &[]),
            // One that is alone speaks for 15 s.
            ("api a good 100", &[(1, 1, 15, 0)]),
            ("api a good 100, api a good 105", &[(2, 2, 20, 0)]),
            ("api a good 100, api a bad 105, api a good 107", &[(2, 3, 20, 2)]),
            // A gap is not known.
            ("api a good 100, api a good 200", &[(2, 2, 30, 0)]),
            // Of two that speak, both must be good.
            ("api a good 100, api b bad 105, api b good 110", &[(2, 3, 20, 5)]),
            ("api a bad 100, api b good 112", &[(1, 2, 12, 15)]),
            // Nothing counts beyond the end of the day.
            ("api a good 86395", &[(1, 1, 5, 0)]),
            ("api a good 86400, api a good -1", &[]),
        ];
        for (text, expected) in rows {
            let found: Vec<_> =
                tally(text).into_iter().map(|(_, good, total, up, down)| (good, total, up, down)).collect();
            assert_eq!(found, expected, "{text}");
        }
        let parts = tally("runs a good 1, api a bad 1");
        assert_eq!(parts, [("api".to_owned(), 0, 1, 0, 15), ("runs".to_owned(), 1, 1, 15, 0)]);
    }

    #[test]
    fn a_signed_record_holds_and_a_changed_one_says_what_is_wrong() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let other = SigningKey::from_seed(&[2; 32]).unwrap().public_key();
        let record = UptimeRecord::of(day(), &seen("api a good 1, api a bad 6"), "ab".to_owned());
        let signed = record.sign(&key);
        assert_eq!(signed.verified(None), Ok(record.clone()));
        assert_eq!(signed.verified(Some(&key.public_key())), Ok(record));
        assert!(
            signed.text.starts_with(r#"{"components":[{"bad_us":15000000,"component":"api","evidence":""#)
        );
        let changed = |change: &dyn Fn(&mut SignedUptime)| {
            let mut signed = signed.clone();
            change(&mut signed);
            signed.verified(None).unwrap_err().to_string()
        };
        let rehash = |signed: &mut SignedUptime| signed.sha256 = sha256(signed.text.as_bytes());
        let rows: [(&str, String); 6] = [
            ("is no record", changed(&|signed| signed.text = "{}".to_owned())),
            ("not in canonical form", changed(&|signed| signed.text = signed.text.replace(':', ": "))),
            ("the hash is", changed(&|signed| signed.text = signed.text.replace("\"good\":1", "\"good\":2"))),
            (
                "the signature does not fit",
                changed(&|signed| {
                    signed.text = signed.text.replace("\"good\":1", "\"good\":2");
                    rehash(signed);
                }),
            ),
            (
                "format 2",
                changed(&|signed| signed.text = signed.text.replace("\"format\":1", "\"format\":2")),
            ),
            ("the signature does not fit", changed(&|signed| signed.key = other.to_string())),
        ];
        for (words, found) in rows {
            assert!(found.contains(words), "{words}: {found}");
        }
        assert!(matches!(signed.verified(Some(&other)), Err(UptimeError::OtherKey { .. })));
    }

    #[test]
    fn what_is_off_is_named() {
        let record = |text| UptimeRecord::of(day(), &seen(text), String::new());
        let first = record("api a good 1, runs a good 1");
        assert_eq!(first.differences(&first), Vec::<String>::new());
        let found = first.differences(&record("api a bad 1, mail a good 1"));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("eu-west/api: good is 1, counted again it is 0"), "{found:?}");
        assert!(
            found[1].contains("runs: there is no evidence") && found[2].contains("mail: there is evidence")
        );
        let moved = first.differences(&record("api a good 2, runs a good 1"));
        assert_eq!(moved, ["eu-west/api: the observations are others than those that were counted"]);
    }

    #[test]
    fn what_no_counting_gives_does_not_hold_though_it_is_signed() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let record = UptimeRecord::of(day(), &seen("api a good 1, runs a bad 6"), String::new());
        let changed = |change: &dyn Fn(&mut UptimeRecord)| {
            let mut record = record.clone();
            change(&mut record);
            record.sign(&key).verified(None).unwrap_err().to_string()
        };
        let rows: [(&str, String); 6] = [
            // The second one would hide the first.
            ("is there twice", changed(&|record| record.components.insert(0, record.components[0].clone()))),
            ("not in its place", changed(&|record| record.components.reverse())),
            ("has more than there can be", changed(&|record| record.components[0].good = 2)),
            ("has more than there can be", changed(&|record| record.components[1].good_us = 86_400_000_000)),
            ("has more than there can be", changed(&|record| record.components[1].bad_us = -1)),
            ("speaks for 1 µs", changed(&|record| record.speaks_for_us = 1)),
        ];
        for (part, found) in rows {
            assert!(found.contains(part), "{part}: {found}");
        }
    }

    proptest! {
        /// Whatever was seen: the bytes do not follow the order, and no more time is counted than the day has.
        #[test]
        fn order_does_not_matter_and_a_day_has_an_end(
            all in prop::collection::vec((0..86_400_i64, 0..3_usize, any::<bool>()), 0..60),
            turn in any::<usize>(),
        ) {
            let one = |(second, node, good): &(i64, usize, bool)| Observation {
                region: "eu-west".to_owned(),
                component: "api".to_owned(),
                at: Timestamp::from_seconds(day().start().as_seconds() + second),
                node: ["a", "b", "c"][*node].to_owned(),
                good: *good,
            };
            let seen: Vec<_> = all.iter().map(one).collect();
            let mut turned = seen.clone();
            if !turned.is_empty() {
                let by = turn % turned.len();
                turned.rotate_left(by);
            }
            let record = UptimeRecord::of(day(), &seen, String::new());
            prop_assert_eq!(record.canonical(), UptimeRecord::of(day(), &turned, String::new()).canonical());
            // As they come from the store: by time, then by observer.
            let mut tally = Tally::new(day());
            let mut ordered = seen.clone();
            ordered.sort_by(|left, right| {
                (left.at, &left.node, left.good).cmp(&(right.at, &right.node, right.good))
            });
            for one in &ordered {
                prop_assert!(tally.add(one).is_ok());
            }
            prop_assert_eq!(record.canonical(), tally.record(String::new()).canonical());
            for part in &record.components {
                let known = part.good_us + part.bad_us;
                prop_assert!(part.good_us >= 0 && part.bad_us >= 0 && known <= 86_400_000_000, "{:?}", part);
            }
        }
    }
}
