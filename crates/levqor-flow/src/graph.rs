//! A workflow as a picture: boxes and arrows, laid out in rows, for the console to draw.
//!
//! ```text
//!   start             a list goes down, one task below the other
//!     │
//!   ┌ fork ───────┐   a composite task is a box: its own row on top, what it encloses below;
//!   │ a     b     │   branches, and a handler beside its `try`, stand side by side
//!   └─────────────┘
//!     │
//!    end
//! ```
//!
//! Arrows are drawn within a list, from a `try` to its handler, and from every `then: end` to the end. Leaving a box at its last
//! task has no arrow: the box's own arrow goes on.

mod detail;

use crate::definition::{Task, TaskKind, Then, Workflow};

/// A laid-out graph; coordinates are in grid cells (column, row), sizes in cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// The start, the tasks in the order of the document, the end.
    pub nodes: Vec<Node>,
    /// In the order of their sources.
    pub edges: Vec<Edge>,
    pub columns: usize,
    pub rows: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub label: String,
    /// `start`, `end`, or the task's kind: call, do, emit, for, fork, listen, raise, run, set, switch, try, wait.
    pub kind: &'static str,
    /// A short line below the name: method and host, condition, duration.
    pub detail: String,
    /// The task's JSON Pointer; empty for start and end.
    pub reference: String,
    /// A person is asked before it begins; for the start: before the run does.
    pub asks_first: bool,
    pub column: usize,
    pub row: usize,
    /// Composite tasks enclose their children: (columns, rows); plain tasks are (1, 1).
    pub span: (usize, usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub source: usize,
    pub target: usize,
    /// A condition, `error`, or empty.
    pub label: String,
}

/// Lays the workflow out, top to bottom.
pub fn graph(workflow: &Workflow) -> Graph {
    let mut layout = Layout::default();
    layout.nodes.push(Node { asks_first: workflow.policy.approval.is_some(), ..plain("start", 0) });
    let (columns, rows) = layout.list(&workflow.tasks, (0, 1), true);
    let end = layout.nodes.len();
    layout.nodes.push(plain("end", rows + 1));
    layout.edges.push(Edge {
        source: 0,
        target: if workflow.tasks.is_empty() { END } else { 1 },
        label: String::new(),
    });
    for edge in &mut layout.edges {
        if edge.target == END {
            edge.target = end;
        }
    }
    layout.edges.sort_by_key(|edge| edge.source);
    Graph { nodes: layout.nodes, edges: layout.edges, columns: columns.max(1), rows: rows + 2 }
}

/// Stands for the end until its number is known.
const END: usize = usize::MAX;

/// Columns and rows.
type Size = (usize, usize);

fn plain(kind: &'static str, row: usize) -> Node {
    Node {
        label: kind.to_owned(),
        kind,
        detail: String::new(),
        reference: String::new(),
        asks_first: false,
        column: 0,
        row,
        span: (1, 1),
    }
}

#[derive(Default)]
struct Layout {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

impl Layout {
    /// Tasks from the given corner down, with the arrows between them. `outermost`: after the list comes the end.
    fn list(&mut self, tasks: &[Task], (column, row): (usize, usize), outermost: bool) -> Size {
        let mut size = (0, 0);
        let mut numbers = Vec::with_capacity(tasks.len());
        for task in tasks {
            numbers.push(self.nodes.len());
            let (columns, rows) = self.task(task, (column, row + size.1));
            size = (size.0.max(columns), size.1 + rows);
        }
        for (position, task) in tasks.iter().enumerate() {
            let source = numbers[position];
            let next = numbers.get(position + 1).copied();
            let leave = if outermost { Some(END) } else { None };
            let mut arrow = |then: Then, label: &str| {
                let target = match then {
                    Then::Continue => next.or(leave),
                    Then::Exit => leave,
                    Then::End => Some(END),
                    Then::Task(target) => numbers.get(target).copied(),
                };
                self.edges.extend(target.map(|target| Edge { source, target, label: label.to_owned() }));
            };
            match &task.kind {
                TaskKind::Raise(_) => {}
                TaskKind::Switch(cases) => {
                    for case in cases {
                        let label = case.condition.as_ref().map(|condition| detail::clip(condition.text()));
                        arrow(case.then, label.as_deref().unwrap_or("else"));
                    }
                    if cases.iter().all(|case| case.condition.is_some()) {
                        arrow(task.then, "else");
                    }
                }
                TaskKind::Try(attempt) => {
                    arrow(task.then, "");
                    if let Some(then) = attempt.catch.then {
                        arrow(then, "error");
                    }
                }
                _ => arrow(task.then, ""),
            }
            let goes_on =
                task.then == Then::Continue && !matches!(task.kind, TaskKind::Raise(_) | TaskKind::Switch(_));
            if task.condition.is_some() && !goes_on {
                arrow(Then::Continue, "skipped");
            }
        }
        size
    }

    fn task(&mut self, task: &Task, corner: (usize, usize)) -> Size {
        let number = self.nodes.len();
        let (kind, detail) = detail::of(task);
        self.nodes.push(Node {
            label: task.name.to_string(),
            kind,
            detail,
            reference: task.reference.to_string(),
            asks_first: task.approval.is_some(),
            column: corner.0,
            row: corner.1,
            span: (1, 1),
        });
        let inside = (corner.0, corner.1 + 1);
        let enclosed = match &task.kind {
            TaskKind::Do(tasks) => self.list(tasks, inside, false),
            TaskKind::For(each) => self.list(&each.tasks, inside, false),
            TaskKind::Fork(fork) => self.branches(&fork.branches, inside),
            TaskKind::Try(attempt) => {
                let tried = self.list(&attempt.tasks, inside, false);
                match &attempt.catch.tasks {
                    None => tried,
                    Some(handler) => {
                        let first = self.nodes.len();
                        let width = tried.0.max(1);
                        let handled = self.list(handler, (inside.0 + width, inside.1), false);
                        if !handler.is_empty() {
                            self.edges.push(Edge {
                                source: number,
                                target: first,
                                label: "error".to_owned(),
                            });
                        }
                        (width + handled.0, tried.1.max(handled.1))
                    }
                }
            }
            TaskKind::Listen(listen) => {
                let tasks = listen.each.as_ref().and_then(|each| each.tasks.as_ref());
                tasks.map_or((1, 0), |tasks| self.list(tasks, inside, false))
            }
            TaskKind::CallFunction(_)
            | TaskKind::CallHttp(_)
            | TaskKind::CallService(_)
            | TaskKind::CallOpenApi(_)
            | TaskKind::Emit(_)
            | TaskKind::Raise(_)
            | TaskKind::RunProcess(_)
            | TaskKind::RunWorkflow(_)
            | TaskKind::Set(_)
            | TaskKind::Switch(_)
            | TaskKind::Wait(_) => (1, 0),
        };
        let span = (enclosed.0.max(1), enclosed.1 + 1);
        self.nodes[number].span = span;
        span
    }

    fn branches(&mut self, branches: &[Task], (column, row): (usize, usize)) -> Size {
        let mut size = (0, 0);
        for branch in branches {
            let source = self.nodes.len();
            let (columns, rows) = self.task(branch, (column + size.0, row));
            size = (size.0 + columns, size.1.max(rows));
            if branch.then == Then::End {
                self.edges.push(Edge { source, target: END, label: String::new() });
            }
        }
        size
    }
}
