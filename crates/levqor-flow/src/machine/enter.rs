//! The way into a task: `if`, input, and the beginning of what it does.

use std::{sync::Arc, time::Duration};

use levqor_model::TaskStatus;
use serde_json::Value;

use super::{
    Effect, ErrorKind, FlowError, Machine, Notes, SubRun, TaskNote,
    arena::FrameId,
    effects::Purpose,
    fault::Resume,
    frame::{Body, Branch, ForkBody, Frame, ListBody, LoopBody, TryBody, TryPhase},
    http, payload,
    scope::{Scope, Trouble, check_schema, clip, kind},
    step::{Next, Step},
};
use crate::definition::{
    CallHttp, Case, For, Fork, RaiseError, RunWorkflow, Task, TaskKind, TaskList, Template, Then, Try,
};

impl Machine {
    /// Checks and shapes the workflow's input, and begins its list.
    pub(super) fn open(&mut self, notes: &mut dyn Notes) -> Next {
        let workflow = Arc::clone(&self.workflow);
        if let Some(request) = self.next_schema()? {
            self.ask(Purpose::Schema, |id| Effect::CallHttp { id, call: request });
            return Ok(None);
        }
        let raw = Arc::clone(&self.raw_input);
        let begins = self.entry.is_none();
        payload::check("the workflow's input", &raw, self.surroundings.payload_bytes_max)?;
        // A run that begins in the middle takes up where this was checked.
        let schema = workflow.input.schema.as_ref().filter(|_| begins);
        check_schema(self, schema, "the workflow's input", &raw)?;
        if self.asks_first()? {
            return Ok(None);
        }
        if let Some(entry) = self.entry.clone() {
            return self.open_at(&entry, notes);
        }
        let scope = Scope::new(self, None);
        let span = match &workflow.timeout {
            Some(spec) => Some(scope.duration(spec, &raw)?),
            None => None,
        };
        let input = match &workflow.input.from {
            None => raw,
            Some(from) => self.checked("the workflow's transformed input", scope.fill(from, &raw)?)?,
        };
        if workflow.tasks.is_empty() {
            return Ok(Some(Step::Close(input)));
        }
        self.run_deadline = span.map(|span| (span, self.ask_timer_in(Purpose::RunDeadline, span)));
        self.schedule(None, &workflow.tasks, 0, input, 1);
        Ok(None)
    }

    /// Puts the task at `index` of a list in line. `parent` is the task that the list belongs to.
    pub(super) fn schedule(
        &mut self,
        parent: Option<FrameId>,
        tasks: &TaskList,
        index: usize,
        input: Arc<Value>,
        attempt: u32,
    ) -> FrameId {
        let id = self.place_in_list(parent, tasks, index, input, attempt);
        self.queue.push_back(Step::Begin(id));
        id
    }

    /// A frame for the task at `index` of a list, known to the task that the list belongs to.
    pub(super) fn place_in_list(
        &mut self,
        parent: Option<FrameId>,
        tasks: &TaskList,
        index: usize,
        input: Arc<Value>,
        attempt: u32,
    ) -> FrameId {
        let lap = match parent {
            None => self.root.lap,
            Some(parent) => self
                .frames
                .get_mut(parent)
                .and_then(|parent| parent.body.list_mut())
                .map_or(0, |list| list.lap),
        };
        let bare = parent
            .and_then(|parent| self.frames.get(parent))
            .is_some_and(|parent| parent.bare || parent.is_extending());
        let id = self.frames.insert(Frame {
            parent,
            tasks: Arc::clone(tasks),
            index,
            lap,
            attempt,
            number: 0,
            began_at: self.now,
            raw: Arc::clone(&input),
            input,
            bare,
            around: None,
            authorization: None,
            deadline: None,
            body: Body::Ready,
        });
        match parent {
            None => self.root.child = Some(id),
            Some(parent) => {
                if let Some(list) = self.frames.get_mut(parent).and_then(|parent| parent.body.list_mut()) {
                    list.child = Some(id);
                }
            }
        }
        id
    }

    /// Counts and announces a task. The limit on tasks can be caught by nothing, or a retry would run into it for ever.
    pub(super) fn begin(&mut self, id: FrameId, notes: &mut dyn Notes) -> Option<Step> {
        let tasks_max = self.surroundings.tasks_max;
        let begun = self.begun;
        let frame = self.frames.get(id)?;
        if begun >= tasks_max {
            let error = ErrorKind::Runtime.error(
                "too many tasks",
                format!("the run has executed {begun} tasks and the limit is {tasks_max}; split the work over several runs"),
            );
            let error = FlowError { instance: frame.task().reference.to_string(), ..error };
            self.fault(Resume::Task(id), Some(id), error, notes);
            return None;
        }
        self.announce(id, notes);
        Some(Step::Enter(id))
    }

    pub(super) fn announce(&mut self, id: FrameId, notes: &mut dyn Notes) {
        let now = self.now;
        let Some(frame) = self.frames.get_mut(id) else { return };
        self.begun += 1;
        frame.number = self.begun;
        frame.began_at = now;
        self.look_out(id);
        let iteration = self.iteration(id);
        if let Some(frame) = self.frames.get(id) {
            let task = frame.task();
            notes.note(TaskNote::Began {
                at: now,
                task: frame.number,
                name: &task.name,
                reference: &task.reference,
                iteration: &iteration,
                attempt: frame.attempt,
                input: &frame.raw,
            });
        }
    }

    /// The positions of the loops around a task, outermost first.
    fn iteration(&self, id: FrameId) -> Vec<u64> {
        let mut positions = Vec::new();
        let mut next = self.frames.get(id).and_then(|frame| frame.parent);
        while let Some(frame) = next.and_then(|id| self.frames.get(id)) {
            positions.extend(frame.body.position().map(|position| position as u64));
            next = frame.parent;
        }
        positions.reverse();
        positions
    }

    pub(super) fn enter(&mut self, id: FrameId, notes: &mut dyn Notes) -> Next {
        let Some(frame) = self.frames.get(id) else { return Ok(None) };
        let (tasks, index, raw) = (Arc::clone(&frame.tasks), frame.index, Arc::clone(&frame.raw));
        let task = &tasks[index];
        let scope = Scope::new(self, Some(id));
        if let Some(condition) = &task.condition
            && !scope.holds(condition, &raw)?
        {
            return Ok(self.skip(id, notes));
        }
        check_schema(self, task.input.schema.as_ref(), "the task's input", &raw)?;
        let input = match &task.input.from {
            None => raw,
            Some(from) => self.checked("the task's transformed input", scope.fill(from, &raw)?)?,
        };
        if let Some(question) = &task.approval {
            self.ask_leave(id, question, input, notes)?;
            return Ok(None);
        }
        self.begin_task(id, task, input, notes)
    }

    /// The task may begin, and its time does.
    pub(super) fn begin_task(
        &mut self,
        id: FrameId,
        task: &Task,
        input: Arc<Value>,
        notes: &mut dyn Notes,
    ) -> Next {
        let scope = Scope { input: Some(&input), ..Scope::new(self, Some(id)) };
        let timeout = match &task.timeout {
            Some(spec) => Some(scope.duration(spec, &input)?),
            None => None,
        };
        let extensions = self.extensions_of(id, task, &scope, &input)?;
        if !extensions.is_empty() {
            return Ok(self.begin_around(id, extensions, &input, timeout));
        }
        self.perform(id, task, input, timeout, notes)
    }

    /// What the task does. `timeout` is None when it has begun already.
    pub(super) fn perform(
        &mut self,
        id: FrameId,
        task: &Task,
        input: Arc<Value>,
        timeout: Option<Duration>,
        notes: &mut dyn Notes,
    ) -> Next {
        let scope = Scope { input: Some(&input), ..Scope::new(self, Some(id)) };
        let done = |output: Arc<Value>| Step::Finish { frame: id, output, then: None };
        let step = match &task.kind {
            TaskKind::Set(template) => done(scope.fill(template, &input)?),
            TaskKind::Raise(definition) => {
                let error = raised(&scope, definition, &input)?;
                return Ok(self.fail(id, error));
            }
            TaskKind::Switch(cases) => {
                let then = choose(&scope, cases, &input)?;
                Step::Finish { frame: id, output: Arc::clone(&input), then }
            }
            TaskKind::Do(list)
            | TaskKind::Try(Try { tasks: list, .. })
            | TaskKind::For(For { tasks: list, .. })
                if list.is_empty() =>
            {
                done(Arc::clone(&input))
            }
            TaskKind::Fork(fork) if fork.branches.is_empty() => done(Arc::new(Value::Array(Vec::new()))),
            TaskKind::Do(list) => {
                self.opened(id, &input, timeout, Body::List(ListBody::default()));
                self.begin_list(id, list, input);
                return Ok(None);
            }
            TaskKind::For(definition) => {
                let Some(items) = items(&scope, definition, &input)? else {
                    return Ok(Some(self.passed(id, input)));
                };
                let list = ListBody::default();
                self.opened(id, &input, timeout, Body::Loop(Box::new(LoopBody { items, position: 0, list })));
                self.begin_list(id, &definition.tasks, input);
                return Ok(None);
            }
            TaskKind::Fork(definition) => {
                self.enter_fork(id, definition, input, timeout);
                return Ok(None);
            }
            TaskKind::Try(definition) => {
                let bound = self.attempt_bound(id, definition, &input)?;
                let body = TryBody {
                    phase: TryPhase::Attempting,
                    list: ListBody::default(),
                    since: self.now,
                    retries: 0,
                    limit: None,
                };
                self.opened(id, &input, timeout, Body::Try(Box::new(body)));
                self.begin_attempt(id, &definition.tasks, bound);
                return Ok(None);
            }
            TaskKind::Wait(spec) => {
                let at = self.now + scope.duration(spec, &input)?;
                self.opened(id, &input, timeout, Body::Ready);
                let due = self.ask_timer(Purpose::Wait(id), at);
                self.set_body(id, Body::Wait(due));
                self.note_became(id, TaskStatus::Waiting, notes);
                return Ok(None);
            }
            TaskKind::CallFunction(call) => {
                let raw = match &call.with {
                    None => Arc::clone(&input),
                    Some(with) => self.checked("the function's input", scope.fill(with, &input)?)?,
                };
                let list = self.workflow.functions.get(call.function).cloned().unwrap_or_default();
                self.opened(id, &input, timeout, Body::List(ListBody::default()));
                self.begin_list(id, &list, raw);
                return Ok(None);
            }
            TaskKind::CallService(call) => {
                self.enter_service(id, call, &input, timeout, notes)?;
                return Ok(None);
            }
            TaskKind::CallHttp(call) => {
                self.enter_call(id, call, input, timeout)?;
                return Ok(None);
            }
            TaskKind::RunProcess(definition) => {
                let next = self.process(id, definition, &input)?;
                self.opened(id, &input, timeout, Body::Ready);
                self.ask_for(id, next);
                return Ok(None);
            }
            TaskKind::CallOpenApi(call) => {
                let next = self.operation(id, call, &input)?;
                self.opened(id, &input, timeout, Body::Ready);
                self.ask_for(id, next);
                return Ok(None);
            }
            TaskKind::Emit(members) => {
                self.enter_emit(id, members, &input, timeout)?;
                return Ok(None);
            }
            TaskKind::Listen(definition) => {
                self.enter_listen(id, definition, &input, timeout, notes)?;
                return Ok(None);
            }
            TaskKind::RunWorkflow(definition) => {
                self.enter_sub_run(id, definition, input, timeout, notes)?;
                return Ok(None);
            }
        };
        // What ends at once needs no timer, whatever its timeout.
        if let Some(frame) = self.frames.get_mut(id) {
            frame.input = input;
        }
        Ok(Some(step))
    }

    /// The task has nothing to do: its input is its output.
    fn passed(&mut self, id: FrameId, input: Arc<Value>) -> Step {
        if let Some(frame) = self.frames.get_mut(id) {
            frame.input = Arc::clone(&input);
        }
        Step::Finish { frame: id, output: input, then: None }
    }

    /// The task's `if` is false: its raw input is its output, nothing else of it is looked at, and the next is next.
    fn skip(&mut self, id: FrameId, notes: &mut dyn Notes) -> Option<Step> {
        let frame = self.frames.remove(id)?;
        notes.note(TaskNote::Ended {
            at: self.now,
            task: frame.number,
            status: TaskStatus::Skipped,
            output: None,
            error: None,
        });
        let output = Arc::clone(&frame.raw);
        self.follow(&frame, output, Then::Continue)
    }

    /// The task stays open: keeps its input, and its timeout begins.
    pub(super) fn opened(&mut self, id: FrameId, input: &Arc<Value>, timeout: Option<Duration>, body: Body) {
        let deadline = timeout.map(|span| self.ask_timer_in(Purpose::Deadline(id), span));
        if let Some(frame) = self.frames.get_mut(id) {
            frame.input = Arc::clone(input);
            // Under extensions it began before them.
            frame.deadline = deadline.or(frame.deadline);
            frame.body = body;
        }
    }

    pub(super) fn set_body(&mut self, id: FrameId, body: Body) {
        if let Some(frame) = self.frames.get_mut(id) {
            frame.body = body;
        }
    }

    /// Puts the first task of the list of `id` in line.
    pub(super) fn begin_list(&mut self, id: FrameId, list: &TaskList, input: Arc<Value>) {
        let Some(frame) = self.frames.get_mut(id) else { return };
        let attempt = match &frame.body {
            Body::Try(body) if matches!(body.phase, TryPhase::Attempting) => {
                frame.attempt.saturating_add(u32::try_from(body.retries).unwrap_or(u32::MAX))
            }
            _ => frame.attempt,
        };
        if let Some(list) = frame.body.list_mut() {
            list.lap = 0;
        }
        self.schedule(Some(id), list, 0, input, attempt);
    }

    fn enter_fork(&mut self, id: FrameId, fork: &Fork, input: Arc<Value>, timeout: Option<Duration>) {
        let attempt = self.frames.get(id).map_or(1, |frame| frame.attempt);
        self.opened(id, &input, timeout, Body::Ready);
        let branches: Vec<Branch> = (0..fork.branches.len())
            .map(|index| {
                Branch::Open(self.schedule(Some(id), &fork.branches, index, Arc::clone(&input), attempt))
            })
            .collect();
        let open = branches.len();
        self.set_body(id, Body::Fork(Box::new(ForkBody { branches, open })));
    }

    fn enter_call(
        &mut self,
        id: FrameId,
        call: &CallHttp,
        input: Arc<Value>,
        timeout: Option<Duration>,
    ) -> Result<(), Trouble> {
        let scope = Scope { input: Some(&input), ..Scope::new(self, Some(id)) };
        let (call, authorization) = http::request(&scope, call, &input, self.key(id))?;
        if let Some(body) = &call.body {
            payload::check("the request's body", body, self.surroundings.payload_bytes_max)?;
        }
        self.opened(id, &input, timeout, Body::Ready);
        let effect = self.ask(Purpose::Call(id), |id| Effect::CallHttp { id, call });
        self.set_body(id, Body::Effect(effect));
        if let Some(frame) = self.frames.get_mut(id) {
            frame.authorization = authorization.map(Arc::new);
        }
        Ok(())
    }

    fn enter_sub_run(
        &mut self,
        id: FrameId,
        definition: &RunWorkflow,
        input: Arc<Value>,
        timeout: Option<Duration>,
        notes: &mut dyn Notes,
    ) -> Result<(), Trouble> {
        let scope = Scope { input: Some(&input), ..Scope::new(self, Some(id)) };
        let passed = match &definition.input {
            None => Arc::clone(&input),
            Some(template) => {
                self.checked("the input of the workflow to run", scope.fill(template, &input)?)?
            }
        };
        let call = SubRun {
            key: self.key(id),
            namespace: definition.namespace.clone(),
            name: definition.name.clone(),
            version: definition.version.clone(),
            input: Arc::unwrap_or_clone(passed),
            wait: definition.wait,
        };
        self.opened(id, &input, timeout, Body::Ready);
        let effect = self.ask(Purpose::SubRun(id), |id| Effect::RunWorkflow { id, call });
        self.set_body(id, Body::Effect(effect));
        if definition.wait {
            self.note_became(id, TaskStatus::Waiting, notes);
        }
        Ok(())
    }

    /// Data within the limits, or an error that says which is passed.
    pub(super) fn checked(&self, what: &str, value: Arc<Value>) -> Result<Arc<Value>, FlowError> {
        payload::check(what, &value, self.surroundings.payload_bytes_max)?;
        Ok(value)
    }

    pub(super) fn note_became(&self, id: FrameId, status: TaskStatus, notes: &mut dyn Notes) {
        if let Some(frame) = self.frames.get(id) {
            notes.note(TaskNote::Became { at: self.now, task: frame.number, status });
        }
    }
}

/// The items of a loop; None when it has no iteration.
fn items(scope: &Scope<'_>, definition: &For, input: &Value) -> Result<Option<Vec<Value>>, Trouble> {
    let items = match scope.build(&definition.items, input)? {
        Value::Array(items) => items,
        other => {
            let text = match &definition.items {
                Template::Expression(expression) => expression.text(),
                _ => "in",
            };
            return Err(ErrorKind::Expression
                .error(
                    "there is nothing to loop over",
                    format!(
                        "`for.in` must give an array, and `{}` gave {}; `… // []` makes nothing an empty array",
                        clip(text),
                        kind(&other)
                    ),
                )
                .into());
        }
    };
    let goes_on = match items.first() {
        None => false,
        Some(first) => goes_on(scope, definition, first, 0, input)?,
    };
    Ok(goes_on.then_some(items))
}

/// Whether a loop's `while` lets it begin the iteration at `position`.
pub(super) fn goes_on(
    scope: &Scope<'_>,
    definition: &For,
    item: &Value,
    position: usize,
    input: &Value,
) -> Result<bool, Trouble> {
    let Some(condition) = &definition.condition else { return Ok(true) };
    let position = Value::from(position);
    let locals = [(definition.each.as_str(), item), (definition.at.as_str(), &position)];
    Scope { locals: &locals, ..*scope }.holds(condition, input)
}

/// The case of a `switch` to take: the first whose condition holds, else the one without, else none.
fn choose(scope: &Scope<'_>, cases: &[Case], input: &Value) -> Result<Option<Then>, Trouble> {
    let mut default = None;
    for case in cases {
        match &case.condition {
            None => default = default.or(Some(case.then)),
            Some(condition) => {
                if scope.holds(condition, input)? {
                    return Ok(Some(case.then));
                }
            }
        }
    }
    Ok(default)
}

fn raised(scope: &Scope<'_>, definition: &RaiseError, input: &Value) -> Result<FlowError, Trouble> {
    let fault =
        |detail: String| Trouble::Error(ErrorKind::Expression.error("the error could not be made", detail));
    let kind_of_error = match scope.build(&definition.kind, input)? {
        Value::String(kind) => kind,
        other => return Err(fault(format!("the error's type must be text, and is {}", kind(&other)))),
    };
    let status = scope.build(&definition.status, input)?;
    let status = status
        .as_i64()
        .or_else(|| status.as_f64().filter(|status| status.fract() == 0.0).map(|status| status as i64))
        .ok_or_else(|| {
            fault(format!("the error's status must be a whole number, and is {}", clip(&status.to_string())))
        })?;
    let text = |template: &Option<Template>| -> Result<Option<String>, Trouble> {
        Ok(match template.as_ref().map(|template| scope.build(template, input)).transpose()? {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(other) => Some(other.to_string()),
        })
    };
    Ok(FlowError {
        kind: kind_of_error,
        status,
        title: text(&definition.title)?,
        detail: text(&definition.detail)?,
        instance: String::new(),
    })
}
