//! Requests that this node makes of itself to see what it serves: through the whole router, without a socket.
//!
//! They are no customers: they are not counted, use up nobody's rate, and are logged as probes are. The mark is an extension of the
//! request, which nothing that comes over a socket can have.

use std::sync::Arc;

use levqor_model::{AccountId, KeyId, Role, SeededRandom, Timestamp};

use super::{ActedBy, Actor, authenticate::Identity};

/// Marks a request of the node's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnLook {
    /// As a stranger.
    Stranger,
    /// As an account that nobody has, to see the limits that hold for accounts.
    Account,
}

impl OwnLook {
    /// Who asks. The account is in no database, so there is nothing of anybody's to see.
    pub(super) fn identity(self) -> Option<Arc<Identity>> {
        let (nobody, at) = (SeededRandom::new(0), Timestamp::from_micros(0));
        let actor = Actor {
            account_id: AccountId::new(at, &nobody),
            role: Role::Viewer,
            operator: false,
            scopes: None,
            by: ActedBy::Key(KeyId::new(at, &nobody)),
        };
        (self == OwnLook::Account).then(|| Arc::new(Identity::of(actor)))
    }
}
