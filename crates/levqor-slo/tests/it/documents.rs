//! Documents that are right, and what is said of those that are not.

use std::time::Duration;

use levqor_model::Severity;
use levqor_slo::{Indicator, Part, Source, Threshold, read};

const SERVICE: &str = "apiVersion: openslo/v1\nkind: Service\nmetadata:\n  name: shop\n---\n";

fn files(text: &str) -> Vec<(String, String)> {
    vec![("shop.yaml".to_owned(), format!("{SERVICE}{text}"))]
}

/// An SLO in whose `spec` lines are changed or added.
fn slo(changes: &[(&str, &str)]) -> String {
    let mut text = "apiVersion: openslo/v1
kind: SLO
metadata:
  name: orders
spec:
  service: shop
  indicator:
    metadata: { name: orders }
    spec:
      ratioMetric:
        counter: true
        bad:
          metricSource:
            type: levqor
            spec: { series: orders_failed }
        total:
          metricSource:
            type: levqor
            spec: { series: orders, labels: { region: eu-west } }
  timeWindow:
    - duration: 30d
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - target: 0.999
"
    .to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

#[test]
fn an_objective_is_read_with_all_that_it_refers_to() {
    let text = "
apiVersion: openslo/v1
kind: DataSource
metadata: { name: own }
spec: { type: levqor }
---
apiVersion: openslo/v1
kind: SLI
metadata: { name: fast-orders }
spec:
  thresholdMetric:
    metricSource:
      metricSourceRef: own
      spec: { series: order_duration_us, unit: s }
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: { name: twice }
spec:
  severity: page
  condition: { kind: burnrate, op: gte, threshold: 2, lookbackWindow: 1h, alertAfter: 5m }
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: { name: OnCall }
spec: { target: on-call }
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: { name: on-call }
spec: { target: pager }
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: { name: spending }
spec:
  alertWhenNoData: false
  conditions: [ conditionRef: twice ]
  notificationTargets: [ targetRef: on-call ]
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: orders-fast
  displayName: Orders are quick
  labels: { team: [shop, web] }
  annotations: { levqor.dev/expects-traffic: 10m, levqor.dev/minimum-events: \"3\", example.com/x: y }
spec:
  description: Ninety-five of a hundred within two seconds.
  service: shop
  indicatorRef: fast-orders
  timeWindow: [ { duration: 4w, isRolling: true } ]
  budgetingMethod: Occurrences
  objectives: [ { op: lte, value: 2, targetPercent: 95 } ]
  alertPolicies: [ alertPolicyRef: spending ]
";
    let (catalogue, issues) = read(&files(text));
    // One name is not of the form that the standard asks for.
    let shown: Vec<_> = issues.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 1, "{shown:#?}");
    assert!(shown[0].starts_with("shop.yaml:30: /metadata/name: \"OnCall\" is no name"), "{shown:#?}");
    let [objective] = catalogue.objectives.as_slice() else { panic!("{catalogue:#?}") };
    assert_eq!(objective.title, "Orders are quick");
    assert_eq!((objective.target_ppm, objective.minimum_events), (950_000, 3));
    assert_eq!(objective.window, Duration::from_secs(28 * 86_400));
    assert_eq!(objective.expects_traffic, Some(Duration::from_secs(600)));
    assert_eq!(
        objective.indicator,
        Indicator::Threshold {
            source: Source::Series { name: "order_duration_us".to_owned(), labels: Vec::new() },
            threshold: Threshold { at_most: true, value: 2_000_000.0 },
        }
    );
    let [policy] = objective.policies.as_slice() else { panic!("{objective:#?}") };
    assert_eq!((policy.severity, policy.burn_milli), (Severity::Critical, 2_000));
    assert_eq!((policy.window, policy.after), (Duration::from_secs(3_600), Duration::from_secs(300)));
    assert_eq!((policy.when_no_data, policy.when_resolved), (false, true));
    assert_eq!(policy.targets, ["pager"]);
}

#[test]
fn a_ratio_is_read() {
    let (catalogue, issues) = read(&files(&slo(&[])));
    assert_eq!(issues, []);
    let series = |name: &str, labels: &[(&str, &str)]| Source::Series {
        name: name.to_owned(),
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    let expected = Indicator::Ratio {
        part: Part::Bad,
        counted: series("orders_failed", &[]),
        total: series("orders", &[("region", "eu-west")]),
    };
    assert_eq!(catalogue.objectives[0].indicator, expected);
    assert_eq!((catalogue.objectives[0].target_ppm, catalogue.objectives[0].policies.len()), (999_000, 0));
    // JSON is a part of YAML; several objectives have a number each.
    let changes = [("    - target: 0.999\n", "    - target: 0.999\n    - target: 0.9\n")];
    let (catalogue, issues) = read(&files(&slo(&changes)));
    assert_eq!(issues, []);
    let names: Vec<_> = catalogue.objectives.iter().map(|objective| objective.name.as_str()).collect();
    assert_eq!(names, ["orders.1", "orders.2"]);
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_the_remedy() {
    // What is changed in a good document, and what is said; lines count the service's document, too.
    let rows: &[(&[(&str, &str)], &str)] = &[
        (
            &[("openslo/v1", "openslo/v1alpha")],
            "shop.yaml:6: /apiVersion: \"openslo/v1alpha\" is not supported; write openslo/v1",
        ),
        (
            &[("kind: SLO", "kind: SLo")],
            "shop.yaml:7: /kind: \"SLo\" is no kind of document; did you mean `SLO`?",
        ),
        (&[("  name: orders\n", "")], "`metadata` is missing: it has the document's `name`"),
        (&[("name: orders\n", "name: Orders\n")], "shop.yaml:9: /metadata/name: \"Orders\" is no name"),
        (
            &[("service: shop", "service: shp")],
            "/spec/service: there is no Service called \"shp\"; did you mean `shop`?",
        ),
        (
            &[("budgetingMethod", "budgettingMethod")],
            "/spec/budgettingMethod: there is no `budgettingMethod` here; did you mean `budgetingMethod`?",
        ),
        (
            &[("Occurrences", "Timeslices")],
            "/spec/budgetingMethod: Timeslices is not supported: only events are counted",
        ),
        (&[("Occurrences", "Occurences")], "\"Occurences\" is no method; did you mean `Occurrences`?"),
        (
            &[(
                "      isRolling: true\n",
                "      calendar: { startTime: 2026-01-01 00:00:00, timeZone: UTC }\n",
            )],
            "/spec/timeWindow/0/calendar: windows by the calendar are not supported; write isRolling: true",
        ),
        (&[("isRolling: true", "isRolling: false")], "/spec/timeWindow/0/isRolling: only windows that roll"),
        (
            &[("30d", "1M")],
            "/spec/timeWindow/0/duration: 1M: months, quarters and years have no fixed length",
        ),
        (&[("30d", "365d")], "365d is not from 1h to 90d"),
        (&[("target: 0.999", "target: 99.9")], "/spec/objectives/0/target: 99.9 leaves no budget"),
        (&[("target: 0.999", "target: 1")], "1 leaves no budget"),
        (
            &[("target: 0.999", "target: \"0.999\"")],
            "/spec/objectives/0/target: must be a number, and this is a text",
        ),
        (
            &[("target: 0.999", "target: 0.9\n      targetPercent: 90")],
            "`target` and `targetPercent` are both there",
        ),
        (&[("target: 0.999", "displayName: x")], "/spec/objectives/0: give `target`"),
        (
            &[("target: 0.999", "target: 0.9\n      op: lte\n      value: 3")],
            "`op` and `value` go with a `thresholdMetric`",
        ),
        (
            &[("target: 0.999", "target: 0.9\n      timeSliceTarget: 0.9")],
            "/spec/objectives/0/timeSliceTarget: `timeSliceTarget` is not supported",
        ),
        (
            &[("target: 0.999", "target: 0.9\n      compositeWeight: 2")],
            "an objective of several indicators; write an SLO for each",
        ),
        (
            &[("type: levqor", "type: Prometheus")],
            "/spec/indicator/spec/ratioMetric/bad/metricSource/type: metrics of the type \"Prometheus\" cannot be read",
        ),
        (
            &[("        bad:", "        good:"), ("        total:", "        bad:")],
            "/spec/indicator/spec/ratioMetric: `total` is missing: it counts all events",
        ),
        (&[("counter: true", "counter: false")], "a ratio of values that go up and down is not supported"),
        (&[("counter: true", "raw: {}")], "`raw` is not supported: ratios are computed here"),
        (
            &[("spec: { series: orders_failed }", "spec: { serie: orders_failed }")],
            "there is no `serie` here; did you mean `series`?",
        ),
        (
            &[("spec: { series: orders_failed }", "spec: { evidence: api, verdict: bad }")],
            "one part is evidence and the other a series",
        ),
        (
            &[("region: eu-west", "status: 500")],
            "/labels/status: must be a text, and this is a number; put it in quotes",
        ),
        (
            &[("  service: shop\n", "  service: shop\n  service: shop\n")],
            "`service` is there twice in one object",
        ),
        (
            &[("  service: shop\n", "  service: shop\n  alertPolicies: [ { alertPolicyRef: none } ]\n")],
            "/spec/alertPolicies/0/alertPolicyRef: there is no AlertPolicy called \"none\"; add a document of that kind",
        ),
        (
            &[("  name: orders\n", "  name: orders\n  annotations: { levqor.dev/minimum-event: \"3\" }\n")],
            "did you mean `levqor.dev/minimum-events`?",
        ),
        (
            &[("  name: orders\n", "  name: orders\n  annotations: { levqor.dev/minimum-events: many }\n")],
            "\"many\" is no whole number",
        ),
        (
            &[("  objectives:\n    - target: 0.999\n", "  objectives: []\n")],
            "/spec/objectives: has 0 objectives; give 1 to 10",
        ),
        (&[("spec:\n  service", "spex:\n  service")], "there is no `spex` here; did you mean `spec`?"),
        (&[("    - target: 0.999\n", "    - target: [0.999\n")], "this is not YAML"),
    ];
    for (changes, expected) in rows {
        let (_, issues) = read(&files(&slo(changes)));
        let shown: Vec<_> = issues.iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|issue| issue.contains(expected)), "{expected}\nis not in\n{shown:#?}");
    }
}

#[test]
fn policies_are_read_strictly() {
    let policy = |condition: &str| {
        format!(
            "apiVersion: openslo/v1\nkind: AlertPolicy\nmetadata: {{ name: p }}\nspec:\n  conditions:\n    - kind: AlertCondition\n      metadata: {{ name: c }}\n      spec: {condition}\n"
        )
    };
    let good = "{ severity: major, condition: { op: gte, threshold: 2, lookbackWindow: 1h } }";
    for (condition, expected) in [
        (good.to_owned(), None),
        (good.replace("major", "hugh"), Some("\"hugh\" is no severity")),
        (
            good.replace("gte", "lte"),
            Some("with lte the alert would fire while the budget is hardly spent; write gte"),
        ),
        (good.replace("threshold: 2", "threshold: 0"), Some("0 is no burn rate")),
        (good.replace("1h", "1s"), Some("\"1s\" is no span of time")),
        (
            good.replace("op: gte", "kind: burnRate, op: gte"),
            Some("\"burnRate\" is no kind of condition; did you mean `burnrate`?"),
        ),
        (good.replace("op: gte, ", ""), Some("`op` is missing: write gte")),
    ] {
        let (_, issues) = read(&files(&policy(&condition)));
        let shown: Vec<_> = issues.iter().map(ToString::to_string).collect();
        match expected {
            None => assert_eq!(shown, Vec::<String>::new()),
            Some(expected) => assert!(shown.iter().any(|issue| issue.contains(expected)), "{shown:#?}"),
        }
    }
}

#[test]
fn names_are_unique_over_all_files() {
    let mut files = files(&slo(&[]));
    files.push(("again.yaml".to_owned(), slo(&[])));
    let (catalogue, issues) = read(&files);
    assert_eq!(catalogue.objectives.len(), 1);
    assert_eq!(
        issues.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["again.yaml:4: /metadata/name: another SLO is called \"orders\" already; rename one of them"]
    );
}
