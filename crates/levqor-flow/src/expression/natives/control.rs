//! The bounds as functions, which the compiler puts into programs, and the functions that take filters and
//! work on paths: `first`, `limit`, `path` and their kin.

use jaq_core::box_iter::box_once;
use jaq_core::native::{Fun, v};
use jaq_core::{Bind, Ctx, Exn, Native};

use super::super::budget::{self, Stop};
use super::super::number::Num;
use super::super::value::{Error, Val, ValX, ValXs};
use super::{Jq, paths};

/// A step that looks at the stack. The names cannot be written in an expression.
pub(in super::super) const TICK: &str = "!tick";
/// The start of a round that may leave alternatives behind: the body of a fold with several results.
pub(in super::super) const FORK: &str = "!fork";
/// The start of a recursive definition.
pub(in super::super) const LOOP: &str = "!loop";
/// The start of a definition that may hand itself filters.
pub(in super::super) const LINK: &str = "!link";

/// Steps in one path. The library drops paths by recursion.
const PATH_MAX: usize = 1000;

/// A native that lets its input through, as value, as path and as place to update, while the budget lasts.
macro_rules! gate {
    ($name:expr, $tick:path) => {
        (
            $name,
            v(0),
            Native::<Jq>::new(|cv| box_once(if $tick() { Ok(cv.1) } else { Err(Exn::halt(0)) }))
                .with_paths(|cv| {
                    if cv.1.1.get(PATH_MAX).is_some() {
                        budget::stop(Stop::Nesting);
                    }
                    box_once(if $tick() { Ok(cv.1) } else { Err(Exn::halt(0)) })
                })
                .with_update(|cv, f| if $tick() { f(cv.1) } else { box_once(Err(Exn::halt(0))) }),
        )
    };
}

/// What the library's selecting functions lack: being updated (`first(.[]) |= 0`).
const SELECTING: [&str; 4] = ["first", "last", "limit", "skip"];
/// The library's functions that cost nothing of their own.
const TAKEN: [&str; 7] = ["error_empty", "path", "path_value", "first", "last", "limit", "skip"];

pub(super) fn natives() -> impl Iterator<Item = Fun<Jq>> {
    let taken =
        jaq_core::funs::<Jq>().filter(|(name, ..)| TAKEN.contains(name)).map(|(name, args, native)| {
            if !SELECTING.contains(&name) {
                return (name, args, native);
            }
            let native = match name {
                "first" => native.with_update(|mut cv, f| {
                    let paths = paths_of(&mut cv.0, &cv.1).take(1);
                    update(cv.1, paths, &f)
                }),
                "last" => native.with_update(|mut cv, f| {
                    let last =
                        paths_of(&mut cv.0, &cv.1).try_fold(None, |_, path| path.map(Some)).transpose();
                    update(cv.1, last.into_iter(), &f)
                }),
                "limit" => native.with_update(|mut cv, f| {
                    let paths = paths_of(&mut cv.0, &cv.1);
                    let count = count(&cv.0.pop_var());
                    update(cv.1, paths.take(count), &f)
                }),
                _ => native.with_update(|mut cv, f| {
                    let paths = paths_of(&mut cv.0, &cv.1);
                    let count = count(&cv.0.pop_var());
                    update(cv.1, paths.skip(count), &f)
                }),
            };
            (name, args, native)
        });
    let own: [(_, Box<[Bind]>, _); 6] = [
        gate!(TICK, budget::tick_deep),
        gate!(FORK, budget::tick_suspending),
        gate!(LOOP, budget::tick_suspending),
        gate!(LINK, budget::tick_linking),
        (
            "range",
            v(3),
            Native::new(|mut cv| {
                let by = cv.0.pop_var();
                let to = cv.0.pop_var();
                let from = cv.0.pop_var();
                range(&from, &to, &by)
            }),
        ),
        (
            "empty",
            v(0),
            Native::new(|_| Box::new(std::iter::empty()))
                .with_paths(|_| Box::new(std::iter::empty()))
                .with_update(|cv, _| box_once(Ok(cv.1))),
        ),
    ];
    taken.chain(own)
}

fn range<'a>(from: &Val, to: &Val, by: &Val) -> ValXs<'a> {
    let (Val::Num(from), Val::Num(to), Val::Num(by)) = (from, to, by) else {
        return box_once(Err(Error::str("the bounds of a range must be numbers").into()));
    };
    let (mut next, to, by) = (Some(*from), *to, *by);
    let ahead = by.order(Num::Int(0));
    Box::new(std::iter::from_fn(move || {
        // Ahead of a step of zero there is nothing: the range is empty.
        let this = next.take().filter(|this| !ahead.is_eq() && to.order(*this) == ahead)?;
        // After the halt comes the end: a halt can get lost where the other side of a product is empty.
        if !budget::tick(1) {
            return Some(Err(Exn::halt(0)));
        }
        next = Some(this.add(by));
        Some(Ok(Val::Num(this)))
    }))
}

fn count(val: &Val) -> usize {
    match val {
        Val::Num(n) => usize::try_from(n.truncate()).unwrap_or(0),
        _ => 0,
    }
}

/// The paths that the filter, which is the last argument, means in `val`.
fn paths_of<'a>(ctx: &mut Ctx<'a, Jq>, val: &Val) -> Box<dyn Iterator<Item = ValX<'a>> + 'a> {
    let (filter, ctx) = ctx.pop_fun();
    Box::new(filter.paths((ctx, (val.clone(), Default::default()))).map(|found| {
        let (_, path) = found?;
        let mut path: Vec<_> = path.iter().cloned().collect();
        path.reverse();
        Ok(Val::list(path))
    }))
}

/// Updates the places in `val` one after the other; those without a result are deleted at the end.
fn update<'a>(val: Val, places: impl Iterator<Item = ValX<'a>>, f: &dyn Fn(Val) -> ValXs<'a>) -> ValXs<'a> {
    let updated = places.collect::<Result<Vec<_>, _>>().and_then(|places| {
        let mut val = val;
        let mut gone = Vec::new();
        for place in places {
            let Val::Arr(path) = &place else { continue };
            let old = paths::get(val.clone(), path.items())?;
            match f(old).next().transpose()? {
                Some(new) => val = paths::set(val, path.items(), &new)?,
                None => gone.push(place),
            }
        }
        Ok(paths::delete(val, gone)?)
    });
    box_once(updated)
}
