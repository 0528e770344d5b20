//! The rules of what operators say: of parts that there are, in words, for a while.

use std::time::Duration;

use levqor_model::{DeclarationId, Timestamp, one_line};
use levqor_store::{
    declarations::{DECLARATIONS_MAX, Declaration, Declared},
    subscriptions::meets,
};

use super::{parts, snapshot};
use crate::{App, Problem, gateway::Actor};

/// Longest time for which something may be said.
pub(super) const SAID_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const WORDS_CHARS_MAX: usize = 500;
/// Parts that a refusal names.
const NAMED_MAX: usize = 30;

/// What an operator says.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) part: String,
    pub(super) state: Option<Declared>,
    pub(super) words: String,
    pub(super) until: Timestamp,
}

/// Says it, to everybody who looks from now on.
///
/// # Errors
/// 422 that names the field.
pub(super) async fn declare(app: &App, actor: &Actor, wish: Wish) -> Result<Declaration, Problem> {
    let Wish { part, state, words, until } = wish;
    must_be_there(app, "/part", &part).await?;
    let words = text("/words", &words, WORDS_CHARS_MAX)?;
    let now = app.now();
    if until <= now {
        return Err(Problem::field("/until", format!("is over; it is {now} now")));
    }
    if until > now + SAID_MAX {
        let days = SAID_MAX.as_secs() / 86_400;
        let problem = format!("is more than {days} days away; the latest is {}", now + SAID_MAX);
        return Err(Problem::field("/until", problem));
    }
    let new = Declaration {
        id: DeclarationId::new(now, &*app.random),
        part,
        state,
        words,
        actor: actor.by.words(),
        at: now,
        ends_at: until,
    };
    if !app.store.declare(new.clone()).await? {
        let problem = format!("{DECLARATIONS_MAX} declarations hold already; withdraw one of them first");
        return Err(Problem::field("/part", problem));
    }
    snapshot::changed(app).await;
    Ok(new)
}

/// Takes it back.
///
/// # Errors
/// 404.
pub(super) async fn withdraw(app: &App, id: DeclarationId) -> Result<Declaration, Problem> {
    let gone = app.store.withdraw_declaration(id, app.now()).await?;
    let gone =
        gone.ok_or_else(|| Problem::not_found(format!("declaration {id} does not exist, or it has ended")))?;
    snapshot::changed(app).await;
    Ok(gone)
}

/// A name that stands for nothing would say nothing to anybody.
pub(super) async fn must_be_there(app: &App, pointer: &str, part: &str) -> Result<(), Problem> {
    if !parts::is_pattern(part) {
        let problem = "is no name of parts; write it like eu-west/api, eu-west/* or */api";
        return Err(Problem::field(pointer, problem));
    }
    let snapshot = snapshot::current(app).await;
    let there: Vec<String> = snapshot
        .report
        .regions
        .iter()
        .filter(|region| !region.planned)
        .flat_map(|region| region.components.iter().map(|one| format!("{}/{}", region.code, one.name)))
        .collect();
    if there.iter().any(|name| meets(part, name)) {
        return Ok(());
    }
    let named = there.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    Err(Problem::field(pointer, format!("names nothing that is observed; there are {named}")))
}

/// Some words on one line.
pub(super) fn text(pointer: &str, text: &str, chars_max: usize) -> Result<String, Problem> {
    let checked = one_line(text, chars_max);
    checked.map(str::to_owned).map_err(|problem| Problem::field(pointer, problem.to_string()))
}
