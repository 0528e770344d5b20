//! The ring on a store: how it begins, rotates, and gets under another root, and what two nodes make of it.

use levqor_model::{AccountId, ManualClock, SeededRandom, WebhookId};
use levqor_store::{
    Options, Place, accounts::Account, keyring::KeptKey, nodes::NewNode, secrets::SealedSecret,
    webhooks::Webhook,
};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use super::*;
use crate::{
    Vault,
    vault::{Shelf, own_label},
};

const OLD: &str = "the secret of the time before";
const MINUTE: Duration = Duration::from_secs(60);
const PARTS: [&str; 2] = ["csrf", "session"];

struct World {
    store: Store,
    clock: Arc<ManualClock>,
    random: Arc<SeededRandom>,
    account: AccountId,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-24T00:00:00Z".parse().unwrap()));
        let random = Arc::new(SeededRandom::new(7));
        let account = AccountId::new(clock.now(), &*random);
        Self { store: Store::open(Options::default()).unwrap(), clock, random, account }
    }

    /// Somebody was here before.
    async fn settled(self) -> Self {
        let row = Account {
            id: self.account,
            name: "Test".to_owned(),
            plan: "agency".to_owned(),
            created_at: self.clock.now(),
        };
        self.store.create_account(row).await.unwrap();
        self
    }

    async fn try_open(&self, secret: &str) -> Result<Keyring, Error> {
        let roots = Roots::parse(&Secret::new(secret)).unwrap();
        Keyring::open(self.store.clone(), roots, self.clock.clone(), self.random.clone()).await
    }

    async fn open(&self, secret: &str) -> Keyring {
        self.try_open(secret).await.unwrap()
    }

    /// Keeps a secret of that name, as an engine does.
    async fn keep(&self, vault: &Vault, name: &str, value: &Value) {
        let version = self.store.next_secret_version(self.account, name.to_owned()).await.unwrap();
        let shelf = Shelf { account: self.account, name, version: version.cast_unsigned() };
        let sealed = vault.seal(shelf, value, &*self.random).await.unwrap();
        let secret = SealedSecret {
            account_id: self.account,
            name: name.to_owned(),
            version,
            sealed: sealed.bytes,
            set_at: self.clock.now(),
        };
        let set = self.store.set_secret(secret, sealed.tag.to_string(), 10_000).await.unwrap();
        assert_eq!(set, levqor_store::secrets::SecretSet::Done);
    }

    /// All versions of it.
    async fn kept(&self, keyring: &Keyring, name: &str) -> Vec<Value> {
        let mut found = Vec::new();
        for secret in self.store.sealed_secrets(self.account, vec![name.to_owned()]).await.unwrap() {
            let version = secret.version.cast_unsigned();
            let shelf = Shelf { account: self.account, name, version };
            found.push(Vault::of(keyring.clone()).open(shelf, &secret.sealed).await.unwrap());
        }
        found
    }

    /// Publishes a key, and lets it become active.
    async fn rotate(&self, keyring: &Keyring, purpose: KeyPurpose) -> RingKeyId {
        let rotation = keyring.rotate(&self.store, purpose).await.unwrap();
        assert!(!rotation.already);
        self.clock.advance(LEARN);
        keyring.turn(&self.store).await.unwrap();
        rotation.key.id
    }

    async fn keys(&self, purpose: KeyPurpose, state: KeyState) -> Vec<KeptKey> {
        let all = self.store.keyring_history().await.unwrap();
        all.into_iter().filter(|key| (key.purpose, key.state) == (purpose, state)).collect()
    }
}

fn long(letter: char) -> String {
    letter.to_string().repeat(ROOT_BYTES_MIN)
}

#[tokio::test]
async fn an_installation_from_before_goes_on_with_what_it_made() {
    let world = World::new().settled().await;
    let secret = Secret::new(OLD);
    let before = Vault::new(&secret);
    world.keep(&before, "key", &json!("hush")).await;
    let token = Keyring::fixed(&secret).token(&PARTS).await.unwrap();

    let keyring = world.open(OLD).await;
    let expected = Keyring::fixed(&secret).active(KeyPurpose::Webhooks).await.unwrap().sign(&PARTS, b"");
    let derived = async |keyring: &Keyring| {
        let key = keyring.key(KeyPurpose::Webhooks, Tag::ZERO).await.unwrap();
        key.map(|key| key.sign(&PARTS, b""))
    };
    assert_eq!(keyring.token(&PARTS).await.unwrap(), token, "nodes of an older build know it");
    assert_eq!(world.kept(&keyring, "key").await, [json!("hush")]);
    assert_eq!(derived(&keyring).await, Some(expected));

    // New keys take over, and nothing is lost.
    world.clock.advance(LEARN);
    keyring.turn(&world.store).await.unwrap();
    let next = keyring.token(&PARTS).await.unwrap();
    assert_ne!(next, token);
    for token in [&token, &next] {
        assert_eq!(keyring.verify(token, &PARTS).await, Ok(true));
    }
    assert_eq!(world.kept(&keyring, "key").await, [json!("hush")]);
    assert_eq!(world.keys(KeyPurpose::Sealing, KeyState::Retired).await.len(), 1, "it is sealed again");
    // Webhooks from before are there for good.
    assert_eq!(world.keys(KeyPurpose::Webhooks, KeyState::Retired).await.len(), 1, "there were none");
    assert!(keyring.check(&world.store).await.unwrap().is_good());
    let restarted = world.open(OLD).await;
    assert_eq!(restarted.verify(&token, &PARTS).await, Ok(true));
    assert_eq!(restarted.identity(), keyring.identity());
    assert_eq!(restarted.identity(), Roots::parse(&secret).unwrap().current().fingerprint());
}

/// Callers whose requests are counted must not get a fresh quota by a rotation.
#[tokio::test]
async fn numbers_are_the_same_on_all_nodes_and_last_as_long_as_the_oldest_key() {
    let world = World::new();
    let (one, other) = (world.open(OLD).await, world.open(OLD).await);
    let caller: [&[u8]; 2] = [b"caller", b"192.0.2.1"];
    let number = one.number(&caller);
    assert_ne!(number, one.number(&[b"caller", b"192.0.2.2"]));
    assert_ne!(number, one.number(&[b"calle", b"r\x00192.0.2.1"]));
    assert_ne!(number, Keyring::fixed(&Secret::new("another")).number(&caller));
    for _ in 0..3 {
        // Keys of one millisecond have no order.
        world.clock.advance(MINUTE);
        world.rotate(&one, KeyPurpose::Signing).await;
        // The other one has not heard of it.
        assert_eq!((one.number(&caller), other.number(&caller)), (number, number));
    }
    world.clock.advance(OVERLAP);
    let next = one.number(&caller);
    assert_ne!(next, number);
    other.refresh().await.unwrap();
    assert_eq!(other.number(&caller), next, "by the clock, on both at once");
    let active = world.keys(KeyPurpose::Signing, KeyState::Active).await;
    one.revoke(&world.store, active[0].id).await.unwrap();
    assert_ne!(one.number(&caller), next);
}

#[tokio::test]
async fn the_secret_of_before_is_found_in_a_list() {
    let (new, old) = (long('n'), long('o'));
    let both = format!("{new},{old}");
    for trace in ["a secret", "an agreement", "nodes"] {
        let world = World::new().settled().await;
        let before = Vault::new(&Secret::new(old.as_str()));
        match trace {
            "a secret" => world.keep(&before, "key", &json!(1)).await,
            "an agreement" => {
                use base64::{Engine as _, engine::general_purpose::STANDARD};
                let sealed = before.seal_own(SEALED_AGREEMENTS[0], &json!(1), &*world.random).await.unwrap();
                world.store.agree(SEALED_AGREEMENTS[0], STANDARD.encode(sealed.bytes)).await.unwrap();
            }
            _ => {
                let roots = Roots::parse(&Secret::new(old.as_str())).unwrap();
                world.store.agree(IDENTITY, roots.current().fingerprint()).await.unwrap();
                assert_eq!(world.try_open(&new).await.err(), Some(Error::OtherRoot), "no one else's ring");
            }
        }
        let token = Keyring::fixed(&Secret::new(old.as_str())).token(&PARTS).await.unwrap();
        let keyring = world.open(&both).await;
        assert_eq!(keyring.verify(&token, &PARTS).await, Ok(true), "{trace}");
        assert!(keyring.check(&world.store).await.unwrap().is_good(), "{trace}");
    }
    // Nothing tells: before, the text was one secret.
    let world = World::new().settled().await;
    let token = Keyring::fixed(&Secret::new(both.as_str())).token(&PARTS).await.unwrap();
    assert_eq!(world.open(&both).await.verify(&token, &PARTS).await, Ok(true));
}

#[tokio::test]
async fn a_new_root_is_put_before_the_old_one_and_takes_its_place() {
    let (old, new) = (long('o'), long('n'));
    let world = World::new();
    let keyring = world.open(&old).await;
    let world = world.settled().await;
    let token = keyring.token(&PARTS).await.unwrap();
    world.keep(&Vault::of(keyring.clone()), "key", &json!("hush")).await;
    assert_eq!(world.try_open(&new).await.err(), Some(Error::OtherRoot));
    // First, all nodes learn it; then it seals.
    let both = [format!("{old},{new}"), format!("{new},{old}")];
    for secret in [&both[0], &both[1], &new] {
        let keyring = world.open(secret).await;
        assert_eq!(keyring.verify(&token, &PARTS).await, Ok(true));
        assert_eq!(world.kept(&keyring, "key").await, [json!("hush")]);
        assert!(keyring.check(&world.store).await.unwrap().is_good());
    }
    assert_eq!(world.try_open(&old).await.err(), Some(Error::OtherRoot), "it opens nothing any more");
    // A node that was not told goes on with the keys that it has, and says that it misses one.
    assert_eq!(keyring.verify(&token, &PARTS).await, Ok(true));
    let told = keyring.identity();
    let other = world.open(&new).await;
    assert_eq!(other.identity(), told, "the secret is another one, and the keys are the same");
    world.rotate(&other, KeyPurpose::Signing).await;
    world.clock.advance(FRESH);
    assert_eq!(keyring.verify(&token, &PARTS).await, Ok(true));
    let next = other.token(&PARTS).await.unwrap();
    assert_eq!(keyring.verify(&next, &PARTS).await, Ok(false));
    assert!(keyring.check(&world.store).await.unwrap().faults_total >= 1);
    // Its own old key signs no more, and it has no other.
    assert_eq!(keyring.token(&PARTS).await, Err(Error::NoKey(KeyPurpose::Signing)));
}

#[tokio::test]
async fn a_token_of_one_node_passes_on_the_other() {
    let world = World::new();
    let (here, there) = (world.open(OLD).await, world.open(OLD).await);
    for _ in 0..3 {
        let before = here.token(&PARTS).await.unwrap();
        world.rotate(&here, KeyPurpose::Signing).await;
        let token = here.token(&PARTS).await.unwrap();
        assert_ne!(token, before);
        for token in [&before, &token] {
            assert_eq!(there.verify(token, &PARTS).await, Ok(true));
        }
        // Also of a key that nobody has had the time to learn.
        let active = world.keys(KeyPurpose::Signing, KeyState::Active).await[0].id;
        let revocation = here.revoke(&world.store, active).await.unwrap();
        assert!(revocation.successor.is_some());
        world.clock.advance(LOOK_AGAIN_EVERY);
        let next = here.token(&PARTS).await.unwrap();
        assert_eq!(there.verify(&next, &PARTS).await, Ok(true), "it looks again");
        for node in [&here, &there] {
            assert_eq!(node.verify(&token, &PARTS).await, Ok(false), "revoked");
        }
    }
}

#[tokio::test]
async fn a_revoked_key_is_worth_nothing_anywhere_after_a_while() {
    let world = World::new();
    let (here, there) = (world.open(OLD).await, world.open(OLD).await);
    let token = there.token(&PARTS).await.unwrap();
    let active = world.keys(KeyPurpose::Signing, KeyState::Active).await[0].id;
    here.revoke(&world.store, active).await.unwrap();
    assert_eq!(here.verify(&token, &PARTS).await, Ok(false));
    world.clock.advance(FRESH);
    assert_eq!(there.verify(&token, &PARTS).await, Ok(false), "without any job");
    // With a store that is gone, nobody decides by what was.
    world.store.close().await;
    assert!(there.verify(&token, &PARTS).await.is_ok(), "it has just looked");
    world.clock.advance(FRESH);
    assert_eq!(there.verify(&token, &PARTS).await, Err(Error::Store(levqor_store::Error::Closed)));
}

#[tokio::test]
async fn strangers_have_the_ring_read_no_more_often_than_anybody_could_want() {
    let world = World::new();
    let keyring = world.open(OLD).await;
    let unknown = format!("0123456789abcdef.{}", "A".repeat(43));
    assert_eq!(keyring.verify(&unknown, &PARTS).await, Ok(false));
    // Had it been read again, it would say that the store is closed.
    world.store.close().await;
    for _ in 0..100 {
        assert_eq!(keyring.verify(&unknown, &PARTS).await, Ok(false));
    }
    world.clock.advance(LOOK_AGAIN_EVERY);
    assert!(keyring.verify(&unknown, &PARTS).await.is_err());
}

#[tokio::test]
async fn what_is_sealed_is_sealed_again_in_batches_by_whoever_is_there() {
    let world = World::new();
    let keyring = world.open(OLD).await;
    let world = world.settled().await;
    let vault = Vault::of(keyring.clone());
    for n in 0..1_250 {
        world.keep(&vault, &format!("n{n}"), &json!(n)).await;
    }
    let first = world.rotate(&keyring, KeyPurpose::Sealing).await;
    let left = || async {
        let retiring = world.keys(KeyPurpose::Sealing, KeyState::Retiring).await;
        match retiring.first() {
            Some(key) => {
                let head = key.tag.parse::<Tag>().unwrap().head(SEALED_AGREEMENTS);
                world.store.key_uses(key, head).await.unwrap()
            }
            None => 0,
        }
    };
    assert_eq!(left().await, 250, "a thousand of a turn");
    let busy = world.keys(KeyPurpose::Sealing, KeyState::Retiring).await[0].id;
    assert_eq!(keyring.revoke(&world.store, busy).await, Err(Error::InUse { id: busy, uses: 250 }));
    assert_eq!(keyring.revoke(&world.store, first).await, Err(Error::Seals(first)));
    // The next process goes on where this one stopped.
    let next = world.open(OLD).await;
    next.turn(&world.store).await.unwrap();
    assert_eq!(left().await, 0);
    assert_eq!(world.keys(KeyPurpose::Sealing, KeyState::Retiring).await, []);
    // The other node still has the old key, and sees that it is gone when it writes.
    let stale = keyring.ring().active(KeyPurpose::Sealing).unwrap().id();
    assert_eq!(stale, first);
    for n in [0, 700, 1_249] {
        assert_eq!(world.kept(&next, &format!("n{n}")).await, [json!(n)]);
        assert_eq!(world.kept(&keyring, &format!("n{n}")).await, [json!(n)]);
    }
    let check = next.check(&world.store).await.unwrap();
    assert_eq!((check.sealed, check.faults_total), (1_250, 0));
}

/// Between the look at a value and opening it, it may be sealed again, and its key retire.
#[tokio::test]
async fn what_was_read_before_it_was_sealed_again_still_opens() {
    let world = World::new();
    let keyring = world.open(OLD).await;
    let world = world.settled().await;
    let vault = Vault::of(keyring.clone());
    world.keep(&vault, "key", &json!("hush")).await;
    let read = world.store.sealed_secrets(world.account, vec!["key".to_owned()]).await.unwrap();
    let shelf = Shelf { account: world.account, name: "key", version: read[0].version.cast_unsigned() };
    for _ in 0..2 {
        world.rotate(&keyring, KeyPurpose::Sealing).await;
        assert_eq!(vault.open(shelf, &read[0].sealed).await, Ok(json!("hush")));
    }
    assert_eq!(world.keys(KeyPurpose::Sealing, KeyState::Retired).await.len(), 2);
    world.clock.advance(MINUTE);
    let closed = vault.open(shelf, &read[0].sealed).await;
    assert_eq!(closed, Err(Closed::OtherKey.into()), "its key is gone for good");
}

#[tokio::test]
async fn what_does_not_open_keeps_its_key_and_is_told() {
    let world = World::new();
    let keyring = world.open(OLD).await;
    let world = world.settled().await;
    world.keep(&Vault::of(keyring.clone()), "good", &json!(1)).await;
    // Sealed for another place.
    let key = keyring.active(KeyPurpose::Sealing).await.unwrap();
    let bad = SealedSecret {
        account_id: world.account,
        name: "bad".to_owned(),
        version: 1,
        sealed: key.seal(&own_label("elsewhere"), b"1", &*world.random),
        set_at: world.clock.now(),
    };
    world.store.set_secret(bad, key.tag().to_string(), 10).await.unwrap();
    let check = keyring.check(&world.store).await.unwrap();
    assert_eq!((check.keys, check.sealed, check.faults_total), (3, 2, 1));
    let fault = &check.faults[0];
    assert_eq!(fault.what, format!("version 1 of secret bad of {}", world.account));
    assert!(fault.problem.contains("damaged"), "{fault:?}");

    world.rotate(&keyring, KeyPurpose::Sealing).await;
    keyring.turn(&world.store).await.unwrap();
    assert_eq!(world.keys(KeyPurpose::Sealing, KeyState::Retiring).await.len(), 1);
    assert_eq!(world.kept(&keyring, "good").await, [json!(1)]);
    world.store.delete_secret(world.account, "bad".to_owned(), world.clock.now()).await.unwrap();
    world.clock.advance(MINUTE);
    world.store.prune_secrets(world.clock.now()).await.unwrap();
    keyring.turn(&world.store).await.unwrap();
    assert_eq!(world.keys(KeyPurpose::Sealing, KeyState::Retired).await.len(), 1);
    assert!(keyring.check(&world.store).await.unwrap().is_good());
}

#[tokio::test]
async fn a_lost_ring_is_given_up_by_will_only() {
    let world = World::new();
    let keyring = world.open(OLD).await;
    let world = world.settled().await;
    world.keep(&Vault::of(keyring.clone()), "key", &json!("hush")).await;
    let token = keyring.token(&PARTS).await.unwrap();
    let abandon = async |secret: &str| {
        let roots = Roots::parse(&Secret::new(secret)).unwrap();
        Keyring::abandon(&world.store, &roots, &*world.clock, &*world.random).await
    };
    assert_eq!(abandon(OLD).await, Err(Error::Opens));
    assert_eq!(abandon("another").await, Ok(3));
    assert_eq!(world.try_open(OLD).await.err(), Some(Error::OtherRoot));
    let next = world.open("another").await;
    assert_eq!(next.verify(&token, &PARTS).await, Ok(false));
    let check = next.check(&world.store).await.unwrap();
    assert_eq!((check.sealed, check.faults_total), (1, 1), "what is lost is named");
    world.keep(&Vault::of(next.clone()), "other", &json!(2)).await;
    assert_eq!(world.kept(&next, "other").await, [json!(2)]);
}

/// Somebody with the right secret may be at work, elsewhere.
#[tokio::test]
async fn a_ring_that_a_node_uses_is_not_given_up() {
    let directory = levqor_testkit::temp_dir();
    let mut world = World::new();
    let place = Place::SharedFile(directory.path().join("levqor.db"));
    world.store = Store::open(Options { place, ..Options::default() }).unwrap();
    world.open(OLD).await;
    let id = NodeId::new(world.clock.now(), &*world.random);
    let node = NewNode {
        id,
        region: "eu-west".parse().unwrap(),
        version: "1.0.0".to_owned(),
        lease: MINUTE,
        alone: false,
    };
    world.store.register_node(node, world.clock.now()).await.unwrap();
    let abandon = async || {
        let roots = Roots::parse(&Secret::new("another")).unwrap();
        Keyring::abandon(&world.store, &roots, &*world.clock, &*world.random).await
    };
    assert_eq!(abandon().await, Err(Error::Lives(id)));
    world.store.stop_node(id, world.clock.now()).await.unwrap();
    assert_eq!(abandon().await, Ok(3));
}

#[tokio::test]
async fn webhooks_without_their_key_are_told() {
    let world = World::new();
    let keyring = world.open(OLD).await;
    let world = world.settled().await;
    let now = world.clock.now();
    let workflow = levqor_model::WorkflowId::new(now, &*world.random);
    world
        .store
        .create_workflow(
            levqor_store::workflows::Workflow {
                id: workflow,
                account_id: world.account,
                namespace: "test".to_owned(),
                name: "hook".to_owned(),
                version: "1.0.0".to_owned(),
                title: None,
                created_at: now,
                updated_at: now,
            },
            levqor_store::workflows::Version {
                workflow_id: workflow,
                version: "1.0.0".to_owned(),
                definition: "{}".to_owned(),
                source: None,
                functions: None,
                created_at: now,
            },
            None,
        )
        .await
        .unwrap();
    let key = keyring.active(KeyPurpose::Webhooks).await.unwrap();
    let webhook = Webhook {
        id: WebhookId::new(now, &*world.random),
        account_id: world.account,
        workflow_id: workflow,
        name: "hook".to_owned(),
        hash: [1; 32],
        signed: true,
        generation: 1,
        secret_key: key.tag().to_string(),
        created_at: now,
        rotated_at: None,
        last_used_at: None,
    };
    world.store.create_webhook(webhook, 10).await.unwrap();
    world.rotate(&keyring, KeyPurpose::Webhooks).await;
    assert_eq!(world.keys(KeyPurpose::Webhooks, KeyState::Retiring).await.len(), 1, "it is needed");
    assert!(keyring.key(KeyPurpose::Webhooks, key.tag()).await.unwrap().is_some());
    keyring.revoke(&world.store, key.id()).await.unwrap();
    assert!(keyring.key(KeyPurpose::Webhooks, key.tag()).await.unwrap().is_none());
    let check = keyring.check(&world.store).await.unwrap();
    assert_eq!((check.webhooks, check.faults_total), (1, 1));
    assert_eq!(check.faults[0].what, "the secrets of 1 webhooks");
}

/// Something that happens; the first number is the node.
#[derive(Debug, Clone)]
enum Step {
    Rotate(usize, usize),
    Advance(u64),
    Turn(usize),
    Revoke(usize, Index),
    Sign(usize),
    Keep(usize),
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..2_usize;
    prop_oneof![
        3 => (node.clone(), 0..3_usize).prop_map(|(node, purpose)| Step::Rotate(node, purpose)),
        3 => prop_oneof![Just(1), Just(9), Just(10), Just(20), Just(21), Just(86_400), Just(1_300_000)]
            .prop_map(Step::Advance),
        4 => node.clone().prop_map(Step::Turn),
        1 => (node.clone(), any::<Index>()).prop_map(|(node, key)| Step::Revoke(node, key)),
        3 => node.clone().prop_map(Step::Sign),
        2 => node.clone().prop_map(Step::Keep),
        1 => node.prop_map(Step::Restart),
    ]
}

struct Signed {
    token: String,
    key: RingKeyId,
}

/// What holds after each step, by what the store says of the keys.
async fn holds(world: &World, nodes: &[Keyring; 2], signed: &[Signed], kept: usize) {
    let all = world.store.keyring_history().await.unwrap();
    for purpose in KeyPurpose::ALL {
        let count = |state| all.iter().filter(|key| (key.purpose, key.state) == (*purpose, state)).count();
        assert_eq!(count(KeyState::Active), 1, "{purpose}");
        assert!(count(KeyState::Published) <= 1, "{purpose}");
    }
    for key in &all {
        assert_eq!(key.sealed.is_some(), key.state.holds(), "what is gone is destroyed: {key:?}");
    }
    let now = world.clock.now();
    for node in nodes {
        for Signed { token, key } in signed {
            let key = all.iter().find(|kept| kept.id == *key).unwrap();
            let over = match key.state {
                KeyState::Revoked | KeyState::Retired => key.ended_at,
                _ => key.retires_at,
            };
            let is_good = node.verify(token, &PARTS).await.unwrap();
            match over {
                Some(over) if now >= over + FRESH => assert!(!is_good, "{key:?} is over"),
                // A node may or may not have heard of it.
                Some(over) if now >= over => {}
                // The successor of a revoked key, which nobody had the time to learn, and a node that has just looked.
                _ if now.since(key.activates_at) < LOOK_AGAIN_EVERY => {}
                _ => assert!(is_good, "{key:?} holds"),
            }
        }
        for n in 0..kept {
            assert_eq!(world.kept(node, &format!("n{n}")).await, [json!(n)], "no secret is ever lost");
        }
    }
}

async fn play(steps: Vec<Step>) {
    let world = World::new();
    let mut nodes = [world.open(OLD).await, world.open(OLD).await];
    let world = world.settled().await;
    let (mut signed, mut kept) = (Vec::new(), 0);
    for step in steps {
        match step {
            Step::Rotate(node, purpose) => {
                nodes[node].rotate(&world.store, KeyPurpose::ALL[purpose]).await.unwrap();
            }
            Step::Advance(seconds) => world.clock.advance(Duration::from_secs(seconds)),
            Step::Turn(node) => nodes[node].turn(&world.store).await.unwrap(),
            Step::Revoke(node, index) => {
                let all = world.store.keyring_history().await.unwrap();
                match nodes[node].revoke(&world.store, index.get(&all).id).await {
                    Ok(revocation) => assert!(!revocation.key.state.holds()),
                    Err(Error::InUse { .. } | Error::Seals(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Sign(node) => {
                let key = nodes[node].active(KeyPurpose::Signing).await.unwrap();
                signed.push(Signed { token: key.token(&PARTS), key: key.id() });
            }
            Step::Keep(node) => {
                // As an engine does when the key that it has is gone.
                nodes[node].refresh().await.unwrap();
                world.keep(&Vault::of(nodes[node].clone()), &format!("n{kept}"), &json!(kept)).await;
                kept += 1;
            }
            Step::Restart(node) => nodes[node] = world.open(OLD).await,
        }
        holds(&world, &nodes, &signed, kept).await;
    }
    // In the end everything is sealed under one key.
    for _ in 0..2 {
        world.clock.advance(MINUTE + LEARN);
        nodes[0].turn(&world.store).await.unwrap();
    }
    assert_eq!(world.keys(KeyPurpose::Sealing, KeyState::Retiring).await, []);
    assert!(nodes[1].check(&world.store).await.unwrap().is_good());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn whatever_happens_tokens_and_secrets_hold_as_long_as_they_should(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(steps));
    }
}
