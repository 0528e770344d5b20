//! The node's lease: renewed while the process lives, so that others can tell when it doesn't.

use std::{sync::Arc, time::Duration};

use crate::core::Core;

pub(crate) const LEASE: Duration = Duration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// Renews until the engine stops. When another registration has replaced this node, it stops the engine: whatever it
/// still computed would be refused.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let expires_at = core.clock.now() + LEASE;
        match core.store.renew_node(core.node, core.epoch, expires_at).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!(
                    node.id = %core.node, epoch = core.epoch,
                    "node {} was replaced by another process with the same id; it stops driving runs", core.node
                );
                core.soft.cancel();
                core.hard.cancel();
                return;
            }
            // Appends carry the epoch, so a late renewal endangers nothing.
            Err(reason) => {
                tracing::warn!(node.id = %core.node, error = %reason, "the lease could not be renewed; trying again");
            }
        }
    }
}
