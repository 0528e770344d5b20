//! The witness: the ends of all chains, signed, in a file of each node's own.
//!
//! A database can be put back to an earlier state, with all that it says of itself. What nodes of other regions have on
//! their own disks does not go back with it.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use levqor_model::{
    PublicKey,
    audit::{Head, Heads, SignedHeads},
};
use levqor_store::Error;
use tracing::error;

use super::service::{memory, signing_key};
use crate::App;

/// In the data directory.
const FILE: &str = "audit-witness.json";
/// Files that no witness of this installation wrote, and that are put aside. Each is evidence of something, and nothing overwrites one;
/// when there are so many, somebody has to look at them before another one can be put aside.
const REFUSED_MAX: usize = 20;
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

/// What there is of a witness.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Whoever signed it.
    Witness(SignedHeads),
    /// There is no file.
    Nothing,
    /// There is one, and it is no list of ends.
    Unreadable,
}

pub(super) async fn read(app: &App) -> Found {
    let Some(path) = path(app) else { return Found::Nothing };
    let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
    read.unwrap_or(Found::Unreadable)
}

fn read_file(path: &Path) -> Found {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        // A pipe that nobody writes to would hold us for ever.
        Ok(found) if found.is_file() => {}
        _ => return Found::Unreadable,
    }
    let mut text = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text));
    match read {
        Ok(_) => serde_json::from_slice(&text).map_or(Found::Unreadable, Found::Witness),
        Err(_) => Found::Unreadable,
    }
}

/// What a refused file is called: the first one `audit-witness.refused.json`, then `audit-witness.refused.2.json`.
fn refused_name(number: usize) -> String {
    if number == 1 {
        "audit-witness.refused.json".to_owned()
    } else {
        format!("audit-witness.refused.{number}.json")
    }
}

/// Files that were refused once and still lie there.
pub(super) async fn refused(app: &App) -> Vec<PathBuf> {
    let Some(path) = path(app) else { return Vec::new() };
    let all = (1..=REFUSED_MAX).map(move |number| path.with_file_name(refused_name(number)));
    let there = tokio::task::spawn_blocking(move || all.filter(|path| is_something(path)).collect()).await;
    there.unwrap_or_default()
}

/// One of them, with how findings call it; None: it was taken away. What it says counts again once somebody has agreed to the key that
/// signed it.
pub(super) async fn read_refused(path: PathBuf) -> Option<(String, Found)> {
    let name = format!("{} (take it away once you know why)", path.display());
    let found = tokio::task::spawn_blocking(move || read_file(&path)).await.unwrap_or(Found::Unreadable);
    (found != Found::Nothing).then_some((name, found))
}

fn is_something(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Puts a file aside that was refused, beside all that were refused before; where it is then. One that says exactly what another one
/// does takes its place, so that nobody can have the others crowded out with copies.
fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let own = content(path);
    let mut free = None;
    for number in 1..=REFUSED_MAX {
        let aside = path.with_file_name(refused_name(number));
        if !is_something(&aside) {
            free = free.or(Some(aside));
        } else if own.is_some() && content(&aside) == own {
            free = Some(aside);
            break;
        }
    }
    let aside = free.ok_or_else(|| {
        io::Error::other(format!(
            "{REFUSED_MAX} files that no witness of this installation wrote lie beside it ({} and others); find out who puts them \
             there, and take them away",
            refused_name(1)
        ))
    })?;
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// All that a file says; None: it is no file, cannot be read, or is none of ours by its size.
fn content(path: &Path) -> Option<Vec<u8>> {
    let there =
        fs::symlink_metadata(path).ok().filter(|there| there.is_file() && there.len() <= BYTES_MAX)?;
    let mut text = Vec::new();
    fs::File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text)).ok()?;
    (text.len() as u64 == there.len()).then_some(text)
}

/// The ends that this node knew before its start. What it cannot believe is put aside, and never overwritten.
async fn known(app: &App, path: &Path, key: PublicKey) -> io::Result<Vec<Head>> {
    match read(app).await {
        Found::Nothing => return Ok(Vec::new()),
        Found::Witness(signed) => {
            if let Some(told) = signed.open(&[key]) {
                return Ok(told.heads);
            }
        }
        Found::Unreadable => {}
    }
    let refused = path.to_owned();
    let aside =
        tokio::task::spawn_blocking(move || put_aside(&refused)).await.map_err(io::Error::other)??;
    error!(
        "{} was not written by this installation's witness: it is kept as {}, and `levqor audit verify` names it",
        path.display(),
        aside.display()
    );
    Ok(Vec::new())
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
        None => known(app, &path, key.public_key()).await.map_err(|error| {
            Error::Unavailable(format!("the witness of the evidence log cannot be put aside: {error}"))
        })?,
    };
    let lost = lost(app, &seen, &before).await;
    let heads = newest(&seen, &before);
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
    let heads = keep_lost(heads, lost);
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
    let seen = by_chain(seen);
    let mut lost = Vec::new();
    for head in known {
        if seen.get(head.chain.as_str()) != Some(&head) && !is_there(app, head).await? {
            lost.push(head.clone());
        }
    }
    Ok(lost)
}

fn by_chain(heads: &[Head]) -> HashMap<&str, &Head> {
    heads.iter().map(|head| (head.chain.as_str(), head)).collect()
}

/// Of each chain the end that reaches further. The database's list of ends is only a list: whoever shortens it, or takes a chain out
/// of it, must not have the witness forget what it has seen.
fn newest(seen: &[Head], known: &[Head]) -> Vec<Head> {
    let mut newest: BTreeMap<&str, &Head> = BTreeMap::new();
    for head in seen.iter().chain(known) {
        let further = newest.get(head.chain.as_str()).is_none_or(|other| other.seq < head.seq);
        if further {
            newest.insert(&head.chain, head);
        }
    }
    newest.into_values().cloned().collect()
}

/// Whether this record is in its chain, and was not written anew with another hash.
async fn is_there(app: &App, head: &Head) -> Result<bool, Error> {
    match app.store.audit_chain(head.chain.clone(), head.seq.saturating_sub(1), 1).await {
        Ok(found) => {
            Ok(found.first().is_some_and(|record| record.seq == head.seq && record.hash == head.hash))
        }
        // Something is there that is no record.
        Err(Error::Decode(_)) => Ok(false),
        Err(error) => Err(error),
    }
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
    fn a_list_that_became_shorter_makes_nothing_forgotten() {
        for (seen, known, expected) in [
            (vec![head("a", 3)], vec![], vec![head("a", 3)]),
            (vec![head("a", 3)], vec![head("a", 2)], vec![head("a", 3)]),
            // A chain is not listed any more; one is listed by an earlier end.
            (vec![head("b", 1)], vec![head("a", 2), head("b", 4)], vec![head("a", 2), head("b", 4)]),
        ] {
            assert_eq!(newest(&seen, &known), expected);
        }
    }

    #[test]
    fn a_file_that_is_no_witness_is_not_none() {
        let folder = levqor_testkit::temp_dir();
        let path = folder.path().join(FILE);
        assert_eq!(read_file(&path), Found::Nothing);
        for content in ["", "{}", "not JSON"] {
            fs::write(&path, content).unwrap();
            assert_eq!(read_file(&path), Found::Unreadable, "{content}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(read_file(&path), Found::Unreadable);
    }

    /// Each is evidence, also when somebody puts one there again and again.
    #[test]
    fn no_refused_file_takes_the_place_of_another() {
        let folder = levqor_testkit::temp_dir();
        let path = folder.path().join(FILE);
        let refuse = |content: &str| {
            fs::write(&path, content).unwrap();
            put_aside(&path).map(|aside| aside.file_name().unwrap().to_str().unwrap().to_owned())
        };
        assert_eq!(refuse("one").unwrap(), "audit-witness.refused.json");
        assert_eq!(refuse("two").unwrap(), "audit-witness.refused.2.json");
        assert_eq!(refuse("one").unwrap(), "audit-witness.refused.json", "a copy takes no place");
        for number in 3..=REFUSED_MAX {
            assert_eq!(refuse(&format!("{number}")).unwrap(), refused_name(number));
        }
        let problem = refuse("more").unwrap_err().to_string();
        assert!(problem.contains("20 files") && problem.contains("take them away"), "{problem}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "more", "it stays where it is, and is named there");
        assert_eq!(refuse("two").unwrap(), "audit-witness.refused.2.json");
        for (number, content) in [(1, "one"), (2, "two"), (20, "20")] {
            let kept = fs::read_to_string(path.with_file_name(refused_name(number))).unwrap();
            assert_eq!(kept, content);
        }
        // What is no file is put aside as well, once there is a place.
        fs::remove_file(path.with_file_name(refused_name(7))).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(put_aside(&path).unwrap(), path.with_file_name(refused_name(7)));
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
