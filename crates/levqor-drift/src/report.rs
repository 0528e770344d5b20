//! What was looked at, what was found, and what of it somebody has taken note of: for people, files and programs.

use std::fmt::Write as _;

use levqor_model::{Deviation, Severity, Timestamp};
use serde::{Deserialize, Serialize};

/// What is compared with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Lock,
    Pages,
    Links,
    Api,
    Limits,
    Stripe,
}

impl Part {
    pub const ALL: [Part; 6] = [Part::Lock, Part::Pages, Part::Links, Part::Api, Part::Limits, Part::Stripe];

    /// What was compared, in words.
    pub fn title(self) -> &'static str {
        match self {
            Part::Lock => "Lock and blueprint",
            Part::Pages => "Promises on pages",
            Part::Links => "Links of pages",
            Part::Api => "Promises in the API",
            Part::Limits => "Limits of an account",
            Part::Stripe => "Prices at Stripe",
        }
    }
}

/// Whether a part was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "about", rename_all = "snake_case")]
pub enum Outcome {
    /// So many values, or links.
    Compared(u64),
    /// It could not be, which is a deviation as well.
    Unknown(String),
    NotConfigured,
    /// Why not, and what to do.
    NotCompared(String),
}

impl Outcome {
    fn words(&self) -> String {
        match self {
            Outcome::Compared(1) => "1 compared".to_owned(),
            Outcome::Compared(count) => format!("{count} compared"),
            Outcome::Unknown(why) => format!("unknown: {why}"),
            Outcome::NotConfigured => "not configured, so not compared".to_owned(),
            Outcome::NotCompared(why) => format!("not compared: {why}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    pub part: Part,
    pub outcome: Outcome,
}

/// Somebody has seen a deviation and lives with it for a while. It is about what was found then: anything else at the same place counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    pub place: String,
    pub expected: Option<String>,
    pub found: Option<String>,
    pub reason: String,
    pub by: String,
    pub at: Timestamp,
    /// From this moment on it counts again.
    pub until: Timestamp,
}

impl Acknowledgement {
    fn is_about(&self, deviation: &Deviation, now: Timestamp) -> bool {
        let Self { place, expected, found, until, .. } = self;
        now < *until
            && *place == deviation.place
            && *expected == deviation.expected
            && *found == deviation.found
    }
}

/// A deviation, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    #[serde(flatten)]
    pub deviation: Deviation,
    /// When it was found first.
    pub since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
}

/// What one look has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether nothing counts.
    pub pass: bool,
    pub at: Timestamp,
    /// What was looked at: an address, or a node.
    pub looked_at: String,
    /// Of the lock: its number and digest; None: there is none that can be read.
    pub lock: Option<LockName>,
    pub sections: Vec<Section>,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// Also of those that are too many to be listed.
    pub findings_total: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockName {
    pub version: u32,
    pub digest: String,
}

impl Report {
    /// `before`: what the look before this one has found.
    pub(crate) fn new(
        at: Timestamp,
        looked_at: String,
        lock: Option<LockName>,
        found: crate::found::Found,
        acknowledgements: &[Acknowledgement],
        before: &[Finding],
    ) -> Self {
        let crate::found::Found { deviations, total, sections } = found;
        let mut findings: Vec<Finding> = deviations
            .into_iter()
            .map(|deviation| {
                let known = before.iter().find(|finding| finding.deviation == deviation);
                let acknowledged = acknowledgements.iter().find(|known| known.is_about(&deviation, at));
                Finding {
                    since: known.map_or(at, |finding| finding.since),
                    acknowledged: acknowledged.cloned(),
                    deviation,
                }
            })
            .collect();
        let order = |finding: &Finding| (finding.deviation.severity, finding.deviation.place.clone());
        findings.sort_by_key(order);
        let beyond = total > findings.len() as u64;
        let pass = !beyond && findings.iter().all(|finding| finding.acknowledged.is_some());
        Self { pass, at, looked_at, lock, sections, findings, findings_total: total }
    }

    /// How many of a severity count, without those that are acknowledged.
    pub fn counting(&self, severity: Severity) -> u64 {
        let counts =
            |finding: &&Finding| finding.acknowledged.is_none() && finding.deviation.severity == severity;
        self.findings.iter().filter(counts).count() as u64
    }

    pub fn acknowledged(&self) -> u64 {
        self.findings.iter().filter(|finding| finding.acknowledged.is_some()).count() as u64
    }

    /// `DRIFT STATUS: PASS`, or how much is not as agreed.
    pub fn verdict(&self) -> String {
        let aside = match self.acknowledged() {
            0 => String::new(),
            count => format!(" ({count} acknowledged)"),
        };
        if self.pass {
            return format!("DRIFT STATUS: PASS{aside}");
        }
        let counts: Vec<_> = Severity::ALL
            .iter()
            .map(|severity| (self.counting(*severity), severity))
            .filter(|(count, _)| *count > 0)
            .map(|(count, severity)| format!("{count} {severity}"))
            .collect();
        format!("DRIFT STATUS: FAIL, {}{aside}", counts.join(", "))
    }

    /// A line for each finding and each part, the verdict last.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.findings.iter().map(line).collect();
        let beyond = self.findings_total.saturating_sub(self.findings.len() as u64);
        if beyond > 0 {
            lines.push(format!("… and {beyond} more"));
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(self.sections.iter().map(|section| {
            format!("{:<22}{}", format!("{}:", section.part.title()), section.outcome.words())
        }));
        lines.push(self.verdict());
        lines
    }

    /// The report as a document.
    pub fn markdown(&self) -> String {
        let mut text = String::from("# Drift status\n\n");
        let lock = match &self.lock {
            Some(lock) => format!("Lock: version {}, `{}`.", lock.version, lock.digest),
            None => "Lock: none that can be read.".to_owned(),
        };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "**{}**\n\nLooked at: `{}`, {}. {lock}\n\n",
            self.verdict(),
            cell(&self.looked_at),
            self.at
        );
        text.push_str("| what | outcome |\n| --- | --- |\n");
        for section in &self.sections {
            let _ = writeln!(text, "| {} | {} |", section.part.title(), cell(&section.outcome.words()));
        }
        text.push_str("\n## Not as agreed\n\n");
        if self.findings.is_empty() {
            text.push_str("Nothing.\n");
            return text;
        }
        text.push_str("| severity | where | expected | found | since | acknowledged |\n| --- | --- | --- | --- | --- | --- |\n");
        for Finding { deviation, since, acknowledged } in &self.findings {
            let Deviation { severity, place, expected, found } = deviation;
            let shown = |value: &Option<String>| value.as_deref().map_or("nothing".to_owned(), cell);
            let acknowledged = match acknowledged {
                Some(Acknowledgement { reason, by, until, .. }) => {
                    cell(&format!("until {} by {by}: {reason}", until.date()))
                }
                None => String::new(),
            };
            let (expected, found) = (shown(expected), shown(found));
            let _ = writeln!(
                text,
                "| {severity} | {} | {expected} | {found} | {since} | {acknowledged} |",
                cell(place)
            );
        }
        let beyond = self.findings_total.saturating_sub(self.findings.len() as u64);
        if beyond > 0 {
            let _ = writeln!(text, "\nAnd {beyond} more.");
        }
        text
    }
}

fn line(finding: &Finding) -> String {
    match &finding.acknowledged {
        None => finding.deviation.to_string(),
        Some(Acknowledgement { reason, by, until, .. }) => {
            format!("{} [acknowledged until {} by {by}: {reason}]", finding.deviation, until.date())
        }
    }
}

/// A text for the cell of a table: it stays in its cell and is no markup.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' => {
                out.push('\\');
                out.push(letter);
            }
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
