//! What a document declares once and tasks refer to: functions, and extensions of other tasks.

use super::{SchemaSource, TaskKind, TaskList, Template};
use crate::{expression::Expression, services::Service};

/// `call: <name>`: the task that a function is, run inside of the calling task.
#[derive(Debug)]
pub struct CallFunction {
    pub name: String,
    /// Position in [`super::Workflow::functions`].
    pub function: usize,
    /// The function's raw input; None: the calling task's transformed input.
    pub with: Option<Template>,
}

/// `call: <name>:<version>@default`: a function of the server itself.
#[derive(Debug)]
pub struct CallService {
    pub service: Service,
    /// The function's raw input; None: the calling task's transformed input.
    pub with: Option<Template>,
    /// Of the input.
    pub schema: SchemaSource,
}

/// Tasks around other tasks.
#[derive(Debug)]
pub struct Extension {
    pub name: String,
    pub extend: Extend,
    /// Evaluated on the extended task's transformed input.
    pub when: Option<Expression>,
    pub before: TaskList,
    pub after: TaskList,
}

/// Which tasks an extension is around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extend {
    All,
    /// `do` and `fork`.
    Composite,
    /// Tasks with this keyword.
    Kind(&'static str),
}

impl Extend {
    /// The words of `extend`.
    pub(crate) const WORDS: [(&'static str, Extend); 12] = [
        ("all", Extend::All),
        ("call", Extend::Kind("call")),
        ("composite", Extend::Composite),
        ("emit", Extend::Kind("emit")),
        ("for", Extend::Kind("for")),
        ("listen", Extend::Kind("listen")),
        ("raise", Extend::Kind("raise")),
        ("run", Extend::Kind("run")),
        ("set", Extend::Kind("set")),
        ("switch", Extend::Kind("switch")),
        ("try", Extend::Kind("try")),
        ("wait", Extend::Kind("wait")),
    ];

    pub fn covers(self, kind: &TaskKind) -> bool {
        match self {
            Extend::All => true,
            Extend::Composite => matches!(kind, TaskKind::Do(_) | TaskKind::Fork(_)),
            Extend::Kind(keyword) => kind.keyword() == keyword,
        }
    }
}

impl TaskKind {
    /// The word that says in a document what the task is.
    pub fn keyword(&self) -> &'static str {
        match self {
            TaskKind::CallFunction(_)
            | TaskKind::CallHttp(_)
            | TaskKind::CallOpenApi(_)
            | TaskKind::CallService(_) => "call",
            TaskKind::Do(_) => "do",
            TaskKind::Emit(_) => "emit",
            TaskKind::For(_) => "for",
            TaskKind::Fork(_) => "fork",
            TaskKind::Listen(_) => "listen",
            TaskKind::Raise(_) => "raise",
            TaskKind::RunProcess(_) | TaskKind::RunWorkflow(_) => "run",
            TaskKind::Set(_) => "set",
            TaskKind::Switch(_) => "switch",
            TaskKind::Try(_) => "try",
            TaskKind::Wait(_) => "wait",
        }
    }
}
