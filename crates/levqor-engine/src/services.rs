//! Performs the server's own functions: `store` and `webhook`. What `approval` needs is in [`crate::approvals`]; the others
//! have a handler ([`crate::handlers`]).
//!
//! `store` is a transaction of its own that is known by the effect's idempotency key, so that a call which is made again after
//! a crash changes nothing and gives what it gave. `webhook` is a call like others, signed when it is sent.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use levqor_flow::{
    machine::{EffectId, ErrorKind, FlowError, Outcome, ServiceCall},
    services::Service,
};
use levqor_model::{AccountId, RunId};
use levqor_store::state::{StateAction, StateCall, StateResult};
use serde_json::{Value, json};

use crate::{
    approvals,
    core::{Backoff, Core},
    egress,
    fault::Point,
    handlers::{Answer, HandlerCall},
    registry::Mail,
    signing,
};

/// Values that an account may keep.
const KEYS_MAX: usize = 1_000;
/// Longest value, as JSON.
const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Performs a call, unless somebody else has `claimed` it, and tells the run when there is something to tell.
pub(crate) async fn perform(
    core: Arc<Core>,
    (run, account): (RunId, AccountId),
    effect: EffectId,
    call: ServiceCall,
    claimed: Arc<AtomicBool>,
) {
    if call.service == Service::Approval {
        approvals::look(&core, run, effect).await;
        return;
    }
    // Never closed.
    let Ok(turn) = core.calls.acquire().await else { return };
    if claimed.swap(true, Ordering::SeqCst) {
        return;
    }
    core.reach(Point::BeforeCall).await;
    let Answer { outcome, credits } = match call.service {
        Service::Webhook => webhook(&core, account, &call).await.into(),
        Service::Store | Service::Approval => store(&core, (run, account), &call).await.into(),
        Service::AiChat
        | Service::AiClassify
        | Service::AiExtract
        | Service::AiSummarise
        | Service::Email => {
            let given = HandlerCall { account_id: account, run_id: run, key: &call.key, input: &call.input };
            core.handlers.call(call.service, given).await
        }
    };
    core.reach(Point::AfterCall).await;
    drop(turn);
    if !core.registry.deliver(run, Mail::Ended { effect, outcome, credits }) {
        // The run was dropped: whoever has it performs the call again, under the same key.
        tracing::debug!(run.id = %run, effect, "a function ended for a run that is not here any more");
    }
}

async fn store(core: &Core, (run_id, account_id): (RunId, AccountId), call: &ServiceCall) -> Outcome {
    let action = match action(&call.input) {
        Ok(action) => action,
        Err(error) => return Outcome::Failed { error, answered: true },
    };
    let request = StateCall {
        account_id,
        run_id,
        call_key: call.key.clone(),
        key: text(&call.input, "key").to_owned(),
        action,
        at: core.clock.now(),
        keys_max: KEYS_MAX,
    };
    let mut backoff = Backoff::new();
    let result = loop {
        match core.faults.store(core.store.state_call(request.clone())).await {
            Ok(result) => break result,
            Err(reason) if reason.is_retryable() && !core.soft.is_cancelled() => {
                tracing::warn!(run.id = %run_id, error = %reason, "a value could not be kept or read; trying again");
                backoff.pause().await;
            }
            Err(reason) => {
                let error = ErrorKind::Runtime.error("the store did not answer", reason.to_string());
                return Outcome::Failed { error, answered: false };
            }
        }
    };
    match result {
        StateResult::Done { value, changed } => Outcome::Output(json!({
            "found": value.is_some(),
            "value": value.and_then(|value| serde_json::from_str(&value).ok()).unwrap_or(Value::Null),
            "changed": changed,
        })),
        StateResult::Full => {
            let detail = format!(
                "the account keeps {KEYS_MAX} values, which is the limit; delete one that nothing needs"
            );
            Outcome::Failed { error: ErrorKind::Runtime.error("the store is full", detail), answered: true }
        }
    }
}

/// The input was checked against the function's schema.
fn action(input: &Value) -> Result<StateAction, FlowError> {
    let value = |member: &str| {
        let value = input.get(member).map(Value::to_string);
        match value {
            Some(value) if value.len() > VALUE_BYTES_MAX => {
                let detail = format!(
                    "`{member}` has {} bytes as JSON and the limit is {VALUE_BYTES_MAX}; keep less",
                    value.len()
                );
                Err(ErrorKind::Validation.error("the value is too large", detail))
            }
            value => Ok(value),
        }
    };
    Ok(match text(input, "action") {
        "set" => StateAction::Set { value: value("value")?.unwrap_or_default() },
        "delete" => StateAction::Delete,
        "compare-and-set" => StateAction::CompareAndSet {
            expected: value("expected")?,
            value: value("value")?.unwrap_or_default(),
        },
        _ => StateAction::Get,
    })
}

async fn webhook(core: &Core, account: AccountId, call: &ServiceCall) -> Outcome {
    let body = call.input.get("body").unwrap_or(&Value::Null).to_string();
    let secret = text(&call.input, "secret");
    let Some(mut headers) = signing::signed(secret, &call.key, core.clock.now().as_seconds(), &body) else {
        let detail = "the secret must be whsec_ and the key in Base 64, as its receiver shows it";
        let error = ErrorKind::Configuration.error("the secret is not one of Standard Webhooks", detail);
        return Outcome::Failed { error, answered: false };
    };
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    let request = egress::post(call.key.clone(), text(&call.input, "url").to_owned(), headers, body);
    match core.faults.call(&core.client, account, &request).await {
        // The request holds the signature, which is nobody's business.
        Outcome::Output(response) => {
            let part = |name: &str| response.get(name).cloned().unwrap_or(Value::Null);
            Outcome::Output(json!({ "statusCode": part("statusCode"), "content": part("content") }))
        }
        failed => failed,
    }
}

fn text<'a>(input: &'a Value, member: &str) -> &'a str {
    input.get(member).and_then(Value::as_str).unwrap_or_default()
}
