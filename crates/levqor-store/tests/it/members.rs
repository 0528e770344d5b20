//! Members of an account: what may not happen to its last owner, and what ends with a role.

use std::time::Duration;

use levqor_model::{AccountId, InvitationId, Role, SeededRandom, SessionId, UserId};
use levqor_store::{
    accounts::Membership,
    invitations::{Bounds, Invitation},
    members::Change,
    sessions::Session,
};

use crate::support::{NOW, World};

async fn join(world: &World, account: AccountId, email: &str, role: Role) -> UserId {
    let user = world.user(email).await;
    world.store.add_member(Membership { account_id: account, user_id: user, role }, NOW).await.unwrap();
    user
}

async fn open(world: &World, account: AccountId, user: UserId, number: u8) -> Session {
    let session = Session {
        id: SessionId::new(NOW + Duration::from_millis(u64::from(number)), &SeededRandom::new(number.into())),
        user_id: user,
        account_id: account,
        hash: [number; 32],
        created_at: NOW,
        last_seen_at: NOW,
        expires_at: NOW + Duration::from_secs(3_600),
        network: None,
        browser: Some("Firefox on Linux".to_owned()),
    };
    world.store.create_session(session.clone(), None).await.unwrap();
    session
}

#[tokio::test]
async fn an_account_keeps_an_owner_whoever_changes_whom() {
    let world = World::new();
    let account = world.account().await;
    let store = &world.store;
    let ada = join(&world, account, "ada@example.com", Role::Owner).await;
    let bob = join(&world, account, "bob@example.com", Role::Editor).await;
    let lower = (Role::Owner, Role::Admin);
    assert_eq!(store.change_role(account, ada, lower, None, NOW).await, Ok(Change::LastOwner));
    assert_eq!(store.remove_member(account, ada, Role::Owner, NOW).await, Ok(Change::LastOwner));
    assert_eq!(store.change_role(account, bob, lower, None, NOW).await, Ok(Change::Differs));
    assert_eq!(store.remove_member(account, world.user_id(), Role::Owner, NOW).await, Ok(Change::Missing));
    assert_eq!(
        store.change_role(account, bob, (Role::Editor, Role::Owner), None, NOW).await,
        Ok(Change::Done)
    );
    // Two owners who remove each other at the same time: one of them stays.
    let (first, second) = tokio::join!(
        store.remove_member(account, ada, Role::Owner, NOW),
        store.remove_member(account, bob, Role::Owner, NOW)
    );
    let mut both = [first.unwrap(), second.unwrap()];
    both.sort_by_key(|change| format!("{change:?}"));
    assert_eq!(both, [Change::Done, Change::LastOwner]);
    let left = store.members_of(account, None, 10).await.unwrap();
    assert_eq!(left.iter().map(|member| member.role).collect::<Vec<_>>(), [Role::Owner]);
    assert_eq!(left[0].added_at, Some(NOW));
}

#[tokio::test]
async fn what_somebody_had_open_ends_with_their_role() {
    let world = World::new();
    let (account, other) = (world.account().await, world.account().await);
    let store = &world.store;
    join(&world, account, "ada@example.com", Role::Owner).await;
    let bob = join(&world, account, "bob@example.com", Role::Admin).await;
    store.add_member(Membership { account_id: other, user_id: bob, role: Role::Owner }, NOW).await.unwrap();
    let (here, kept, elsewhere) = (
        open(&world, account, bob, 1).await,
        open(&world, account, bob, 2).await,
        open(&world, other, bob, 3).await,
    );
    let invitation = Invitation {
        id: InvitationId::new(NOW, &SeededRandom::new(9)),
        account_id: account,
        email: "eve@example.com".to_owned(),
        role: Role::Admin,
        hash: [9; 32],
        invited_by: bob.to_string(),
        mailed: true,
        created_at: NOW,
        expires_at: NOW + Duration::from_secs(60),
    };
    let bounds = Bounds { open: 10, since: NOW, made_since: 10 };
    store.create_invitation(invitation, bounds).await.unwrap();
    let lower = (Role::Admin, Role::Viewer);
    store.change_role(account, bob, lower, Some(kept.id), NOW).await.unwrap();
    let lives = async |session: &Session| store.session_by_hash(session.hash, NOW).await.unwrap().is_some();
    assert!(!lives(&here).await && lives(&kept).await && lives(&elsewhere).await);
    assert_eq!(store.invitation_by_hash([9; 32], NOW).await, Ok(None), "who sent it may not invite any more");
    let seen = store.member(account, bob).await.unwrap().unwrap();
    assert_eq!((seen.role, seen.last_seen_at), (Role::Viewer, Some(NOW)));
    store.remove_member(account, bob, Role::Viewer, NOW).await.unwrap();
    assert!(!lives(&kept).await && lives(&elsewhere).await);
    assert_eq!(store.member_by_email(account, "bob@example.com".to_owned()).await, Ok(None));
    let accounts = store.accounts_of(bob).await.unwrap();
    assert_eq!(
        accounts.iter().map(|(account, role)| (account.id, *role)).collect::<Vec<_>>(),
        [(other, Role::Owner)]
    );
}

#[tokio::test]
async fn sessions_are_listed_replaced_and_bounded() {
    let world = World::new();
    let (account, other) = (world.account().await, world.account().await);
    let store = &world.store;
    let ada = join(&world, account, "ada@example.com", Role::Owner).await;
    let first = open(&world, account, ada, 1).await;
    let next = SessionId::new(NOW + Duration::from_secs(1), &SeededRandom::new(70));
    let later = NOW + Duration::from_secs(1);
    let replaced = store.replace_session(first.id, next, [70; 32], other, later).await.unwrap().unwrap();
    assert_eq!((replaced.account_id, replaced.expires_at), (other, first.expires_at), "not a moment longer");
    assert_eq!(replaced.created_at, first.created_at);
    assert_eq!(store.session_by_hash(first.hash, NOW).await, Ok(None));
    assert_eq!(store.replace_session(first.id, next, [71; 32], other, later).await, Ok(None), "once");
    for number in 2..60 {
        open(&world, account, ada, number).await;
    }
    let listed = store.sessions_of(ada, NOW, NOW - Duration::from_secs(1)).await.unwrap();
    assert_eq!(listed.len(), 50, "the oldest ended");
    assert_eq!(listed[0].id, next, "newest first");
    assert_eq!(store.sessions_of(ada, NOW, NOW + Duration::from_secs(2)).await, Ok(vec![]), "idle for long");
    assert_eq!(store.revoke_other_sessions(ada, next, NOW).await, Ok(49));
    assert_eq!(store.revoke_sessions_in(other, ada, NOW).await, Ok(1));
    assert_eq!(store.revoke_other_sessions(ada, next, NOW).await, Ok(0));
}
