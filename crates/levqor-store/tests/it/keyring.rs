//! Keys of the server: how far they come, what keeps them, and what a key that is gone keeps from being written.

use std::time::Duration;

use levqor_model::{KeyPurpose, KeyState, NodeId, RingKeyId, Timestamp, WebhookId};
use levqor_store::{
    keyring::{KEYS_MAX, KeptKey, NewKey, Published, Reseal, Revoked, SealHead, Turn},
    nodes::NewNode,
    regions::NodeState,
    secrets::{SealedSecret, SecretSet},
    webhooks::{Webhook, WebhookSet},
};

use crate::support::{NOW, World, region};

const LEARN: Duration = Duration::from_secs(20);
const TURN: Turn = Turn { overlap: Duration::from_secs(1_000), migration: 22 };

fn at(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

/// A key whose tag is that byte, eight times.
fn new(world: &World, purpose: KeyPurpose, tag: u8) -> NewKey {
    let id = world.run_id(NOW).to_string().replacen("run_", RingKeyId::PREFIX, 1).parse().unwrap();
    NewKey { id, purpose, tag: format!("{tag:02x}").repeat(8), sealed: vec![tag; 5] }
}

fn one_of_each(world: &World, tag: u8) -> Vec<NewKey> {
    KeyPurpose::ALL.iter().map(|purpose| new(world, *purpose, tag)).collect()
}

/// What is sealed under the key of that tag begins with this.
fn head(tag: u8) -> SealHead {
    let mut bytes = vec![tag; 9];
    bytes[0] = 1;
    SealHead { text: format!("text of {tag:04}"), bytes, agreements: &["seed"] }
}

fn sealed(tag: u8) -> Vec<u8> {
    [&head(tag).bytes[..], b"value"].concat()
}

async fn ring(world: &World) -> Vec<KeptKey> {
    world.store.keyring(None).await.unwrap().unwrap().1
}

async fn states(world: &World, purpose: KeyPurpose) -> Vec<KeyState> {
    let all = world.store.keyring_history().await.unwrap();
    let mut of = all.into_iter().filter(|key| key.purpose == purpose).collect::<Vec<_>>();
    of.sort_by(|one, other| one.tag.cmp(&other.tag));
    of.into_iter().map(|key| key.state).collect()
}

async fn founded(world: &World) {
    assert_eq!(world.store.found_keyring(one_of_each(world, 1), Vec::new(), NOW, LEARN).await, Ok(true));
}

/// Publishes a key of that purpose, and lets it become active.
async fn rotated(world: &World, purpose: KeyPurpose, tag: u8, now: Timestamp) -> RingKeyId {
    let key = new(world, purpose, tag);
    let id = key.id;
    let published = world.store.publish_ring_key(key, now, Duration::ZERO).await.unwrap();
    assert!(matches!(published, Published::Done(_)), "{published:?}");
    world.store.turn_keyring(TURN, now).await.unwrap();
    id
}

#[tokio::test]
async fn a_new_installation_begins_with_keys_of_its_own() {
    let world = World::new();
    let store = &world.store;
    assert_eq!(store.keyring(None).await, Ok(Some((0, Vec::new()))));
    founded(&world).await;
    assert_eq!(store.found_keyring(one_of_each(&world, 2), Vec::new(), NOW, LEARN).await, Ok(false));
    let (revision, keys) = store.keyring(None).await.unwrap().unwrap();
    assert_eq!((revision, keys.len()), (1, 3));
    assert!(keys.iter().all(|key| key.state == KeyState::Active && key.sealed == Some(vec![1; 5])));
    assert_eq!(store.keyring(Some(1)).await, Ok(None), "nothing has changed");
    assert!(store.keyring(Some(0)).await.unwrap().is_some());
}

#[tokio::test]
async fn one_that_was_there_goes_on_with_what_it_used_until_all_nodes_know_better() {
    let world = World::new();
    let store = &world.store;
    world.account().await;
    let (known, fresh) = (one_of_each(&world, 1), one_of_each(&world, 2));
    assert_eq!(store.found_keyring(fresh.clone(), known.clone(), NOW, LEARN).await, Ok(true));
    // A node of a build that knows no keyring.
    let node = NodeId::new(NOW, &levqor_model::SeededRandom::new(9));
    let registration = NewNode {
        id: node,
        region: region("eu-west"),
        version: "0".to_owned(),
        lease: Duration::from_secs(100),
        alone: false,
    };
    store.register_node(registration, NOW).await.unwrap();
    let mut told = NodeState {
        node,
        url: None,
        key_id: "k".to_owned(),
        migration: 21,
        ready: true,
        reason: None,
        clock_ahead_us: None,
        load: None,
        age: Duration::ZERO,
    };
    store.note_node_state(told.clone(), NOW).await.unwrap();
    assert_eq!(store.turn_keyring(TURN, at(19)).await, Ok(Vec::new()), "it is too early");
    assert_eq!(store.turn_keyring(TURN, at(20)).await, Ok(Vec::new()), "one does not know it");
    told.migration = 22;
    store.note_node_state(told, NOW).await.unwrap();
    assert_eq!(store.turn_keyring(TURN, at(21)).await.unwrap().len(), 6);
    for key in ring(&world).await {
        let is_new = fresh.iter().any(|new| new.id == key.id);
        let expected = if is_new { KeyState::Active } else { KeyState::Retiring };
        assert_eq!(key.state, expected, "{key:?}");
        assert_eq!(key.activates_at, if is_new { at(21) } else { NOW });
        let has_time = !is_new && key.purpose == KeyPurpose::Signing;
        assert_eq!(key.retires_at, has_time.then(|| at(1_021)));
    }
    assert_eq!(store.turn_keyring(TURN, at(21)).await, Ok(Vec::new()), "once");
}

#[tokio::test]
async fn what_was_signed_holds_for_its_time() {
    let world = World::new();
    let store = &world.store;
    founded(&world).await;
    let key = new(&world, KeyPurpose::Signing, 2);
    let published = store.publish_ring_key(key.clone(), at(0), LEARN).await.unwrap();
    let Published::Done(kept) = published else { panic!("{published:?}") };
    assert_eq!((kept.state, kept.activates_at, kept.id), (KeyState::Published, at(20), key.id));
    let again = store.publish_ring_key(new(&world, KeyPurpose::Signing, 3), at(1), LEARN).await;
    assert_eq!(again, Ok(Published::There(kept)), "one at a time");
    store.turn_keyring(TURN, at(20)).await.unwrap();
    assert_eq!(states(&world, KeyPurpose::Signing).await, [KeyState::Retiring, KeyState::Active]);
    assert_eq!(states(&world, KeyPurpose::Sealing).await, [KeyState::Active], "the others stay");
    assert_eq!(store.turn_keyring(TURN, at(1_019)).await, Ok(Vec::new()));
    let (before, _) = store.keyring(None).await.unwrap().unwrap();
    let moved = store.turn_keyring(TURN, at(1_020)).await.unwrap();
    assert_eq!((moved.len(), moved[0].state, &moved[0].sealed), (1, KeyState::Retired, &None));
    assert_eq!(moved[0].ended_at, Some(at(1_020)));
    assert_eq!(store.keyring(Some(before)).await.unwrap().unwrap().1.len(), 3);
    assert_eq!(store.prune_keyring(at(1_020)).await, Ok(0));
    assert_eq!(store.prune_keyring(at(1_021)).await, Ok(1));
}

#[tokio::test]
async fn a_sealing_key_stays_until_nothing_is_sealed_under_it() {
    let world = World::new();
    let store = &world.store;
    founded(&world).await;
    let account = world.account().await;
    let secret = |name: &str, tag: u8| SealedSecret {
        account_id: account,
        name: name.to_owned(),
        version: 1,
        sealed: sealed(tag),
        set_at: NOW,
    };
    let tag = |tag: u8| format!("{tag:02x}").repeat(8);
    for name in ["a", "b", "c"] {
        assert_eq!(store.set_secret(secret(name, 1), tag(1), 10).await, Ok(SecretSet::Done));
    }
    store.agree_sealed("seed", head(1).text, tag(1)).await.unwrap();
    let first = ring(&world).await.into_iter().find(|key| key.purpose == KeyPurpose::Sealing).unwrap();
    assert_eq!(store.key_uses(&first, head(1)).await, Ok(4));
    assert_eq!(store.retire_ring_key(first.id, head(1), at(1)).await, Ok(None), "it is the active one");
    rotated(&world, KeyPurpose::Sealing, 2, at(1)).await;
    assert_eq!(store.retire_ring_key(first.id, head(1), at(2)).await, Ok(None), "it is needed");

    let traces = store.keyring_traces("nothing", &["seed"]).await.unwrap();
    assert_eq!((traces.agreed, traces.heads), (None, vec![head(1).bytes]));
    assert_eq!(traces.texts, [head(1).text]);
    assert_eq!(store.keyring_traces("seed", &[]).await.unwrap().agreed, Some(head(1).text));
    let page = store.secrets_sealed_under(head(1), None, 2).await.unwrap();
    let rest = store.secrets_sealed_under(head(1), Some(page[1].place()), 2).await.unwrap();
    assert_eq!(store.secrets_sealed_under(head(2), None, 2).await, Ok(Vec::new()));
    let found: Vec<_> = page.iter().chain(&rest).map(|secret| secret.name.as_str()).collect();
    assert_eq!(found, ["a", "b", "c"]);
    let again = |secret: &SealedSecret| Reseal {
        account_id: secret.account_id,
        name: secret.name.clone(),
        version: secret.version,
        was: secret.sealed.clone(),
        sealed: sealed(2),
    };
    let values: Vec<_> = page.iter().chain(&rest).map(again).collect();
    assert_eq!(store.seal_secrets_again(tag(2), values[..2].to_vec()).await, Ok(Some(2)));
    assert_eq!(store.retire_ring_key(first.id, head(1), at(2)).await, Ok(None), "one is left");
    assert_eq!(store.seal_secrets_again(tag(2), values).await, Ok(Some(1)), "two have changed since");
    assert_eq!(store.retire_ring_key(first.id, head(1), at(2)).await, Ok(None), "the agreement is left");
    let texts = (head(1).text, head(2).text);
    assert_eq!(store.seal_agreement_again("seed", texts.1.clone(), texts.1.clone(), tag(2)).await, Ok(false));
    assert_eq!(store.seal_agreement_again("seed", texts.0, texts.1.clone(), tag(2)).await, Ok(true));
    assert_eq!(store.agreement("seed").await, Ok(Some(texts.1)));
    let retired = store.retire_ring_key(first.id, head(1), at(3)).await.unwrap().unwrap();
    assert_eq!((retired.state, retired.sealed, retired.ended_at), (KeyState::Retired, None, Some(at(3))));
    assert_eq!(store.all_sealed_secrets(None, 10).await.unwrap().len(), 3);

    // Whoever still has it writes nothing with it.
    assert_eq!(store.set_secret(secret("d", 1), tag(1), 10).await, Ok(SecretSet::KeyGone));
    assert_eq!(store.seal_secrets_again(tag(1), Vec::new()).await, Ok(None));
    assert_eq!(store.agree_sealed("seed", "x".to_owned(), tag(1)).await, Ok(None));
    assert_eq!(store.seal_agreement_again("seed", "x".to_owned(), "y".to_owned(), tag(1)).await, Ok(false));
    assert_eq!(store.set_secret(secret("d", 2), tag(2), 10).await, Ok(SecretSet::Done));
}

#[tokio::test]
async fn a_key_of_webhooks_stays_as_long_as_they_do() {
    let world = World::new();
    let store = &world.store;
    founded(&world).await;
    let account = world.account_id();
    let workflow = world.saved(account, "hello", None).await;
    let webhook = |tag: u8| Webhook {
        id: world.run_id(NOW).to_string().replacen("run_", WebhookId::PREFIX, 1).parse().unwrap(),
        account_id: account,
        workflow_id: workflow,
        name: "orders".to_owned(),
        hash: [tag; 32],
        signed: true,
        generation: 1,
        secret_key: format!("{tag:02x}").repeat(8),
        created_at: NOW,
        rotated_at: None,
        last_used_at: None,
    };
    let first = webhook(1);
    assert_eq!(store.create_webhook(first.clone(), 10).await, Ok(WebhookSet::Done(true)));
    let key = ring(&world).await.into_iter().find(|key| key.purpose == KeyPurpose::Webhooks).unwrap();
    rotated(&world, KeyPurpose::Webhooks, 2, at(1)).await;
    assert_eq!(store.turn_keyring(TURN, at(10_000)).await, Ok(Vec::new()), "not by the clock");
    assert_eq!(store.key_uses(&key, head(1)).await, Ok(1));
    assert_eq!(store.retire_ring_key(key.id, head(1), at(1)).await, Ok(None));
    let unsigned = Webhook { signed: false, hash: [3; 32], ..webhook(1) };
    assert_eq!(store.create_webhook(unsigned, 10).await, Ok(WebhookSet::Done(true)), "it needs no secret");
    assert_eq!(store.webhook_keys().await, Ok(vec![("01".repeat(8), 1)]));
    let rotate = async |tag: &str| {
        store.rotate_webhook(account, workflow, first.id, [7; 32], tag.repeat(8), NOW).await
    };
    assert!(matches!(rotate("02").await, Ok(WebhookSet::Done(Some(_)))));
    assert!(store.retire_ring_key(key.id, head(1), at(2)).await.unwrap().is_some());
    assert_eq!(rotate("01").await, Ok(WebhookSet::KeyGone));
    assert_eq!(store.create_webhook(webhook(1), 10).await, Ok(WebhookSet::KeyGone));
}

#[tokio::test]
async fn a_revoked_key_is_gone_at_once() {
    let world = World::new();
    let store = &world.store;
    founded(&world).await;
    let of = |keys: &[KeptKey], purpose| keys.iter().find(|key| key.purpose == purpose).unwrap().id;
    let keys = ring(&world).await;
    // The active one has a successor at once.
    let signing = of(&keys, KeyPurpose::Signing);
    let successor = new(&world, KeyPurpose::Signing, 2);
    let revoked = store.revoke_ring_key(signing, successor.clone(), head(1), at(1)).await.unwrap();
    let Revoked::Done { key, successor: Some(next) } = revoked else { panic!("{revoked:?}") };
    assert_eq!((key.state, key.sealed, key.ended_at), (KeyState::Revoked, None, Some(at(1))));
    assert_eq!((next.id, next.state, next.activates_at), (successor.id, KeyState::Active, at(1)));
    let again = store.revoke_ring_key(signing, new(&world, KeyPurpose::Signing, 3), head(1), at(2)).await;
    assert!(matches!(again, Ok(Revoked::Ended(key)) if key.ended_at == Some(at(1))));
    let nobody = new(&world, KeyPurpose::Signing, 4);
    assert_eq!(store.revoke_ring_key(nobody.id, nobody, head(1), at(2)).await, Ok(Revoked::Missing));
    // One that is only published has none.
    let third = new(&world, KeyPurpose::Signing, 5);
    store.publish_ring_key(third.clone(), at(2), LEARN).await.unwrap();
    let revoked =
        store.revoke_ring_key(third.id, new(&world, KeyPurpose::Signing, 6), head(1), at(3)).await.unwrap();
    assert!(matches!(revoked, Revoked::Done { successor: None, .. }));

    // A key that values are sealed under is not destroyed.
    let sealing = of(&keys, KeyPurpose::Sealing);
    let spare = || new(&world, KeyPurpose::Sealing, 7);
    assert_eq!(store.revoke_ring_key(sealing, spare(), head(1), at(4)).await, Ok(Revoked::Active));
    let account = world.account().await;
    let secret = SealedSecret {
        account_id: account,
        name: "a".to_owned(),
        version: 1,
        sealed: sealed(1),
        set_at: NOW,
    };
    store.set_secret(secret, "01".repeat(8), 10).await.unwrap();
    rotated(&world, KeyPurpose::Sealing, 8, at(4)).await;
    assert_eq!(store.revoke_ring_key(sealing, spare(), head(1), at(5)).await, Ok(Revoked::InUse(1)));
    store.delete_secret(account, "a".to_owned(), at(5)).await.unwrap();
    store.prune_secrets(at(6)).await.unwrap();
    let revoked = store.revoke_ring_key(sealing, spare(), head(1), at(6)).await.unwrap();
    assert!(matches!(revoked, Revoked::Done { successor: None, .. }));
}

#[tokio::test]
async fn keys_are_bounded_given_up_and_sealed_again() {
    let world = World::new();
    let store = &world.store;
    founded(&world).await;
    for n in 1..KEYS_MAX {
        let tag = u8::try_from(n % 256).unwrap();
        let mut key = new(&world, KeyPurpose::Signing, tag);
        key.tag = format!("{n:016x}");
        assert!(matches!(store.publish_ring_key(key, NOW, LEARN).await, Ok(Published::Done(_))), "{n}");
        store.turn_keyring(TURN, at(20)).await.unwrap();
    }
    let one_more = store.publish_ring_key(new(&world, KeyPurpose::Signing, 2), NOW, LEARN).await;
    assert_eq!(one_more, Ok(Published::Full));
    let (revision, keys) = store.keyring(None).await.unwrap().unwrap();
    assert_eq!(keys.len(), KEYS_MAX + 2);

    let other = keys.last().unwrap().id;
    let pairs = |was: Vec<u8>| vec![(other, was, vec![9])];
    assert_eq!(store.seal_keys_again(pairs(vec![0]), NOW).await, Ok(0), "it was something else");
    assert_eq!(store.keyring(Some(revision)).await, Ok(None));
    let was = keys.last().unwrap().sealed.clone().unwrap();
    assert_eq!(store.seal_keys_again(pairs(was), NOW).await, Ok(1));
    assert_eq!(store.ring_key(other).await.unwrap().unwrap().sealed, Some(vec![9]));

    store.agree("seed", "sealed".to_owned()).await.unwrap();
    let given_up = store.abandon_keyring(one_of_each(&world, 0xee), &["seed"], at(30)).await.unwrap();
    assert_eq!(store.agreement("seed").await, Ok(None));
    assert_eq!(given_up, KEYS_MAX as u64 + 2);
    let keys = ring(&world).await;
    assert!(keys.len() == 3 && keys.iter().all(|key| key.tag == "ee".repeat(8)), "{keys:?}");
}
