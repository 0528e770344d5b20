//! The last good region snapshot: judged, kept on disk, and asked for anew.
//!
//! Invariant: what an edge routes by never gets older. A document is taken only when the control plane signed it and its
//! sequence is higher; one from the disk is used even when its time is over, because routes that may be old are better
//! than none, and the edge says so.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Request, header};
use http_body_util::{BodyExt, Limited};
use levqor_model::{PublicKey, RegionSnapshot, SignedSnapshot, SnapshotError, Timestamp};
use tokio::time::timeout;

use crate::{body::RequestBody, origin_url::OriginUrl, upstream::Connector};

/// Clocks may differ by this much.
const SKEW_MAX: Duration = Duration::from_secs(5 * 60);
const BYTES_MAX: usize = 2 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a document is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("the snapshot has sequence {found}, but {kept} was seen already")]
    Older { found: u64, kept: u64 },
    #[error("the snapshot differs from the one of the same sequence {0}")]
    Conflict(u64),
    #[error("the snapshot was issued at {0}, which is in the future; check the clocks")]
    Future(Timestamp),
    #[error("the snapshot expired at {0}")]
    Expired(Timestamp),
    #[error("the snapshot names no origin")]
    Empty,
    #[error("the snapshot file {path} cannot be written; the edge could not start from it")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the snapshot cannot be fetched: {0}")]
    Fetch(String),
}

impl Refusal {
    /// For the counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Refusal::Snapshot(SnapshotError::Forged) => "forged",
            Refusal::Snapshot(_) | Refusal::Empty => "form",
            Refusal::Older { .. } | Refusal::Conflict(_) => "older",
            Refusal::Future(_) => "future",
            Refusal::Expired(_) => "expired",
            Refusal::Write { .. } => "disk",
            Refusal::Fetch(_) => "fetch",
        }
    }

    pub const KINDS: [&'static str; 7] = ["forged", "form", "older", "future", "expired", "disk", "fetch"];
}

/// Keeps the newest document.
#[derive(Debug)]
pub struct Keeper {
    key: PublicKey,
    path: PathBuf,
    newest: Mutex<Option<Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    snapshot: Arc<RegionSnapshot>,
    signed: SignedSnapshot,
}

impl Keeper {
    /// Starts from what the disk holds. The second value says why a file that is there is not used.
    pub fn open(key: PublicKey, path: PathBuf) -> (Self, Option<Refusal>) {
        let (kept, refusal) = match read(&key, &path) {
            Ok(kept) => (kept, None),
            Err(refusal) => (None, Some(refusal)),
        };
        (Self { key, path, newest: Mutex::new(kept) }, refusal)
    }

    pub fn newest(&self) -> Option<Arc<RegionSnapshot>> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().map(|kept| Arc::clone(&kept.snapshot))
    }

    /// Judges a document from outside; takes and stores it when it is newer. True: it was.
    ///
    /// Blocks for a write to the disk.
    ///
    /// # Errors
    /// The [`Refusal`]; what was kept stays.
    pub fn take(&self, signed: SignedSnapshot, now: Timestamp) -> Result<bool, Refusal> {
        let snapshot = signed.open(&self.key)?;
        if snapshot.issued_at > now + SKEW_MAX {
            return Err(Refusal::Future(snapshot.issued_at));
        }
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &*newest {
            let sequence = kept.snapshot.sequence;
            if snapshot.sequence < sequence {
                return Err(Refusal::Older { found: snapshot.sequence, kept: sequence });
            }
            if snapshot.sequence == sequence {
                // The same, perhaps with a later end.
                let same = snapshot.regions == kept.snapshot.regions
                    && snapshot.preference == kept.snapshot.preference;
                if !same {
                    return Err(Refusal::Conflict(sequence));
                }
                if snapshot.expires_at <= kept.snapshot.expires_at {
                    return Ok(false);
                }
            }
        }
        if snapshot.expires_at <= now {
            return Err(Refusal::Expired(snapshot.expires_at));
        }
        if snapshot.regions.iter().all(|region| region.origins.is_empty()) {
            return Err(Refusal::Empty);
        }
        write(&self.path, &signed).map_err(|source| Refusal::Write { path: self.path.clone(), source })?;
        let changed = newest.as_ref().is_none_or(|kept| kept.snapshot.sequence != snapshot.sequence);
        *newest = Some(Kept { snapshot: Arc::new(snapshot), signed });
        Ok(changed)
    }

    /// The newest document as it was signed.
    pub fn signed(&self) -> Option<SignedSnapshot> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().map(|kept| kept.signed.clone())
    }
}

fn read(key: &PublicKey, path: &Path) -> Result<Option<Kept>, Refusal> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Refusal::Fetch(format!("{}: {source}", path.display()))),
    };
    if text.len() > BYTES_MAX {
        return Err(SnapshotError::TooLarge.into());
    }
    let signed: SignedSnapshot =
        serde_json::from_slice(&text).map_err(|error| SnapshotError::Form(error.to_string()))?;
    let snapshot = Arc::new(signed.open(key)?);
    Ok(Some(Kept { snapshot, signed }))
}

/// Whole or not at all: written beside it, made durable, then renamed.
fn write(path: &Path, signed: &SignedSnapshot) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = path.with_extension("new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(&serde_json::to_vec(signed)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    fs::File::open(folder)?.sync_all()
}

/// Asks an origin for its document.
///
/// Cancel safe.
///
/// # Errors
/// [`Refusal::Fetch`] with the reason, [`Refusal::Snapshot`] when it is none.
pub async fn fetch(connector: &Connector, url: &OriginUrl, path: &str) -> Result<SignedSnapshot, Refusal> {
    let failed = |reason: String| Refusal::Fetch(format!("{url}{path}: {reason}"));
    let exchange = async {
        let (mut sender, task) = connector.connect(url).await.map_err(|error| failed(error.to_string()))?;
        let request = Request::get(path)
            .header(header::HOST, url.authority())
            .header(header::ACCEPT, "application/json")
            .body(RequestBody::empty())
            .map_err(|error| failed(error.to_string()))?;
        let answer =
            sender.requests.send_request(request).await.map_err(|error| failed(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(failed(format!("answered {}", answer.status())));
        }
        let body = Limited::new(answer.into_body(), BYTES_MAX)
            .collect()
            .await
            .map_err(|error| failed(error.to_string()))?
            .to_bytes();
        task.abort();
        Ok(serde_json::from_slice(&body).map_err(|error| SnapshotError::Form(error.to_string()))?)
    };
    timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(failed("no answer in time".into())))
}

#[cfg(test)]
mod tests {
    use levqor_model::{SigningKey, SnapshotOrigin, SnapshotRegion};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_503_701);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn signer() -> SigningKey {
        SigningKey::from_seed(&[7; 32]).unwrap()
    }

    fn document(sequence: u64, issued_at: Timestamp, url: &str) -> RegionSnapshot {
        RegionSnapshot {
            sequence,
            issued_at,
            expires_at: issued_at + HOUR,
            regions: vec![SnapshotRegion {
                code: "eu-west".parse().unwrap(),
                status: None,
                origins: vec![SnapshotOrigin { name: "eu-1".into(), url: url.into() }],
            }],
            preference: Vec::new(),
        }
    }

    fn take(keeper: &Keeper, snapshot: &RegionSnapshot) -> String {
        match keeper.take(snapshot.sign(&signer()).unwrap(), NOW) {
            Ok(changed) => changed.to_string(),
            Err(refusal) => refusal.kind().to_owned(),
        }
    }

    #[test]
    fn only_newer_documents_of_the_key_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot.json");
        let (keeper, refusal) = Keeper::open(signer().public_key(), path.clone());
        assert!(refusal.is_none() && keeper.newest().is_none());
        let later = NOW + Duration::from_secs(60);
        for (snapshot, expected) in [
            (document(5, NOW, "http://a"), "true"),
            (document(5, NOW, "http://a"), "false"),
            // Issued again with a later end: kept, but nothing changes.
            (document(5, later, "http://a"), "false"),
            (document(5, NOW, "http://b"), "older"),
            (document(4, later, "http://a"), "older"),
            (document(6, NOW + SKEW_MAX + Duration::from_secs(1), "http://a"), "future"),
            (document(6, NOW - HOUR, "http://a"), "expired"),
            (RegionSnapshot { regions: Vec::new(), ..document(6, NOW, "") }, "form"),
            (document(7, NOW, "http://b"), "true"),
        ] {
            assert_eq!(take(&keeper, &snapshot), expected, "{snapshot:?}");
        }
        let other = SigningKey::from_seed(&[8; 32]).unwrap();
        let forged = keeper.take(document(9, NOW, "http://a").sign(&other).unwrap(), NOW).unwrap_err();
        assert_eq!(forged.kind(), "forged");
        // A new start goes on from there, also when its time is over.
        let (keeper, refusal) = Keeper::open(signer().public_key(), path.clone());
        assert!(refusal.is_none());
        assert_eq!(keeper.newest().unwrap().sequence, 7);
        assert_eq!(take(&keeper, &document(6, NOW, "http://a")), "older");
        // With another key, or when it is damaged, the file is not used.
        let (keeper, refusal) = Keeper::open(other.public_key(), path.clone());
        assert_eq!((refusal.unwrap().kind(), keeper.newest().is_none()), ("forged", true));
        fs::write(&path, b"{\"document\":").unwrap();
        let (keeper, refusal) = Keeper::open(signer().public_key(), path);
        assert_eq!((refusal.unwrap().kind(), keeper.newest().is_none()), ("form", true));
    }

    #[test]
    fn a_document_that_cannot_be_stored_is_not_taken() {
        let (keeper, _) = Keeper::open(signer().public_key(), "/nowhere/at/all/snapshot.json".into());
        assert_eq!(take(&keeper, &document(1, NOW, "http://a")), "disk");
        assert!(keeper.newest().is_none(), "else the next start would go back");
    }
}
