//! Letting runs in: at once, or into the queue.

use levqor_model::{Priority, RunStatus};

use super::{Admitted, Gate, QueueFull, TOTAL, URGENT, add_to, count_in, keys, number};
use crate::{
    Error, Session, Store, params,
    runs::{Accepted, Append, NewRun, accept, append},
    schedules,
};

/// What the row of a queued run says until its turn is near enough to be counted.
const BEHIND: &str = "queued behind other runs of this account";

enum Verdict {
    Begins,
    Ready,
    Held,
    Full(QueueFull),
}

impl Store {
    /// Accepts the run as [`Store::accept_run`] does, running when everything that the gate asks for is free, else pending and
    /// in the queue, without a journal entry: a run that is queued begins later. The status that `new` has does not count.
    /// Durable when this returns.
    ///
    /// `first` is the first append of a run that has begun in memory: written with it when the run is let in at once, and left
    /// out otherwise.
    ///
    /// # Errors
    /// [`Error::Stale`] when the append is not for the run as it is accepted.
    pub async fn admit_run(&self, new: NewRun, gate: Gate, first: Option<Append>) -> Result<Admitted, Error> {
        let (admitted, someone_next) = self
            .write(move |session| {
                let admitted = admit(session, new, &gate)?;
                let someone_next = match (admitted, first) {
                    (Admitted::Running, Some(first)) => append::write(session, &first)?,
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

fn admit(session: &Session, mut new: NewRun, gate: &Gate) -> Result<Admitted, Error> {
    let run = &mut new.run;
    let key = match &gate.key {
        // Shared with the run above, which has it for both.
        Some(key)
            if keys::is_held_above(
                session,
                run.parent.map(|(parent, _)| parent),
                run.workflow_id,
                &key.text,
            )? =>
        {
            None
        }
        key => key.as_ref(),
    };
    let gate = Gate { key: key.cloned(), ..gate.clone() };
    let verdict = judge(session, &new, &gate)?;
    if let Verdict::Full(which) = verdict {
        return refuse(session, &new, which);
    }
    let begins = matches!(verdict, Verdict::Begins);
    let run = &mut new.run;
    run.status = if begins { RunStatus::Running } else { RunStatus::Pending };
    run.started_at = begins.then_some(run.created_at);
    if !begins {
        // Its time begins with its first entry: what it waits for, and its timeouts, must not count the time in the queue.
        new.events = None;
    }
    let run = &mut new.run;
    run.waiting_for = (!begins).then(|| match (&gate.key, &verdict) {
        (Some(key), Verdict::Held) => {
            format!("queued behind other runs with the concurrency key {:?}", key.text)
        }
        _ => BEHIND.to_owned(),
    });
    match accept::accept(session, &new)? {
        Accepted::New => {}
        Accepted::Already(other) => return Ok(Admitted::Already(other)),
        Accepted::Buffered => return Ok(Admitted::Buffered),
        Accepted::Skipped => return Ok(Admitted::Skipped),
    }
    let run = &new.run;
    if gate.priority != Priority::default() || gate.key.is_some() {
        session.execute(
            "UPDATE runs SET priority = $2, concurrency_key = $3 WHERE run_id = $1",
            params![run.id, i64::from(gate.priority.get()), gate.key.as_ref().map(|key| key.text.as_str())],
        )?;
    }
    if let (Some(key), false) = (&gate.key, matches!(verdict, Verdict::Held)) {
        keys::hold(session, run.id, run.workflow_id, &key.text)?;
    }
    if begins {
        return Ok(Admitted::Running);
    }
    enqueue(session, &new, &gate, matches!(verdict, Verdict::Held))?;
    Ok(Admitted::Queued)
}

fn judge(session: &Session, new: &NewRun, gate: &Gate) -> Result<Verdict, Error> {
    let run = &new.run;
    // Its parent is running and waits: to hold it back could hold both back for ever.
    let is_urgent = run.parent.is_some();
    let held = match &gate.key {
        Some(key) => !keys::is_free(session, run.workflow_id, key)?,
        None => false,
    };
    let counts = session.row(
        "SELECT queued, ready FROM queue_accounts WHERE account_id = $1",
        params![run.account_id],
        |row| Ok((row.take::<i64>()?, row.take::<i64>()?)),
    )?;
    let (queued, ready) = counts.unwrap_or_default();
    if !held && gate.has_place {
        let begins =
            is_urgent || (ready == 0 && super::claim::running(session, run.account_id)? < gate.running_max);
        if begins {
            return Ok(Verdict::Begins);
        }
    }
    if !is_urgent {
        if queued >= gate.queued_max {
            return Ok(Verdict::Full(QueueFull::Account));
        }
        if number(session, TOTAL)? >= gate.queued_total_max {
            return Ok(Verdict::Full(QueueFull::All));
        }
    }
    Ok(if held { Verdict::Held } else { Verdict::Ready })
}

/// A due time that has had its run is no reason to complain.
fn refuse(session: &Session, new: &NewRun, which: QueueFull) -> Result<Admitted, Error> {
    if let Some(firing) = new.firing
        && let Some(other) = schedules::firing(session, new.run.workflow_id, firing.due_at)?
    {
        return Ok(Admitted::Already(other));
    }
    Ok(Admitted::QueueFull(which))
}

fn enqueue(session: &Session, new: &NewRun, gate: &Gate, held: bool) -> Result<(), Error> {
    let run = &new.run;
    let is_urgent = run.parent.is_some();
    let rank = if is_urgent { URGENT } else { i64::from(Priority::MOST - gate.priority.get()) };
    let (key, limit) = gate.key.as_ref().map(|key| (key.text.as_str(), i64::from(key.limit))).unzip();
    session.execute(
        "INSERT INTO queued_runs
            (run_id, account_id, workflow_id, concurrency_key, key_limit, rank, held, queued_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![run.id, run.account_id, run.workflow_id, key, limit, rank, held, run.created_at],
    )?;
    count_in(session, run.account_id, 1, !held, Some(gate.stride.max(1)))?;
    if let (true, true, Some(key)) = (is_urgent, held, &gate.key) {
        keys::hurry(session, run.workflow_id, &key.text)?;
    }
    if is_urgent {
        // Its turn, or that of those before it, does not depend on the account's limit.
        super::stopped_running(session, run.account_id)?;
    }
    add_to(session, TOTAL, 1).map(drop)
}
