//! Compiled workflows, by workflow and version. A version never changes, so an entry is never stale.
//!
//! Which version is the current one may change any time. It is remembered too, and what was remembered is checked in the
//! transaction that accepts the run: a start asks the database nothing before it.

use std::sync::Arc;

use levqor_flow::{definition::Workflow, document};
use levqor_model::{AccountId, WorkflowId};

use crate::{Error, core::Core};

/// Compiled documents held in memory; the least used go first.
const ENTRIES_MAX: u64 = 2_048;

#[derive(Debug)]
pub(crate) struct Definitions {
    compiled: moka::sync::Cache<(WorkflowId, Arc<str>), Arc<Workflow>>,
    current: moka::sync::Cache<(AccountId, WorkflowId), Arc<str>>,
}

impl Definitions {
    pub(crate) fn new() -> Self {
        Self { compiled: moka::sync::Cache::new(ENTRIES_MAX), current: moka::sync::Cache::new(ENTRIES_MAX) }
    }

    /// The version that was the current one when it was looked up.
    pub(crate) fn current(&self, account: AccountId, workflow: WorkflowId) -> Option<Arc<str>> {
        self.current.get(&(account, workflow))
    }

    pub(crate) fn remember_current(&self, account: AccountId, workflow: WorkflowId, version: &str) {
        self.current.insert((account, workflow), Arc::from(version));
    }

    pub(crate) fn forget_current(&self, account: AccountId, workflow: WorkflowId) {
        self.current.invalidate(&(account, workflow));
    }
}

impl Core {
    /// # Errors
    /// [`Error::VersionNotFound`], [`Error::Definition`] when this build refuses what an older one accepted, [`Error::Store`].
    pub(crate) async fn definition(
        &self,
        workflow: WorkflowId,
        version: &str,
    ) -> Result<Arc<Workflow>, Error> {
        let key = (workflow, Arc::from(version));
        if let Some(compiled) = self.definitions.compiled.get(&key) {
            return Ok(compiled);
        }
        let row = self
            .store
            .version(workflow, version.to_owned())
            .await?
            .ok_or_else(|| Error::VersionNotFound { workflow, version: version.to_owned() })?;
        let compiled = self
            .pool
            .run(move || compile(&row.definition, row.functions.as_deref()))
            .await
            .unwrap_or_else(|panicked| Err(panicked.to_string()))
            .map_err(|reason| Error::Definition { workflow, version: version.to_owned(), reason })?;
        self.definitions.compiled.insert(key, Arc::clone(&compiled));
        Ok(compiled)
    }
}

fn compile(text: &str, functions: Option<&str>) -> Result<Arc<Workflow>, String> {
    let value =
        serde_json::from_str(text).map_err(|reason| format!("the stored text is not JSON: {reason}"))?;
    let fetched = functions
        .map_or_else(|| Ok(document::Fetched::default()), serde_json::from_str)
        .map_err(|reason| format!("the stored functions are not JSON: {reason}"))?;
    // What the operator does not allow is refused when a document is saved, and again when it is to be done.
    let checked = document::check_with(&value, &document::Host::permissive(), &fetched).offline();
    checked.workflow.ok_or_else(|| match checked.errors.first() {
        Some(issue) => format!("{}: {}", issue.pointer, issue.message),
        None => "it has no tasks".to_owned(),
    })
}
