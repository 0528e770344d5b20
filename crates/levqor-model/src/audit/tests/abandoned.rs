//! A key that was given up: what it signed is believed when somebody agreed to exactly that, and nothing hides behind it.

use super::*;

/// Who signs after the key of [`log`] was given up.
fn next() -> SigningKey {
    SigningKey::from_seed(&[6; 32]).unwrap()
}

/// The log of [`log`], and what the next key signed on top of it.
fn gone_on() -> Vec<Record> {
    let mut log = log();
    append(&mut log, "local", |_| ("keyring.abandoned".to_owned(), "{}".to_owned()));
    append(&mut log, "node_d", |_| ("node.started".to_owned(), "{}".to_owned()));
    checkpoint_by(&mut log, "node_d", &next());
    log
}

fn verify_by(key: &SigningKey, log: &[Record], witness: Option<&SignedHeads>) -> Report {
    let mut verifier = Verifier::new(vec![key.public_key()]);
    if let Some(witness) = witness {
        verifier.witness("an old witness", witness);
    }
    log.iter().for_each(|record| verifier.push(record));
    verifier.finish()
}

/// Adds what `by` signs of an agreement to all that `of` signed.
fn accept(log: &mut Vec<Record>, of: &SigningKey, by: &SigningKey) {
    let report = verify_by(by, log, None);
    let digest =
        report.other_keys.iter().find(|other| other.key == of.public_key().to_string()).unwrap().digest;
    append(log, "node_d", |_| {
        let said = Acceptance::sign(of.public_key(), digest, "the secret was lost".to_owned(), by);
        let mut details = serde_json::to_value(said).unwrap();
        // As the store adds it to each record.
        details["network"] = serde_json::json!("192.0.2.0/24");
        (KEY_ACCEPTED.to_owned(), details.to_string())
    });
    checkpoint_by(log, "node_d", by);
}

fn accepted() -> Vec<Record> {
    static LOG: LazyLock<Vec<Record>> = LazyLock::new(|| {
        let mut log = gone_on();
        accept(&mut log, &key(), &next());
        log
    });
    LOG.clone()
}

fn told(report: &Report) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn what_an_abandoned_key_signed_is_believed_once_it_was_agreed_to() {
    let old = witness(&log());
    let before = verify_by(&next(), &gone_on(), Some(&old));
    let checkpoints = log().iter().filter(|record| record.kind == CHECKPOINT).count() as u64;
    // Each of its signatures is named, and so is the witness.
    assert_eq!(before.findings_total, checkpoints + 1, "{before:?}");
    let [other] = &before.other_keys[..] else { panic!("{before:?}") };
    assert_eq!((&other.key, other.checkpoints), (&key().public_key().to_string(), checkpoints));
    assert_eq!((other.chains, &other.accepted), (3, &None));

    let log = accepted();
    let report = verify_by(&next(), &log, Some(&old));
    assert!(report.is_whole(), "{:?}", told(&report));
    assert_eq!(report.other_keys[0].accepted.as_deref(), Some("the secret was lost"));
    assert_eq!(report.not_signed_yet, 0, "what the old witness and the old checkpoints name is signed");
    // Whoever knows only the old key sees what the next one did as somebody else's.
    assert!(!verify_by(&key(), &log, None).is_whole());
}

#[test]
fn to_assume_it_shows_what_comes_of_it() {
    let log = gone_on();
    let digest = verify_by(&next(), &log, None).other_keys[0].digest;
    let assumed = |digest| {
        let mut verifier = Verifier::new(vec![next().public_key()]);
        verifier.assume(Acceptance::sign(key().public_key(), digest, String::new(), &next()));
        log.iter().for_each(|record| verifier.push(record));
        verifier.finish()
    };
    assert!(assumed(digest).is_whole());
    let other = assumed(RecordHash([1; 32]));
    assert!(told(&other).iter().any(|line| line.contains("is not what was agreed to")), "{other:?}");
    assert_eq!(other.other_keys[0].accepted, None);
}

#[test]
fn nobody_else_can_agree_to_it() {
    let stranger = SigningKey::from_seed(&[7; 32]).unwrap();
    for by in [&stranger, &key()] {
        let mut log = gone_on();
        let digest = verify_by(&next(), &log, None).other_keys[0].digest;
        append(&mut log, "node_d", |_| {
            let said = Acceptance::sign(key().public_key(), digest, "mine".to_owned(), by);
            (KEY_ACCEPTED.to_owned(), serde_json::to_string(&said).unwrap())
        });
        let report = verify_by(&next(), &log, None);
        let lines = told(&report);
        assert!(lines.iter().any(|line| line.contains("says that a key was agreed to")), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("the checkpoint ")), "{lines:?}");
        assert!(report.other_keys.iter().all(|other| other.accepted.is_none()), "{report:?}");
    }
    // The words of an agreement for another digest, or for another key.
    let fits = verify_by(&next(), &gone_on(), None).other_keys[0].digest;
    let good = Acceptance::sign(key().public_key(), RecordHash([1; 32]), "mine".to_owned(), &next());
    for changed in [
        Acceptance { digest: fits, ..good.clone() },
        Acceptance { accepted: stranger.public_key().to_string(), ..good.clone() },
        Acceptance { reason: "yours".to_owned(), ..good.clone() },
        Acceptance { key: "x".to_owned(), ..good },
    ] {
        let mut log = gone_on();
        append(&mut log, "node_d", |_| (KEY_ACCEPTED.to_owned(), serde_json::to_string(&changed).unwrap()));
        let lines = told(&verify_by(&next(), &log, None));
        assert!(lines.iter().any(|line| line.contains("says that a key was agreed to")), "{lines:?}");
    }
}

#[test]
fn whoever_finds_the_old_secret_signs_nothing_more() {
    let mut log = accepted();
    append(&mut log, "node_e", |_| ("key.created".to_owned(), "{}".to_owned()));
    checkpoint_by(&mut log, "node_e", &key());
    let report = verify_by(&next(), &log, None);
    let lines = told(&report);
    assert!(lines.iter().any(|line| line.contains("is not what was agreed to")), "{lines:?}");
    assert!(
        lines.contains(&"the checkpoint 2 of node_e is not signed by a trusted key".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn what_was_signed_cannot_be_taken_away_with_its_signatures() {
    // Chains of before go as if they had never been; only the agreement knows of what was signed in them.
    let mut log = accepted();
    log.retain(|record| record.chain == "node_d");
    let lines = told(&verify_by(&next(), &log, None));
    assert!(lines.iter().any(|line| line.contains("is not what was agreed to")), "{lines:?}");
}

#[test]
fn a_second_key_takes_what_it_had_agreed_to_along() {
    let last = SigningKey::from_seed(&[8; 32]).unwrap();
    let mut log = accepted();
    append(&mut log, "node_e", |_| ("node.started".to_owned(), "{}".to_owned()));
    checkpoint_by(&mut log, "node_e", &last);
    assert!(!verify_by(&last, &log, None).is_whole());
    accept(&mut log, &next(), &last);
    let report = verify_by(&last, &log, Some(&witness(&super::log())));
    assert!(report.is_whole(), "{:?}", told(&report));
    assert_eq!(report.other_keys.len(), 2);
    assert!(report.other_keys.iter().all(|other| other.accepted.is_some()), "{report:?}");

    // The second key is lost, too, so it may be known to somebody: nothing is agreed to by it any more.
    let stranger = SigningKey::from_seed(&[7; 32]).unwrap();
    append(&mut log, "node_e", |_| ("key.created".to_owned(), "{}".to_owned()));
    checkpoint_by(&mut log, "node_e", &stranger);
    let report = verify_by(&last, &log, None);
    let theirs = stranger.public_key().to_string();
    let digest = report.other_keys.iter().find(|other| other.key == theirs).unwrap().digest;
    append(&mut log, "node_e", |_| {
        let said = Acceptance::sign(stranger.public_key(), digest, "mine".to_owned(), &next());
        (KEY_ACCEPTED.to_owned(), serde_json::to_string(&said).unwrap())
    });
    let report = verify_by(&last, &log, None);
    assert!(
        !report.is_whole() && report.other_keys.iter().all(|other| other.accepted.is_none()),
        "{report:?}"
    );
}

#[test]
fn two_lost_keys_are_agreed_to_one_after_the_other() {
    let last = SigningKey::from_seed(&[8; 32]).unwrap();
    let old = witness(&super::log());
    let mut log = gone_on();
    append(&mut log, "node_e", |_| ("node.started".to_owned(), "{}".to_owned()));
    checkpoint_by(&mut log, "node_e", &last);
    let of_keys = |report: &Report| -> Vec<u64> {
        [key(), next()]
            .map(|key| key.public_key().to_string())
            .iter()
            .map(|name| report.other_keys.iter().find(|other| other.key == *name).unwrap().findings)
            .collect()
    };
    let report = verify_by(&last, &log, Some(&old));
    let checkpoints = super::log().iter().filter(|record| record.kind == CHECKPOINT).count() as u64;
    // Of the first key there is the witness, too; and nothing else is wrong.
    assert_eq!(of_keys(&report), [checkpoints + 1, 1]);
    assert_eq!(report.findings_total, checkpoints + 2, "{:?}", told(&report));

    accept(&mut log, &key(), &last);
    let report = verify_by(&last, &log, Some(&old));
    assert_eq!((of_keys(&report), report.findings_total), (vec![0, 1], 1), "{:?}", told(&report));
    accept(&mut log, &next(), &last);
    let report = verify_by(&last, &log, Some(&old));
    assert!(report.is_whole(), "{:?}", told(&report));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to what the abandoned key signed is found, also without any witness, up to its last checkpoint about the place.
    #[test]
    fn every_attack_on_what_was_agreed_to_is_found(attack_on_it in attacks()) {
        let mut log = accepted();
        let old = witness(&super::log());
        let touched = attack(&mut log, &attack_on_it);
        let report = verify_by(&next(), &log, Some(&old));
        prop_assert_eq!(report.is_whole(), touched.is_empty(), "{:?}", report.findings);
    }
}
