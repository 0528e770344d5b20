//! Heartbeats: jobs elsewhere that say by a request that they are well, and are missed when they do not.
//!
//! ```text
//!         ping             deadline passes, or it says that it failed
//!  new ──────────► up ─────────────────────────────────────────────► down
//!                  ▲                      ping                        │
//!                  └───────────────────────────────────────────────────┘
//! ```
//!
//! Invariant: a heartbeat that goes down or comes back leaves a record in the evidence log, in the same transaction. One that was
//! never heard of is `new`: it is not known to be well.

use std::time::Duration;

use levqor_model::Timestamp;
use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    params,
};

/// Heartbeats of an installation; more are not made.
pub const HEARTBEATS_MAX: usize = 500;
/// Pings of one heartbeat that are kept.
pub const PINGS_KEPT: usize = 100;
/// What comes more often changes the heartbeat, but is not kept one by one.
const PING_EVERY_MIN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeatState {
    /// Never heard of.
    New,
    Up,
    Down,
}

impl BeatState {
    pub const fn as_str(self) -> &'static str {
        match self {
            BeatState::New => "new",
            BeatState::Up => "up",
            BeatState::Down => "down",
        }
    }

    fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "new" => Ok(BeatState::New),
            "up" => Ok(BeatState::Up),
            "down" => Ok(BeatState::Down),
            other => Err(Error::Decode(format!("{other:?} is no state of a heartbeat"))),
        }
    }
}

/// What a job says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ping {
    /// It begins.
    Start,
    /// It has ended well.
    Success,
    /// It has ended, and not well; with the exit code, where it says so.
    Fail { exit_code: Option<i64> },
}

impl Ping {
    pub const fn as_str(self) -> &'static str {
        match self {
            Ping::Start => "start",
            Ping::Success => "success",
            Ping::Fail { .. } => "fail",
        }
    }
}

/// A job elsewhere, and what was heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    pub name: String,
    /// The first characters of its token.
    pub prefix: String,
    /// It ends once in this time.
    pub period: Duration,
    /// How late it may be, and how long it may take.
    pub grace: Duration,
    pub created_at: Timestamp,
    pub created_by: String,
    pub state: BeatState,
    pub since: Timestamp,
    /// Why it is down.
    pub reason: Option<String>,
    pub pinged_at: Option<Timestamp>,
    /// Since when it is running; None: it is not, or does not say so.
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub exit_code: Option<i64>,
    /// How long it took last.
    pub duration: Option<Duration>,
    /// When it is down if nothing is heard.
    pub deadline: Option<Timestamp>,
}

/// A ping that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPing {
    pub at: Timestamp,
    pub kind: String,
    pub exit_code: Option<i64>,
    pub duration: Option<Duration>,
}

/// The columns of [`Heartbeat`], in the order in which [`Heartbeat::read`] takes them.
macro_rules! columns {
    () => {
        "name, prefix, period_us, grace_us, created_at, created_by, state, since, reason, pinged_at, started_at, \
         ended_at, exit_code, duration_us, deadline"
    };
}

fn span(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

impl Heartbeat {
    /// One that was never heard of.
    pub fn new(
        name: String,
        prefix: String,
        (period, grace): (Duration, Duration),
        created_by: String,
        now: Timestamp,
    ) -> Self {
        Self {
            name,
            prefix,
            period,
            grace,
            created_at: now,
            created_by,
            state: BeatState::New,
            since: now,
            reason: None,
            pinged_at: None,
            started_at: None,
            ended_at: None,
            exit_code: None,
            duration: None,
            deadline: None,
        }
    }

    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            name: row.take()?,
            prefix: row.take()?,
            period: span(row.take()?),
            grace: span(row.take()?),
            created_at: row.take()?,
            created_by: row.take()?,
            state: BeatState::parse(&row.take::<String>()?)?,
            since: row.take()?,
            reason: row.take()?,
            pinged_at: row.take()?,
            started_at: row.take()?,
            ended_at: row.take()?,
            exit_code: row.take()?,
            duration: row.take::<Option<i64>>()?.map(span),
            deadline: row.take()?,
        })
    }

    /// Hears what the job says.
    pub fn hear(&mut self, ping: Ping, now: Timestamp) {
        self.pinged_at = Some(now);
        match ping {
            Ping::Start => self.started_at = Some(now),
            Ping::Success | Ping::Fail { .. } => {
                self.duration = self.started_at.take().map(|started| now.since(started));
                self.ended_at = Some(now);
            }
        }
        match ping {
            // Who was down is not well before it says so; who is new is heard of.
            Ping::Start if self.state == BeatState::Down => {}
            Ping::Start => self.become_(BeatState::Up, None, now),
            Ping::Success => {
                self.exit_code = Some(0);
                self.become_(BeatState::Up, None, now);
            }
            Ping::Fail { exit_code } => {
                self.exit_code = exit_code;
                let why = match exit_code {
                    Some(code) => format!("it ended with exit code {code}"),
                    None => "it says that it failed".to_owned(),
                };
                self.become_(BeatState::Down, Some(why), now);
            }
        }
        self.deadline = self.next_deadline();
    }

    /// What it is at this moment when nothing more is heard.
    pub fn look(&mut self, now: Timestamp) {
        if self.state == BeatState::Down || self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        let why = match self.started_at {
            Some(started) if started + self.grace <= now => {
                format!("it began at {started} and has not ended within {} s", self.grace.as_secs())
            }
            started => format!(
                "{} for {} s, which is its period and its grace",
                if started.is_some() { "it runs, and has not ended" } else { "nothing was heard" },
                (self.period + self.grace).as_secs()
            ),
        };
        self.become_(BeatState::Down, Some(why), now);
    }

    /// Whether it should have ended by now, and is only not down because of its grace.
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.state == BeatState::Up && self.ended_at.is_some_and(|ended| ended + self.period <= now)
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let end = self.started_at.map(|started| started + self.grace);
        let next = self.ended_at.map(|ended| ended + self.period + self.grace);
        // One that was only heard to begin must end; one that ended must come again.
        match (end, next) {
            (Some(end), Some(next)) => Some(end.min(next)),
            (end, next) => end.or(next),
        }
    }

    fn become_(&mut self, state: BeatState, reason: Option<String>, now: Timestamp) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
        self.reason = reason;
    }
}

impl Store {
    /// Makes a heartbeat; false when there is one of that name, or when there are as many as may be.
    pub async fn create_heartbeat(&self, heartbeat: Heartbeat, hash: [u8; 32]) -> Result<bool, Error> {
        self.write(move |session| {
            let count: i64 =
                session.scalar("SELECT count(*) FROM expected_heartbeats", &[])?.unwrap_or_default();
            if usize::try_from(count).unwrap_or(usize::MAX) >= HEARTBEATS_MAX {
                return Ok(false);
            }
            let Heartbeat { name, prefix, period, grace, created_at, created_by, state, since, .. } =
                &heartbeat;
            let added = session.execute(
                "INSERT INTO expected_heartbeats
                     (name, token_hash, prefix, period_us, grace_us, created_at, created_by, state, since)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (name) DO NOTHING",
                params![
                    name,
                    hash,
                    prefix,
                    micros(*period),
                    micros(*grace),
                    created_at,
                    created_by,
                    state.as_str(),
                    since
                ],
            )?;
            if added == 0 {
                return Ok(false);
            }
            let details = json!({ "period_s": period.as_secs(), "grace_s": grace.as_secs() });
            note(session, "heartbeat.created", *created_at, name, details)?;
            Ok(true)
        })
        .await
    }

    /// Gives it another period and grace; None: there is none of that name.
    pub async fn change_heartbeat(
        &self,
        name: String,
        (period, grace): (Duration, Duration),
        now: Timestamp,
    ) -> Result<Option<Heartbeat>, Error> {
        self.write(move |session| {
            let Some(mut heartbeat) = by_name(session, &name)? else { return Ok(None) };
            (heartbeat.period, heartbeat.grace) = (period, grace);
            heartbeat.deadline = heartbeat.next_deadline();
            session.execute(
                "UPDATE expected_heartbeats SET period_us = $2, grace_us = $3, deadline = $4 WHERE name = $1",
                params![name, micros(period), micros(grace), heartbeat.deadline],
            )?;
            let details = json!({ "period_s": period.as_secs(), "grace_s": grace.as_secs() });
            note(session, "heartbeat.changed", now, &name, details)?;
            Ok(Some(heartbeat))
        })
        .await
    }

    /// False: there is none of that name.
    pub async fn delete_heartbeat(&self, name: String, now: Timestamp) -> Result<bool, Error> {
        self.write(move |session| {
            let deleted =
                session.execute("DELETE FROM expected_heartbeats WHERE name = $1", params![name])?;
            if deleted == 0 {
                return Ok(false);
            }
            session.execute("DELETE FROM heartbeat_pings WHERE heartbeat = $1", params![name])?;
            note(session, "heartbeat.deleted", now, &name, json!({}))?;
            Ok(true)
        })
        .await
    }

    /// By name; at most [`HEARTBEATS_MAX`].
    pub async fn heartbeats(&self) -> Result<Vec<Heartbeat>, Error> {
        self.read(|session| {
            session.rows(
                concat!("SELECT ", columns!(), " FROM expected_heartbeats ORDER BY name LIMIT $1"),
                params![HEARTBEATS_MAX],
                Heartbeat::read,
            )
        })
        .await
    }

    pub async fn heartbeat(&self, name: String) -> Result<Option<Heartbeat>, Error> {
        self.read(move |session| by_name(session, &name)).await
    }

    /// The last pings, newest first.
    pub async fn heartbeat_pings(&self, name: String) -> Result<Vec<KeptPing>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT at, kind, exit_code, duration_us FROM heartbeat_pings WHERE heartbeat = $1
                 ORDER BY at DESC LIMIT $2",
                params![name, PINGS_KEPT],
                |row| {
                    Ok(KeptPing {
                        at: row.take()?,
                        kind: row.take()?,
                        exit_code: row.take()?,
                        duration: row.take::<Option<i64>>()?.map(span),
                    })
                },
            )
        })
        .await
    }

    /// Hears a ping; None: nobody has that token.
    pub async fn ping_heartbeat(
        &self,
        hash: [u8; 32],
        ping: Ping,
        now: Timestamp,
    ) -> Result<Option<Heartbeat>, Error> {
        // Asked first: who guesses addresses must not hold up those who write.
        let known = self
            .read(move |session| {
                session
                    .scalar::<i64>("SELECT 1 FROM expected_heartbeats WHERE token_hash = $1", params![hash])
            })
            .await?;
        if known.is_none() {
            return Ok(None);
        }
        self.write(move |session| {
            let found = session.row(
                concat!("SELECT ", columns!(), " FROM expected_heartbeats WHERE token_hash = $1"),
                params![hash],
                Heartbeat::read,
            )?;
            let Some(mut heartbeat) = found else { return Ok(None) };
            let before = heartbeat.clone();
            heartbeat.hear(ping, now);
            save(session, &before, &heartbeat)?;
            keep(session, &before, &heartbeat, ping, now)?;
            Ok(Some(heartbeat))
        })
        .await
    }

    /// Finds those whose deadline is over; their names.
    pub async fn miss_heartbeats(&self, now: Timestamp) -> Result<Vec<String>, Error> {
        // Asked first: nearly always there are none, and writers wait for each other.
        let due = self
            .read(move |session| {
                session.scalar::<i64>(
                    "SELECT count(*) FROM expected_heartbeats WHERE state <> 'down' AND deadline <= $1",
                    params![now],
                )
            })
            .await?;
        if due.unwrap_or_default() == 0 {
            return Ok(Vec::new());
        }
        self.write(move |session| {
            let due = session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM expected_heartbeats WHERE state <> 'down' AND deadline <= $1 ORDER BY deadline, name LIMIT $2"
                ),
                params![now, HEARTBEATS_MAX],
                Heartbeat::read,
            )?;
            let mut missed = Vec::new();
            for before in due {
                let mut heartbeat = before.clone();
                heartbeat.look(now);
                save(session, &before, &heartbeat)?;
                missed.push(heartbeat.name);
            }
            Ok(missed)
        })
        .await
    }
}

fn by_name(session: &Session, name: &str) -> Result<Option<Heartbeat>, Error> {
    session.row(
        concat!("SELECT ", columns!(), " FROM expected_heartbeats WHERE name = $1"),
        params![name],
        Heartbeat::read,
    )
}

fn save(session: &Session, before: &Heartbeat, now: &Heartbeat) -> Result<(), Error> {
    session.execute(
        "UPDATE expected_heartbeats SET state = $2, since = $3, reason = $4, pinged_at = $5, started_at = $6, ended_at = $7,
             exit_code = $8, duration_us = $9, deadline = $10 WHERE name = $1",
        params![
            now.name,
            now.state.as_str(),
            now.since,
            now.reason,
            now.pinged_at,
            now.started_at,
            now.ended_at,
            now.exit_code,
            now.duration.map(micros),
            now.deadline
        ],
    )?;
    let kind = match (before.state, now.state) {
        (before, after) if before == after => return Ok(()),
        (_, BeatState::Down) => "heartbeat.down",
        (_, BeatState::Up | BeatState::New) => "heartbeat.up",
    };
    note(session, kind, now.since, &now.name, json!({ "reason": now.reason }))
}

/// Keeps the ping itself, unless there was one like it just before.
fn keep(
    session: &Session,
    before: &Heartbeat,
    heartbeat: &Heartbeat,
    ping: Ping,
    now: Timestamp,
) -> Result<(), Error> {
    let soon = before.pinged_at.is_some_and(|last| now.since(last) < PING_EVERY_MIN);
    if soon
        && before.state == heartbeat.state
        && before.started_at.is_some() == heartbeat.started_at.is_some()
    {
        return Ok(());
    }
    let (exit_code, duration) = match ping {
        Ping::Start => (None, None),
        Ping::Success | Ping::Fail { .. } => (heartbeat.exit_code, heartbeat.duration.map(micros)),
    };
    session.execute(
        "INSERT INTO heartbeat_pings (heartbeat, at, kind, exit_code, duration_us) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (heartbeat, at) DO NOTHING",
        params![heartbeat.name, now, ping.as_str(), exit_code, duration],
    )?;
    session
        .execute(
            "DELETE FROM heartbeat_pings WHERE heartbeat = $1 AND at <
                (SELECT at FROM heartbeat_pings WHERE heartbeat = $1 ORDER BY at DESC LIMIT 1 OFFSET $2)",
            params![heartbeat.name, PINGS_KEPT - 1],
        )
        .map(drop)
}

fn note(
    session: &Session,
    kind: &'static str,
    at: Timestamp,
    subject: &str,
    details: serde_json::Value,
) -> Result<(), Error> {
    audit::note(session, Note { kind, at, account: None, subject, details })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_502_901);

    fn after(seconds: u64) -> Timestamp {
        NOW + Duration::from_secs(seconds)
    }

    /// Plays `seconds word` pairs on a heartbeat with a period of 60 s and a grace of 10 s; gives its state after each.
    fn play(script: &str) -> String {
        let spans = (Duration::from_secs(60), Duration::from_secs(10));
        let mut beat = Heartbeat::new("backup".to_owned(), String::new(), spans, String::new(), NOW);
        let mut states = Vec::new();
        for step in script.split(", ") {
            let (seconds, word) = step.split_once(' ').unwrap();
            let now = after(seconds.parse().unwrap());
            // As the job does it that looks for missed ones.
            beat.look(now);
            match word {
                "start" => beat.hear(Ping::Start, now),
                "ok" => beat.hear(Ping::Success, now),
                "fail" => beat.hear(Ping::Fail { exit_code: None }, now),
                "look" => {}
                code => beat.hear(Ping::Fail { exit_code: Some(code.parse().unwrap()) }, now),
            }
            let late = if beat.is_late(now) { "+late" } else { "" };
            states.push(format!("{}{late}", beat.state.as_str()));
        }
        states.join(" ")
    }

    #[test]
    fn who_is_late_is_down_after_the_grace_and_comes_back_by_a_ping() {
        for (script, states) in [
            // Never heard of: not known to be well, and nobody is woken.
            ("0 look, 99999 look", "new new"),
            ("0 ok, 59 look, 60 look, 69 look, 70 look, 71 ok", "up up up+late up+late down up"),
            ("0 ok, 30 fail, 40 look, 50 ok", "up down down up"),
            ("0 ok, 30 3, 99 look", "up down down"),
            // It began and did not end within its grace.
            ("0 start, 9 look, 10 look", "up up down"),
            ("0 start, 9 ok, 68 look, 79 look", "up up up down"),
            ("0 ok, 5 start, 15 look", "up up down"),
            // A beginning does not say that it is well again.
            ("0 fail, 5 start, 6 look, 7 ok", "down down down up"),
            // A second beginning takes the place of the first.
            ("0 start, 9 start, 18 ok", "up up up"),
        ] {
            assert_eq!(play(script), states, "{script}");
        }
    }

    #[tokio::test]
    async fn who_guesses_addresses_does_not_wait_for_those_who_write() {
        let folder = levqor_testkit::temp_dir();
        let store = Store::open(crate::Options::file(folder.path().join("levqor.db"))).unwrap();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go_on, goes_on) = std::sync::mpsc::sync_channel::<()>(1);
        let busy = tokio::spawn({
            let store = store.clone();
            async move {
                store
                    .write(move |_| {
                        let _ = begun.send(());
                        let _ = goes_on.recv();
                        Ok(())
                    })
                    .await
            }
        });
        has_begun.await.unwrap();
        let guessed = store.ping_heartbeat([9; 32], Ping::Success, NOW);
        let guessed = tokio::time::timeout(Duration::from_secs(10), guessed).await;
        assert_eq!(guessed.unwrap().unwrap(), None);
        go_on.send(()).unwrap();
        busy.await.unwrap().unwrap();
    }

    #[test]
    fn it_says_why_it_is_down_and_how_long_it_took() {
        let spans = (Duration::from_secs(60), Duration::from_secs(10));
        let mut beat = Heartbeat::new("backup".to_owned(), String::new(), spans, String::new(), NOW);
        beat.hear(Ping::Start, after(1));
        beat.hear(Ping::Success, after(5));
        assert_eq!((beat.duration, beat.exit_code), (Some(Duration::from_secs(4)), Some(0)));
        assert_eq!(beat.deadline, Some(after(75)));
        beat.look(after(80));
        assert_eq!(
            beat.reason.as_deref(),
            Some("nothing was heard for 70 s, which is its period and its grace")
        );
        assert_eq!(beat.since, after(80));
        let mut late = beat.clone();
        late.hear(Ping::Success, after(100));
        late.hear(Ping::Start, after(165));
        late.look(after(170));
        assert_eq!(
            late.reason.as_deref(),
            Some("it runs, and has not ended for 70 s, which is its period and its grace")
        );
        beat.hear(Ping::Fail { exit_code: Some(2) }, after(90));
        assert_eq!(beat.reason.as_deref(), Some("it ended with exit code 2"));
        assert_eq!(beat.since, after(80), "it is down since then");
        beat.hear(Ping::Start, after(91));
        beat.hear(Ping::Success, after(92));
        assert_eq!((beat.state, beat.reason.clone(), beat.since), (BeatState::Up, None, after(92)));
    }
}
