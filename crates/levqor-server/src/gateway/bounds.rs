//! How many requests are in progress, and for how long.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::Method;
use levqor_model::{AccountId, ProblemCode, limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::{Access, access_of, route_of};
use crate::{App, Problem, Settings};

/// Event streams open at once on a node. They live long, so they are counted apart from other requests.
const STREAMS_MAX: usize = 1_024;
/// Of them, those of one account: nobody takes all places.
const STREAMS_PER_ACCOUNT_MAX: usize = 128;

/// What is in progress.
#[derive(Debug)]
pub(crate) struct Bounds {
    requests: Semaphore,
    streams: Arc<Semaphore>,
    /// How many each account has; those that have none are not in it.
    streaming: Arc<Mutex<HashMap<AccountId, usize>>>,
}

/// A place for one long answer, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    account: AccountId,
    streaming: Arc<Mutex<HashMap<AccountId, usize>>>,
    _place: OwnedSemaphorePermit,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut streaming = self.streaming.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(streams) = streaming.get_mut(&self.account) {
            *streams -= 1;
            if *streams == 0 {
                streaming.remove(&self.account);
            }
        }
    }
}

impl Bounds {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            requests: Semaphore::new(settings.requests_max.min(Semaphore::MAX_PERMITS)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            streaming: Arc::default(),
        }
    }

    /// A place for one long answer of the account.
    ///
    /// # Errors
    /// 503 when all places are taken; 429 when the account has as many as it may.
    pub(crate) fn stream(&self, account: AccountId) -> Result<StreamPlace, Problem> {
        let place = self.streams.clone().try_acquire_owned().map_err(|_| {
            overloaded(&format!("{STREAMS_MAX} event streams are open on this node; try again later"))
        })?;
        let mut streaming = self.streaming.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = streaming.entry(account).or_default();
        if *streams >= STREAMS_PER_ACCOUNT_MAX {
            let detail = format!(
                "{STREAMS_PER_ACCOUNT_MAX} event streams of your account are open on this node; close some, or ask for the runs themselves"
            );
            return Err(Problem::new(ProblemCode::RateLimited, detail).retry_after(5));
        }
        *streams += 1;
        Ok(StreamPlace { account, streaming: Arc::clone(&self.streaming), _place: place })
    }
}

fn overloaded(detail: &str) -> Problem {
    Problem::new(ProblemCode::Overloaded, detail).retry_after(1)
}

pub(super) async fn bound(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let route = route_of(request.extensions());
    // Liveness and readiness answer even when everything else is full.
    if access_of(request.method(), route) == Access::Open {
        return Ok(next.run(request).await);
    }
    let _place = app
        .bounds
        .requests
        .try_acquire()
        .map_err(|_| overloaded("too many requests are in progress on this node; try again"))?;
    // Starting a run may wait for its end.
    let may_wait = request.method() == Method::POST && route == Some("/api/workflows/{id}/runs");
    let wait = if may_wait { Duration::from_secs(limits::WAIT_SECONDS_MAX) } else { Duration::ZERO };
    let patience = app.settings.request_timeout + wait;
    tokio::time::timeout(patience, next.run(request))
        .await
        .map_err(|_| overloaded(&format!("no answer within {} s; try again", patience.as_secs())))
}

#[cfg(test)]
mod tests {
    use levqor_model::{SeededRandom, Timestamp};

    use super::*;

    #[test]
    fn an_account_has_so_many_streams_and_leaves_places_to_others() {
        let bounds = Bounds::new(&Settings::default());
        let random = SeededRandom::new(1);
        let account = || AccountId::new(Timestamp::from_micros(0), &random);
        let (one, other) = (account(), account());
        let mut open: Vec<_> =
            (0..STREAMS_PER_ACCOUNT_MAX).map(|_| bounds.stream(one).expect("a place")).collect();
        assert_eq!(bounds.stream(one).unwrap_err().code, ProblemCode::RateLimited);
        assert!(bounds.stream(other).is_ok());
        open.pop();
        open.push(bounds.stream(one).expect("the place that was given back"));
        drop(open);
        assert!(bounds.streaming.lock().unwrap().is_empty(), "nobody is remembered who has none");
        assert_eq!(bounds.streams.available_permits(), STREAMS_MAX);
    }
}
