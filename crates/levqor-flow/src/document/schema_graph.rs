//! What validating by a JSON Schema may cost, found from its references before it is compiled.
//!
//! A schema comes from whoever writes workflows, and a validator follows its references without counting. Here they
//! must stay inside the schema; must not go round without going into the value, which would never end; and must
//! neither multiply nor nest beyond bounds, on any value that is nested as deep as data may be.
//!
//! The schema is a graph. An edge is either on the same value (`allOf`, `$ref` …) or into a part of it (`properties`,
//! `items` …). All chains of parts that a value can have are followed from the root, with the number of visits to each node;
//! chains that come to the same visits are followed once, as when an automaton is made deterministic.

mod walk;

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::issue::{Issue, Place, clip};

/// How a keyword's value holds schemas.
#[derive(Clone, Copy)]
enum Holds {
    /// One schema, or a list of them.
    Schemas,
    /// Schemas by name.
    Named,
}

/// What part of the value a keyword's schemas apply to.
#[derive(Clone, Copy)]
enum Part {
    /// None: it only keeps schemas for reference.
    Nothing,
    Same,
    /// The property of the schema's name.
    Property,
    /// Properties by what they look like.
    SomeProperties,
    /// Properties that nothing else in the schema is about.
    OtherProperties,
    /// The names themselves.
    Names,
    /// The item at the schema's position.
    Item,
    SomeItems,
    OtherItems,
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
    ("patternProperties", Holds::Named, Part::SomeProperties),
    ("additionalProperties", Holds::Schemas, Part::OtherProperties),
    ("unevaluatedProperties", Holds::Schemas, Part::OtherProperties),
    ("propertyNames", Holds::Schemas, Part::Names),
    ("items", Holds::Schemas, Part::OtherItems),
    ("additionalItems", Holds::Schemas, Part::OtherItems),
    ("unevaluatedItems", Holds::Schemas, Part::OtherItems),
    ("contains", Holds::Schemas, Part::SomeItems),
];

/// A part of the value that a schema names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step<'s> {
    Property(&'s str),
    Item(usize),
}

/// Edges into the parts of an object, or of a list.
#[derive(Default)]
struct Parts<'s> {
    named: Vec<(Step<'s>, usize)>,
    /// Beside the named ones.
    some: Vec<usize>,
    /// Instead of the named ones.
    other: Vec<usize>,
}

#[derive(Default)]
struct Node<'s> {
    same: Vec<usize>,
    object: Parts<'s>,
    list: Parts<'s>,
    names: Vec<usize>,
}

impl Parts<'_> {
    fn is_forked(&self) -> bool {
        !self.some.is_empty() && !self.other.is_empty()
    }
}

/// Refuses a schema whose validation is not bounded; gives the number of its regular expressions.
///
/// # Errors
/// What is wrong, with a pointer into the schema.
pub(super) fn check(schema: &Value) -> Result<usize, Issue> {
    if schema.is_boolean() {
        return Ok(0);
    }
    let graph = Graph::new(schema)?;
    let order = graph.order()?;
    walk::Walk::new(&graph, &order).check()?;
    Ok(graph.patterns)
}

struct Graph<'s> {
    root: &'s Value,
    nodes: Vec<Node<'s>>,
    numbers: HashMap<*const Map<String, Value>, usize>,
    /// Schemas that carry an `$anchor`.
    anchors: HashMap<&'s str, usize>,
    /// `$ref`s: from, to where, and the pointer of the reference.
    references: Vec<(usize, &'s str, String)>,
    patterns: usize,
    /// The pointer to give for what is found where only this reference leads, outside of all keywords.
    aside: Option<String>,
}

impl<'s> Graph<'s> {
    fn new(root: &'s Value) -> Result<Self, Issue> {
        let mut graph = Self {
            root,
            nodes: Vec::new(),
            numbers: HashMap::new(),
            anchors: HashMap::new(),
            references: Vec::new(),
            patterns: 0,
            aside: None,
        };
        graph.add(root, &Place::ROOT)?;
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
    fn add(&mut self, schema: &'s Value, place: &Place<'_>) -> Result<Option<usize>, Issue> {
        let Value::Object(members) = schema else { return Ok(None) };
        if let Some(number) = self.numbers.get(&std::ptr::from_ref(members)) {
            return Ok(Some(*number));
        }
        let number = self.nodes.len();
        self.numbers.insert(std::ptr::from_ref(members), number);
        self.nodes.push(Node::default());
        self.patterns += usize::from(members.contains_key("pattern"));
        let by_pattern = members.get("patternProperties").and_then(Value::as_object);
        self.patterns += by_pattern.map_or(0, Map::len);
        for dynamic in ["$dynamicRef", "$recursiveRef"] {
            if members.contains_key(dynamic) {
                let message = format!("not supported yet: `{dynamic}` in a schema; use `$ref`");
                return Err(refuse(&self.pointer(&place.key(dynamic)), message));
            }
        }
        if number > 0 && members.get("$id").is_some_and(Value::is_string) {
            return Err(refuse(
                &self.pointer(&place.key("$id")),
                "not supported yet: `$id` inside a schema; use `$defs` and `#/$defs/name`",
            ));
        }
        if let Some(anchor) = members.get("$anchor").and_then(Value::as_str) {
            self.anchors.insert(anchor, number);
        }
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            self.references.push((number, reference, self.pointer(&place.key("$ref"))));
        }
        for (keyword, holds, part) in APPLICATORS {
            let place = place.key(keyword);
            match (holds, members.get(keyword)) {
                (Holds::Named, Some(Value::Object(named))) => {
                    for (name, schema) in named {
                        self.connect(number, schema, &place.key(name), part, Step::Property(name))?;
                    }
                }
                (Holds::Schemas, Some(schema @ Value::Object(_))) => {
                    self.connect(number, schema, &place, part, Step::Item(0))?;
                }
                (Holds::Schemas, Some(Value::Array(list))) => {
                    for (index, schema) in list.iter().enumerate() {
                        self.connect(number, schema, &place.index(index), part, Step::Item(index))?;
                    }
                }
                _ => {}
            }
        }
        Ok(Some(number))
    }

    /// The pointer of a place; the schema itself when the names on the way are very long.
    fn pointer(&self, place: &Place<'_>) -> String {
        const BYTES_MAX: usize = 512;
        match &self.aside {
            Some(aside) => aside.clone(),
            None if place.pointer_bytes() > BYTES_MAX => String::new(),
            None => place.pointer(),
        }
    }

    fn connect(
        &mut self,
        from: usize,
        schema: &'s Value,
        place: &Place<'_>,
        part: Part,
        step: Step<'s>,
    ) -> Result<(), Issue> {
        let Some(to) = self.add(schema, place)? else { return Ok(()) };
        let node = &mut self.nodes[from];
        match part {
            Part::Nothing => {}
            Part::Same => node.same.push(to),
            Part::Property => node.object.named.push((step, to)),
            Part::SomeProperties => node.object.some.push(to),
            Part::OtherProperties => node.object.other.push(to),
            Part::Names => node.names.push(to),
            Part::Item => node.list.named.push((step, to)),
            Part::SomeItems => node.list.some.push(to),
            Part::OtherItems => node.list.other.push(to),
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
            Some(schema) => {
                self.aside = Some(pointer.to_owned());
                self.add(schema, &Place::ROOT)
            }
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
}

fn refuse(pointer: &str, message: impl Into<String>) -> Issue {
    Issue { pointer: pointer.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `$defs` d0 to d(n-1), each made from the name of the next; the last takes objects.
    fn chain(length: usize, link: impl Fn(&str) -> Value) -> Value {
        let definitions: Map<String, Value> = (0..length)
            .map(|index| {
                let next = format!("#/$defs/d{}", index + 1);
                (
                    format!("d{index}"),
                    if index + 1 == length { json!({ "type": "object" }) } else { link(&next) },
                )
            })
            .collect();
        json!({ "$ref": "#/$defs/d0", "$defs": definitions })
    }

    #[test]
    fn ordinary_schemas_pass() {
        let table = [
            json!(true),
            json!({}),
            json!({ "type": "object", "properties": { "$id": { "type": "string" }, "const": { "$ref": "#" } } }),
            json!({ "$anchor": "tree", "properties": { "left": { "$ref": "#tree" }, "right": { "$ref": "#" } } }),
            json!({ "properties": {
                "if": { "properties": { "then": { "$ref": "#" }, "else": { "$ref": "#" } } },
                "while": { "properties": { "then": { "$ref": "#" } } },
            } }),
            json!({ "items": { "$ref": "#" }, "additionalProperties": { "$ref": "#" } }),
            json!({ "patternProperties": { "^x": { "$ref": "#" } }, "additionalProperties": { "$ref": "#" } }),
            json!({ "prefixItems": [{ "$ref": "#" }, { "$ref": "#" }], "items": { "$ref": "#" } }),
            json!({ "items": { "properties": { "of": { "$ref": "#" } } }, "properties": { "a": { "$ref": "#" } } }),
            json!({ "properties": { "a": { "$ref": "#/$defs/a%20b" } }, "$defs": { "a b": { "enum": [{ "$ref": "x" }] } } }),
            json!({ "properties": { "a": { "$ref": "#/x/0/y" } }, "x": [{ "y": { "$ref": "#/$defs/z" } }], "$defs": { "z": {} } }),
            chain(100, |next| json!({ "properties": { "x": { "$ref": next }, "y": { "$ref": next } } })),
            chain(400, |next| json!({ "$ref": next })),
        ];
        for schema in table {
            assert!(check(&schema).is_ok(), "{schema}");
        }
    }

    #[test]
    fn boundless_schemas_are_refused() {
        let twice = |next: &str| json!({ "allOf": [{ "$ref": next }, { "$ref": next }] });
        let table = [
            (json!({ "$ref": "#" }), "/$ref", "never end"),
            (json!({ "not": { "anyOf": [{ "$ref": "#" }] } }), "/not/anyOf/0/$ref", "never end"),
            (
                json!({ "properties": { "a": { "allOf": [{ "$ref": "#/properties/a" }] } } }),
                "/properties/a/allOf/0/$ref",
                "never end",
            ),
            (chain(30, twice), "", "multiply"),
            (json!({ "properties": { "a": twice("#") } }), "", "multiply"),
            (
                json!({ "oneOf": [{ "items": { "$ref": "#" } }, { "items": { "$ref": "#" } }] }),
                "",
                "multiply",
            ),
            (json!({ "items": { "$ref": "#" }, "contains": { "$ref": "#" } }), "", "multiply"),
            (
                json!({ "allOf": [{ "patternProperties": { "a": { "$ref": "#" } } }, { "additionalProperties": { "$ref": "#" } }] }),
                "",
                "multiply",
            ),
            (chain(2_000, |next| json!({ "$ref": next })), "", "nest beyond"),
            (json!({ "$ref": "https://example.com/a" }), "/$ref", "references out of the schema"),
            (json!({ "$ref": "other.json#/a" }), "/$ref", "references out of the schema"),
            (json!({ "$ref": "file:///etc/passwd" }), "/$ref", "references out of the schema"),
            (json!({ "items": { "$ref": "#/$defs/nothing" } }), "/items/$ref", "not in this schema"),
            (json!({ "items": { "$ref": "#nothing" } }), "/items/$ref", "not in this schema"),
            (json!({ "items": { "$id": "https://example.com/a" } }), "/items/$id", "not supported yet"),
            (json!({ "items": { "$dynamicRef": "#a" } }), "/items/$dynamicRef", "not supported yet"),
        ];
        for (schema, pointer, reason) in table {
            let refused = check(&schema).unwrap_err();
            assert_eq!(refused.pointer, pointer, "{refused:?}");
            assert!(refused.message.contains(reason), "{refused:?}");
        }
    }
}
