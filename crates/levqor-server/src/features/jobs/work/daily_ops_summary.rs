//! The last day in a mail, for whoever operates the platform.

use levqor_model::{NotificationId, Severity};
use levqor_store::notifications::{NewNotification, Target};
use serde_json::json;

use super::{Context, DAY, Done, facts, output};

/// Where digests go.
const ROUTE: &str = "digest";

pub(in super::super) async fn work(context: &Context) -> Done {
    let (app, day) = (&context.app, context.day());
    let since = context.due_at - DAY;
    let facts = [
        facts::uptime(context, day, day).await?,
        facts::requests(context, since, context.due_at).await?,
        facts::runs(context, day, day).await?,
        facts::incidents(context, since).await?,
        facts::alerts(context).await?,
        facts::jobs(context, since).await?,
        facts::budgets(context).await?,
        facts::drift(context).await?,
        facts::tampering(context).await?,
    ];
    let lines: Vec<&str> = facts.iter().map(|fact| fact.line.as_str()).collect();
    let subject = format!("Levqor: {day}");
    let body = format!("{}\n\nAll of it: {}/admin\n", lines.join("\n"), app.settings.public_url);
    let data = facts::object(&facts);
    let message = NewNotification {
        id: NotificationId::new(app.now(), &*app.random),
        // A second try of the same due time tells nothing twice.
        dedup: format!("job daily_ops_summary {}", context.due_at),
        target: Target::Route(ROUTE.to_owned()),
        severity: Severity::Minor,
        subject,
        body,
        data: data.clone(),
        at: app.now(),
    };
    app.store.notify(vec![message]).await?;
    output(lines.join(". ") + ".", json!({ "day": day, "told": ROUTE, "facts": data }))
}
