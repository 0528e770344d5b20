//! `SLO`: the objectives themselves.

use std::time::Duration;

use super::{
    Indicator, Meta, Objective, OneOf, Policy, Reference, Threshold,
    alerting::{self, PolicyDocument},
    bounded_text, clip, description, did_you_mean, duration,
    fields::{Fields, Issues, Node, Place},
    reference,
    sli::{self, Metric, SliDocument},
};

/// Objectives and policies of one document.
const LISTED_MAX: usize = 10;
/// Windows of a budget.
const WINDOW: (u64, u64) = (3_600, 90 * 86_400);
const METHODS: [&str; 3] = ["Occurrences", "Timeslices", "RatioTimeslices"];
/// What is refused of a document that is written for another way of budgeting.
const OTHER_METHODS: &str = "only events are counted (budgetingMethod: Occurrences)";
const COMPOSITE: &str = "an objective of several indicators; write an SLO for each";
/// Least events of a window, unless the document says it.
const MINIMUM_EVENTS: u64 = 10;

#[derive(Debug, Clone)]
pub(super) struct SloDocument {
    name: String,
    title: Option<String>,
    description: Option<String>,
    pub(super) service: Reference,
    pub(super) indicator: OneOf<SliDocument>,
    window: Duration,
    expects_traffic: Option<Duration>,
    minimum_events: u64,
    goals: Vec<Goal>,
    pub(super) policies: Vec<OneOf<PolicyDocument>>,
    pub(super) place: Place,
}

/// One of a document's objectives.
#[derive(Debug, Clone)]
struct Goal {
    title: Option<String>,
    target_ppm: u32,
    /// Whether small values are good, and where the two sides meet.
    threshold: Option<(bool, f64)>,
    place: Place,
}

/// An SLO's `spec`.
pub(super) fn slo(meta: &Meta, node: &Node<'_>, issues: &mut Issues) -> Option<SloDocument> {
    let mut fields = node.object(issues)?;
    let description = description(&mut fields, issues);
    let service = fields
        .need("service", "name a document of kind Service", issues)
        .and_then(|node| reference(&node, issues));
    let indicator = indicator(&mut fields, node, issues);
    let window = fields
        .need("timeWindow", "write - duration: 30d and isRolling: true", issues)
        .and_then(|node| window(&node, issues));
    let method = fields.need("budgetingMethod", "write Occurrences", issues);
    let is_counted = method.is_none_or(|node| is_counted(&node, issues));
    let goals = fields.need("objectives", "it has the target", issues).and_then(|node| goals(&node, issues));
    let policies = fields.take("alertPolicies").map_or(Some(Vec::new()), |node| policies(&node, issues));
    fields.end(
        &[
            "alertPolicies",
            "budgetingMethod",
            "description",
            "indicator",
            "indicatorRef",
            "objectives",
            "service",
            "timeWindow",
        ],
        issues,
    );
    let (expects_traffic, minimum_events) = annotations(meta, issues)?;
    if !is_counted {
        return None;
    }
    Some(SloDocument {
        name: meta.name.clone(),
        title: meta.title.clone(),
        description,
        service: service?,
        indicator: indicator?,
        window: window?,
        expects_traffic,
        minimum_events,
        goals: goals?,
        policies: policies?,
        place: meta.place.clone(),
    })
}

impl SloDocument {
    /// Its objectives, now that the indicator is known.
    pub(super) fn objectives(
        &self,
        sli: &SliDocument,
        policies: &[Policy],
        issues: &mut Issues,
    ) -> Vec<Objective> {
        let alone = self.goals.len() == 1;
        if let (Metric::Threshold { .. }, Some(second)) = (&sli.metric, self.goals.get(1)) {
            issues
                .add(&second.place, "with a `thresholdMetric` there is one objective; write an SLO for each");
            return Vec::new();
        }
        let mut objectives = Vec::new();
        for (number, goal) in self.goals.iter().enumerate() {
            let indicator = match (&sli.metric, goal.threshold) {
                (Metric::Ratio { part, counted, total }, None) => {
                    Indicator::Ratio { part: *part, counted: counted.clone(), total: total.clone() }
                }
                (Metric::Threshold { source, scale }, Some((at_most, value))) => Indicator::Threshold {
                    source: source.clone(),
                    threshold: Threshold { at_most, value: value * scale },
                },
                (Metric::Ratio { .. }, Some(_)) => {
                    issues.add(&goal.place, "`op` and `value` go with a `thresholdMetric`; leave them out");
                    continue;
                }
                (Metric::Threshold { .. }, None) => {
                    issues.add(
                        &goal.place,
                        "a `thresholdMetric` needs `op` and `value`; write op: lte and value: …",
                    );
                    continue;
                }
            };
            let title = match (&self.title, &goal.title) {
                (Some(own), None) => own.clone(),
                (_, Some(goal)) => goal.clone(),
                (None, None) => self.name.clone(),
            };
            objectives.push(Objective {
                name: if alone { self.name.clone() } else { format!("{}.{}", self.name, number + 1) },
                title,
                description: self.description.clone(),
                service: self.service.name.clone(),
                indicator,
                target_ppm: goal.target_ppm,
                window: self.window,
                expects_traffic: self.expects_traffic,
                minimum_events: self.minimum_events,
                policies: policies.to_vec(),
                file: self.place.file.clone(),
            });
        }
        objectives
    }
}

fn indicator(fields: &mut Fields<'_>, node: &Node<'_>, issues: &mut Issues) -> Option<OneOf<SliDocument>> {
    let (here, there) = (fields.take("indicator"), fields.take("indicatorRef"));
    match (here, there) {
        (Some(here), None) => {
            let mut fields = here.object(issues)?;
            // Its name is of use to nobody but the reader of the file.
            if let Some(meta) = fields.take("metadata")
                && let Some(mut meta) = meta.object(issues)
            {
                for name in ["name", "displayName"] {
                    if let Some(node) = meta.take(name) {
                        bounded_text(&node, 200, issues);
                    }
                }
                meta.take("labels");
                meta.take("annotations");
                meta.end(&["annotations", "displayName", "labels", "name"], issues);
            }
            let spec = fields.need("spec", "it has the metric", issues);
            fields.end(&["metadata", "spec"], issues);
            sli::sli(&spec?, issues).map(OneOf::Here)
        }
        (None, Some(there)) => reference(&there, issues).map(OneOf::There),
        (None, None) => {
            issues.add(&node.place, "give `indicator`, or `indicatorRef` with the name of an SLI");
            None
        }
        (Some(_), Some(_)) => {
            issues.add(&node.place, "`indicator` and `indicatorRef` are both there; leave one out");
            None
        }
    }
}

fn window(node: &Node<'_>, issues: &mut Issues) -> Option<Duration> {
    let windows = node.list(issues)?;
    let [window] = windows.as_slice() else {
        issues.add(&node.place, format!("has {} windows; give exactly one", windows.len()));
        return None;
    };
    let mut fields = window.object(issues)?;
    let calendar = fields.take("calendar");
    let rolling = fields.take("isRolling");
    let span = fields.need("duration", "write it like 30d", issues);
    fields.end(&["calendar", "duration", "isRolling"], issues);
    let is_rolling = rolling.as_ref().and_then(|node| node.flag(issues));
    if let Some(calendar) = calendar {
        issues.add(
            &calendar.place,
            "windows by the calendar are not supported; write isRolling: true, and a duration such as 30d",
        );
        return None;
    }
    if is_rolling != Some(true) {
        let place = rolling.map_or_else(|| window.place.clone(), |node| node.place);
        issues.add(&place, "only windows that roll are supported; write isRolling: true");
        return None;
    }
    duration::duration(&span?, WINDOW.0, WINDOW.1, issues)
}

fn is_counted(node: &Node<'_>, issues: &mut Issues) -> bool {
    match node.text(issues) {
        Some("Occurrences") => true,
        Some(method) if METHODS.contains(&method) => {
            issues.add(&node.place, format!("{method} is not supported: {OTHER_METHODS}"));
            false
        }
        Some(other) => {
            let hint = did_you_mean(other, METHODS);
            issues.add(&node.place, format!("{:?} is no method{hint}; write Occurrences", clip(other)));
            false
        }
        None => false,
    }
}

fn goals(node: &Node<'_>, issues: &mut Issues) -> Option<Vec<Goal>> {
    let listed = node.list(issues)?;
    if listed.is_empty() || listed.len() > LISTED_MAX {
        issues.add(&node.place, format!("has {} objectives; give 1 to {LISTED_MAX}", listed.len()));
        return None;
    }
    let read: Vec<Goal> = listed.iter().filter_map(|node| goal(node, issues)).collect();
    (read.len() == listed.len()).then_some(read)
}

fn goal(node: &Node<'_>, issues: &mut Issues) -> Option<Goal> {
    let mut fields = node.object(issues)?;
    let title = fields.take("displayName").and_then(|node| bounded_text(&node, 200, issues));
    let (op, value) = (fields.take("op"), fields.take("value"));
    let (target, percent) = (fields.take("target"), fields.take("targetPercent"));
    fields.refuse("timeSliceTarget", OTHER_METHODS, issues);
    fields.refuse("timeSliceWindow", OTHER_METHODS, issues);
    fields.refuse("indicator", COMPOSITE, issues);
    fields.refuse("indicatorRef", COMPOSITE, issues);
    fields.refuse("compositeWeight", COMPOSITE, issues);
    fields.end(&["displayName", "op", "target", "targetPercent", "value"], issues);
    let target_ppm = match (target, percent) {
        (Some(target), None) => share(&target, 1_000_000.0, "target: 0.999", issues),
        (None, Some(percent)) => share(&percent, 10_000.0, "targetPercent: 99.9", issues),
        (None, None) => {
            issues.add(&node.place, "give `target`, such as 0.999, or `targetPercent`");
            None
        }
        (Some(_), Some(_)) => {
            issues.add(&node.place, "`target` and `targetPercent` are both there; leave one out");
            None
        }
    };
    let threshold = match (op, value) {
        (None, None) => Some(None),
        (Some(op), Some(value)) => {
            let (op, value) = (side(&op, issues), value.number(issues));
            Some(Some((op?, value?)))
        }
        _ => {
            issues.add(&node.place, "`op` and `value` go together; give both or none");
            None
        }
    };
    Some(Goal { title, target_ppm: target_ppm?, threshold: threshold?, place: node.place.clone() })
}

/// Parts per million of a target that leaves a budget.
fn share(node: &Node<'_>, scale: f64, example: &str, issues: &mut Issues) -> Option<u32> {
    let number = node.number(issues)?;
    let ppm = (number * scale).round();
    // Of what is left, the type holds all.
    if (1.0..=999_999.0).contains(&ppm) {
        return Some(ppm as u32);
    }
    let most = 999_999.0 / scale;
    issues.add(
        &node.place,
        format!("{number} leaves no budget, or is no target; write up to {most}, like {example}"),
    );
    None
}

/// Whether small values are the good ones. Values are kept in buckets, so `lt` and `lte` are the same.
fn side(node: &Node<'_>, issues: &mut Issues) -> Option<bool> {
    match node.text(issues)? {
        "lte" | "lt" => Some(true),
        "gte" | "gt" => Some(false),
        other => {
            let hint = did_you_mean(other, ["lte", "lt", "gte", "gt"]);
            let message = format!("{:?} is no comparison{hint}; write lte, lt, gte or gt", clip(other));
            issues.add(&node.place, message);
            None
        }
    }
}

fn policies(node: &Node<'_>, issues: &mut Issues) -> Option<Vec<OneOf<PolicyDocument>>> {
    let listed = node.list(issues)?;
    if listed.len() > LISTED_MAX {
        issues.add(&node.place, format!("has {} policies; give up to {LISTED_MAX}", listed.len()));
        return None;
    }
    let read: Vec<_> = listed.iter().filter_map(|node| alerting::policy_or_name(node, issues)).collect();
    (read.len() == listed.len()).then_some(read)
}

fn annotations(meta: &Meta, issues: &mut Issues) -> Option<(Option<Duration>, u64)> {
    let (mut expects, mut least, mut good) = (None, MINIMUM_EVENTS, true);
    for (key, value, place) in &meta.annotations {
        match key.as_str() {
            "levqor.dev/expects-traffic" => match duration::parse(value) {
                Ok(seconds) if (60..=86_400).contains(&seconds) => {
                    expects = Some(Duration::from_secs(seconds))
                }
                Ok(_) => {
                    good = false;
                    issues.add(place, format!("{value} is not from 1m to 1d"));
                }
                Err(problem) => {
                    good = false;
                    issues.add(place, problem);
                }
            },
            "levqor.dev/minimum-events" => match value.parse() {
                Ok(number) if (1..=1_000_000).contains(&number) => least = number,
                _ => {
                    good = false;
                    let problem = format!("{:?} is no whole number from 1 to 1000000", clip(value));
                    issues.add(place, problem);
                }
            },
            _ => {}
        }
    }
    good.then_some((expects, least))
}
