//! The intermediate form: what the grammar understood, before it is turned into a document.
//!
//! It is symbolic: "them" stays a pronoun here, because what it means depends on the steps around it; `compile` resolves it.

use std::ops::Range;

use serde_json::{Number, Value};

use super::schedule::Schedule;

/// Places of tokens, for quoting.
pub type Places = Range<usize>;

#[derive(Debug, Default)]
pub struct Form {
    pub trigger: Trigger,
    pub steps: Vec<Step>,
    /// A bound on the whole run, in milliseconds.
    pub timeout_ms: Option<u64>,
}

#[derive(Debug, Default)]
pub enum Trigger {
    #[default]
    Manual,
    Schedule(Box<Schedule>),
    /// Something happens outside: not available yet, so the workflow starts by hand and what came is its input.
    Event {
        noun: Vec<String>,
    },
}

#[derive(Debug, Clone)]
pub struct Step {
    pub kind: StepKind,
    pub places: Places,
}

#[derive(Debug, Clone)]
pub enum StepKind {
    Call(Box<Call>),
    If(If),
    Each(Each),
    /// "repeat 3 times": the same steps, so many times.
    Repeat {
        count: u64,
        steps: Vec<Step>,
    },
    Parallel(Vec<Step>),
    Wait(u64),
    /// "do nothing": said, so that nothing is what is done.
    Nothing,
    /// Ends the run.
    Stop,
    Fail(String),
    Reshape(Reshape),
    Set {
        name: Vec<String>,
        value: Operand,
    },
    /// Calls the latest result, or the phrase, by a name.
    Save {
        phrase: Phrase,
        name: Vec<String>,
    },
    /// Belongs to the call before it.
    Retry(Retry),
    /// Belongs to the call before it.
    Timeout(u64),
    /// Something that was said and not made: what follows may have meant its result.
    Gap {
        result: Vec<String>,
    },
    /// Words behind a step that were not understood: a noun that nobody knows may come from there.
    Doubt,
    /// Something that must not be passed over, such as an approval: nothing after it in its list is made.
    Gate,
}

#[derive(Debug, Clone)]
pub struct Call {
    /// Lower case.
    pub method: &'static str,
    /// The verb as a stem, for names and summaries: fetch, check, post, notify.
    pub verb: String,
    pub address: String,
    /// What the request calls the answer: the words of "the orders".
    pub result: Vec<String>,
    pub body: Body,
    pub headers: Vec<(String, Operand)>,
    pub query: Vec<(String, Operand)>,
    pub fields: Vec<(String, Operand)>,
    pub retry: Option<Retry>,
    pub timeout_ms: Option<u64>,
    /// Steps for when the call fails, and for when it does not; None: a failure ends the run.
    pub on_error: Option<ErrorBranch>,
    /// Where what hangs on this call was said: it falls with the call.
    pub attached: Vec<Places>,
}

#[derive(Debug, Clone)]
pub struct ErrorBranch {
    pub status: Option<StatusTest>,
    pub steps: Vec<Step>,
    pub otherwise: Vec<Step>,
}

/// Which failures a branch is for.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusTest {
    pub comparison: Comparison,
    pub status: u64,
}

#[derive(Debug, Clone, Default)]
pub enum Body {
    #[default]
    None,
    /// A message for people: sent as `{"text": …}`. None: the compiler says what happened.
    Text(Option<String>),
    Json(Value),
    Phrase(Phrase),
    /// "post to URL": what was last spoken of.
    Implied,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Retries after the first attempt.
    pub count: u64,
    pub delay_ms: Option<u64>,
    /// Each pause twice as long as the one before.
    pub backoff: bool,
}

#[derive(Debug, Clone)]
pub struct If {
    pub condition: Condition,
    pub then: Vec<Step>,
    pub otherwise: Vec<Step>,
}

#[derive(Debug, Clone)]
pub struct Each {
    pub items: Phrase,
    /// "for every order whose …": only those.
    pub tests: Option<Tests>,
    pub steps: Vec<Step>,
}

/// Words for data: "them", "the orders", "its customer's email", "the id and total of each order".
#[derive(Debug, Clone)]
pub struct Phrase {
    pub base: Base,
    /// More than one makes an object of them.
    pub fields: Vec<Path>,
    pub each: bool,
    /// "the number of": how many there are.
    pub count: bool,
    pub places: Places,
}

/// Segments of words: `[["customer"], ["email"]]`.
pub type Path = Vec<Vec<String>>;

#[derive(Debug, Clone)]
pub enum Base {
    /// it, them, the result: what was last spoken of.
    Pronoun,
    /// "both": the two results that were read.
    Both,
    /// "the results", "all of them": every result that was read just before, or what was last spoken of.
    Results,
    /// "the matching ones", "those orders".
    Selection,
    /// What the run was started with.
    Input,
    /// The words of a noun; which result or field it is, is found later.
    Named(Vec<String>),
}

/// A value in a comparison, a field or a header.
#[derive(Debug, Clone)]
pub enum Operand {
    Number(Number),
    Text(String),
    Json(Value),
    Phrase(Phrase),
}

#[derive(Debug, Clone)]
pub enum Condition {
    /// A call fails (or, negated, does not). The verb "any" stands for each of several calls.
    Failed {
        address: Option<String>,
        verb: Option<String>,
        status: Option<StatusTest>,
        negated: bool,
    },
    Test {
        quantifier: Quantifier,
        subject: Phrase,
        tests: Tests,
    },
    /// How many items there are, of those that pass the tests when there are any.
    Count {
        items: Phrase,
        tests: Option<Tests>,
        comparison: Comparison,
        number: u64,
    },
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// None was said.
    Plain,
    Any,
    All,
    None,
    Number(Comparison, u64),
}

/// Tests of one item.
#[derive(Debug, Clone)]
pub enum Tests {
    One { field: Path, test: Test, negated: bool },
    All(Vec<Tests>),
    Any(Vec<Tests>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    Compare(Comparison, Literal),
    Between(Number, Number),
    Contains(Literal),
    StartsWith(String),
    EndsWith(String),
    Empty,
    Missing,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Number(Number),
    Text(String),
    Boolean(bool),
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Over,
    AtLeast,
    Under,
    AtMost,
}

impl Comparison {
    pub fn jq(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Over => ">",
            Self::AtLeast => ">=",
            Self::Under => "<",
            Self::AtMost => "<=",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Equal => "is",
            Self::NotEqual => "is not",
            Self::Over => "is over",
            Self::AtLeast => "is at least",
            Self::Under => "is under",
            Self::AtMost => "is at most",
        }
    }
}

/// What is done to a result before it is used.
#[derive(Debug, Clone)]
pub struct Reshape {
    pub items: Phrase,
    pub change: Change,
}

#[derive(Debug, Clone)]
pub enum Change {
    KeepFields(Vec<Path>),
    /// True: those that pass stay; false: they go.
    Filter(Tests, bool),
    Count,
    Sum(Path),
    Average(Path),
    /// The greatest or least value, or with `whole` the item that has it.
    Extreme {
        field: Path,
        most: bool,
        whole: bool,
    },
    Sort {
        field: Path,
        descending: bool,
    },
    /// The first or last item itself.
    One {
        last: bool,
    },
    First(u64),
    Last(u64),
    Unique(Option<Path>),
    Reverse,
}
