//! Processes that workflows run on this machine, when its operator allows it.
//!
//! ```text
//! ProcessCall ─► folder of its own ─► [unshare ─►] sh: ulimit ─► exec program ─► output, bounded ─► Outcome
//!                                                                    │
//!                              timeout, too much output, nobody waits ─► SIGKILL to the whole group
//! ```
//!
//! Invariants: a process has nothing of the server's environment, and its folder is gone when its effect has ended. What the
//! sandbox does not do stands in docs/guide/processes.md: it bounds accidents, and is no prison for an enemy.

mod isolation;
mod launch;
mod output;
mod policy;

use std::sync::Arc;

use levqor_flow::{
    definition::Program,
    machine::{EffectId, ErrorKind, FlowError, Outcome, ProcessCall},
};
use levqor_model::RunId;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{isolation::Isolation, launch::Running};
pub use policy::Policy;

/// Starts processes, and remembers what this machine can do.
#[derive(Debug)]
pub(crate) struct Processes {
    policy: Arc<Policy>,
    isolation: Isolation,
    turns: Arc<Semaphore>,
}

impl Processes {
    /// Clears what a dead predecessor left behind.
    pub(crate) fn new(policy: Policy) -> Self {
        if policy.allows_any()
            && let Err(reason) = std::fs::remove_dir_all(&policy.directory)
            && reason.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(error = %reason, "the folder of earlier processes could not be cleared");
        }
        let turns = Arc::new(Semaphore::new(policy.at_once));
        Self { policy: Arc::new(policy), isolation: Isolation::default(), turns }
    }

    /// Runs a process to its end; with `wait: false`, to its beginning. None when it is `wanted` no more as its turn comes.
    /// Cancel safe: dropped, the process is killed, unless nobody waits for it anyway.
    pub(crate) async fn run(
        &self,
        run: RunId,
        effect: EffectId,
        call: ProcessCall,
        wanted: &(dyn Fn() -> bool + Sync),
        (tracker, stop): (&TaskTracker, &CancellationToken),
    ) -> Option<Outcome> {
        Some(match self.begin(run, effect, &call, wanted).await {
            Ok(None) => return None,
            Ok(Some(running)) => {
                // The process is looked after by a task of its own, so that what is begun is also cleaned up.
                let token = stop.child_token();
                let task = tracker.spawn(running.finish(token.clone()));
                if !call.wait {
                    return Some(Outcome::Output(Value::Null));
                }
                let guard = token.drop_guard();
                let end = task.await;
                guard.disarm();
                match end {
                    Ok(Ok(end)) => Outcome::Output(end.output(call.returns)),
                    Ok(Err(error)) => failed(error),
                    Err(_) => failed(
                        ErrorKind::Runtime.error("process lost", "the server could not follow the process"),
                    ),
                }
            }
            Err(error) => failed(error),
        })
    }

    async fn begin(
        &self,
        run: RunId,
        effect: EffectId,
        call: &ProcessCall,
        wanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Running>, FlowError> {
        if !self.policy.allow.allows(call.program) {
            return Err(off(call.program));
        }
        // Never closed.
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|reason| ErrorKind::Runtime.error("process not started", reason.to_string()))?;
        if !wanted() {
            return Ok(None);
        }
        let wrapper = self.isolation.wrapper(self.policy.network).await?;
        let name = format!("{run}-{effect}");
        launch::start(Arc::clone(&self.policy), wrapper, &name, call, turn).await.map(Some)
    }
}

/// What a process failed with was its own doing or the server's; it has been started, so a retry is another start.
fn failed(error: FlowError) -> Outcome {
    Outcome::Failed { error, answered: true }
}

fn off(program: Program) -> FlowError {
    let word = program.word();
    ErrorKind::Configuration.error(
        "process not allowed",
        format!("{word} is off on this server; its operator can allow it by `processes.allow` in the configuration"),
    )
}
