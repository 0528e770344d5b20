//! `AlertPolicy`, `AlertCondition` and `AlertNotificationTarget`.

use std::time::Duration;

use levqor_model::Severity;

use super::{
    Meta, OneOf, bounded_text, clip, description, did_you_mean, duration,
    fields::{Issues, Node},
    name_of, reference,
};

/// Words for how bad an alert is, as other tools have them, too.
const SEVERITIES: [(&str, Severity); 12] = [
    ("critical", Severity::Critical),
    ("page", Severity::Critical),
    ("sev1", Severity::Critical),
    ("p1", Severity::Critical),
    ("major", Severity::Major),
    ("warning", Severity::Major),
    ("sev2", Severity::Major),
    ("p2", Severity::Major),
    ("minor", Severity::Minor),
    ("ticket", Severity::Minor),
    ("sev3", Severity::Minor),
    ("info", Severity::Minor),
];
/// Routes of one policy.
const TARGETS_MAX: usize = 10;
const LOOKBACK: (u64, u64) = (60, 30 * 86_400);
const AFTER_MAX: u64 = 86_400;

#[derive(Debug, Clone)]
pub(super) struct ConditionDocument {
    pub(super) severity: Severity,
    pub(super) burn_milli: u64,
    pub(super) window: Duration,
    pub(super) after: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct TargetDocument {
    /// A route or a destination of the configuration.
    pub(super) name: String,
}

#[derive(Debug, Clone)]
pub(super) struct PolicyDocument {
    pub(super) name: String,
    pub(super) condition: OneOf<ConditionDocument>,
    pub(super) targets: Vec<OneOf<TargetDocument>>,
    pub(super) when_breaching: bool,
    pub(super) when_resolved: bool,
    pub(super) when_no_data: bool,
}

/// A policy of an SLO's list.
pub(super) fn policy_or_name(node: &Node<'_>, issues: &mut Issues) -> Option<OneOf<PolicyDocument>> {
    let mut fields = node.object(issues)?;
    if let Some(named) = fields.take("alertPolicyRef") {
        fields.end(&["alertPolicyRef"], issues);
        return reference(&named, issues).map(OneOf::There);
    }
    let (meta, spec) = inline(node, "AlertPolicy", "alertPolicyRef", issues)?;
    policy_of(&meta, &spec, issues).map(OneOf::Here)
}

/// An alert policy's `spec`.
pub(super) fn policy(meta: &Meta, node: &Node<'_>, issues: &mut Issues) -> Option<PolicyDocument> {
    policy_of(&meta.name, node, issues)
}

fn policy_of(name: &str, node: &Node<'_>, issues: &mut Issues) -> Option<PolicyDocument> {
    let mut fields = node.object(issues)?;
    description(&mut fields, issues);
    let mut flag = |name: &str, issues: &mut Issues| match fields.take(name) {
        None => Some(true),
        Some(node) => node.flag(issues),
    };
    let when_breaching = flag("alertWhenBreaching", issues);
    let when_resolved = flag("alertWhenResolved", issues);
    let when_no_data = flag("alertWhenNoData", issues);
    let conditions = fields.need("conditions", "it has one condition", issues);
    let targets = fields.take("notificationTargets");
    fields.end(
        &[
            "alertWhenBreaching",
            "alertWhenNoData",
            "alertWhenResolved",
            "conditions",
            "description",
            "notificationTargets",
        ],
        issues,
    );
    let conditions = conditions?;
    let listed = conditions.list(issues)?;
    let [listed] = listed.as_slice() else {
        let message = format!("has {} conditions; give exactly one, as the standard says", listed.len());
        issues.add(&conditions.place, message);
        return None;
    };
    let condition = condition_or_name(listed, issues);
    let targets = match targets {
        None => Some(Vec::new()),
        Some(node) => targets_of(&node, issues),
    };
    Some(PolicyDocument {
        name: name.to_owned(),
        condition: condition?,
        targets: targets?,
        when_breaching: when_breaching?,
        when_resolved: when_resolved?,
        when_no_data: when_no_data?,
    })
}

fn targets_of(node: &Node<'_>, issues: &mut Issues) -> Option<Vec<OneOf<TargetDocument>>> {
    let listed = node.list(issues)?;
    if listed.len() > TARGETS_MAX {
        issues.add(&node.place, format!("has {} targets; give up to {TARGETS_MAX}", listed.len()));
        return None;
    }
    let read: Vec<_> = listed.iter().filter_map(|node| target_or_name(node, issues)).collect();
    (read.len() == listed.len()).then_some(read)
}

fn target_or_name(node: &Node<'_>, issues: &mut Issues) -> Option<OneOf<TargetDocument>> {
    let mut fields = node.object(issues)?;
    if let Some(named) = fields.take("targetRef") {
        fields.end(&["targetRef"], issues);
        return reference(&named, issues).map(OneOf::There);
    }
    let (_, spec) = inline(node, "AlertNotificationTarget", "targetRef", issues)?;
    target(&spec, issues).map(OneOf::Here)
}

/// A notification target's `spec`.
pub(super) fn target(node: &Node<'_>, issues: &mut Issues) -> Option<TargetDocument> {
    let mut fields = node.object(issues)?;
    description(&mut fields, issues);
    let name = fields.need("target", "name a route or a destination of the configuration", issues);
    fields.end(&["description", "target"], issues);
    Some(TargetDocument { name: name_of(&name?, issues)? })
}

fn condition_or_name(node: &Node<'_>, issues: &mut Issues) -> Option<OneOf<ConditionDocument>> {
    let mut fields = node.object(issues)?;
    if let Some(named) = fields.take("conditionRef") {
        fields.end(&["conditionRef"], issues);
        return reference(&named, issues).map(OneOf::There);
    }
    let (_, spec) = inline(node, "AlertCondition", "conditionRef", issues)?;
    condition(&spec, issues).map(OneOf::Here)
}

/// An alert condition's `spec`.
pub(super) fn condition(node: &Node<'_>, issues: &mut Issues) -> Option<ConditionDocument> {
    let mut fields = node.object(issues)?;
    description(&mut fields, issues);
    let severity = fields.need("severity", "write critical, major or minor", issues);
    let inner = fields.need("condition", "it has the burn rate", issues);
    fields.end(&["condition", "description", "severity"], issues);
    let severity = severity.and_then(|node| severity_of(&node, issues));
    let inner = inner?;
    let mut fields = inner.object(issues)?;
    if let Some(kind) = fields.take("kind")
        && let Some(text) = kind.text(issues)
        && text != "burnrate"
    {
        let hint = did_you_mean(text, ["burnrate"]);
        issues.add(&kind.place, format!("{:?} is no kind of condition{hint}; write burnrate", clip(text)));
    }
    let op = fields.need("op", "write gte", issues);
    let threshold = fields.need("threshold", "write how many times too fast, such as 14.4", issues);
    let window = fields.need("lookbackWindow", "write it like 1h", issues);
    let after = fields.take("alertAfter");
    fields.end(&["alertAfter", "kind", "lookbackWindow", "op", "threshold"], issues);
    let op = op.and_then(|node| op_of(&node, issues));
    let burn_milli = threshold.and_then(|node| threshold_of(&node, issues));
    let window = window.and_then(|node| duration::duration(&node, LOOKBACK.0, LOOKBACK.1, issues));
    let after = match after {
        None => Some(Duration::ZERO),
        Some(node) => duration::duration(&node, 0, AFTER_MAX, issues),
    };
    op?;
    Some(ConditionDocument { severity: severity?, burn_milli: burn_milli?, window: window?, after: after? })
}

fn severity_of(node: &Node<'_>, issues: &mut Issues) -> Option<Severity> {
    let text = node.text(issues)?;
    let found = SEVERITIES.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    if found.is_none() {
        let words = SEVERITIES.map(|(word, _)| word);
        let hint = did_you_mean(text, words);
        let message = format!("{:?} is no severity{hint}; known are {}", clip(text), words.join(", "));
        issues.add(&node.place, message);
    }
    found.map(|(_, severity)| *severity)
}

fn op_of(node: &Node<'_>, issues: &mut Issues) -> Option<()> {
    match node.text(issues)? {
        "gte" | "gt" => Some(()),
        op @ ("lte" | "lt") => {
            let message =
                format!("with {op} the alert would fire while the budget is hardly spent; write gte");
            issues.add(&node.place, message);
            None
        }
        other => {
            let hint = did_you_mean(other, ["gte", "gt"]);
            issues.add(&node.place, format!("{:?} is no comparison{hint}; write gte", clip(other)));
            None
        }
    }
}

fn threshold_of(node: &Node<'_>, issues: &mut Issues) -> Option<u64> {
    let number = node.number(issues)?;
    let milli = (number * 1_000.0).round();
    if (1.0..=1e9).contains(&milli) {
        // Within those bounds nothing is lost.
        return Some(milli as u64);
    }
    issues.add(&node.place, format!("{number} is no burn rate; write a number from 0.001 to 1000000"));
    None
}

/// A document that stands inside another one: its name and its `spec`.
fn inline<'a>(node: &Node<'a>, kind: &str, by_name: &str, issues: &mut Issues) -> Option<(String, Node<'a>)> {
    let mut fields = node.object(issues)?;
    let what = format!("write `{by_name}` with a name, or `kind: {kind}`, `metadata` and `spec`");
    if let Some(found) = fields.take("kind")
        && let Some(text) = found.text(issues)
        && text != kind
    {
        issues.add(&found.place, format!("{:?} does not belong here; {what}", clip(text)));
    }
    fields.take("apiVersion");
    let meta = fields.need("metadata", &what, issues);
    let spec = fields.need("spec", &what, issues);
    fields.end(&[by_name, "apiVersion", "kind", "metadata", "spec"], issues);
    let mut meta = meta?.object(issues)?;
    let name = meta.need("name", "write one in lower case", issues);
    if let Some(title) = meta.take("displayName") {
        bounded_text(&title, 200, issues);
    }
    meta.take("labels");
    meta.take("annotations");
    meta.end(&["annotations", "displayName", "labels", "name"], issues);
    Some((name_of(&name?, issues)?, spec?))
}
