//! The library of functions, of which each program gets only what it uses: most use two or three of them, and
//! a program is compiled once but kept for as long as its workflow.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use jaq_core::load::parse::Def;
use jaq_core::native::Fun;

use super::natives::{self, Jq};
use super::rewrite::{Rewriter, Signature};

/// A definition, gated, with the functions that it calls.
struct Entry {
    def: Def<&'static str>,
    calls: BTreeSet<Signature<'static>>,
}

struct Library {
    entries: Vec<Entry>,
    by_signature: HashMap<Signature<'static>, Place>,
    /// Whether calls may have more than one result.
    many: HashMap<Signature<'static>, bool>,
}

/// Where a function stands: among the entries, or among [`natives::all`].
#[derive(Clone, Copy)]
enum Place {
    Entry(usize),
    Native(usize),
}

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let mut library = Library { entries: Vec::new(), by_signature: HashMap::new(), many: HashMap::new() };
    for (index, (name, args, _)) in natives::all().enumerate() {
        library.many.insert((name, args.len()), MANY.contains(&name));
        library.by_signature.insert((name, args.len()), Place::Native(index));
    }
    let defs = jaq_core::load::parse(include_str!("prelude.jq"), |parser| parser.defs()).unwrap_or_default();
    for def in defs {
        let signature = (def.name, def.args.len());
        let known = |signature: Signature<'_>| library.many.get(&signature).copied();
        // The library is fixed, and a test calls all of it: nothing is left out here.
        let Ok((def, many, facts)) = Rewriter::new(&known).definition(def) else { continue };
        library.by_signature.insert(signature, Place::Entry(library.entries.len()));
        library.many.insert(signature, many);
        library.entries.push(Entry { def, calls: facts.calls });
    }
    library
});

/// Native functions that may have more than one result; the others answer once.
const MANY: [&str; 5] = ["range", "path", "path_value", "limit", "skip"];

/// Whether calls of the function may have more than one result; None when there is no such function.
pub(super) fn many(signature: Signature<'_>) -> Option<bool> {
    LIBRARY.many.get(&signature).copied()
}

/// The numbers of arguments with which a function of this name exists.
pub(super) fn arities(name: &str) -> Vec<usize> {
    let mut arities: Vec<_> =
        LIBRARY.many.keys().filter(|(known, _)| *known == name).map(|(_, n)| *n).collect();
    arities.sort_unstable();
    arities
}

/// The definitions that `calls` need, in the order of the library, and the native functions behind them.
pub(super) fn needed<'s>(
    calls: impl Iterator<Item = Signature<'s>>,
) -> (Vec<Def<&'static str>>, Vec<Fun<Jq>>) {
    let library = &*LIBRARY;
    let (mut defs, mut natives) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<Signature<'_>> = calls.collect();
    open.extend([(natives::TICK, 0), (natives::FORK, 0), (natives::LOOP, 0), (natives::LINK, 0)]);
    while let Some(signature) = open.pop() {
        match library.by_signature.get(&signature) {
            Some(Place::Native(index)) => drop(natives.insert(*index)),
            // Not known before, so what it calls is to be looked at.
            Some(Place::Entry(index)) if defs.insert(*index) => {
                open.extend(&library.entries[*index].calls);
            }
            Some(Place::Entry(_)) | None => {}
        }
    }
    let defs = defs.into_iter().map(|index| library.entries[index].def.clone()).collect();
    let natives = natives::all().enumerate().filter(|(index, _)| natives.contains(index));
    let natives = natives.map(|(_, native)| native).collect();
    (defs, natives)
}

/// All functions that an expression can call.
#[cfg(test)]
pub(super) fn signatures() -> Vec<Signature<'static>> {
    let mut signatures: Vec<_> =
        LIBRARY.many.keys().filter(|(name, _)| !name.starts_with('!')).copied().collect();
    signatures.sort_unstable();
    signatures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::{Bounds, Expression};

    /// A definition may only call what stands before it; one that does not compile is found here.
    #[test]
    fn every_function_compiles_and_runs() {
        let defs = jaq_core::load::parse(include_str!("prelude.jq"), |parser| parser.defs()).unwrap();
        assert_eq!(defs.len(), LIBRARY.entries.len());
        for (name, arity) in signatures() {
            let text = match arity {
                0 => name.to_owned(),
                n => format!("{name}({})", vec!["."; n].join(";")),
            };
            let expression = Expression::compile(&text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"));
            let bounds = Bounds { steps: 10_000, ..Bounds::default() };
            for input in
                [serde_json::json!(null), 1.into(), "a".into(), vec![1].into(), serde_json::json!({"a": [1]})]
            {
                let _ = expression.evaluate(&input, &|_| input.clone(), &bounds);
            }
        }
    }
}
