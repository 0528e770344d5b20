//! The rules of the keyring. Whoever calls these is an operator: the access table says so.

use levqor_engine::keyring::{Check, Error, Revocation, Rotation};
use levqor_model::{KeyPurpose, RingKeyId};
use levqor_store::keyring::KeptKey;

use crate::App;

/// All keys, newest first, each with how much needs it.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn list(app: &App) -> Result<Vec<(KeptKey, u64)>, Error> {
    app.keyring.history(&app.store).await
}

/// # Errors
/// When the store cannot be written, or there are too many keys.
pub(super) async fn rotate(app: &App, purpose: KeyPurpose) -> Result<Rotation, Error> {
    let rotation = app.keyring.rotate(&app.store, purpose).await?;
    if !rotation.already {
        let key = &rotation.key;
        tracing::info!(
            key.id = %key.id, %purpose,
            "key {} for {purpose} is published and becomes active at {}", key.id, key.activates_at
        );
    }
    Ok(rotation)
}

/// # Errors
/// When there is no such key, or something could not be opened without it.
pub(super) async fn revoke(app: &App, id: RingKeyId) -> Result<Revocation, Error> {
    let revocation = app.keyring.revoke(&app.store, id).await?;
    tracing::warn!(
        key.id = %id, purpose = %revocation.key.purpose, state = %revocation.key.state,
        "key {id} is {} by an operator's will", revocation.key.state
    );
    Ok(revocation)
}

/// # Errors
/// When the store cannot be read.
pub(super) async fn verify(app: &App) -> Result<Check, Error> {
    app.keyring.check(&app.store).await
}

/// Learns what other nodes have done with the keys. Call it every few seconds.
///
/// # Errors
/// When the store cannot be read.
pub async fn look(app: &App) -> Result<(), levqor_store::Error> {
    told(app.keyring.refresh().await)
}

/// Goes on with what rotations have begun. One node at a time does this for all.
///
/// # Errors
/// When the store cannot be reached.
pub async fn turn(app: &App) -> Result<(), levqor_store::Error> {
    told(app.keyring.turn(&app.store).await)
}

/// Jobs fail by the store only; anything else is told here, and the next round tries again.
fn told(outcome: Result<(), Error>) -> Result<(), levqor_store::Error> {
    match outcome {
        Ok(()) => Ok(()),
        Err(Error::Store(error)) => Err(error),
        Err(error) => {
            tracing::error!("the keyring does not go on: {error}");
            Ok(())
        }
    }
}
