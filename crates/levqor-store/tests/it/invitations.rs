//! Invitations, and people whom another system knows.

use std::time::Duration;

use levqor_model::{AccountId, InvitationId, KeyId, Role, SeededRandom, Timestamp};
use levqor_store::{
    accounts::Membership,
    foreign_identities::ForeignIdentity,
    invitations::{Accepted, Bounds, Invitation, Invited},
    keys::{ApiKey, Revocation},
};

use crate::support::{NOW, World};

const BOUNDS: Bounds = Bounds { open: 2, since: Timestamp::from_seconds(0), made_since: 4 };

fn invitation(account: AccountId, email: &str, role: Role, number: u8) -> Invitation {
    Invitation {
        id: InvitationId::new(
            NOW + Duration::from_millis(u64::from(number)),
            &SeededRandom::new(u64::from(number)),
        ),
        account_id: account,
        email: email.to_owned(),
        role,
        hash: [number; 32],
        invited_by: "key_x".to_owned(),
        mailed: false,
        created_at: NOW,
        expires_at: NOW + Duration::from_secs(60),
    }
}

#[tokio::test]
async fn an_invitation_is_accepted_once_and_in_time() {
    let world = World::new();
    let account = world.account().await;
    let store = &world.store;
    let new = invitation(account, "ada@example.com", Role::Editor, 1);
    assert_eq!(store.create_invitation(new.clone(), BOUNDS).await, Ok(Invited::Done));
    let end = new.expires_at;
    assert_eq!(store.invitation_by_hash([1; 32], end).await, Ok(None));
    assert_eq!(store.accept_invitation([1; 32], world.user_id(), end).await, Ok(Accepted::Spent));
    assert_eq!(store.accept_invitation([2; 32], world.user_id(), NOW).await, Ok(Accepted::Spent));
    assert_eq!(store.invitation_by_hash([1; 32], NOW).await, Ok(Some(new.clone())));
    let id = world.user_id();
    let Accepted::Member { user, invitation: spent } =
        store.accept_invitation([1; 32], id, NOW).await.unwrap()
    else {
        panic!("accepted");
    };
    assert_eq!((user.id, user.operator, *spent), (id, false, new));
    assert_eq!(store.member(account, id).await.unwrap().unwrap().role, Role::Editor);
    assert_eq!(store.accept_invitation([1; 32], world.user_id(), NOW).await, Ok(Accepted::Spent));
    assert_eq!(store.invitations_of(account, None, 10).await, Ok(vec![]));
    // Who is a member already stays what they are.
    let raise = invitation(account, "ada@example.com", Role::Owner, 3);
    store.create_invitation(raise, BOUNDS).await.unwrap();
    store.accept_invitation([3; 32], world.user_id(), NOW).await.unwrap();
    assert_eq!(store.member(account, id).await.unwrap().unwrap().role, Role::Editor);
}

#[tokio::test]
async fn who_may_invite_no_more_lets_nobody_in() {
    let world = World::new();
    let account = world.account().await;
    let store = &world.store;
    let bob = world.user("bob@example.com").await;
    let random = SeededRandom::new(5);
    let key = ApiKey {
        id: KeyId::new(NOW, &random),
        account_id: account,
        name: "ci".to_owned(),
        prefix: "lvq_abc".to_owned(),
        hash: [1; 32],
        role: Role::Admin,
        operator: false,
        created_at: NOW,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        scopes: None,
        previous: None,
        rotated_at: None,
        created_by: None,
    };
    store.create_key(key.clone()).await.unwrap();
    let sent = async |by: String, role: Role, number: u8| {
        let email = format!("{number}@example.com");
        let new = Invitation { invited_by: by, ..invitation(account, &email, role, number) };
        let bounds = Bounds { open: 20, made_since: 20, ..BOUNDS };
        assert_eq!(store.create_invitation(new, bounds).await, Ok(Invited::Done));
    };
    let accepted = async |number: u8| {
        let accepted = store.accept_invitation([number; 32], world.user_id(), NOW).await.unwrap();
        matches!(accepted, Accepted::Member { .. })
    };
    let is = async |role: Role| {
        let membership = Membership { account_id: account, user_id: bob, role };
        store.add_member(membership, NOW).await.unwrap();
    };
    // Bob is nobody here: it came by a node that still thought so.
    sent(bob.to_string(), Role::Viewer, 1).await;
    assert!(!accepted(1).await);
    is(Role::Editor).await;
    assert!(!accepted(1).await, "editors invite nobody");
    is(Role::Admin).await;
    assert!(accepted(1).await);
    sent(bob.to_string(), Role::Owner, 2).await;
    assert!(!accepted(2).await, "more than he is himself");
    // What a key sent is taken back with it, and so is what it sends a moment later.
    sent(key.id.to_string(), Role::Viewer, 3).await;
    sent(key.id.to_string(), Role::Viewer, 4).await;
    assert!(accepted(3).await);
    assert_eq!(store.revoke_key(account, key.id, NOW).await, Ok(Revocation::Done));
    assert_eq!(store.invitation_by_hash([4; 32], NOW).await, Ok(None));
    sent(key.id.to_string(), Role::Viewer, 5).await;
    assert!(!accepted(5).await);
}

#[tokio::test]
async fn invitations_are_bounded_replaced_and_taken_back() {
    let world = World::new();
    let account = world.account().await;
    let store = &world.store;
    let make = async |email: &str, number: u8| {
        store.create_invitation(invitation(account, email, Role::Viewer, number), BOUNDS).await.unwrap()
    };
    assert_eq!(make("a@example.com", 1).await, Invited::Done);
    assert_eq!(make("a@example.com", 2).await, Invited::Done, "another to the same address takes its place");
    assert_eq!(store.invitation_by_hash([1; 32], NOW).await, Ok(None));
    assert_eq!(make("b@example.com", 3).await, Invited::Done);
    assert_eq!(make("c@example.com", 4).await, Invited::TooManyOpen);
    let open = store.invitations_of(account, None, 10).await.unwrap();
    assert_eq!(open.iter().map(|i| i.email.as_str()).collect::<Vec<_>>(), ["a@example.com", "b@example.com"]);
    let rest = store.invitations_of(account, Some(open[0].id), 10).await.unwrap();
    assert_eq!(rest, open[1..]);
    assert_eq!(store.revoke_invitation(world.account_id(), open[0].id, NOW).await, Ok(false), "of others");
    assert_eq!(store.revoke_invitation(account, open[0].id, NOW).await, Ok(true));
    assert_eq!(store.revoke_invitation(account, open[0].id, NOW).await, Ok(false));
    assert_eq!(store.accept_invitation([2; 32], world.user_id(), NOW).await, Ok(Accepted::Spent));
    assert_eq!(make("c@example.com", 4).await, Invited::Done);
    assert_eq!(make("d@example.com", 5).await, Invited::TooManyMade, "four since then");
    store.prune_invitations(NOW + Duration::from_secs(61)).await.unwrap();
    assert_eq!(store.invitations_of(account, None, 10).await, Ok(vec![]));
}

#[tokio::test]
async fn a_person_of_another_system_is_bound_once_and_their_way_is_gone_once() {
    let world = World::new();
    let account = world.account().await;
    let store = &world.store;
    let (ada, bob) = (world.user("ada@example.com").await, world.user("bob@example.com").await);
    store.add_member(Membership { account_id: account, user_id: ada, role: Role::Owner }, NOW).await.unwrap();
    let bound = |subject: &str, user| ForeignIdentity {
        issuer: "https://id.example".to_owned(),
        subject: subject.to_owned(),
        user_id: user,
        created_at: NOW,
    };
    assert_eq!(store.bind_foreign_user(bound("1", ada)).await, Ok(true));
    assert_eq!(store.bind_foreign_user(bound("1", bob)).await, Ok(false), "the subject is Ada");
    assert_eq!(store.bind_foreign_user(bound("2", ada)).await, Ok(false), "Ada is another subject");
    let find = async |issuer: &str| store.foreign_user(issuer.to_owned(), "1".to_owned()).await.unwrap();
    assert_eq!((find("https://id.example").await, find("https://other.example").await), (Some(ada), None));
    assert_eq!(store.spend_state([1; 32], NOW).await, Ok(true));
    assert_eq!(store.spend_state([1; 32], NOW).await, Ok(false));
    store.prune_states(NOW + Duration::from_secs(1)).await.unwrap();
    assert_eq!(store.spend_state([1; 32], NOW).await, Ok(true));
    let to = async |email: &str, at| store.invitations_to(email.to_owned(), at, 10).await.unwrap();
    assert!(to("eve@example.com", NOW).await.is_empty());
    let new = invitation(account, "eve@example.com", Role::Viewer, 7);
    store.create_invitation(new.clone(), BOUNDS).await.unwrap();
    let offers = to("eve@example.com", NOW).await;
    let [offer] = &offers[..] else { panic!("{offers:?}") };
    assert_eq!(offer.invitation, new);
    assert_eq!(
        Some(&offer.account),
        store.account(account).await.unwrap().map(|account| account.name).as_ref()
    );
    assert!(to("eve@example.com", new.expires_at).await.is_empty());
    let accept =
        async |email: &str, user| store.accept_invitation_to(new.id, email.to_owned(), user, NOW).await;
    assert_eq!(accept("bob@example.com", bob).await, Ok(Accepted::Spent), "it is somebody else's");
    let eve = world.user_id();
    let accepted = accept("eve@example.com", eve).await.unwrap();
    assert!(matches!(accepted, Accepted::Member { user, .. } if user.id == eve));
    assert_eq!(accept("eve@example.com", eve).await, Ok(Accepted::Spent));
    assert!(to("eve@example.com", NOW).await.is_empty());
}
