//! Who writes: known where a request or a job begins, needed where a row is written.
//!
//! Between the two lie services and the engine, which have nothing to do with it. So it travels beside them: with the
//! task until the write is queued, and with the write after that.

use std::{cell::RefCell, sync::Arc};

use levqor_model::{NodeId, RegionCode};

/// Somebody who does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Such as `user usr_…` or `API key key_…`; never an address of mail.
    pub name: String,
    pub request_id: Option<String>,
    /// Where the request came from, masked.
    pub network: Option<String>,
}

/// Whose records nobody else wrote: the node's own work.
const OWN: &str = "levqor";
/// The chain of tools and of whoever has no node.
const LOCAL: &str = "local";

tokio::task_local! {
    static AUTHOR: Arc<Author>;
}

thread_local! {
    static WRITING: RefCell<Option<Writing>> = const { RefCell::new(None) };
}

/// Runs `work`; what it writes to the store is by that author. Tasks that it spawns are not, unless they say so
/// themselves ([`current`]).
pub async fn by<F: Future>(author: Arc<Author>, work: F) -> F::Output {
    AUTHOR.scope(author, work).await
}

/// For a task that is to go on as the one that spawns it.
pub fn current() -> Option<Arc<Author>> {
    AUTHOR.try_with(Arc::clone).ok()
}

/// Where records go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) name: String,
    pub(crate) region: String,
}

impl Chain {
    pub(crate) fn of(node: NodeId, region: &RegionCode) -> Self {
        Self { name: node.to_string(), region: region.to_string() }
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self { name: LOCAL.to_owned(), region: String::new() }
    }
}

/// A write with its author and its chain.
#[derive(Debug, Clone)]
pub(crate) struct Writing {
    pub(crate) chain: Arc<Chain>,
    pub(crate) author: Option<Arc<Author>>,
}

impl Writing {
    pub(crate) fn now(chain: &Arc<Chain>) -> Self {
        Self { chain: Arc::clone(chain), author: current() }
    }

    pub(crate) fn author_name(&self) -> &str {
        self.author.as_ref().map_or(OWN, |author| &author.name)
    }

    /// Runs the write; records of it are this one's.
    pub(crate) fn during<T>(self, work: impl FnOnce() -> T) -> T {
        let _scope = Scope(WRITING.replace(Some(self)));
        work()
    }

    /// What [`Writing::during`] set; outside of it, nobody on the local chain.
    pub(crate) fn current() -> Self {
        WRITING.with_borrow(Clone::clone).unwrap_or_else(|| Self { chain: Arc::default(), author: None })
    }
}

/// Puts back what was there, also when the write panics.
struct Scope(Option<Writing>);

impl Drop for Scope {
    fn drop(&mut self) {
        WRITING.set(self.0.take());
    }
}
