//! Looks in virtual time, through the plan alone.

use std::time::Duration;

use levqor_model::SeededRandom;
use levqor_slo::{Matcher, MatcherField, alert::Patience};
use serde_json::json;

use super::*;
use crate::features::alerts::settings::{Destination, DestinationKind};

const NOW: Timestamp = Timestamp::from_seconds(1_795_500_000);

fn at(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn said(rule: &str, subject: &str, verdict: Verdict) -> Said {
    Said::of(Condition {
        rule: rule.to_owned(),
        subject: subject.to_owned(),
        verdict,
        severity: Severity::Major,
        summary: format!("{rule} of {subject}"),
        details: json!({}),
    })
    .patient(Patience { fire_after: Duration::from_secs(10), clear_after: Duration::from_secs(10) })
}

/// Alerts as a store would have them, moved on look by look.
#[derive(Default)]
struct World {
    open: Vec<Alert>,
    ended: Vec<Alert>,
    silences: Vec<(SilenceId, Silencing)>,
    settings: AlertSettings,
    told: Vec<String>,
    /// To whom each of these went.
    told_to: Vec<String>,
    writes: usize,
}

impl World {
    fn look(&mut self, seconds: u64, answers: &[Answer]) {
        let said = flatten(answers);
        let before = self
            .ended
            .iter()
            .map(|alert| {
                let before = Before { ended_at: alert.ended_at.unwrap(), flaps: alert.flaps };
                ((alert.rule.clone(), alert.subject.clone()), before)
            })
            .collect();
        let random = SeededRandom::new(seconds + 1);
        let known = Known {
            open: &self.open,
            silences: &self.silences,
            before: &before,
            settings: &self.settings,
            now: at(seconds),
        };
        let plan = plan(answers, &said, &known, || AlertId::new(at(seconds), &random));
        self.writes += plan.moves.len();
        for AlertMove { alert, was, step } in plan.moves {
            let place = self.open.iter().position(|open| open.id == alert.id);
            assert_eq!(place.map(|place| self.open[place].version), was);
            if let Some(place) = place {
                self.open.remove(place);
            }
            if alert.state.is_open() && step != AlertStep::Dropped {
                self.open.push(alert);
            } else if step != AlertStep::Dropped {
                self.ended.push(alert);
            }
        }
        let to = |news: &News| news.to.iter().map(Target::words).collect::<Vec<_>>().join(" ");
        self.told_to.extend(plan.news.iter().map(|news| format!("{seconds} {}", to(news))));
        let news = plan.news.iter();
        self.told.extend(
            news.map(|news| format!("{seconds} {:?} {}/{}", news.event, news.alert.rule, news.alert.subject)),
        );
    }

    fn says(&mut self, seconds: u64, all: &[Said]) {
        self.look(seconds, &[Answer { source: "test", said: Ok(all.to_vec()) }]);
    }
}

#[test]
fn an_alert_lives_and_is_told_twice() {
    let mut world = World::default();
    for seconds in (0..40).step_by(2) {
        let verdict = if seconds < 20 { Verdict::Fails } else { Verdict::Holds };
        world.says(seconds, &[said("nodes.full", "a", verdict)]);
    }
    assert_eq!(world.told, ["10 Fired nodes.full/a", "30 Resolved nodes.full/a"]);
    assert_eq!(world.ended[0].ending.as_deref(), Some("it holds again"));
    assert_eq!((world.ended[0].began_at, world.ended[0].firing_at), (at(0), Some(at(10))));
    // Nothing is written while it only goes on firing.
    assert!(world.writes <= 14, "{}", world.writes);
}

/// A source may know that it began before it could be seen.
#[test]
fn an_alert_began_when_its_source_says() {
    let began = |world: &World| world.open.iter().map(|alert| alert.began_at).collect::<Vec<_>>();
    let fails = |since: u64| said("nodes.full", "a", Verdict::Fails).since(at(since));
    let mut world = World::default();
    for seconds in (100..120).step_by(2) {
        // A clock of somebody else's may be ahead.
        world.says(seconds, &[fails(94), said("nodes.full", "b", Verdict::Fails).since(at(500))]);
    }
    assert_eq!(began(&world), [at(94), at(100)]);
    assert_eq!(world.open[0].firing_at, Some(at(110)));
    for seconds in (120..140).step_by(2) {
        world.says(
            seconds,
            &[said("nodes.full", "a", Verdict::Holds), said("nodes.full", "b", Verdict::Holds)],
        );
    }
    assert_eq!(began(&world), []);
    let over = world.ended[0].ended_at.unwrap();
    // In between it held.
    world.says(150, &[fails(94)]);
    assert_eq!(began(&world), [over]);
}

#[test]
fn what_is_unknown_is_an_alert_of_its_own() {
    let mut world = World::default();
    for seconds in (0..200).step_by(10) {
        world.says(seconds, &[said("nodes.full", "a", Verdict::Unknown)]);
    }
    assert_eq!(world.told, ["60 Fired nodes.full.unknown/a"]);
    assert_eq!(world.open[0].severity, Severity::Minor);
    // And none where that is not asked for.
    let mut world = World::default();
    for seconds in (0..200).step_by(10) {
        world.says(seconds, &[said("nodes.full", "a", Verdict::Unknown).quiet_when_unknown()]);
    }
    assert_eq!(world.told, Vec::<String>::new());
}

#[test]
fn what_is_gone_is_over_and_a_source_that_does_not_answer_ends_nothing() {
    let mut world = World::default();
    for seconds in (0..20).step_by(2) {
        world.says(seconds, &[said("nodes.full", "a", Verdict::Fails)]);
    }
    for seconds in (20..60).step_by(2) {
        world.look(seconds, &[Answer { source: "test", said: Err("away".to_owned()) }]);
    }
    assert_eq!(world.told, ["10 Fired nodes.full/a"]);
    for seconds in (60..200).step_by(2) {
        world.says(seconds, &[]);
    }
    assert_eq!(world.told.len(), 2, "{:?}", world.told);
    assert_eq!(world.ended[0].ending.as_deref(), Some("it is not looked at any more"));
}

#[test]
fn a_silence_puts_off_the_message_and_its_end_tells_it() {
    let random = SeededRandom::new(3);
    let matchers = vec![Matcher { field: MatcherField::Rule, pattern: "nodes.*".to_owned() }];
    let silencing = Silencing { matchers, begins_at: at(0), ends_at: at(30) };
    let id = SilenceId::new(NOW, &random);
    let mut world = World { silences: vec![(id, silencing)], ..World::default() };
    for seconds in (0..60).step_by(2) {
        let verdict = if seconds < 40 { Verdict::Fails } else { Verdict::Holds };
        world.says(seconds, &[said("nodes.full", "a", verdict)]);
        if seconds == 20 {
            let open = &world.open[0];
            assert_eq!((open.silence, open.told, open.heard), (Some(id), false, false));
        }
    }
    assert_eq!(world.told, ["30 Told nodes.full/a", "50 Resolved nodes.full/a"]);
    // What began and ended in the silence is not told at all, and is kept.
    let mut world = World { silences: world.silences, ..World::default() };
    for seconds in (0..29).step_by(2) {
        let verdict = if seconds < 12 { Verdict::Fails } else { Verdict::Holds };
        world.says(seconds, &[said("nodes.full", "a", verdict)]);
    }
    assert_eq!((world.told.len(), world.ended.len()), (0, 1));
}

/// It got worse in a silence and was over before that was told: whoever was told that it fires hears that it is over, and nobody else.
#[test]
fn whoever_heard_of_an_alert_hears_of_its_end() {
    let random = SeededRandom::new(3);
    let lives = |silent_from: u64| {
        let matchers = vec![Matcher { field: MatcherField::Rule, pattern: "nodes.*".to_owned() }];
        let silencing = Silencing { matchers, begins_at: at(silent_from), ends_at: at(30) };
        let silence = (SilenceId::new(NOW, &random), silencing);
        let mut world = World { silences: vec![silence], ..World::default() };
        for seconds in (0..60).step_by(2) {
            let mut now = said("nodes.full", "a", if seconds < 28 { Verdict::Fails } else { Verdict::Holds });
            if seconds >= 20 {
                now.condition.severity = Severity::Critical;
            }
            world.says(seconds, &[now]);
            if seconds == 26 {
                let open = &world.open[0];
                assert_eq!(
                    (open.severity, open.told, open.heard),
                    (Severity::Critical, false, silent_from > 10)
                );
            }
        }
        assert_eq!(world.ended.len(), 1);
        world.told
    };
    assert_eq!(lives(16), ["10 Fired nodes.full/a", "38 Resolved nodes.full/a"]);
    assert_eq!(lives(0), Vec::<String>::new());
}

/// Destinations of these names, and routes to them.
fn settings(names: &[&str], routes: &[(&str, &[&str])]) -> AlertSettings {
    let destination = |name: &&str| Destination {
        name: (*name).to_owned(),
        kind: DestinationKind::Chat { url: levqor_model::Secret::new("https://hooks.example/") },
    };
    let route = |(route, to): &(&str, &[&str])| {
        ((*route).to_owned(), to.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    };
    AlertSettings {
        destinations: names.iter().map(destination).collect(),
        routes: routes.iter().map(route).collect(),
    }
}

/// Each severity has its own people: whoever was told by one of them hears of the end, once, whatever the severity is by then.
#[test]
fn the_end_goes_to_everybody_who_was_told_by_whatever_route() {
    let apart = || {
        settings(
            &["team", "pager", "desk"],
            &[("critical", &["pager"]), ("major", &["team"]), ("minor", &["desk"])],
        )
    };
    // Major until 20, critical until `ends`, and with other routes from then on.
    let lives = |mut world: World, ends: u64, then: AlertSettings| {
        for seconds in (0..ends + 20).step_by(2) {
            let verdict = if seconds < ends { Verdict::Fails } else { Verdict::Holds };
            let mut now = said("nodes.full", "a", verdict);
            if seconds >= 20 {
                now.condition.severity = Severity::Critical;
            }
            if seconds == ends {
                world.settings = then.clone();
            }
            world.says(seconds, &[now]);
        }
        assert_eq!(world.ended.len(), 1);
        world
    };
    let world = || World { settings: apart(), ..World::default() };
    let got_worse = lives(world(), 30, apart());
    assert_eq!(
        got_worse.told_to,
        ["10 route:major", "20 route:critical", "40 destination:team destination:pager"]
    );
    assert_eq!(got_worse.told.len(), 3);
    // It got worse while nobody was to be told, and was over before that was: the pager has heard of nothing.
    let matchers = vec![Matcher { field: MatcherField::Rule, pattern: "nodes.*".to_owned() }];
    let silencing = Silencing { matchers, begins_at: at(16), ends_at: at(32) };
    let silences = vec![(SilenceId::new(NOW, &SeededRandom::new(3)), silencing)];
    let in_silence = lives(World { silences, ..world() }, 30, apart());
    assert_eq!(in_silence.told_to, ["10 route:major", "40 destination:team"]);
    // In no route any more; not configured any more; and none of them is.
    let other = settings(&["team", "pager", "desk"], &[("critical", &["desk"]), ("major", &[])]);
    assert_eq!(lives(world(), 30, other).told_to[2], "40 destination:team destination:pager");
    let less = settings(&["pager"], &[("critical", &["pager"])]);
    assert_eq!(lives(world(), 30, less).told_to[2], "40 destination:pager");
    let new = settings(&["new"], &[("critical", &["new"])]);
    assert_eq!(lives(world(), 30, new).told_to[2], "40 route:critical");
}

/// An alert that a build before this one told, which did not write down whom.
#[test]
fn whoever_an_older_build_told_hears_of_the_end() {
    let mut world = World {
        settings: settings(&["team", "pager"], &[("critical", &["pager"]), ("major", &["team"])]),
        ..World::default()
    };
    for seconds in (0..60).step_by(2) {
        let mut now = said("nodes.full", "a", if seconds < 40 { Verdict::Fails } else { Verdict::Holds });
        if seconds >= 30 {
            now.condition.severity = Severity::Critical;
        }
        if seconds == 20 {
            world.open[0].heard_by.clear();
        }
        world.says(seconds, &[now]);
    }
    assert_eq!(
        world.told_to,
        ["10 route:major", "30 route:critical", "50 destination:team destination:pager"]
    );
}

/// Its document named routes of its own, and is gone by the end.
#[test]
fn who_was_told_by_a_route_of_a_document_hears_of_the_end_without_it() {
    let mut world =
        World { settings: settings(&["team", "api-people"], &[("major", &["team"])]), ..World::default() };
    for seconds in (0..20).step_by(2) {
        let routes = vec!["api-people".to_owned()];
        world.says(seconds, &[said("slo.burn", "api", Verdict::Fails).routed(routes)]);
    }
    for seconds in (20..200).step_by(2) {
        world.says(seconds, &[]);
    }
    assert_eq!(world.told_to.len(), 2, "{:?}", world.told_to);
    assert_eq!(world.told_to[0], "10 route:api-people");
    assert!(world.told_to[1].ends_with(" destination:api-people"), "{:?}", world.told_to);
}

#[test]
fn the_lesser_alert_keeps_quiet_while_the_worse_one_speaks() {
    let mut world = World::default();
    for seconds in (0..60).step_by(2) {
        let fast = if seconds < 30 { Verdict::Fails } else { Verdict::Holds };
        world.says(seconds, &[said("slo.burn", "api", fast), said("slo.slow_burn", "api", Verdict::Fails)]);
    }
    assert_eq!(
        world.told,
        ["10 Fired slo.burn/api", "40 Resolved slo.burn/api", "42 Told slo.slow_burn/api"]
    );
}

#[test]
fn what_goes_on_is_said_again_until_somebody_deals_with_it() {
    let mut world = World::default();
    let says = |world: &mut World, seconds: u64, verdict| {
        world.says(seconds, &[said("nodes.full", "a", verdict)]);
    };
    says(&mut world, 0, Verdict::Fails);
    says(&mut world, 10, Verdict::Fails);
    for hour in 1..=80 {
        // What is not known, and what holds for a moment, is no reason to say it again.
        let verdict = if (26..30).contains(&hour) { Verdict::Unknown } else { Verdict::Fails };
        says(&mut world, hour * 3_600, verdict);
    }
    // After a day, and two days later.
    let told = |world: &World| {
        world.told.iter().filter(|told| told.ends_with("nodes.full/a")).cloned().collect::<Vec<_>>()
    };
    let expected = ["10 Fired nodes.full/a", "90000 Kept nodes.full/a", "262800 Kept nodes.full/a"];
    assert_eq!(told(&world), expected);
    let open = world.open.iter_mut().find(|alert| alert.rule == "nodes.full").unwrap();
    open.acknowledged =
        Some(levqor_store::alerts::Acknowledged { at: at(1), by: "user a".to_owned(), note: None });
    for hour in 81..=800 {
        says(&mut world, hour * 3_600, Verdict::Fails);
    }
    assert_eq!(told(&world), expected);
}

/// Rules may say that something is less bad than it was; the alert is as bad as it was told, and a silence of lesser ones is none of it.
#[test]
fn a_silence_of_lesser_alerts_keeps_no_worse_one_quiet() {
    let of = |severity, verdict| {
        let mut said = said("slo.burn", "api", verdict);
        said.condition.severity = severity;
        said
    };
    let matchers = vec![Matcher { field: MatcherField::Severity, pattern: "major".to_owned() }];
    let silencing = Silencing { matchers, begins_at: at(0), ends_at: at(3_600) };
    let silence = (SilenceId::new(NOW, &SeededRandom::new(3)), silencing);
    let mut world = World { silences: vec![silence], ..World::default() };
    for seconds in (0..60).step_by(2) {
        let now = match seconds {
            0..=19 => of(Severity::Critical, Verdict::Fails),
            20..=29 => of(Severity::Major, Verdict::Fails),
            // While it holds, a rule has its usual severity, whatever the alert has.
            _ => of(Severity::Major, Verdict::Holds),
        };
        world.says(seconds, &[now]);
    }
    assert_eq!(world.told, ["10 Fired slo.burn/api", "40 Resolved slo.burn/api"]);
}

#[test]
fn of_two_answers_about_the_same_the_worse_counts() {
    let mut world = World::default();
    let answer = |source, verdict| Answer { source, said: Ok(vec![said("x.y", "a", verdict)]) };
    for seconds in (0..20).step_by(2) {
        world.look(seconds, &[answer("one", Verdict::Fails), answer("two", Verdict::Holds)]);
    }
    assert_eq!(world.told, ["10 Fired x.y/a"]);
}

#[test]
fn alerts_are_bounded() {
    let mut world = World::default();
    let many: Vec<_> =
        (0..OPEN_MAX + 5).map(|number| said("x.y", &format!("{number:05}"), Verdict::Fails)).collect();
    let answers = [Answer { source: "test", said: Ok(many) }];
    world.look(0, &answers);
    assert_eq!(world.open.len(), OPEN_MAX);
    let said = flatten(&answers);
    let (before, random) = (BTreeMap::new(), SeededRandom::new(1));
    let settings = &world.settings;
    let known = Known { open: &world.open, silences: &[], before: &before, settings, now: at(2) };
    assert_eq!(plan(&answers, &said, &known, || AlertId::new(NOW, &random)).left_out, 5);
}

#[test]
fn the_worst_have_the_places_that_there_are() {
    let mut world = World::default();
    let mut many: Vec<_> =
        (0..OPEN_MAX + 5).map(|number| said("x.y", &format!("{number:05}"), Verdict::Fails)).collect();
    let mut worst = said("z.z", "a", Verdict::Fails);
    worst.condition.severity = Severity::Critical;
    many.push(worst);
    world.says(0, &many);
    assert_eq!(world.open.len(), OPEN_MAX);
    assert!(world.open.iter().any(|alert| alert.rule == "z.z"), "though it comes last by name");
}
