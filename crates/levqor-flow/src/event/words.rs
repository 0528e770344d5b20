//! Strategies in words, for pictures and summaries.

use serde_json::Value;

use crate::definition::{Filter, Matcher, Mode, Strategy, Template, Until};

/// A literal or an expression, as it was written.
pub(crate) fn written(template: &Template) -> String {
    match template {
        Template::Literal(Value::String(text)) | Template::Attempt(_, text) => text.clone(),
        Template::Literal(value) => value.to_string(),
        Template::Expression(expression) => expression.text().to_owned(),
        Template::Array(_) | Template::Object(_) => "…".to_owned(),
    }
}

impl Strategy {
    /// "order.paid or order.cancelled until . | length > 3". An event is called by its type, or by another attribute.
    pub(crate) fn describe(&self) -> String {
        const NAMED_MAX: usize = 4;
        let named = |joined: &str| {
            let mut names: Vec<String> = self.filters.iter().take(NAMED_MAX).map(name).collect();
            if self.filters.len() > NAMED_MAX {
                names.push(format!("{} more", self.filters.len() - NAMED_MAX));
            }
            names.join(joined)
        };
        let what = match self.mode {
            Mode::Any if self.filters.is_empty() => "any event".to_owned(),
            Mode::One | Mode::Any => named(" or "),
            Mode::All => named(" and "),
        };
        match self.until.as_deref() {
            None => what,
            Some(Until::Holds(condition)) => format!("{what} until {}", condition.text()),
            Some(Until::Consumed(stop)) => format!("{what} until {}", stop.describe()),
        }
    }
}

fn name(filter: &Filter) -> String {
    let named = filter.with.iter().find(|(name, _)| name == "type").or(filter.with.first());
    named.map_or_else(String::new, |(name, matcher)| {
        let value = match matcher {
            Matcher::Value(value) => written(value),
            Matcher::Pattern { text, .. } => text.clone(),
            Matcher::Condition(condition) => condition.text().to_owned(),
        };
        if name == "type" { value } else { format!("{name} {value}") }
    })
}
