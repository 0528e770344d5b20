//! `metadata.levqor.approval`, of the document and of tasks, and `metadata.levqor.budget`.

use serde_json::Value;

use super::{
    checker::Checker,
    data::{Scope, enclosed},
    issue::Place,
};
use crate::{
    definition::Template,
    policy::{BUDGET_MAX, Budget, Question},
};

/// As the function `approval` takes them.
const TITLE_CHARS_MAX: usize = 200;
const MESSAGE_CHARS_MAX: usize = 4_000;

impl<'d> Checker<'d> {
    /// What a task's `metadata` asks of the runtime.
    pub(super) fn task_metadata(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<Question> {
        let metadata = self.object(value, place, "{ note: hello }")?;
        let place = place.key("levqor");
        let ours = self.object(metadata.get("levqor")?, &place, "{ approval: { title: Go on? } }")?;
        self.closed(ours, &place, &["approval"]);
        let value = ours.get("approval")?;
        let place = place.key("approval");
        if self.catalogs.inside.is_some() {
            let message = "a function of a catalog does not act for the account, so it cannot ask its people; ask before the call";
            self.error(&place, message);
            return None;
        }
        self.question(value, &place, scope)
    }

    pub(super) fn question(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<Question> {
        let question = self.object(value, place, "{ title: 'Pay ${ .sum } EUR?' }")?;
        self.closed(question, place, &["title", "message"]);
        let title = self.required_text(question, place, "title");
        let title = title.and_then(|text| self.words(text, &place.key("title"), scope, 1..=TITLE_CHARS_MAX));
        let message = self.optional_text(question, place, "message");
        let message =
            message.and_then(|text| self.words(text, &place.key("message"), scope, 0..=MESSAGE_CHARS_MAX));
        Some(Question { title: title?, message })
    }

    /// A text, or an expression that gives one.
    fn words(
        &mut self,
        text: &str,
        place: &Place<'_>,
        scope: Scope<'_>,
        chars: std::ops::RangeInclusive<usize>,
    ) -> Option<Template> {
        if let Some(inner) = enclosed(text) {
            return self.compile(inner, place, scope).map(Template::Expression);
        }
        let count = text.chars().count();
        if !chars.contains(&count) {
            let message = format!(
                "{} must have {} to {} characters, and has {count}",
                place.name(),
                chars.start(),
                chars.end()
            );
            self.error(place, message);
            return None;
        }
        Some(Template::Literal(Value::from(text)))
    }

    pub(super) fn budget(&mut self, value: &'d Value, place: &Place<'_>) -> Option<Budget> {
        let budget = self.object(value, place, "{ calls: 50 }")?;
        self.closed(budget, place, &["calls", "credits"]);
        if !["calls", "credits"].iter().any(|member| budget.contains_key(*member)) {
            let message = format!("`calls` or `credits` is missing in {}; add one, or both", place.name());
            self.error(place, message);
        }
        let hint = "; when they are used up the run is suspended, and resuming it allows as many again";
        let calls = self.whole(budget, place, "calls", 1..=BUDGET_MAX, " of calls", hint);
        let credits = self.whole(budget, place, "credits", 1..=BUDGET_MAX, " of AI credits", hint);
        Some(Budget { calls, credits })
    }
}
