//! What happens when nothing comes: the next ones are told.

use levqor_store::{
    incidents::{Act, EntryKind, Escalation, Incident, Wait},
    notifications::Target,
};
use serde_json::json;

use super::{Hand, Refusal, clock};
use crate::pages::duration_words;

impl Hand {
    /// Takes the next step when its time has come. However late that is, it is one step, and the next one is as far away as always: a
    /// node that comes back does not tell everybody at once.
    pub(in super::super) fn escalate(&self, mut incident: Incident) -> Result<Act, Refusal> {
        let Escalation { waits_for, step, next_at } = incident.escalation.clone();
        let (Some(wait), Some(due)) = (waits_for, next_at) else {
            return Err(Refusal::Done(Box::new(incident)));
        };
        if due > self.now || !incident.is_open() {
            return Err(Refusal::Done(Box::new(incident)));
        }
        let step = step.saturating_add(1);
        let next_at = Some(self.now + self.policy.pause(incident.level, wait, step));
        incident.escalation = Escalation { waits_for, step, next_at };
        let since = match wait {
            Wait::Acknowledgement => incident.opened_at,
            Wait::Update => incident.updated_at.max(incident.acknowledged_at.unwrap_or(incident.opened_at)),
        };
        let missing = match wait {
            Wait::Acknowledgement => "nobody has acknowledged it",
            Wait::Update => "nobody has said how it stands",
        };
        let passed = duration_words(self.now.since(since));
        let words = format!(
            "The incident \"{}\" ({}) needs somebody: {missing} for {passed}, since {}.",
            incident.title,
            incident.level.title(),
            clock(since)
        );
        let routes = self.policy.told_by(incident.level, step);
        self.hears(&mut incident, &routes);
        let targets: Vec<_> = routes.iter().cloned().map(Target::Route).collect();
        let what = match wait {
            Wait::Acknowledgement => format!("not acknowledged ({step})"),
            Wait::Update => format!("no update ({step})"),
        };
        let data = json!({ "type": "incident.escalated", "event": "escalated", "waits_for": wait.as_str(), "step": step });
        let notifications = targets
            .iter()
            .map(|target| self.notification(&incident, target, &what, &words, data.clone()))
            .collect();
        let text = format!("{missing} for {passed}; told: {}", routes.join(", "));
        let details = json!({ "waits_for": wait.as_str(), "step": step, "told": routes });
        Ok(Act {
            entries: vec![self.entry(EntryKind::Escalated, text, false)],
            notifications,
            ..self.act(incident, "incident.escalated", details)
        })
    }
}
