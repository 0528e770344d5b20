//! Keys that sign for the whole installation: made once and agreed on in the database, sealed as the secrets of accounts
//! are. All nodes sign alike, and whoever reads the database can sign nothing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use levqor_engine::{Closed, Vault};
use levqor_model::{KeyError, SigningKey};
use serde_json::Value;

use crate::App;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Store(#[from] levqor_store::Error),
    #[error("the signing key {0} does not open: {1}")]
    Sealed(&'static str, #[source] Closed),
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
    let vault = Vault::new(&app.settings.secret);
    let fresh = STANDARD.encode(SigningKey::new_seed(&*app.random));
    let sealed = STANDARD.encode(vault.seal_own(name, &Value::String(fresh), &*app.random));
    let agreed = app.store.agree(name, sealed).await?;
    let agreed = STANDARD.decode(agreed).map_err(|_| Error::Damaged(name))?;
    let seed = vault.open_own(name, &agreed).map_err(|closed| Error::Sealed(name, closed))?;
    let seed = STANDARD.decode(seed.as_str().unwrap_or_default()).map_err(|_| Error::Damaged(name))?;
    Ok(SigningKey::from_seed(&seed)?)
}
