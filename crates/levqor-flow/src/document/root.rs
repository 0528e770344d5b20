//! The document's root: who it is, what it reuses, when it starts.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    checker::Checker,
    data::{Moment, Scope},
    duration,
    issue::{Place, clip},
    near::{did_you_mean, nearest},
    policy::Ours,
    support,
};
use crate::{
    definition::{DurationSpec, Extension, Workflow},
    schedule::{Cron, Schedule, Zone},
};

const MEMBERS: [&str; 8] = ["document", "input", "use", "do", "timeout", "output", "schedule", "evaluate"];

impl<'d> Checker<'d> {
    /// The whole document. None after an error that leaves nothing to build on.
    pub(super) fn workflow(&mut self) -> Option<Workflow> {
        let place = Place::ROOT;
        let root = self.object(self.document, &place, "`document: …` and `do: …`")?;
        self.root_members(root, &place);
        let head = self.required(root, &place, "document").and_then(|value| self.head(value));
        let zone = head.as_ref().map_or_else(Zone::default, |head| head.ours.zone.clone());
        if let Some(value) = root.get("evaluate") {
            self.evaluate(value, &place.key("evaluate"));
        }
        // Tasks refer to what `use` declares, wherever it stands.
        let extensions =
            root.get("use").map(|value| self.reusables(value, &place.key("use"))).unwrap_or_default();
        let input = self.input(root, &place, Scope::new(Moment::Workflow));
        let schedule =
            root.get("schedule").and_then(|value| self.schedule(value, &place.key("schedule"), zone));
        self.check_schedule_policy(root.contains_key("schedule"));
        let timeout = self.timeout(root, &place, Scope::new(Moment::Workflow));
        let tasks = self
            .required(root, &place, "do")
            .map(|value| self.task_list(value, &place.key("do"), Scope::new(Moment::Task)));
        let output = self.output(root, &place, Scope::new(Moment::WorkflowOutput));
        self.catalogued_functions();
        self.recursion();
        let head = head?;
        Some(Workflow {
            namespace: head.namespace,
            name: head.name,
            version: head.version,
            title: head.title,
            summary: head.summary,
            source: self.source.clone(),
            input,
            output,
            timeout,
            schedule,
            secrets: self.access.secrets.iter().map(|name| (*name).to_owned()).collect(),
            schemas: std::mem::take(&mut self.schemas),
            policy: head.ours.policy,
            functions: std::mem::take(&mut self.functions.compiled),
            extensions,
            tasks: tasks?,
        })
    }

    /// The DSL leaves the root open. A near miss is still an error: it would be dropped without a word.
    fn root_members(&mut self, root: &Map<String, Value>, place: &Place<'_>) {
        for member in root.keys() {
            if MEMBERS.contains(&member.as_str()) {
                continue;
            }
            let at = place.key(member);
            match nearest(member, MEMBERS) {
                Some(_) => {
                    let hint = did_you_mean(member, MEMBERS);
                    self.error(&at, format!("`{}` is not a member of a workflow{hint}", clip(member)));
                }
                None => self.warn(
                    &at,
                    format!("`{}` is not part of the DSL and has no effect; remove it", clip(member)),
                ),
            }
        }
    }

    fn head(&mut self, value: &'d Value) -> Option<Head> {
        const KNOWN: [&str; 8] =
            ["dsl", "namespace", "name", "version", "title", "summary", "tags", "metadata"];
        let root = Place::ROOT;
        let place = root.key("document");
        let head =
            self.object(value, &place, "{ dsl: '1.0.3', namespace: shop, name: order, version: '1.0.0' }")?;
        self.closed(head, &place, &KNOWN);
        if let Some(dsl) = self.version(head, &place, "dsl")
            && !dsl.starts_with("1.0.")
        {
            self.error(
                &place.key("dsl"),
                format!("version {:?} of the DSL is not supported; write '1.0.3'", clip(dsl)),
            );
        }
        let namespace = self.label(head, &place, "namespace");
        let name = self.label(head, &place, "name");
        let version = self.version(head, &place, "version");
        let title = self.optional_text(head, &place, "title").map(str::to_owned);
        let summary = self.optional_text(head, &place, "summary").map(str::to_owned);
        if let Some(tags) = head.get("tags") {
            self.object(tags, &place.key("tags"), "{ team: billing }");
        }
        let ours = head
            .get("metadata")
            .map(|metadata| self.metadata(metadata, &place.key("metadata")))
            .unwrap_or_default();
        Some(Head {
            namespace: namespace?.to_owned(),
            name: name?.to_owned(),
            version: version?.to_owned(),
            title,
            summary,
            ours,
        })
    }

    /// A namespace or a name: a DNS label.
    pub(super) fn label(
        &mut self,
        object: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
    ) -> Option<&'d str> {
        let text = self.required_text(object, place, member)?;
        if is_label(text) {
            return Some(text);
        }
        let message = format!(
            "`{member}` must be a DNS label (letters, digits and inner hyphens, at most 63), and is {:?}",
            clip(text)
        );
        self.error(&place.key(member), message);
        None
    }

    fn version(
        &mut self,
        object: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
    ) -> Option<&'d str> {
        let value = self.required(object, place, member)?;
        let at = place.key(member);
        if let Value::Number(number) = value {
            let remedy = format!("write it as three numbers in quotes, such as '{number}.0'");
            self.error(&at, format!("`{member}` must be text, and is the number {number}; {remedy}"));
            return None;
        }
        let text = self.text(value, &at)?;
        if is_version(text) {
            return Some(text);
        }
        let message =
            format!("`{member}` must be a semantic version such as '1.0.0', and is {:?}", clip(text));
        self.error(&at, message);
        None
    }

    fn evaluate(&mut self, value: &'d Value, place: &Place<'_>) {
        let Some(evaluate) = self.object(value, place, "{ language: jq, mode: strict }") else { return };
        self.closed(evaluate, place, &["language", "mode"]);
        if let Some(language) = self.optional_text(evaluate, place, "language")
            && language != "jq"
        {
            self.refuse(&place.key("language"), &support::OTHER_LANGUAGES);
        }
        if let Some(mode) = evaluate.get("mode") {
            let place = place.key("mode");
            self.loose = self.word(mode, &place, &[("strict", false), ("loose", true)]).unwrap_or(false);
        }
    }

    /// What `use` declares for tasks to refer to; gives the extensions.
    fn reusables(&mut self, value: &'d Value, place: &Place<'_>) -> Vec<Extension> {
        const KNOWN: [&str; 8] = [
            "authentications",
            "catalogs",
            "errors",
            "extensions",
            "functions",
            "retries",
            "secrets",
            "timeouts",
        ];
        let Some(reusables) = self.object(value, place, "{ timeouts: { short: { after: PT5S } } }") else {
            return Vec::new();
        };
        self.closed(reusables, place, &KNOWN);
        // First what the others may mention.
        self.declared_secrets(reusables, place);
        self.declared_authentications(reusables, place);
        self.declared_catalogs(reusables, place);
        if let Some(value) = reusables.get("timeouts") {
            let place = place.key("timeouts");
            let timeouts = self.object(value, &place, "{ short: { after: PT5S } }");
            for (name, value) in timeouts.into_iter().flatten() {
                let spec = self.timeout_object(value, &place.key(name), Scope::new(Moment::Reusable));
                self.timeouts.insert(name, spec);
            }
        }
        self.reusable_faults(reusables, place);
        if let Some(value) = reusables.get("functions") {
            self.functions(value, &place.key("functions"));
        }
        reusables
            .get("extensions")
            .map(|value| self.extensions(value, &place.key("extensions")))
            .unwrap_or_default()
    }

    /// `timeout` of the workflow or of a task: an object, or the name of one in `use.timeouts`.
    pub(super) fn timeout(
        &mut self,
        owner: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<DurationSpec> {
        let value = owner.get("timeout")?;
        let place = place.key("timeout");
        let Some(name) = value.as_str() else {
            return self.timeout_object(value, &place, scope);
        };
        match self.timeouts.get(name) {
            Some(spec) => spec.clone(),
            None => {
                let hint = did_you_mean(name, self.timeouts.keys().copied());
                let message = format!(
                    "`use.timeouts` has no {:?}; declare it there, or write {{ after: PT5S }}{hint}",
                    clip(name)
                );
                self.error(&place, message);
                None
            }
        }
    }

    fn timeout_object(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<DurationSpec> {
        let timeout = self.object(value, place, "{ after: { seconds: 30 } }")?;
        self.closed(timeout, place, &["after"]);
        let after = self.required(timeout, place, "after")?;
        self.duration_spec(after, &place.key("after"), scope)
    }

    /// A duration that may be computed.
    pub(super) fn duration_spec(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<DurationSpec> {
        if let Some(inner) = value.as_str().and_then(super::data::enclosed) {
            return self.compile(inner, place, scope).map(DurationSpec::Computed);
        }
        match duration(value) {
            Ok(span) => Some(DurationSpec::Fixed(span)),
            Err(reason) => {
                self.error(place, reason);
                None
            }
        }
    }

    fn schedule(&mut self, value: &'d Value, place: &Place<'_>, zone: Zone) -> Option<Schedule> {
        let schedule = self.object(value, place, "{ cron: '0 9 * * 1-5' }")?;
        self.closed(schedule, place, &["every", "cron", "after", "on", "read"]);
        let on = schedule.get("on").and_then(|value| self.trigger(value, schedule, place));
        if !schedule.contains_key("on") && schedule.contains_key("read") {
            self.error(&place.key("read"), "`read` goes with `on`, which is not there; remove it");
        } else if schedule.is_empty() {
            self.error(place, "`schedule` is empty; give it `every`, `cron`, `after` or `on`, or remove it");
        }
        let every = self.interval(schedule, place, "every");
        if every.is_some_and(|every| every < Duration::from_secs(60)) {
            self.warn(
                &place.key("every"),
                "this starts more than one run a minute, and each counts; is that what you want?",
            );
        }
        let after = self.interval(schedule, place, "after");
        let cron = self
            .optional_text(schedule, place, "cron")
            .and_then(|text| Cron::parse(text).map_err(|reason| self.error(&place.key("cron"), reason)).ok());
        Some(Schedule { every, cron, after, on, zone: zone.into_inner() })
    }

    /// A fixed span between runs.
    fn interval(
        &mut self,
        schedule: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
    ) -> Option<Duration> {
        let value = schedule.get(member)?;
        let place = place.key(member);
        if value.as_str().and_then(super::data::enclosed).is_some() {
            self.error(
                &place,
                format!("`{member}` cannot be computed, since there is no run yet; write a fixed duration such as PT5M"),
            );
            return None;
        }
        match duration(value) {
            Ok(span) if span < Duration::from_secs(1) => {
                self.error(&place, format!("`{member}` must be at least a second; write a longer duration"));
                None
            }
            Ok(span) => Some(span),
            Err(reason) => {
                self.error(&place, reason);
                None
            }
        }
    }
}

/// What `document` says.
struct Head {
    namespace: String,
    name: String,
    version: String,
    title: Option<String>,
    summary: Option<String>,
    ours: Ours,
}

/// `^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`
fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
}

/// Semantic Versioning 2.0.0: three numbers without leading zeros, then `-pre.release` and `+build` when there are any.
pub(super) fn is_version(text: &str) -> bool {
    if text.len() > 128 {
        return false;
    }
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let is_identifier = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, release) = rest.split_once('-').map_or((rest, None), |(core, release)| (core, Some(release)));
    let mut numbers = core.split('.');
    (0..3).all(|_| numbers.next().is_some_and(is_number))
        && numbers.next().is_none()
        && release.is_none_or(|release| {
            release.split('.').all(|part| {
                is_identifier(part) && (!part.bytes().all(|byte| byte.is_ascii_digit()) || is_number(part))
            })
        })
        && build.is_none_or(|build| build.split('.').all(is_identifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic() {
        for good in ["0.1.0", "1.0.0", "10.20.30", "1.0.0-alpha.1", "1.0.0-0A-b+build.01", "1.0.0+5114f85"] {
            assert!(is_version(good), "{good}");
        }
        for bad in
            ["", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "v1.0.0", "1.0.x", "latest"]
        {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn labels_are_dns_labels() {
        for good in ["a", "A1", "order-pet", &"x".repeat(63)] {
            assert!(is_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a_b", "a.b", "ä", &"x".repeat(64)] {
            assert!(!is_label(bad), "{bad}");
        }
    }
}
