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

/// What was written last.
#[derive(Debug, Default)]
pub(super) struct Kept {
    heads: Option<Vec<Head>>,
    /// It was said that chains are shorter than the witness knows them.
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

/// Writes the ends of the chains when they have changed. A chain that has become shorter, or is gone, keeps the end that it
/// had: that is what the witness is for.
pub(crate) async fn witness(app: &App) -> Result<(), Error> {
    let Some(path) = path(app) else { return Ok(()) };
    let memory = memory(app);
    let mut kept = memory.witness.lock().await;
    let mut heads = app.store.audit_heads().await?;
    if kept.heads.as_ref() == Some(&heads) {
        return Ok(());
    }
    let key = signing_key(app).await?;
    let before = match &kept.heads {
        Some(before) => before.clone(),
        None => {
            let signed = read(app).await;
            signed
                .and_then(|signed| signed.open(&[key.public_key()]))
                .map_or_else(Vec::new, |told| told.heads)
        }
    };
    let gone_back = keep_longer(&mut heads, before);
    if gone_back && !kept.told {
        error!(
            "the evidence log is shorter than this node's witness knows it: the database was put back, or records were removed; \
             `levqor audit verify` names them"
        );
        kept.told = true;
    }
    let signed = SignedHeads::sign(&Heads { at: app.now(), heads: heads.clone() }, &key);
    let written = tokio::task::spawn_blocking(move || write_file(&path, &signed)).await;
    let written = written.unwrap_or_else(|failure| Err(io::Error::other(failure)));
    written.map_err(|error| {
        Error::Unavailable(format!("the witness of the evidence log cannot be written: {error}"))
    })?;
    kept.heads = Some(heads);
    Ok(())
}

/// Whether there was a chain that had gone back.
fn keep_longer(heads: &mut Vec<Head>, before: Vec<Head>) -> bool {
    let mut gone_back = false;
    for known in before {
        match heads.iter_mut().find(|head| head.chain == known.chain) {
            Some(head) if head.seq >= known.seq => {}
            Some(head) => {
                *head = known;
                gone_back = true;
            }
            None => {
                heads.push(known);
                gone_back = true;
            }
        }
    }
    gone_back
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
    fn what_was_seen_is_not_forgotten() {
        for (now, before, expected, gone_back) in [
            (vec![head("a", 3)], vec![head("a", 2)], vec![head("a", 3)], false),
            (vec![head("a", 1)], vec![head("a", 2)], vec![head("a", 2)], true),
            (vec![head("a", 1)], vec![head("b", 2)], vec![head("a", 1), head("b", 2)], true),
            (vec![head("a", 1)], vec![], vec![head("a", 1)], false),
        ] {
            let mut heads = now;
            assert_eq!(keep_longer(&mut heads, before), gone_back);
            assert_eq!(heads, expected);
        }
    }
}
