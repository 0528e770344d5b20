//! Versions of secrets: which is current, which are kept, and until when.

use levqor_model::{AccountId, RunStatus, Timestamp};
use levqor_store::secrets::{SealedSecret, SecretSet, VERSIONS_MAX};

use crate::support::{NOW, World, step};

fn secret(account: AccountId, name: &str, version: i64, at: Timestamp) -> SealedSecret {
    SealedSecret {
        account_id: account,
        name: name.to_owned(),
        version,
        sealed: vec![version as u8],
        set_at: at,
    }
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(NOW.as_seconds() + seconds)
}

async fn set(world: &World, secret: SealedSecret) -> SecretSet {
    world.store.set_secret(secret, "tag".to_owned(), 3).await.unwrap()
}

/// Name and kept versions.
async fn kept(world: &World, account: AccountId, name: &str) -> Vec<i64> {
    let secrets = world.store.sealed_secrets(account, vec![name.to_owned()]).await.unwrap();
    secrets.into_iter().map(|secret| secret.version).collect()
}

#[tokio::test]
async fn versions_follow_each_other() {
    let world = World::new();
    let (account, other) = (world.account().await, world.account().await);
    let store = &world.store;
    assert_eq!(store.next_secret_version(account, "a".into()).await, Ok(1));
    assert_eq!(set(&world, secret(account, "a", 5, NOW)).await, SecretSet::Done);
    assert_eq!(set(&world, secret(account, "a", 5, NOW)).await, SecretSet::Overtaken);
    assert_eq!(set(&world, secret(account, "a", 4, NOW)).await, SecretSet::Overtaken);
    assert_eq!(set(&world, secret(account, "a", 6, later(10))).await, SecretSet::Done);
    assert_eq!(set(&world, secret(other, "a", 1, NOW)).await, SecretSet::Done);
    let list = store.secrets_of(account, None, 10).await.unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].version, list[0].created_at, list[0].updated_at), (6, NOW, later(10)));
    assert_eq!(kept(&world, account, "a").await, [5, 6]);
    let names = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(store.current_secret_versions(account, names.clone()).await, Ok(vec![("a".to_owned(), 6)]));

    assert_eq!(store.delete_secret(account, "a".into(), later(20)).await, Ok(true));
    assert_eq!(store.delete_secret(account, "a".into(), later(20)).await, Ok(false));
    assert_eq!(store.current_secret_versions(account, names).await, Ok(vec![]));
    assert_eq!(store.secrets_of(account, None, 10).await, Ok(vec![]));
    assert_eq!(store.next_secret_version(account, "a".into()).await, Ok(7));
    assert_eq!(store.secrets_of(other, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn names_and_versions_have_bounds() {
    let world = World::new();
    let account = world.account().await;
    for name in ["a", "b", "c"] {
        assert_eq!(set(&world, secret(account, name, 1, NOW)).await, SecretSet::Done);
    }
    assert_eq!(set(&world, secret(account, "d", 1, NOW)).await, SecretSet::TooManyNames);
    world.store.delete_secret(account, "c".into(), NOW).await.unwrap();
    assert_eq!(set(&world, secret(account, "d", 1, NOW)).await, SecretSet::Done);
    for version in 2..=VERSIONS_MAX as i64 {
        assert_eq!(set(&world, secret(account, "a", version, NOW)).await, SecretSet::Done);
    }
    assert_eq!(set(&world, secret(account, "a", 1_000, NOW)).await, SecretSet::TooManyVersions);
}

#[tokio::test]
async fn a_version_goes_when_nobody_can_need_it() {
    let world = World::new();
    let account = world.account().await;
    let workflow = world.workflow_id(NOW);
    let new = world.run(account, workflow, NOW);
    let run = new.run.id;
    world.store.accept_run(new).await.unwrap();
    for (version, at) in [(1, -100), (2, -50), (3, 50), (4, 60)] {
        set(&world, secret(account, "a", version, later(at))).await;
    }
    // Version 1 ended before the run began, 2 and 3 did not, 4 is current.
    assert_eq!(world.store.prune_secrets(later(55)).await, Ok(1));
    assert_eq!(kept(&world, account, "a").await, [2, 3, 4]);
    assert_eq!(world.store.prune_secrets(later(1_000)).await, Ok(0));
    let mut ends = step(run, 1, RunStatus::Cancelled);
    ends.ended_at = Some(later(70));
    world.store.append(ends).await.unwrap();
    assert_eq!(world.store.prune_secrets(later(55)).await, Ok(1));
    assert_eq!(world.store.prune_secrets(later(1_000)).await, Ok(1));
    assert_eq!(kept(&world, account, "a").await, [4]);
}
