//! What became of the values that runs share: every change was made once, and whoever asked was told what it was.
//!
//! Runs count at the counters by reading and then writing by compare-and-set, until they are not too late. So a change that is
//! lost, doubled or told to the wrong one shows: the values of all changes of a counter are 1, 2, 3 ... without a gap.
//!
//! What a call did is asked for as its engine would ask after a crash: by making it again under its key.

use std::collections::{BTreeMap, BTreeSet};

use levqor_flow::{
    machine::{Outcome, ServiceCall},
    services::Service,
};
use levqor_model::{AccountId, Clock, RunId, Timestamp};
use levqor_store::{
    Store,
    state::{StateAction, StateCall, StateResult},
};
use serde_json::{Value, json};

use crate::{
    documents::{COUNTERS, LAST},
    walk::Walk,
    world::World,
};

/// More than any simulation has.
const KEYS_MAX: usize = 100;

/// The values as one run alone would see them.
#[derive(Debug)]
pub struct Shelf {
    values: BTreeMap<String, Value>,
    /// How often each counter was counted up.
    pub counted: BTreeMap<String, usize>,
}

impl Shelf {
    pub fn new() -> Self {
        let values = COUNTERS.iter().map(|key| ((*key).to_owned(), json!(0)));
        let values = values.chain(LAST.iter().map(|key| ((*key).to_owned(), Value::Null)));
        Self { values: values.collect(), counted: BTreeMap::new() }
    }

    /// What the function gives for an input.
    pub fn call(&mut self, input: &Value) -> Value {
        let key = text(input, "key").to_owned();
        let there = self.values.get(&key).cloned().unwrap_or_default();
        let changed = match text(input, "action") {
            "set" => true,
            "compare-and-set" => there == input["expected"],
            _ => false,
        };
        if !changed {
            return json!({ "found": true, "value": there, "changed": false });
        }
        if text(input, "action") == "compare-and-set" {
            *self.counted.entry(key.clone()).or_default() += 1;
        }
        self.values.insert(key, input["value"].clone());
        json!({ "found": true, "value": input["value"], "changed": true })
    }
}

/// Puts the shared values there, before the first run.
pub async fn prepare(store: &Store, account_id: AccountId, at: Timestamp) -> Result<(), String> {
    let run: RunId =
        "run_01KDV7N5C00000000000000000".parse().map_err(|error| format!("run id: {error:?}"))?;
    for (key, value) in Shelf::new().values {
        let action = StateAction::Set { value: value.to_string() };
        let call = call(account_id, run, &format!("prepared/{key}"), &key, action, at);
        store.state_call(call).await.map_err(|reason| reason.to_string())?;
    }
    Ok(())
}

fn call(
    account_id: AccountId,
    run_id: RunId,
    call_key: &str,
    key: &str,
    action: StateAction,
    at: Timestamp,
) -> StateCall {
    let (call_key, key) = (call_key.to_owned(), key.to_owned());
    StateCall { account_id, run_id, call_key, key, action, at, keys_max: KEYS_MAX }
}

/// A call of the store that a run asked for.
#[derive(Debug)]
pub struct Asked {
    pub key: String,
    pub input: Value,
    /// What it left: the value, and whether it changed it. None for one that only reads.
    pub left: Option<(Value, bool)>,
    /// What the run was told.
    pub told: Option<Value>,
}

pub async fn check(
    world: &World,
    walks: &BTreeMap<RunId, &Walk>,
    wrong: &mut Vec<String>,
) -> Result<(), levqor_store::Error> {
    let at = world.clock.now();
    let mut asked = Vec::new();
    for (run, walk) in walks {
        for (effect, (_, service)) in &walk.services {
            if service.service != Service::Store {
                continue;
            }
            let told = match walk.served.get(effect) {
                Some(Outcome::Output(output)) => Some(output.clone()),
                Some(failed) => {
                    wrong.push(format!("{run}: the store gave {failed:?}"));
                    continue;
                }
                None if walk.cancelled => None,
                None => {
                    wrong.push(format!("{run}: nothing was told about {}", service.key));
                    continue;
                }
            };
            let left = match text(&service.input, "action") {
                "get" => None,
                _ => left(world, *run, service, at).await?,
            };
            asked.push(Asked { key: service.key.clone(), input: service.input.clone(), left, told });
        }
    }
    let mut kept = BTreeMap::new();
    for key in COUNTERS.iter().chain(&LAST) {
        let run = walks.keys().next().copied();
        let Some(run) = run else { return Ok(()) };
        let read = call(world.account, run, "", key, StateAction::Get, at);
        if let StateResult::Done { value: Some(value), .. } = world.store.state_call(read).await? {
            kept.insert((*key).to_owned(), serde_json::from_str(&value).unwrap_or_default());
        }
    }
    wrong.extend(judge(&kept, &asked));
    Ok(())
}

/// Makes the call again: with what can't be true, so that one which was never made changes nothing now either.
async fn left(
    world: &World,
    run: RunId,
    service: &ServiceCall,
    at: Timestamp,
) -> Result<Option<(Value, bool)>, levqor_store::Error> {
    let action = StateAction::CompareAndSet {
        expected: Some(json!("what nobody writes").to_string()),
        value: Value::Null.to_string(),
    };
    let again = call(world.account, run, &service.key, text(&service.input, "key"), action, at);
    Ok(match world.store.state_call(again).await? {
        StateResult::Done { value, changed } => {
            let value = value.and_then(|value| serde_json::from_str(&value).ok());
            Some((value.unwrap_or_default(), changed))
        }
        StateResult::Full => None,
    })
}

/// What is wrong with what is kept in the end, and with what each call left and told.
pub fn judge(kept: &BTreeMap<String, Value>, asked: &[Asked]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Asked { key, input, left, told } in asked {
        if let (Some((value, changed)), Some(told)) = (left, told)
            && *told != json!({ "found": true, "value": value, "changed": changed })
        {
            wrong.push(format!("{key} left {value} ({changed}), and its run was told {told}"));
        }
        match left {
            Some((value, true)) if *value != input["value"] => {
                wrong.push(format!("{key} was to write {} and wrote {value}", input["value"]));
            }
            Some((_, false)) if told.is_some() && text(input, "action") == "set" => {
                wrong.push(format!("{key} set nothing, and its run went on"));
            }
            _ => {}
        }
    }
    let of = |key: &'static str| asked.iter().filter(move |asked| text(&asked.input, "key") == key);
    for counter in COUNTERS {
        let last = kept.get(counter).and_then(Value::as_u64);
        let mut changes: Vec<u64> = of(counter)
            .filter_map(|asked| asked.left.as_ref().filter(|(_, changed)| *changed)?.0.as_u64())
            .collect();
        changes.sort_unstable();
        let every: Vec<u64> = (1..=last.unwrap_or(0)).collect();
        if last.is_none() || changes != every {
            wrong.push(format!("{counter} is {last:?} after the changes {changes:?}"));
        }
        for asked in of(counter) {
            let Some(told) = &asked.told else { continue };
            if told["value"].as_u64().is_none_or(|value| Some(value) > last) {
                wrong.push(format!("{} was told {told}, and {counter} is {last:?} in the end", asked.key));
            }
        }
    }
    for key in LAST {
        let written: BTreeSet<String> = of(key)
            .filter_map(|asked| Some(asked.left.as_ref().filter(|(_, changed)| *changed)?.0.to_string()))
            .collect();
        let last = kept.get(key).cloned().unwrap_or_default();
        let untouched = written.is_empty() && last.is_null();
        if !untouched && !written.contains(&last.to_string()) {
            wrong.push(format!("{key} is {last}, and only {written:?} were written"));
        }
    }
    wrong
}

pub fn text<'a>(input: &'a Value, member: &str) -> &'a str {
    input.get(member).and_then(Value::as_str).unwrap_or_default()
}
