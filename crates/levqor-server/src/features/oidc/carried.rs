//! What a browser carries for us between two requests, so that the server needs to keep nothing: signed, and never hidden.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use levqor_engine::{Keyring, keyring::Error};
use serde::{Serialize, de::DeserializeOwned};

/// The value of a cookie, which is good for this purpose only.
pub(super) async fn sealed(
    purpose: &str,
    carried: &impl Serialize,
    keyring: &Keyring,
) -> Result<String, Error> {
    // Texts and a time always serialise.
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(carried).unwrap_or_default());
    let token = keyring.token(&[purpose, &payload]).await?;
    Ok(format!("{payload}~{token}"))
}

/// What the cookie holds, when it is ours and made for this purpose.
pub(super) async fn opened<T: DeserializeOwned>(
    purpose: &str,
    cookie: &str,
    keyring: &Keyring,
) -> Result<Option<T>, Error> {
    let Some((payload, token)) = cookie.split_once('~') else { return Ok(None) };
    if !keyring.verify(token, &[purpose, payload]).await? {
        return Ok(None);
    }
    Ok(URL_SAFE_NO_PAD.decode(payload).ok().and_then(|json| serde_json::from_slice(&json).ok()))
}
