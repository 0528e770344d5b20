//! One look at everything, every two seconds, by one node.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use levqor_model::{AlertId, AlertState, NotificationId};
use levqor_slo::{Silencing, alert::Before};
use levqor_store::{
    Error,
    alerts::{Alert, AlertStep, Silence},
};

use super::{
    hooks,
    messages::messages,
    plan::{Known, beginning, flatten, plan},
    sources,
};
use crate::App;

/// Things whose last alert is looked up in one round.
const LOOKED_UP_MAX: usize = 100;

#[derive(Debug, Default)]
struct Memory {
    /// Held during a look.
    looking: tokio::sync::Mutex<Told>,
}

/// Firing alerts that the hooks know of, each as bad as it was then.
#[derive(Debug, Default)]
struct Told {
    known: HashSet<(AlertId, &'static str)>,
}

/// Looks, and changes what is to change. When another node has changed something meanwhile, nothing happens; the next look sees it.
///
/// # Errors
/// When the store cannot be asked.
pub async fn look(app: &App) -> Result<(), Error> {
    let memory: Arc<Memory> = app.memory(|_| Memory::default());
    let Ok(mut told) = memory.looking.try_lock() else { return Ok(()) };
    let answers = sources::gather(app).await;
    let now = app.now();
    let open = app.store.open_alerts().await?;
    let silences: Vec<_> = app.store.silences(now).await?.into_iter().filter_map(typed).collect();
    let said = flatten(&answers);
    let mut before: BTreeMap<(String, String), Before> = BTreeMap::new();
    for key in beginning(&said, &open).into_iter().take(LOOKED_UP_MAX) {
        if let Some(last) = app.store.last_alert(key.0.clone(), key.1.clone()).await?
            && let Some(ended_at) = last.ended_at
        {
            before.insert(key, Before { ended_at, flaps: last.flaps });
        }
    }
    let settings = &app.settings.alerts;
    let known = Known { open: &open, silences: &silences, before: &before, settings, now };
    let made = plan(&answers, &said, &known, || AlertId::new(now, &*app.random));
    if made.left_out > 0 {
        tracing::error!("{} more things fail than alerts may be open; they are left out", made.left_out);
    }
    let news = messages(&made.news, &app.settings.public_url, now, || NotificationId::new(now, &*app.random));
    if !made.moves.is_empty() {
        let moves = made.moves.clone();
        if !app.store.move_alerts(moves, news).await? {
            tracing::debug!("alerts were changed elsewhere; looking again");
            return Ok(());
        }
    }
    tell_hooks(app, &mut told, &open, &made.moves).await;
    Ok(())
}

/// Tells the hooks of what changed, and once of what fired before this process looked.
async fn tell_hooks(app: &App, told: &mut Told, open: &[Alert], moves: &[levqor_store::alerts::AlertMove]) {
    let mut now: BTreeMap<AlertId, &Alert> = open.iter().map(|alert| (alert.id, alert)).collect();
    let mut over: Vec<&Alert> = Vec::new();
    for one in moves {
        match one.step {
            AlertStep::Resolved => {
                now.remove(&one.alert.id);
                over.push(&one.alert);
            }
            AlertStep::Dropped => {
                now.remove(&one.alert.id);
            }
            _ => {
                now.insert(one.alert.id, &one.alert);
            }
        }
    }
    let firing: Vec<&Alert> = now.into_values().filter(|alert| alert.state == AlertState::Firing).collect();
    for alert in &firing {
        if told.known.insert((alert.id, alert.severity.as_str())) {
            hooks::after(app, alert).await;
        }
    }
    for alert in over {
        hooks::after(app, alert).await;
    }
    told.known.retain(|(id, _)| firing.iter().any(|alert| alert.id == *id));
}

/// None: it was kept by another version, and is about nothing that is known here.
pub(super) fn typed(silence: Silence) -> Option<(levqor_model::SilenceId, Silencing)> {
    let matchers = serde_json::from_value(silence.matchers).ok()?;
    Some((silence.id, Silencing { matchers, begins_at: silence.begins_at, ends_at: silence.ends_at }))
}
