//! What validating by a JSON Schema may cost, found from its references before the schema is compiled.
//!
//! A schema comes from whoever writes workflows, and a validator follows its references without counting. Here they
//! must stay inside the schema; must not go round without going into the value, which would never end; and must
//! neither multiply nor nest beyond bounds, on any value that is nested as deep as data may be.
//!
//! The schema is a graph. An edge is either on the same value (`allOf`, `$ref` …) or into a part of it (`properties`,
//! `items` …). For one chain of parts from the root, the number of visits to each node is computed level by level; of
//! the named parts the worst is taken at each level, which bounds every value from above.

use std::collections::HashMap;

use levqor_model::limits::NESTING_MAX;
use serde_json::{Map, Value};

use super::issue::{Issue, clip};

/// Visits of subschemas for one part of a value. Real schemas need tens.
const VISITS_MAX: u64 = 5_000;
/// Subschemas inside subschemas while one value is validated, and while the schema is compiled; each takes some stack.
const DEPTH_MAX: usize = 500;

/// How a keyword's value holds schemas.
#[derive(Clone, Copy)]
enum Holds {
    /// One schema, or a list of them.
    Schemas,
    /// Schemas by name.
    Named,
}

/// What part of the value a keyword's schemas apply to.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// None: it only keeps schemas for reference.
    Nothing,
    Same,
    /// The property of the schema's name.
    Property,
    /// The item at the schema's position.
    Item,
    /// Whichever part it is.
    Any,
}

const APPLICATORS: [(&str, Holds, Part); 22] = [
    ("$defs", Holds::Named, Part::Nothing),
    ("definitions", Holds::Named, Part::Nothing),
    ("allOf", Holds::Schemas, Part::Same),
    ("anyOf", Holds::Schemas, Part::Same),
    ("oneOf", Holds::Schemas, Part::Same),
    ("not", Holds::Schemas, Part::Same),
    ("if", Holds::Schemas, Part::Same),
    ("then", Holds::Schemas, Part::Same),
    ("else", Holds::Schemas, Part::Same),
    ("dependentSchemas", Holds::Named, Part::Same),
    ("dependencies", Holds::Named, Part::Same),
    ("contentSchema", Holds::Schemas, Part::Same),
    ("properties", Holds::Named, Part::Property),
    ("prefixItems", Holds::Schemas, Part::Item),
    ("patternProperties", Holds::Named, Part::Any),
    ("additionalProperties", Holds::Schemas, Part::Any),
    ("unevaluatedProperties", Holds::Schemas, Part::Any),
    ("propertyNames", Holds::Schemas, Part::Any),
    ("items", Holds::Schemas, Part::Any),
    ("additionalItems", Holds::Schemas, Part::Any),
    ("unevaluatedItems", Holds::Schemas, Part::Any),
    ("contains", Holds::Schemas, Part::Any),
];

/// An edge into a part of the value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Step<'s> {
    Property(&'s str),
    Item(usize),
    Any,
}

#[derive(Default)]
struct Node<'s> {
    same: Vec<usize>,
    parts: Vec<(Step<'s>, usize)>,
    /// Schemas that are only kept here; the compiler does not go there by itself.
    kept: Vec<usize>,
}

/// Refuses a schema whose validation or compilation is not bounded.
///
/// # Errors
/// What is wrong, with a pointer into the schema.
pub(super) fn check(schema: &Value) -> Result<(), Issue> {
    let graph = Graph::new(schema)?;
    let order = graph.order()?;
    graph.nesting()?;
    graph.visits(&order)
}

struct Graph<'s> {
    root: &'s Value,
    nodes: Vec<Node<'s>>,
    numbers: HashMap<*const Map<String, Value>, usize>,
    /// Schemas that carry an `$anchor`.
    anchors: HashMap<&'s str, usize>,
    /// `$ref`s: from, to where, and the pointer of the reference.
    references: Vec<(usize, &'s str, String)>,
}

impl<'s> Graph<'s> {
    fn new(root: &'s Value) -> Result<Self, Issue> {
        let mut graph = Self {
            root,
            nodes: Vec::new(),
            numbers: HashMap::new(),
            anchors: HashMap::new(),
            references: Vec::new(),
        };
        graph.add(root, "")?;
        // A reference may point at something that no keyword holds, which adds nodes and further references.
        let mut next = 0;
        while let Some((from, reference, pointer)) = graph.references.get(next).cloned() {
            next += 1;
            if let Some(to) = graph.resolve(reference, &pointer)? {
                graph.nodes[from].same.push(to);
            }
        }
        Ok(graph)
    }

    /// Adds a schema and those inside; None for a boolean one. Recursion ends with the document's nesting.
    fn add(&mut self, schema: &'s Value, pointer: &str) -> Result<Option<usize>, Issue> {
        let Value::Object(members) = schema else { return Ok(None) };
        if let Some(number) = self.numbers.get(&std::ptr::from_ref(members)) {
            return Ok(Some(*number));
        }
        let number = self.nodes.len();
        self.numbers.insert(std::ptr::from_ref(members), number);
        self.nodes.push(Node::default());
        for dynamic in ["$dynamicRef", "$recursiveRef"] {
            if members.contains_key(dynamic) {
                let message = format!("not supported yet: `{dynamic}` in a schema; use `$ref`");
                return Err(refuse(&format!("{pointer}/{dynamic}"), message));
            }
        }
        if !pointer.is_empty() && members.get("$id").is_some_and(Value::is_string) {
            return Err(refuse(
                &format!("{pointer}/$id"),
                "not supported yet: `$id` inside a schema; use `$defs` and `#/$defs/name`",
            ));
        }
        if let Some(anchor) = members.get("$anchor").and_then(Value::as_str) {
            self.anchors.insert(anchor, number);
        }
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            self.references.push((number, reference, format!("{pointer}/$ref")));
        }
        for (keyword, holds, part) in APPLICATORS {
            match (holds, members.get(keyword)) {
                (Holds::Named, Some(Value::Object(named))) => {
                    for (name, schema) in named {
                        let escaped = name.replace('~', "~0").replace('/', "~1");
                        let at = format!("{pointer}/{keyword}/{escaped}");
                        let step = if part == Part::Property { Step::Property(name) } else { Step::Any };
                        self.connect(number, schema, &at, part, step)?;
                    }
                }
                (Holds::Schemas, Some(schema @ Value::Object(_))) => {
                    self.connect(number, schema, &format!("{pointer}/{keyword}"), part, Step::Any)?;
                }
                (Holds::Schemas, Some(Value::Array(list))) => {
                    for (index, schema) in list.iter().enumerate() {
                        let at = format!("{pointer}/{keyword}/{index}");
                        let step = if part == Part::Item { Step::Item(index) } else { Step::Any };
                        self.connect(number, schema, &at, part, step)?;
                    }
                }
                _ => {}
            }
        }
        Ok(Some(number))
    }

    fn connect(
        &mut self,
        from: usize,
        schema: &'s Value,
        pointer: &str,
        part: Part,
        step: Step<'s>,
    ) -> Result<(), Issue> {
        let Some(to) = self.add(schema, pointer)? else { return Ok(()) };
        match part {
            Part::Nothing => self.nodes[from].kept.push(to),
            Part::Same => self.nodes[from].same.push(to),
            Part::Property | Part::Item | Part::Any => self.nodes[from].parts.push((step, to)),
        }
        Ok(())
    }

    fn resolve(&mut self, reference: &'s str, pointer: &str) -> Result<Option<usize>, Issue> {
        let Some(fragment) = reference.strip_prefix('#') else {
            return Err(refuse(
                pointer,
                format!(
                    "not supported yet: references out of the schema ({:?}); put the schema under `$defs` and write \
                     `#/$defs/name`",
                    clip(reference)
                ),
            ));
        };
        let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
        if let Some(number) = self.anchors.get(fragment.as_ref()) {
            return Ok(Some(*number));
        }
        let root = self.root;
        let target =
            if fragment.is_empty() || fragment.starts_with('/') { root.pointer(&fragment) } else { None };
        match target {
            Some(schema) => self.add(schema, &fragment),
            None => {
                let message = format!("{:?} is not in this schema; mend the reference", clip(reference));
                Err(refuse(pointer, message))
            }
        }
    }

    /// The nodes in an order in which edges on the same value go forwards.
    fn order(&self) -> Result<Vec<usize>, Issue> {
        let mut incoming = vec![0_usize; self.nodes.len()];
        for target in self.nodes.iter().flat_map(|node| &node.same) {
            incoming[*target] += 1;
        }
        let mut order: Vec<usize> = (0..self.nodes.len()).filter(|node| incoming[*node] == 0).collect();
        let mut next = 0;
        while let Some(node) = order.get(next).copied() {
            next += 1;
            for target in &self.nodes[node].same {
                incoming[*target] -= 1;
                if incoming[*target] == 0 {
                    order.push(*target);
                }
            }
        }
        if order.len() == self.nodes.len() {
            return Ok(order);
        }
        let reference = self.references.iter().find(|(from, ..)| incoming[*from] > 0);
        Err(refuse(
            reference.map_or("", |(_, _, pointer)| pointer),
            "these references lead back to where they started without going into the value, so validating would never \
             end; remove one",
        ))
    }

    /// Bounds the compiler's recursion: the longest path outside of loops, and everything in loops.
    fn nesting(&self) -> Result<(), Issue> {
        let edges: Vec<Vec<usize>> = self
            .nodes
            .iter()
            .map(|node| {
                let parts = node.parts.iter().map(|(_, target)| target);
                node.same.iter().chain(parts).chain(&node.kept).copied().collect()
            })
            .collect();
        let mut backwards = vec![Vec::new(); edges.len()];
        for (from, targets) in edges.iter().enumerate() {
            for to in targets {
                backwards[*to].push(from);
            }
        }
        let (before, above) = peel(&edges, &backwards);
        let (after, below) = peel(&backwards, &edges);
        let looped = (0..edges.len()).filter(|node| !before[*node] && !after[*node]).count();
        if above + looped + below > DEPTH_MAX {
            return Err(refuse(
                "",
                "the schemas of this schema are nested or recursive beyond bounds; use fewer",
            ));
        }
        Ok(())
    }

    fn visits(&self, order: &[usize]) -> Result<(), Issue> {
        let mut level = HashMap::from([(0_usize, (1_u64, 1_usize))]);
        for _ in 0..=NESTING_MAX {
            let mut totals = vec![(0_u64, 0_usize); self.nodes.len()];
            for (node, visits) in level {
                totals[node] = visits;
            }
            for node in order {
                let (visits, depth) = totals[*node];
                if visits == 0 {
                    continue;
                }
                for target in &self.nodes[*node].same {
                    let (sum, deepest) = &mut totals[*target];
                    *sum = sum.saturating_add(visits);
                    *deepest = (*deepest).max(depth + 1);
                }
            }
            let sum = totals.iter().fold(0_u64, |sum, (visits, _)| sum.saturating_add(*visits));
            if sum > VISITS_MAX {
                return Err(refuse(
                    "",
                    "the references of this schema multiply, so validating could take very long; refer to a schema once",
                ));
            }
            if totals.iter().any(|(_, depth)| *depth > DEPTH_MAX) {
                return Err(refuse("", "the references of this schema nest beyond bounds; use fewer"));
            }
            level = self.parts(&totals);
            if level.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// The visits one part further into the value: those by its name, of the worst name, and those of any part.
    fn parts(&self, totals: &[(u64, usize)]) -> HashMap<usize, (u64, usize)> {
        let mut by_step: HashMap<(usize, Step<'s>), u64> = HashMap::new();
        let mut next: HashMap<usize, (u64, usize)> = HashMap::new();
        for (node, (visits, depth)) in totals.iter().enumerate().filter(|(_, (visits, _))| *visits > 0) {
            for (step, target) in &self.nodes[node].parts {
                let sum = by_step.entry((*target, *step)).or_default();
                *sum = sum.saturating_add(*visits);
                let (_, deepest) = next.entry(*target).or_default();
                *deepest = (*deepest).max(depth + 1);
            }
        }
        for ((target, step), sum) in &by_step {
            if *step != Step::Any {
                let any = by_step.get(&(*target, Step::Any)).copied().unwrap_or_default();
                let (visits, _) = next.entry(*target).or_default();
                *visits = (*visits).max(sum.saturating_add(any));
            } else {
                let (visits, _) = next.entry(*target).or_default();
                *visits = (*visits).max(*sum);
            }
        }
        next
    }
}

/// Takes away nodes that nothing leads to, again and again: which were taken, and the longest path among them.
fn peel(forwards: &[Vec<usize>], backwards: &[Vec<usize>]) -> (Vec<bool>, usize) {
    let mut incoming: Vec<usize> = backwards.iter().map(Vec::len).collect();
    let mut length = vec![1_usize; forwards.len()];
    let mut taken = vec![false; forwards.len()];
    let mut open: Vec<usize> = (0..forwards.len()).filter(|node| incoming[*node] == 0).collect();
    let mut longest = 0;
    while let Some(node) = open.pop() {
        taken[node] = true;
        longest = longest.max(length[node]);
        for target in &forwards[node] {
            length[*target] = length[*target].max(length[node] + 1);
            incoming[*target] -= 1;
            if incoming[*target] == 0 {
                open.push(*target);
            }
        }
    }
    (taken, longest)
}

fn refuse(pointer: &str, message: impl Into<String>) -> Issue {
    Issue { pointer: pointer.to_owned(), message: message.into() }
}
