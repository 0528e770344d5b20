//! Errors: `raise`, `try` with `catch` and `retry`, and their reusable parts.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    checker::{Checker, kind},
    data::{Moment, Scope, enclosed},
    flow::{Exits, Targets},
    issue::{Place, clip},
    near::did_you_mean,
};
use crate::definition::{Backoff, Catch, DurationSpec, RaiseError, Retry, TaskKind, Template, Try};

/// The variable of `catch` when `as` names no other.
const ERROR: &str = "error";

/// The reusable parts of `use` that are about errors. None stands for a part that is wrong, which was said once.
#[derive(Debug, Default)]
pub(super) struct Faults<'d> {
    errors: BTreeMap<&'d str, Option<Arc<RaiseError>>>,
    retries: BTreeMap<&'d str, &'d Value>,
    /// By policy and by the name of the error's variable, which its conditions may mention.
    compiled: HashMap<(&'d str, &'d str), Option<Arc<Retry>>>,
}

impl<'d> Checker<'d> {
    /// `use.errors` and `use.retries`. `place` is that of `use`.
    pub(super) fn reusable_faults(&mut self, reusables: &'d Map<String, Value>, place: &Place<'_>) {
        if let Some(value) = reusables.get("errors") {
            let place = place.key("errors");
            let errors = self.object(
                value,
                &place,
                "{ outOfStock: { type: https://example.com/errors/stock, status: 409 } }",
            );
            for (name, value) in errors.into_iter().flatten() {
                let error = self.raise_error(value, &place.key(name), Scope::new(Moment::Task));
                self.faults.errors.insert(name, error.map(Arc::new));
            }
        }
        if let Some(value) = reusables.get("retries") {
            let place = place.key("retries");
            let retries = self.object(value, &place, "{ patient: { delay: { seconds: 3 } } }");
            for (name, value) in retries.into_iter().flatten() {
                self.faults.retries.insert(name, value);
                self.reusable_retry(name, ERROR);
            }
        }
    }

    pub(super) fn raise(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<TaskKind> {
        let raise =
            self.object(value, place, "{ error: { type: https://example.com/errors/stock, status: 409 } }")?;
        self.closed(raise, place, &["error"]);
        let error = self.required(raise, place, "error")?;
        let place = place.key("error");
        let Some(name) = error.as_str() else {
            return self.raise_error(error, &place, scope).map(|error| TaskKind::Raise(Arc::new(error)));
        };
        match self.faults.errors.get(name) {
            Some(error) => error.clone().map(TaskKind::Raise),
            None => {
                let hint = did_you_mean(name, self.faults.errors.keys().copied());
                let message = format!(
                    "`use.errors` has no {:?}; declare it there, or write the error here{hint}",
                    clip(name)
                );
                self.error(&place, message);
                None
            }
        }
    }

    fn raise_error(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<RaiseError> {
        let error = self.object(value, place, "{ type: https://example.com/errors/stock, status: 409 }")?;
        self.closed(error, place, &["type", "status", "instance", "title", "detail"]);
        let kind_ = self.required(error, place, "type").and_then(|value| {
            let place = place.key("type");
            let text = self.text(value, &place)?;
            if enclosed(text).is_none() && (text.is_empty() || text.contains(char::is_whitespace)) {
                let message = format!(
                    "`type` must be a URI such as https://example.com/errors/stock, and is {:?}",
                    clip(text)
                );
                self.error(&place, message);
            }
            Some(self.data(value, &place, scope))
        });
        let status = self.required(error, place, "status").map(|value| {
            let place = place.key("status");
            let right = match value {
                Value::Number(_) => value.as_i64().is_some_and(|status| (100..=599).contains(&status)),
                Value::String(text) => enclosed(text).is_some(),
                _ => false,
            };
            if !right {
                let message = format!(
                    "`status` must be a whole number from 100 to 599, or an expression in ${{ }}, and is {}",
                    shown(value)
                );
                self.error(&place, message);
            }
            self.data(value, &place, scope)
        });
        if error.contains_key("instance") {
            self.warn(
                &place.key("instance"),
                "`instance` is set by the runtime, so this has no effect; remove it",
            );
        }
        let title = self.error_text(error, place, "title", scope);
        let detail = self.error_text(error, place, "detail", scope);
        Some(RaiseError { kind: kind_?, status: status?, title, detail })
    }

    fn error_text(
        &mut self,
        error: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
        scope: Scope<'_>,
    ) -> Option<Template> {
        let value = error.get(member)?;
        let place = place.key(member);
        self.text(value, &place)?;
        Some(self.data(value, &place, scope))
    }

    pub(super) fn try_task(
        &mut self,
        value: &'d Value,
        task: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
        targets: Targets<'_, 'd>,
        leads: &mut Exits,
    ) -> Option<TaskKind> {
        let tasks = self.task_list(value, &place.key("try"), scope);
        let catch = self.required(task, place, "catch")?;
        let catch = self.catch(catch, &place.key("catch"), scope, targets)?;
        leads.to.extend(catch.then);
        Some(TaskKind::Try(Try { tasks, catch }))
    }

    fn catch(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
        targets: Targets<'_, 'd>,
    ) -> Option<Catch> {
        let catch = self.object(value, place, "{ errors: { with: { status: 503 } } }")?;
        self.closed(catch, place, &["errors", "as", "when", "exceptWhen", "retry", "do", "then"]);
        let then = catch.get("then").and_then(|value| self.then(value, &place.key("then"), targets));
        let variable = self.variable(catch, place, "as").unwrap_or(ERROR);
        let error = scope.local(variable);
        let inside = scope.within(&error);
        let filter = catch
            .get("errors")
            .map(|value| self.filter(value, &place.key("errors"), scope))
            .unwrap_or_default();
        let when = self.optional_expression(catch, place, "when", inside);
        let except_when = self.optional_expression(catch, place, "exceptWhen", inside);
        let retry = catch.get("retry").and_then(|value| {
            let place = place.key("retry");
            match value.as_str() {
                Some(name) => self.named_retry(name, variable, &place),
                None => self.retry(value, &place, inside).map(Arc::new),
            }
        });
        let tasks = catch.get("do").map(|value| self.task_list(value, &place.key("do"), inside));
        Some(Catch { filter, variable: variable.to_owned(), when, except_when, retry, tasks, then })
    }

    /// `errors.with`: members that the error must have. The DSL leaves both objects open.
    fn filter(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Vec<(String, Template)> {
        const MEMBERS: [&str; 6] = ["type", "status", "instance", "title", "detail", "details"];
        const EXAMPLE: &str = "{ with: { status: 503 } }";
        let Some(errors) = self.object(value, place, EXAMPLE) else { return Vec::new() };
        for member in errors.keys().filter(|member| *member != "with") {
            let hint = did_you_mean(member, ["with"]);
            self.error(
                &place.key(member),
                format!("`{}` is not a member of `errors`, which has `with`{hint}", clip(member)),
            );
        }
        let Some(with) = errors.get("with") else { return Vec::new() };
        let place = place.key("with");
        let Some(with) = self.object(with, &place, "{ status: 503 }") else { return Vec::new() };
        if with.is_empty() {
            self.error(
                &place,
                "`with` is empty; give it members to compare, or remove `errors` to catch everything",
            );
        }
        let mut filter = Vec::with_capacity(with.len());
        for (member, value) in with {
            let at = place.key(member);
            if !MEMBERS.contains(&member.as_str()) {
                let hint = did_you_mean(member, MEMBERS);
                let message = format!(
                    "errors have no member `{}`, so this would catch nothing; use type, status, instance, title or \
                     detail{hint}",
                    clip(member)
                );
                self.error(&at, message);
                continue;
            }
            let computed = value.as_str().is_some_and(|text| enclosed(text).is_some());
            let right = computed || if member == "status" { value.is_i64() } else { value.is_string() };
            if !right {
                let expected = if member == "status" { "a whole number, without quotes" } else { "text" };
                self.error(&at, format!("`{member}` must be {expected}, and is {}", shown(value)));
                continue;
            }
            // The two spellings of the specification's versions.
            let name = if member == "details" { "detail" } else { member };
            filter.push((name.to_owned(), self.data(value, &at, scope)));
        }
        filter
    }

    /// A policy of `use.retries`, for a catch that calls its error `variable`.
    fn named_retry(&mut self, name: &'d str, variable: &'d str, place: &Place<'_>) -> Option<Arc<Retry>> {
        let Some((&name, _)) = self.faults.retries.get_key_value(name) else {
            let hint = did_you_mean(name, self.faults.retries.keys().copied());
            let message = format!(
                "`use.retries` has no {:?}; declare it there, or write the policy here{hint}",
                clip(name)
            );
            self.error(place, message);
            return None;
        };
        let sound = self.faults.compiled.get(&(name, ERROR)).is_some_and(Option::is_some);
        let retry = if sound { self.reusable_retry(name, variable) } else { None };
        if sound && retry.is_none() {
            self.error(
                place,
                format!("the policy {:?} does not fit here, where the error is called `${variable}`; use `as: error`", clip(name)),
            );
        }
        retry
    }

    fn reusable_retry(&mut self, name: &'d str, variable: &'d str) -> Option<Arc<Retry>> {
        if let Some(retry) = self.faults.compiled.get(&(name, variable)) {
            return retry.clone();
        }
        let value = *self.faults.retries.get(name)?;
        let root = Place::ROOT;
        let reusables = root.key("use");
        let retries = reusables.key("retries");
        let scope = Scope::new(Moment::Task);
        let error = scope.local(variable);
        let retry = self.retry(value, &retries.key(name), scope.within(&error)).map(Arc::new);
        self.faults.compiled.insert((name, variable), retry.clone());
        retry
    }

    /// A policy. None when anything in it is wrong.
    fn retry(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<Retry> {
        let retry =
            self.object(value, place, "{ delay: { seconds: 3 }, limit: { attempt: { count: 5 } } }")?;
        self.closed(retry, place, &["when", "exceptWhen", "delay", "backoff", "jitter", "limit"]);
        let when = self.optional_expression(retry, place, "when", scope);
        let except_when = self.optional_expression(retry, place, "exceptWhen", scope);
        let delay = self.optional_duration(retry, place, "delay", scope);
        let backoff = retry.get("backoff").map(|value| self.backoff(value, &place.key("backoff")));
        let jitter = retry.get("jitter").map(|value| self.jitter(value, &place.key("jitter"), scope));
        let limit = retry.get("limit").map(|value| self.limit(value, &place.key("limit"), scope));
        let whole = retry.contains_key("when") == when.is_some()
            && retry.contains_key("exceptWhen") == except_when.is_some()
            && retry.contains_key("delay") == delay.is_some();
        let backoff = backoff.unwrap_or(Some(Backoff::Constant))?;
        let jitter = jitter.map_or(Some(None), |jitter| jitter.map(Some))?;
        let limit = limit.unwrap_or_else(|| Some(Limit::default()))?;
        whole.then_some(Retry {
            when,
            except_when,
            delay,
            backoff,
            jitter,
            attempts_max: limit.attempts_max,
            attempt_duration: limit.attempt_duration,
            duration: limit.duration,
        })
    }

    fn optional_duration(
        &mut self,
        owner: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
        scope: Scope<'_>,
    ) -> Option<DurationSpec> {
        owner.get(member).and_then(|value| self.duration_spec(value, &place.key(member), scope))
    }

    fn backoff(&mut self, value: &'d Value, place: &Place<'_>) -> Option<Backoff> {
        const WAYS: [(&str, Backoff); 3] = [
            ("constant", Backoff::Constant),
            ("linear", Backoff::Linear),
            ("exponential", Backoff::Exponential),
        ];
        let backoff = self.object(value, place, "{ exponential: {} }")?;
        self.closed(backoff, place, &["constant", "linear", "exponential"]);
        let mut present = WAYS.iter().filter(|(name, _)| backoff.contains_key(*name));
        match (present.next(), present.next()) {
            (Some((name, way)), None) => {
                self.object(backoff.get(*name)?, &place.key(name), &format!("{{ {name}: {{}} }}"))?;
                (backoff.len() == 1).then_some(*way)
            }
            (Some((first, _)), Some((second, _))) => {
                self.error(place, format!("`backoff` has both `{first}` and `{second}`; keep one"));
                None
            }
            _ => {
                if backoff.is_empty() {
                    self.error(place, "`backoff` is empty; give it constant, linear or exponential");
                }
                None
            }
        }
    }

    fn jitter(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<(DurationSpec, DurationSpec)> {
        let jitter = self.object(value, place, "{ from: { seconds: 1 }, to: { seconds: 3 } }")?;
        self.closed(jitter, place, &["from", "to"]);
        let from = self.required(jitter, place, "from").is_some();
        let to = self.required(jitter, place, "to").is_some();
        let least = self.optional_duration(jitter, place, "from", scope);
        let most = self.optional_duration(jitter, place, "to", scope);
        if !from || !to {
            return None;
        }
        let (least, most) = (least?, most?);
        if let (DurationSpec::Fixed(least), DurationSpec::Fixed(most)) = (&least, &most)
            && least > most
        {
            self.error(place, "`from` is longer than `to`; swap them");
            return None;
        }
        Some((least, most))
    }

    fn limit(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<Limit> {
        let limit = self.object(value, place, "{ attempt: { count: 5 }, duration: { minutes: 10 } }")?;
        self.closed(limit, place, &["attempt", "duration"]);
        let duration = self.optional_duration(limit, place, "duration", scope);
        let mut whole = limit.contains_key("duration") == duration.is_some();
        let mut found = Limit { duration, ..Limit::default() };
        if let Some(value) = limit.get("attempt") {
            let place = place.key("attempt");
            let attempt = self.object(value, &place, "{ count: 5 }")?;
            self.closed(attempt, &place, &["count", "duration"]);
            found.attempt_duration = self.optional_duration(attempt, &place, "duration", scope);
            whole &= attempt.contains_key("duration") == found.attempt_duration.is_some();
            if let Some(count) = attempt.get("count") {
                found.attempts_max = count.as_u64();
                if found.attempts_max.is_none() {
                    let message =
                        format!("`count` must be a whole number, not negative, and is {}", shown(count));
                    self.error(&place.key("count"), message);
                    whole = false;
                }
            }
        }
        whole.then_some(found)
    }
}

/// `retry.limit`.
#[derive(Default)]
struct Limit {
    attempts_max: Option<u64>,
    attempt_duration: Option<DurationSpec>,
    duration: Option<DurationSpec>,
}

/// A scalar as it was written; what something is, otherwise.
fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("{:?}", clip(text)),
        other => kind(other).to_owned(),
    }
}
