//! Who asks.

use levqor_model::{AccountId, KeyId, Role, SessionId, UserId};

/// A caller who proved who they are. As an extractor it answers 401 without an API key or a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub account_id: AccountId,
    pub role: Role,
    /// May see and do what operators of the platform may.
    pub operator: bool,
    pub by: ActedBy,
}

/// How the caller proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActedBy {
    Key(KeyId),
    Session { session: SessionId, user: UserId },
}

/// The caller, when they sent a key or have a session; a wrong key is still 401.
#[derive(Debug, Clone)]
pub struct OptionalActor(pub Option<Actor>);

/// A caller of a page: without a session the answer is 307 to `/signin?next=…`.
#[derive(Debug, Clone)]
pub struct PageActor {
    pub actor: Actor,
    pub email: String,
    /// What forms must carry in the field `csrf`.
    pub csrf: String,
}
