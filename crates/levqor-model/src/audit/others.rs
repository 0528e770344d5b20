//! Keys that are not trusted by themselves: what they signed, and which of them an operator has agreed to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Finding, Record, RecordHash,
    acceptance::{Acceptance, Place, digest_of},
    verify::Claim,
};
use crate::PublicKey;

/// Keys that are told one by one.
const TOLD_MAX: usize = 100;

/// A key that signed here and is not the one that signs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherKey {
    /// The public key, in base64.
    pub key: String,
    pub checkpoints: u64,
    /// In how many chains they are.
    pub chains: u64,
    /// Names every record that it signed.
    pub digest: RecordHash,
    /// An operator agreed to all of it, in these words. None: nobody did, and every signature of it is a finding.
    pub accepted: Option<String>,
    /// How many findings its signatures are.
    pub findings: u64,
}

/// What one of them signed.
#[derive(Debug, Default)]
struct Other {
    checkpoints: Vec<Place>,
    acceptances: Vec<(Place, Acceptance)>,
    /// What it says of chains.
    claims: Vec<Claim>,
    /// How findings call the lists of ends that it signed.
    lists: Vec<String>,
}

impl Other {
    fn digest(&self) -> RecordHash {
        digest_of(self.checkpoints.iter().chain(self.acceptances.iter().map(|(place, _)| place)))
    }

    fn told(&self, key: &str, accepted: Option<String>) -> OtherKey {
        let chains: BTreeSet<&str> = self.checkpoints.iter().map(|place| place.chain.as_str()).collect();
        let signatures = self.checkpoints.len() + self.acceptances.len() + self.lists.len();
        OtherKey {
            key: key.to_owned(),
            checkpoints: self.checkpoints.len() as u64,
            chains: chains.len() as u64,
            digest: self.digest(),
            findings: if accepted.is_some() { 0 } else { signatures as u64 },
            accepted,
        }
    }
}

/// By the text of the key.
#[derive(Debug, Default)]
pub(super) struct Others(BTreeMap<String, Other>);

/// What came of them.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Of the keys that were agreed to.
    pub(super) claims: Vec<Claim>,
    pub(super) checkpoints: Vec<Place>,
    pub(super) findings: Vec<Finding>,
    /// The first hundred.
    pub(super) keys: Vec<OtherKey>,
}

impl Others {
    pub(super) fn checkpoint(&mut self, key: PublicKey, record: &Record, claims: Vec<Claim>) {
        let other = self.0.entry(key.to_string()).or_default();
        other.checkpoints.push(record.into());
        other.claims.extend(claims);
    }

    pub(super) fn acceptance(&mut self, key: PublicKey, record: &Record, acceptance: Acceptance) {
        self.0.entry(key.to_string()).or_default().acceptances.push((record.into(), acceptance));
    }

    pub(super) fn list(&mut self, key: PublicKey, named_by: &str, claims: Vec<Claim>) {
        let other = self.0.entry(key.to_string()).or_default();
        other.lists.push(named_by.to_owned());
        other.claims.extend(claims);
    }

    /// Believes what trusted `acceptances` name exactly, and then what those keys had agreed to themselves while they signed. Everything
    /// else is a finding.
    pub(super) fn settle(mut self, mut acceptances: Vec<Acceptance>) -> Settled {
        let mut settled = Settled::default();
        let mut believed: BTreeMap<String, RecordHash> = BTreeMap::new();
        while let Some(Acceptance { accepted: key, digest, reason, .. }) = acceptances.pop() {
            // Two operators may have agreed to the same.
            if believed.get(&key) == Some(&digest) {
                continue;
            }
            let fits = self.0.get(&key).is_some_and(|other| other.digest() == digest);
            let Some(other) = fits.then(|| self.0.remove(&key)).flatten() else {
                settled.findings.push(Finding::NotAsAccepted { key });
                continue;
            };
            settled.keys.push(other.told(&key, Some(reason)));
            settled.claims.extend(other.claims);
            settled.checkpoints.extend(other.checkpoints);
            // The digest has these, too, so none of them is newer than what was agreed to.
            acceptances.extend(other.acceptances.into_iter().map(|(_, acceptance)| acceptance));
            believed.insert(key, digest);
        }
        for (key, other) in self.0 {
            settled.keys.push(other.told(&key, None));
            let forged = |Place { chain, seq, .. }| Finding::Forged { chain, seq };
            settled.findings.extend(other.checkpoints.into_iter().map(forged));
            let forged = |(Place { chain, seq, .. }, _)| Finding::ForgedAcceptance { chain, seq };
            settled.findings.extend(other.acceptances.into_iter().map(forged));
            let lists = other.lists.into_iter();
            settled.findings.extend(lists.map(|named_by| Finding::ForgedHeads { named_by }));
        }
        settled.keys.truncate(TOLD_MAX);
        settled
    }
}
