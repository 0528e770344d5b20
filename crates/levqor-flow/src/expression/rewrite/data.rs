//! Texts, objects, lists, paths and patterns: what is long rather than deep.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::{Part, Path};

use super::super::natives;
use super::tree::{add, balanced, balanced_sum, gated, is_leaf};
use super::{DEPTH_MAX, Many, Out, Rewriter, Rewritten, TooComplex, WIDTH_MAX};

type Parts<'s> = Vec<StrPart<&'s str, Term<&'s str>>>;

impl<'s> Rewriter<'s, '_> {
    /// `a, b, c, …` as a balanced tree; each but the first pays for itself.
    pub(super) fn comma(
        &mut self,
        left: Term<&'s str>,
        right: Term<&'s str>,
        depth: u32,
    ) -> Result<Term<&'s str>, TooComplex> {
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
        Ok(balanced(items, &|left, right| {
            Term::BinOp(Box::new(left), BinaryOp::Comma, Box::new(gated(natives::TICK, right)))
        }))
    }

    /// `{a: …, b: …}` as a balanced tree of additions.
    pub(super) fn object(
        &mut self,
        members: Vec<(Term<&'s str>, Option<Term<&'s str>>)>,
        depth: u32,
    ) -> Rewritten<'s> {
        if members.is_empty() {
            return Ok(Out { term: Term::Obj(members), many: Many::NO });
        }
        let depth = depth + members.len().ilog2();
        let mut many = Many::NO;
        let mut objects = Vec::with_capacity(members.len());
        for (key, value) in members {
            let key = self.leaf_or_term(key, depth)?;
            many |= key.many;
            let value = value.map(|value| self.term(value, depth)).transpose()?;
            let value = value.map(|value| {
                many |= value.many;
                value.term
            });
            objects.push(Term::Obj(vec![(key.term, value)]));
        }
        Ok(Out { term: balanced(objects, &add), many })
    }

    /// `{$x}` and `.a` must stay as they are.
    fn leaf_or_term(&mut self, term: Term<&'s str>, depth: u32) -> Rewritten<'s> {
        if is_leaf(&term) { self.inner(term, depth) } else { self.term(term, depth) }
    }

    /// `"a\(…)b"` as a balanced tree of additions.
    pub(super) fn string(&mut self, format: Option<&'s str>, parts: Parts<'s>, depth: u32) -> Rewritten<'s> {
        if let Some(format) = format {
            self.facts.calls.insert((format, 0));
        }
        if parts.len() < 2 {
            let (parts, many) = self.parts(parts, depth)?;
            return Ok(Out { term: Term::Str(format, parts), many });
        }
        let depth = depth + parts.len().ilog2();
        let mut texts = Vec::with_capacity(parts.len());
        for part in parts {
            let (parts, many) = self.parts(vec![part], depth)?;
            texts.push(Out { term: Term::Str(format, parts), many });
        }
        Ok(balanced_sum(texts))
    }

    fn parts(&mut self, parts: Parts<'s>, depth: u32) -> Result<(Parts<'s>, Many), TooComplex> {
        let mut many = Many::NO;
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

    pub(super) fn path(
        &mut self,
        path: Path<Term<&'s str>>,
        depth: u32,
    ) -> Result<(Path<Term<&'s str>>, Many), TooComplex> {
        if path.0.len() > WIDTH_MAX {
            return Err(TooComplex);
        }
        let mut many = Many::NO;
        let mut rewritten = Vec::with_capacity(path.0.len());
        for (part, optional) in path.0 {
            let mut bound = |bound: Term<&'s str>| {
                let out = self.leaf_or_term(bound, depth)?;
                many |= out.many;
                Ok(out.term)
            };
            let part = match part {
                Part::Index(index) => Part::Index(bound(index)?),
                Part::Range(None, None) => {
                    many = Many::YES;
                    Part::Range(None, None)
                }
                Part::Range(from, to) => {
                    Part::Range(from.map(&mut bound).transpose()?, to.map(&mut bound).transpose()?)
                }
            };
            rewritten.push((part, optional));
        }
        Ok((Path(rewritten), many))
    }

    /// The variables of the pattern are bound from here on.
    pub(super) fn pattern(
        &mut self,
        pattern: Pattern<&'s str>,
        depth: u32,
    ) -> Result<(Pattern<&'s str>, Many), TooComplex> {
        // Names in a pattern do not see its variables, so these come last.
        let mut bound = Vec::new();
        let mut many = Many::NO;
        let pattern = self.pattern_parts(pattern, depth, &mut bound, &mut many)?;
        if bound.len() > WIDTH_MAX {
            return Err(TooComplex);
        }
        self.variables.extend(bound);
        Ok((pattern, many))
    }

    fn pattern_parts(
        &mut self,
        pattern: Pattern<&'s str>,
        depth: u32,
        bound: &mut Vec<&'s str>,
        many: &mut Many,
    ) -> Result<Pattern<&'s str>, TooComplex> {
        if depth > DEPTH_MAX {
            return Err(TooComplex);
        }
        Ok(match pattern {
            Pattern::Var(name) => {
                bound.push(name);
                Pattern::Var(name)
            }
            Pattern::Arr(items) => {
                let items = items.into_iter().map(|item| self.pattern_parts(item, depth + 1, bound, many));
                Pattern::Arr(items.collect::<Result<_, _>>()?)
            }
            Pattern::Obj(members) => {
                let mut rewritten = Vec::with_capacity(members.len());
                for (key, item) in members {
                    let key = self.term(key, depth + 1)?;
                    *many |= key.many;
                    rewritten.push((key.term, self.pattern_parts(item, depth + 1, bound, many)?));
                }
                Pattern::Obj(rewritten)
            }
        })
    }
}
