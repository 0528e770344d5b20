//! Building terms.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::ops::Math;

use super::{Many, Out, RIGHT};

/// Whether the term has no terms in it.
pub(super) fn is_leaf(term: &Term<&str>) -> bool {
    match term {
        Term::Id | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => true,
        Term::Str(None, parts) => parts.iter().all(|part| !matches!(part, StrPart::Term(_))),
        Term::Call(_, args) => args.is_empty(),
        _ => false,
    }
}

/// `gate | term`.
pub(super) fn gated<'s>(gate: &'static str, term: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(Term::Call(gate, Vec::new())), BinaryOp::Pipe(None), Box::new(term))
}

pub(super) fn add<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Math(Math::Add), Box::new(right))
}

/// Joins the terms pairwise, in order.
pub(super) fn balanced<'s>(
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
pub(super) fn balanced_sum(mut texts: Vec<Out<'_>>) -> Out<'_> {
    if texts.len() <= 1 {
        let empty = Out { term: Term::Str(None, Vec::new()), many: Many::NO };
        return texts.pop().unwrap_or(empty);
    }
    let right = balanced_sum(texts.split_off(texts.len().div_ceil(2)));
    let left = balanced_sum(texts);
    let many = left.many | right.many;
    if left.many.many && right.many.many {
        let bind = BinaryOp::Pipe(Some(Pattern::Var(RIGHT)));
        let inner = add(left.term, Term::Var(RIGHT));
        return Out { term: Term::BinOp(Box::new(right.term), bind, Box::new(inner)), many };
    }
    Out { term: add(left.term, right.term), many }
}
