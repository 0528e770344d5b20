//! Room to recurse: work that needs more stack than the caller may have left runs on a thread of its own.

use std::thread::{Builder, scope};

/// What an evaluation may use of its caller's stack before it moves to one of its own. Callers are threads
/// with 2 MB; what is not seen between two looks at the stack comes on top.
pub(super) const BORROWED: usize = 384 * 1024;
/// What an evaluation may use of its own stack.
pub(super) const OWN: usize = 64 * 1024 * 1024;
/// The stack itself. The rest is for dropping what was built, and for what is not seen between two looks.
/// Untouched stack costs address space only.
const SIZE: usize = OWN + 64 * 1024 * 1024;

/// Runs `work` on a large stack; None when the system gives no thread.
pub(super) fn with_own<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    scope(|scope| {
        let thread =
            Builder::new().name("expression".into()).stack_size(SIZE).spawn_scoped(scope, work).ok()?;
        thread.join().ok()
    })
}
