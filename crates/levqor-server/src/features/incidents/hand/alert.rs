//! What alerts make of incidents: they open one, join one, or say that theirs is over.

use std::time::Duration;

use levqor_model::{AlertId, IncidentState, Severity, Timestamp};
use levqor_store::incidents::{Act, EntryKind, Incident, IncidentAlert, Situation, Wait};
use serde_json::{Value, json};

use super::{Hand, Opened, clock};

/// An alert that comes back so soon after its incident was over is the same disturbance.
pub(in super::super) const REOPENED_WITHIN: Duration = Duration::from_secs(30 * 60);
/// Open incidents from which on alerts open no more of them: more would hide what is wrong.
const OPEN_BY_ALERTS_MAX: usize = 50;
/// Alerts of one incident; more are not joined.
const ALERTS_MAX: usize = 500;
/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 200;
/// Parts that one alert may name.
const COMPONENTS_MAX: usize = 50;

/// An alert, as far as it matters to incidents.
#[derive(Debug, Clone)]
pub(in super::super) struct News {
    pub alert: AlertId,
    pub rule: String,
    pub subject: String,
    pub severity: Severity,
    pub summary: String,
    pub components: Vec<String>,
    pub began_at: Timestamp,
    pub firing_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Somebody has said beforehand that nobody is to be told.
    pub silenced: bool,
}

impl News {
    /// What an alert is about: `components`, or `region` and `component` of its details.
    pub(in super::super) fn components(details: &Value) -> Vec<String> {
        let text = |name: &str| details[name].as_str().filter(|text| !text.is_empty());
        if let Some(list) = details["components"].as_array() {
            let texts = list.iter().filter_map(Value::as_str);
            return texts.take(COMPONENTS_MAX).map(str::to_owned).collect();
        }
        match (text("region"), text("component")) {
            (Some(region), Some(component)) => vec![format!("{region}/{component}")],
            (Some(one), None) | (None, Some(one)) => vec![one.to_owned()],
            (None, None) => Vec::new(),
        }
    }

    fn joined(&self, now: Timestamp) -> IncidentAlert {
        IncidentAlert {
            alert: self.alert,
            rule: self.rule.clone(),
            subject: self.subject.clone(),
            severity: self.severity,
            summary: self.summary.clone(),
            began_at: self.began_at,
            firing_at: self.firing_at,
            ended_at: self.ended_at,
            joined_at: now,
        }
    }

    fn is_cause_of(&self, alert: &IncidentAlert) -> bool {
        if self.components.is_empty() {
            return alert.rule == self.rule || (is_of_objective(&alert.rule) && is_of_objective(&self.rule));
        }
        alert.rule == self.rule && alert.subject == self.subject
    }

    /// Whether an open incident is about this, too.
    fn belongs_to(&self, incident: &Incident, alerts: &[IncidentAlert]) -> bool {
        let shares = |one: &String| incident.components.iter().any(|other| overlap(one, other));
        alerts.iter().any(|alert| self.is_cause_of(alert)) || self.components.iter().any(shares)
    }
}

/// Objectives measure the same platform from several sides: that some of them are missed at once is one disturbance.
fn is_of_objective(rule: &str) -> bool {
    rule.starts_with("slo.")
}

/// `eu-west` and `api` are parts of `eu-west/api`.
fn overlap(one: &str, other: &str) -> bool {
    let is_part = |small: &str, large: &str| large.split('/').any(|part| part == small);
    one == other || is_part(one, other) || is_part(other, one)
}

impl Hand {
    /// None: it changes nothing.
    pub(in super::super) fn alert(&self, situation: &Situation, news: &News) -> Option<Act> {
        let Situation { has_it, open, over } = situation;
        if let Some((incident, joined)) = has_it {
            let place = open.iter().find(|(one, _)| one.id == incident.id);
            return match (place, news.ended_at, joined.ended_at) {
                (Some((incident, alerts)), Some(_), None) => {
                    Some(self.ended(incident.clone(), alerts, news, joined.clone()))
                }
                // What is over is over, unless it began again later.
                (Some(_), None, Some(ended)) if news.firing_at <= ended => None,
                (Some(_), None, Some(_)) => Some(self.join(incident.clone(), news)),
                (Some(_), None, None) if joined.severity != news.severity => {
                    Some(self.join(incident.clone(), news))
                }
                (None, None, Some(ended)) if news.firing_at > ended => {
                    (!news.silenced).then(|| self.again(incident.clone(), news))
                }
                _ => None,
            };
        }
        if news.ended_at.is_some() {
            return None;
        }
        let fits = open.iter().find(|(incident, alerts)| news.belongs_to(incident, alerts));
        if let Some((incident, alerts)) = fits {
            return (alerts.len() < ALERTS_MAX).then(|| self.join(incident.clone(), news));
        }
        let opening = self.policy.of_alert(&news.rule, news.severity).filter(|_| !news.silenced)?;
        let since = self.now - REOPENED_WITHIN;
        let before = over.iter().find(|(incident, alerts)| {
            incident.resolved_at.is_some_and(|at| at >= since)
                && alerts.len() < ALERTS_MAX
                && alerts.iter().any(|alert| alert.rule == news.rule && alert.subject == news.subject)
        });
        if let Some((incident, _)) = before {
            return Some(self.again(incident.clone(), news));
        }
        if open.len() >= OPEN_BY_ALERTS_MAX {
            let newest = open.iter().find(|(_, alerts)| alerts.len() < ALERTS_MAX);
            return newest.map(|(incident, _)| self.join(incident.clone(), news));
        }
        let act = self.open(Opened {
            title: title(news),
            level: opening.level,
            components: news.components.clone(),
            text: first_words(news),
            public: !news.components.is_empty(),
            began_at: Some(news.began_at),
        });
        let incident = Incident { settles_after: opening.settles_after, ..act.incident };
        Some(Act { incident, alerts: vec![news.joined(self.now)], ..act })
    }

    /// It goes on, or it is a further alert of an open incident.
    fn join(&self, mut incident: Incident, news: &News) -> Act {
        let level = self.policy.of_alert(&news.rule, news.severity).map(|opening| opening.level);
        let worse = level.filter(|level| *level > incident.level);
        incident.level = worse.unwrap_or(incident.level);
        for component in &news.components {
            if !incident.components.contains(component) && incident.components.len() < COMPONENTS_MAX {
                incident.components.push(component.clone());
            }
        }
        incident.began_at = Some(incident.began_at.map_or(news.began_at, |at| at.min(news.began_at)));
        if incident.settles_at.take().is_some() || incident.state == IncidentState::Monitoring {
            incident.state = IncidentState::Investigating;
        }
        let mut act = Act {
            alerts: vec![news.joined(self.now)],
            ..self.act(incident, "incident.alert_joined", about(news))
        };
        if worse.is_some() {
            let text = format!("level {} by the alert {}", act.incident.level.title(), news.rule);
            let message = self.tell(&mut act.incident, "raised", &news.summary);
            act.notifications.push(message);
            act.entries.push(self.entry(EntryKind::Changed, text, false));
            self.hasten(&mut act.incident);
        }
        act
    }

    /// The same disturbance, soon after it was over.
    fn again(&self, mut incident: Incident, news: &News) -> Act {
        self.reopened(&mut incident);
        let act = self.join(incident, news);
        let mut incident = act.incident.clone();
        self.wait_for(&mut incident, Some(Wait::Acknowledgement));
        let message = self.tell(&mut incident, "reopened", &news.summary);
        let text = if incident.public { "It is disturbed again.".to_owned() } else { news.summary.clone() };
        let mut entries = act.entries.clone();
        entries.push(self.entry(EntryKind::Reopened, text, incident.public));
        Act { incident, entries, notifications: vec![message], kind: "incident.reopened", ..act }
    }

    /// One of its alerts is over, and it may be the last one.
    fn ended(
        &self,
        mut incident: Incident,
        alerts: &[IncidentAlert],
        news: &News,
        joined: IncidentAlert,
    ) -> Act {
        let is_last = alerts.iter().all(|alert| alert.alert == news.alert || alert.ended_at.is_some());
        let mut entries = Vec::new();
        if is_last {
            incident.state = incident.state.max(IncidentState::Monitoring);
            incident.settles_at = incident.settles_after.map(|time| self.now + time);
            let text = match incident.settles_at {
                Some(at) => format!("all alerts are over; without a new one it is resolved at {}", clock(at)),
                None => "all alerts are over; it is for people to say that it is resolved".to_owned(),
            };
            entries.push(self.entry(EntryKind::Calm, text, false));
        }
        Act {
            alerts: vec![IncidentAlert { ended_at: news.ended_at, summary: news.summary.clone(), ..joined }],
            entries,
            ..self.act(incident, "incident.alert_ended", about(news))
        }
    }
}

fn about(news: &News) -> Value {
    json!({ "alert": news.alert, "rule": news.rule, "subject": news.subject, "severity": news.severity })
}

/// What everybody may read, when it is about parts that everybody knows; the alert's own words otherwise.
fn title(news: &News) -> String {
    if !news.components.is_empty() {
        return format!("{} is disturbed", named(news)).chars().take(TITLE_CHARS_MAX).collect();
    }
    let words: String =
        news.summary.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let words = words.trim();
    if words.is_empty() {
        return format!("{} {}", news.rule, news.subject).trim().chars().take(TITLE_CHARS_MAX).collect();
    }
    words.chars().take(TITLE_CHARS_MAX).collect()
}

fn first_words(news: &News) -> String {
    if news.components.is_empty() {
        return news.summary.clone();
    }
    format!("{} is disturbed since {}. We are looking into it.", named(news), clock(news.began_at))
}

/// `api in eu-west, hooks`.
fn named(news: &News) -> String {
    let words = news.components.iter().map(|component| match component.split_once('/') {
        Some((region, part)) => format!("{part} in {region}"),
        None => component.clone(),
    });
    words.collect::<Vec<_>>().join(", ")
}
