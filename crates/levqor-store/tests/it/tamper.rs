//! Tamper detection as rows: findings are recorded once, baselines are numbered in two places, and agreeing is on record.

use std::time::Duration;

use levqor_model::{Deviation, NodeId, Severity, tamper::Logged};
use levqor_store::{
    audit::Filter,
    nodes::NewNode,
    tamper::{
        AgreedFinding, FINDINGS_MAX, Finding, KeptBaseline, KeptConsent, KeptState, NewBaseline, TamperState,
        Wish,
    },
};

use crate::support::{NOW, World, region};

const MINUTE: Duration = Duration::from_secs(60);
const PLACE: &str = "host:/data";

fn changed(path: &str, found: &str) -> Deviation {
    Deviation {
        severity: Severity::Major,
        place: path.to_owned(),
        expected: Some("as agreed".to_owned()),
        found: Some(found.to_owned()),
    }
}

fn baseline(sequence: u64, before: Option<u64>, paths: &[&str]) -> NewBaseline {
    NewBaseline {
        place: PLACE.to_owned(),
        sequence,
        content: format!("text {sequence}"),
        sha256: format!("hash {sequence}"),
        key: "key".to_owned(),
        before,
        entries: 3,
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    }
}

/// The records about tampering, oldest first: what, and about what.
async fn records(world: &World) -> Vec<String> {
    let filter = Filter { kind: Some("tamper".to_owned()), ..Filter::default() };
    let mut found = world.store.audit_records(filter, None, 100).await.unwrap();
    found.reverse();
    found.iter().map(|record| format!("{} {}", record.kind, record.subject)).collect()
}

async fn records_of(world: &World, kind: &str) -> Vec<String> {
    records(world).await.into_iter().filter(|record| record.starts_with(kind)).collect()
}

async fn tell(world: &World, found: &[Deviation]) {
    world.store.tell_tampering(PLACE.to_owned(), found.to_vec(), NOW).await.unwrap();
}

#[tokio::test]
async fn a_change_is_recorded_once_and_its_end_too() {
    let world = World::new();
    let (one, two) = (changed("/a", "x"), changed("/b", "y"));
    tell(&world, std::slice::from_ref(&one)).await;
    tell(&world, &[one.clone(), two.clone()]).await;
    tell(&world, &[one.clone(), two]).await;
    assert_eq!(records(&world).await, ["tamper.found /a", "tamper.found /b"]);
    // Changed again: something new.
    tell(&world, &[changed("/a", "z")]).await;
    assert_eq!(records(&world).await[2..], ["tamper.found /a", "tamper.restored /b"]);
    let (_, findings) = world.store.tampering(NOW).await.unwrap();
    assert_eq!(findings, [Finding { place: PLACE.to_owned(), deviation: changed("/a", "z"), since: NOW }]);
    // Another place knows nothing of it.
    world.store.tell_tampering("other:/data".to_owned(), vec![one], NOW).await.unwrap();
    tell(&world, &[]).await;
    let (_, findings) = world.store.tampering(NOW).await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
}

#[tokio::test]
async fn a_baseline_is_numbered_in_the_row_and_in_the_evidence_log() {
    let world = World::new();
    let store = &world.store;
    let known = async || store.tamper_baseline(PLACE.to_owned()).await.unwrap();
    assert_eq!(known().await, KeptBaseline::default());
    assert_eq!(store.sign_baseline(baseline(1, None, &[]), NOW).await, Ok(true));
    let kept = |sequence: u64| KeptBaseline {
        row: Some((sequence, format!("text {sequence}"))),
        logged: Some(Logged { sequence, sha256: format!("hash {sequence}") }),
    };
    assert_eq!(known().await, kept(1));
    // Two that sign at once: one of them looks again.
    assert_eq!(store.sign_baseline(baseline(2, None, &[]), NOW).await, Ok(false));
    assert_eq!(known().await, kept(1));
    assert_eq!(store.sign_baseline(baseline(2, Some(1), &["/a"]), NOW + MINUTE).await, Ok(true));
    assert_eq!(known().await, kept(2));
    assert_eq!(store.tamper_baseline("other:/data".to_owned()).await, Ok(KeptBaseline::default()));
}

#[tokio::test]
async fn agreeing_is_on_record_and_is_done_by_the_node_concerned() {
    let world = World::new();
    let store = &world.store;
    store.sign_baseline(baseline(1, None, &[]), NOW).await.unwrap();
    tell(&world, &[changed("/a", "x"), changed("/b", "y")]).await;
    let (_, findings) = store.tampering(NOW).await.unwrap();
    let agreed: Vec<_> = findings
        .into_iter()
        .filter(|finding| finding.deviation.place == "/a")
        .map(|finding| AgreedFinding { finding, signature: "signed".to_owned() })
        .collect();
    store.agree_to(agreed, "a new release".to_owned(), NOW).await.unwrap();
    store.wish_new_hashes(vec![PLACE.to_owned()], "request 1".to_owned(), NOW).await.unwrap();
    let wishes = async || store.tamper_wishes(PLACE.to_owned()).await.unwrap();
    let anew = Wish { path: String::new(), found: Some("request 1".to_owned()), consent: None };
    let consent = KeptConsent { expected: Some("as agreed".to_owned()), signature: "signed".to_owned() };
    let of_a = Wish { path: "/a".to_owned(), found: Some("x".to_owned()), consent: Some(consent) };
    assert_eq!(wishes().await, [anew.clone(), of_a]);

    store.sign_baseline(baseline(2, Some(1), &["/a"]), NOW).await.unwrap();
    assert_eq!(wishes().await, std::slice::from_ref(&anew));
    // One that was asked for meanwhile is not dropped with it.
    store.drop_tamper_wish(PLACE.to_owned(), Wish { found: None, ..anew.clone() }).await.unwrap();
    assert_eq!(wishes().await.len(), 1);
    store.drop_tamper_wish(PLACE.to_owned(), anew).await.unwrap();
    assert_eq!(wishes().await, []);
    // What is agreed on is no finding any more, and nobody says that it was put back.
    tell(&world, &[changed("/b", "y")]).await;
    let told = records(&world).await;
    assert_eq!(told[3..], ["tamper.accepted /a".to_owned(), format!("tamper.signed {PLACE}")], "{told:?}");
}

#[tokio::test]
async fn a_wish_that_nobody_is_on_record_for_is_refused_on_record() {
    let world = World::new();
    let store = &world.store;
    // In its form a wish for a path, and nobody said so.
    store.wish_new_hashes(vec![PLACE.to_owned()], "request 1".to_owned(), NOW).await.unwrap();
    let wish = Wish { path: String::new(), found: Some("request 1".to_owned()), consent: None };
    assert_eq!(store.tamper_wishes(PLACE.to_owned()).await.unwrap(), std::slice::from_ref(&wish));
    let other = Wish { found: Some("request 2".to_owned()), ..wish.clone() };
    store.refuse_tamper_wish(PLACE.to_owned(), other, NOW).await.unwrap();
    assert_eq!(records(&world).await, Vec::<String>::new(), "it is not there any more");
    store.refuse_tamper_wish(PLACE.to_owned(), wish, NOW).await.unwrap();
    assert_eq!(store.tamper_wishes(PLACE.to_owned()).await.unwrap(), []);
    assert_eq!(records(&world).await, ["tamper.forged "]);
}

#[tokio::test]
async fn what_is_too_much_to_be_kept_is_not_said_to_be_as_agreed() {
    let world = World::new();
    let many: Vec<_> = (0..FINDINGS_MAX).map(|number| changed(&format!("/{number:05}"), "x")).collect();
    tell(&world, &many).await;
    // A worse one comes first, and the last one has no place any more.
    let mut more = vec![Deviation { severity: Severity::Critical, ..changed("/worse", "x") }];
    more.extend(many.iter().cloned());
    tell(&world, &more).await;
    let last = world.store.audit_records(Filter::default(), None, 1).await.unwrap();
    assert_eq!((last[0].kind.as_str(), last[0].subject.as_str()), ("tamper.found", "/worse"));
    let (_, findings) = world.store.tampering(NOW).await.unwrap();
    assert_eq!(findings.len(), FINDINGS_MAX);
    // It really is as agreed again.
    tell(&world, &more[1..FINDINGS_MAX]).await;
    let told = records_of(&world, "tamper.restored").await;
    assert_eq!(told, ["tamper.restored /worse"]);
}

#[tokio::test]
async fn what_nodes_say_of_their_places_ages_with_them() {
    let world = World::new();
    let store = &world.store;
    let register = async |id: NodeId| {
        let new = NewNode {
            id,
            region: region("eu-west"),
            version: "1.0.0".to_owned(),
            lease: MINUTE,
            alone: false,
        };
        store.register_node(new, NOW).await.unwrap()
    };
    let state = |place: &str, node| TamperState {
        place: place.to_owned(),
        node,
        region: region("eu-west"),
        report: "{}".to_owned(),
    };
    let (one, two) = (world.node_id(), world.node_id());
    register(one).await;
    register(two).await;
    store.note_tamper_state(state(PLACE, one), NOW).await.unwrap();
    store.note_tamper_state(state(PLACE, two), NOW + MINUTE / 4).await.unwrap();
    store.note_tamper_state(state("other:/data", one), NOW + MINUTE / 2).await.unwrap();
    store.stop_node(one, NOW).await.unwrap();
    let (states, _) = store.tampering(NOW + MINUTE / 2).await.unwrap();
    let found: Vec<_> =
        states.iter().map(|kept| (kept.state.place.as_str(), kept.state.node, kept.age, kept.live)).collect();
    assert_eq!(found, [("other:/data", one, Duration::ZERO, false), (PLACE, two, MINUTE / 4, true)]);
    let left = |states: &[KeptState]| states.iter().map(|kept| kept.left).collect::<Vec<_>>();
    assert_eq!(left(&states), [true, false]);
    // A node that is only silent has not left.
    let (states, _) = store.tampering(NOW + MINUTE * 2).await.unwrap();
    assert_eq!((left(&states), states[1].live), (vec![true, false], false));

    store.sign_baseline(baseline(1, None, &[]), NOW).await.unwrap();
    tell(&world, &[changed("/a", "x")]).await;
    store.prune_tamper(NOW + MINUTE / 3).await.unwrap();
    let (states, findings) = store.tampering(NOW + MINUTE / 2).await.unwrap();
    assert_eq!((states.len(), findings.len()), (1, 0), "{states:?} {findings:?}");
    assert_eq!(store.tamper_baseline(PLACE.to_owned()).await.unwrap().row, None);
}
