//! The evidence log: who did what, in chains that hold.

use std::{sync::Arc, time::Duration};

use levqor_model::{
    KeyId, RunId, SeededRandom, SigningKey,
    audit::{CHECKPOINT, Checkpoint, Finding, Head, Record, Report, Verifier},
};
use levqor_store::{
    Store,
    audit::{Author, Filter, Place, by},
    keys::{ApiKey, Revocation},
};
use serde_json::{Value, json};

use crate::support::{NOW, World, region};

fn author(name: &str) -> Arc<Author> {
    let network = Some("192.0.2.0/24".to_owned());
    Arc::new(Author { name: name.to_owned(), request_id: Some("req_1".to_owned()), network })
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[9; 32]).unwrap()
}

async fn seal(store: &Store, seconds: u64) -> bool {
    let details = |record: &Record, heads: Vec<Head>| {
        serde_json::to_string(&Checkpoint::sign(record, heads, &key())).unwrap()
    };
    store.add_checkpoint(NOW + Duration::from_secs(seconds), details).await.unwrap()
}

async fn verify(store: &Store) -> Report {
    let mut verifier = Verifier::new(vec![key().public_key()]);
    verifier.listed("the list", store.audit_heads().await.unwrap());
    for chain in store.audit_chains().await.unwrap() {
        for record in store.audit_chain(chain, 0, 1_000).await.unwrap() {
            verifier.push(&record);
        }
    }
    verifier.finish()
}

async fn all(store: &Store) -> Vec<Record> {
    store.audit_records(Filter::default(), None, 1_000).await.unwrap()
}

fn kinds(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.kind.as_str()).collect()
}

async fn new_key(world: &World, store: &Store, seed: u64) -> KeyId {
    let id = KeyId::new(NOW, &SeededRandom::new(seed));
    let key = ApiKey {
        id,
        account_id: world.account().await,
        name: "ci".to_owned(),
        prefix: "lvq_abcdef".to_owned(),
        hash: [seed as u8; 32],
        role: levqor_model::Role::Editor,
        operator: false,
        created_at: NOW + Duration::from_secs(seed),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        scopes: None,
        previous: None,
        rotated_at: None,
        created_by: None,
    };
    store.create_key(key).await.unwrap();
    id
}

#[tokio::test]
async fn a_write_says_who_it_was() {
    let world = World::new();
    let node = world.node_id();
    let store = world.store.recording_as(node, &region("eu-west"));
    let id = by(author("user usr_1"), new_key(&world, &store, 1)).await;
    let record = all(&store).await.into_iter().find(|record| record.kind == "key.created").unwrap();
    assert_eq!((record.chain, record.region), (node.to_string(), "eu-west".to_owned()));
    assert_eq!((record.author.as_str(), record.request_id.as_deref()), ("user usr_1", Some("req_1")));
    assert_eq!(record.subject, id.to_string());
    let details: Value = serde_json::from_str(&record.details).unwrap();
    assert_eq!(details["network"], "192.0.2.0/24");
    assert_eq!((&details["role"], &details["prefix"]), (&json!("editor"), &json!("lvq_abcdef")));

    // Without anybody, it is the node itself.
    world.user("ada@example.com").await;
    let record = all(&world.store).await.into_iter().find(|record| record.kind == "user.created").unwrap();
    assert_eq!((record.author.as_str(), record.chain.as_str()), ("levqor", "local"));
    assert!(
        record.details.contains("a…@example.com") && !record.details.contains("ada@"),
        "{}",
        record.details
    );
}

#[tokio::test]
async fn what_was_not_done_leaves_no_record() {
    let world = World::new();
    let account = world.account().await;
    let before = all(&world.store).await.len();
    let nobody = KeyId::new(NOW, &SeededRandom::new(7));
    assert_eq!(world.store.revoke_key(account, nobody, NOW).await, Ok(Revocation::Missing));
    assert_eq!(world.store.delete_secret(account, "none".into(), NOW).await, Ok(false));
    // Refused by the schema: the whole write is taken back, and its record with it.
    let id = new_key(&world, &world.store, 3).await;
    let there = all(&world.store).await.len();
    let again = ApiKey { id, ..world.store.key_by_hash([3; 32]).await.unwrap().unwrap() };
    world.store.create_key(again).await.unwrap_err();
    assert_eq!((all(&world.store).await.len(), there), (there, before + 2));
}

#[tokio::test]
async fn chains_hold_and_checkpoints_end() {
    let world = World::new();
    let [one, other] = [world.node_id(), world.node_id()];
    let [a, b] = [one, other].map(|node| world.store.recording_as(node, &region("eu-west")));
    for seed in 1..=5 {
        new_key(&world, if seed % 2 == 0 { &a } else { &b }, seed).await;
    }
    assert!(seal(&a, 10).await && seal(&b, 11).await);
    // Each has seen the other's work; a checkpoint alone is nothing to sign.
    assert!(!seal(&a, 12).await && !seal(&b, 13).await);
    new_key(&world, &a, 6).await;
    assert!(seal(&b, 14).await);
    assert!(seal(&a, 15).await && !seal(&b, 16).await);
    let report = verify(&world.store).await;
    assert!(report.is_whole(), "{report:?}");
    // The chain of the accounts has no checkpoint of its own; others name its end.
    assert_eq!((report.chains, report.not_signed_yet), (3, 0), "{report:?}");
    let records = all(&world.store).await;
    assert_eq!(records.iter().filter(|record| record.kind == CHECKPOINT).count(), 4);

    // Another process continues the chains of a database; its own begins at 1.
    let late = world.store.recording_as(world.node_id(), &region("us-east"));
    assert!(seal(&late, 20).await);
    assert!(verify(&world.store).await.is_whole());
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let world = World::new();
    let store = world.store.recording_as(world.node_id(), &region("eu-west"));
    for seed in 1..=6 {
        by(author(if seed % 2 == 0 { "user even" } else { "user odd" }), new_key(&world, &store, seed)).await;
    }
    let of = |filter: Filter| async { store.audit_records(filter, None, 100).await.unwrap() };
    let kind = |kind: &str| Filter { kind: Some(kind.to_owned()), ..Filter::default() };
    assert_eq!(of(kind("key")).await.len(), 6);
    assert_eq!(of(kind("key.created")).await.len(), 6);
    assert_eq!(of(kind("ke")).await.len(), 0);
    let even = Filter { author: Some("user even".to_owned()), ..kind("key") };
    let found = of(even.clone()).await;
    assert_eq!(found.len(), 3);
    let about = Filter { account: found[0].account, ..Filter::default() };
    assert_eq!(kinds(&of(about).await), ["key.created", "account.created"]);
    let subject = Filter { subject: Some(found[1].subject.clone()), ..Filter::default() };
    assert_eq!(of(subject).await.len(), 1);
    let at = |seconds| NOW + Duration::from_secs(seconds);
    let some = Filter { from: Some(at(2)), until: Some(at(5)), ..kind("key") };
    assert_eq!(of(some.clone()).await.len(), 3);

    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = store.audit_records(kind("key"), before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(Place { at: last.at, chain: last.chain.clone(), seq: last.seq });
        seen.extend(page.into_iter().map(|record| record.seq));
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted_by(|newer, older| newer > older), "{seen:?}");
}

#[tokio::test]
async fn a_wish_about_a_run_is_kept() {
    let world = World::new();
    let account = world.account().await;
    let run = RunId::new(NOW, &SeededRandom::new(1));
    world.store.note_wish(account, run, "run.cancel_asked", json!({}), NOW).await.unwrap();
    let record = all(&world.store).await.remove(0);
    assert_eq!(
        (record.kind.as_str(), record.subject, record.account),
        ("run.cancel_asked", run.to_string(), Some(account))
    );
}

#[tokio::test]
async fn what_is_missing_in_the_database_is_named() {
    let world = World::new();
    let store = world.store.recording_as(world.node_id(), &region("eu-west"));
    for seed in 1..=4 {
        new_key(&world, &store, seed).await;
    }
    seal(&store, 9).await;
    let heads = store.audit_heads().await.unwrap();
    let mut verifier = Verifier::new(vec![key().public_key()]);
    verifier.listed("the list", heads.clone());
    let own = heads.iter().find(|head| head.chain != "local").unwrap();
    for record in store.audit_chain(own.chain.clone(), 0, 3).await.unwrap() {
        verifier.push(&record);
    }
    let findings = verifier.finish().findings;
    assert!(
        findings.iter().any(|finding| matches!(finding, Finding::RolledBack { last: 3, expected: 5, .. })),
        "{findings:?}"
    );
    assert!(findings.iter().any(|finding| matches!(finding, Finding::ChainMissing { .. })), "{findings:?}");
}
