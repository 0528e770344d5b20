//! Reading, setting and deleting by paths that are values: `setpath`, `delpaths`.

use std::rc::Rc;

use jaq_core::ValT;
use jaq_core::path::Opt;

use super::super::access;
use super::super::budget;
use super::super::compare;
use super::super::value::{DEPTH_MAX, Error, List, Table, Val, ValR, ValX};
use super::{Native, native, of_one};

pub(super) fn natives() -> Vec<Native> {
    vec![
        native!("setpath", jaq_core::native::v(2), |mut cv| {
            let value = cv.0.pop_var();
            let path = cv.0.pop_var();
            jaq_core::box_iter::box_once(
                items(&path).map_err(Into::into).and_then(|path| set(cv.1, path, &value)),
            )
        }),
        of_one!("delpaths", |val, paths: Val| match paths {
            Val::Arr(paths) => delete(val, List::into_items(paths)),
            other => Err(Error::str(format_args!("paths must be an array, not {}", other.type_name()))),
        }),
    ]
}

fn items(path: &Val) -> Result<&[Val], Error> {
    match path {
        Val::Arr(path) if path.items().len() > DEPTH_MAX as usize => Err(Error::str("the path is too long")),
        Val::Arr(path) => Ok(path.items()),
        other => Err(Error::str(format_args!("a path must be an array, not {}", other.type_name()))),
    }
}

pub(super) fn get(val: Val, path: &[Val]) -> ValR {
    path.iter().try_fold(val, |val, index| val.index(index))
}

/// The value with `new` at `path`; what is missing on the way is made.
pub(super) fn set<'a>(val: Val, path: &[Val], new: &Val) -> ValX<'a> {
    let Some((index, rest)) = path.split_first() else { return Ok(new.clone()) };
    val.map_index(index, Opt::Essential, |child| std::iter::once(set(child, rest, new)))
}

/// The value without the places at `paths`, all of them as they were before.
pub(super) fn delete(val: Val, mut paths: Vec<Val>) -> ValR {
    for path in &paths {
        items(path)?;
    }
    let weight = paths.iter().map(Val::weight).fold(0, usize::saturating_add);
    compare::sort(&mut paths, weight, |path| path);
    let paths: Vec<&[Val]> = paths.iter().filter_map(|path| items(path).ok()).collect();
    delete_all(val, &paths)
}

/// `paths` are sorted, and start at `val`.
fn delete_all(val: Val, paths: &[&[Val]]) -> ValR {
    let Some(first) = paths.first() else { return Ok(val) };
    if paths.iter().any(|path| path.is_empty()) {
        return Ok(Val::Null);
    }
    match val {
        Val::Null => Ok(Val::Null),
        Val::Obj(table) => delete_members(table, paths),
        Val::Arr(list) => delete_items(list, paths),
        other => Err(not_deletable(&other, &first[0])),
    }
}

fn delete_members(table: Rc<Table>, paths: &[&[Val]]) -> ValR {
    let mut table = Table::own(table);
    for group in paths.chunk_by(|a, b| a[0] == b[0]) {
        let name = match &group[0][0] {
            Val::Str(name) => name,
            other => return Err(not_deletable(&Val::Obj(Rc::new(table)), other)),
        };
        if !budget::tick(1) {
            break;
        }
        let Some((key, _)) = table.entries().get_key_value(&***name) else { continue };
        let key = key.clone();
        if group[0].len() == 1 {
            table.remove(name);
        } else {
            let child = table.take(name);
            table.insert(key, delete_all(child, &rests(group))?);
        }
    }
    Ok(Val::Obj(Rc::new(table)))
}

fn delete_items(list: Rc<List>, paths: &[&[Val]]) -> ValR {
    let length = list.items().len();
    if !budget::fits(length) {
        return Ok(Val::Null);
    }
    let mut list = List::own(list);
    let mut gone = vec![false; length];
    for group in paths.chunk_by(|a, b| a[0] == b[0]) {
        if !budget::tick(1) {
            break;
        }
        let range = match &group[0][0] {
            Val::Num(n) => access::position(*n, length).filter(|i| *i < length).map(|i| i..i + 1),
            Val::Obj(slice) => Some(access::slice_of(slice, length)?),
            other => return Err(not_deletable(&Val::Arr(Rc::new(list)), other)),
        };
        let Some(range) = range else { continue };
        if group[0].len() == 1 {
            gone[range].fill(true);
        } else if let Val::Num(_) = &group[0][0] {
            let child = list.take(range.start);
            list.replace(range.start, delete_all(child, &rests(group))?);
        } else {
            return Err(Error::str("cannot delete inside of a slice"));
        }
    }
    let items = List::into_items(Rc::new(list));
    let kept = items.into_iter().zip(gone).filter(|(_, gone)| !gone).map(|(item, _)| item);
    Ok(Val::list(kept.collect()))
}

fn rests<'p>(paths: &[&'p [Val]]) -> Vec<&'p [Val]> {
    paths.iter().map(|path| &path[1..]).collect()
}

fn not_deletable(val: &Val, index: &Val) -> Error {
    Error::str(format_args!("cannot delete {index} from {}", val.type_name()))
}
