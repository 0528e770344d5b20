//! Alerts as they stand, everything that should hold, and whether messages get out.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Condition, Verdict};
use levqor_store::jobs::OutboxState;
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
    let mut messages = match (late(&outbox.operators), late(&outbox.subscribers)) {
        (None, None) => "no message is late".to_owned(),
        (Some(operators), None) => format!("to operators {operators}"),
        (None, Some(subscribers)) => {
            format!("no message to operators is late; to subscribers {subscribers}")
        }
        (Some(operators), Some(subscribers)) => {
            format!("to operators {operators}; to subscribers {subscribers}")
        }
    };
    if outbox.cut {
        messages.push_str(" (there are more messages than were looked at)");
    }
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
            "messages": counts(&outbox.operators), "messages_to_subscribers": counts(&outbox.subscribers),
        }),
    )
}

/// None: nothing is late, and nothing was given up.
fn late(state: &OutboxState) -> Option<String> {
    let OutboxState { late, dead, .. } = *state;
    (late > 0 || dead > 0).then(|| {
        format!(
            "{} for more than 5 minutes, {} given up",
            plural(late, "message waits", "messages wait"),
            plural(dead, "was", "were")
        )
    })
}

fn counts(state: &OutboxState) -> Value {
    let OutboxState { waiting, late, dead } = *state;
    json!({ "waiting": waiting, "late": late, "dead": dead })
}
