//! Keeping the baseline: which one holds, and signing the next.
//!
//! The next one is prepared beside the file, then in the database with its record, then put in the file's place. Whenever the process
//! ends, the next start finds one of two states and ends what was begun.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use levqor_engine::keyring::BASELINE_SEED;
use levqor_model::{
    SigningKey,
    tamper::{Accounts, Baseline, Entry, Seen, SignedBaseline, Verdict, sha256},
};
use levqor_store::{Error, tamper::NewBaseline};
use tracing::error;

use super::{
    TamperSettings, announce,
    board::{Agreed, Memory, Trust},
    file, text_of,
};
use crate::{App, agreed_key::agreed_key};

/// What signs the baselines of all nodes.
pub(super) async fn signing_key(app: &App) -> Result<SigningKey, Error> {
    agreed_key(app, BASELINE_SEED).await.map_err(|error| Error::Unavailable(error.to_string()))
}

/// Finds out which baseline holds. Call it at the start, and when it is not known whether one was signed.
pub(super) async fn load(app: &App, settings: &TamperSettings, memory: &Memory) -> Result<(), Error> {
    let key = signing_key(app).await?.public_key();
    let kept = app.store.tamper_baseline(settings.place.clone()).await?;
    let path = settings.baseline();
    // Nobody is to look at the file while it changes.
    let mut guard = memory.guard.lock().await;
    let row = kept.row.as_ref().map(|(_, text)| text.clone());
    let (text, owner) = blocking(move || {
        file::settle(&path, row.as_deref())?;
        let owner = file::owner(&path).or_else(|_| file::owner(path.parent().unwrap_or(&path)))?;
        Ok((file::read(&path), owner))
    })
    .await?;
    let accounts =
        Accounts { file: text, row: kept.row.as_ref().map(|(_, text)| text.clone()), logged: kept.logged };
    let agreed = match accounts.judge(&settings.place, key) {
        Verdict::First => Agreed::Nothing,
        Verdict::Known { baseline, file, database, sequence } => {
            for problem in file.iter().chain(&database) {
                error!("the baseline of files is not to be trusted in one of its places: {problem}");
            }
            let own = baseline.as_ref().map_or("", |(_, text)| text);
            Agreed::Known(Box::new(Trust {
                own: Trust::own(own, owner),
                baseline: baseline.map(|(baseline, text)| (Arc::new(baseline), Arc::from(text))),
                key: key.to_string(),
                sequence,
                row: kept.row.map(|(sequence, _)| sequence),
                file_problem: file,
                database_problem: database,
            }))
        }
    };
    let mut board = memory.board();
    if let Agreed::Known(trust) = &agreed
        && trust.file_problem.is_none()
    {
        board.has_own(&text_of(&settings.baseline()), &trust.own);
    }
    board.agreed = agreed;
    let news = board.judge(settings);
    drop(board);
    announce(&news);
    if let Some(guard) = guard.as_mut() {
        guard.forget(&settings.baseline());
    }
    Ok(())
}

/// Holds what the database says now against the baseline that this node knows.
pub(super) async fn recheck(app: &App, settings: &TamperSettings, memory: &Memory) -> Result<(), Error> {
    let key = signing_key(app).await?.public_key();
    let kept = app.store.tamper_baseline(settings.place.clone()).await?;
    let mut board = memory.board();
    let Agreed::Known(trust) = &mut board.agreed else { return Ok(()) };
    let Some((_, text)) = &trust.baseline else { return Ok(()) };
    let accounts = Accounts {
        file: Some(Ok(text.to_string())),
        row: kept.row.as_ref().map(|(_, text)| text.clone()),
        logged: kept.logged,
    };
    if let Verdict::Known { database, sequence, baseline, .. } = accounts.judge(&settings.place, key) {
        trust.sequence = trust.sequence.max(sequence);
        trust.row = kept.row.map(|(sequence, _)| sequence);
        // Ours is believed, since we have held it all the time.
        let ours = baseline.is_some_and(|(_, believed)| *believed == **text);
        trust.database_problem = match (database, ours) {
            (None, false) => Some("it is another one than this node has signed or found last".to_owned()),
            (problem, _) => problem,
        };
    }
    let news = board.judge(settings);
    drop(board);
    announce(&news);
    Ok(())
}

/// Signs what is agreed from now on: `entries`, of which `paths` are new. False: something else was signed meanwhile, and
/// which baseline holds is to be found out anew.
pub(super) async fn sign(
    app: &App,
    settings: &TamperSettings,
    memory: &Memory,
    entries: BTreeMap<String, Entry>,
    paths: Vec<String>,
) -> Result<bool, Error> {
    let key = signing_key(app).await?;
    let trust = match &memory.board().agreed {
        Agreed::Known(trust) => Some(trust.clone()),
        _ => None,
    };
    let before = trust.as_ref().and_then(|trust| trust.baseline.as_ref());
    let baseline = Baseline {
        place: settings.place.clone(),
        sequence: trust.as_ref().map_or(0, |trust| trust.sequence) + 1,
        at: app.now(),
        previous: before.map_or(String::new(), |(_, text)| sha256(text.as_bytes())),
        entries,
    };
    let signed = SignedBaseline::sign(baseline, &key);
    let text = signed.to_text();
    let (path, prepared) = (settings.baseline(), text.clone());
    blocking(move || file::prepare(&path, &prepared)).await?;
    let new = NewBaseline {
        place: settings.place.clone(),
        sequence: signed.baseline.sequence,
        sha256: sha256(text.as_bytes()),
        content: text.clone(),
        key: key.public_key().to_string(),
        before: trust.as_ref().and_then(|trust| trust.row),
        entries: signed.baseline.entries.len(),
        paths,
    };
    let kept = app.store.sign_baseline(new, app.now()).await;
    if kept != Ok(true) {
        // Perhaps it was, and nobody could tell us.
        memory.board().agreed = Agreed::Unknown;
        return kept;
    }
    memory.wake.notify_one();
    let mut guard = memory.guard.lock().await;
    let path = settings.baseline();
    let put = blocking(move || file::put(&path)).await;
    if let Some(guard) = guard.as_mut() {
        guard.forget(&settings.baseline());
    }
    let mut board = memory.board();
    let own = put.as_ref().map(|owner| Trust::own(&text, owner.clone()));
    if let Ok(own) = &own {
        board.has_own(&text_of(&settings.baseline()), own);
    }
    board.agreed = match own {
        Ok(own) => Agreed::Known(Box::new(Trust {
            own,
            key: key.public_key().to_string(),
            sequence: signed.baseline.sequence,
            row: Some(signed.baseline.sequence),
            baseline: Some((Arc::new(signed.baseline), Arc::from(text))),
            file_problem: None,
            database_problem: None,
        })),
        Err(_) => Agreed::Unknown,
    };
    let news = board.judge(settings);
    drop(board);
    announce(&news);
    drop(guard);
    put.map(|_| true)
}

/// The entries that are agreed on once these paths are as they were seen.
pub(super) fn with(
    entries: &BTreeMap<String, Entry>,
    seen: &BTreeMap<String, Entry>,
    paths: &[String],
) -> BTreeMap<String, Entry> {
    let mut entries = entries.clone();
    for path in paths {
        match seen.get(path) {
            Some(entry) if entry.seen != Seen::Nothing => drop(entries.insert(path.clone(), entry.clone())),
            _ => drop(entries.remove(path)),
        }
    }
    entries
}

/// Everything that is there, but for the baseline itself.
pub(super) fn all(seen: &BTreeMap<String, Entry>, own: &str) -> BTreeMap<String, Entry> {
    let there = seen.iter().filter(|(path, entry)| *path != own && entry.seen != Seen::Nothing);
    there.map(|(path, entry)| (path.clone(), entry.clone())).collect()
}

impl TamperSettings {
    /// The path of the baseline.
    pub(super) fn baseline(&self) -> PathBuf {
        self.data_dir.join(file::FILE)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|failure| Err(std::io::Error::other(failure)));
    done.map_err(|error| Error::Unavailable(format!("the baseline of files cannot be kept: {error}")))
}
