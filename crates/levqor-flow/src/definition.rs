//! A checked workflow: references resolved, expressions compiled, places known.
//!
//! Values of these types come from [`crate::document::check`] only, so the interpreter need not check again.

use std::{ops::Deref, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    access::Scheme,
    expression::Expression,
    policy::{Policy, Question},
    schedule::Schedule,
};

mod events;
mod process;
mod reuse;

pub use events::{Correlation, Filter, ForEach, Listen, ListenSpec, Matcher, Mode, Read, Strategy, Until};
pub use process::{Code, Program, Returns, RunProcess};
pub use reuse::{CallFunction, CallService, Extend, Extension};

/// A valid workflow document.
#[derive(Debug)]
pub struct Workflow {
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub title: Option<String>,
    pub summary: Option<String>,
    /// The document as it was given, for `$workflow.definition`.
    pub source: Arc<Value>,
    pub input: Input,
    pub output: Output,
    pub timeout: Option<DurationSpec>,
    pub schedule: Option<Schedule>,
    /// `document.metadata.levqor`.
    pub policy: Policy,
    /// Names of `use.secrets`.
    pub secrets: Vec<String>,
    /// `use.functions`, each a list of its one task.
    pub functions: Vec<TaskList>,
    /// `use.extensions`, in declaration order.
    pub extensions: Vec<Extension>,
    /// Schemas from elsewhere, fetched when a run begins.
    pub schemas: Vec<ExternalSchema>,
    pub tasks: TaskList,
}

/// Tasks in declaration order. `Then::Task` holds positions in the list that the task stands in.
pub type TaskList = Arc<[Task]>;

/// One task, with what all kinds have in common.
#[derive(Debug)]
pub struct Task {
    pub name: Arc<str>,
    /// JSON Pointer of the task in the document, such as `/do/0/fetch`.
    pub reference: Arc<str>,
    /// The task as it was given, for `$task.definition`.
    pub source: TaskSource,
    pub condition: Option<Expression>,
    pub input: Input,
    pub output: Output,
    pub export: Export,
    pub timeout: Option<DurationSpec>,
    pub then: Then,
    /// `metadata.levqor.approval`: a person must agree each time before the task begins.
    pub approval: Option<Box<Question>>,
    pub kind: TaskKind,
}

/// A task as it was given: a view into the document, since copies of nested tasks would add up to many documents.
#[derive(Debug, Clone)]
pub struct TaskSource {
    document: Arc<Value>,
    pointer: Arc<str>,
}

impl TaskSource {
    /// `pointer` is a JSON Pointer into `document`.
    pub(crate) fn new(document: Arc<Value>, pointer: Arc<str>) -> Self {
        Self { document, pointer }
    }
}

impl Deref for TaskSource {
    type Target = Value;

    fn deref(&self) -> &Value {
        const NOTHING: &Value = &Value::Null;
        self.document.pointer(&self.pointer).unwrap_or(NOTHING)
    }
}

/// Where to go after a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Continue,
    /// Leave the current list; the parent goes on.
    Exit,
    /// End the workflow.
    End,
    /// Go to the task at this position of the same list.
    Task(usize),
}

/// A JSON Schema that is not in the document.
#[derive(Debug)]
pub struct ExternalSchema {
    /// Without templates and expressions: it is the same for every run.
    pub uri: Arc<str>,
    pub authentication: Option<Arc<Authentication>>,
}

/// `input`: what comes in, checked and shaped.
#[derive(Debug, Default)]
pub struct Input {
    pub schema: Option<SchemaSource>,
    pub from: Option<Template>,
}

/// `output`: what goes out, shaped and checked.
#[derive(Debug, Default)]
pub struct Output {
    pub shape: Option<Template>,
    pub schema: Option<SchemaSource>,
}

/// `export`: the new context.
#[derive(Debug, Default)]
pub struct Export {
    pub shape: Option<Template>,
    pub schema: Option<SchemaSource>,
}

/// A JSON Schema: compiled, or elsewhere.
#[derive(Debug, Clone)]
pub enum SchemaSource {
    Here(Schema),
    /// The address of one of [`Workflow::schemas`].
    Elsewhere(Arc<str>),
}

/// A compiled JSON Schema.
#[derive(Clone)]
pub struct Schema(pub Arc<jsonschema::Validator>);

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schema(…)")
    }
}

/// Data that may hold expressions: evaluated, it is data.
#[derive(Debug, Clone)]
pub enum Template {
    Literal(Value),
    Expression(Expression),
    /// Loose evaluation: an expression perhaps, and this text where it gives nothing.
    Attempt(Expression, String),
    Array(Vec<Template>),
    Object(Vec<(String, Template)>),
}

/// A span of time, fixed or computed: an expression whose result [`crate::document::duration`] reads.
///
/// A task's own durations are computed on its transformed input with the variables of a task definition; those of
/// `retry` on the error, with the error's variable as well; the workflow's `timeout` on the raw input.
#[derive(Debug, Clone)]
pub enum DurationSpec {
    Fixed(Duration),
    Computed(Expression),
}

#[derive(Debug)]
pub enum TaskKind {
    CallFunction(CallFunction),
    CallHttp(CallHttp),
    CallService(CallService),
    CallOpenApi(CallOpenApi),
    Do(TaskList),
    /// The members of the event, as (name, value).
    Emit(Vec<(String, Template)>),
    For(For),
    Fork(Fork),
    Listen(Box<Listen>),
    Raise(Arc<RaiseError>),
    RunProcess(RunProcess),
    RunWorkflow(RunWorkflow),
    Set(Template),
    Switch(Vec<Case>),
    Try(Try),
    Wait(DurationSpec),
}

/// `call: http`.
#[derive(Debug)]
pub struct CallHttp {
    /// Upper case.
    pub method: String,
    pub endpoint: Endpoint,
    pub authentication: Option<Arc<Authentication>>,
    /// Gives an object of texts, numbers and booleans.
    pub headers: Option<Template>,
    pub query: Option<Template>,
    pub body: Option<Template>,
    pub output: HttpOutput,
    /// Follow redirects, and take 300 to 399 as success.
    pub redirect: bool,
}

/// `call: openapi`: an operation of a document that is fetched when it is needed.
#[derive(Debug)]
pub struct CallOpenApi {
    pub document: Resource,
    pub operation: Template,
    /// Gives an object.
    pub parameters: Option<Template>,
    pub authentication: Option<Arc<Authentication>>,
    pub output: HttpOutput,
    /// As that of [`CallHttp`].
    pub redirect: bool,
}

/// Something elsewhere that a task needs.
#[derive(Debug)]
pub struct Resource {
    pub endpoint: Endpoint,
    pub authentication: Option<Arc<Authentication>>,
}

/// How a call proves who is calling.
#[derive(Debug)]
pub struct Authentication {
    pub scheme: Scheme,
    pub settings: AuthenticationSettings,
}

#[derive(Debug)]
pub enum AuthenticationSettings {
    /// Evaluated, these are what [`crate::access::Credentials`] are read from; the authority is an address of its own.
    Inline { settings: Template, authority: Option<Endpoint> },
    /// The value of this secret is.
    Secret(String),
}

#[derive(Debug)]
pub enum Endpoint {
    /// RFC 6570 level 1: `{name}` is the top-level member of the input with that name.
    UriTemplate(String),
    Computed(Expression),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpOutput {
    Raw,
    Content,
    Response,
    /// The whole content as text, whatever its type: for resources that the interpreter reads itself.
    Text,
}

#[derive(Debug)]
pub struct For {
    pub each: String,
    pub at: String,
    /// Gives an array.
    pub items: Template,
    pub condition: Option<Expression>,
    pub tasks: TaskList,
}

#[derive(Debug)]
pub struct Fork {
    /// One task a branch.
    pub branches: TaskList,
    pub compete: bool,
}

/// `raise`: an error whose parts may be computed. `kind` is its `type`.
#[derive(Debug)]
pub struct RaiseError {
    pub kind: Template,
    pub status: Template,
    pub title: Option<Template>,
    pub detail: Option<Template>,
}

/// `run: workflow`.
#[derive(Debug)]
pub struct RunWorkflow {
    pub namespace: String,
    pub name: String,
    /// A version, or `latest`.
    pub version: String,
    /// None: the task's transformed input.
    pub input: Option<Template>,
    /// False: go on at once with the transformed input.
    pub wait: bool,
}

/// A case of a `switch`; without a condition it is the default.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub condition: Option<Expression>,
    pub then: Then,
}

#[derive(Debug)]
pub struct Try {
    pub tasks: TaskList,
    pub catch: Catch,
}

#[derive(Debug)]
pub struct Catch {
    /// Members of the error that must be equal, as (member, value); `type` knows the aliases of the standard types.
    pub filter: Vec<(String, Template)>,
    /// Name of the variable that holds the error, without `$`.
    pub variable: String,
    pub when: Option<Expression>,
    pub except_when: Option<Expression>,
    /// Shared with `use.retries` when the policy stands there.
    pub retry: Option<Arc<Retry>>,
    pub tasks: Option<TaskList>,
    /// Where the flow goes after an error that was caught, instead of where the task's own `then` says.
    pub then: Option<Then>,
}

#[derive(Debug, Clone)]
pub struct Retry {
    pub when: Option<Expression>,
    pub except_when: Option<Expression>,
    pub delay: Option<DurationSpec>,
    pub backoff: Backoff,
    pub jitter: Option<(DurationSpec, DurationSpec)>,
    /// Retries after the first attempt.
    pub attempts_max: Option<u64>,
    /// Bounds one attempt.
    pub attempt_duration: Option<DurationSpec>,
    /// No retry starts later than this after the first attempt.
    pub duration: Option<DurationSpec>,
}

/// How the delay grows, by retry number n from 1: d, n·d, 2^(n-1)·d.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    Constant,
    Linear,
    Exponential,
}
