//! What the interpreter keeps of a task that is under way.
//!
//! A frame is one execution of one task. Frames form a tree: the parent of a task in a list is the task that the list
//! belongs to, and the tasks of the workflow's own list have none. There is no frame for a list: where in its list a
//! task stands is in the task's own frame, and what comes next is decided when it ends.

use std::{collections::VecDeque, sync::Arc};

use levqor_model::Timestamp;
use serde_json::Value;

use super::{EffectId, arena::FrameId, around::Around};
use crate::{
    definition::{Task, TaskList},
    event::{Progress, Targets},
};

#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub parent: Option<FrameId>,
    /// The list in which the task stands, and where.
    pub tasks: TaskList,
    pub index: usize,
    /// How often the list had jumped back when this task was reached. A position is reached at most once a lap, so
    /// position and lap together name one execution.
    pub lap: u32,
    /// From 1; grows with the retries of enclosing tries and of the run.
    pub attempt: u32,
    /// Numbers executions, for notes; 0 until the task begins.
    pub number: u64,
    pub began_at: Timestamp,
    /// The raw input, and the transformed one once there is one.
    pub raw: Arc<Value>,
    pub input: Arc<Value>,
    /// Stands in an extension, or is called from one: no extension is around it.
    pub bare: bool,
    /// The extensions around the task.
    pub around: Option<Box<Around>>,
    /// `$authorization`, from the call on.
    pub authorization: Option<Arc<Value>>,
    /// The task's own timeout.
    pub deadline: Option<Due>,
    pub body: Body,
}

impl Frame {
    pub(super) fn task(&self) -> &Task {
        &self.tasks[self.index]
    }
}

/// A timer that was asked for, and its moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub effect: EffectId,
    pub at: Timestamp,
}

/// What a frame waits for.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// Its turn.
    Ready,
    /// A call, a sub-run or an event's publication.
    Effect(EffectId),
    /// The timer of a `wait`.
    Wait(Due),
    /// The task of its list that is under way (`do`).
    List(ListBody),
    Loop(Box<LoopBody>),
    Fork(Box<ForkBody>),
    Listen(Box<ListenBody>),
    Try(Box<TryBody>),
}

/// A list under way.
#[derive(Debug, Clone, Default)]
pub(super) struct ListBody {
    pub child: Option<FrameId>,
    pub lap: u32,
}

#[derive(Debug, Clone)]
pub(super) struct LoopBody {
    pub items: Vec<Value>,
    pub position: usize,
    pub list: ListBody,
}

/// A listener. Events are as they are read.
#[derive(Debug, Clone)]
pub(super) struct ListenBody {
    /// The effect by which events come; None when no more are wanted.
    pub effect: Option<EffectId>,
    pub targets: Targets,
    pub progress: Progress,
    /// The highest number among the events that came by this effect.
    pub last_seq: Option<u64>,
    /// Events received, and their bytes.
    pub received: usize,
    pub bytes: usize,
    /// The array of the events consumed, in order; empty where nobody will ask for them.
    pub consumed: Value,
    /// Events whose turn has not come, and their bytes.
    pub queue: VecDeque<Value>,
    pub queue_bytes: usize,
    /// The tasks of `foreach` are under way, or were until just now.
    pub busy: bool,
    /// With `foreach`: the event that is worked on.
    pub item: Option<Value>,
    pub position: usize,
    pub outputs: Vec<Value>,
    pub list: ListBody,
}

#[derive(Debug, Clone)]
pub(super) struct ForkBody {
    pub branches: Vec<Branch>,
    /// Branches that have not ended.
    pub open: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Branch {
    Open(FrameId),
    Ended(Arc<Value>),
    /// Lost the race by faulting.
    Faulted,
}

#[derive(Debug, Clone)]
pub(super) struct TryBody {
    pub phase: TryPhase,
    pub list: ListBody,
    /// When the first attempt began.
    pub since: Timestamp,
    /// Retries begun or waited for.
    pub retries: u64,
    /// The bound of the attempt under way.
    pub limit: Option<Due>,
}

#[derive(Debug, Clone)]
pub(super) enum TryPhase {
    Attempting,
    /// Waits before the next attempt.
    Delaying(Due),
    /// The handler runs; the error is what its variable holds.
    Handling(Arc<Value>),
}

impl Body {
    /// The list that a child of this frame stands in.
    pub(super) fn list_mut(&mut self) -> Option<&mut ListBody> {
        match self {
            Body::List(list) => Some(list),
            Body::Loop(body) => Some(&mut body.list),
            Body::Listen(body) => Some(&mut body.list),
            Body::Try(body) => Some(&mut body.list),
            Body::Ready | Body::Effect(_) | Body::Wait(_) | Body::Fork(_) => None,
        }
    }

    /// The iteration that a loop, or a listener with `foreach`, is in.
    pub(super) fn position(&self) -> Option<usize> {
        match self {
            Body::Loop(body) => Some(body.position),
            Body::Listen(body) if body.item.is_some() => Some(body.position),
            _ => None,
        }
    }

    /// Frames right below this one, in declaration order.
    pub(super) fn children(&self) -> Vec<FrameId> {
        match self {
            Body::Ready | Body::Effect(_) | Body::Wait(_) => Vec::new(),
            Body::List(list) => list.child.into_iter().collect(),
            Body::Loop(body) => body.list.child.into_iter().collect(),
            Body::Listen(body) => body.list.child.into_iter().collect(),
            Body::Try(body) => body.list.child.into_iter().collect(),
            Body::Fork(body) => body
                .branches
                .iter()
                .filter_map(|branch| match branch {
                    Branch::Open(id) => Some(*id),
                    Branch::Ended(_) | Branch::Faulted => None,
                })
                .collect(),
        }
    }

    /// Effects that this frame asked for, besides its deadline.
    pub(super) fn effects(&self) -> impl Iterator<Item = EffectId> {
        let (first, second) = match self {
            Body::Effect(effect) => (Some(*effect), None),
            Body::Listen(body) => (body.effect, None),
            Body::Wait(due) => (Some(due.effect), None),
            Body::Try(body) => {
                let delay = match body.phase {
                    TryPhase::Delaying(due) => Some(due.effect),
                    TryPhase::Attempting | TryPhase::Handling(_) => None,
                };
                (delay, body.limit.map(|due| due.effect))
            }
            Body::Ready | Body::List(_) | Body::Loop(_) | Body::Fork(_) => (None, None),
        };
        first.into_iter().chain(second)
    }
}
