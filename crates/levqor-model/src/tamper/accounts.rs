//! Three accounts of one baseline, and which of them to believe.

use super::{Baseline, BaselineError, SignedBaseline, sha256};
use crate::PublicKey;

/// What the evidence log says of the baseline that was signed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub sequence: u64,
    /// Of its text.
    pub sha256: String,
}

/// What each place where a baseline is kept says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    /// The file beside the data. None: there is none. An error: it could not be read, and why.
    pub file: Option<Result<String, String>>,
    /// The row of the database.
    pub row: Option<String>,
    /// The evidence log.
    pub logged: Option<Logged>,
}

/// What to believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody knows of a baseline: this is the first start.
    First,
    Known {
        /// With its text. None: nothing can be believed, and somebody has to agree anew.
        baseline: Option<(Baseline, String)>,
        /// What is wrong with the file; None: it is as it should be.
        file: Option<String>,
        /// What is wrong with what the database says; None: it is as it should be.
        database: Option<String>,
        /// The highest number that anybody names.
        sequence: u64,
    },
}

/// One account, opened.
struct Told {
    text: String,
    opened: Result<Baseline, BaselineError>,
}

impl Told {
    fn new(text: &str, place: &str, key: PublicKey) -> Self {
        Self { text: text.to_owned(), opened: SignedBaseline::open(text, place, key) }
    }

    fn is_logged(&self, logged: &Logged) -> bool {
        self.opened.as_ref().is_ok_and(|baseline| baseline.sequence == logged.sequence)
            && sha256(self.text.as_bytes()) == logged.sha256
    }

    fn sequence(&self) -> u64 {
        self.opened.as_ref().map_or(0, |baseline| baseline.sequence)
    }
}

impl Accounts {
    /// Which baseline holds, and what is wrong with the accounts that say otherwise.
    pub fn judge(&self, place: &str, key: PublicKey) -> Verdict {
        let unread = matches!(self.file, Some(Err(_)));
        let file = match &self.file {
            Some(Ok(text)) => Some(Told::new(text, place, key)),
            _ => None,
        };
        let row = self.row.as_ref().map(|text| Told::new(text, place, key));
        if file.is_none() && !unread && row.is_none() && self.logged.is_none() {
            return Verdict::First;
        }
        let believed = self.believed(file.as_ref(), row.as_ref());
        let sequence = [
            file.as_ref().map_or(0, Told::sequence),
            row.as_ref().map_or(0, Told::sequence),
            self.logged.as_ref().map_or(0, |logged| logged.sequence),
        ];
        Verdict::Known {
            file: self.wrong_with_file(file.as_ref(), believed.as_ref()),
            database: self.wrong_with_database(row.as_ref(), believed.as_ref()),
            baseline: believed,
            sequence: sequence.into_iter().max().unwrap_or_default(),
        }
    }

    /// The one that the evidence log names, wherever it is found; else the newest one that is signed.
    fn believed(&self, file: Option<&Told>, row: Option<&Told>) -> Option<(Baseline, String)> {
        let mut signed: Vec<&Told> =
            [row, file].into_iter().flatten().filter(|told| told.opened.is_ok()).collect();
        // The last one wins.
        signed.sort_by_key(|told| {
            (self.logged.as_ref().is_some_and(|logged| told.is_logged(logged)), told.sequence())
        });
        let told = signed.pop()?;
        Some((told.opened.clone().ok()?, told.text.clone()))
    }

    fn wrong_with_file(&self, file: Option<&Told>, believed: Option<&(Baseline, String)>) -> Option<String> {
        match (&self.file, file) {
            (Some(Err(problem)), _) => Some(format!("unreadable: {problem}")),
            (_, None) => Some("it is gone".to_owned()),
            (_, Some(told)) => wrong(told, believed),
        }
    }

    fn wrong_with_database(
        &self,
        row: Option<&Told>,
        believed: Option<&(Baseline, String)>,
    ) -> Option<String> {
        let Some(told) = row else { return Some("the database knows of no baseline".to_owned()) };
        if let Some(wrong) = wrong(told, believed) {
            return Some(wrong);
        }
        let Some(logged) = &self.logged else {
            return Some("the evidence log knows of no baseline".to_owned());
        };
        if told.is_logged(logged) {
            return None;
        }
        Some(match told.sequence().cmp(&logged.sequence) {
            std::cmp::Ordering::Equal => {
                format!("number {} is another one than the evidence log names", logged.sequence)
            }
            _ => format!("it has number {}, the evidence log names {}", told.sequence(), logged.sequence),
        })
    }
}

fn wrong(told: &Told, believed: Option<&(Baseline, String)>) -> Option<String> {
    let baseline = match &told.opened {
        Ok(baseline) => baseline,
        Err(error) => return Some(error.to_string()),
    };
    let (agreed, text) = believed?;
    if *text == told.text {
        return None;
    }
    Some(match baseline.sequence.cmp(&agreed.sequence) {
        std::cmp::Ordering::Less => {
            format!("it was put back to number {}; {} holds", baseline.sequence, agreed.sequence)
        }
        std::cmp::Ordering::Equal => {
            format!("it is another number {} than the one that holds", agreed.sequence)
        }
        std::cmp::Ordering::Greater => {
            format!(
                "it has number {}, and {} holds: one of them was put back",
                baseline.sequence, agreed.sequence
            )
        }
    })
}
