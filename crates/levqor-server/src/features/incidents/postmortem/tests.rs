//! The document: its facts, its marks, and the words of people in it.

use std::collections::BTreeMap;

use levqor_model::{ActionItemId, AlertId, IncidentId, SeededRandom, Severity, UserId};
use levqor_store::incidents::{Escalation, IncidentLevel, IncidentState};
use proptest::prelude::*;

use super::*;
use crate::features::incidents::{impact::Requests, timeline::Material};

fn at(seconds: u64) -> Timestamp {
    let begin: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    begin + Duration::from_secs(seconds)
}

fn incident() -> Incident {
    Incident {
        id: IncidentId::new(at(0), &SeededRandom::new(1)),
        title: "hooks in eu-west is disturbed".to_owned(),
        level: IncidentLevel::L3,
        state: IncidentState::Resolved,
        components: vec!["eu-west/hooks".to_owned()],
        public: true,
        opened_by: "levqor".to_owned(),
        opened_at: at(70),
        began_at: Some(at(0)),
        acknowledged_at: Some(at(190)),
        acknowledged_by: Some("user usr_a".to_owned()),
        resolved_at: Some(at(1_870)),
        resolved_by: Some("user usr_a".to_owned()),
        commander: None,
        communications: None,
        operations: None,
        reopened: 0,
        updated_at: at(1_870),
        version: 9,
        escalation: Escalation::default(),
        settles_after: None,
        settles_at: None,
        heard_by: Vec::new(),
    }
}

fn facts() -> Facts {
    let alert = IncidentAlert {
        alert: AlertId::new(at(0), &SeededRandom::new(2)),
        rule: "slo.availability".to_owned(),
        subject: "eu-west".to_owned(),
        severity: Severity::Critical,
        summary: "2 % of the month's errors in an hour | <b>".to_owned(),
        began_at: at(0),
        firing_at: at(65),
        ended_at: Some(at(1_800)),
        joined_at: at(70),
    };
    let item = ActionItem {
        id: ActionItemId::new(at(0), &SeededRandom::new(3)),
        incident: incident().id,
        text: "Watch the disk".to_owned(),
        owner: Some(UserId::new(at(0), &SeededRandom::new(4))),
        due: "2026-12-01".parse().unwrap(),
        created_at: at(1_900),
        created_by: "user usr_a".to_owned(),
        done_at: None,
        done_by: None,
        version: 1,
    };
    let sum = |component: &str, bad: i64| SampleSum {
        region: "eu-west".to_owned(),
        component: component.to_owned(),
        total: 374,
        bad,
        first_bad: (bad > 0).then(|| at(5)),
        last_bad: (bad > 0).then(|| at(1_795)),
    };
    let requests = Requests { total: 12_000.0, failed: 480.0, p95_us: Some(812_000) };
    let material = Material { alerts: vec![alert.clone()], ..Material::default() };
    Facts {
        timeline: timeline::of(&incident(), &material),
        timeline_cut: false,
        incident: incident(),
        alerts: vec![alert],
        impact: Impact {
            from: at(0),
            until: at(1_870),
            samples: vec![sum("api", 0), sum("hooks", 359)],
            oldest_sample: Some(at(0) - Duration::from_secs(9_000)),
            http: BTreeMap::from([("eu-west".to_owned(), requests)]),
            runs: BTreeMap::from([("completed".to_owned(), 40.0), ("faulted".to_owned(), 2.0)]),
        },
        actions: vec![(item, Some("ada@example.com".to_owned()))],
        people: vec![(IncidentRole::Commander, "ada@example.com".to_owned())],
        last_words: "The disk was full.\n# No heading <!-- /measured -->".to_owned(),
        measured_at: at(1_870),
    }
}

/// Alerts quote what servers of others answered.
#[test]
fn nothing_that_is_quoted_is_a_link_or_a_mark() {
    let said = "[pay here](https://evil.example) `x` *y* a\\|b <!-- /measured -->";
    assert_eq!(
        cell(said),
        "\\[pay here\\](https://evil.example) \\`x\\` \\*y\\* a\\\\\\|b &lt;!-- /measured -->"
    );
    let mut facts = facts();
    facts.alerts[0].rule = "[pay here](https://evil.example)".to_owned();
    facts.incident.title = "[pay here](https://evil.example)".to_owned();
    let shown = crate::pages::markdown::render(&draft(&facts), "/docs/").html;
    assert!(shown.contains("pay here") && !shown.contains("href"), "{shown}");
}

#[test]
fn a_timeline_that_is_not_whole_says_so() {
    let cut = Facts { timeline_cut: true, ..facts() };
    assert!(draft(&cut).contains("did more in that time than was read"));
    assert!(!draft(&facts()).contains("than was read"));
}

#[test]
fn the_draft_has_what_was_measured_and_asks_for_the_rest() {
    insta::assert_snapshot!(draft(&facts()));
}

#[test]
fn what_nobody_measured_is_said_to_be_unknown() {
    let mut facts = facts();
    facts.impact = Impact {
        from: at(0),
        until: at(1_870),
        samples: Vec::new(),
        oldest_sample: None,
        http: BTreeMap::new(),
        runs: BTreeMap::new(),
    };
    facts.alerts.clear();
    facts.actions.clear();
    facts.last_words.clear();
    facts.incident.began_at = None;
    facts.incident.acknowledged_at = None;
    let text = draft(&facts);
    for words in [
        "| Began | not known |",
        "| Time to detect | not known |",
        "| Acknowledged | by nobody |",
        "| Time to acknowledge | not known |",
        "no observation of any part is kept: how the parts were is not known.",
        "No requests were counted in that time: how many failed is not known.",
        "No alert was about it.",
        "Nothing was said with it.",
        "> **To be written:** what is to be done so that it does not happen again",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert_eq!(unwritten(&text), ["Summary", "Root cause", "Impact", "Resolution", "Lessons"]);
}

#[test]
fn people_write_where_it_says_so_and_then_behind_what_is_there() {
    let text = draft(&facts());
    let once = written(&text, Part::RootCause, "Nobody watched the disk.").unwrap();
    assert!(once.contains("## Root cause\n\nNobody watched the disk.\n\n## Timeline\n"), "{once}");
    assert_eq!(unwritten(&once), ["Summary", "Impact", "Resolution", "Lessons"]);
    let twice = written(&once, Part::RootCause, "Nor the other one.").unwrap();
    assert!(twice.contains("Nobody watched the disk.\n\nNor the other one.\n\n## Timeline\n"), "{twice}");
    // Before what is measured there, which stays.
    let impact = written(&twice, Part::Impact, "Hooks came late.").unwrap();
    assert!(impact.contains("## Impact\n\nHooks came late.\n\n<!-- measured: impact -->"), "{impact}");
    let more = written(&impact, Part::Impact, "Some came twice.").unwrap();
    assert!(more.contains("Hooks came late.\n\nSome came twice.\n\n<!-- measured: impact -->"), "{more}");
    let last = written(&more, Part::Lessons, "We were lucky.").unwrap();
    assert!(last.ends_with(&text[text.find("<!-- measured: actions -->").unwrap()..]), "{last}");
    assert_eq!(written("# All anew\n", Part::Summary, "x"), None);
    assert_eq!(appended("a\n\n", " b \n"), "a\n\nb\n");
}

#[test]
fn what_is_measured_anew_takes_no_word_of_anybody() {
    let text = written(&draft(&facts()), Part::Summary, "Hooks failed.").unwrap();
    let text = appended(&text, "Thanks to all.");
    let mut later = facts();
    later.incident.reopened = 1;
    later.incident.resolved_at = Some(at(3_600));
    let anew = measured_anew(&text, &blocks_anew(&later, at(1_000)));
    assert!(
        anew.contains("| Reopened | 1 times |") && anew.contains("| Time to resolve | 58 min 55 s |"),
        "{anew}"
    );
    assert!(anew.contains("## Summary\n\nHooks failed.\n") && anew.ends_with("Thanks to all.\n"), "{anew}");
    assert_eq!(measured_anew(&anew, &blocks_anew(&later, at(1_000))), anew, "a second time it is the same");
    // When the evidence is not kept any more, what was measured of it before stays.
    later.impact.oldest_sample = Some(at(1_000));
    later.impact.samples.clear();
    let kept = measured_anew(&anew, &blocks_anew(&later, at(1_000)));
    assert!(kept.contains("| hooks in eu-west | 374 | 359 |"), "{kept}");
    // Half a minute after it was measured for this same time nothing of it can have gone, and more is stored.
    let requests = Requests { total: 12_040.0, failed: 485.0, p95_us: None };
    later.impact.http = BTreeMap::from([("eu-west".to_owned(), requests)]);
    later.measured_at = at(1_900);
    let complete = measured_anew(&anew, &blocks_anew(&later, at(1_870)));
    assert!(
        complete.contains("| eu-west | 12040 | 485 | - |") && !complete.contains("may be missing"),
        "{complete}"
    );
    later.impact.http.clear();
    later.measured_at = at(9_000);
    assert_eq!(measured_anew(&complete, &blocks_anew(&later, at(1_869))).matches("| 12040 |").count(), 1);
    // What somebody has taken out stays out, also when only half of it is gone.
    let without = anew.replace("<!-- measured: timeline -->", "");
    assert!(
        !measured_anew(&without, &blocks_anew(&later, at(1_000))).contains("<!-- measured: timeline -->")
    );
    let half = "<!-- measured: facts -->\nmine\n<!-- measured: timeline -->\nold\n<!-- /measured -->\n";
    let anew = measured_anew(half, &blocks_anew(&later, at(1_000)));
    assert!(
        anew.starts_with("<!-- measured: facts -->\nmine\n<!-- measured: timeline -->\n\n| at (UTC)"),
        "{anew}"
    );
    // Action items alone.
    let items = actions_anew(incident().id, &[], at(0).date());
    assert!(measured_anew(&text, &items).contains("levqor incidents action add inc_"));
}

#[test]
fn the_name_is_of_letters_and_the_day_only() {
    let rows = [
        ("Hooks fail in eu-west!", "2026-11-24-hooks-fail-in-eu-west"),
        ("../../etc/passwd", "2026-11-24-etc-passwd"),
        ("..\\..\\x:$(rm -rf /)\u{202e}", "2026-11-24-x-rm-rf"),
        ("", "2026-11-24-incident"),
        ("Übung Größe", "2026-11-24-bung-gr-e"),
        ("日本", "2026-11-24-incident"),
        (&"long ".repeat(50), "2026-11-24-long-long-long-long-long-long-long-long-long-long-long-long"),
    ];
    for (title, expected) in rows {
        let named = name(&Incident { title: title.to_owned(), ..incident() });
        assert_eq!(named, expected, "{title:?}");
        assert!(is_name(&named));
    }
}

proptest! {
    #[test]
    fn no_title_leads_out_of_the_folder(title in ".{0,300}") {
        let incident = Incident { title, ..incident() };
        prop_assert!(is_name(&name(&incident)));
    }

    #[test]
    fn no_text_makes_it_panic(text in "(?s)(.{0,80}|<!-- measured: (facts|impact) -->|<!-- /measured -->|## Summary\n){0,6}", words in ".{0,40}") {
        for part in Part::ALL {
            let _ = written(&text, part, &words);
        }
        let _ = unwritten(&text);
        let anew = measured_anew(&text, &blocks_anew(&facts(), at(1_870)));
        prop_assert_eq!(measured_anew(&anew, &blocks_anew(&facts(), at(1_870))), anew);
    }

    /// Whatever people and alerts say, it is a table and no mark.
    #[test]
    fn words_of_others_stay_in_their_cell(words in ".{0,60}") {
        let cell = cell(&words);
        prop_assert!(!cell.contains('\n') && !cell.contains("<!--"));
        prop_assert!(cell.replace("\\|", "").matches('|').count() == 0);
    }
}
