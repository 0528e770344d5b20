//! OpenSLO v1, read strictly: what a document says is either meant and used, or named as what is wrong with it.
//!
//! ```text
//! files ─► trees (lines) ─► documents by kind and name ─► references resolved ─► Objective
//! ```
//!
//! Deliberately not supported, and refused by name: calendar-aligned windows, time slices, composite objectives, precomputed ratios and
//! other sources of metrics than Levqor's own.
//!
//! Source: OpenSLO specification, <https://github.com/OpenSLO/OpenSLO>.

mod alerting;
mod duration;
mod fields;
mod sli;
mod slo;
mod tree;

use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

use levqor_model::{Severity, did_you_mean};
use serde::Serialize;

use alerting::{ConditionDocument, PolicyDocument, TargetDocument};
use fields::{Fields, Issues, Node, Place};
use sli::SliDocument;
use slo::SloDocument;

/// Longest file.
pub const FILE_BYTES_MAX: usize = 256 * 1024;
/// Files of one catalogue.
pub const FILES_MAX: usize = 200;
/// Objectives of one catalogue: each is looked at every few seconds.
pub const OBJECTIVES_MAX: usize = 200;
/// Longest description, as the standard has it.
const DESCRIPTION_CHARS_MAX: usize = 1_050;
const API_VERSION: &str = "openslo/v1";
/// How annotations begin that mean something here.
const ANNOTATION: &str = "levqor.dev/";
const ANNOTATIONS: [&str; 2] = ["levqor.dev/expects-traffic", "levqor.dev/minimum-events"];
const KINDS: [&str; 7] =
    ["AlertCondition", "AlertNotificationTarget", "AlertPolicy", "DataSource", "SLI", "SLO", "Service"];

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    pub file: String,
    /// Which document of the file, from 0.
    pub document: usize,
    /// From 1.
    pub line: u32,
    /// JSON Pointer (RFC 6901) in that document.
    pub pointer: String,
    pub message: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, pointer, message, .. } = self;
        if pointer.is_empty() {
            write!(f, "{file}:{line}: {message}")
        } else {
            write!(f, "{file}:{line}: {pointer}: {message}")
        }
    }
}

/// Where counts come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Source {
    /// A stored series: what it has counted, or how many values it has seen.
    Series { name: String, labels: Vec<(String, String)> },
    /// Observations of a component.
    Evidence {
        component: String,
        region: Option<String>,
        /// Only good ones, or only bad ones.
        good: Option<bool>,
    },
}

/// Which part of all events is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Good,
    Bad,
}

/// What makes an event a good one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Indicator {
    Ratio { part: Part, counted: Source, total: Source },
    Threshold { source: Source, threshold: Threshold },
}

/// A value is good when it is on the right side of this one, in the unit in which the series is kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Threshold {
    /// Small values are good; otherwise large ones are.
    pub at_most: bool,
    pub value: f64,
}

/// What an alert policy of a document asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Policy {
    pub name: String,
    pub severity: Severity,
    /// How many times as fast as the objective allows, in thousandths.
    pub burn_milli: u64,
    pub window: Duration,
    pub after: Duration,
    pub when_breaching: bool,
    pub when_resolved: bool,
    pub when_no_data: bool,
    /// Routes or destinations of the configuration; empty: those of the severity.
    pub targets: Vec<String>,
}

/// An objective with everything that it refers to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Objective {
    pub name: String,
    pub title: String,
    pub description: Option<String>,
    pub service: String,
    pub indicator: Indicator,
    /// The share of events that must be good, in parts per million.
    pub target_ppm: u32,
    pub window: Duration,
    /// Without any event for this long nothing is known; None: that there are none may be right.
    pub expects_traffic: Option<Duration>,
    /// With fewer events in a window than this nothing follows from it.
    pub minimum_events: u64,
    /// Empty: the built-in ones.
    pub policies: Vec<Policy>,
    /// The file that it is from.
    pub file: String,
}

/// What a set of files says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// By name.
    pub objectives: Vec<Objective>,
    /// Names and titles of services.
    pub services: BTreeMap<String, String>,
}

/// Reads files that refer to each other. Without issues, the catalogue is whole; with some, it has what could be understood.
pub fn read(files: &[(String, String)]) -> (Catalogue, Vec<Issue>) {
    let (mut issues, mut all) = (Issues::default(), Documents::default());
    for (number, (file, text)) in files.iter().enumerate() {
        let place = |line, document| Place { file: file.clone(), document, pointer: String::new(), line };
        if number >= FILES_MAX {
            issues.add(&place(1, 0), format!("there are more than {FILES_MAX} files; put some together"));
            break;
        }
        if text.len() > FILE_BYTES_MAX {
            issues.add(
                &place(1, 0),
                format!("the file has {} bytes, and {FILE_BYTES_MAX} are allowed; split it", text.len()),
            );
            continue;
        }
        let (trees, unreadable) = tree::trees(text);
        for problem in unreadable {
            issues.add(&place(problem.line, problem.document), problem.message);
        }
        for (document, tree) in &trees {
            all.add(&Node { tree, place: place(tree.line, *document) }, &mut issues);
        }
    }
    let catalogue = all.resolve(&mut issues);
    (catalogue, issues.0)
}

/// What stands before `spec` in every document.
#[derive(Debug, Clone)]
struct Meta {
    name: String,
    title: Option<String>,
    annotations: Vec<(String, String, Place)>,
    place: Place,
}

/// The name of another document, and where it is named.
#[derive(Debug, Clone)]
struct Reference {
    name: String,
    place: Place,
}

/// Something that is written out, or named.
#[derive(Debug, Clone)]
enum OneOf<T> {
    Here(T),
    There(Reference),
}

/// Documents by kind and name.
#[derive(Debug, Default)]
struct Documents {
    conditions: BTreeMap<String, ConditionDocument>,
    targets: BTreeMap<String, TargetDocument>,
    policies: BTreeMap<String, PolicyDocument>,
    sources: BTreeMap<String, ()>,
    slis: BTreeMap<String, SliDocument>,
    slos: BTreeMap<String, SloDocument>,
    services: BTreeMap<String, Meta>,
}

impl Documents {
    fn add(&mut self, node: &Node<'_>, issues: &mut Issues) {
        let Some(mut fields) = node.object(issues) else { return };
        let version = fields.need("apiVersion", "write openslo/v1", issues);
        if let Some(version) = version
            && let Some(text) = version.text(issues)
            && text != API_VERSION
        {
            let message = format!("{:?} is not supported; write {API_VERSION} and its members", clip(text));
            issues.add(&version.place, message);
            return;
        }
        let what = format!("write one of {}", KINDS.join(", "));
        let Some(kind) = fields.need("kind", &what, issues) else { return };
        let Some(kind_text) = kind.text(issues) else { return };
        if !KINDS.contains(&kind_text) {
            let hint = did_you_mean(kind_text, KINDS);
            let message = format!("{:?} is no kind of document{hint}; {what}", clip(kind_text));
            issues.add(&kind.place, message);
            return;
        }
        let meta = meta(&mut fields, issues);
        let spec = fields.take("spec");
        fields.end(&["apiVersion", "kind", "metadata", "spec"], issues);
        let Some(meta) = meta else { return };
        if kind_text != "SLO" {
            for (key, _, place) in meta.annotations.iter().filter(|(key, ..)| key.starts_with(ANNOTATION)) {
                issues.add(place, format!("`{key}` means something in documents of kind SLO only"));
            }
        }
        self.add_kind(kind_text, meta, spec.as_ref(), &node.place, issues);
    }

    fn add_kind(
        &mut self,
        kind: &str,
        meta: Meta,
        spec: Option<&Node<'_>>,
        place: &Place,
        issues: &mut Issues,
    ) {
        let Some(spec) = spec else {
            if kind == "Service" {
                return keep(&mut self.services, kind, &meta.clone(), Some(meta), issues);
            }
            return issues.add(place, "`spec` is missing: it says what the document is about");
        };
        match kind {
            "Service" => {
                if let Some(mut fields) = spec.object(issues) {
                    description(&mut fields, issues);
                    fields.end(&["description"], issues);
                }
                keep(&mut self.services, kind, &meta.clone(), Some(meta), issues);
            }
            "DataSource" => {
                let read = sli::data_source(spec, issues);
                keep(&mut self.sources, kind, &meta, read, issues);
            }
            "SLI" => keep(&mut self.slis, kind, &meta, sli::sli(spec, issues), issues),
            "SLO" => {
                let read = slo::slo(&meta, spec, issues);
                keep(&mut self.slos, kind, &meta, read, issues);
            }
            "AlertCondition" => {
                keep(&mut self.conditions, kind, &meta, alerting::condition(spec, issues), issues);
            }
            "AlertNotificationTarget" => {
                keep(&mut self.targets, kind, &meta, alerting::target(spec, issues), issues);
            }
            _ => {
                let read = alerting::policy(&meta, spec, issues);
                keep(&mut self.policies, kind, &meta, read, issues);
            }
        }
    }

    fn resolve(mut self, issues: &mut Issues) -> Catalogue {
        let slos = std::mem::take(&mut self.slos);
        let mut objectives: Vec<Objective> = Vec::new();
        for document in slos.into_values() {
            let place = document.place.clone();
            for objective in self.objectives(document, issues) {
                if objectives.iter().any(|other| other.name == objective.name) {
                    issues.add(
                        &place,
                        format!("another objective is called {:?} already; rename this one", objective.name),
                    );
                } else if objectives.len() >= OBJECTIVES_MAX {
                    issues.add(
                        &place,
                        format!("there are more than {OBJECTIVES_MAX} objectives; leave some out"),
                    );
                    break;
                } else {
                    objectives.push(objective);
                }
            }
        }
        for sli in self.slis.values() {
            self.check_sources(sli, issues);
        }
        objectives.sort_by(|a, b| a.name.cmp(&b.name));
        let services = self.services.into_iter().map(|(name, meta)| {
            let title = meta.title.unwrap_or_else(|| name.clone());
            (name, title)
        });
        Catalogue { objectives, services: services.collect() }
    }

    fn check_sources(&self, sli: &SliDocument, issues: &mut Issues) {
        for reference in &sli.sources {
            find(&self.sources, "DataSource", reference, issues);
        }
    }

    fn objectives(&self, document: SloDocument, issues: &mut Issues) -> Vec<Objective> {
        find(&self.services, "Service", &document.service, issues);
        let sli = match &document.indicator {
            OneOf::Here(sli) => {
                self.check_sources(sli, issues);
                Some(sli)
            }
            OneOf::There(reference) => find(&self.slis, "SLI", reference, issues),
        };
        let policies: Vec<Policy> =
            document.policies.iter().filter_map(|policy| self.policy(policy, issues)).collect();
        let mut seen: Vec<&str> = Vec::new();
        for policy in &policies {
            if seen.contains(&policy.name.as_str()) {
                let message = format!("the policy {:?} is named twice; leave one out", policy.name);
                issues.add(&document.place, message);
            }
            seen.push(&policy.name);
        }
        let Some(sli) = sli else { return Vec::new() };
        document.objectives(sli, &policies, issues)
    }

    fn policy(&self, policy: &OneOf<PolicyDocument>, issues: &mut Issues) -> Option<Policy> {
        let document = match policy {
            OneOf::Here(document) => document,
            OneOf::There(reference) => find(&self.policies, "AlertPolicy", reference, issues)?,
        };
        let condition = match &document.condition {
            OneOf::Here(condition) => Some(condition),
            OneOf::There(reference) => find(&self.conditions, "AlertCondition", reference, issues),
        };
        let targets = document.targets.iter().filter_map(|target| match target {
            OneOf::Here(target) => Some(target.name.clone()),
            OneOf::There(reference) => find(&self.targets, "AlertNotificationTarget", reference, issues)
                .map(|target| target.name.clone()),
        });
        let targets = targets.collect();
        let condition = condition?;
        Some(Policy {
            name: document.name.clone(),
            severity: condition.severity,
            burn_milli: condition.burn_milli,
            window: condition.window,
            after: condition.after,
            when_breaching: document.when_breaching,
            when_resolved: document.when_resolved,
            when_no_data: document.when_no_data,
            targets,
        })
    }
}

/// Keeps a document by its name, of which there is one.
fn keep<T>(all: &mut BTreeMap<String, T>, kind: &str, meta: &Meta, read: Option<T>, issues: &mut Issues) {
    let Some(read) = read else { return };
    if all.contains_key(&meta.name) {
        let message = format!("another {kind} is called {:?} already; rename one of them", meta.name);
        issues.add(&meta.place, message);
    } else {
        all.insert(meta.name.clone(), read);
    }
}

fn find<'a, T>(
    all: &'a BTreeMap<String, T>,
    kind: &str,
    reference: &Reference,
    issues: &mut Issues,
) -> Option<&'a T> {
    let found = all.get(&reference.name);
    if found.is_none() {
        let hint = did_you_mean(&reference.name, all.keys().map(String::as_str));
        issues.add(
            &reference.place,
            format!(
                "there is no {kind} called {:?}{hint}; add a document of that kind",
                clip(&reference.name)
            ),
        );
    }
    found
}

fn meta(fields: &mut Fields<'_>, issues: &mut Issues) -> Option<Meta> {
    let node = fields.need("metadata", "it has the document's `name`", issues)?;
    let mut fields = node.object(issues)?;
    let named = fields.need("name", "write one in lower case, such as api-availability", issues);
    let title = fields.take("displayName").and_then(|node| bounded_text(&node, 200, issues));
    if let Some(labels) = fields.take("labels").and_then(|node| node.object(issues)) {
        check_labels(labels, issues);
    }
    let annotations = fields.take("annotations").and_then(|node| node.object(issues)).map(|mut object| {
        let all = object.all().into_iter();
        all.filter_map(|(key, node)| Some((key.to_owned(), node.text(issues)?.to_owned(), node.place)))
            .collect::<Vec<_>>()
    });
    let annotations = annotations.unwrap_or_default();
    for (key, _, place) in &annotations {
        if key.starts_with(ANNOTATION) && !ANNOTATIONS.contains(&key.as_str()) {
            let hint = did_you_mean(key, ANNOTATIONS);
            issues.add(place, format!("`{}` means nothing here{hint}", clip(key)));
        }
    }
    fields.end(&["annotations", "displayName", "labels", "name"], issues);
    let named = named?;
    let name = name_of(&named, issues)?;
    Some(Meta { name, title, annotations, place: named.place })
}

fn check_labels(mut labels: Fields<'_>, issues: &mut Issues) {
    for (_, node) in labels.all() {
        match &node.tree.kind {
            tree::Kind::Text(_) => {}
            tree::Kind::List(_) => {
                for item in node.list(issues).unwrap_or_default() {
                    item.text(issues);
                }
            }
            _ => issues.add(&node.place, "a label is a text or a list of texts; put it in quotes"),
        }
    }
}

/// A name by RFC 1123.
fn name_of(node: &Node<'_>, issues: &mut Issues) -> Option<String> {
    let text = node.text(issues)?;
    let inside = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    let good = !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if !good {
        issues.add(
            &node.place,
            format!(
                "{:?} is no name; it takes 1 to 63 lower case letters, digits and dashes, no dash at the ends",
                clip(text)
            ),
        );
        return None;
    }
    Some(text.to_owned())
}

fn reference(node: &Node<'_>, issues: &mut Issues) -> Option<Reference> {
    Some(Reference { name: name_of(node, issues)?, place: node.place.clone() })
}

fn description(fields: &mut Fields<'_>, issues: &mut Issues) -> Option<String> {
    fields.take("description").and_then(|node| bounded_text(&node, DESCRIPTION_CHARS_MAX, issues))
}

fn bounded_text(node: &Node<'_>, chars_max: usize, issues: &mut Issues) -> Option<String> {
    let text = node.text(issues)?;
    if text.chars().count() > chars_max {
        issues.add(&node.place, format!("is longer than {chars_max} characters; shorten it"));
        return None;
    }
    Some(text.trim().to_owned())
}

/// The beginning of a text that a stranger has written.
fn clip(text: &str) -> Cow<'_, str> {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}
