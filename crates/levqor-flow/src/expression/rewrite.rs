//! Programs rewritten so that they cannot run without paying.
//!
//! Whatever repeats work gets a gate in front (see [`natives::TICK`] and its kin): the right side of a comma,
//! the body of a definition, each round of a fold, a filter handed to a definition, and every few levels of
//! nesting, for the stack. Iterations (`.[]`, `..`) and native functions pay by themselves. What is left
//! between two gates is at most as long as the text of the program.
//!
//! On the way: long chains become balanced trees, so that they nest less; arithmetic on several results on
//! both sides gets jq's order (the right side outermost); and the outside variables are found.

use std::collections::HashMap;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::{Part, Path};

use super::natives;

/// Levels of a program, with chains counted by their length.
const DEPTH_MAX: u32 = 600;
/// Levels between two looks at the stack.
const LEVELS_PER_LOOK: u32 = 8;
/// Parts of a path, parameters of a definition, variables in a pattern.
const WIDTH_MAX: usize = 200;
/// Where the right side of arithmetic is kept. The name cannot be written in an expression.
const RIGHT: &str = "$!right";

/// A function by name and number of arguments.
pub(super) type Signature<'s> = (&'s str, usize);

/// The program is nested too deeply, or something in it is too wide.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooComplex;

type Rewritten<'s> = Result<Out<'s>, TooComplex>;

struct Out<'s> {
    term: Term<&'s str>,
    /// Whether it may have more than one result. True when not known.
    many: bool,
}

/// What is known about a program while it is rewritten.
pub(super) struct Rewriter<'s, 'k> {
    /// Functions from elsewhere, and whether each may have more than one result.
    known: &'k dyn Fn(Signature<'_>) -> Option<bool>,
    variables: Vec<&'s str>,
    functions: Vec<Function<'s>>,
    /// Variables used but not bound inside, in the order of their first mention.
    free: Vec<&'s str>,
    /// All functions called, those defined inside included.
    calls: HashMap<Signature<'s>, ()>,
    /// Some definition hands itself filters.
    links: bool,
}

struct Function<'s> {
    signature: Signature<'s>,
    many: bool,
    /// Its own body is being rewritten: a call is recursion.
    open: bool,
    recursive: bool,
    parameter: bool,
}

/// What came of it.
pub(super) struct Facts<'s> {
    pub(super) free: Vec<&'s str>,
    pub(super) calls: Vec<Signature<'s>>,
    pub(super) links: bool,
}

impl<'s, 'k> Rewriter<'s, 'k> {
    pub(super) fn new(known: &'k dyn Fn(Signature<'_>) -> Option<bool>) -> Self {
        Self {
            known,
            variables: Vec::new(),
            functions: Vec::new(),
            free: Vec::new(),
            calls: HashMap::new(),
            links: false,
        }
    }

    pub(super) fn program(mut self, term: Term<&'s str>) -> Result<(Term<&'s str>, Facts<'s>), TooComplex> {
        let out = self.term(term, 0)?;
        Ok((out.term, self.facts()))
    }

    /// A definition of the prelude; also whether calls of it may have more than one result.
    pub(super) fn definition(
        mut self,
        def: Def<&'s str>,
    ) -> Result<(Def<&'s str>, bool, Facts<'s>), TooComplex> {
        let def = self.def(def, 0)?;
        let many = self.functions.pop().is_none_or(|function| function.many);
        Ok((def, many, self.facts()))
    }

    fn facts(self) -> Facts<'s> {
        let mut calls: Vec<_> = self.calls.into_keys().collect();
        calls.sort_unstable();
        Facts { free: self.free, calls, links: self.links }
    }

    fn term(&mut self, term: Term<&'s str>, depth: u32) -> Rewritten<'s> {
        if depth > DEPTH_MAX {
            return Err(TooComplex);
        }
        let out = self.inner(term, depth + 1)?;
        let look = depth % LEVELS_PER_LOOK == LEVELS_PER_LOOK - 1 && !is_leaf(&out.term);
        Ok(if look { Out { term: gated(natives::TICK, out.term), ..out } } else { out })
    }

    /// `depth` is that of the parts.
    fn inner(&mut self, term: Term<&'s str>, depth: u32) -> Rewritten<'s> {
        Ok(match term {
            Term::Id | Term::Num(_) | Term::Break(_) => Out { term, many: false },
            Term::Recurse => Out { term, many: true },
            Term::Str(format, parts) => self.string(format, parts, depth)?,
            Term::Arr(None) => Out { term, many: false },
            Term::Arr(Some(items)) => {
                let items = self.term(*items, depth)?;
                Out { term: Term::Arr(Some(Box::new(items.term))), many: false }
            }
            Term::Obj(members) => self.object(members, depth)?,
            Term::Neg(inner) => {
                let inner = self.term(*inner, depth)?;
                Out { term: Term::Neg(Box::new(inner.term)), many: inner.many }
            }
            Term::BinOp(left, BinaryOp::Comma, right) => self.comma(*left, *right, depth)?,
            Term::BinOp(left, operator, right) => self.binary(*left, operator, *right, depth)?,
            Term::Label(name, inner) => {
                let inner = self.term(*inner, depth)?;
                Out { term: Term::Label(name, Box::new(inner.term)), many: inner.many }
            }
            Term::Fold(name, items, pattern, args) => self.fold(name, *items, pattern, args, depth)?,
            Term::TryCatch(inner, catch) => {
                let inner = self.term(*inner, depth)?;
                let catch = catch.map(|catch| self.term(*catch, depth)).transpose()?;
                let many = inner.many || catch.as_ref().is_some_and(|catch| catch.many);
                let catch = catch.map(|catch| Box::new(catch.term));
                Out { term: Term::TryCatch(Box::new(inner.term), catch), many }
            }
            Term::IfThenElse(branches, otherwise) => self.branches(branches, otherwise, depth)?,
            Term::Def(defs, rest) => {
                let outer = self.functions.len();
                let defs = defs.into_iter().map(|def| self.def(def, depth)).collect::<Result<_, _>>()?;
                let rest = self.term(*rest, depth)?;
                self.functions.truncate(outer);
                Out { term: Term::Def(defs, Box::new(rest.term)), many: rest.many }
            }
            Term::Call(name, args) => self.call(name, args, depth)?,
            Term::Var(name) => {
                if !self.variables.contains(&name) && !self.free.contains(&name) {
                    self.free.push(name);
                }
                Out { term: Term::Var(name), many: false }
            }
            Term::Path(base, path) => {
                let base = self.term(*base, depth)?;
                let (path, many) = self.path(path, depth)?;
                Out { term: Term::Path(Box::new(base.term), path), many: many || base.many }
            }
        })
    }

    fn binary(
        &mut self,
        left: Term<&'s str>,
        operator: BinaryOp<&'s str>,
        right: Term<&'s str>,
        depth: u32,
    ) -> Rewritten<'s> {
        let left = self.term(left, depth)?;
        let outer = self.variables.len();
        let (operator, pattern_many) = match operator {
            BinaryOp::Pipe(Some(pattern)) => {
                let (pattern, many) = self.pattern(pattern, depth)?;
                (BinaryOp::Pipe(Some(pattern)), many)
            }
            other => (other, false),
        };
        let right = self.term(right, depth)?;
        self.variables.truncate(outer);
        let many = left.many || right.many || pattern_many;
        if left.many && right.many && matches!(operator, BinaryOp::Math(_) | BinaryOp::Cmp(_)) {
            let inner = Term::BinOp(Box::new(left.term), operator, Box::new(Term::Var(RIGHT)));
            let bind = BinaryOp::Pipe(Some(Pattern::Var(RIGHT)));
            return Ok(Out { term: Term::BinOp(Box::new(right.term), bind, Box::new(inner)), many });
        }
        Ok(Out { term: Term::BinOp(Box::new(left.term), operator, Box::new(right.term)), many })
    }

    /// `a, b, c, …` as a balanced tree; each but the first pays for itself.
    fn comma(&mut self, left: Term<&'s str>, right: Term<&'s str>, depth: u32) -> Rewritten<'s> {
        let mut items = vec![right];
        let mut rest = left;
        while let Term::BinOp(left, BinaryOp::Comma, right) = rest {
            items.push(*right);
            rest = *left;
        }
        items.push(rest);
        items.reverse();
        let depth = depth + items.len().ilog2();
        let items =
            items.into_iter().map(|item| Ok(self.term(item, depth)?.term)).collect::<Result<_, _>>()?;
        let term = balanced(items, &|left, right| {
            Term::BinOp(Box::new(left), BinaryOp::Comma, Box::new(gated(natives::TICK, right)))
        });
        Ok(Out { term, many: true })
    }

    /// `{a: …, b: …}` as a balanced tree of additions.
    fn object(&mut self, members: Vec<(Term<&'s str>, Option<Term<&'s str>>)>, depth: u32) -> Rewritten<'s> {
        if members.is_empty() {
            return Ok(Out { term: Term::Obj(members), many: false });
        }
        let depth = depth + members.len().ilog2();
        let mut many = false;
        let mut objects = Vec::with_capacity(members.len());
        for (key, value) in members {
            let key = self.leaf_or_term(key, depth)?;
            let value = value.map(|value| self.term(value, depth)).transpose()?;
            many |= key.many || value.as_ref().is_some_and(|value| value.many);
            objects.push(Term::Obj(vec![(key.term, value.map(|value| value.term))]));
        }
        Ok(Out { term: balanced(objects, &add), many })
    }

    /// `{$x}` must stay as it is.
    fn leaf_or_term(&mut self, term: Term<&'s str>, depth: u32) -> Rewritten<'s> {
        if is_leaf(&term) { self.inner(term, depth) } else { self.term(term, depth) }
    }

    fn string(
        &mut self,
        format: Option<&'s str>,
        parts: Vec<StrPart<&'s str, Term<&'s str>>>,
        depth: u32,
    ) -> Rewritten<'s> {
        if let Some(format) = format {
            self.calls.insert((format, 0), ());
        }
        let plain = parts.iter().filter(|part| matches!(part, StrPart::Term(_))).count() == 0;
        if parts.len() < 2 || plain && parts.len() < 16 {
            let (parts, many) = self.parts(parts, depth)?;
            return Ok(Out { term: Term::Str(format, parts), many });
        }
        let depth = depth + parts.len().ilog2();
        let mut texts: Vec<Out<'s>> = Vec::with_capacity(parts.len());
        for part in parts {
            let (parts, many) = self.parts(vec![part], depth)?;
            texts.push(Out { term: Term::Str(format, parts), many });
        }
        let many = texts.iter().any(|text| text.many);
        Ok(Out { term: balanced_sum(texts), many })
    }

    #[expect(clippy::type_complexity, reason = "the parser's own type of a text's parts")]
    fn parts(
        &mut self,
        parts: Vec<StrPart<&'s str, Term<&'s str>>>,
        depth: u32,
    ) -> Result<(Vec<StrPart<&'s str, Term<&'s str>>>, bool), TooComplex> {
        let mut many = false;
        let mut rewritten = Vec::with_capacity(parts.len());
        for part in parts {
            rewritten.push(match part {
                StrPart::Term(term) => {
                    let out = self.term(term, depth)?;
                    many |= out.many;
                    StrPart::Term(out.term)
                }
                other => other,
            });
        }
        Ok((rewritten, many))
    }

    fn fold(
        &mut self,
        name: &'s str,
        items: Term<&'s str>,
        pattern: Pattern<&'s str>,
        args: Vec<Term<&'s str>>,
        depth: u32,
    ) -> Rewritten<'s> {
        let items = self.term(items, depth)?;
        let mut args = args.into_iter();
        let mut rewritten = Vec::new();
        let mut many = name == "foreach";
        if let Some(init) = args.next() {
            let init = self.term(init, depth)?;
            many |= init.many;
            rewritten.push(init.term);
        }
        let outer = self.variables.len();
        let (pattern, pattern_many) = self.pattern(pattern, depth)?;
        if let Some(update) = args.next() {
            let update = self.term(update, depth)?;
            many |= update.many;
            let gate = if update.many || pattern_many { natives::FORK } else { natives::TICK };
            rewritten.push(gated(gate, update.term));
        }
        for arg in args {
            rewritten.push(self.term(arg, depth)?.term);
        }
        self.variables.truncate(outer);
        Ok(Out { term: Term::Fold(name, Box::new(items.term), pattern, rewritten), many })
    }

    #[expect(clippy::type_complexity, reason = "the parser's own type of branches")]
    fn branches(
        &mut self,
        branches: Vec<(Term<&'s str>, Term<&'s str>)>,
        otherwise: Option<Box<Term<&'s str>>>,
        mut depth: u32,
    ) -> Rewritten<'s> {
        let mut many = false;
        let mut rewritten = Vec::with_capacity(branches.len());
        for (condition, then) in branches {
            let (condition, then) = (self.term(condition, depth)?, self.term(then, depth)?);
            many |= condition.many || then.many;
            rewritten.push((condition.term, then.term));
            // Each `elif` is an `if` within the one before.
            depth += 1;
        }
        let otherwise = otherwise.map(|otherwise| self.term(*otherwise, depth)).transpose()?;
        many |= otherwise.as_ref().is_some_and(|otherwise| otherwise.many);
        let otherwise = otherwise.map(|otherwise| Box::new(otherwise.term));
        Ok(Out { term: Term::IfThenElse(rewritten, otherwise), many })
    }

    fn call(&mut self, name: &'s str, args: Vec<Term<&'s str>>, depth: u32) -> Rewritten<'s> {
        if args.len() > WIDTH_MAX {
            return Err(TooComplex);
        }
        let signature = (name, args.len());
        self.calls.insert(signature, ());
        let local = self.functions.iter_mut().rev().find(|function| function.signature == signature);
        let (is_local, mut many) = match local {
            Some(function) => {
                function.recursive |= function.open;
                (!function.parameter, function.many)
            }
            None => (false, (self.known)(signature).unwrap_or(true)),
        };
        let mut rewritten = Vec::with_capacity(args.len());
        let mut args_many = false;
        for arg in args {
            let arg = self.term(arg, depth)?;
            args_many |= arg.many;
            // A filter may run at any depth of the definition's recursion.
            rewritten.push(if is_local { gated(natives::TICK, arg.term) } else { arg.term });
        }
        if name == "select" && !is_local {
            many = false;
        }
        Ok(Out { term: Term::Call(name, rewritten), many: many || args_many })
    }

    fn def(&mut self, def: Def<&'s str>, depth: u32) -> Result<Def<&'s str>, TooComplex> {
        if def.args.len() > WIDTH_MAX {
            return Err(TooComplex);
        }
        let (variables, functions) = (self.variables.len(), self.functions.len());
        let mut takes_filters = false;
        let signature = (def.name, def.args.len());
        for arg in &def.args {
            if arg.starts_with('$') {
                self.variables.push(arg);
            } else {
                takes_filters = true;
                let parameter = Function {
                    signature: (arg, 0),
                    many: true,
                    open: false,
                    recursive: false,
                    parameter: true,
                };
                self.functions.push(parameter);
            }
        }
        // Below its parameters, so that it stays when they go.
        self.functions.insert(
            functions,
            Function { signature, many: true, open: true, recursive: false, parameter: false },
        );
        let body = self.term(def.body, depth)?;
        self.variables.truncate(variables);
        self.functions.truncate(functions + 1);
        let Some(function) = self.functions.last_mut() else { return Err(TooComplex) };
        function.open = false;
        function.many = body.many;
        let gate = match (function.recursive, takes_filters) {
            (true, true) => natives::LINK,
            (true, false) => natives::LOOP,
            (false, _) => natives::TICK,
        };
        self.links |= gate == natives::LINK;
        Ok(Def { name: def.name, args: def.args, body: gated(gate, body.term) })
    }

    #[expect(clippy::type_complexity, reason = "the parser's own type of a path")]
    fn path(
        &mut self,
        path: Path<Term<&'s str>>,
        depth: u32,
    ) -> Result<(Path<Term<&'s str>>, bool), TooComplex> {
        if path.0.len() > WIDTH_MAX {
            return Err(TooComplex);
        }
        let mut many = false;
        let mut rewritten = Vec::with_capacity(path.0.len());
        let mut bound = |bound: Option<Term<&'s str>>, many: &mut bool| {
            let out = bound.map(|bound| self.leaf_or_term(bound, depth)).transpose()?;
            *many |= out.as_ref().is_some_and(|out| out.many);
            Ok(out.map(|out| out.term))
        };
        for (part, optional) in path.0 {
            let part = match part {
                Part::Index(index) => match bound(Some(index), &mut many)? {
                    Some(index) => Part::Index(index),
                    None => return Err(TooComplex),
                },
                Part::Range(from, to) => {
                    many |= from.is_none() && to.is_none();
                    Part::Range(bound(from, &mut many)?, bound(to, &mut many)?)
                }
            };
            rewritten.push((part, optional));
        }
        Ok((Path(rewritten), many))
    }

    /// The variables of the pattern are bound from here on.
    fn pattern(
        &mut self,
        pattern: Pattern<&'s str>,
        depth: u32,
    ) -> Result<(Pattern<&'s str>, bool), TooComplex> {
        let outer = self.variables.len();
        // Names in the pattern do not see its variables: first all names, then the variables.
        let (pattern, many, bound) = self.pattern_names(pattern, depth)?;
        self.variables.truncate(outer);
        if bound.len() > WIDTH_MAX {
            return Err(TooComplex);
        }
        self.variables.extend(bound);
        Ok((pattern, many))
    }

    #[expect(clippy::type_complexity, reason = "the pattern, whether it has many results, its variables")]
    fn pattern_names(
        &mut self,
        pattern: Pattern<&'s str>,
        depth: u32,
    ) -> Result<(Pattern<&'s str>, bool, Vec<&'s str>), TooComplex> {
        if depth > DEPTH_MAX {
            return Err(TooComplex);
        }
        match pattern {
            Pattern::Var(name) => Ok((Pattern::Var(name), false, vec![name])),
            Pattern::Arr(items) => {
                let mut many = false;
                let mut bound = Vec::new();
                let mut rewritten = Vec::with_capacity(items.len());
                for item in items {
                    let (item, item_many, names) = self.pattern_names(item, depth + 1)?;
                    many |= item_many;
                    bound.extend(names);
                    rewritten.push(item);
                }
                Ok((Pattern::Arr(rewritten), many, bound))
            }
            Pattern::Obj(members) => {
                let mut many = false;
                let mut bound = Vec::new();
                let mut rewritten = Vec::with_capacity(members.len());
                for (key, item) in members {
                    let key = self.term(key, depth + 1)?;
                    let (item, item_many, names) = self.pattern_names(item, depth + 1)?;
                    many |= key.many || item_many;
                    bound.extend(names);
                    rewritten.push((key.term, item));
                }
                Ok((Pattern::Obj(rewritten), many, bound))
            }
        }
    }
}

fn is_leaf(term: &Term<&str>) -> bool {
    match term {
        Term::Id | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => true,
        Term::Str(None, parts) => parts.iter().all(|part| !matches!(part, StrPart::Term(_))),
        Term::Call(_, args) => args.is_empty(),
        _ => false,
    }
}

fn gated<'s>(gate: &'static str, term: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(Term::Call(gate, Vec::new())), BinaryOp::Pipe(None), Box::new(term))
}

fn add<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Math(jaq_core::ops::Math::Add), Box::new(right))
}

/// Joins the terms pairwise, in order.
fn balanced<'s>(
    mut terms: Vec<Term<&'s str>>,
    join: &dyn Fn(Term<&'s str>, Term<&'s str>) -> Term<&'s str>,
) -> Term<&'s str> {
    if terms.len() <= 1 {
        return terms.pop().unwrap_or_default();
    }
    let right = terms.split_off(terms.len().div_ceil(2));
    join(balanced(terms, join), balanced(right, join))
}

/// Adds the texts pairwise; where both sides may have many results, the right one varies slowest, as in jq.
fn balanced_sum(mut texts: Vec<Out<'_>>) -> Term<&str> {
    fn sum(mut texts: Vec<Out<'_>>) -> Out<'_> {
        if texts.len() <= 1 {
            return texts.pop().unwrap_or(Out { term: Term::Str(None, Vec::new()), many: false });
        }
        let right = sum(texts.split_off(texts.len().div_ceil(2)));
        let left = sum(texts);
        let many = left.many || right.many;
        if left.many && right.many {
            let bind = BinaryOp::Pipe(Some(Pattern::Var(RIGHT)));
            let inner = add(left.term, Term::Var(RIGHT));
            return Out { term: Term::BinOp(Box::new(right.term), bind, Box::new(inner)), many };
        }
        Out { term: add(left.term, right.term), many }
    }
    sum(std::mem::take(&mut texts)).term
}
