//! Which parts of its data a program can look at, so that only those are copied into the evaluation: `.a.b + 1`
//! costs the same whatever else the input holds.
//!
//! The walk follows places (the input or a variable, and names from there) through paths, pipes and bindings.
//! Whatever else happens to a value, it is needed whole. The walk knows no values, so it must never be wrong,
//! but may ask for too much.

use std::collections::BTreeMap;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::{Part, Path};

/// What is needed of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    Whole,
    /// Its type, and of an object these members.
    Members(BTreeMap<String, Need>),
}

impl Need {
    fn nothing() -> Self {
        Self::Members(BTreeMap::new())
    }
}

/// What is needed of the input, and of each of the variables.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) input: Need,
    pub(super) variables: Vec<Need>,
}

/// `term` is a rewritten program, `variables` its outside variables.
pub(super) fn of(term: &Term<&str>, variables: &[&str]) -> Needs {
    let mut roots = vec![Need::nothing(); variables.len() + 1];
    let scope = variables.iter().enumerate().map(|(i, name)| (*name, Some(Place::root(i + 1)))).collect();
    Walk { roots: &mut roots, scope }.used(term, Some(&Place::root(0)));
    let variables = roots.split_off(1);
    Needs { input: roots.pop().unwrap_or(Need::Whole), variables }
}

/// A part of the data: which root, and the names from there.
#[derive(Clone)]
struct Place {
    root: usize,
    names: Vec<String>,
}

impl Place {
    fn root(root: usize) -> Self {
        Self { root, names: Vec::new() }
    }
}

struct Walk<'t> {
    roots: &'t mut Vec<Need>,
    /// Variables, and the places that they are, if they are places.
    scope: Vec<(&'t str, Option<Place>)>,
}

/// Functions that do not look at their input.
const BLIND: [&str; 4] = ["true", "false", "null", "empty"];

impl<'t> Walk<'t> {
    /// The place needs to be there: whole, or just its type.
    fn need(&mut self, place: &Place, whole: bool) {
        let Some(mut need) = self.roots.get_mut(place.root) else { return };
        for name in &place.names {
            match need {
                Need::Whole => return,
                Need::Members(members) => need = members.entry(name.clone()).or_insert_with(Need::nothing),
            }
        }
        if whole {
            *need = Need::Whole;
        }
    }

    /// The results of the term on `dot` are used in ways that are not followed.
    fn used(&mut self, term: &'t Term<&'t str>, dot: Option<&Place>) {
        if let Some(place) = self.place(term, dot) {
            self.need(&place, true);
        }
    }

    /// The place that all results of the term on `dot` are, if they are one.
    fn place(&mut self, term: &'t Term<&'t str>, dot: Option<&Place>) -> Option<Place> {
        match term {
            Term::Id => return dot.cloned(),
            Term::Var(name) => {
                return self
                    .scope
                    .iter()
                    .rev()
                    .find(|(bound, _)| bound == name)
                    .and_then(|(_, place)| place.clone());
            }
            Term::Call(gate, _) if gate.starts_with('!') => return dot.cloned(),
            Term::Path(base, path) => {
                let base = self.place(base, dot);
                return self.path(base, path, dot);
            }
            Term::BinOp(left, BinaryOp::Pipe(pattern), right) => {
                return self.pipe(left, pattern.as_ref(), right, dot);
            }
            _ => {}
        }
        match term {
            Term::BinOp(left, operator, right) => {
                if matches!(
                    operator,
                    BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt
                ) {
                    self.whole(dot);
                    // The right side of an update works on parts of the input.
                }
                self.used(left, dot);
                self.used(right, dot);
            }
            Term::Recurse => self.whole(dot),
            Term::Str(_, parts) => {
                for part in parts {
                    if let StrPart::Term(term) = part {
                        self.used(term, dot);
                    }
                }
            }
            Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => self.used(inner, dot),
            Term::Obj(members) => {
                for (key, value) in members {
                    self.member(key, value.as_ref(), dot);
                }
            }
            Term::Fold(_, items, pattern, args) => {
                self.used(items, dot);
                let outer = self.scope.len();
                let mut args = args.iter();
                if let Some(init) = args.next() {
                    self.used(init, dot);
                }
                self.bind(pattern, None, dot);
                for arg in args {
                    self.used(arg, None);
                }
                self.scope.truncate(outer);
            }
            Term::TryCatch(inner, catch) => {
                self.used(inner, dot);
                if let Some(catch) = catch {
                    self.used(catch, None);
                }
            }
            Term::IfThenElse(branches, otherwise) => {
                for (condition, then) in branches {
                    self.used(condition, dot);
                    self.used(then, dot);
                }
                match otherwise {
                    Some(otherwise) => self.used(otherwise, dot),
                    None => self.whole(dot),
                }
            }
            Term::Def(defs, rest) => {
                for def in defs {
                    let outer = self.scope.len();
                    self.scope.extend(def.args.iter().map(|arg| (*arg, None)));
                    self.used(&def.body, None);
                    self.scope.truncate(outer);
                }
                return self.place(rest, dot);
            }
            Term::Call(name, args) => {
                if !BLIND.contains(name) || !args.is_empty() {
                    self.whole(dot);
                }
                for arg in args {
                    self.used(arg, None);
                }
            }
            Term::Id | Term::Var(_) | Term::Path(..) | Term::Num(_) | Term::Arr(None) | Term::Break(_) => {}
        }
        None
    }

    fn whole(&mut self, dot: Option<&Place>) {
        if let Some(dot) = dot {
            self.need(dot, true);
        }
    }

    fn path(
        &mut self,
        base: Option<Place>,
        path: &'t Path<Term<&'t str>>,
        dot: Option<&Place>,
    ) -> Option<Place> {
        let mut place = base;
        for (part, _) in &path.0 {
            match part {
                Part::Index(index) => match (name_of(index), &mut place) {
                    (Some(name), Some(place)) => {
                        place.names.push(name);
                        // That it can be there has to be seen, even if it is not looked at.
                        self.need(&place.clone(), false);
                        continue;
                    }
                    _ => self.used(index, dot),
                },
                Part::Range(from, to) => {
                    for bound in [from, to].into_iter().flatten() {
                        self.used(bound, dot);
                    }
                }
            }
            if let Some(place) = place.take() {
                self.need(&place, true);
            }
        }
        place
    }

    fn pipe(
        &mut self,
        left: &'t Term<&'t str>,
        pattern: Option<&'t Pattern<&'t str>>,
        right: &'t Term<&'t str>,
        dot: Option<&Place>,
    ) -> Option<Place> {
        let from = self.place(left, dot);
        let Some(pattern) = pattern else { return self.place(right, from.as_ref()) };
        let outer = self.scope.len();
        self.bind(pattern, from, dot);
        let place = self.place(right, dot);
        self.scope.truncate(outer);
        place
    }

    fn bind(&mut self, pattern: &'t Pattern<&'t str>, from: Option<Place>, dot: Option<&Place>) {
        if let Pattern::Var(name) = pattern {
            self.scope.push((name, from));
            return;
        }
        self.whole(from.as_ref());
        let mut names = Vec::new();
        self.names(pattern, &mut names, dot);
        self.scope.extend(names.into_iter().map(|name| (name, None)));
    }

    fn names(&mut self, pattern: &'t Pattern<&'t str>, names: &mut Vec<&'t str>, dot: Option<&Place>) {
        match pattern {
            Pattern::Var(name) => names.push(name),
            Pattern::Arr(items) => items.iter().for_each(|item| self.names(item, names, dot)),
            Pattern::Obj(members) => {
                for (key, item) in members {
                    self.used(key, dot);
                    self.names(item, names, dot);
                }
            }
        }
    }

    fn member(&mut self, key: &'t Term<&'t str>, value: Option<&'t Term<&'t str>>, dot: Option<&Place>) {
        match value {
            Some(value) => {
                self.used(key, dot);
                self.used(value, dot);
            }
            // `{$x}`, `{a}`, `{"a\(…)"}`
            None => match (key, name_of(key), dot) {
                (Term::Var(_), ..) => self.used(key, dot),
                (_, Some(name), Some(dot)) => {
                    let mut place = dot.clone();
                    place.names.push(name);
                    self.need(&place, true);
                }
                _ => {
                    self.used(key, dot);
                    self.whole(dot);
                }
            },
        }
    }
}

/// The name that a text without interpolation and escapes is.
fn name_of(term: &Term<&str>) -> Option<String> {
    match term {
        Term::Str(None, parts) => match &parts[..] {
            [StrPart::Str(name)] => Some((*name).to_owned()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::compile;

    #[test]
    fn only_what_is_looked_at_is_needed() {
        let rows = [
            ("1", "-"),
            (".", "*"),
            (".a", "{a: *}"),
            (".a.b + .a.c + .d", "{a: {b: *, c: *}, d: *}"),
            (".a.b, .a", "{a: *}"),
            (".a, .a.b", "{a: *}"),
            (".a[0].b", "{a: *}"),
            (".a[.i].b", "{a: *, i: *}"),
            (".a[]", "{a: *}"),
            (".a?.b", "{a: {b: *}}"),
            (".a | .b | .c", "{a: {b: {c: *}}}"),
            (".a | 1", "{a: -}"),
            (".a as $x | $x.b", "{a: {b: *}}"),
            (".a as $x | .b as $y | $x.c == $y.c", "{a: {c: *}, b: {c: *}}"),
            (".a as [$x] | $x", "{a: *}"),
            (".a as {(.k): $x} | $x", "{a: *, k: *}"),
            ("{a, b: .c.d, $input}", "{a: *, c: {d: *}} $input *"),
            ("{(.k): .v.w}", "{k: *, v: {w: *}}"),
            (".a.b // .c", "{a: {b: *}, c: *}"),
            ("if .a.b then .c else .d.e end", "{a: {b: *}, c: *, d: {e: *}}"),
            ("if .a then .b end", "*"),
            (".a.items | length", "{a: {items: *}}"),
            (".items | map(.x)", "{items: *}"),
            ("length", "*"),
            ("map(.x)", "*"),
            ("select(.a)", "*"),
            ("..", "*"),
            (".a = 1", "*"),
            (".a.b | .c = 1", "{a: {b: *}}"),
            ("\"x \\(.a.b) y\"", "{a: {b: *}}"),
            ("[.a.b]", "{a: {b: *}}"),
            ("-.a.b", "{a: {b: *}}"),
            ("true and .a", "{a: *}"),
            ("try .a.b catch .c", "{a: {b: *}}"),
            ("reduce .a[] as $x (.b.c; . + .d + $x)", "{a: *, b: {c: *}}"),
            ("foreach .a[] as [$x] (0; .; $input.p)", "{a: *} $input {p: *}"),
            ("def f: .x; .a | f", "{a: *}"),
            ("def f(g; $y): g + $y + $input.q; .a.b", "{a: {b: *}} $input {q: *}"),
            ("$input.a.b + $context.c", "- $input {a: {b: *}} $context {c: *}"),
            ("$input as $x | $x.a", "- $input {a: *}"),
            ("$input as $context | $context.a", "- $input {a: *}"),
            ("label $l | .a.b", "{a: {b: *}}"),
            (".a.b.c.d.e.f.g.h.i.j", "{a: {b: {c: {d: {e: {f: {g: {h: {i: {j: *}}}}}}}}}}"),
            ("((((((((((.a.b))))))))))", "{a: {b: *}}"),
            (".[\"a\"][\"b\"]", "{a: {b: *}}"),
            (".[\"a\\nb\"]", "*"),
            ("getpath([\"a\"])", "*"),
            ("path(.a)", "*"),
            ("(.a, .b) |= 1", "*"),
            ("{a: {b: {c: {d: {e: {f: {g: {h: .x.y}}}}}}}}", "{x: {y: *}}"),
        ];
        for (text, expected) in rows {
            let program = compile::compile(text, &["input", "context"]).unwrap();
            let mut shown = show(&program.needs.input);
            for (name, need) in program.variables.iter().zip(&program.needs.variables) {
                shown += &format!(" ${name} {}", show(need));
            }
            assert_eq!(shown, expected, "{text}");
        }
    }

    fn show(need: &super::Need) -> String {
        match need {
            super::Need::Whole => "*".into(),
            super::Need::Members(members) if members.is_empty() => "-".into(),
            super::Need::Members(members) => {
                let members: Vec<_> =
                    members.iter().map(|(name, need)| format!("{name}: {}", show(need))).collect();
                format!("{{{}}}", members.join(", "))
            }
        }
    }
}
