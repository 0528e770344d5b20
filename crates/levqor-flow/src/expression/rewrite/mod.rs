//! Programs rewritten so that they cannot run without paying.
//!
//! Whatever repeats work gets a gate in front (see [`natives::TICK`] and its kin): the right side of a comma,
//! the body of a definition, each round of a fold, a filter handed to a definition, and every few levels of
//! nesting, for the stack. Iterations (`.[]`, `..`) and native functions pay by themselves. What is left
//! between two gates is at most as long as the text of the program.
//!
//! On the way: long chains become balanced trees, so that they nest less; arithmetic on several results on
//! both sides gets jq's order (the right side outermost); and the outside variables are found.

mod data;
mod tree;

use std::collections::BTreeSet;

use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};

use self::tree::{gated, is_leaf};
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
    many: Many,
}

/// Whether something may have other than exactly one result, or the interpreter cannot see that there are no
/// more: then it keeps the rest for later, which takes memory. True when not known.
#[derive(Clone, Copy, Default)]
struct Many {
    many: bool,
    /// The same, if recursive calls of the definition at hand are taken to have one result.
    otherwise: bool,
}

impl Many {
    const NO: Self = Self { many: false, otherwise: false };
    const YES: Self = Self { many: true, otherwise: true };
}

impl std::ops::BitOr for Many {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self { many: self.many | other.many, otherwise: self.otherwise | other.otherwise }
    }
}

impl std::ops::BitOrAssign for Many {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// What is known about a program while it is rewritten.
pub(super) struct Rewriter<'s, 'k> {
    /// Functions from elsewhere, and whether each may have more than one result.
    known: &'k dyn Fn(Signature<'_>) -> Option<bool>,
    variables: Vec<&'s str>,
    functions: Vec<Function<'s>>,
    facts: Facts<'s>,
}

struct Function<'s> {
    signature: Signature<'s>,
    many: bool,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A filter that a definition takes.
    Parameter,
    /// A definition whose body is being rewritten: a call is recursion.
    Open {
        recursive: bool,
    },
    Closed,
}

/// What was found on the way.
#[derive(Default)]
pub(super) struct Facts<'s> {
    /// Variables used but not bound inside, in the order of their first mention.
    pub(super) free: Vec<&'s str>,
    /// All functions called, those defined inside included.
    pub(super) calls: BTreeSet<Signature<'s>>,
    /// A recursive definition hands itself filters.
    pub(super) links: bool,
}

impl<'s, 'k> Rewriter<'s, 'k> {
    pub(super) fn new(known: &'k dyn Fn(Signature<'_>) -> Option<bool>) -> Self {
        Self { known, variables: Vec::new(), functions: Vec::new(), facts: Facts::default() }
    }

    pub(super) fn program(mut self, term: Term<&'s str>) -> Result<(Term<&'s str>, Facts<'s>), TooComplex> {
        let out = self.term(term, 0)?;
        Ok((out.term, self.facts))
    }

    /// A definition of the prelude; also whether calls of it may have more than one result.
    pub(super) fn definition(
        mut self,
        def: Def<&'s str>,
    ) -> Result<(Def<&'s str>, bool, Facts<'s>), TooComplex> {
        let def = self.def(def, 0)?;
        let many = self.functions.pop().is_none_or(|function| function.many);
        Ok((def, many, self.facts))
    }

    fn term(&mut self, term: Term<&'s str>, depth: u32) -> Rewritten<'s> {
        if depth > DEPTH_MAX {
            return Err(TooComplex);
        }
        let out = self.inner(term, depth + 1)?;
        let look = depth % LEVELS_PER_LOOK == LEVELS_PER_LOOK - 1 && !is_leaf(&out.term);
        Ok(if look { Out { term: gated(natives::TICK, out.term), ..out } } else { out })
    }

    fn boxed(&mut self, term: Term<&'s str>, depth: u32) -> Result<(Box<Term<&'s str>>, Many), TooComplex> {
        let out = self.term(term, depth)?;
        Ok((Box::new(out.term), out.many))
    }

    /// `depth` is that of the parts.
    fn inner(&mut self, term: Term<&'s str>, depth: u32) -> Rewritten<'s> {
        let (term, many) = match term {
            Term::Id | Term::Num(_) | Term::Break(_) | Term::Arr(None) => (term, Many::NO),
            Term::Recurse => (term, Many::YES),
            Term::Str(format, parts) => return self.string(format, parts, depth),
            Term::Arr(Some(items)) => {
                let (items, _) = self.boxed(*items, depth)?;
                (Term::Arr(Some(items)), Many::NO)
            }
            Term::Obj(members) => return self.object(members, depth),
            Term::Neg(inner) => {
                let (inner, many) = self.boxed(*inner, depth)?;
                (Term::Neg(inner), many)
            }
            Term::BinOp(left, BinaryOp::Comma, right) => (self.comma(*left, *right, depth)?, Many::YES),
            Term::BinOp(left, operator, right) => return self.binary(*left, operator, *right, depth),
            Term::Label(name, inner) => (Term::Label(name, self.boxed(*inner, depth)?.0), Many::YES),
            Term::Fold(name, items, pattern, args) => {
                (self.fold(name, *items, pattern, args, depth)?, Many::YES)
            }
            Term::TryCatch(inner, catch) => {
                let (inner, _) = self.boxed(*inner, depth)?;
                let catch = catch.map(|catch| self.boxed(*catch, depth)).transpose()?;
                (Term::TryCatch(inner, catch.map(|(catch, _)| catch)), Many::YES)
            }
            Term::IfThenElse(branches, otherwise) => return self.branches(branches, otherwise, depth),
            Term::Def(defs, rest) => {
                let outer = self.functions.len();
                let defs = defs.into_iter().map(|def| self.def(def, depth)).collect::<Result<_, _>>()?;
                let (rest, many) = self.boxed(*rest, depth)?;
                self.functions.truncate(outer);
                (Term::Def(defs, rest), many)
            }
            Term::Call(name, args) => return self.call(name, args, depth),
            Term::Var(name) => {
                if !self.variables.contains(&name) && !self.facts.free.contains(&name) {
                    self.facts.free.push(name);
                }
                (Term::Var(name), Many::NO)
            }
            Term::Path(base, path) => {
                let (base, many) = self.boxed(*base, depth)?;
                let (path, path_many) = self.path(path, depth)?;
                (Term::Path(base, path), many | path_many)
            }
        };
        Ok(Out { term, many })
    }

    fn binary(
        &mut self,
        left: Term<&'s str>,
        operator: BinaryOp<&'s str>,
        right: Term<&'s str>,
        depth: u32,
    ) -> Rewritten<'s> {
        let (left, left_many) = self.boxed(left, depth)?;
        let outer = self.variables.len();
        let (operator, pattern_many) = match operator {
            BinaryOp::Pipe(Some(pattern)) => {
                let (pattern, many) = self.pattern(pattern, depth)?;
                (BinaryOp::Pipe(Some(pattern)), many)
            }
            other => (other, Many::NO),
        };
        let (right, right_many) = self.boxed(right, depth)?;
        self.variables.truncate(outer);
        let mut many = left_many | right_many | pattern_many;
        match &operator {
            BinaryOp::Math(_) | BinaryOp::Cmp(_) if left_many.many && right_many.many => {
                let inner = Term::BinOp(left, operator, Box::new(Term::Var(RIGHT)));
                let bind = BinaryOp::Pipe(Some(Pattern::Var(RIGHT)));
                return Ok(Out { term: Term::BinOp(right, bind, Box::new(inner)), many });
            }
            BinaryOp::Alt => many = Many::YES,
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                let plain = matches!(&*left, Term::Path(base, _) if matches!(**base, Term::Id));
                many |= if plain { Many::NO } else { Many::YES };
            }
            _ => {}
        }
        Ok(Out { term: Term::BinOp(left, operator, right), many })
    }

    fn fold(
        &mut self,
        name: &'s str,
        items: Term<&'s str>,
        pattern: Pattern<&'s str>,
        args: Vec<Term<&'s str>>,
        depth: u32,
    ) -> Result<Term<&'s str>, TooComplex> {
        let (items, _) = self.boxed(items, depth)?;
        let mut args = args.into_iter();
        let mut rewritten = Vec::new();
        let mut many = false;
        if let Some(init) = args.next() {
            // With several starts, the items are kept for the next one.
            let init = self.term(init, depth)?;
            many |= init.many.many;
            rewritten.push(init.term);
        }
        let outer = self.variables.len();
        let (pattern, _) = self.pattern(pattern, depth)?;
        if let Some(update) = args.next() {
            let update = self.term(update, depth)?;
            many |= update.many.many;
            let gate = if many { natives::FORK } else { natives::TICK };
            rewritten.push(gated(gate, update.term));
        }
        for arg in args {
            rewritten.push(self.term(arg, depth)?.term);
        }
        self.variables.truncate(outer);
        Ok(Term::Fold(name, items, pattern, rewritten))
    }

    fn branches(
        &mut self,
        branches: Vec<(Term<&'s str>, Term<&'s str>)>,
        otherwise: Option<Box<Term<&'s str>>>,
        mut depth: u32,
    ) -> Rewritten<'s> {
        let mut many = Many::NO;
        let mut rewritten = Vec::with_capacity(branches.len());
        for (condition, then) in branches {
            let (condition, then) = (self.term(condition, depth)?, self.term(then, depth)?);
            many |= condition.many | then.many;
            rewritten.push((condition.term, then.term));
            // Each `elif` is an `if` within the one before.
            depth += 1;
        }
        let otherwise = otherwise.map(|otherwise| self.boxed(*otherwise, depth)).transpose()?;
        let otherwise = otherwise.map(|(otherwise, otherwise_many)| {
            many |= otherwise_many;
            otherwise
        });
        Ok(Out { term: Term::IfThenElse(rewritten, otherwise), many })
    }

    fn call(&mut self, name: &'s str, args: Vec<Term<&'s str>>, depth: u32) -> Rewritten<'s> {
        if args.len() > WIDTH_MAX {
            return Err(TooComplex);
        }
        let signature = (name, args.len());
        self.facts.calls.insert(signature);
        let innermost =
            self.functions.iter().rposition(|function| matches!(function.kind, Kind::Open { .. }));
        let found = self.functions.iter().rposition(|function| function.signature == signature);
        let (own, mut many) = match found {
            Some(place) => {
                let function = &mut self.functions[place];
                match &mut function.kind {
                    Kind::Parameter => (false, Many::YES),
                    Kind::Closed if function.many => (true, Many::YES),
                    Kind::Closed => (true, Many::NO),
                    Kind::Open { recursive } => {
                        *recursive = true;
                        (true, Many { many: true, otherwise: innermost != Some(place) })
                    }
                }
            }
            None if (self.known)(signature).unwrap_or(true) => (false, Many::YES),
            None => (false, Many::NO),
        };
        let mut rewritten = Vec::with_capacity(args.len());
        for arg in args {
            let arg = self.term(arg, depth)?;
            many |= arg.many;
            // A filter may run at any depth of the definition's recursion.
            rewritten.push(if own { gated(natives::TICK, arg.term) } else { arg.term });
        }
        Ok(Out { term: Term::Call(name, rewritten), many })
    }

    fn def(&mut self, def: Def<&'s str>, depth: u32) -> Result<Def<&'s str>, TooComplex> {
        if def.args.len() > WIDTH_MAX {
            return Err(TooComplex);
        }
        let variables = self.variables.len();
        let place = self.functions.len();
        let signature = (def.name, def.args.len());
        self.functions.push(Function { signature, many: true, kind: Kind::Open { recursive: false } });
        let mut takes_filters = false;
        for arg in &def.args {
            if arg.starts_with('$') {
                self.variables.push(arg);
            } else {
                takes_filters = true;
                self.functions.push(Function { signature: (arg, 0), many: true, kind: Kind::Parameter });
            }
        }
        let body = self.term(def.body, depth)?;
        self.variables.truncate(variables);
        self.functions.truncate(place + 1);
        let function = &mut self.functions[place];
        let recursive = function.kind == Kind::Open { recursive: true };
        function.kind = Kind::Closed;
        // The interpreter does not see where recursion ends.
        function.many = recursive || body.many.otherwise;
        let gate = match (recursive, takes_filters, body.many.otherwise) {
            (true, true, _) => natives::LINK,
            (true, false, true) => natives::LOOP,
            _ => natives::TICK,
        };
        self.facts.links |= gate == natives::LINK;
        Ok(Def { name: def.name, args: def.args, body: gated(gate, body.term) })
    }
}
