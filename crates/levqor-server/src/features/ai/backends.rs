//! The backends in order of preference, and the way down the list.
//!
//! | a provider | then |
//! | --- | --- |
//! | does not answer, is busy or broken | the next one, and after some failures in a row it is left alone for a while |
//! | does not know our key, or us its address | the next one, with a warning for the operator |
//! | answers out of shape, repairs included | the built-in backend |
//! | refuses the task | nobody: the caller is told |
//!
//! The built-in backend is last and always answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use levqor_model::{Blueprint, Clock};
use tokio::sync::Semaphore;

use super::{
    backend::{Backend, Failure, Reply, Task},
    breaker::Breaker,
    builtin::Builtin,
    provider::{Bounds, Exchanges, Provider, ProviderSettings},
};

const AT_ONCE: usize = 8;
/// The longest time for all providers together, in times of one exchange: a caller waits for the built-in answer no longer.
const PATIENCE: u32 = 2;

/// Which providers there are.
#[derive(Debug, Clone)]
pub struct AiSettings {
    /// Best first. The built-in backend stands behind them.
    pub providers: Vec<ProviderSettings>,
    pub bounds: Bounds,
    /// Calls to one provider at once; more wait.
    pub at_once: usize,
}

impl Default for AiSettings {
    fn default() -> Self {
        Self { providers: Vec::new(), bounds: Bounds::default(), at_once: AT_ONCE }
    }
}

/// A refusal of the task by the provider that read it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{backend} refused the request: {reason}")]
pub struct Refused {
    pub backend: String,
    pub status: u16,
    pub reason: String,
}

/// All of them.
#[derive(Debug)]
pub struct Backends {
    providers: Vec<Guarded>,
    builtin: Builtin,
    clock: Arc<dyn Clock>,
    /// For all providers together.
    patience: Duration,
    exchanges: Arc<Exchanges>,
    refused: AtomicU64,
}

/// What has happened since it was taken last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AiMeasures {
    /// Exchanges with providers, repairs and other formats included.
    pub calls: u64,
    /// Those of them that gave no answer.
    pub failures: u64,
    /// Tasks that a provider read and would not do.
    pub refused: u64,
}

#[derive(Debug)]
struct Guarded {
    backend: Box<dyn Backend>,
    breaker: Breaker,
    /// Who gets none waits, within the patience; there are never more than calls and requests in flight.
    turns: Semaphore,
}

impl Backends {
    pub fn new(settings: &AiSettings, blueprint: Blueprint, clock: Arc<dyn Clock>) -> Self {
        let client = Arc::default();
        let exchanges = Arc::<Exchanges>::default();
        let providers = settings
            .providers
            .iter()
            .map(|provider| {
                let provider = Provider::new(provider.clone(), settings.bounds, Arc::clone(&client))
                    .counted_in(Arc::clone(&exchanges));
                Box::new(provider) as Box<dyn Backend>
            })
            .collect();
        let patience = settings.bounds.timeout.saturating_mul(PATIENCE);
        Self { exchanges, ..Self::over(providers, settings.at_once, patience, blueprint, clock) }
    }

    fn over(
        providers: Vec<Box<dyn Backend>>,
        at_once: usize,
        patience: Duration,
        blueprint: Blueprint,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let guarded = |backend| Guarded {
            backend,
            breaker: Breaker::default(),
            turns: Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)),
        };
        Self {
            providers: providers.into_iter().map(guarded).collect(),
            builtin: Builtin::new(blueprint),
            clock,
            patience,
            exchanges: Arc::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// The names of the providers, best first.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|guarded| guarded.backend.name())
    }

    /// The best answer that can be had. Cancel safe.
    ///
    /// # Errors
    /// [`Refused`] when a provider read the task and will not do it.
    pub async fn answer(&self, task: &Arc<Task>) -> Result<Reply, Refused> {
        if !self.providers.is_empty() {
            match tokio::time::timeout(self.patience, self.by_providers(task)).await {
                Ok(Ok(Some(reply))) => return Ok(reply),
                Ok(Ok(None)) => {}
                Ok(Err(refused)) => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    return Err(refused);
                }
                Err(_) => tracing::warn!(
                    kind = task.kind(),
                    "no AI provider answered within {:?}; the built-in backend answers",
                    self.patience
                ),
            }
        }
        Ok(self.by_builtin(task).await)
    }

    /// What has happened since this was asked last.
    pub fn take_measures(&self) -> AiMeasures {
        let (calls, failures) = self.exchanges.take();
        AiMeasures { calls, failures, refused: self.refused.swap(0, Ordering::Relaxed) }
    }

    /// The built-in answer.
    pub async fn by_builtin(&self, task: &Arc<Task>) -> Reply {
        self.builtin.reply(task).await
    }

    async fn by_providers(&self, task: &Arc<Task>) -> Result<Option<Reply>, Refused> {
        for Guarded { backend, breaker, turns } in &self.providers {
            let name = backend.name();
            // Never closed.
            let Ok(_turn) = turns.acquire().await else { continue };
            let Some(permit) = breaker.enter(self.clock.now()) else {
                tracing::debug!(backend = name, "the AI provider {name} is left alone for now");
                continue;
            };
            let failure = match backend.answer(task).await {
                Ok(reply) => {
                    permit.good();
                    return Ok(Some(reply));
                }
                Err(failure) => failure,
            };
            let (rest, advice) = match &failure {
                Failure::Unavailable { rest, .. } => (*rest, "the next backend answers"),
                Failure::Misconfigured { .. } => {
                    (None, "check its key, address and model in the configuration; the next backend answers")
                }
                Failure::Unusable { reason } => {
                    permit.good();
                    tracing::warn!(
                        backend = name,
                        kind = task.kind(),
                        "the AI provider {name} answered out of shape: {reason}; the built-in backend answers"
                    );
                    return Ok(None);
                }
                Failure::Refused { status, reason } => {
                    permit.good();
                    tracing::info!(
                        backend = name,
                        kind = task.kind(),
                        status,
                        "the AI provider {name} refused a request"
                    );
                    return Err(Refused {
                        backend: name.to_owned(),
                        status: *status,
                        reason: reason.clone(),
                    });
                }
            };
            let open_until = permit.bad(self.clock.now(), rest);
            tracing::warn!(
                backend = name,
                kind = task.kind(),
                open_until = open_until.map(tracing::field::display),
                "the AI provider {name} failed: {failure}; {advice}"
            );
        }
        Ok(None)
    }
}
