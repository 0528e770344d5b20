//! `emit`: an event and its members.

use serde_json::{Map, Value};

use super::{
    checker::Checker,
    data::{Scope, enclosed},
    issue::{Place, clip},
    near::did_you_mean,
};
use crate::{
    definition::{TaskKind, Template},
    event::{attribute, is_name},
};

/// The members of an event that have a meaning of their own.
pub(super) const MEMBERS: [&str; 10] = [
    "id",
    "source",
    "specversion",
    "type",
    "time",
    "subject",
    "datacontenttype",
    "dataschema",
    "data",
    "data_base64",
];

const EXAMPLE: &str = "{ event: { with: { type: com.example.order.paid, data: ${ . } } } }";

impl<'d> Checker<'d> {
    pub(super) fn emit(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<TaskKind> {
        let emit = self.object(value, place, EXAMPLE)?;
        self.closed(emit, place, &["event"]);
        let event = self.required(emit, place, "event")?;
        let place = place.key("event");
        let event = self.object(event, &place, "{ with: { type: com.example.order.paid } }")?;
        self.closed(event, &place, &["with"]);
        let with = self.required(event, &place, "with")?;
        let place = place.key("with");
        let with = self.object(with, &place, "{ type: com.example.order.paid }")?;
        self.required(with, &place, "type");
        if with.contains_key("data") && with.contains_key("data_base64") {
            self.error(&place.key("data_base64"), "`data_base64` is there beside `data`; keep one of them");
        }
        Some(TaskKind::Emit(self.event_members(with, &place, scope)))
    }

    fn event_members(
        &mut self,
        with: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Vec<(String, Template)> {
        let mut members = Vec::with_capacity(with.len());
        for (name, value) in with {
            let at = place.key(name);
            if !self.is_attribute(name, &at) {
                continue;
            }
            let computed = value.as_str().is_some_and(|text| enclosed(text).is_some());
            // In loose evaluation any text may turn out to be an expression; then the run checks what it gives.
            let is_checked_later = computed || (self.loose && value.is_string());
            if !is_checked_later && let Err(reason) = attribute(name, value) {
                self.error(&at, reason.to_string());
                continue;
            }
            members.push((name.clone(), self.data(value, &at, scope)));
        }
        members
    }

    /// Whether an event can have a member of that name; says why not.
    pub(super) fn is_attribute(&mut self, name: &str, place: &Place<'_>) -> bool {
        let known = MEMBERS.contains(&name) || is_name(name);
        if !known {
            let message = format!(
                "`{}` is not the name of an attribute; use 1 to 64 lower-case letters and digits, or put it into `data`{}",
                clip(name),
                did_you_mean(name, MEMBERS)
            );
            self.error(place, message);
        }
        known
    }
}
