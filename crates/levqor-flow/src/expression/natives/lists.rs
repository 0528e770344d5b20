//! Functions of arrays and objects: counting, finding, sorting, grouping, and objects as entries.

use std::rc::Rc;

use jaq_core::box_iter::box_once;
use jaq_core::{Bind, Cv, Exn, ValT};

use super::super::access::bad_name;
use super::super::budget;
use super::super::compare;
use super::super::json;
use super::super::number::Num;
use super::super::value::{Entries, Error, Key, List, Text, Val, ValR, ValX};
use super::{Jq, Native, native, of_input, of_one, text};

pub(super) fn natives() -> Vec<Native> {
    let filter = || -> Box<[Bind]> { [Bind::Fun(())].into() };
    vec![
        of_input!("null", |_| Ok(Val::Null)),
        of_input!("true", |_| Ok(Val::Bool(true))),
        of_input!("false", |_| Ok(Val::Bool(false))),
        of_input!("type", |val: Val| Ok(Val::text(val.type_name()))),
        of_input!("not", |val: Val| Ok(Val::Bool(!val.is_true()))),
        of_input!("length", length),
        of_input!("keys_unsorted", |val| keys(&val)),
        of_input!("keys", |val| keys(&val).and_then(sort)),
        of_input!("to_entries", to_entries),
        of_input!("from_entries", from_entries),
        of_input!("add", add),
        of_input!("sort", sort),
        of_input!("reverse", reverse),
        of_input!("transpose", transpose),
        of_input!("_flatten", |val| flatten(val, usize::MAX)),
        of_one!("_flatten", |val, depth: Val| match depth {
            Val::Num(n) if n.order(Num::Int(0)).is_ge() => {
                flatten(val, usize::try_from(n.truncate()).unwrap_or(usize::MAX))
            }
            _ => Err(Error::str("the depth of flatten must not be negative")),
        }),
        of_one!("has", |val, key| has(&val, &key)),
        of_one!("contains", |val: Val, part: Val| {
            if val.type_name() == part.type_name() {
                Ok(Val::Bool(compare::contains(&val, &part)))
            } else {
                let (a, b) = (val.type_name(), part.type_name());
                Err(Error::str(format_args!(
                    "{a} ({val}) and {b} ({part}) cannot have their containment checked"
                )))
            }
        }),
        of_one!("indices", |val, part| indices(&val, &part)),
        of_one!("bsearch", bsearch),
        of_one!("join", |val, separator| join(&val, &separator)),
        native!("sort_by", filter(), |cv| {
            box_once(keyed(cv).map(|items| Val::list(items.into_iter().map(|(_, item)| item).collect())))
        }),
        native!("group_by", filter(), |cv| {
            box_once(keyed(cv).map(|items| {
                groups(items)
                    .into_iter()
                    .map(|group| group.into_iter().map(|(_, item)| item).collect())
                    .collect()
            }))
        }),
        native!("unique_by", filter(), |cv| {
            box_once(keyed(cv).map(|items| {
                groups(items)
                    .into_iter()
                    .filter_map(|group| group.into_iter().next())
                    .map(|(_, item)| item)
                    .collect()
            }))
        }),
        native!("min_by", filter(), |cv| {
            box_once(
                keyed(cv).map(|items| items.into_iter().next().map(|(_, item)| item).unwrap_or_default()),
            )
        }),
        native!("max_by", filter(), |cv| {
            // The sort is stable, and of several largest jq gives the last.
            box_once(
                keyed(cv)
                    .map(|items| items.into_iter().next_back().map(|(_, item)| item).unwrap_or_default()),
            )
        }),
    ]
}

pub(super) fn list_of(val: Val) -> Result<Rc<List>, Error> {
    match val {
        Val::Arr(list) => Ok(list),
        other => Err(Error::str(format_args!("{} ({other}) is not an array", other.type_name()))),
    }
}

fn length(val: Val) -> ValR {
    Ok(match val {
        Val::Null => Val::int(0),
        Val::Bool(_) => return Err(Error::str(format_args!("boolean ({val}) has no length"))),
        Val::Num(n) => Val::Num(n.abs()),
        Val::Str(text) if budget::work(text.len()) => Val::int(text.chars().count()),
        Val::Str(_) => Val::Null,
        Val::Arr(list) => Val::int(list.items().len()),
        Val::Obj(table) => Val::int(table.entries().len()),
    })
}

fn keys(val: &Val) -> ValR {
    match val {
        Val::Arr(list) => Ok((0..list.items().len()).map(Val::int).collect()),
        Val::Obj(table) => Ok(table.entries().keys().map(|key| Val::Str(key.0.clone())).collect()),
        other => Err(Error::str(format_args!("{} ({other}) has no keys", other.type_name()))),
    }
}

fn has(val: &Val, key: &Val) -> ValR {
    match (val, key) {
        (Val::Obj(table), Val::Str(name)) => Ok(Val::Bool(table.entries().contains_key(&***name))),
        (Val::Arr(list), Val::Num(n)) => {
            let index = usize::try_from(n.floor());
            Ok(Val::Bool(!n.is_nan() && index.is_ok_and(|index| index < list.items().len())))
        }
        _ => Err(Error::str(format_args!(
            "cannot check whether {} has a {} key",
            val.type_name(),
            key.type_name()
        ))),
    }
}

fn to_entries(val: Val) -> ValR {
    let Val::Obj(table) = val else {
        return Err(Error::str(format_args!("{} ({val}) has no entries", val.type_name())));
    };
    let (key_name, value_name) = (Key::new("key"), Key::new("value"));
    let entry = |(key, value): (&Key, &Val)| {
        let members = [(key_name.clone(), Val::Str(key.0.clone())), (value_name.clone(), value.clone())];
        Val::table(Entries::from_iter(members))
    };
    Ok(table.entries().iter().take_while(|_| budget::tick(1)).map(entry).collect())
}

/// Entries may spell their members in the ways that jq knows.
fn from_entries(val: Val) -> ValR {
    let mut entries = Entries::default();
    for entry in val.values() {
        let entry = entry?;
        if budget::stopped().is_some() {
            break;
        }
        let member = |names: &[&str]| -> Result<Option<Val>, Error> {
            for name in names {
                let value = entry.clone().index(&Val::text(*name))?;
                if value.is_true() {
                    return Ok(Some(value));
                }
            }
            Ok(None)
        };
        let key = match entry.clone().index(&Val::text("key"))? {
            Val::Null => member(&["k", "name", "Name", "K", "Key"])?.unwrap_or_default(),
            key => key,
        };
        let key = match key {
            Val::Str(name) => Key(name),
            Val::Null | Val::Bool(_) | Val::Num(_) => match json::to_text(&key) {
                Some(name) => Key::new(name),
                None => break,
            },
            other => return Err(bad_name(&other)),
        };
        let value = match &entry {
            Val::Obj(members) => {
                let members = members.entries();
                ["value", "v", "Value", "V"]
                    .iter()
                    .find_map(|name| members.get(*name))
                    .cloned()
                    .unwrap_or_default()
            }
            _ => Val::Null,
        };
        entries.insert(key, value);
    }
    Ok(Val::table(entries))
}

fn add(val: Val) -> ValR {
    val.values().try_fold(Val::Null, |sum, item| sum + item?)
}

fn sort(val: Val) -> ValR {
    let weight = val.weight();
    let mut items = List::into_items(list_of(val)?);
    compare::sort(&mut items, weight, |item| item);
    Ok(Val::list(items))
}

/// The results of the filter on each item, with the item, sorted by the results.
fn keyed<'a>(mut cv: Cv<'a, Jq>) -> Result<Vec<(Val, Val)>, Exn<'a, Val>> {
    let (filter, ctx) = cv.0.pop_fun();
    let mut keyed = Vec::new();
    let mut weight = 0_usize;
    for item in Val::Arr(list_of(cv.1)?).values() {
        let item = item?;
        let key: ValX<'a> = filter.run((ctx.clone(), item.clone())).collect();
        let key = key?;
        weight = weight.saturating_add(key.weight());
        keyed.push((key, item));
    }
    compare::sort(&mut keyed, weight, |(key, _)| key);
    Ok(keyed)
}

fn groups(sorted: Vec<(Val, Val)>) -> Vec<Vec<(Val, Val)>> {
    let mut groups: Vec<Vec<(Val, Val)>> = Vec::new();
    for (key, item) in sorted {
        match groups.last_mut() {
            Some(group) if compare::order(&group[0].0, &key).is_eq() => group.push((key, item)),
            _ => groups.push(vec![(key, item)]),
        }
    }
    groups
}

fn reverse(val: Val) -> ValR {
    match val {
        Val::Null => Ok(Val::list(Vec::new())),
        Val::Str(text) if budget::fits(text.len()) && budget::work(text.len()) => {
            Ok(Val::text(text.chars().rev().collect::<String>()))
        }
        Val::Str(_) => Ok(Val::Null),
        other => {
            let mut items = List::into_items(list_of(other)?);
            budget::work(size_of_val(items.as_slice()));
            items.reverse();
            Ok(Val::list(items))
        }
    }
}

fn transpose(val: Val) -> ValR {
    let rows: Vec<Rc<List>> = list_of(val)?.items().iter().cloned().map(list_of).collect::<Result<_, _>>()?;
    let columns = rows.iter().map(|row| row.items().len()).max().unwrap_or(0);
    let column = |i: usize| -> Val {
        let cells = rows.iter().take_while(|_| budget::tick(1));
        cells.map(|row| row.items().get(i).cloned().unwrap_or_default()).collect()
    };
    Ok((0..columns).map(column).collect())
}

fn flatten(val: Val, depth: usize) -> ValR {
    fn spread(items: &[Val], depth: usize, out: &mut Vec<Val>) {
        for item in items {
            match item {
                Val::Arr(inner) if depth > 0 => spread(inner.items(), depth - 1, out),
                other => out.push(other.clone()),
            }
        }
    }
    let items: Val = match val {
        Val::Obj(_) => val.values().collect::<Result<_, _>>()?,
        other => Val::Arr(list_of(other)?),
    };
    let mut out = Vec::new();
    // What comes out is at most as heavy.
    if let Val::Arr(list) = &items
        && budget::fits(items.weight())
        && budget::work(items.weight().saturating_mul(4))
    {
        spread(list.items(), depth, &mut out);
    }
    Ok(Val::list(out))
}

/// Where `part` is: the places of a text in a text, of a sequence or of an item in an array.
pub(in super::super) fn indices(val: &Val, part: &Val) -> ValR {
    Ok(match (val, part) {
        (Val::Null, _) => Val::Null,
        (Val::Str(text), Val::Str(part)) => text::indices(text, part),
        (Val::Arr(_), Val::Arr(part)) if part.items().is_empty() => Val::Null,
        (Val::Arr(list), Val::Arr(part)) => {
            let (items, part) = (list.items(), part.items());
            let windows = items.windows(part.len()).enumerate().take_while(|_| budget::tick(1));
            windows.filter(|(_, window)| *window == part).map(|(i, _)| Val::int(i)).collect()
        }
        (Val::Arr(list), part) => {
            let items = list.items().iter().enumerate().take_while(|_| budget::tick(1));
            items.filter(|(_, item)| *item == part).map(|(i, _)| Val::int(i)).collect()
        }
        _ => {
            let (a, b) = (val.type_name(), part.type_name());
            return Err(Error::str(format_args!("cannot determine the indices of {b} in {a}")));
        }
    })
}

fn bsearch(val: Val, target: Val) -> ValR {
    let list = list_of(val)?;
    let found = list.items().binary_search_by(|item| compare::order(item, &target));
    Ok(match found {
        Ok(index) => Val::int(index),
        Err(index) => (-Val::int(index + 1))?,
    })
}

fn join(val: &Val, separator: &Val) -> ValR {
    let mut joined: Option<Rc<Text>> = None;
    for item in val.clone().values() {
        let item = item?;
        let mut text = match joined.take() {
            None => Rc::new(Text::empty()),
            Some(text) => match separator {
                Val::Str(separator) => Text::append(text, separator),
                Val::Null => text,
                other => return Err(Error::str(format_args!("{} cannot separate texts", other.type_name()))),
            },
        };
        text = match item {
            Val::Null => text,
            Val::Str(part) => Text::append(text, &part),
            Val::Bool(_) | Val::Num(_) => Text::append(text, &json::to_text(&item).unwrap_or_default()),
            other => {
                return Err(Error::str(format_args!("{} ({other}) cannot be joined", other.type_name())));
            }
        };
        joined = Some(text);
    }
    Ok(joined.map_or_else(|| Val::text(""), Val::Str))
}
