//! Checks documents that are to be saved, and fetches the functions of catalogs that they call.
//!
//! ```text
//! check ─► nothing wanted ─► done
//!   ▲  └─► wanted ─► fetch, as calls of workflows are made ─► keep ─┐
//!   └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! What was fetched is kept with the version, so a run never asks a catalog for anything. Each round fetches what the
//! functions of the round before call; the number of functions bounds the rounds.

use std::{sync::Arc, time::Duration};

use levqor_flow::{
    document::{self, Checked, Fetched, Host, Issue, Wanted},
    machine::{Event, FlowError, HttpRequest, Outcome, file_request},
};
use levqor_model::{AccountId, RunId, limits::DOCUMENT_BYTES_MAX};
use serde_json::Value;

use crate::{Engine, Error, core::Core};

/// For all functions of a document together.
const TIME_MAX: Duration = Duration::from_secs(30);

impl Engine {
    /// Checks a document of an account, and fetches what it calls from catalogs unless it is `known`. Gives what the
    /// check found, and all functions to keep with the version.
    ///
    /// Cancel safe: nothing is written.
    ///
    /// # Errors
    /// [`Error::Store`] when secrets cannot be read, [`Error::Overloaded`] when the engine has no time for it.
    pub async fn check(
        &self,
        account: AccountId,
        document: Arc<Value>,
        host: &Host,
        known: Fetched,
    ) -> Result<(Checked, Fetched), Error> {
        let core = &self.core;
        let deadline = tokio::time::Instant::now() + TIME_MAX;
        let mut fetched = known;
        let mut bytes = fetched.iter().map(|(_, function)| function.to_string().len()).sum::<usize>();
        loop {
            let (checked, found) = core.check_with(&document, host, fetched).await?;
            fetched = found;
            if checked.wanted.is_empty() || !checked.errors.is_empty() {
                return Ok((checked, fetched));
            }
            let mut errors = Vec::new();
            for wanted in &checked.wanted {
                let answer = tokio::time::timeout_at(deadline, core.fetch(account, wanted)).await;
                let text = match answer {
                    Ok(answer) => answer?,
                    Err(_) => {
                        Err(format!("the catalogs took longer than {TIME_MAX:?} altogether; try again later"))
                    }
                };
                match text.and_then(|text| function(&text, &mut bytes)) {
                    Ok(function) => fetched.insert(wanted.uri.clone(), function),
                    Err(reason) => errors.push(Issue {
                        pointer: wanted.pointer.clone(),
                        message: format!("the function could not be taken from {}: {reason}", wanted.uri),
                    }),
                }
            }
            if !errors.is_empty() {
                let checked = Checked { errors, wanted: Vec::new(), ..checked };
                return Ok((checked, fetched));
            }
        }
    }
}

impl Core {
    async fn check_with(
        &self,
        document: &Arc<Value>,
        host: &Host,
        fetched: Fetched,
    ) -> Result<(Checked, Fetched), Error> {
        let (document, host) = (Arc::clone(document), host.clone());
        let work = move || (document::check_with(&document, &host, &fetched), fetched);
        self.pool.run(work).await.map_err(|_| Error::Overloaded { retry_after: Duration::from_secs(1) })
    }

    /// The text of a function's file, or why there is none.
    async fn fetch(&self, account: AccountId, wanted: &Wanted) -> Result<Result<String, String>, Error> {
        let request = match self.file_request(account, wanted).await? {
            Ok(request) => request,
            Err(error) => return Ok(Err(reason(error))),
        };
        // Never closed.
        let Ok(turn) = self.calls.acquire().await else { return Err(Error::Draining) };
        let outcome = self.faults.call(&self.client, account, &request).await;
        drop(turn);
        Ok(match outcome {
            Outcome::Output(Value::String(text)) => Ok(text),
            Outcome::Output(_) => Err("the answer is not text".to_owned()),
            Outcome::Failed { error, .. } => Err(reason(error)),
        })
    }

    async fn file_request(
        &self,
        account: AccountId,
        wanted: &Wanted,
    ) -> Result<Result<HttpRequest, FlowError>, Error> {
        let now = self.clock.now();
        let (secrets, surroundings) = self.secrets_now(account, &wanted.secrets).await?;
        let started = Event::Started {
            at: now,
            run: RunId::new(now, &*self.random),
            input: Value::Null,
            seed: 0,
            secrets,
        };
        Ok(file_request(wanted, surroundings, &started))
    }
}

/// Reads a function's file, and counts it against what one document may have.
fn function(text: &str, bytes: &mut usize) -> Result<Value, String> {
    let function = document::read(text).map_err(|issue| issue.message)?;
    if !function.is_object() {
        return Err(
            "it is not a task; the file of a function is one task, such as `call: http` with its `with`"
                .to_owned(),
        );
    }
    *bytes += text.len();
    if *bytes > DOCUMENT_BYTES_MAX {
        return Err(format!(
            "the functions that are called have more than {DOCUMENT_BYTES_MAX} bytes together; call fewer"
        ));
    }
    Ok(function)
}

fn reason(error: FlowError) -> String {
    error.detail.or(error.title).unwrap_or(error.kind)
}
