//! Whatever is done to a log, it is found, and its place is named.

mod abandoned;

use std::sync::LazyLock;

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::{AccountId, PublicKey, SeededRandom, SigningKey, Timestamp};

/// In the log that is attacked.
const RECORDS: usize = 47;
const AT: Timestamp = Timestamp::from_seconds(1_795_972_031);

fn key() -> SigningKey {
    SigningKey::from_seed(&[5; 32]).unwrap()
}

/// Adds a record to the chain's end.
fn append(log: &mut Vec<Record>, chain: &str, details: impl FnOnce(&Record) -> (String, String)) {
    let last = log.iter().rev().find(|record| record.chain == chain);
    let number = log.len() as u64;
    let mut record = Record {
        chain: chain.to_owned(),
        seq: last.map_or(1, |last| last.seq + 1),
        at: AT + std::time::Duration::from_secs(number),
        region: "eu-west".to_owned(),
        kind: String::new(),
        author: format!("user usr_{number}"),
        account: number.is_multiple_of(3).then(|| AccountId::new(AT, &SeededRandom::new(number))),
        subject: format!("key_{number}"),
        details: String::new(),
        request_id: number.is_multiple_of(2).then(|| format!("req_{number}")),
        previous: last.map_or(RecordHash::NONE, |last| last.hash),
        hash: RecordHash::NONE,
    };
    (record.kind, record.details) = details(&record);
    log.push(record.hashed());
}

fn heads(log: &[Record]) -> Vec<Head> {
    let mut heads: Vec<Head> = Vec::new();
    for record in log {
        heads.retain(|head| head.chain != record.chain);
        heads.push(Head { chain: record.chain.clone(), seq: record.seq, hash: record.hash });
    }
    heads
}

fn checkpoint(log: &mut Vec<Record>, chain: &str) {
    checkpoint_by(log, chain, &key());
}

fn checkpoint_by(log: &mut Vec<Record>, chain: &str, key: &SigningKey) {
    let others = heads(log).into_iter().filter(|head| head.chain != chain).collect();
    append(log, chain, |record| {
        let details = serde_json::to_string(&Checkpoint::sign(record, others, key)).unwrap();
        (CHECKPOINT.to_owned(), details)
    });
}

/// Made once: signing takes its time.
fn log() -> Vec<Record> {
    static LOG: LazyLock<Vec<Record>> = LazyLock::new(written);
    LOG.clone()
}

/// Three nodes that write in turn and sign now and then.
fn written() -> Vec<Record> {
    let mut log = Vec::new();
    for step in 0..RECORDS {
        let chain = ["node_a", "node_b", "node_c"][step * 7 % 11 % 3];
        if step % 14 == 13 {
            checkpoint(&mut log, chain);
        } else {
            append(&mut log, chain, |_| ("key.created".to_owned(), format!("{{\"step\":{step}}}")));
        }
    }
    log
}

fn verify(log: &[Record], witness: Option<&SignedHeads>) -> Report {
    let mut verifier = Verifier::new(vec![key().public_key()]);
    if let Some(witness) = witness {
        verifier.witness("the witness of eu-west", witness);
    }
    log.iter().for_each(|record| verifier.push(record));
    verifier.finish()
}

fn witness(log: &[Record]) -> SignedHeads {
    SignedHeads::sign(&Heads { at: AT, heads: heads(log) }, &key())
}

#[test]
fn an_untouched_log_is_whole() {
    let log = log();
    let report = verify(&log, Some(&witness(&log)));
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.records, report.chains, report.not_signed_yet), (RECORDS as u64, 3, 0));
    let without = verify(&log, None);
    assert!(without.is_whole() && without.not_signed_yet > 0, "{without:?}");

    let mut by_chain = log;
    by_chain.sort_by(|left, right| (&left.chain, left.seq).cmp(&(&right.chain, right.seq)));
    assert!(verify(&by_chain, None).is_whole());
}

#[test]
fn other_keys_are_not_trusted() {
    let log = log();
    let other = SigningKey::from_seed(&[6; 32]).unwrap();
    let mut verifier = Verifier::new(vec![other.public_key()]);
    verifier.witness("a file", &witness(&log));
    log.iter().for_each(|record| verifier.push(record));
    let report = verifier.finish();
    let checkpoints = log.iter().filter(|record| record.kind == CHECKPOINT).count();
    assert_eq!(report.findings_total as usize, checkpoints + 1, "{report:?}");
    assert!(PublicKey::parse("x").is_err());
}

#[test]
fn a_dropped_chain_is_named() {
    let log = log();
    let rest: Vec<Record> = log.iter().filter(|record| record.chain != "node_b").cloned().collect();
    let told: Vec<String> = verify(&rest, None).findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("nothing of node_b is there, but the checkpoint "), "{told:?}");
}

#[test]
fn a_hostile_log_costs_no_more_than_its_length() {
    let mut far = log();
    for (place, seq) in [(3, u64::MAX), (9, u64::MAX - 1), (20, 0)] {
        far[place].seq = seq;
    }
    assert!(!verify(&far, None).is_whole());
}

/// Gaps and late records, each of which is looked for in the others, cost no more than their number.
#[test]
fn many_gaps_and_many_late_records_end_soon() {
    const MANY: u64 = 20_000;
    let record = log().remove(0);
    let at = |seq: u64| Record { chain: "node_x".to_owned(), seq, ..record.clone() };
    let mut verifier = Verifier::new(Vec::new());
    (1..=MANY).for_each(|number| verifier.push(&at(number * 3)));
    (1..=MANY).for_each(|number| verifier.push(&at(number * 3 - 1)));
    let report = verifier.finish();
    // All of them were edited, every second one is late, and there is a gap before each pair.
    assert_eq!(report.findings_total, MANY * 2 + MANY + MANY);
}

#[test]
fn what_is_no_record_of_a_chain_is_named() {
    let log = log();
    let mut verifier = Verifier::new(vec![key().public_key()]);
    log.iter().for_each(|record| verifier.push(record));
    verifier.stray("node_a", -1);
    verifier.unreadable("node_b", 3, "column account_id");
    verifier.no_witness("this node's witness");
    let told: Vec<String> = verifier.finish().findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("has the number -1"), "{told:?}");
    assert!(told[1].starts_with("a record of node_b after record 3 cannot be read"), "{told:?}");
    assert_eq!(told[2], "what this node's witness says is not signed by a trusted key");
}

/// What an attacker does to a log; the chain and the number of the first record that it touches.
#[derive(Debug, Clone)]
enum Attack {
    Flip {
        record: Index,
        field: u8,
        byte: Index,
    },
    Drop(Index),
    Swap(Index, Index),
    /// The numbers change places, the rest stays.
    Renumber(Index, Index),
    /// The end of a chain is cut off.
    RollBack {
        chain: u8,
        records: u64,
    },
    /// A record is changed, and all hashes after it in its chain are computed anew.
    Rewrite(Index),
}

fn attacks() -> impl Strategy<Value = Attack> {
    let index = any::<Index>;
    prop_oneof![
        (index(), any::<u8>(), index()).prop_map(|(record, field, byte)| Attack::Flip {
            record,
            field,
            byte
        }),
        index().prop_map(Attack::Drop),
        (index(), index()).prop_map(|(one, other)| Attack::Swap(one, other)),
        (index(), index()).prop_map(|(one, other)| Attack::Renumber(one, other)),
        (0..3_u8, 1..9_u64).prop_map(|(chain, records)| Attack::RollBack { chain, records }),
        index().prop_map(Attack::Rewrite),
    ]
}

fn flip_text(text: &mut String, byte: &Index) {
    let mut bytes = std::mem::take(text).into_bytes();
    if bytes.is_empty() {
        bytes.push(b'x');
    } else {
        let place = byte.index(bytes.len());
        // Texts are ASCII here and stay so.
        bytes[place] ^= 1;
    }
    *text = String::from_utf8(bytes).unwrap();
}

fn flip(record: &mut Record, field: u8, byte: &Index) {
    match field % 12 {
        0 => flip_text(&mut record.chain, byte),
        1 => record.seq ^= 1 << byte.index(63),
        2 => record.at = Timestamp::from_micros(record.at.as_micros() ^ (1 << byte.index(40))),
        3 => flip_text(&mut record.region, byte),
        4 => flip_text(&mut record.kind, byte),
        5 => flip_text(&mut record.author, byte),
        6 => record.account = record.account.is_none().then(|| AccountId::new(AT, &SeededRandom::new(1))),
        7 => flip_text(&mut record.subject, byte),
        8 => flip_text(&mut record.details, byte),
        9 => record.request_id = record.request_id.is_none().then(String::new),
        10 => record.previous.0[byte.index(32)] ^= 1,
        _ => record.hash.0[byte.index(32)] ^= 1,
    }
}

/// The places that were touched; none: the attack left the log as it was.
fn attack(log: &mut Vec<Record>, attack: &Attack) -> Vec<(String, u64)> {
    let place = |record: &Record| (record.chain.clone(), record.seq);
    match attack {
        Attack::Flip { record, field, byte } => {
            let record = &mut log[record.index(RECORDS)];
            let before = place(record);
            flip(record, *field, byte);
            vec![before, place(record)]
        }
        Attack::Drop(record) => vec![place(&log.remove(record.index(RECORDS)))],
        Attack::Swap(one, other) | Attack::Renumber(one, other) => {
            let (one, other) = (one.index(RECORDS), other.index(RECORDS));
            let chain = log[one].chain.clone();
            if one == other || chain != log[other].chain {
                return Vec::new();
            }
            let touched = vec![place(&log[one]), place(&log[other])];
            log.swap(one, other);
            if matches!(attack, Attack::Renumber(..)) {
                let kept = log[one].seq;
                log[one].seq = log[other].seq;
                log[other].seq = kept;
            }
            touched
        }
        Attack::RollBack { chain, records } => {
            let chain = ["node_a", "node_b", "node_c"][usize::from(*chain)];
            let last = log.iter().filter(|record| record.chain == chain).count() as u64;
            let kept = last.saturating_sub(*records);
            log.retain(|record| record.chain != chain || record.seq <= kept);
            vec![(chain.to_owned(), kept + 1)]
        }
        Attack::Rewrite(record) => {
            let first = record.index(RECORDS);
            let touched = vec![place(&log[first])];
            log[first].author = "nobody".to_owned();
            let chain = log[first].chain.clone();
            let mut previous = log[first].previous;
            for record in log[first..].iter_mut().filter(|record| record.chain == chain) {
                record.previous = previous;
                record.hash = record.computed_hash();
                previous = record.hash;
            }
            touched
        }
    }
}

/// `PROPTEST_CASES=10000` for a thorough round.
fn cases() -> u32 {
    ProptestConfig::default().cases.max(2_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_attack_is_found_and_named(attack_on_it in attacks()) {
        let mut log = log();
        let witness = witness(&log);
        let touched = attack(&mut log, &attack_on_it);
        let report = verify(&log, Some(&witness));
        prop_assert_eq!(report.is_whole(), touched.is_empty(), "{:?}", report.findings);
        // A rewrite is noticed at the first record after it that something signed names.
        let is_rewrite = matches!(attack_on_it, Attack::Rewrite(_));
        let named = touched.is_empty() || report.findings.iter().any(|finding| {
            finding.place().is_some_and(|(chain, first, last)| {
                touched.iter().any(|(touched, seq)| {
                    touched == chain && *seq <= last && (is_rewrite || first <= *seq)
                })
            })
        });
        prop_assert!(named, "{:?} touched {:?}: {:?}", attack_on_it, touched, report.findings);
    }
}
