//! Keys that sign for the whole installation: made once and agreed on in the database, sealed as the secrets of accounts
//! are. All nodes sign alike, and whoever reads the database can sign nothing.
//!
//! Rotating the keyring seals them again and leaves them as they are: others hold their public halves.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use levqor_engine::{
    SealError, Vault,
    keyring::{self, SEALED_AGREEMENTS},
};
use levqor_model::{KeyError, SigningKey};
use serde_json::Value;

use crate::App;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Store(#[from] levqor_store::Error),
    #[error(transparent)]
    Keyring(#[from] keyring::Error),
    #[error("the signing key {0} does not open: {1}")]
    Sealed(&'static str, #[source] SealError),
    #[error("the signing key {0} is damaged")]
    Damaged(&'static str),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The key of that name, in the database and under the seal.
///
/// # Errors
/// [`Error`].
pub(crate) async fn agreed_key(app: &App, name: &'static str) -> Result<SigningKey, Error> {
    debug_assert!(SEALED_AGREEMENTS.contains(&name), "a rotation would forget {name}");
    let vault = Vault::of(app.keyring.clone());
    let agreed = match app.store.agreement(name).await? {
        Some(agreed) => agreed,
        None => agree(app, &vault, name).await?,
    };
    let agreed = STANDARD.decode(agreed).map_err(|_| Error::Damaged(name))?;
    let seed = vault.open_own(name, &agreed).await.map_err(|closed| match closed {
        SealError::Keyring(error) => Error::Keyring(error),
        closed @ SealError::Closed(_) => Error::Sealed(name, closed),
    })?;
    let seed = STANDARD.decode(seed.as_str().unwrap_or_default()).map_err(|_| Error::Damaged(name))?;
    Ok(SigningKey::from_seed(&seed)?)
}

/// A fresh seed, or the one that another node was faster with.
async fn agree(app: &App, vault: &Vault, name: &'static str) -> Result<String, Error> {
    let fresh = Value::String(STANDARD.encode(SigningKey::new_seed(&*app.random)));
    loop {
        let sealed = vault.seal_own(name, &fresh, &*app.random).await?;
        let text = STANDARD.encode(sealed.bytes);
        match app.store.agree_sealed(name, text, sealed.tag.to_string()).await? {
            Some(agreed) => return Ok(agreed),
            // The key was retired a moment ago; the next one was not.
            None => app.keyring.refresh().await?,
        }
    }
}
