//! What an operator says of the system that signs people in.

use levqor_model::Secret;

use super::Strength;

#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// As its documents and tokens name it, to the letter.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Secret,
    /// What the button calls it.
    pub name: String,
    /// Whether somebody who belongs to no account gets one of their own.
    pub open_accounts: bool,
    /// Nobody signs in by a link from their mailbox.
    pub only: bool,
    /// How strongly it is to ask people.
    pub strength: Strength,
}
