//! What there is to say about a document, and where.

use std::{borrow::Cow, fmt::Write as _};

use serde::Serialize;

/// Something to say about a place in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// JSON Pointer (RFC 6901); empty for the whole document.
    pub pointer: String,
    pub message: String,
}

impl Issue {
    pub(super) fn root(message: impl Into<String>) -> Self {
        Self { pointer: String::new(), message: message.into() }
    }
}

/// A place in the document: a list of steps that lives on the stack, turned into a pointer only when one is needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    outer: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    pub(super) const ROOT: Place<'static> = Place { outer: None, step: Step::Root };

    pub(super) fn key(&'a self, key: &'a str) -> Place<'a> {
        Place { outer: Some(self), step: Step::Key(key) }
    }

    pub(super) fn index(&'a self, index: usize) -> Place<'a> {
        Place { outer: Some(self), step: Step::Index(index) }
    }

    /// The last step, as a reader would call it.
    pub(super) fn name(&self) -> String {
        match self.step {
            Step::Root => "the document".to_owned(),
            Step::Key(key) => format!("`{}`", clip(key)),
            Step::Index(index) => match self.outer.map(|outer| outer.step) {
                Some(Step::Key(list)) => format!("item {index} of `{}`", clip(list)),
                _ => format!("item {index}"),
            },
        }
    }

    fn steps(&self) -> impl Iterator<Item = Step<'a>> {
        std::iter::successors(Some(*self), |place| place.outer.copied()).map(|place| place.step)
    }

    /// About the length of the pointer, without making it: names may be as long as the document.
    pub(super) fn pointer_bytes(&self) -> usize {
        let bytes = |step| match step {
            Step::Root => 0,
            Step::Key(key) => key.len() + 1,
            Step::Index(_) => 3,
        };
        self.steps().map(bytes).sum()
    }

    pub(super) fn pointer(&self) -> String {
        let steps: Vec<_> = self.steps().collect();
        let mut pointer = String::with_capacity(self.pointer_bytes());
        for step in steps.into_iter().rev() {
            match step {
                Step::Root => {}
                Step::Key(key) => {
                    pointer.push('/');
                    pointer.push_str(&escape(key));
                }
                Step::Index(index) => {
                    // Writing to a string cannot fail.
                    let _ = write!(pointer, "/{index}");
                }
            }
        }
        pointer
    }
}

fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) {
        Cow::Owned(key.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(key)
    }
}

/// Issues in the order in which they were found, within bounds: a document of 1 MiB can be wrong in very many places.
#[derive(Debug, Default)]
pub(super) struct Issues {
    list: Vec<Issue>,
    bytes: usize,
    left_out: usize,
}

impl Issues {
    const COUNT_MAX: usize = 500;
    const BYTES_MAX: usize = 1024 * 1024;

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// There are so many that hints would help nobody, and would cost.
    pub(super) fn is_long(&self) -> bool {
        self.list.len() >= Self::COUNT_MAX / 5
    }

    /// No more issues are kept, so that there is no use in thinking about their words.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= Self::COUNT_MAX || self.bytes >= Self::BYTES_MAX
    }

    /// Adds an issue at `inner` (a JSON Pointer) inside of a place.
    pub(super) fn push(&mut self, place: &Place<'_>, inner: &str, message: String) {
        let bytes = place.pointer_bytes() + inner.len() + message.len();
        // The first issue is always kept, however long the names in its pointer are.
        let room = !self.is_full() && self.bytes + bytes <= Self::BYTES_MAX;
        if !room && !self.list.is_empty() {
            self.left_out += 1;
            return;
        }
        self.bytes += bytes;
        self.list.push(Issue { pointer: place.pointer() + inner, message });
    }

    /// Adds an issue whose pointer was made when its place was at hand.
    pub(super) fn push_at(&mut self, issue: Issue) {
        self.push(&Place::ROOT, &issue.pointer, issue.message);
    }

    /// All issues; what is wrong with a reusable part is said once, however often the part is used.
    pub(super) fn finish(mut self) -> Vec<Issue> {
        let mut seen = std::collections::HashSet::new();
        self.list.retain(|issue| seen.insert((issue.pointer.clone(), issue.message.clone())));
        if self.left_out > 0 {
            self.list.push(Issue::root(format!("{} more were left out; mend these first", self.left_out)));
        }
        self.list
    }
}

/// Text as it is quoted in a message: its first 60 characters.
pub(crate) fn clip(text: &str) -> Cow<'_, str> {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_escape_what_rfc_6901_escapes() {
        let list = Place::ROOT.key("do");
        let item = list.index(3);
        let task = item.key("a/b~c");
        assert_eq!(task.pointer(), "/do/3/a~1b~0c");
        assert_eq!(item.name(), "item 3 of `do`");
        assert_eq!(Place::ROOT.pointer(), "");
    }

    #[test]
    fn issues_are_bounded_and_say_so() {
        let mut issues = Issues::default();
        for number in 0..5_000 {
            issues.push(&Place::ROOT.index(number), "", "wrong".to_owned());
        }
        let issues = issues.finish();
        assert_eq!(issues.len(), Issues::COUNT_MAX + 1);
        assert_eq!(issues.last().unwrap().message, "4500 more were left out; mend these first");
    }
}
