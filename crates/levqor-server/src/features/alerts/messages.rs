//! From what happened to what people read: one message for what happens at once, of one rule, to one route.

use std::collections::BTreeMap;

use levqor_model::{NotificationId, Severity, Timestamp};
use levqor_slo::alert::{Event, escalate_after};
use levqor_store::{
    alerts::Alert,
    notifications::{ABOUT_UNSENT, NewNotification, Target},
};
use serde_json::{Value, json};

use super::plan::{News, worst};

/// Alerts that one message names.
const NAMED_MAX: usize = 20;
/// What somebody reads who is called.
pub(in crate::features) const WHAT_TO_DO: &str = "/docs/operating#when-you-are-paged";
/// Longest subject, in characters.
const SUBJECT_CHARS_MAX: usize = 150;

/// What is grouped: who is told, what happened, and of which rule.
type Group<'a> = (&'a Target, &'static str, &'a str);

/// The messages, each with the alerts that it names. `new_id` gives ids.
pub(super) fn messages(
    news: &[News],
    public_url: &str,
    now: Timestamp,
    mut new_id: impl FnMut() -> NotificationId,
) -> Vec<NewNotification> {
    let mut groups: BTreeMap<Group<'_>, Vec<&News>> = BTreeMap::new();
    for one in news {
        for target in &one.to {
            groups.entry((target, word(one.event), one.alert.rule.as_str())).or_default().push(one);
        }
    }
    groups
        .into_iter()
        .map(|((target, word, rule), group)| message(target, word, rule, &group, public_url, now, new_id()))
        .collect()
}

const fn word(event: Event) -> &'static str {
    match event {
        Event::Raised => "worse",
        Event::Resolved => "resolved",
        Event::Kept => "reminder",
        Event::Told | Event::Fired | Event::Nothing | Event::Dropped => "firing",
    }
}

fn message(
    target: &Target,
    word: &'static str,
    rule: &str,
    group: &[&News],
    public_url: &str,
    now: Timestamp,
    id: NotificationId,
) -> NewNotification {
    let severity = worst(group);
    let first = &group[0].alert;
    let what = match group {
        [_] => first.summary.clone(),
        _ => format!("{} alerts of {rule}", group.len()),
    };
    let head = match word {
        "resolved" => "over",
        "reminder" => "still firing",
        word => word,
    };
    let subject: String = format!("[{severity}] {head}: {what}")
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(SUBJECT_CHARS_MAX)
        .collect();
    let to = target.text();
    let to = to.strip_prefix("route:").unwrap_or(&to);
    let mut dedup = format!("alert:{}:{word}:{}:{to}", first.id, first.version);
    if rule.starts_with("notifications.") {
        dedup.insert_str(0, ABOUT_UNSENT);
    }
    NewNotification {
        id,
        dedup,
        target: target.clone(),
        severity,
        subject,
        body: body(word, group, public_url),
        data: data(word, rule, severity, group, public_url),
        at: now,
    }
}

fn body(word: &str, group: &[&News], public_url: &str) -> String {
    let mut text = String::new();
    for News { alert, .. } in group.iter().take(NAMED_MAX) {
        text.push_str(&format!("{}\n", alert.summary));
        let subject = if alert.subject.is_empty() { String::new() } else { format!(" of {}", alert.subject) };
        text.push_str(&format!("  {}{subject}, {}, since {}\n", alert.rule, alert.severity, alert.began_at));
        if word != "resolved" {
            text.push_str(&format!("  levqor alerts acknowledge {}\n", alert.id));
        }
        if let (Some(ended), Some(why)) = (alert.ended_at, &alert.ending) {
            text.push_str(&format!("  over at {ended}: {why}\n"));
        }
    }
    if group.len() > NAMED_MAX {
        text.push_str(&format!("and {} more\n", group.len() - NAMED_MAX));
    }
    text.push_str(&format!("\n{public_url}/admin/alerts\n"));
    if word != "resolved" {
        text.push_str("Acknowledge it there, or by the command above.\n");
        text.push_str(&format!("What to look at, in order: {public_url}{WHAT_TO_DO}\n"));
    }
    text
}

fn data(word: &str, rule: &str, severity: Severity, group: &[&News], public_url: &str) -> Value {
    let alerts: Vec<Value> = group.iter().take(NAMED_MAX).map(|news| of(&news.alert)).collect();
    let escalation = escalate_after(severity).filter(|_| word != "resolved");
    json!({
        "type": format!("alert.{word}"),
        "rule": rule,
        "severity": severity,
        "alerts": alerts,
        "alerts_total": group.len(),
        "url": format!("{public_url}/admin/alerts"),
        // A hint: whoever has not acknowledged it by then may not have seen it.
        "escalate_after_seconds": escalation.map(|span| span.as_secs()),
    })
}

/// An alert, for programs.
fn of(alert: &Alert) -> Value {
    json!({
        "id": alert.id, "rule": alert.rule, "subject": alert.subject, "severity": alert.severity, "state": alert.state,
        "summary": alert.summary, "details": alert.details, "began_at": alert.began_at, "firing_at": alert.firing_at,
        "ended_at": alert.ended_at, "ending": alert.ending,
    })
}

#[cfg(test)]
mod tests {
    use levqor_model::{AlertId, AlertState, SeededRandom};

    use super::*;
    use crate::{features::docs::service::GUIDES, pages::markdown::anchor};

    const NOW: Timestamp = Timestamp::from_seconds(1_795_500_000);

    fn news(rule: &str, subject: &str, severity: Severity, event: Event, routes: &[&str]) -> News {
        let ended = event == Event::Resolved;
        let routes = if routes.is_empty() { vec![severity.as_str()] } else { routes.to_vec() };
        let number = subject.bytes().map(u64::from).sum();
        News {
            alert: Alert {
                id: AlertId::new(NOW, &SeededRandom::new(number)),
                rule: rule.to_owned(),
                subject: subject.to_owned(),
                source: "test".to_owned(),
                severity,
                state: if ended { AlertState::Resolved } else { AlertState::Firing },
                summary: format!("{subject} is\nlost"),
                details: json!({ "a": 1 }),
                began_at: NOW,
                firing_at: Some(NOW),
                ended_at: ended.then_some(NOW),
                seen_at: NOW,
                held_us: 0,
                flaps: 0,
                told: true,
                heard: true,
                heard_by: Vec::new(),
                silence: None,
                ending: ended.then(|| "it holds again".to_owned()),
                acknowledged: None,
                version: 3,
            },
            event,
            to: routes.into_iter().map(|route| Target::Route(route.to_owned())).collect(),
        }
    }

    fn written(news: &[News]) -> Vec<NewNotification> {
        let random = SeededRandom::new(1);
        messages(news, "https://levqor.example", NOW, || NotificationId::new(NOW, &random))
    }

    #[test]
    fn what_happens_at_once_is_one_message() {
        let mut all: Vec<_> = (0..30)
            .map(|number| news("nodes.lost", &format!("n{number}"), Severity::Major, Event::Fired, &[]))
            .collect();
        all.push(news("disk.free", "", Severity::Critical, Event::Fired, &[]));
        all.push(news("disk.free", "", Severity::Critical, Event::Resolved, &["pager", "chat"]));
        let written = written(&all);
        let shown: Vec<_> =
            written.iter().map(|message| format!("{} {}", message.target.text(), message.subject)).collect();
        assert_eq!(
            shown,
            [
                "route:chat [critical] over:  is lost",
                "route:critical [critical] firing:  is lost",
                "route:major [major] firing: 30 alerts of nodes.lost",
                "route:pager [critical] over:  is lost",
            ]
        );
        let many = &written[2];
        assert!(
            many.body.contains("and 10 more") && many.body.contains("https://levqor.example/admin/alerts")
        );
        assert_eq!(many.data["alerts"].as_array().unwrap().len(), 20);
        assert_eq!(
            (many.data["alerts_total"].as_u64(), many.data["type"].as_str()),
            (Some(30), Some("alert.firing"))
        );
        assert_eq!(many.data["escalate_after_seconds"], 3_600);
        assert!(written[0].body.contains("it holds again") && !written[0].body.contains("Acknowledge"));
        let mut dedups: Vec<_> = written.iter().map(|message| message.dedup.clone()).collect();
        dedups.dedup();
        assert_eq!(dedups.len(), 4);
    }

    /// It was bad in several ways, and each of those who hear that it is over hears it once.
    #[test]
    fn what_is_over_for_somebody_is_one_message() {
        let to = |name: &str| vec![Target::Destination(name.to_owned())];
        let over = |subject: &str, severity: Severity, name: &str| News {
            to: to(name),
            ..news("nodes.lost", subject, severity, Event::Resolved, &[])
        };
        let written = written(&[
            over("a", Severity::Major, "team"),
            over("b", Severity::Critical, "team"),
            // A route that is called like a destination is something else.
            news("nodes.lost", "a", Severity::Major, Event::Resolved, &["team"]),
        ]);
        let shown: Vec<_> =
            written.iter().map(|it| format!("{} {}", it.target.words(), it.subject)).collect();
        assert_eq!(
            shown,
            [
                "route:team [major] over: a is lost",
                "destination:team [critical] over: 2 alerts of nodes.lost"
            ]
        );
        assert_ne!(written[0].dedup, written[1].dedup);
    }

    #[test]
    fn a_reminder_says_that_it_is_one() {
        let written = written(&[news("disk.free", "a", Severity::Major, Event::Kept, &[])]);
        assert_eq!(written[0].subject, "[major] still firing: a is lost");
        assert_eq!(written[0].data["type"], "alert.reminder");
        let body = &written[0].body;
        assert!(body.contains("Acknowledge it") && body.contains("levqor alerts acknowledge alr_"), "{body}");
        assert!(body.contains("https://levqor.example/docs/operating#when-you-are-paged"), "{body}");
    }

    #[test]
    fn who_is_called_is_sent_to_a_place_that_is_there() {
        let (page, place) = WHAT_TO_DO.split_once('#').unwrap();
        let guide = GUIDES.iter().find(|guide| page == format!("/docs/{}", guide.slug)).unwrap();
        let headings = guide.markdown.lines().filter_map(|line| line.strip_prefix("## "));
        assert!(headings.map(anchor).any(|anchor| anchor == place), "{WHAT_TO_DO}");
    }

    #[test]
    fn what_is_about_unsent_messages_is_not_counted_as_one() {
        let written = written(&[news("notifications.unsent", "dead", Severity::Critical, Event::Fired, &[])]);
        assert!(written[0].dedup.starts_with("unsent:alert:alr_"), "{}", written[0].dedup);
    }
}
