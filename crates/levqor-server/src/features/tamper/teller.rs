//! Telling the database what this node's guard has found, and doing what operators wish there.
//!
//! Apart from the guard, so that a database that hangs blinds nobody: what is found is in the log and in the metrics at once, and
//! here as soon as the database takes it.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use levqor_model::{
    Deviation, PublicKey,
    tamper::{Consent, Entry},
};
use levqor_store::{
    Error,
    tamper::{TamperState, Wish},
};
use tokio::{task::JoinHandle, time::Instant};
use tracing::{error, info, warn};

use super::{
    TamperSettings, announce,
    board::{Agreed, Evidence, Memory},
    keeper, memory,
    report::{Heard, Report},
    text_of,
};
use crate::{App, Problem, features::audit, problem::chain};

/// How often the database is asked for wishes.
const WISHES_EVERY: Duration = Duration::from_secs(1);
/// How often a node says that it still guards.
const STATE_EVERY: Duration = Duration::from_secs(10);
/// The same while everything is hashed anew.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// A database that does not answer is left alone for this long.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// When the evidence log is verified for the first time, so that a start is not held up by it, and how often from then on.
const EVIDENCE_FIRST: Duration = Duration::from_secs(300);
const EVIDENCE_EVERY: Duration = Duration::from_secs(6 * 60 * 60);
/// One that could not be done is tried again after this.
const EVIDENCE_AGAIN: Duration = Duration::from_secs(5);

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The board's count of changes.
    changes: Option<u64>,
    state: Option<Report>,
    state_at: Option<Instant>,
    wishes_at: Option<Instant>,
    began: Option<Instant>,
    failed_at: Option<Instant>,
    evidence: Looking,
    hashing: Option<Hashing>,
    /// The last wish for new hashes that was done.
    verified: Option<String>,
}

/// Verifying the evidence log goes on beside everything else: a long log takes minutes, in which findings must be told.
#[derive(Debug, Default)]
struct Looking {
    wanted: bool,
    running: Option<JoinHandle<Result<audit::Verdict, Problem>>>,
    /// When the last one was done, and how many were since the start.
    at: Option<Instant>,
    done: u64,
    failed_at: Option<Instant>,
}

/// A wish for new hashes.
#[derive(Debug)]
struct Hashing {
    name: String,
    /// The guard's count when it began.
    before: u64,
    /// What [`Looking::done`] must be for the evidence log to have been verified after that. None: hashes come first.
    evidence: Option<u64>,
}

/// One round. Call it a few times a second.
///
/// # Errors
/// When the store cannot be reached.
pub(crate) async fn tell(app: &App) -> Result<(), Error> {
    let Some(settings) = &app.settings.tamper else { return Ok(()) };
    let memory = memory(app);
    let mut told = memory.telling.lock().await;
    told.began.get_or_insert_with(Instant::now);
    if !due(told.failed_at, AGAIN_AFTER) {
        return Ok(());
    }
    let done = tell_all(app, settings, &memory, &mut told).await;
    told.failed_at = done.is_err().then(Instant::now);
    done
}

async fn tell_all(
    app: &App,
    settings: &TamperSettings,
    memory: &Memory,
    told: &mut Told,
) -> Result<(), Error> {
    let agreed = memory.board().agreed.clone();
    match agreed {
        Agreed::Unknown => keeper::load(app, settings, memory).await?,
        Agreed::Nothing => begin(app, settings, memory).await?,
        Agreed::Known(_) => {}
    }
    tell_changes(app, settings, memory, told).await?;
    if memory.hurry.swap(false, Ordering::Relaxed) || due(told.wishes_at, WISHES_EVERY) {
        told.wishes_at = Some(Instant::now());
        do_wishes(app, settings, memory, told).await?;
    }
    end_hashing(app, settings, memory, told).await?;
    verify(app, settings, memory, told).await?;
    tell_state(app, settings, memory, told).await
}

fn due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|at| at.elapsed() >= every)
}

/// The first start: what is there now is agreed on.
async fn begin(app: &App, settings: &TamperSettings, memory: &Memory) -> Result<(), Error> {
    let Some(seen) = memory.board().seen.clone() else { return Ok(()) };
    let entries = keeper::all(&seen, &text_of(&settings.baseline()));
    if keeper::sign(app, settings, memory, entries, Vec::new()).await? {
        info!(
            "the first baseline of {} files is signed: {}",
            memory.board().files,
            settings.baseline().display()
        );
    }
    Ok(())
}

async fn tell_changes(
    app: &App,
    settings: &TamperSettings,
    memory: &Memory,
    told: &mut Told,
) -> Result<(), Error> {
    let (changes, known, mut found) = {
        let board = memory.board();
        (board.changes, board.is_known(), board.deviations.values().cloned().collect::<Vec<_>>())
    };
    // At the start also when there is nothing: what an earlier process has found may be as agreed by now.
    if !known || told.changes == Some(changes) {
        return Ok(());
    }
    found.sort_by(|a, b| (a.severity, &a.place).cmp(&(b.severity, &b.place)));
    app.store.tell_tampering(settings.place.clone(), found, app.now()).await?;
    told.changes = Some(changes);
    told.state_at = None;
    Ok(())
}

async fn do_wishes(
    app: &App,
    settings: &TamperSettings,
    memory: &Memory,
    told: &mut Told,
) -> Result<(), Error> {
    let mut wishes = Vec::new();
    for wish in app.store.tamper_wishes(settings.place.clone()).await? {
        if wish.path.is_empty() {
            begin_hashing(memory, told, wish).await;
        } else {
            wishes.push(wish);
        }
    }
    // Not before everything was looked at.
    if wishes.is_empty() || !memory.board().is_known() {
        return Ok(());
    }
    let key = keeper::signing_key(app).await?.public_key();
    let (wishes, forged): (Vec<_>, Vec<_>) =
        wishes.into_iter().partition(|wish| is_vouched_for(&settings.place, wish, key));
    for wish in forged {
        error!(
            "no operator has agreed to {}, but the database says so: somebody has written to it, and nothing is signed",
            wish.path
        );
        app.store.refuse_tamper_wish(settings.place.clone(), wish, app.now()).await?;
    }
    let (agreement, outdated) = agreement(settings, memory, wishes);
    for wish in outdated {
        warn!("{} is not what was agreed to any more: nothing is signed", wish.path);
        app.store.drop_tamper_wish(settings.place.clone(), wish).await?;
    }
    let Some(Agreement { entries, paths }) = agreement else { return Ok(()) };
    info!("signing what was agreed to: {}", paths.join(", "));
    if keeper::sign(app, settings, memory, entries, paths).await? {
        tell_changes(app, settings, memory, told).await?;
    }
    Ok(())
}

/// Whether a node of this installation was told so by an operator: a row of the database alone proves nothing.
fn is_vouched_for(place: &str, wish: &Wish, key: PublicKey) -> bool {
    wish.consent.as_ref().is_some_and(|kept| {
        let (expected, found) = (kept.expected.as_deref(), wish.found.as_deref());
        Consent { place, path: &wish.path, expected, found }.is_signed(key, &kept.signature)
    })
}

/// What is agreed on from now on, and what of it is new.
struct Agreement {
    entries: BTreeMap<String, Entry>,
    paths: Vec<String>,
}

/// What these wishes come to, and those that are about something else than what is there. All of it is of one moment, so that
/// nobody slips something in between.
fn agreement(
    settings: &TamperSettings,
    memory: &Memory,
    wishes: Vec<Wish>,
) -> (Option<Agreement>, Vec<Wish>) {
    let own = text_of(&settings.baseline());
    let board = memory.board();
    let (Some(seen), Agreed::Known(trust)) = (&board.seen, &board.agreed) else { return (None, Vec::new()) };
    let baseline = trust.baseline.as_ref().map(|(baseline, _)| baseline);
    let is_current = |wish: &Wish| {
        let expected = wish.consent.as_ref().and_then(|kept| kept.expected.as_ref());
        let is_it = |found: &Deviation| found.found == wish.found && found.expected.as_ref() == expected;
        board.deviations.get(&wish.path).is_some_and(is_it)
    };
    let (current, outdated): (Vec<_>, Vec<_>) = wishes.into_iter().partition(is_current);
    let paths: Vec<String> = current.into_iter().map(|wish| wish.path).collect();
    if paths.is_empty() {
        return (None, outdated);
    }
    let files: Vec<String> = paths.iter().filter(|path| **path != own).cloned().collect();
    let entries = match baseline {
        Some(baseline) => keeper::with(&baseline.entries, seen, &files),
        // Nothing was agreed that anybody can believe: what is there now is.
        None => keeper::all(seen, &own),
    };
    (Some(Agreement { entries, paths }), outdated)
}

async fn begin_hashing(memory: &Memory, told: &mut Told, wish: Wish) {
    let name = wish.found.unwrap_or_default();
    if told.hashing.as_ref().is_some_and(|known| known.name == name) || told.verified.as_ref() == Some(&name)
    {
        return;
    }
    memory.wake.notify_one();
    let mut guard = memory.guard.lock().await;
    let Some(guard) = guard.as_mut() else { return };
    guard.rehash();
    told.hashing = Some(Hashing { name, before: guard.condition().rehashes, evidence: None });
    told.state_at = None;
}

/// Once everything is hashed anew, the database's accounts and the evidence log have their turn, and the wish is done: not before
/// they really were looked at.
async fn end_hashing(
    app: &App,
    settings: &TamperSettings,
    memory: &Memory,
    told: &mut Told,
) -> Result<(), Error> {
    let Some(hashing) = &mut told.hashing else { return Ok(()) };
    if memory.board().condition.rehashes <= hashing.before {
        return Ok(());
    }
    let evidence = &mut told.evidence;
    // One that is under way began before, and may have read what is different by now.
    let enough = *hashing.evidence.get_or_insert(evidence.done + 1 + u64::from(evidence.running.is_some()));
    if evidence.done < enough {
        evidence.wanted |= evidence.running.is_none();
        return Ok(());
    }
    let name = hashing.name.clone();
    tell_changes(app, settings, memory, told).await?;
    let wish = Wish { path: String::new(), found: Some(name.clone()), consent: None };
    app.store.drop_tamper_wish(settings.place.clone(), wish).await?;
    told.hashing = None;
    told.verified = Some(name);
    told.state_at = None;
    Ok(())
}

/// Verifies what the database says when it is time or somebody wants it: of the baseline at once, and in the evidence log beside
/// everything else.
async fn verify(app: &App, settings: &TamperSettings, memory: &Memory, told: &mut Told) -> Result<(), Error> {
    let is_due = match told.evidence.at {
        Some(at) => at.elapsed() >= EVIDENCE_EVERY,
        None => told.began.is_some_and(|began| began.elapsed() >= EVIDENCE_FIRST),
    };
    match told.evidence.running.take() {
        None if (is_due || told.evidence.wanted) && due(told.evidence.failed_at, EVIDENCE_AGAIN) => {
            keeper::recheck(app, settings, memory).await?;
            let app = app.clone();
            told.evidence.running = Some(tokio::spawn(async move { audit::verify(&app).await }));
            told.evidence.wanted = false;
        }
        Some(running) if running.is_finished() => {
            let verified = running.await.unwrap_or_else(|failure| Err(Problem::internal(failure)));
            take_verdict(app, settings, memory, &mut told.evidence, verified);
        }
        running => told.evidence.running = running,
    }
    Ok(())
}

fn take_verdict(
    app: &App,
    settings: &TamperSettings,
    memory: &Memory,
    looking: &mut Looking,
    verified: Result<audit::Verdict, Problem>,
) {
    looking.failed_at = verified.is_err().then(Instant::now);
    match verified {
        Ok(verdict) => {
            looking.at = Some(Instant::now());
            looking.done += 1;
            let news = {
                let mut board = memory.board();
                board.evidence =
                    Some(Evidence { at: app.now(), problem: verdict.problem(), remark: verdict.remark() });
                board.judge(settings)
            };
            announce(&news);
        }
        // Somebody else verifies now, or the database does not answer: it is tried again soon.
        Err(problem) => {
            warn!("the evidence log could not be verified, which is tried again: {}", problem.detail);
            if let Some(cause) = &problem.cause {
                warn!("the reason: {}", chain(&**cause));
            }
        }
    }
}

async fn tell_state(
    app: &App,
    settings: &TamperSettings,
    memory: &Memory,
    told: &mut Told,
) -> Result<(), Error> {
    let report = {
        let board = memory.board();
        let trust = match &board.agreed {
            Agreed::Known(trust) => Some(trust),
            _ => None,
        };
        let baseline = trust.and_then(|trust| trust.baseline.as_ref().map(|(baseline, _)| baseline));
        let condition = board.condition;
        Report {
            known: board.is_known(),
            sequence: baseline.map(|baseline| baseline.sequence),
            agreed_at: baseline.map(|baseline| baseline.at),
            public_key: trust.map(|trust| trust.key.clone()),
            files: board.files,
            bytes: board.bytes,
            findings_total: board.deviations.len() as u64,
            heard: Heard {
                events: condition.hears,
                paths_only_looked_at: condition.unheard as u64,
                watchers_that_died: condition.deaths,
                overflows: condition.overflows,
            },
            rehashes: condition.rehashes,
            bytes_done: condition.rehashing.map(|hashing| hashing.bytes_done),
            bytes_total: condition.rehashing.map(|hashing| hashing.bytes_total),
            verified: told.verified.clone(),
            evidence_at: board.evidence.as_ref().map(|evidence| evidence.at),
            evidence_whole: board.evidence.as_ref().map(|evidence| evidence.problem.is_none()),
            evidence_remark: board.evidence.as_ref().and_then(|evidence| evidence.remark.clone()),
        }
    };
    let every = if told.hashing.is_some() { PROGRESS_EVERY } else { STATE_EVERY };
    let verdict = |report: &Report| (report.known, report.findings_total, report.evidence_whole);
    let has_changed = told.state.as_ref().map(verdict) != Some(verdict(&report));
    if !has_changed && !due(told.state_at, every) {
        return Ok(());
    }
    let text = serde_json::to_string(&report).map_err(|error| Error::Unavailable(error.to_string()))?;
    let state = TamperState {
        place: settings.place.clone(),
        node: app.node,
        region: app.region.code.clone(),
        report: text,
    };
    app.store.note_tamper_state(state, app.now()).await?;
    told.state = Some(report);
    told.state_at = Some(Instant::now());
    Ok(())
}
