//! Alerts as they stand, everything that should hold, and whether messages get out.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Condition, Verdict};
use serde_json::{Value, json};

use super::{Context, Done, facts, output};
use crate::{
    features::alerts::{self, Conditions},
    pages::plural,
};

/// A message that waits for longer does not get out.
const WAITS: Duration = Duration::from_secs(5 * 60);
/// Conditions that are listed.
const LISTED_MAX: usize = 50;

pub(in super::super) async fn work(context: &Context) -> Done {
    let app = &context.app;
    let Conditions { all, silent } = alerts::conditions(app).await;
    let failing: Vec<&Condition> = all.iter().filter(|one| one.verdict != Verdict::Holds).collect();
    let open = facts::alerts(context).await?;
    let outbox = app.store.outbox_state(app.now() - WAITS).await?;
    let mut by_rule: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &failing {
        *by_rule.entry(one.rule.as_str()).or_default() += 1;
    }
    let conditions = match failing.len() {
        0 => format!("All {} conditions hold", all.len()),
        count => {
            let words: Vec<String> = failing.iter().take(3).map(|one| one.summary.clone()).collect();
            format!("{count} of {} conditions do not hold: {}", all.len(), words.join("; "))
        }
    };
    let messages = match (outbox.late, outbox.dead) {
        (0, 0) => "no message is late".to_owned(),
        (late, dead) => format!(
            "{} for more than 5 minutes, {} given up",
            plural(late, "message waits", "messages wait"),
            plural(dead, "was", "were")
        ),
    };
    let listed: Vec<Value> = failing
        .iter()
        .take(LISTED_MAX)
        .map(|one| json!({ "rule": one.rule, "subject": one.subject, "summary": one.summary, "details": one.details }))
        .collect();
    let silence = match silent.as_slice() {
        [] => String::new(),
        some => format!(" Not asked, since they did not answer: {}.", some.join(", ")),
    };
    output(
        format!("{}. {conditions}; {messages}.{silence}", open.line),
        json!({
            "alerts": open.data, "conditions": all.len(), "sources_without_answer": silent, "not_holding": by_rule, "listed": listed,
            "messages": { "waiting": outbox.waiting, "late": outbox.late, "dead": outbox.dead },
        }),
    )
}
