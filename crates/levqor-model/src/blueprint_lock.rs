//! The lock of a blueprint: the value of every promise as it was agreed, in a file beside it.
//!
//! ```text
//! blueprint.toml ─► agree (who, when, why) ─► blueprint.lock
//!        └────────────── changes ◄──────────────────┘
//! ```
//!
//! The blueprint is what the product reads; the lock is what somebody said yes to. A value that was changed in one of them only is
//! a change that nobody agreed to. The file is one line a promise, sorted, so that a review shows what changes for customers.
//!
//! Invariant: a lock that was parsed is as it was written: its digest covers everything in it. That finds a slip of an editor, not
//! an enemy, who can write the digest anew; for enemies there are baselines and the evidence log.

use std::{collections::BTreeMap, fmt, fmt::Write as _};

use ring::digest::{Context, SHA256};
use serde::Deserialize;

use crate::{Blueprint, PromiseValue, TextError, Timestamp, one_line};

/// What this build reads and writes.
const FORMAT: u32 = 1;
/// Hashed together with the content, so that a digest of something else never fits.
const PURPOSE: &str = "levqor blueprint lock 1";
/// Longest reason, in characters.
pub const LOCK_REASON_CHARS_MAX: usize = 500;
/// Longest name of whoever locks, in characters.
pub const LOCK_NAME_CHARS_MAX: usize = 200;
/// Names of promises have at most four parts; deeper tables are none.
const PARTS_MAX: usize = 8;

/// What was agreed.
#[derive(Debug, Clone, PartialEq)]
pub struct BlueprintLock {
    /// 1 for the first agreement; each one after it counts up.
    pub version: u32,
    pub at: Timestamp,
    /// Who agreed, as they named themselves.
    pub by: String,
    pub reason: String,
    promises: BTreeMap<String, toml::Value>,
}

/// A promise whose value is another one than was agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromiseChange {
    pub path: String,
    /// None: nobody agreed to such a promise.
    pub agreed: Option<String>,
    /// None: the blueprint does not have it any more.
    pub now: Option<String>,
}

/// Why a lock cannot be read or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    #[error("the lock is not readable: {0}")]
    Syntax(String),
    #[error("the lock has the format {0}; this build reads {FORMAT}")]
    Format(u32),
    #[error("the lock was edited by hand: its digest is {found}, and its content has {expected}")]
    Digest { expected: String, found: String },
    #[error("{what}: {problem}")]
    Word { what: &'static str, problem: TextError },
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    version: u32,
    at: Timestamp,
    by: String,
    reason: String,
    digest: String,
    promises: toml::Table,
}

impl BlueprintLock {
    /// The lock of the blueprint that this build ships.
    pub const SHIPPED: &'static str = include_str!("../../../blueprint.lock");

    /// Agrees to everything that the blueprint promises.
    ///
    /// # Errors
    /// A reason or a name that is empty, too long, or has more than one line.
    pub fn agree(
        blueprint: &Blueprint,
        before: Option<&Self>,
        at: Timestamp,
        by: &str,
        reason: &str,
    ) -> Result<Self, LockError> {
        let by = line("by", by, LOCK_NAME_CHARS_MAX)?;
        let reason = line("reason", reason, LOCK_REASON_CHARS_MAX)?;
        let version = before.map_or(0, |lock| lock.version).saturating_add(1);
        let promises = blueprint
            .promises()
            .into_iter()
            .map(|promise| (promise.path, value_of(&promise.value)))
            .collect();
        Ok(Self { version, at, by, reason, promises })
    }

    /// # Errors
    /// What is no lock of this format, or was edited since it was written.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let Written { format, version, at, by, reason, digest, promises } =
            toml::from_str(text).map_err(|error| LockError::Syntax(error.to_string()))?;
        if format != FORMAT {
            return Err(LockError::Format(format));
        }
        let mut flat = BTreeMap::new();
        flatten("", &promises, PARTS_MAX, &mut flat)?;
        let lock = Self { version, at, by, reason, promises: flat };
        let expected = lock.digest();
        if expected == digest { Ok(lock) } else { Err(LockError::Digest { expected, found: digest }) }
    }

    /// The promises with their agreed values, as programs compare them.
    pub fn promises(&self) -> impl Iterator<Item = (&str, String)> {
        self.promises.iter().map(|(path, value)| (path.as_str(), plain(value)))
    }

    /// The agreed value of a promise.
    pub fn value(&self, path: &str) -> Option<String> {
        self.promises.get(path).map(plain)
    }

    /// Where the blueprint is not as it was agreed, by name.
    pub fn changes(&self, blueprint: &Blueprint) -> Vec<PromiseChange> {
        let now: BTreeMap<String, String> = blueprint
            .promises()
            .into_iter()
            .map(|promise| (promise.path, promise.value.to_string()))
            .collect();
        let gone = self.promises.keys().filter(|path| !now.contains_key(*path));
        let mut changes: Vec<_> = gone
            .map(|path| PromiseChange { path: path.clone(), agreed: self.value(path), now: None })
            .collect();
        for (path, value) in now {
            let agreed = self.value(&path);
            if agreed.as_ref() != Some(&value) {
                changes.push(PromiseChange { path, agreed, now: Some(value) });
            }
        }
        changes.sort_by(|left, right| left.path.cmp(&right.path));
        changes
    }

    /// SHA-256 of everything in the lock: `sha256:` and 64 hexadecimal digits.
    pub fn digest(&self) -> String {
        let mut context = Context::new(&SHA256);
        // Lengths keep two texts from running into each other.
        let mut add = |text: &str| context.update(format!("{}:{text}\n", text.len()).as_bytes());
        add(PURPOSE);
        for text in [&self.version.to_string(), &self.at.to_string(), &self.by, &self.reason] {
            add(text);
        }
        for (path, value) in &self.promises {
            add(path);
            add(&value.to_string());
        }
        let mut text = "sha256:".to_owned();
        for byte in context.finish().as_ref() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// The file's text.
impl fmt::Display for BlueprintLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |text: &str| toml::Value::String(text.to_owned());
        writeln!(f, "# What was agreed: the value of every promise of the blueprint beside this file.")?;
        writeln!(
            f,
            "# Written by `levqor blueprint lock --reason …`; not edited by hand, which its digest would show.\n"
        )?;
        writeln!(f, "format = {FORMAT}")?;
        writeln!(f, "version = {}", self.version)?;
        writeln!(f, "at = {}", word(&self.at.to_string()))?;
        writeln!(f, "by = {}", word(&self.by))?;
        writeln!(f, "reason = {}", word(&self.reason))?;
        writeln!(f, "digest = {}\n\n[promises]", word(&self.digest()))?;
        let mut group = None;
        for (path, value) in &self.promises {
            let of = path.rsplit_once('.').map_or("", |(group, _)| group);
            if group.is_some_and(|group| group != of) {
                writeln!(f)?;
            }
            group = Some(of);
            writeln!(f, "{path} = {value}")?;
        }
        Ok(())
    }
}

fn line(what: &'static str, text: &str, chars_max: usize) -> Result<String, LockError> {
    one_line(text, chars_max).map(str::to_owned).map_err(|problem| LockError::Word { what, problem })
}

fn value_of(value: &PromiseValue) -> toml::Value {
    match value {
        PromiseValue::Money(money) => toml::Value::Integer(money.minor()),
        PromiseValue::Count(number) => toml::Value::Integer(*number),
        PromiseValue::Share(number) | PromiseValue::Percent(number) => {
            toml::Value::Integer(i64::from(*number))
        }
        PromiseValue::Text(text) => toml::Value::String(text.clone()),
        PromiseValue::Numbers(numbers) => toml::Value::Array(
            numbers.iter().map(|number| toml::Value::Integer(i64::from(*number))).collect(),
        ),
        PromiseValue::Texts(texts) => {
            toml::Value::Array(texts.iter().cloned().map(toml::Value::String).collect())
        }
    }
}

/// As [`PromiseValue`]'s `Display` has it.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn flatten(
    path: &str,
    table: &toml::Table,
    parts: usize,
    flat: &mut BTreeMap<String, toml::Value>,
) -> Result<(), LockError> {
    let Some(parts) = parts.checked_sub(1) else {
        return Err(LockError::Syntax(format!("promises.{path} has too many parts")));
    };
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(table) => flatten(&path, table, parts, flat)?,
            value => {
                flat.insert(path, value.clone());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shipped() -> Blueprint {
        Blueprint::parse(Blueprint::SHIPPED).unwrap()
    }

    fn at() -> Timestamp {
        "2026-11-30T09:00:00Z".parse().unwrap()
    }

    fn lock() -> BlueprintLock {
        BlueprintLock::agree(&shipped(), None, at(), "Ada", "the first \"prices\"").unwrap()
    }

    #[test]
    fn the_shipped_lock_is_that_of_the_shipped_blueprint() {
        let lock = BlueprintLock::parse(BlueprintLock::SHIPPED).unwrap();
        assert_eq!(lock.changes(&shipped()), []);
        assert_eq!(lock.to_string(), BlueprintLock::SHIPPED, "written as this build writes it");
    }

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let lock = lock();
        let text = lock.to_string();
        assert_eq!(BlueprintLock::parse(&text).unwrap(), lock);
        assert_eq!(lock.promises().count(), shipped().promises().len());
        assert_eq!(lock.value("lifecycle.nudge_days").as_deref(), Some("1,3,6,7,10,30"));
        for part in [
            "\n[promises]\naddon.extra_workflows.month_price = 1000\n",
            "\nmoney_back_days = 30\n",
            "\nplan.growth.aliases = [\"launch\"]\n",
            "\ntrial.headline = \"7-day free trial\"\n",
            "\nuptime.credit.1.percent = 10\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let next = BlueprintLock::agree(&shipped(), Some(&lock), at(), "Ada", "again").unwrap();
        assert_eq!((lock.version, next.version), (1, 2));
    }

    #[test]
    fn every_promise_that_changes_is_named_with_both_values() {
        let mut changed = shipped();
        changed.plans[0].month_price = 1_900;
        changed.plans[1].aliases.clear();
        changed.addons.pop();
        changed.plans[2].name = "Big".to_owned();
        changed.packages[0].code = "dfy_small".to_owned();
        let found: Vec<_> = lock()
            .changes(&changed)
            .into_iter()
            .map(|change| (change.path, change.agreed.unwrap_or_default(), change.now.unwrap_or_default()))
            .collect();
        let row = |path: &str, agreed: &str, now: &str| (path.to_owned(), agreed.to_owned(), now.to_owned());
        assert_eq!(
            found,
            [
                row("addon.extra_workflows.month_price", "1000", ""),
                row("addon.extra_workflows.name", "Extra workflows", ""),
                row("package.dfy_small.name", "", "Starter"),
                row("package.dfy_small.price", "", "14900"),
                row("package.dfy_starter.name", "Starter", ""),
                row("package.dfy_starter.price", "14900", ""),
                row("plan.business.name", "Business", "Big"),
                row("plan.growth.aliases", "launch", ""),
                row("plan.starter.month_price", "900", "1900"),
            ]
        );
    }

    #[test]
    fn what_was_edited_is_refused() {
        let text = lock().to_string();
        let deep = (0..20).map(|part| format!("p{part}")).collect::<Vec<_>>().join(".");
        let rows = [
            (text.replace("month_price = 900\n", "month_price = 901\n"), "edited by hand"),
            (text.replace("by = \"Ada\"", "by = \"Eve\""), "edited by hand"),
            (text.replace("version = 1", "version = 2"), "edited by hand"),
            (text.replace("money_back_days = 30\n", ""), "edited by hand"),
            (text.replace("sha256:", "sha256:0"), "edited by hand"),
            (text.replace("format = 1", "format = 9"), "has the format 9; this build reads 1"),
            (text.replace("format = 1", "colour = 1"), "colour"),
            (format!("{text}{deep} = 1\n"), "too many parts"),
            (String::new(), "missing field"),
        ];
        for (edited, problem) in rows {
            assert_ne!(edited, text, "{problem}");
            let refusal = BlueprintLock::parse(&edited).unwrap_err().to_string();
            assert!(refusal.contains(problem), "{refusal} lacks {problem}");
        }
    }

    #[test]
    fn who_and_why_are_on_one_line_each() {
        let long = "x".repeat(LOCK_REASON_CHARS_MAX + 1);
        for (by, reason, problem) in [
            ("", "because", "by: is empty"),
            ("Ada", "  ", "reason: is empty"),
            ("Ada", "one\ntwo", "reason: has more than one line"),
            ("A\u{202e}da", "because", "by: has a character that nobody sees (U+202E), in place 2"),
            ("Ada", long.as_str(), "reason: is longer than"),
        ] {
            let refusal = BlueprintLock::agree(&shipped(), None, at(), by, reason).unwrap_err().to_string();
            assert!(refusal.contains(problem), "{refusal} lacks {problem}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,200}", cut in 0_usize..4_000) {
            let _ = BlueprintLock::parse(&text);
            let whole = lock().to_string();
            let cut = whole.floor_char_boundary(cut.min(whole.len()));
            let _ = BlueprintLock::parse(&whole[..cut]);
        }

        #[test]
        fn words_come_back_as_they_were(by in "[^\\p{C}\\s][^\\p{C}]{0,40}[^\\p{C}\\s]", reason in "[^\\p{C}\\s][^\\p{C}]{0,80}[^\\p{C}\\s]") {
            prop_assume!(crate::unseen(&by).is_none() && crate::unseen(&reason).is_none());
            let lock = BlueprintLock::agree(&shipped(), None, at(), &by, &reason).unwrap();
            prop_assert_eq!(BlueprintLock::parse(&lock.to_string()).unwrap(), lock);
        }
    }
}
