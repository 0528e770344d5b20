//! Whatever a site answers, the look ends, is bounded, and is no pass.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, StatusCode};
use levqor_drift::{Answer, Caller, Look, Outcome, Part};
use levqor_model::Severity;
use proptest::prelude::*;

use crate::{Nobody, checked, shipped};

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().unwrap());

/// Gives its answers in turn, to whatever is asked.
struct Moody {
    answers: Vec<Result<Answer, String>>,
    next: std::sync::atomic::AtomicUsize,
}

impl Look for Moody {
    async fn get(&self, _: &str, _: Caller) -> Result<Answer, String> {
        let next = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.answers[next % self.answers.len()].clone()
    }

    fn has_account(&self) -> bool {
        true
    }
}

fn answer(status: u16, media_type: &str, body: Vec<u8>) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_str(media_type).unwrap());
    headers.insert("ratelimit-policy", HeaderValue::from_static("\"account\";q=;w=-1"));
    headers.insert("location", HeaderValue::from_static("//[/signin"));
    Answer { status: StatusCode::from_u16(status).unwrap(), headers, body }
}

/// Pieces of pages and of answers, in any order.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("<main><h1>Pricing</h1>".to_owned()),
        Just("<data value=\"900\" data-promise=\"plan.starter.month_price\">£9</data>".to_owned()),
        Just("<data data-promise='plan.starter.month_price'>".to_owned()),
        Just("<link rel=canonical href=\"https://a.example/pricing\">".to_owned()),
        Just("<a href=\"/x#y\">£12 99.9 % uptime 14-day trial".to_owned()),
        Just("<a href=\"//evil.example/\"><a href=\"%%%\"><a href=\"#%ff\">".to_owned()),
        Just("{\"plans\":[{\"code\":\"starter\",\"month_price\":900}],".to_owned()),
        Just("\"uptime\":{\"credits\":[{\"percent\":{}}]}}".to_owned()),
        Just("{\"paths\":{\"/api/plans\":{\"get\":{\"responses\":{\"200\":{\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#\"}}}}}}}}}".to_owned()),
        Just("[[[[".repeat(200)),
        "\\PC{0,40}",
    ];
    prop_oneof![
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..200),
    ]
}

fn answers() -> impl Strategy<Value = Vec<Result<Answer, String>>> {
    let media_type = prop_oneof![
        Just("text/html; charset=utf-8"),
        Just("application/json"),
        Just("TEXT/HTML"),
        Just("application/problem+json"),
        Just(";"),
    ];
    let status = prop_oneof![8 => Just(200_u16), 1 => Just(307), 1 => Just(401), 1 => Just(404), 1 => Just(500), 1 => Just(999)];
    let one = prop_oneof![
        9 => (status, media_type, body()).prop_map(|(status, media_type, body)| Ok(answer(status, media_type, body))),
        1 => Just(Err("no answer".to_owned())),
    ];
    prop::collection::vec(one, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_site_makes_the_look_panic_pass_or_grow(answers in answers()) {
        let site = Moody { answers, next: 0.into() };
        let report = RUNTIME.block_on(checked(&site, &shipped(), Some(&site)));
        prop_assert!(!report.pass);
        prop_assert!(report.findings.len() <= 1_000);
        prop_assert!(site.next.into_inner() <= 1_200, "it asks for a bounded number of things");
        let parts: Vec<Part> = report.sections.iter().map(|section| section.part).collect();
        prop_assert!(Part::ALL.iter().all(|part| parts.contains(part)), "{:?}", parts);
        for finding in &report.findings {
            let texts = [Some(&finding.deviation.place), finding.deviation.expected.as_ref(), finding.deviation.found.as_ref()];
            prop_assert!(texts.into_iter().flatten().all(|text| text.chars().count() <= 301));
        }
        // Both forms of the report can be written and read.
        let markdown = report.markdown();
        let rows = markdown.lines().filter(|line| line.starts_with("| critical") || line.starts_with("| major") || line.starts_with("| minor"));
        prop_assert_eq!(rows.count(), report.findings.len());
        let text = serde_json::to_string(&report).unwrap();
        prop_assert_eq!(serde_json::from_str::<levqor_drift::Report>(&text).unwrap(), report);
    }
}

#[tokio::test]
async fn a_site_that_does_not_answer_is_one_critical_deviation() {
    let report = checked(&Nobody, &shipped(), None::<&Nobody>).await;
    assert_eq!((report.pass, report.findings.len()), (false, 1));
    assert_eq!(report.findings[0].deviation.severity, Severity::Critical);
    let outcome = |part| report.sections.iter().find(|section| section.part == part).unwrap().outcome.clone();
    assert!(matches!(outcome(Part::Pages), Outcome::Unknown(_)));
    assert!(matches!(outcome(Part::Lock), Outcome::Compared(count) if count > 50));
    assert_eq!(outcome(Part::Stripe), Outcome::NotConfigured);
    assert!(
        report
            .lines()
            .iter()
            .any(|line| line.contains("Prices at Stripe") && line.contains("not configured"))
    );
    assert_eq!(report.verdict(), "DRIFT STATUS: FAIL, 1 critical");
}

#[tokio::test]
async fn an_empty_site_lacks_everything() {
    let site = Moody { answers: vec![Ok(answer(404, "text/html", Vec::new()))], next: 0.into() };
    let report = checked(&site, &shipped(), None::<&Nobody>).await;
    let places: Vec<_> = report.findings.iter().map(|finding| finding.deviation.place.as_str()).collect();
    for place in levqor_drift::catalogue::PLACES {
        assert!(places.contains(&place.path), "{} is missed: {places:?}", place.path);
    }
    for place in ["/dashboard", "/api/plans"] {
        assert!(places.contains(&place), "{place} is missed: {places:?}");
    }
    assert!(report.findings.iter().all(|finding| finding.deviation.severity == Severity::Major));
}
