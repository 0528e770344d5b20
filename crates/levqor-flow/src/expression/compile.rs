//! From text to program: inspect, parse, gate, compile; and errors that say what and where.

use jaq_core::compile::Undefined;
use jaq_core::load::lex::{self, Lexer, Token};
use jaq_core::load::parse::{self, Def, Parser, Term};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Filter};

use super::guard::{self, Shape};
use super::natives::Jq;
use super::needs::{self, Needs};
use super::rewrite::{Facts, Rewriter};
use super::{ExpressionError, prelude, stack};

/// The name under which a program stands in the library, and which no program may call.
const MAIN: &str = "levqor_main";

pub(super) struct Program {
    pub(super) filter: Filter<Jq>,
    /// Outside variables in the order in which the filter takes them; without `$`.
    pub(super) variables: Vec<String>,
    /// What of the input and of the variables it can look at.
    pub(super) needs: Needs,
    /// It may build what only a large stack can take down again.
    pub(super) needs_stack: bool,
}

pub(super) fn compile(text: &str, variables: &[&str]) -> Result<Program, ExpressionError> {
    match guard::inspect(text)? {
        Shape::Modest => compile_here(text, variables),
        Shape::Deep => stack::with_own(|| compile_here(text, variables)).unwrap_or_else(|| {
            Err(ExpressionError::Compile("there is no thread to compile an expression this deep".into()))
        }),
    }
}

fn compile_here(text: &str, variables: &[&str]) -> Result<Program, ExpressionError> {
    let tokens = Lexer::new(text).lex().map_err(|errors| lex_error(text, &errors))?;
    if tokens.is_empty() {
        return Err(ExpressionError::Compile("the expression is empty; write . for the input itself".into()));
    }
    let term =
        Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| parse_error(text, &errors))?;
    let (term, facts) = Rewriter::new(&prelude::many).program(term).map_err(|_| {
        ExpressionError::Compile("the expression nests too deeply; split it into several steps".into())
    })?;
    if facts.calls.iter().any(|(name, _)| *name == MAIN) {
        return Err(ExpressionError::Compile(format!("unknown function {MAIN}")));
    }
    if let Some(unknown) = facts.free.iter().find(|name| !variables.contains(&&name[1..])) {
        return Err(unknown_variable(text, unknown, variables));
    }
    build(text, term, &facts)
}

fn build<'s>(text: &'s str, term: Term<&'s str>, facts: &Facts<'s>) -> Result<Program, ExpressionError> {
    let (defs, natives) = prelude::needed(facts.calls.iter().copied());
    let needs = needs::of(&term, &facts.free);
    let main = Def { name: MAIN, args: Vec::new(), body: term };
    let arena = Arena::default();
    let defs: Vec<Def<&str>> = defs.into_iter().chain([main]).collect();
    let internal = || ExpressionError::Compile("the expression cannot be compiled".into());
    let modules = Loader::new(defs).load(&arena, File { code: MAIN, path: () }).map_err(|_| internal())?;
    let compiler = Compiler::default().with_funs(natives).with_global_vars(facts.free.iter().copied());
    let filter = compiler.compile(modules).map_err(|errors| {
        let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
        first.map_or_else(internal, |(name, undefined)| undefined_error(text, name, &undefined))
    })?;
    let variables = facts.free.iter().map(|name| name[1..].to_owned()).collect();
    Ok(Program { filter, variables, needs, needs_stack: facts.links })
}

/// ` at character 12`, or nothing when the part is not one of the text's.
fn place(text: &str, part: &str) -> String {
    let start = part.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
    match text.get(..start) {
        Some(before) => format!(" at character {}", before.chars().count() + 1),
        None => String::new(),
    }
}

/// What stands at a place, short enough for a message.
fn found(part: &str) -> String {
    const SHOWN: usize = 20;
    let mut characters = part.chars();
    let shown: String = characters.by_ref().take(SHOWN).collect();
    match (shown.is_empty(), characters.next()) {
        (true, _) => "the end".into(),
        (false, None) => format!("{shown:?}"),
        (false, Some(_)) => format!("{:?}", shown + "…"),
    }
}

fn lex_error(text: &str, errors: &[lex::Error<&str>]) -> ExpressionError {
    let Some((expected, rest)) = errors.first() else {
        return ExpressionError::Compile("the expression cannot be read".into());
    };
    let (place, found) = (place(text, rest), found(rest));
    ExpressionError::Compile(match expected {
        lex::Expect::Delim("\"") => format!("a text is not closed by a quote, but by {found}{place}"),
        lex::Expect::Delim(open) => {
            let close = match *open {
                "(" => ")",
                "[" => "]",
                _ => "}",
            };
            format!("expected {close:?} to close {open:?}, found {found}{place}")
        }
        lex::Expect::Escape => format!("unknown escape{place}: after \\ comes one of \" \\ / b f n r t u ("),
        lex::Expect::Unicode => format!(
            "expected four hexadecimal digits of a character{place} (write what takes two such escapes as it is)"
        ),
        lex::Expect::Ident => format!("expected a name{place}, found {found}"),
        lex::Expect::Digit => format!("expected a digit{place}, found {found}"),
        _ => format!("unexpected {found}{place}"),
    })
}

fn parse_error(text: &str, errors: &[parse::Error<&str, Option<&Token<&str>>>]) -> ExpressionError {
    let Some((expected, token)) = errors.first() else {
        return ExpressionError::Compile("the expression cannot be read".into());
    };
    let part = Token::opt_as_str(*token, text);
    let expected = match expected {
        parse::Expect::Just(token) => format!("{token:?}"),
        parse::Expect::Nothing => "an operator or the end".into(),
        parse::Expect::Term => "a value".into(),
        parse::Expect::Ident => "a name".into(),
        parse::Expect::Arg => "an argument".into(),
        parse::Expect::ElseOrEnd => "elif, else or end".into(),
        other => format!("a {}", other.as_str()),
    };
    ExpressionError::Compile(format!("expected {expected}, found {}{}", found(part), place(text, part)))
}

fn unknown_variable(text: &str, name: &str, variables: &[&str]) -> ExpressionError {
    let place = place(text, name);
    let known = match variables {
        [] => "there are no variables here".to_owned(),
        known => format!("known here: ${}", known.join(", $")),
    };
    ExpressionError::Compile(format!("unknown variable {name}{place} ({known})"))
}

/// Functions of jq that would make an evaluation depend on where and when it runs, or act on its surroundings.
const LEFT_OUT: [&str; 17] = [
    "now",
    "env",
    "input",
    "inputs",
    "debug",
    "stderr",
    "input_line_number",
    "input_filename",
    "halt",
    "halt_error",
    "localtime",
    "strflocaltime",
    "get_search_list",
    "import",
    "include",
    "modulemeta",
    "builtins",
];

fn undefined_error(text: &str, name: &str, undefined: &Undefined) -> ExpressionError {
    let place = place(text, name);
    ExpressionError::Compile(match undefined {
        Undefined::Var => format!("unknown variable {name}{place}"),
        Undefined::Label => format!("unknown label {name}{place}"),
        Undefined::Mod => format!("unknown module {name}{place}; there are no modules here"),
        Undefined::Filter(_) if LEFT_OUT.contains(&name) => format!(
            "function {name}{place} does not exist here: the same input must always give the same result"
        ),
        Undefined::Filter(arity) => {
            let arities = match name {
                "reduce" => vec![2],
                "foreach" => vec![2, 3],
                name => prelude::arities(name),
            };
            let arities: Vec<String> = arities.iter().map(ToString::to_string).collect();
            if arities.is_empty() {
                format!("unknown function {name}{place}")
            } else {
                format!("function {name}{place} takes {} arguments, not {arity}", arities.join(" or "))
            }
        }
        _ => format!("unknown name {name}{place}"),
    })
}
