//! The rules of secrets.

use levqor_engine::SecretSet;
use levqor_flow::secrets::is_name;
use levqor_model::{ProblemCode, Role, limits::NESTING_MAX};
use serde_json::Value;

use crate::{App, Problem, gateway::Actor};

/// Longest value, as JSON.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Secrets of one account.
pub const NAMES_MAX: usize = 1_000;

/// Sets a secret; runs that begin from now on see the value.
///
/// # Errors
/// 422 for a name or a value that is not allowed; 403 for viewers, and when the account has too many.
pub async fn set(app: &App, actor: &Actor, name: &str, value: &Value) -> Result<(), Problem> {
    actor.require(Role::Editor)?;
    if !is_name(name) {
        return Err(Problem::field(
            "/name",
            "must have 1 to 64 letters, digits, `_`, `-` or `.`, and begin with a letter or `_`",
        ));
    }
    let bytes = value.to_string().len();
    if bytes > VALUE_BYTES_MAX {
        let message = format!("has {bytes} bytes as JSON; at most {VALUE_BYTES_MAX} are allowed");
        return Err(Problem::field("/value", message));
    }
    if depth(value) > NESTING_MAX {
        return Err(Problem::field("/value", format!("is nested deeper than {NESTING_MAX} levels")));
    }
    match app.engine.set_secret(actor.account_id, name, value, NAMES_MAX).await? {
        SecretSet::Done => Ok(()),
        SecretSet::TooManyNames => Err(Problem::new(
            ProblemCode::PlanLimit,
            format!("the account has {NAMES_MAX} secrets, which is the limit; delete one that nothing uses"),
        )),
        SecretSet::TooManyVersions => Err(Problem::new(
            ProblemCode::PlanLimit,
            format!(
                "the secret {name} was set too often; old values are forgotten after 30 days, then it can be set again"
            ),
        )),
        SecretSet::Overtaken | SecretSet::KeyGone => Err(Problem::new(
            ProblemCode::Overloaded,
            format!("the secret {name} is being set by others at the same time; try again"),
        )),
    }
}

/// Deletes a secret; runs that began before keep what they began with.
///
/// # Errors
/// 404 when there is none of that name; 403 for viewers.
pub async fn delete(app: &App, actor: &Actor, name: &str) -> Result<(), Problem> {
    actor.require(Role::Editor)?;
    if app.engine.delete_secret(actor.account_id, name).await? {
        return Ok(());
    }
    let shown: String = name.chars().take(64).collect();
    Err(Problem::not_found(format!("there is no secret {shown:?}")))
}

/// Levels of arrays and objects. Recursion is bounded by the reader of the request's body.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
