//! Reading an object member by member: what is not known is named, with what was meant.

use levqor_model::did_you_mean;

use super::{
    Issue, clip,
    tree::{Kind, Tree},
};

/// Issues that are kept: a file can be wrong in very many places.
pub(super) const ISSUES_MAX: usize = 100;

/// Where in a file something is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) document: usize,
    pub(super) pointer: String,
    pub(super) line: u32,
}

impl Place {
    fn inside(&self, step: &str, line: u32) -> Self {
        let escaped = clip(step).replace('~', "~0").replace('/', "~1");
        Self { pointer: format!("{}/{escaped}", self.pointer), line, ..self.clone() }
    }
}

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Issues(pub(super) Vec<Issue>);

impl Issues {
    pub(super) fn add(&mut self, place: &Place, message: impl Into<String>) {
        if self.0.len() < ISSUES_MAX {
            self.0.push(Issue {
                file: place.file.clone(),
                document: place.document,
                line: place.line,
                pointer: place.pointer.clone(),
                message: message.into(),
            });
        }
    }
}

/// A value that is looked at.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) tree: &'a Tree,
    pub(super) place: Place,
}

impl<'a> Node<'a> {
    /// Its members, if it is an object; None after a complaint.
    pub(super) fn object(&self, issues: &mut Issues) -> Option<Fields<'a>> {
        match &self.tree.kind {
            Kind::Object(members) => Some(Fields {
                members: members
                    .iter()
                    .map(|(key, line, value)| (key.as_str(), *line, value, false))
                    .collect(),
                place: self.place.clone(),
            }),
            _ => {
                issues.add(&self.place, format!("must be an object, and this is {}", self.tree.name()));
                None
            }
        }
    }

    pub(super) fn text(&self, issues: &mut Issues) -> Option<&'a str> {
        match &self.tree.kind {
            Kind::Text(text) => Some(text),
            _ => {
                issues.add(
                    &self.place,
                    format!("must be a text, and this is {}; put it in quotes", self.tree.name()),
                );
                None
            }
        }
    }

    pub(super) fn number(&self, issues: &mut Issues) -> Option<f64> {
        match self.tree.kind {
            Kind::Number(number) => Some(number),
            _ => {
                issues.add(&self.place, format!("must be a number, and this is {}", self.tree.name()));
                None
            }
        }
    }

    pub(super) fn flag(&self, issues: &mut Issues) -> Option<bool> {
        match self.tree.kind {
            Kind::Bool(flag) => Some(flag),
            _ => {
                issues.add(&self.place, format!("must be true or false, and this is {}", self.tree.name()));
                None
            }
        }
    }

    pub(super) fn list(&self, issues: &mut Issues) -> Option<Vec<Node<'a>>> {
        match &self.tree.kind {
            Kind::List(items) => Some(
                items
                    .iter()
                    .enumerate()
                    .map(|(number, tree)| Node {
                        tree,
                        place: self.place.inside(&number.to_string(), tree.line),
                    })
                    .collect(),
            ),
            _ => {
                issues.add(&self.place, format!("must be a list, and this is {}", self.tree.name()));
                None
            }
        }
    }
}

/// The members of an object, of which each is taken once.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    members: Vec<(&'a str, u32, &'a Tree, bool)>,
    pub(super) place: Place,
}

impl<'a> Fields<'a> {
    /// A member that need not be there; an empty one is none.
    pub(super) fn take(&mut self, name: &str) -> Option<Node<'a>> {
        let place = &self.place;
        let (_, line, tree, taken) = self.members.iter_mut().find(|(key, ..)| *key == name)?;
        *taken = true;
        let tree: &'a Tree = tree;
        (tree.kind != Kind::Null).then(|| Node { tree, place: place.inside(name, *line) })
    }

    /// A member that must be there.
    pub(super) fn need(&mut self, name: &str, what: &str, issues: &mut Issues) -> Option<Node<'a>> {
        let found = self.take(name);
        if found.is_none() {
            // What it may have been called instead is said by `end`.
            issues.add(&self.place, format!("`{name}` is missing: {what}"));
        }
        found
    }

    /// Refuses a member that the standard has and that is not supported here.
    pub(super) fn refuse(&mut self, name: &str, why: &str, issues: &mut Issues) {
        if let Some(node) = self.take(name) {
            issues.add(&node.place, format!("`{name}` is not supported: {why}"));
        }
    }

    /// All members, for objects whose keys are free.
    pub(super) fn all(&mut self) -> Vec<(&'a str, Node<'a>)> {
        let place = &self.place;
        self.members
            .iter_mut()
            .map(|(key, line, tree, taken)| {
                *taken = true;
                (*key, Node { tree: *tree, place: place.inside(key, *line) })
            })
            .collect()
    }

    /// Names what nobody has taken.
    pub(super) fn end(self, known: &[&str], issues: &mut Issues) {
        for (key, line, _, taken) in &self.members {
            if !taken {
                let hint = did_you_mean(key, known.iter().copied());
                let known = known.join(", ");
                issues.add(
                    &self.place.inside(key, *line),
                    format!("there is no `{}` here{hint}; known are {known}", clip(key)),
                );
            }
        }
    }
}
