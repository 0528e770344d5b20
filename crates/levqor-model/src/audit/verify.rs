//! Holds records against their hashes, each other, and what was signed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::{
    Acceptance, CHECKPOINT, Checkpoint, Finding, Head, KEY_ACCEPTED, OtherKey, Record, RecordHash,
    SignedHeads,
    others::{Others, Settled},
};
use crate::PublicKey;

/// Findings that are told one by one; the rest is counted.
const FINDINGS_MAX: usize = 1_000;

/// Takes the records of each chain in their order, the chains one after the other or mixed. Keeps 32 bytes of each record.
#[derive(Debug)]
pub struct Verifier {
    trusted: Vec<PublicKey>,
    chains: BTreeMap<String, Chain>,
    claims: Vec<Claim>,
    listed: Vec<Claim>,
    /// What keys signed that are not trusted.
    others: Others,
    /// What operators have agreed to of those, as a trusted key says.
    acceptances: Vec<Acceptance>,
    records: u64,
    findings: Vec<Finding>,
    findings_total: u64,
}

#[derive(Debug, Default)]
struct Chain {
    /// Runs of records without a gap: the number of the first, and the hashes.
    stretches: Vec<(u64, Vec<RecordHash>)>,
    /// Came behind later ones.
    late: BTreeMap<u64, RecordHash>,
    last: u64,
    /// Through here something that was signed covers it.
    signed_through: u64,
}

/// Something that was signed says that a chain has this record.
#[derive(Debug)]
pub(super) struct Claim {
    head: Head,
    named_by: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub records: u64,
    pub chains: u64,
    /// Records that came after the last signature about their chain: linked, but not signed yet.
    pub not_signed_yet: u64,
    /// How many there are; `findings` has the first thousand.
    pub findings_total: u64,
    pub findings: Vec<Finding>,
    /// Who else signed, at most a hundred of them.
    pub other_keys: Vec<OtherKey>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.findings_total == 0
    }
}

impl Chain {
    fn hash_of(&self, seq: u64) -> Option<RecordHash> {
        let behind = self.stretches.partition_point(|(first, _)| *first <= seq);
        let in_order =
            behind.checked_sub(1).and_then(|place| self.stretches.get(place)).and_then(|(first, hashes)| {
                usize::try_from(seq - first).ok().and_then(|within| hashes.get(within))
            });
        in_order.or_else(|| self.late.get(&seq)).copied()
    }

    /// How many of its records come after that one.
    fn after(&self, seq: u64) -> u64 {
        let behind = |(first, hashes): &(u64, Vec<RecordHash>)| {
            let length = hashes.len() as u64;
            length - seq.saturating_add(1).saturating_sub(*first).min(length)
        };
        self.stretches.iter().map(behind).sum()
    }

    /// The gaps that nothing filled later.
    fn missing(&self) -> Vec<(u64, u64)> {
        let mut missing = Vec::new();
        let mut next = 1;
        for (first, hashes) in &self.stretches {
            let mut from = next;
            // Stretches follow each other, so this never begins behind its end.
            for seq in self.late.range(next..next.max(*first)).map(|(seq, _)| *seq) {
                if from < seq {
                    missing.push((from, seq - 1));
                }
                from = seq + 1;
            }
            if from < *first {
                missing.push((from, first - 1));
            }
            next = first.saturating_add(hashes.len() as u64);
        }
        missing
    }
}

impl Verifier {
    /// Checkpoints count when one of these keys signed them, or one that was given up and agreed to.
    pub fn new(trusted: Vec<PublicKey>) -> Self {
        Self {
            trusted,
            chains: BTreeMap::new(),
            claims: Vec::new(),
            listed: Vec::new(),
            others: Others::default(),
            acceptances: Vec::new(),
            records: 0,
            findings: Vec::new(),
            findings_total: 0,
        }
    }

    fn found(&mut self, finding: Finding) {
        self.findings_total += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// What a witness saw; `named_by` is how a finding calls it.
    pub fn witness(&mut self, named_by: &str, signed: &SignedHeads) {
        let Some((key, told)) = signed.signed() else { return self.no_witness(named_by) };
        let claim = |head| Claim { head, named_by: named_by.to_owned() };
        let claims = told.heads.into_iter().map(claim);
        if self.trusted.contains(&key) {
            self.claims.extend(claims);
        } else {
            self.others.list(key, named_by, claims.collect());
        }
    }

    /// As if this had been agreed to: to see what comes of it.
    pub fn assume(&mut self, acceptance: Acceptance) {
        self.acceptances.push(acceptance);
    }

    /// Ends of chains as an unsigned list has them: it proves nothing, and still shows what is missing.
    pub fn listed(&mut self, named_by: &str, heads: Vec<Head>) {
        self.listed.extend(heads.into_iter().map(|head| Claim { head, named_by: named_by.to_owned() }));
    }

    /// A file or a row that should hold what a witness saw, and does not.
    pub fn no_witness(&mut self, named_by: &str) {
        self.found(Finding::ForgedHeads { named_by: named_by.to_owned() });
    }

    /// A record that was put where no number of a chain leads.
    pub fn stray(&mut self, chain: &str, seq: i64) {
        self.found(Finding::Stray { chain: chain.to_owned(), seq });
    }

    /// The chain cannot be read further.
    pub fn unreadable(&mut self, chain: &str, after: u64, problem: &str) {
        let (chain, problem) = (chain.to_owned(), problem.to_owned());
        self.found(Finding::Unreadable { chain, after, problem });
    }

    /// The next record of its chain.
    pub fn push(&mut self, record: &Record) {
        self.records += 1;
        let place = || (record.chain.clone(), record.seq);
        if record.computed_hash() != record.hash {
            let (chain, seq) = place();
            self.found(Finding::Edited { chain, seq });
        }
        if !self.chains.contains_key(&record.chain) {
            self.chains.insert(record.chain.clone(), Chain::default());
        }
        let Some(chain) = self.chains.get_mut(&record.chain) else { return };
        if record.seq <= chain.last {
            chain.late.insert(record.seq, record.hash);
            let (chain, seq) = place();
            self.found(Finding::Reordered { chain, seq });
            return;
        }
        let follows = record.seq == chain.last.saturating_add(1);
        let before = match chain.last {
            0 => RecordHash::NONE,
            last => chain.hash_of(last).unwrap_or(RecordHash::NONE),
        };
        chain.last = record.seq;
        match chain.stretches.last_mut() {
            Some((_, hashes)) if follows => hashes.push(record.hash),
            _ => chain.stretches.push((record.seq, vec![record.hash])),
        }
        if follows && record.previous != before {
            let (chain, seq) = place();
            self.found(Finding::Unlinked { chain, seq });
        }
        match record.kind.as_str() {
            CHECKPOINT => self.checkpoint(record),
            KEY_ACCEPTED => self.acceptance(record),
            _ => {}
        }
    }

    fn checkpoint(&mut self, record: &Record) {
        let signed = Checkpoint::read(record).and_then(|point| Some((point.signer(record)?, point)));
        let Some((key, checkpoint)) = signed else {
            return self.found(Finding::Forged { chain: record.chain.clone(), seq: record.seq });
        };
        let named_by = format!("the checkpoint {} of {}", record.seq, record.chain);
        let before = record.seq.checked_sub(1).filter(|before| *before > 0);
        let before = before.map(|seq| Head { chain: record.chain.clone(), seq, hash: record.previous });
        let claim = |head| Claim { head, named_by: named_by.clone() };
        let claims = before.into_iter().chain(checkpoint.heads).map(claim);
        if self.trusted.contains(&key) {
            self.claims.extend(claims);
            if let Some(chain) = self.chains.get_mut(&record.chain) {
                chain.signed_through = record.seq;
            }
        } else {
            self.others.checkpoint(key, record, claims.collect());
        }
    }

    fn acceptance(&mut self, record: &Record) {
        let signed = Acceptance::read(record).and_then(|said| Some((said.signer()?, said)));
        match signed {
            Some((key, said)) if self.trusted.contains(&key) => self.acceptances.push(said),
            Some((key, said)) => self.others.acceptance(key, record, said),
            None => self.found(Finding::ForgedAcceptance { chain: record.chain.clone(), seq: record.seq }),
        }
    }

    /// What is believed of keys that are not trusted by themselves, and what is wrong with the others.
    fn settle(&mut self, chains: &mut BTreeMap<String, Chain>) -> Vec<OtherKey> {
        let others = std::mem::take(&mut self.others);
        let Settled { claims, checkpoints, findings, keys } =
            others.settle(std::mem::take(&mut self.acceptances));
        self.claims.extend(claims);
        for place in checkpoints {
            if let Some(chain) = chains.get_mut(&place.chain) {
                chain.signed_through = chain.signed_through.max(place.seq);
            }
        }
        findings.into_iter().for_each(|finding| self.found(finding));
        keys
    }

    /// Call it after the last record.
    pub fn finish(mut self) -> Report {
        let mut chains = std::mem::take(&mut self.chains);
        let other_keys = self.settle(&mut chains);
        for (chain, seen) in &chains {
            for (from, to) in seen.missing() {
                self.found(Finding::Missing { chain: chain.clone(), from, to });
            }
        }
        let mut signed: HashMap<String, u64> =
            chains.iter().map(|(chain, seen)| (chain.clone(), seen.signed_through)).collect();
        let mut findings = broken(&chains, std::mem::take(&mut self.claims), &mut signed);
        let mut not_signed = HashMap::new();
        let listed = broken(&chains, std::mem::take(&mut self.listed), &mut not_signed);
        // What something signed tells of a chain's end is enough.
        let told: BTreeSet<String> =
            findings.iter().filter_map(|finding| Some(finding.place()?.0.to_owned())).collect();
        findings.extend(
            listed
                .into_iter()
                .filter(|finding| finding.place().is_none_or(|(chain, ..)| !told.contains(chain))),
        );
        findings.into_iter().for_each(|finding| self.found(finding));
        let not_signed_yet = chains
            .iter()
            .map(|(chain, seen)| seen.after(signed.get(chain).copied().unwrap_or_default()))
            .sum();
        Report {
            records: self.records,
            chains: chains.len() as u64,
            not_signed_yet,
            findings_total: self.findings_total,
            findings: self.findings,
            other_keys,
        }
    }
}

/// Claims that do not hold: of each chain the one that reaches furthest of a kind that would tell the same again.
fn broken(
    chains: &BTreeMap<String, Chain>,
    claims: Vec<Claim>,
    signed: &mut HashMap<String, u64>,
) -> Vec<Finding> {
    let (mut cut, mut findings) = (BTreeMap::<String, (u64, String)>::new(), Vec::new());
    for Claim { head: Head { chain, seq, hash }, named_by } in claims {
        let found = chains.get(&chain);
        match found.and_then(|chain| chain.hash_of(seq)) {
            Some(there) if there == hash => {
                let through = signed.entry(chain).or_default();
                *through = seq.max(*through);
            }
            Some(_) => findings.push(Finding::Rewritten { chain, seq, named_by }),
            // A gap within the chain has been told.
            None if found.is_some_and(|chain| seq <= chain.last) => {}
            None => {
                let further = cut.get(&chain).is_none_or(|(known, _)| *known < seq);
                if further {
                    cut.insert(chain, (seq, named_by));
                }
            }
        }
    }
    findings.extend(cut.into_iter().map(|(chain, (expected, named_by))| match chains.get(&chain) {
        Some(seen) => Finding::RolledBack { chain, last: seen.last, expected, named_by },
        None => Finding::ChainMissing { chain, expected, named_by },
    }));
    findings
}
