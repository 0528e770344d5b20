//! The rules of signing in: who gets a link, what a link opens, how long it lasts.

use levqor_model::{LinkId, Random, Secret, Timestamp, UserId, limits::LINK_TTL, unseen};
use levqor_store::{Store, sessions::Link};

use crate::{
    App,
    features::sessions::service::{self as sessions, Entered, Seat},
    gateway::{new_token, token_hash},
    mail::{Invalid, Message},
};

/// The longest address that mail can have (RFC 5321, a path of 256 with its brackets).
const EMAIL_CHARS_MAX: usize = 254;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    #[error("enter your e-mail address")]
    Missing,
    #[error("enter an e-mail address such as name@example.org")]
    Shape,
    #[error("the address has a character that nobody sees (U+{0:04X}); write it without")]
    Unseen(u32),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("this link was used already or is older than 15 minutes; ask for a new one")]
    LinkSpent,
    #[error("people sign in by another system here, and links are not taken any more; use the button for it")]
    Elsewhere,
    #[error("you belong to no account; ask an admin of one to add you")]
    NoAccount,
    #[error(transparent)]
    Store(#[from] levqor_store::Error),
}

/// A new address, in the form in which it is stored.
///
/// # Errors
/// When it cannot be an address, or hides something. Whether it is one, only mail can tell.
pub fn email(text: &str) -> Result<String, EmailError> {
    let address = stored_email(text)?;
    // Two addresses that look alike would be two people.
    match unseen(&address) {
        Some((_, letter)) => Err(EmailError::Unseen(letter.into())),
        None => Ok(address),
    }
}

/// An address by which somebody is looked up who may be here already, in the form in which it is stored. Addresses that were taken before
/// new ones with characters that nobody sees were refused are there as they are, and their owners must be found.
///
/// # Errors
/// When it cannot be an address.
pub fn stored_email(text: &str) -> Result<String, EmailError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(EmailError::Missing);
    }
    let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Shape)?;
    let allowed = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\"@\\".contains(c);
    let labels =
        domain.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
    let fits = !local.is_empty() && local.len() <= 64 && text.len() <= EMAIL_CHARS_MAX;
    if !(fits && labels && local.chars().all(allowed) && domain.chars().all(allowed)) {
        return Err(EmailError::Shape);
    }
    Ok(text.to_lowercase())
}

/// Makes a link that signs `user` in: once, within 15 minutes. Only its hash is stored.
///
/// # Errors
/// When the store cannot take it.
pub async fn issue_link(
    store: &Store,
    random: &dyn Random,
    public_url: &str,
    user: UserId,
    now: Timestamp,
) -> Result<Secret, levqor_store::Error> {
    let token = new_token(random);
    let link = Link {
        id: LinkId::new(now, random),
        user_id: user,
        hash: token_hash(&token),
        created_at: now,
        expires_at: now + LINK_TTL,
    };
    store.create_link(link).await?;
    Ok(Secret::new(format!("{public_url}/signin/link/{token}")))
}

/// A link for the operator with that address, which the server tells at its start; None when nobody has it.
///
/// # Errors
/// When the store cannot be asked.
pub async fn operator_link(app: &App, email: &str) -> Result<Option<String>, levqor_store::Error> {
    let user = app.store.user_by_email(email.to_lowercase()).await?.filter(|user| user.operator);
    let Some(user) = user else { return Ok(None) };
    let link = issue_link(&app.store, &*app.random, &app.settings.public_url, user.id, app.now()).await?;
    Ok(Some(link.expose().to_owned()))
}

/// Whether a mailbox opens nothing here, since people sign in by another system only.
pub fn is_elsewhere_only(app: &App) -> bool {
    app.settings.oidc.as_ref().is_some_and(|oidc| oidc.only)
}

/// Spends a link and begins a session in the person's first account.
///
/// # Errors
/// [`Error::LinkSpent`], [`Error::NoAccount`], [`Error::Elsewhere`]; the link is spent in all cases.
pub async fn enter(app: &App, token: &str, seat: Seat) -> Result<Entered, Error> {
    let user = app.store.use_link(token_hash(token), app.now()).await?.ok_or(Error::LinkSpent)?;
    // Operators get theirs from the server itself at its start, also when that system is away.
    if is_elsewhere_only(app) && !app.store.user(user).await?.is_some_and(|user| user.operator) {
        return Err(Error::Elsewhere);
    }
    enter_first(app, user, seat).await
}

/// Begins a session in the first account of somebody who has proved who they are.
///
/// # Errors
/// [`Error::NoAccount`].
pub async fn enter_first(app: &App, user: UserId, seat: Seat) -> Result<Entered, Error> {
    let account = app.store.memberships_of(user).await?.first().ok_or(Error::NoAccount)?.account_id;
    Ok(sessions::begin(app, user, account, seat).await?)
}

/// The mail that has a link in it.
///
/// # Errors
/// When the address is none for mail.
pub fn letter(to: &str, link: &str) -> Result<Message, Invalid> {
    let text = format!(
        "Sign in to Levqor with this link, within 15 minutes and once:\n\n{link}\n\n\
         Did you not ask for it? Then do nothing: without the link nobody gets in.\n"
    );
    Message::plain(to, "Sign in to Levqor", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_stored_in_one_form() {
        let long = format!("{}@b.example", "a".repeat(65));
        let rows = [
            ("  Ada@Example.ORG ", Ok("ada@example.org")),
            ("a.b+c@localhost", Ok("a.b+c@localhost")),
            ("", Err(EmailError::Missing)),
            ("ada", Err(EmailError::Shape)),
            ("@example.org", Err(EmailError::Shape)),
            ("ada@", Err(EmailError::Shape)),
            ("ada@example..org", Err(EmailError::Shape)),
            ("ada@-example.org", Err(EmailError::Shape)),
            ("a@b@c.example", Err(EmailError::Shape)),
            ("ada lovelace@example.org", Err(EmailError::Shape)),
            ("ada@example.org\r\nBcc: x@y.example", Err(EmailError::Shape)),
            (&long, Err(EmailError::Shape)),
            ("a\u{200b}da@example.org", Err(EmailError::Unseen(0x200b))),
            ("ada@example.org\u{202e}", Err(EmailError::Unseen(0x202e))),
        ];
        for (text, result) in rows {
            assert_eq!(email(text).as_deref(), result.as_ref().copied(), "{text:?}");
            // Who is here already is found, whatever hides in their address; what is no address is none.
            let found = match &result {
                Err(EmailError::Unseen(_)) => Ok(text.to_lowercase()),
                other => other.map(str::to_owned),
            };
            assert_eq!(stored_email(text), found, "{text:?}");
        }
    }
}
