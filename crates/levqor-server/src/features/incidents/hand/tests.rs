//! What each act makes of an incident, by virtual time and without a database.

use std::{collections::BTreeSet, time::Duration};

use levqor_model::{AlertId, Secret, SeededRandom, Severity};
use levqor_store::incidents::Situation;
use proptest::prelude::*;

use super::*;
use crate::features::alerts::{Destination, DestinationKind};

fn begin() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn at(seconds: u64) -> Timestamp {
    begin() + Duration::from_secs(seconds)
}

fn hand(seconds: u64) -> Hand {
    hand_of(seconds, &["duty", "lead"], &[])
}

fn hand_of(seconds: u64, routes: &[&str], rules: &[&str]) -> Hand {
    let policy = IncidentSettings {
        routes: routes.iter().map(ToString::to_string).collect(),
        rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        ..IncidentSettings::default()
    };
    Hand {
        now: at(seconds),
        by: "user a".to_owned(),
        policy: Arc::new(policy),
        alerts: Arc::default(),
        public_url: "https://levqor.example".to_owned(),
        random: Arc::new(SeededRandom::new(seconds)),
    }
}

fn news(number: u64, rule: &str, components: &[&str]) -> News {
    News {
        alert: AlertId::new(at(number), &SeededRandom::new(number)),
        rule: rule.to_owned(),
        subject: "eu-west".to_owned(),
        severity: Severity::Critical,
        summary: "too many requests fail".to_owned(),
        components: components.iter().map(ToString::to_string).collect(),
        began_at: at(number),
        firing_at: at(number + 10),
        ended_at: None,
        silenced: false,
    }
}

/// A store of one incident after the other.
#[derive(Default)]
struct World {
    incidents: Vec<(Incident, Vec<IncidentAlert>)>,
    messages: Vec<NewNotification>,
}

impl World {
    fn keep(&mut self, act: Act) -> Incident {
        let incident = Incident { version: act.incident.version + 1, ..act.incident };
        self.messages.extend(act.notifications);
        let place = self.incidents.iter().position(|(one, _)| one.id == incident.id);
        let place = place.unwrap_or_else(|| {
            self.incidents.push((incident.clone(), Vec::new()));
            self.incidents.len() - 1
        });
        let (kept, alerts) = &mut self.incidents[place];
        *kept = incident.clone();
        for alert in act.alerts {
            alerts.retain(|one| one.alert != alert.alert);
            alerts.push(alert);
        }
        incident
    }

    fn situation(&self, alert: AlertId, since: Timestamp) -> Situation {
        let newest = |is_open: bool| {
            let mut some: Vec<_> =
                self.incidents.iter().filter(|(one, _)| one.is_open() == is_open).cloned().collect();
            some.retain(|(one, _)| is_open || one.resolved_at >= Some(since));
            some.reverse();
            some
        };
        let has_it = self.incidents.iter().rev().find_map(|(incident, alerts)| {
            Some((incident.clone(), alerts.iter().find(|one| one.alert == alert)?.clone()))
        });
        Situation { has_it, open: newest(true), over: newest(false) }
    }

    fn alert(&mut self, hand: &Hand, news: &News) -> Option<Incident> {
        let situation = self.situation(news.alert, hand.now - REOPENED_WITHIN);
        hand.alert(&situation, news).map(|act| self.keep(act))
    }

    fn ended(&mut self, hand: &Hand, news: &News) -> Option<Incident> {
        self.alert(hand, &News { ended_at: Some(hand.now), ..news.clone() })
    }
}

fn opened(world: &mut World, level: IncidentLevel) -> Incident {
    let opened = Opened {
        title: "Hooks fail".to_owned(),
        level,
        components: vec!["eu-west/hooks".to_owned()],
        text: String::new(),
        public: false,
        began_at: None,
    };
    world.keep(hand(0).open(opened))
}

#[test]
fn a_critical_alert_opens_one_incident_and_others_join_it() {
    let mut world = World::default();
    let first = world.alert(&hand(20), &news(1, "slo.availability", &["eu-west/api"])).unwrap();
    assert_eq!((first.level, first.state), (IncidentLevel::L3, IncidentState::Investigating));
    assert_eq!(first.title, "api in eu-west is disturbed");
    assert!(first.public);
    assert_eq!(first.began_at, Some(at(1)));
    assert_eq!(world.messages[0].data["type"], "incident.opened", "by which a webhook's receiver knows it");
    // Told again, nothing changes.
    assert_eq!(world.alert(&hand(21), &news(1, "slo.availability", &["eu-west/api"])), None);
    // The same part by another rule; a whole region; the same rule and subject anew.
    for (number, rule, components) in [
        (2, "probe.failed", &["eu-west/api"][..]),
        (3, "nodes.live", &["eu-west"][..]),
        (4, "slo.availability", &["eu-west/hooks"][..]),
    ] {
        let joined = world.alert(&hand(30), &news(number, rule, components)).unwrap();
        assert_eq!(joined.id, first.id, "{rule}");
    }
    assert_eq!(world.incidents[0].0.components, ["eu-west/api", "eu-west", "eu-west/hooks"]);
    // Another region is another disturbance.
    let mut other = news(5, "probe.failed", &["us-east/api"]);
    other.subject = "us-east".to_owned();
    assert_ne!(world.alert(&hand(31), &other).unwrap().id, first.id);
    assert_eq!(world.incidents.len(), 2);
}

/// All requests fail: several objectives are missed, of one rule and of another, and the component says so itself.
#[test]
fn one_outage_is_one_incident() {
    let mut world = World::default();
    let of = |number: u64, rule: &str, subject: &str, components: &[&str]| News {
        subject: subject.to_owned(),
        ..news(number, rule, components)
    };
    let first = world.alert(&hand(20), &of(1, "health.component", "eu-west/api", &["eu-west/api"])).unwrap();
    let none: &[&str] = &[];
    for (number, rule, subject, components) in [
        (2, "slo.burn", "availability", &["api"][..]),
        (3, "slo.burn", "requests", none),
        (4, "slo.policy", "error-rate/error-rate-above-target", none),
    ] {
        let joined = world.alert(&hand(20 + number), &of(number, rule, subject, components)).unwrap();
        assert_eq!(joined.id, first.id, "{rule} {subject}");
    }
    // What has nothing to do with it is another one.
    assert_ne!(world.alert(&hand(30), &of(5, "notifications.unsent", "dead", &[])).unwrap().id, first.id);
}

#[test]
fn what_is_not_critical_or_silenced_opens_nothing_but_joins() {
    let mut world = World::default();
    let major = News { severity: Severity::Major, ..news(1, "slo.latency", &["eu-west/api"]) };
    let silenced = News { silenced: true, ..news(2, "slo.availability", &["eu-west/api"]) };
    let over = News { ended_at: Some(at(9)), ..news(3, "slo.availability", &["eu-west/api"]) };
    for news in [&major, &silenced, &over] {
        assert_eq!(world.alert(&hand(20), news), None);
    }
    world.alert(&hand(21), &news(4, "probe.failed", &["eu-west/api"])).unwrap();
    for news in [&major, &silenced] {
        world.alert(&hand(22), news).unwrap();
    }
    assert_eq!(world.incidents.len(), 1);
    assert_eq!(world.incidents[0].1.len(), 3);
    // By rule it does.
    let own = hand_of(23, &[], &["jobs=l1:15"]);
    let minor = News { severity: Severity::Minor, ..news(5, "jobs.active", &[]) };
    let opened = world.alert(&own, &minor).unwrap();
    assert_eq!((opened.level, opened.settles_after), (IncidentLevel::L1, Some(Duration::from_secs(900))));
    assert_eq!(opened.title, "too many requests fail");
    assert!(!opened.public, "words of an alert are not for everybody");
}

#[test]
fn a_worse_alert_raises_the_level_and_hastens() {
    let mut world = World::default();
    let minor = hand_of(0, &[], &["jobs=l1", "tamper=l4"]);
    let first = world.alert(&minor, &news(1, "jobs.active", &["eu-west/jobs"])).unwrap();
    assert_eq!(first.level, IncidentLevel::L1);
    let later = Hand { now: at(60), ..minor };
    let raised = world.alert(&later, &news(2, "tamper.files", &["eu-west/jobs"])).unwrap();
    assert_eq!((raised.id, raised.level), (first.id, IncidentLevel::L4));
    assert_eq!(raised.escalation.next_at, Some(at(60 + 300)));
    let last = world.messages.last().unwrap();
    assert_eq!(
        (last.severity, last.subject.as_str()),
        (Severity::Critical, "[L4] jobs in eu-west is disturbed: raised")
    );
}

#[test]
fn the_end_goes_to_whoever_was_told_that_it_goes_on() {
    let destination = |name: &str| Destination {
        name: name.to_owned(),
        kind: DestinationKind::Chat { url: Secret::new("https://hooks.example/") },
    };
    let with = |seconds: u64, names: &[&str]| Hand {
        alerts: Arc::new(AlertSettings {
            destinations: names.iter().copied().map(destination).collect(),
            routes: [("minor", "team"), ("critical", "pager")]
                .map(|(route, name)| (route.to_owned(), vec![name.to_owned()]))
                .into(),
        }),
        ..hand(seconds)
    };
    let all = |seconds: u64| with(seconds, &["team", "pager", "duty", "chat"]);
    let told =
        |act: &Act| act.notifications.iter().map(|one| one.target.words()).collect::<Vec<_>>().join(" ");
    let mut world = World::default();
    let act = all(0).open(Opened {
        title: "Hooks fail".to_owned(),
        level: IncidentLevel::L1,
        components: Vec::new(),
        text: String::new(),
        public: false,
        began_at: None,
    });
    assert_eq!(told(&act), "route:minor");
    let opened = world.keep(act);
    let hour = 60 * 60;
    let act = all(4 * hour).escalate(opened).unwrap();
    assert_eq!(told(&act), "route:duty");
    let escalated = world.keep(act);
    let level = |level| Update { level: Some(level), ..Update::default() };
    let seen = escalated.version;
    let act = all(5 * hour).update(escalated, seen, level(IncidentLevel::L4)).unwrap();
    assert_eq!(told(&act), "route:critical");
    let raised = world.keep(act);
    let seen = raised.version;
    let lowered = world.keep(all(6 * hour).update(raised, seen, level(IncidentLevel::L2)).unwrap());
    let over = |hand: &Hand, incident: &Incident| {
        hand.resolve(incident.clone(), &[], incident.version, "mended".to_owned(), false).unwrap()
    };
    let act = over(&all(7 * hour), &lowered);
    assert_eq!(told(&act), "destination:team destination:duty destination:pager", "and not all of major");
    assert!(act.notifications.iter().all(|one| one.data["type"] == "incident.resolved"));
    // Who is not configured any more cannot be told; when none of them is, others are.
    assert_eq!(told(&over(&with(7 * hour, &["pager", "chat"]), &lowered)), "destination:pager");
    assert_eq!(told(&over(&with(7 * hour, &["chat"]), &lowered)), "route:major");
    // Of the end of what goes on after all only those hear who were told that it does.
    let resolved = world.keep(act);
    let seen = resolved.version;
    let act = all(8 * hour).reopen(resolved, seen, String::new(), false).unwrap();
    assert_eq!(told(&act), "route:major");
    let reopened = world.keep(act);
    let shown: Vec<_> = reopened.heard_by.iter().map(Target::words).collect();
    assert_eq!(shown, ["destination:team", "destination:pager", "destination:duty", "destination:chat"]);
}

#[test]
fn an_incident_is_over_only_when_its_alerts_are() {
    let mut world = World::default();
    let (one, two) =
        (news(1, "slo.availability", &["eu-west/api"]), news(2, "probe.failed", &["eu-west/api"]));
    world.alert(&hand(20), &one).unwrap();
    let joined = world.alert(&hand(21), &two).unwrap();
    let resolve = |world: &World, hand: &Hand| {
        let (incident, alerts) = world.incidents[0].clone();
        let seen = incident.version;
        hand.resolve(incident, &alerts, seen, "restarted".to_owned(), false)
    };
    assert!(matches!(resolve(&world, &hand(22)), Err(Refusal::Alerts(alerts)) if alerts.len() == 2));
    let half = world.ended(&hand(23), &one).unwrap();
    assert_eq!(half.state, IncidentState::Investigating);
    assert!(matches!(resolve(&world, &hand(24)), Err(Refusal::Alerts(alerts)) if alerts.len() == 1));
    let calm = world.ended(&hand(25), &two).unwrap();
    assert_eq!((calm.id, calm.state, calm.settles_at), (joined.id, IncidentState::Monitoring, None));
    let (calm_incident, alerts) = world.incidents[0].clone();
    // By itself it is not over: no rule says so.
    assert!(matches!(hand(99_999).settle(calm_incident.clone(), &alerts), Err(Refusal::Done(_))));
    let moved = hand(30).resolve(calm_incident, &alerts, calm.version - 1, String::new(), false);
    assert!(matches!(moved, Err(Refusal::Moved(_))));
    let resolved = resolve(&world, &hand(31)).map(|act| world.keep(act)).unwrap();
    assert_eq!((resolved.state, resolved.resolved_at), (IncidentState::Resolved, Some(at(31))));
    assert_eq!(resolved.acknowledged_by.as_deref(), Some("user a"), "who ends it has dealt with it");
    assert_eq!(resolved.escalation, Escalation::default());
    let again = resolve(&world, &hand(32));
    assert!(matches!(again, Err(Refusal::Resolved(_))), "{again:?}");

    // Soon after it is the same disturbance, long after another one.
    let back = world.alert(&hand(31 + 1_799), &news(50, "slo.availability", &["eu-west/api"])).unwrap();
    assert_eq!((back.id, back.reopened, back.acknowledged_at), (resolved.id, 1, None));
    assert_eq!(back.escalation.waits_for, Some(Wait::Acknowledgement));
    world.ended(&hand(31 + 1_800), &news(50, "slo.availability", &["eu-west/api"])).unwrap();
    resolve(&world, &hand(31 + 1_800)).map(|act| world.keep(act)).unwrap();
    let other =
        world.alert(&hand(31 + 1_800 + 1_801), &news(60, "slo.availability", &["eu-west/api"])).unwrap();
    assert_ne!(other.id, resolved.id);
}

#[test]
fn by_rule_it_is_over_by_itself_and_nobody_is_said_to_have_acknowledged_it() {
    let mut world = World::default();
    let own = |seconds| hand_of(seconds, &[], &["probe=l2:15"]);
    let one = news(1, "probe.failed", &["eu-west/api"]);
    world.alert(&own(20), &one).unwrap();
    let calm = world.ended(&own(100), &one).unwrap();
    assert_eq!(calm.settles_at, Some(at(1_000)));
    let settle = |world: &World, seconds: u64| {
        let (incident, alerts) = world.incidents[0].clone();
        own(seconds).settle(incident, &alerts)
    };
    assert!(matches!(settle(&world, 999), Err(Refusal::Done(_))));
    // A new alert: it waits no more.
    let two = news(2, "probe.failed", &["eu-west/api"]);
    let back = world.alert(&own(500), &two).unwrap();
    assert_eq!((back.settles_at, back.state), (None, IncidentState::Investigating));
    world.ended(&own(600), &two).unwrap();
    let resolved = settle(&world, 1_500).map(|act| world.keep(act)).unwrap();
    assert_eq!((resolved.resolved_at, resolved.acknowledged_at), (Some(at(1_500)), None));
}

#[test]
fn who_says_how_it_stands_deals_with_it_and_versions_are_checked() {
    let mut world = World::default();
    let incident = opened(&mut world, IncidentLevel::L3);
    let update = |text: &str| Update { text: text.to_owned(), ..Update::default() };
    let moved = hand(5).update(incident.clone(), 7, update("x")).unwrap_err();
    assert_eq!(moved, Refusal::Moved(Box::new(incident.clone())));
    let nothing = hand(5).update(incident.clone(), 1, update("")).unwrap_err();
    assert!(matches!(nothing, Refusal::Done(_)));
    let act = hand(5).update(incident.clone(), 1, update("a disk is full")).unwrap();
    let told = world.keep(act);
    assert_eq!(told.acknowledged_by.as_deref(), Some("user a"));
    assert_eq!(
        (told.escalation.waits_for, told.escalation.next_at),
        (Some(Wait::Update), Some(at(5 + 30 * 60)))
    );
    assert!(matches!(hand(6).acknowledge(told.clone()), Err(Refusal::Done(_))));
    // A level alone is no word on how it stands; a worse one is told.
    let raised = Update { level: Some(IncidentLevel::L4), ..Update::default() };
    let act = hand(10).update(told.clone(), 2, raised).unwrap();
    assert_eq!(act.entries.len(), 1);
    assert_eq!(act.entries[0].text, "level L4 critical instead of L3 high");
    assert_eq!(act.notifications.len(), 1);
    let told = world.keep(act);
    assert_eq!(told.escalation.next_at, Some(at(10 + 15 * 60)));
    assert_eq!(told.updated_at, at(5));
}

#[test]
fn what_is_for_everybody_is_announced_once() {
    let mut world = World::default();
    let incident = opened(&mut world, IncidentLevel::L3);
    let said = Update {
        text: "We have found it.".to_owned(),
        state: Some(IncidentState::Identified),
        public: true,
        ..Update::default()
    };
    let hand = hand(5);
    let act = hand.announced(hand.update(incident, 1, said).unwrap());
    assert!(act.incident.public);
    let announcement = act.announcement.clone().unwrap();
    assert_eq!(announcement.subject, "Hooks fail: identified");
    assert_eq!(announcement.parts, ["eu-west/hooks"]);
    assert_eq!(announcement.data["type"], "incident.updated");
    assert!(announcement.body.starts_with("We have found it.\n"), "{}", announcement.body);
    let told = world.keep(act);
    let noted = hand.announced(hand.note(told.clone(), "ssh to node 3".to_owned()));
    assert!(noted.announcement.is_none());
    let private = Update { text: "the disk of ada".to_owned(), ..Update::default() };
    assert!(hand.announced(hand.update(told, 2, private).unwrap()).announcement.is_none());
}

/// Lets virtual time pass to each step that is due, as a node would, and tells when whom.
fn steps(world: &mut World, until: u64) -> Vec<(u64, String)> {
    let mut told = Vec::new();
    for seconds in 0..=until {
        let incident = world.incidents[0].0.clone();
        let Ok(act) = hand(seconds).escalate(incident) else { continue };
        let who: Vec<_> =
            act.notifications.iter().map(|one| one.target.text().replace("route:", "")).collect();
        told.push((seconds / 60, who.join(" ")));
        world.keep(act);
    }
    told
}

#[test]
fn the_next_ones_are_told_when_nothing_comes() {
    let mut world = World::default();
    opened(&mut world, IncidentLevel::L4);
    assert_eq!(world.messages.len(), 1);
    let told = steps(&mut world, 3_600);
    let all = "critical duty lead";
    let expected: Vec<_> = [(5, "duty"), (10, "lead"), (15, all), (25, all), (45, all)]
        .into_iter()
        .map(|(minute, who): (u64, &str)| (minute, who.to_owned()))
        .collect();
    assert_eq!(told, expected);
    // Somebody deals with it: it waits for words, from the beginning.
    let incident = world.incidents[0].0.clone();
    world.keep(hand(3_600).acknowledge(incident).unwrap());
    let mut told = Vec::new();
    for seconds in 3_600..3_600 + 1_900 {
        let incident = world.incidents[0].0.clone();
        if let Ok(act) = hand(seconds).escalate(incident) {
            told.push((seconds - 3_600, act.notifications[0].target.text()));
            world.keep(act);
        }
    }
    assert_eq!(told, [(900, "route:duty".to_owned()), (1_800, "route:lead".to_owned())]);
    let dedups: BTreeSet<_> = world.messages.iter().map(|message| message.dedup.clone()).collect();
    assert_eq!(dedups.len(), world.messages.len(), "each message is its own");
}

#[test]
fn a_node_that_comes_back_late_takes_one_step() {
    let mut world = World::default();
    let incident = opened(&mut world, IncidentLevel::L3);
    let late = 24 * 3_600;
    let act = hand(late).escalate(incident).unwrap();
    let told = world.keep(act);
    assert_eq!(told.escalation.next_at, Some(at(late + 600)));
    assert_eq!(world.messages.last().unwrap().data["type"], "incident.escalated");
    assert!(matches!(hand(late + 599).escalate(told), Err(Refusal::Done(_))));
    assert!(
        world.messages.last().unwrap().body.contains("nobody has acknowledged it for 1 d"),
        "{:#?}",
        world.messages
    );
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Alert(u64),
    AlertEnds(u64),
    Acknowledge,
    Update(String),
    Resolve,
    Reopen,
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u64..4_000).prop_map(Step::Wait),
        (0_u64..4).prop_map(Step::Alert),
        (0_u64..4).prop_map(Step::AlertEnds),
        Just(Step::Acknowledge),
        "[a-z]{0,3}".prop_map(Step::Update),
        Just(Step::Resolve),
        Just(Step::Reopen),
        Just(Step::Look),
    ]
}

proptest! {
    /// Whatever people, alerts and time do: no incident with an alert that goes on is over, what waits has a moment for the next step,
    /// nobody is told the same twice, and each look takes one step at most.
    #[test]
    fn incidents_hold_what_they_promise(steps in prop::collection::vec(step(), 1..60)) {
        let (mut world, mut seconds) = (World::default(), 0);
        let alert = |number: u64, seconds: u64| News {
            firing_at: at(seconds),
            ..news(number, if number < 2 { "probe.failed" } else { "slo.availability" }, &["eu-west/api"])
        };
        for step in steps {
            seconds += 1;
            let hand = hand_of(seconds, &["duty"], &["probe=l2:15"]);
            let last = world.incidents.last().cloned();
            match (step, last) {
                (Step::Wait(more), _) => seconds += more,
                (Step::Alert(number), _) => { world.alert(&hand, &alert(number, seconds)); }
                (Step::AlertEnds(number), _) => {
                    let had = world.incidents.iter().rev().find_map(|(_, alerts)| {
                        alerts.iter().find(|one| one.alert == alert(number, 0).alert).cloned()
                    });
                    if let Some(had) = had {
                        let news = News { firing_at: had.firing_at, ..alert(number, seconds) };
                        world.ended(&hand, &news);
                    }
                }
                (_, None) => {}
                (Step::Acknowledge, Some((incident, _))) => {
                    if let Ok(act) = hand.acknowledge(incident) { world.keep(act); }
                }
                (Step::Update(text), Some((incident, _))) => {
                    let seen = incident.version;
                    let update = Update { text, ..Update::default() };
                    if let Ok(act) = hand.update(incident, seen, update) { world.keep(act); }
                }
                (Step::Resolve, Some((incident, alerts))) => {
                    let seen = incident.version;
                    if let Ok(act) = hand.resolve(incident, &alerts, seen, String::new(), false) { world.keep(act); }
                }
                (Step::Reopen, Some((incident, _))) => {
                    let seen = incident.version;
                    if let Ok(act) = hand.reopen(incident, seen, "x".to_owned(), false) { world.keep(act); }
                }
                (Step::Look, Some((incident, alerts))) => {
                    if let Ok(act) = hand.escalate(incident.clone()) {
                        let told = world.keep(act);
                        prop_assert!(told.escalation.next_at > Some(hand.now));
                        prop_assert!(matches!(hand.escalate(told), Err(Refusal::Done(_))));
                    } else if let Ok(act) = hand.settle(incident, &alerts) {
                        world.keep(act);
                    }
                }
            }
            for (incident, alerts) in &world.incidents {
                let goes_on = alerts.iter().any(|alert| alert.ended_at.is_none());
                prop_assert!(incident.is_open() || !goes_on, "{incident:?} {alerts:?}");
                prop_assert_eq!(incident.is_open(), incident.state != IncidentState::Resolved);
                prop_assert_eq!(incident.is_open(), incident.escalation.waits_for.is_some());
                prop_assert_eq!(incident.escalation.waits_for.is_some(), incident.escalation.next_at.is_some());
                prop_assert!(incident.settles_at.is_none() || !goes_on);
            }
            let dedups: BTreeSet<_> = world.messages.iter().map(|message| &message.dedup).collect();
            prop_assert_eq!(dedups.len(), world.messages.len());
        }
    }
}
