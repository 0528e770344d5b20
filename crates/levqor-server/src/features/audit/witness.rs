//! The witness: the ends of all chains, signed, in a file of each node's own.
//!
//! A database can be put back to an earlier state, with all that it says of itself. What nodes of other regions have on
//! their own disks does not go back with it.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use levqor_model::audit::{Head, Heads, SignedHeads};
use levqor_store::Error;
use tracing::error;

use super::service::{memory, signing_key};
use crate::App;

/// In the data directory.
const FILE: &str = "audit-witness.json";
/// A larger file is none of ours.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What was seen, and what was written last.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// As in the file; None: not read yet.
    heads: Option<Vec<Head>>,
    /// As the store gave them when all of them were looked at last.
    seen: Vec<Head>,
    /// It was said that something is not as the witness knows it.
    told: bool,
}

fn path(app: &App) -> Option<PathBuf> {
    app.settings.data_dir.as_ref().map(|dir| dir.join(FILE))
}

/// The file; None: there is none that can be read.
pub(super) async fn read(app: &App) -> Option<SignedHeads> {
    let path = path(app)?;
    tokio::task::spawn_blocking(move || read_file(&path)).await.ok().flatten()
}

fn read_file(path: &Path) -> Option<SignedHeads> {
    if fs::metadata(path).ok()?.len() > BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Writes the ends of the chains when they have changed. An end that is no longer in its chain stays: that is what the
/// witness is for.
pub(crate) async fn witness(app: &App) -> Result<(), Error> {
    let Some(path) = path(app) else { return Ok(()) };
    let memory = memory(app);
    let mut kept = memory.witness.lock().await;
    let seen = app.store.audit_heads().await?;
    if kept.heads.is_some() && kept.seen == seen {
        return Ok(());
    }
    let key = signing_key(app).await?;
    let before = match kept.heads.take() {
        Some(before) => before,
        None => {
            let signed = read(app).await;
            signed
                .and_then(|signed| signed.open(&[key.public_key()]))
                .map_or_else(Vec::new, |told| told.heads)
        }
    };
    let lost = lost(app, &seen, &before).await;
    // Whatever fails: what is known stays known.
    kept.heads = Some(before);
    let lost = lost?;
    if !lost.is_empty() && !kept.told {
        error!(
            "the evidence log is not as this node's witness knows it: the database was put back, or records were removed or \
             written anew; `levqor audit verify` names them"
        );
        kept.told = true;
    }
    let heads = keep_lost(seen.clone(), lost);
    if kept.heads.as_ref() != Some(&heads) {
        let signed = SignedHeads::sign(&Heads { at: app.now(), heads: heads.clone() }, &key);
        let written = tokio::task::spawn_blocking(move || write_file(&path, &signed)).await;
        let written = written.unwrap_or_else(|failure| Err(io::Error::other(failure)));
        written.map_err(|error| {
            Error::Unavailable(format!("the witness of the evidence log cannot be written: {error}"))
        })?;
        kept.heads = Some(heads);
    }
    kept.seen = seen;
    Ok(())
}

/// The known ends that are in their chains no more.
async fn lost(app: &App, seen: &[Head], known: &[Head]) -> Result<Vec<Head>, Error> {
    let mut lost = Vec::new();
    for head in known {
        if !seen.contains(head) && !is_there(app, head).await? {
            lost.push(head.clone());
        }
    }
    Ok(lost)
}

/// Whether this record is in its chain, and was not written anew with another hash.
async fn is_there(app: &App, head: &Head) -> Result<bool, Error> {
    let found = app.store.audit_chain(head.chain.clone(), head.seq.saturating_sub(1), 1).await?;
    Ok(found.first().is_some_and(|record| record.seq == head.seq && record.hash == head.hash))
}

/// What is kept: of a chain that has lost what was known of it, what was known.
fn keep_lost(mut heads: Vec<Head>, lost: Vec<Head>) -> Vec<Head> {
    for known in lost {
        match heads.iter_mut().find(|head| head.chain == known.chain) {
            Some(head) => *head = known,
            None => heads.push(known),
        }
    }
    heads
}

/// Whole or not at all.
fn write_file(path: &Path, signed: &SignedHeads) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(&serde_json::to_vec(signed)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use levqor_model::audit::RecordHash;

    use super::*;

    fn head(chain: &str, seq: u64) -> Head {
        Head { chain: chain.to_owned(), seq, hash: RecordHash([seq as u8; 32]) }
    }

    #[test]
    fn what_is_lost_is_not_forgotten() {
        for (now, lost, expected) in [
            (vec![head("a", 3)], vec![], vec![head("a", 3)]),
            (vec![head("a", 1)], vec![head("a", 2)], vec![head("a", 2)]),
            // Written anew, and longer than before.
            (vec![head("a", 5), head("b", 1)], vec![head("a", 2)], vec![head("a", 2), head("b", 1)]),
            (vec![head("a", 1)], vec![head("b", 2)], vec![head("a", 1), head("b", 2)]),
        ] {
            assert_eq!(keep_lost(now, lost), expected);
        }
    }
}
