//! Letting runs in: at once, or into the queue.

use levqor_model::{AccountId, Priority, RunId, RunStatus, Timestamp, WorkflowId};

use super::{
    Admitted, Assumed, ConcurrencyKey, Gate, QueueFull, TOTAL, URGENT, add_to, claim, count_in, keys, number,
};
use crate::{
    Conflict, Error, Session, Store, event_triggers, params,
    runs::{Accepted, Append, Firing, NewRun, Run, accept, append, short::ShortRun},
    schedules, webhooks,
};

/// What the row of a queued run says until its turn is near enough to be counted.
const BEHIND: &str = "queued behind other runs of this account";

/// Who asks to be let in.
pub(super) struct Asker {
    pub(super) run: RunId,
    pub(super) account: AccountId,
    pub(super) workflow: WorkflowId,
    /// Its parent is running and waits: to hold it back could hold both back for ever.
    pub(super) is_urgent: bool,
    pub(super) priority: Priority,
    /// None when it shares that of a run above it.
    pub(super) key: Option<ConcurrencyKey>,
}

#[derive(Clone, Copy)]
pub(super) enum Verdict {
    Begins,
    Ready,
    Held,
}

/// # Errors
/// [`Conflict::WorkflowMoved`].
fn check(session: &Session, run: &Run, assumed: &Assumed) -> Result<(), Error> {
    let current: Option<String> = session.scalar(
        "SELECT version FROM workflows WHERE workflow_id = $1 AND account_id = $2 AND deleted_at IS NULL",
        params![run.workflow_id, run.account_id],
    )?;
    match (current, &assumed.version) {
        (Some(_), None) => Ok(()),
        (Some(current), Some(version)) if current == *version => Ok(()),
        _ => Err(Error::Conflict(Conflict::WorkflowMoved)),
    }
}

impl Store {
    /// Accepts the run as [`Store::accept_run`] does, running when everything that the gate asks for is free, else pending and
    /// in the queue, without a journal entry: a run that is queued begins later. The status and the key that `new` has do not
    /// count. Durable when this returns.
    ///
    /// `first` is the first append of a run that has begun in memory: written with it when the run is let in at once, and left
    /// out otherwise.
    ///
    /// # Errors
    /// [`Error::Stale`] when the append is not for the run as it is accepted; [`Conflict::WorkflowMoved`].
    pub async fn admit_run(&self, new: NewRun, gate: Gate, first: Option<Append>) -> Result<Admitted, Error> {
        // Packed here: the writer's thread is the one that all wait for.
        let short = first.as_ref().and_then(|first| ShortRun::of(&new, first));
        let (admitted, someone_next) = self
            .write(move |session| {
                let whole = first.as_ref().zip(short.as_ref());
                let admitted = admit(session, new, &gate, whole)?;
                let someone_next = match (admitted, first) {
                    (Admitted::Running, Some(first)) if short.is_none() => append::write(session, &first)?,
                    (admitted, _) => admitted == Admitted::Queued,
                };
                Ok((admitted, someone_next))
            })
            .await?;
        if someone_next {
            self.queue_bell.notify_one();
        }
        Ok(admitted)
    }
}

/// `whole`: the only step of a run that ends with it.
fn admit(
    session: &Session,
    mut new: NewRun,
    gate: &Gate,
    whole: Option<(&Append, &ShortRun)>,
) -> Result<Admitted, Error> {
    if let Some(assumed) = &gate.assumed {
        check(session, &new.run, assumed)?;
    }
    let run = &mut new.run;
    let parent = run.parent.map(|(parent, _)| parent);
    let asker = Asker {
        run: run.id,
        account: run.account_id,
        workflow: run.workflow_id,
        is_urgent: parent.is_some(),
        priority: run.priority,
        key: own_key(session, parent, run.workflow_id, gate)?,
    };
    let verdict = judge(session, &asker, gate)?;
    if !matches!(verdict, Verdict::Begins)
        && !asker.is_urgent
        && let Some(which) = full(session, asker.account, gate)?
    {
        return refuse(session, &new, which);
    }
    let begins = matches!(verdict, Verdict::Begins);
    run.status = if begins { RunStatus::Running } else { RunStatus::Pending };
    run.started_at = begins.then_some(run.created_at);
    run.waiting_for = asker.waiting_for(verdict);
    run.concurrency_key = asker.key.as_ref().map(|key| key.text.clone());
    let mut kept = None;
    if !begins {
        // Its time begins with its first entry: what it waits for, and its timeouts, must not count the time in the queue.
        kept = new.events.take().filter(|_| new.keeps_first_entry);
    }
    // One that ends in this transaction takes no place and holds no key.
    let whole = whole.filter(|_| begins);
    let accepted = match whole {
        Some((first, short)) => accept::accept_short(session, &new, first, short)?,
        None => accept::accept(session, &new)?,
    };
    match accepted {
        Accepted::New if whole.is_some() => return Ok(Admitted::Running),
        Accepted::New => {}
        Accepted::Already(other) => return Ok(Admitted::Already(other)),
        Accepted::Buffered => return Ok(Admitted::Buffered),
        Accepted::Skipped => return Ok(Admitted::Skipped),
    }
    if let Some(events) = kept {
        session.execute(
            "INSERT INTO first_entries (run_id, events) VALUES ($1, $2)",
            params![new.run.id, events],
        )?;
    }
    asker.let_in(session, verdict, gate, new.run.created_at)?;
    if let Some(owner) = new.run.owner.filter(|_| !begins) {
        // It was given to a node that has been stopped since, and noted as empty: now there is something to take over.
        session.execute(
            "UPDATE nodes SET emptied_at = NULL WHERE node_id = $1 AND stopped_at IS NOT NULL",
            params![owner],
        )?;
    }
    Ok(if begins { Admitted::Running } else { Admitted::Queued })
}

/// The gate's key, unless a run above has it for both.
fn own_key(
    session: &Session,
    parent: Option<RunId>,
    workflow: WorkflowId,
    gate: &Gate,
) -> Result<Option<ConcurrencyKey>, Error> {
    match &gate.key {
        Some(key) if keys::is_held_above(session, parent, workflow, &key.text)? => Ok(None),
        key => Ok(key.clone()),
    }
}

pub(super) fn judge(session: &Session, asker: &Asker, gate: &Gate) -> Result<Verdict, Error> {
    if let Some(key) = &asker.key
        && !keys::is_free(session, asker.run, asker.workflow, key)?
    {
        return Ok(Verdict::Held);
    }
    if !gate.has_place {
        return Ok(Verdict::Ready);
    }
    let begins = asker.is_urgent
        || (!has_ready(session, asker.account)?
            && claim::running(session, asker.account)? < gate.running_max);
    Ok(if begins { Verdict::Begins } else { Verdict::Ready })
}

/// Whether runs of the account wait for their turn: those that come now must not overtake them.
fn has_ready(session: &Session, account: AccountId) -> Result<bool, Error> {
    let ready: Option<i64> =
        session.scalar("SELECT ready FROM queue_accounts WHERE account_id = $1", params![account])?;
    Ok(ready.unwrap_or_default() > 0)
}

/// The queue that has no room for one more.
fn full(session: &Session, account: AccountId, gate: &Gate) -> Result<Option<QueueFull>, Error> {
    let queued: Option<i64> =
        session.scalar("SELECT queued FROM queue_accounts WHERE account_id = $1", params![account])?;
    if queued.unwrap_or_default() >= gate.queued_max {
        return Ok(Some(QueueFull::Account));
    }
    Ok((number(session, TOTAL)? >= gate.queued_total_max).then_some(QueueFull::All))
}

/// What has had its run is no reason to complain, and what has moved on is somebody else's.
fn refuse(session: &Session, new: &NewRun, which: QueueFull) -> Result<Admitted, Error> {
    let other = match &new.firing {
        None => accept::claimed(session, new)?,
        Some(Firing::Due(due)) => schedules::firing(session, new.run.workflow_id, due.due_at)?,
        Some(Firing::Message(message)) => webhooks::started_by(session, message)?,
        Some(Firing::Events(step)) => event_triggers::still_there(session, step).map(|()| None)?,
    };
    Ok(other.map_or(Admitted::QueueFull(which), Admitted::Already))
}

impl Asker {
    /// What the row says that it waits for.
    pub(super) fn waiting_for(&self, verdict: Verdict) -> Option<String> {
        match (verdict, &self.key) {
            (Verdict::Begins, _) => None,
            (Verdict::Held, Some(key)) => {
                Some(format!("queued behind other runs with the concurrency key {:?}", key.text))
            }
            _ => Some(BEHIND.to_owned()),
        }
    }

    /// Does what was judged, for a run whose row is there.
    pub(super) fn let_in(
        &self,
        session: &Session,
        verdict: Verdict,
        gate: &Gate,
        now: Timestamp,
    ) -> Result<(), Error> {
        if let (Some(key), Verdict::Begins | Verdict::Ready) = (&self.key, verdict) {
            keys::hold(session, self.run, self.workflow, &key.text)?;
        }
        match verdict {
            Verdict::Begins => Ok(()),
            Verdict::Ready => self.enqueue(session, false, gate, now),
            Verdict::Held => self.enqueue(session, true, gate, now),
        }
    }

    fn enqueue(&self, session: &Session, held: bool, gate: &Gate, now: Timestamp) -> Result<(), Error> {
        let rank = if self.is_urgent { URGENT } else { i64::from(Priority::MOST - self.priority.get()) };
        let (key, limit) = self.key.as_ref().map(|key| (key.text.as_str(), i64::from(key.limit))).unzip();
        session.execute(
            "INSERT INTO queued_runs
                (run_id, account_id, workflow_id, concurrency_key, key_limit, rank, held, queued_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            params![self.run, self.account, self.workflow, key, limit, rank, held, now],
        )?;
        count_in(session, self.account, 1, !held, Some(gate.stride.max(1)))?;
        if let (true, true, Some(key)) = (self.is_urgent, held, &self.key) {
            keys::hurry(session, self.workflow, &key.text)?;
        }
        if self.is_urgent {
            // Its turn, or that of those before it, does not depend on the account's limit.
            super::stopped_running(session, self.account)?;
        }
        add_to(session, TOTAL, 1).map(drop)
    }
}
