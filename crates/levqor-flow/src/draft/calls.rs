//! Compiles calls: the request itself, retries, time limits, and what happens when it fails.

use serde_json::{Map, Value, json};

use super::{
    compile::{Pass, task},
    cron::{duration, span_words},
    data::status_words,
    form::{Body, Call, Operand, Places, StepKind},
    jq::{self, expression},
    naming::address_words,
    scope::{Known, Lost, Root, Scope, Shape, Spoken, context_key},
    words,
};

/// Adds the tasks of the call.
pub(super) fn compile(
    pass: &mut Pass<'_>,
    call: &Call,
    places: &Places,
    scope: &mut Scope,
    tasks: &mut Vec<Value>,
) {
    let said = (pass.quote)(places);
    let request = match request(pass, call, &said, scope) {
        Ok(request) => request,
        Err(lost) => {
            pass.dropped(call);
            return pass.lost(&said, &lost);
        }
    };
    let reads = call.method == "get";
    let from_address = address_words(&call.address);
    let nouns = match (call.result.is_empty(), reads) {
        (false, _) => call.result.clone(),
        (true, true) if !from_address.is_empty() => from_address.clone(),
        (true, true) => vec!["response".into()],
        (true, false) => from_address.clone(),
    };
    let verb = call.verb.clone();
    let step_words =
        if nouns.is_empty() { vec![verb.clone()] } else { [vec![verb.clone()], nouns.clone()].concat() };
    let name = pass.names.step(&step_words);
    let mut body = Map::new();
    body.insert("call".into(), "http".into());
    body.insert("with".into(), request);
    let mut key = None;
    if reads || !call.result.is_empty() {
        let plain = context_key(&nouns);
        let mut unique = plain.clone();
        let mut count = 1;
        // Two results of one name are kept apart; the words then mean the later one.
        while scope.known.iter().any(|known| known.key == unique) {
            count += 1;
            unique = format!("{plain}{count}");
        }
        key = Some(unique);
    }
    let used = key.as_ref().and_then(|key| pass.uses.get(key)).copied().unwrap_or_default();
    let failed_flag =
        call.on_error.as_ref().filter(|branch| !branch.otherwise.is_empty()).map(|_| format!("{name}Failed"));
    if key.is_some() && used.is_list() && used.any {
        let noun = nouns.last().cloned().unwrap_or_default();
        body.insert("output".into(), json!({ "as": expression(&jq::list_of(&jq::camel(&[noun]))) }));
    }
    let mut members = Vec::new();
    if let Some(key) = key.as_ref().filter(|_| used.any) {
        members.push(format!("{key}: ."));
    }
    if let Some(flag) = &failed_flag {
        members.push(format!("{flag}: false"));
    }
    if !members.is_empty() {
        body.insert(
            "export".into(),
            json!({ "as": expression(&format!("$context + {{{}}}", members.join(", "))) }),
        );
    }
    if let Some(ms) = call.timeout_ms {
        body.insert("timeout".into(), json!({ "after": duration(ms) }));
    }
    pass.say(&line(call, &nouns, &said, scope, pass));
    let handler_scope = scope.clone();
    let before = scope.spoken.clone();
    if let (Some(key), true) = (&key, reads) {
        let label = if call.result.is_empty() { super::naming::last_segment(&call.address) } else { None };
        scope.read(key, label);
    }
    if let Some(key) = key {
        let unnamed = call.result.is_empty();
        scope.learn(Known { key, nouns, shape: Shape::Response, unnamed });
        if !reads {
            // "post the order and …it" still speaks of the order.
            scope.spoken = before;
        }
    }
    let inner = task(&name, Value::Object(body));
    if call.retry.is_none() && call.on_error.is_none() {
        tasks.push(inner);
        return;
    }
    guarded(pass, call, &name, inner, failed_flag.as_deref(), used.any, (scope, handler_scope), tasks);
}

/// Wraps the call in a `try`.
#[expect(clippy::too_many_arguments, reason = "the parts of one task that are known in one place only")]
fn guarded(
    pass: &mut Pass<'_>,
    call: &Call,
    name: &str,
    inner: Value,
    failed_flag: Option<&str>,
    is_used: bool,
    (scope, mut handler_scope): (&mut Scope, Scope),
    tasks: &mut Vec<Value>,
) {
    let mut catch = Map::new();
    let wrapper = pass.names.step(&["try".into(), name.to_owned()]);
    if let Some(retry) = call.retry {
        let mut policy = Map::new();
        match retry.delay_ms {
            Some(ms) => {
                policy.insert("delay".into(), duration(ms));
                if retry.backoff {
                    policy.insert("backoff".into(), json!({ "exponential": {} }));
                }
            }
            None => {
                policy.insert("delay".into(), json!({ "seconds": 1 }));
                policy.insert("backoff".into(), json!({ "exponential": {} }));
            }
        }
        policy.insert("limit".into(), json!({ "attempt": { "count": retry.count } }));
        let times = if retry.count == 1 { "once".to_owned() } else { format!("up to {} times", retry.count) };
        let pause = retry.delay_ms.map_or("1 second apart, then twice as long each time".into(), |ms| {
            let more = if retry.backoff { ", then twice as long each time" } else { "" };
            format!("{} apart{more}", span_words(ms))
        });
        pass.say(&format!("  Retry {times}, {pause}"));
        catch.insert("retry".into(), Value::Object(policy));
    }
    let mut after = Vec::new();
    if let Some(branch) = &call.on_error {
        let occasion = match &branch.status {
            Some(test) => {
                let jq = format!("$error.status {} {}", test.comparison.jq(), test.status);
                catch.insert("when".into(), expression(&jq));
                format!("{} answers that {}", call.address, status_words(test.comparison, test.status))
            }
            None => format!("{} failed", call.address),
        };
        pass.say(&format!(
            "If {}:",
            branch
                .status
                .as_ref()
                .map_or("it fails".into(), |test| status_words(test.comparison, test.status))
        ));
        pass.indent += 1;
        pass.occasion.push(occasion);
        handler_scope.spoken = Spoken::Nothing;
        let mut steps = Vec::new();
        if let Some(flag) = failed_flag {
            let note = pass.names.step(&["note".into(), name.to_owned(), "failed".into()]);
            let export = format!("$context + {{{flag}: true}}");
            steps.push(task(&note, json!({ "set": "${ . }", "export": { "as": expression(&export) } })));
        }
        let marker = pass.summary.len();
        let made = pass.list(&branch.steps, &mut handler_scope);
        // A notice that could not be made must not swallow the failure that it was for.
        let is_handled = !made.is_empty() || Pass::is_nothing(&branch.steps) || failed_flag.is_some();
        steps.extend(made);
        pass.occasion.pop();
        let ends = branch.steps.iter().any(|step| matches!(step.kind, StepKind::Stop | StepKind::Fail(_)));
        // What comes later needs the answer that is not there.
        if is_handled && is_used && failed_flag.is_none() && pass.loops == 0 && !ends {
            let stop = pass.names.step(&["stop".into()]);
            steps.push(task(&stop, json!({ "set": "${ . }", "then": "end" })));
            pass.say("Stop the run, because what follows needs the answer");
        } else if pass.summary.len() == marker {
            pass.say("Go on");
        }
        pass.indent -= 1;
        if !is_handled {
            pass.summary.truncate(marker - 1);
            catch.remove("when");
        }
        if !steps.is_empty() {
            catch.insert("do".into(), Value::Array(steps));
        }
        if !is_handled && call.retry.is_none() {
            tasks.push(inner);
            return;
        }
        if let Some(flag) = failed_flag {
            pass.say("Otherwise:");
            pass.indent += 1;
            let otherwise = pass.list(&branch.otherwise, scope);
            pass.indent -= 1;
            if !otherwise.is_empty() {
                let worked = pass.names.step(&["if".into(), name.to_owned(), "worked".into()]);
                let jq = format!("$context.{flag} | not");
                after.push(task(&worked, json!({ "if": expression(&jq), "do": otherwise })));
            }
        }
    }
    tasks.push(task(&wrapper, json!({ "try": [inner], "catch": catch })));
    tasks.append(&mut after);
}

/// `with`: method, endpoint, headers, query, body.
fn request(pass: &mut Pass<'_>, call: &Call, said: &str, scope: &Scope) -> Result<Value, Lost> {
    let mut with = Map::new();
    with.insert("method".into(), call.method.into());
    with.insert("endpoint".into(), endpoint(pass, &call.address, scope));
    let mut headers = Map::new();
    for (name, value) in &call.headers {
        let valid =
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        let plain = !matches!(value, Operand::Json(Value::Array(_) | Value::Object(_)));
        let one_line = !matches!(value, Operand::Text(text) if text.chars().any(char::is_control));
        if valid && plain && one_line {
            headers.insert(name.clone(), pass.operand(value, scope)?);
        } else {
            pass.notes
                .warn(format!("\"{name}\" can't be a header with that value; it is left out of \"{said}\""));
        }
    }
    if !headers.is_empty() {
        with.insert("headers".into(), headers.into());
    }
    let mut query = Map::new();
    for (name, value) in &call.query {
        query.insert(name.clone(), pass.operand(value, scope)?);
    }
    if !query.is_empty() {
        with.insert("query".into(), query.into());
    }
    if let Some(body) = body(pass, call, said, scope)? {
        with.insert("body".into(), body);
    }
    Ok(Value::Object(with))
}

fn body(pass: &mut Pass<'_>, call: &Call, said: &str, scope: &Scope) -> Result<Option<Value>, Lost> {
    let mut fields = Map::new();
    for (name, value) in &call.fields {
        fields.insert(name.clone(), pass.operand(value, scope)?);
    }
    let with_fields = |mut members: Map<String, Value>, fields: Map<String, Value>| {
        members.extend(fields);
        Value::Object(members)
    };
    Ok(Some(match &call.body {
        Body::None if fields.is_empty() => return Ok(None),
        Body::None => Value::Object(fields),
        Body::Text(text) => {
            let text = match text {
                Some(text) => message(text, scope),
                None => jq::literal(&pass.occasion.last().map_or_else(
                    || "The workflow reached this step".to_owned(),
                    |why| format!("Levqor: {why}"),
                )),
            };
            with_fields(Map::from_iter([("text".to_owned(), text)]), fields)
        }
        Body::Json(Value::Object(members)) => match jq::literals(&Value::Object(members.clone())) {
            Value::Object(members) => with_fields(members, fields),
            other => other,
        },
        Body::Json(value) if fields.is_empty() => jq::literals(value),
        Body::Json(value) => with_fields(Map::from_iter([("items".to_owned(), jq::literals(value))]), fields),
        Body::Phrase(phrase) => {
            let (value, _) = pass.value(phrase, scope)?;
            let noun = scope
                .find(phrase)
                .map(|found| jq::camel(&[found.noun.replace(' ', "_")]))
                .unwrap_or_default();
            let noun = if noun.is_empty() { "data".to_owned() } else { noun };
            if fields.is_empty() {
                expression(&value)
            } else {
                with_fields(Map::from_iter([(noun, expression(&value))]), fields)
            }
        }
        Body::Implied => match scope.pronoun() {
            Ok(found) => {
                let phrase = super::form::Phrase {
                    base: super::form::Base::Pronoun,
                    fields: vec![],
                    each: false,
                    count: false,
                    places: 0..0,
                };
                let (value, _) = pass.value(&phrase, scope)?;
                let noun = match &found.root {
                    Root::Selection(_) => format!("the matching {}", found.noun),
                    _ if found.noun.is_empty() => "the input".to_owned(),
                    _ => found.noun.clone(),
                };
                pass.notes.warn(format!("\"{said}\" does not say what to send; it sends {noun}"));
                expression(&value)
            }
            Err(Lost::Unknown) => return Ok(None),
            Err(gap) => return Err(gap),
        },
    }))
}

/// A text for people. In a loop, `{total}` in it stands for the item's field.
fn message(text: &str, scope: &Scope) -> Value {
    let Some(item) = scope.items.last() else { return jq::literal(text) };
    match template(text, &format!("${}", item.variable), " | tostring", &str::to_owned) {
        Some(jq) => expression(&jq),
        None => jq::literal(text),
    }
}

/// The address. `{id}` in it stands for a field of the loop's item, outside loops for one of the run's input.
fn endpoint(pass: &mut Pass<'_>, address: &str, scope: &Scope) -> Value {
    let owner =
        scope.items.last().map_or_else(|| "$workflow.input".to_owned(), |item| format!("${}", item.variable));
    let encode = |text: &str| text.replace('{', "%7B").replace('}', "%7D");
    if let Some(jq) = template(address, &owner, " | tostring | @uri", &encode) {
        if scope.items.is_empty() {
            pass.notes.warn(format!("the braces in \"{address}\" are filled from the run's input"));
        }
        return expression(&jq);
    }
    // Lone braces would make it a template of the language.
    Value::String(encode(address))
}

/// jq that puts the fields named in braces into the text; None when there are none.
fn template(text: &str, owner: &str, conversion: &str, encode: &dyn Fn(&str) -> String) -> Option<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut plain = String::new();
    let mut any = false;
    while let Some(open) = rest.find('{') {
        plain.push_str(&rest[..open]);
        let after = &rest[open + 1..];
        let name = after.find('}').map(|close| &after[..close]);
        let is_name = |name: &&str| {
            !name.is_empty()
                && name.len() <= 40
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
                && name.starts_with(|c: char| c.is_ascii_alphabetic())
        };
        match name.filter(is_name) {
            Some(name) => {
                parts.push(jq::text(&encode(&plain)));
                plain.clear();
                let path = name.split('.').map(|part| vec![part.to_owned()]).collect();
                parts.push(format!("({}{conversion})", jq::access(owner, &path)));
                rest = &after[name.len() + 1..];
                any = true;
            }
            None => {
                plain.push('{');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(jq::text(&encode(&plain)));
    }
    any.then(|| parts.join(" + "))
}

/// The step in the summary.
fn line(call: &Call, nouns: &[String], said: &str, scope: &Scope, pass: &Pass<'_>) -> String {
    let address = &call.address;
    let noun = nouns.join(" ");
    let extras = extras(call);
    match (call.method, &call.body) {
        ("get", _) if call.result.is_empty() => {
            format!("{} {address}{extras}", super::naming::capital(&call.verb))
        }
        ("get", _) => format!("{} {noun} from {address}{extras}", super::naming::capital(&call.verb)),
        ("delete", _) => format!("Delete {address}{extras}"),
        (_, Body::Text(text)) => {
            let text = text
                .clone()
                .or_else(|| pass.occasion.last().map(|why| format!("Levqor: {why}")))
                .unwrap_or_default();
            let text = if text.is_empty() { String::new() } else { format!(": \"{text}\"") };
            format!("Send a message to {address}{text}{extras}")
        }
        (method, body) => {
            let what = match body {
                Body::Phrase(phrase) if pass.several(phrase, scope).is_some() => {
                    pass.several(phrase, scope).map_or_else(String::new, |several| several.words)
                }
                Body::Phrase(phrase) => {
                    let words = (pass.quote)(&phrase.places);
                    match (&scope.spoken, &phrase.base) {
                        (
                            Spoken::Selection { noun, .. },
                            super::form::Base::Pronoun | super::form::Base::Selection,
                        ) if phrase.fields.is_empty() => {
                            format!("the matching {}", if noun.is_empty() { "items" } else { noun })
                        }
                        (spoken, super::form::Base::Pronoun) if phrase.fields.is_empty() => match spoken {
                            Spoken::Item(at) => {
                                scope.items.get(*at).map_or(words, |item| format!("the {}", item.noun))
                            }
                            Spoken::Known(at) => scope.known.get(*at).map_or(words, |known| {
                                let noun = known.nouns.join(" ");
                                if known.unnamed && !words::is_plural(&noun) {
                                    "the response".to_owned()
                                } else {
                                    format!("the {noun}")
                                }
                            }),
                            _ => words,
                        },
                        _ if words.is_empty() => said.to_owned(),
                        _ => words,
                    }
                }
                Body::Json(value) => value.to_string(),
                _ => String::new(),
            };
            let verb = match method {
                "post" => "Post",
                "put" => "Put",
                _ => "Patch",
            };
            let what = if what.is_empty() { String::new() } else { format!(" {what}") };
            format!("{verb}{what} to {address}{extras}")
        }
    }
}

fn extras(call: &Call) -> String {
    let list = |label: &str, pairs: &[(String, Operand)]| {
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name} {}", super::verbs::operand_words(value)))
            .collect();
        if pairs.is_empty() { String::new() } else { format!(" with {label}{}", pairs.join(", ")) }
    };
    let mut extras = list("header ", &call.headers) + &list("query ", &call.query) + &list("", &call.fields);
    if let Some(ms) = call.timeout_ms {
        extras.push_str(&format!(", giving up after {}", span_words(ms)));
    }
    extras
}
