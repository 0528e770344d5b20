//! Accounts, people, keys and sign-in.

use std::time::Duration;

use levqor_model::{KeyId, LinkId, Role, Scopes, SeededRandom, SessionId};
use levqor_store::{
    Conflict, Error,
    accounts::{Account, Founding, Membership, User},
    keys::{ApiKey, Revocation, Rotation},
    sessions::{Link, Session},
};

use crate::support::{NOW, World};

const HASH: [u8; 32] = [7; 32];

#[tokio::test]
async fn accounts_and_users_are_found() {
    let world = World::new();
    let (first, second) = (world.account().await, world.account().await);
    assert_eq!(world.store.accounts_count().await, Ok(2));
    assert_eq!(world.store.account(first).await.unwrap().unwrap().id, first);
    assert_eq!(world.store.account(world.account_id()).await, Ok(None));

    let user = world.user("ada@example.com").await;
    assert_eq!(world.store.user(user).await.unwrap().unwrap().email, "ada@example.com");
    assert_eq!(world.store.user_by_email("ada@example.com".to_owned()).await.unwrap().unwrap().id, user);
    assert_eq!(world.store.user_by_email("bob@example.com".to_owned()).await, Ok(None));
    let mut twin = world.store.user(user).await.unwrap().unwrap();
    twin.id = world.user_id();
    assert_eq!(world.store.create_user(twin).await, Err(Error::Conflict(Conflict::UserEmail)));

    for (account, role) in [(first, Role::Owner), (second, Role::Viewer), (second, Role::Editor)] {
        world.store.add_member(Membership { account_id: account, user_id: user, role }, NOW).await.unwrap();
    }
    let mut memberships = world.store.memberships_of(user).await.unwrap();
    memberships.sort_by_key(|membership| membership.role);
    let roles: Vec<_> = memberships.iter().map(|m| (m.account_id, m.role)).collect();
    assert_eq!(roles, [(second, Role::Editor), (first, Role::Owner)], "the last role holds");
    let stranger = Membership { account_id: first, user_id: world.user_id(), role: Role::Viewer };
    assert_eq!(world.store.add_member(stranger, NOW).await, Err(Error::Conflict(Conflict::Other)));
}

#[tokio::test]
async fn accounts_are_listed_newest_first_with_what_they_have() {
    let world = World::new();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(world.account().await);
    }
    made.sort();
    made.reverse();
    let user = world.user("ada@example.com").await;
    let owner = Membership { account_id: made[1], user_id: user, role: Role::Owner };
    world.store.add_member(owner, NOW).await.unwrap();
    let list = async |before, limit| {
        let accounts = world.store.accounts(before, limit).await.unwrap();
        accounts
            .into_iter()
            .map(|found| (found.account.id, found.members, found.workflows, found.keys))
            .collect::<Vec<_>>()
    };
    assert_eq!(list(None, 2).await, [(made[0], 0, 0, 0), (made[1], 1, 0, 0)]);
    assert_eq!(list(Some(made[1]), 2).await, [(made[2], 0, 0, 0)]);
}

#[tokio::test]
async fn the_first_account_is_founded_once_and_whole() {
    let world = World::new();
    let random = SeededRandom::new(3);
    let founding = |email: &str| {
        let account_id = world.account_id();
        let (workflow, version) = world.workflow(account_id, "welcome", NOW);
        Founding {
            account: Account {
                id: account_id,
                name: "Default".to_owned(),
                plan: "agency".to_owned(),
                created_at: NOW,
            },
            user: User { id: world.user_id(), email: email.to_owned(), operator: true, created_at: NOW },
            role: Role::Owner,
            key: ApiKey {
                id: KeyId::new(NOW, &random),
                account_id,
                name: "owner".to_owned(),
                prefix: "lvq_abc".to_owned(),
                hash: HASH,
                role: Role::Owner,
                operator: true,
                created_at: NOW,
                expires_at: None,
                last_used_at: None,
                revoked_at: None,
                scopes: None,
                previous: None,
                rotated_at: None,
                created_by: None,
            },
            workflow,
            version,
        }
    };
    assert_eq!(world.store.found(founding("ada@example.com")).await, Ok(true));
    assert_eq!(world.store.found(founding("bob@example.com")).await, Ok(false));
    assert_eq!(world.store.accounts_count().await, Ok(1));
    let user = world.store.user_by_email("ada@example.com".to_owned()).await.unwrap().unwrap();
    let account = world.store.memberships_of(user.id).await.unwrap()[0].account_id;
    assert_eq!(world.store.key_by_hash(HASH).await.unwrap().unwrap().account_id, account);
    assert_eq!(world.store.workflows_count(Some(account)).await, Ok(1));
    assert_eq!(world.store.user_by_email("bob@example.com".to_owned()).await, Ok(None));
}

#[tokio::test]
async fn keys_are_found_by_hash_and_revoked_once() {
    let world = World::new();
    let random = SeededRandom::new(1);
    let account = world.account().await;
    let key = |number: u8| ApiKey {
        id: KeyId::new(NOW + Duration::from_secs(u64::from(number)), &random),
        account_id: account,
        name: format!("key {number}"),
        prefix: "lvq_abc".to_owned(),
        hash: [number; 32],
        role: Role::Admin,
        operator: number == 0,
        created_at: NOW,
        expires_at: (number == 1).then_some(NOW),
        last_used_at: None,
        revoked_at: None,
        scopes: None,
        previous: None,
        rotated_at: None,
        created_by: None,
    };
    let keys = [key(0), key(1), key(2)];
    for key in &keys {
        world.store.create_key(key.clone()).await.unwrap();
    }
    let store = &world.store;
    assert_eq!(store.key_by_hash([1; 32]).await, Ok(Some(keys[1].clone())));
    assert_eq!(store.key_by_hash(HASH).await, Ok(None));
    let mut twin = keys[0].clone();
    twin.id = KeyId::new(NOW, &random);
    assert_eq!(store.create_key(twin).await, Err(Error::Conflict(Conflict::Other)), "one key per hash");
    assert_eq!(store.keys_of(account, None, 2).await.unwrap(), keys[..2]);
    assert_eq!(store.keys_of(account, Some(keys[1].id), 2).await.unwrap(), keys[2..]);

    let later = NOW + Duration::from_secs(9);
    store.touch_keys(vec![(keys[0].id, later), (keys[2].id, NOW)]).await.unwrap();
    store.touch_keys(vec![(keys[0].id, NOW)]).await.unwrap();
    assert_eq!(store.key_by_hash([0; 32]).await.unwrap().unwrap().last_used_at, Some(later));

    let rotation = |number: u8| Rotation {
        prefix: format!("lvq_{number}"),
        hash: [number; 32],
        at: later,
        previous_ends_at: later + Duration::from_secs(60),
    };
    assert_eq!(store.rotate_key(world.account_id(), keys[0].id, rotation(50)).await, Ok(None), "of others");
    assert!(store.rotate_key(account, keys[0].id, rotation(50)).await.unwrap().is_some());
    let old = store.key_by_hash([0; 32]).await.unwrap().unwrap();
    assert_eq!((old.hash, old.previous.unwrap().hash), ([50; 32], [0; 32]), "by the previous secret");
    assert_eq!(store.key_by_hash([50; 32]).await.unwrap().unwrap(), old);
    store.rotate_key(account, keys[0].id, rotation(51)).await.unwrap();
    assert_eq!(store.key_by_hash([0; 32]).await, Ok(None), "two rotations ago");
    assert_eq!(store.key(account, keys[0].id).await.unwrap().unwrap().prefix, "lvq_51");
    assert_eq!(store.key(world.account_id(), keys[0].id).await, Ok(None));

    assert_eq!(store.live_keys(account, later).await, Ok(2), "one has expired");
    assert_eq!(store.revoke_key(world.account_id(), keys[2].id, later).await, Ok(Revocation::Missing));
    assert_eq!(store.revoke_key(account, keys[2].id, later).await, Ok(Revocation::Done));
    assert_eq!(store.revoke_key(account, keys[2].id, NOW).await, Ok(Revocation::Missing));
    assert_eq!(store.key_by_hash([2; 32]).await.unwrap().unwrap().revoked_at, Some(later));
    assert_eq!(store.live_keys(account, later).await, Ok(1));

    // Of those that end by themselves; which are revoked stays to be read.
    assert_eq!(store.forget_ended_keys(account, NOW).await, Ok(0), "it ended at that moment, and not before");
    assert_eq!(store.forget_ended_keys(world.account_id(), later).await, Ok(0), "of others");
    assert_eq!(store.forget_ended_keys(account, later).await, Ok(1));
    let left: Vec<_> = store.keys_of(account, None, 9).await.unwrap().into_iter().map(|key| key.id).collect();
    assert_eq!(left, [keys[0].id, keys[2].id]);
}

#[tokio::test]
async fn the_last_key_of_an_owner_stays_whoever_revokes_at_the_same_time() {
    let world = World::new();
    let random = SeededRandom::new(2);
    let account = world.account().await;
    let store = &world.store;
    let mut ids = Vec::new();
    for number in 0..4_u8 {
        let key = ApiKey {
            id: KeyId::new(NOW, &random),
            account_id: account,
            name: format!("key {number}"),
            prefix: "lvq_abc".to_owned(),
            hash: [number; 32],
            role: Role::Owner,
            operator: false,
            created_at: NOW,
            // One that has expired, and one that is limited, are no owners who are left.
            expires_at: (number == 2).then_some(NOW),
            last_used_at: None,
            revoked_at: None,
            scopes: (number == 3).then(|| Scopes::parse_all(["runs:read"]).unwrap()),
            previous: None,
            rotated_at: None,
            created_by: None,
        };
        ids.push(key.id);
        store.create_key(key).await.unwrap();
    }
    let (first, second) =
        tokio::join!(store.revoke_key(account, ids[0], NOW), store.revoke_key(account, ids[1], NOW));
    let mut both = [first.unwrap(), second.unwrap()];
    both.sort_by_key(|revocation| *revocation != Revocation::Done);
    assert_eq!(both, [Revocation::Done, Revocation::LastOwner]);
    assert_eq!(store.revoke_key(account, ids[3], NOW).await, Ok(Revocation::Done), "a limited one may go");
}

#[tokio::test]
async fn a_link_is_spent_once_and_in_time() {
    let world = World::new();
    let user = world.user("ada@example.com").await;
    let minute = Duration::from_secs(60);
    let link = Link {
        id: LinkId::new(NOW, &SeededRandom::new(1)),
        user_id: user,
        hash: HASH,
        created_at: NOW,
        expires_at: NOW + minute,
    };
    let store = &world.store;
    store.create_link(link).await.unwrap();
    assert_eq!(store.use_link([8; 32], NOW).await, Ok(None), "unknown");
    assert_eq!(store.use_link(HASH, NOW + minute).await, Ok(None), "too late");
    assert_eq!(store.use_link(HASH, NOW).await, Ok(Some(user)));
    assert_eq!(store.use_link(HASH, NOW).await, Ok(None), "spent");
}

#[tokio::test]
async fn an_operator_ends_what_somebody_or_everybody_has_open() {
    let world = World::new();
    let (ada, bob) = (world.user("ada@example.com").await, world.user("bob@example.com").await);
    let (account, store) = (world.account().await, &world.store);
    let (random, hour) = (SeededRandom::new(1), Duration::from_secs(3_600));
    let mut open = Vec::new();
    for (number, user) in [(1, ada), (2, bob), (3, ada), (4, bob), (5, bob)] {
        let session = Session {
            id: SessionId::new(NOW, &random),
            user_id: user,
            account_id: account,
            hash: [number; 32],
            created_at: NOW,
            last_seen_at: NOW,
            expires_at: NOW + hour,
            network: None,
            browser: None,
        };
        store.create_session(session.clone(), None).await.unwrap();
        open.push(session);
    }
    assert_eq!(store.end_sessions_of(ada, NOW).await, Ok(2));
    assert_eq!(store.end_sessions_of(ada, NOW).await, Ok(0), "once");
    // Two at a time, and one stays; what begins meanwhile is not meant.
    let later = Session {
        id: SessionId::new(NOW + hour, &random),
        hash: [6; 32],
        created_at: NOW + hour,
        ..open[1].clone()
    };
    let later = Session { expires_at: NOW + hour * 2, ..later };
    store.create_session(later.clone(), None).await.unwrap();
    let keep = Some(open[3].id);
    let mut expected = [open[1].id, open[4].id];
    expected.sort_unstable();
    let first = store.end_sessions(None, keep, NOW, 1).await.unwrap();
    assert_eq!(first, expected[..1]);
    let second = store.end_sessions(first.last().copied(), keep, NOW, 10).await.unwrap();
    assert_eq!(second, expected[1..]);
    assert_eq!(store.end_sessions(second.last().copied(), keep, NOW, 10).await, Ok(Vec::new()));
    for (session, lives) in [(&open[0], false), (&open[1], false), (&open[3], true), (&later, true)] {
        assert_eq!(
            store.session_by_hash(session.hash, NOW).await.unwrap().is_some(),
            lives,
            "{}",
            session.id
        );
    }
    let records = store.audit_records(Default::default(), None, 100).await.unwrap();
    let ended = records.iter().filter(|record| record.kind == "session.revoked");
    let by_operator = ended.filter(|record| record.details.contains("ended by an operator")).count();
    assert_eq!(by_operator, 4, "{records:?}");
}

#[tokio::test]
async fn a_session_lives_until_it_expires_or_is_revoked() {
    let world = World::new();
    let (user, account) = (world.user("ada@example.com").await, world.account().await);
    let (random, hour) = (SeededRandom::new(1), Duration::from_secs(3_600));
    let session = |number: u8| Session {
        id: SessionId::new(NOW, &random),
        user_id: user,
        account_id: account,
        hash: [number; 32],
        created_at: NOW,
        last_seen_at: NOW,
        expires_at: NOW + hour,
        network: Some("192.0.2.0/24".to_owned()),
        browser: None,
    };
    let (first, second) = (session(1), session(2));
    let store = &world.store;
    store.create_session(first.clone(), None).await.unwrap();
    store.create_session(second.clone(), None).await.unwrap();
    assert_eq!(store.session_by_hash(first.hash, NOW).await, Ok(Some(first.clone())));
    assert_eq!(store.session_by_hash(first.hash, NOW + hour).await, Ok(None));
    store.touch_session(first.id, NOW + hour / 2).await.unwrap();
    store.touch_session(first.id, NOW).await.unwrap();
    let seen = store.session_by_hash(first.hash, NOW).await.unwrap().unwrap().last_seen_at;
    assert_eq!(seen, NOW + hour / 2);
    assert_eq!(store.revoke_session_of(world.user_id(), first.id, NOW).await, Ok(false), "of somebody else");
    assert_eq!(store.revoke_session_of(user, first.id, NOW).await, Ok(true));
    assert_eq!(store.revoke_session_of(user, first.id, NOW).await, Ok(false));
    assert_eq!(store.session_by_hash(first.hash, NOW).await, Ok(None));

    store.prune_sign_in(NOW + hour / 2).await.unwrap();
    assert_eq!(store.session_by_hash(second.hash, NOW).await, Ok(Some(second.clone())), "still lives");
    store.prune_sign_in(NOW + hour * 2).await.unwrap();
    assert_eq!(store.session_by_hash(second.hash, NOW).await, Ok(None));
}
