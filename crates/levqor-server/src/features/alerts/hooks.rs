//! What else happens when an alert fires, gets worse, or is over.
//!
//! Each is told at least once: again after the node has changed that looks, so it must know an alert by its id.

use levqor_store::alerts::Alert;

use crate::{App, features::incidents, problem::chain};

/// Tells everybody who wants to know. Their failures are theirs: an alert does not wait for them.
pub(super) async fn after(app: &App, alert: &Alert) {
    if let Err(error) = incidents::on_alert(app, alert).await {
        // Alerts and incidents are held against each other again in a moment.
        tracing::warn!(alert.id = %alert.id, "alert {} was not held against incidents: {}", alert.id, chain(&error));
    }
    tracing::info!(
        alert.id = %alert.id, rule = alert.rule, subject = alert.subject, severity = %alert.severity,
        "alert {} of {} {}: {}", alert.id, alert.rule, alert.state, alert.summary
    );
}
