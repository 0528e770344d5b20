//! What is done by itself: alerts make incidents, others are told when nothing comes, and what is over is written up.

use std::time::Duration;

use levqor_model::{AlertId, AlertState, NotificationId, Severity};
use levqor_store::{
    Error,
    alerts::Alert,
    incidents::ActionItem,
    notifications::{NewNotification, Target},
};
use serde_json::json;

use super::{
    hand::{News, REOPENED_WITHIN},
    postmortem::COMPLETE_AFTER,
    service::{self, decided, hand},
    writings,
};
use crate::{App, problem::chain};

/// How the evidence log calls what no person did.
const BY: &str = "levqor";
/// Incidents, alerts and items of one round; the next one goes on.
const ROUND_MAX: usize = 100;
/// How long after the end of an incident its postmortem is begun, and measured, at the latest.
const WRITTEN_UP_WITHIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An alert has fired, got worse, or is over. It may be told late, twice, and in any order.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn on_alert(app: &App, alert: &Alert) -> Result<(), Error> {
    let Some(news) = news(alert) else { return Ok(()) };
    let since = app.now() - REOPENED_WITHIN;
    let hand = hand(app, BY);
    // Looked at first: nearly always it changes nothing, and writers wait for each other.
    let situation = app.store.alert_situation(alert.id, since).await?;
    if hand.alert(&situation, &news).is_none() {
        return Ok(());
    }
    let changed = app
        .store
        .alert_incident(alert.id, since, move |situation| {
            hand.alert(&situation, &news).map(|act| hand.announced(act))
        })
        .await?;
    if let Some(incident) = changed {
        tracing::warn!(incident.id = %incident.id, alert.id = %alert.id, "alert {} belongs to incident {}, which is {}", alert.rule, incident.id, incident.state);
    }
    Ok(())
}

/// None: it is nobody's business yet.
fn news(alert: &Alert) -> Option<News> {
    let firing_at = alert.firing_at?;
    let ended_at = match alert.state {
        AlertState::Pending => return None,
        AlertState::Firing => None,
        AlertState::Resolved => Some(alert.ended_at?),
    };
    Some(News {
        alert: alert.id,
        rule: alert.rule.clone(),
        subject: alert.subject.clone(),
        severity: alert.severity,
        summary: alert.summary.clone(),
        components: News::components(&alert.details),
        began_at: alert.began_at,
        firing_at,
        ended_at,
        silenced: alert.silence.is_some(),
    })
}

/// Holds all alerts that are open, and those that incidents are about, against incidents: whatever was told or not, and whoever was not
/// there to hear it.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) async fn match_alerts(app: &App) -> Result<(), Error> {
    let open = app.store.open_alerts().await?;
    // All are held against one look at the incidents first: nearly always nothing changes, and however many alerts there are that are no
    // incident, none that is one waits behind them.
    let mut situation = app.store.incident_situation(app.now() - REOPENED_WITHIN).await?;
    let hand = hand(app, BY);
    let mut changes = 0;
    for alert in open.iter().filter(|alert| alert.state == AlertState::Firing) {
        let Some(news) = news(alert) else { continue };
        situation.has_it = situation.open.iter().find_map(|(incident, joined)| {
            let has = joined.iter().find(|one| one.alert == alert.id)?;
            Some((incident.clone(), has.clone()))
        });
        if hand.alert(&situation, &news).is_some() {
            on_alert(app, alert).await?;
            changes += 1;
        }
        if changes >= ROUND_MAX {
            break;
        }
    }
    let going_on = app.store.incident_alerts_going_on(ROUND_MAX * 10).await?;
    let is_over = |id: &&AlertId| !open.iter().any(|alert| alert.id == **id);
    for id in going_on.iter().filter(is_over).take(ROUND_MAX) {
        if let Some(alert) = app.store.alert(*id).await? {
            on_alert(app, &alert).await?;
        }
    }
    Ok(())
}

/// Takes each step whose time has come.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) async fn look_after(app: &App) -> Result<(), Error> {
    let now = app.now();
    for id in app.store.incidents_to_escalate(now, ROUND_MAX).await? {
        // What has changed since, and does not need it any more, refuses.
        if let Some(Ok(incident)) = decided(app, BY, id, |hand, incident, _| hand.escalate(incident)).await? {
            let step = incident.escalation.step;
            tracing::warn!(incident.id = %id, step, "incident {id} waits for somebody; the next ones are told");
        }
    }
    for id in app.store.incidents_to_settle(now, ROUND_MAX).await? {
        let settled = decided(app, BY, id, |hand, incident, alerts| hand.settle(incident, alerts)).await?;
        if let Some(Ok(incident)) = settled {
            tracing::info!(incident.id = %incident.id, "incident {} is over by itself", incident.id);
        }
    }
    // By what the rows say, not by what this process has just done: whoever ended it may be gone before it is measured. One that was over
    // before has its postmortem already, which is to know of this end, too.
    let since = now - WRITTEN_UP_WITHIN;
    for id in app.store.incidents_to_measure(since, now, COMPLETE_AFTER, ROUND_MAX).await? {
        // Looked at again: one that goes on once more is measured when that is over.
        let incident = app.store.incident(id).await?.filter(|incident| !incident.is_open());
        // One that cannot be measured now does not keep others waiting, and is tried again.
        if let Some(incident) = incident
            && let Err(error) = writings::measure(app, BY, &incident).await
        {
            tracing::warn!(incident.id = %id, "the postmortem of incident {id} is not measured yet: {}", chain(&error));
        }
    }
    for item in app.store.untold_action_items(now.date(), ROUND_MAX).await? {
        tell_overdue(app, item).await?;
    }
    Ok(())
}

async fn tell_overdue(app: &App, item: ActionItem) -> Result<(), Error> {
    let now = app.now();
    let owner = match item.owner {
        None => "nobody has taken it on".to_owned(),
        Some(id) => {
            let known = service::addresses(app, vec![id]).await?;
            format!("its owner is {}", known.get(&id).cloned().unwrap_or_else(|| id.to_string()))
        }
    };
    let (id, incident, due) = (item.id, item.incident, item.due);
    let url = format!("{}/admin/incidents/{incident}", app.settings.public_url);
    let notification = NewNotification {
        id: NotificationId::new(now, &*app.random),
        dedup: format!("action_item:{id}:overdue:{due}"),
        target: Target::Route(Severity::Minor.as_str().to_owned()),
        severity: Severity::Minor,
        subject: format!("Overdue since {due}: {}", item.text),
        body: format!(
            "An action item of incident {incident} was to be done until {due}, and {owner}:\n\n{}\n\n{url}\n",
            item.text
        ),
        data: json!({ "type": "action_item.overdue", "event": "action_item_overdue", "item": id, "incident": incident, "due": due, "owner": item.owner, "url": url }),
        at: now,
    };
    app.store.tell_action_item(item, notification, now).await.map(drop)
}
