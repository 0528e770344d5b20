//! Workflows that events start.
//!
//! A trigger reads events in order and keeps what they contribute in its row. When they satisfy it, its run is accepted and its
//! cursor moved in one transaction, only from where it was read: so a satisfaction starts one run in the whole
//! cluster, and a crash anywhere repeats nothing and loses nothing.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use levqor_flow::{
    definition::Workflow,
    event::{self, CloudEvent, Offer, TriggerState},
    machine::FlowError,
    schedule::Schedule,
};
use levqor_model::{AccountId, TriggerKind, WorkflowId};
use levqor_store::{
    Conflict,
    event_triggers::{EventTrigger, TriggerMove},
    events::StoredEvent,
    runs::Firing,
};
use serde_json::Value;

use crate::{Error, core::Core, events::Accounts, start::Start};

/// Triggers read at once.
const PAGE: usize = 100;
/// Events read at once for one of them.
const EVENTS_PAGE: usize = 32;
/// Without being told of anything: events of other nodes, and what could not be done before.
const LOOK_EVERY: Duration = Duration::from_secs(15);
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Offers events to triggers until the engine stops taking work.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        let accounts = core.events.take_accounts();
        let nap = match look(&core, accounts).await {
            Ok(true) => LOOK_EVERY,
            Ok(false) => {
                core.events.miss_triggers();
                AFTER_FAILURE
            }
            Err(Error::Draining) => return,
            Err(reason) => {
                tracing::warn!(error = %reason, "event triggers could not be looked at; trying again");
                core.events.miss_triggers();
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = core.soft.cancelled() => return,
            () = tokio::time::sleep(nap) => core.events.miss_triggers(),
            () = core.events.triggers_bell.notified() => {}
        }
    }
}

/// False: there is no room for some of the runs yet, and their events wait.
async fn look(core: &Arc<Core>, accounts: Accounts) -> Result<bool, Error> {
    let mut has_room = true;
    let accounts: BTreeSet<Option<AccountId>> = match accounts {
        Accounts::All => BTreeSet::from([None]),
        Accounts::These(accounts) => accounts.into_iter().map(Some).collect(),
    };
    for account in accounts {
        let mut after: Option<WorkflowId> = None;
        loop {
            let read = core.store.triggers_behind(account, after, PAGE);
            let page = core.faults.store(read).await?;
            let full = page.len() == PAGE;
            after = page.last().map(|trigger| trigger.workflow_id);
            for trigger in page {
                let id = trigger.workflow_id;
                match advance(core, trigger).await {
                    Err(Error::Draining) => return Err(Error::Draining),
                    Err(Error::Store(reason)) if reason.is_retryable() => return Err(reason.into()),
                    Err(
                        reason @ (Error::QueueFull { .. }
                        | Error::TooManyRuns { .. }
                        | Error::Overloaded { .. }),
                    ) => {
                        has_room = false;
                        tracing::debug!(workflow.id = %id, %reason, "events wait to start workflow {id}");
                    }
                    Err(reason) => {
                        tracing::error!(
                            workflow.id = %id, error = %reason,
                            "events could not start workflow {id}; they are kept"
                        );
                    }
                    Ok(()) => {}
                }
            }
            if !full {
                break;
            }
        }
    }
    Ok(has_room)
}

/// Offers the trigger everything that it has not read.
async fn advance(core: &Arc<Core>, mut trigger: EventTrigger) -> Result<(), Error> {
    let workflow = core.definition(trigger.workflow_id, &trigger.version).await?;
    loop {
        let kinds = kinds(&workflow);
        let read = core.store.events_after(trigger.account_id, kinds, trigger.after_seq, EVENTS_PAGE);
        let page = core.faults.store(read).await?;
        let mut rest = page.events;
        while !rest.is_empty() {
            let judged = judge(core, &workflow, &trigger, rest).await?;
            rest = judged.rest;
            let step = TriggerMove { was: trigger.clone(), after_seq: judged.after_seq, state: judged.state };
            let moved = match judged.starts {
                Some(input) => start(core, &trigger, input, step.clone()).await?,
                None => core.faults.store(core.store.move_trigger(step.clone())).await?,
            };
            if !moved {
                // By another node, or the workflow was saved anew: whoever has it goes on.
                return Ok(());
            }
            trigger = EventTrigger { after_seq: step.after_seq, state: step.state, ..trigger };
        }
        if page.through > trigger.after_seq {
            let step =
                TriggerMove { after_seq: page.through, state: trigger.state.clone(), was: trigger.clone() };
            if !core.faults.store(core.store.move_trigger(step)).await? {
                return Ok(());
            }
            trigger.after_seq = page.through;
        }
        if !page.more || core.soft.is_cancelled() {
            return Ok(());
        }
    }
}

/// What some events come to.
struct Judged {
    after_seq: i64,
    state: Option<String>,
    /// The input of a run to start.
    starts: Option<Value>,
    /// Not looked at yet: they come after the run.
    rest: Vec<StoredEvent>,
}

/// Offers events until one satisfies the trigger. Elsewhere than here: expressions take their time.
async fn judge(
    core: &Core,
    workflow: &Arc<Workflow>,
    trigger: &EventTrigger,
    events: Vec<StoredEvent>,
) -> Result<Judged, Error> {
    let (workflow, kept, id) = (Arc::clone(workflow), trigger.state.clone(), trigger.workflow_id);
    let after_seq = trigger.after_seq;
    core.pool
        .run(move || {
            let mut state: TriggerState =
                kept.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let mut judged = Judged { after_seq, state: None, starts: None, rest: Vec::new() };
            let mut events = events.into_iter();
            for stored in events.by_ref() {
                judged.after_seq = stored.seq;
                match offer(&workflow, &mut state, &stored) {
                    Ok(Some(input)) => {
                        judged.starts = Some(input);
                        break;
                    }
                    Ok(None) => {}
                    Err(reason) => {
                        tracing::warn!(
                            workflow.id = %id, event.seq = stored.seq,
                            reason = reason.detail.as_deref().unwrap_or_default(),
                            "an event is passed over: workflow {id} cannot judge it"
                        );
                    }
                }
            }
            judged.state = serde_json::to_string(&state).ok().filter(|_| state != TriggerState::default());
            judged.rest = events.collect();
            judged
        })
        .await
        .map_err(|panicked| Error::Definition {
            workflow: trigger.workflow_id,
            version: trigger.version.clone(),
            reason: panicked.to_string(),
        })
}

/// The input of a run when the event satisfies the trigger.
fn offer(
    workflow: &Workflow,
    state: &mut TriggerState,
    stored: &StoredEvent,
) -> Result<Option<Value>, FlowError> {
    let Some(spec) = workflow.schedule.as_ref().and_then(|schedule| schedule.on.as_ref()) else {
        return Ok(None);
    };
    let Ok(event) = serde_json::from_str::<CloudEvent>(&stored.body) else {
        tracing::error!(event.seq = stored.seq, "event {} cannot be read and is passed over", stored.seq);
        return Ok(None);
    };
    Ok(match event::offer(spec, state, &event)? {
        Offer::Ignored | Offer::Kept => None,
        Offer::Satisfied(events) => Some(event::input(spec, &events)),
    })
}

/// The types that a trigger looks at; None among them: any.
fn kinds(workflow: &Workflow) -> Vec<Option<String>> {
    workflow.schedule.as_ref().map_or_else(Vec::new, Schedule::event_kinds)
}

/// Starts the run, and moves the trigger past the events that started it; false when the trigger had been moved already.
async fn start(
    core: &Arc<Core>,
    trigger: &EventTrigger,
    input: Value,
    step: TriggerMove,
) -> Result<bool, Error> {
    let accepted = Start {
        account_id: trigger.account_id,
        workflow_id: trigger.workflow_id,
        version: trigger.version.clone(),
        input,
        trigger: TriggerKind::Event,
        residency: None,
        home_region: None,
        parent: None,
        depth: 0,
        retry_of: None,
        firing: Some(Firing::Events(step.clone())),
        assumed: None,
    }
    .accept(core)
    .await;
    match accepted {
        Ok(_) => Ok(true),
        Err(Error::Store(levqor_store::Error::Conflict(Conflict::TriggerMoved))) => Ok(false),
        // Trying again would not change it, and what comes after would wait for ever.
        Err(reason @ (Error::InputTooLarge { .. } | Error::InputTooDeep(_) | Error::ConcurrencyKey(_))) => {
            tracing::error!(
                workflow.id = %trigger.workflow_id, error = %reason,
                "events start no run of workflow {}: {reason}", trigger.workflow_id
            );
            Ok(core.faults.store(core.store.move_trigger(step)).await?)
        }
        Err(reason) => Err(reason),
    }
}
