//! The rules of heartbeats.

use std::time::Duration;

use levqor_model::ProblemCode;
use levqor_store::{
    Error,
    heartbeats::{HEARTBEATS_MAX, Heartbeat, KeptPing, Ping},
};

use crate::{
    App, Problem,
    gateway::{Actor, new_token, token_hash},
};

const NAME_CHARS_MAX: usize = 60;
/// How much of a token is kept in the open, to recognise it by.
const SHOWN: usize = 6;
const SECONDS_MIN: u64 = 10;
const PERIOD_SECONDS_MAX: u64 = 366 * 24 * 60 * 60;
const GRACE_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;

/// A heartbeat as somebody wants it.
#[derive(Debug, Clone)]
pub(in super::super) struct Wish {
    pub(in super::super) name: String,
    pub(in super::super) period_seconds: u64,
    pub(in super::super) grace_seconds: u64,
}

/// Makes a heartbeat; its token, which can be seen this one time.
///
/// # Errors
/// 422 for what is not allowed, and when there are as many as may be; 409 when the name is taken.
pub(in super::super) async fn create(
    app: &App,
    actor: &Actor,
    wish: Wish,
) -> Result<(Heartbeat, String), Problem> {
    let name = name(&wish.name)?;
    let spans = spans(wish.period_seconds, wish.grace_seconds)?;
    let token = new_token(&*app.random);
    let prefix = token.chars().take(SHOWN).collect();
    let heartbeat = Heartbeat::new(name.clone(), prefix, spans, actor.by.words(), app.now());
    if !app.store.create_heartbeat(heartbeat.clone(), token_hash(&token)).await? {
        if app.store.heartbeat(name.clone()).await?.is_none() {
            let words = format!("there are {HEARTBEATS_MAX} heartbeats, and no more can be; delete some");
            return Err(Problem::field("/name", words));
        }
        let words = format!("there is a heartbeat {name:?} already; choose another name, or delete that one");
        return Err(Problem::new(ProblemCode::NameTaken, words));
    }
    Ok((heartbeat, token))
}

/// Gives it another period or grace.
///
/// # Errors
/// 404; 422 for what is not allowed.
pub(in super::super) async fn change(
    app: &App,
    name: &str,
    period_seconds: Option<u64>,
    grace_seconds: Option<u64>,
) -> Result<Heartbeat, Problem> {
    let now = find(app, name).await?;
    let spans =
        spans(period_seconds.unwrap_or(now.period.as_secs()), grace_seconds.unwrap_or(now.grace.as_secs()))?;
    let changed = app.store.change_heartbeat(name.to_owned(), spans, app.now()).await?;
    let mut changed = changed.ok_or_else(|| missing(name))?;
    changed.look(app.now());
    Ok(changed)
}

/// # Errors
/// 404.
pub(in super::super) async fn delete(app: &App, name: &str) -> Result<(), Problem> {
    if app.store.delete_heartbeat(name.to_owned(), app.now()).await? { Ok(()) } else { Err(missing(name)) }
}

/// All of them as of now: whose deadline is over is down, also before the job that looks for such has come by.
///
/// # Errors
/// When the store cannot be asked.
pub(crate) async fn all(app: &App) -> Result<Vec<Heartbeat>, Error> {
    let (mut heartbeats, now) = (app.store.heartbeats().await?, app.now());
    heartbeats.iter_mut().for_each(|heartbeat| heartbeat.look(now));
    Ok(heartbeats)
}

/// As of now.
///
/// # Errors
/// 404.
pub(super) async fn find(app: &App, name: &str) -> Result<Heartbeat, Problem> {
    let mut found = app.store.heartbeat(name.to_owned()).await?.ok_or_else(|| missing(name))?;
    found.look(app.now());
    Ok(found)
}

/// # Errors
/// 404.
pub(super) async fn with_pings(app: &App, name: &str) -> Result<(Heartbeat, Vec<KeptPing>), Problem> {
    let heartbeat = find(app, name).await?;
    let pings = app.store.heartbeat_pings(name.to_owned()).await?;
    Ok((heartbeat, pings))
}

/// Hears a ping.
///
/// # Errors
/// 404 when nobody has that token.
pub(super) async fn hear(app: &App, token: &str, ping: Ping) -> Result<(), Problem> {
    let heard = app.store.ping_heartbeat(token_hash(token), ping, app.now()).await?;
    match heard {
        Some(_) => Ok(()),
        None => Err(Problem::not_found(
            "no heartbeat has this address; it may have been deleted, or a part of the address is missing",
        )),
    }
}

/// Where a job sends its pings.
pub(in super::super) fn address(app: &App, token: &str) -> String {
    format!("{}/ping/{token}", app.settings.public_url)
}

fn missing(name: &str) -> Problem {
    let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
    Problem::not_found(format!("there is no heartbeat {shown:?}"))
}

fn name(text: &str) -> Result<String, Problem> {
    let name = text.trim();
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(good) {
        return Ok(name.to_owned());
    }
    Err(Problem::field(
        "/name",
        format!(
            "must have 1 to {NAME_CHARS_MAX} lower case letters, digits, dashes and underscores, such as nightly-backup"
        ),
    ))
}

/// A period that somebody typed. Whether it is within bounds, [`create`] says.
///
/// # Errors
/// 422 with what was typed, when that is no number.
pub(in super::super) fn typed_period(text: &str) -> Result<u64, Problem> {
    typed_seconds("/period_seconds", text, PERIOD_SECONDS_MAX)
}

/// A grace that somebody typed, in the same way.
///
/// # Errors
/// As of [`typed_period`].
pub(in super::super) fn typed_grace(text: &str) -> Result<u64, Problem> {
    typed_seconds("/grace_seconds", text, GRACE_SECONDS_MAX)
}

fn typed_seconds(pointer: &str, text: &str, most: u64) -> Result<u64, Problem> {
    let text = text.trim();
    text.parse().map_err(|_| {
        let found = match text.chars().take(NAME_CHARS_MAX).collect::<String>() {
            shown if shown.is_empty() => "is empty".to_owned(),
            shown => format!("is {shown:?}"),
        };
        Problem::field(
            pointer,
            format!("must be a whole number of seconds from {SECONDS_MIN} to {most}, and {found}"),
        )
    })
}

fn spans(period: u64, grace: u64) -> Result<(Duration, Duration), Problem> {
    let within = |pointer: &str, seconds: u64, most: u64| {
        if (SECONDS_MIN..=most).contains(&seconds) {
            return Ok(Duration::from_secs(seconds));
        }
        Err(Problem::field(
            pointer,
            format!("must be from {SECONDS_MIN} to {most} seconds, and is {seconds}"),
        ))
    };
    Ok((
        within("/period_seconds", period, PERIOD_SECONDS_MAX)?,
        within("/grace_seconds", grace, GRACE_SECONDS_MAX)?,
    ))
}
