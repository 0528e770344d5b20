//! What should hold: nobody waits for an answer for longer than their plan promises.

use levqor_model::{Condition, Severity, Verdict};
use levqor_store::Error;
use serde_json::json;

use crate::{App, pages::plural};

/// # Errors
/// When the store cannot be asked.
pub(in crate::features) async fn conditions(app: &App) -> Result<Vec<Condition>, Error> {
    let load = app.store.ticket_load(app.now()).await?;
    Ok(vec![Condition {
        rule: "support.late".to_owned(),
        subject: String::new(),
        verdict: if load.late > 0 { Verdict::Fails } else { Verdict::Holds },
        severity: Severity::Major,
        summary: if load.late > 0 {
            format!(
                "{} for longer than the plan promises; /admin/customers shows them",
                plural(load.late, "support request waits", "support requests wait")
            )
        } else {
            "no support request waits for longer than the plan promises".to_owned()
        },
        details: json!({ "open": load.open, "late": load.late }),
    }])
}
