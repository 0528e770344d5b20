//! Signing what is new, and holding all of it against what was signed.

use std::sync::Arc;

use levqor_engine::keyring::AUDIT_SEED;
use levqor_model::{
    ProblemCode, PublicKey, SigningKey,
    audit::{Acceptance, Checkpoint, Heads, OtherKey, Report, SignedHeads, Verifier},
};
use levqor_store::Error;
use tokio::sync::{Mutex, OnceCell};

use super::witness::{self, Found};
use crate::{App, Problem, agreed_key::agreed_key};

/// Seconds until it is worth to ask again.
const RETRY_AFTER: u64 = 5;
/// How findings call the file of this node.
const WITNESS: &str = "this node's witness";
/// Records that are read at once.
pub(super) const PAGE: usize = 1_000;

/// What the feature keeps in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    key: OnceCell<Arc<SigningKey>>,
    /// Held while somebody verifies: it reads everything.
    verifying: Mutex<()>,
    pub(super) witness: Mutex<witness::Kept>,
}

pub(super) fn memory(app: &App) -> Arc<Memory> {
    app.memory(|_| Memory::default())
}

/// What signs checkpoints, and days of uptime.
pub(crate) async fn signing_key(app: &App) -> Result<Arc<SigningKey>, Error> {
    let memory = memory(app);
    let made = || async {
        agreed_key(app, AUDIT_SEED).await.map(Arc::new).map_err(|error| Error::Unavailable(error.to_string()))
    };
    memory.key.get_or_try_init(made).await.cloned()
}

/// Adds a checkpoint to this node's chain, when there is something that none has signed.
pub(crate) async fn seal(app: &App) -> Result<(), Error> {
    let key = signing_key(app).await?;
    let details = move |record: &_, heads| {
        // A checkpoint always has a JSON form.
        serde_json::to_string(&Checkpoint::sign(record, heads, &key)).unwrap_or_default()
    };
    app.store.add_checkpoint(app.now(), details).await.map(drop)
}

/// The ends of all chains, signed.
pub(super) async fn signed_heads(app: &App) -> Result<SignedHeads, Error> {
    let heads = Heads { at: app.now(), heads: app.store.audit_heads().await? };
    Ok(SignedHeads::sign(&heads, &*signing_key(app).await?))
}

/// What all of the log was held against, and what came of it.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(super) report: Report,
    /// Who signs checkpoints.
    pub(super) key: PublicKey,
    /// Whether this node has a witness that the key of now signed; without one, a database that was put back looks whole.
    pub(super) witnessed: bool,
}

impl Verdict {
    /// What is wrong, in a few words; None: nothing.
    pub(crate) fn problem(&self) -> Option<String> {
        let first = self.report.findings.first()?;
        Some(match self.report.findings_total {
            1 => first.to_string(),
            total => format!("{total} findings, the first: {first}"),
        })
    }

    /// What was signed by keys that were given up and agreed to, in a few words; None: nothing.
    pub(crate) fn remark(&self) -> Option<String> {
        let accepted: Vec<&OtherKey> =
            self.report.other_keys.iter().filter(|other| other.accepted.is_some()).collect();
        let checkpoints: u64 = accepted.iter().map(|other| other.checkpoints).sum();
        let names: Vec<&str> = accepted.iter().map(|other| other.key.as_str()).collect();
        (!names.is_empty()).then(|| {
            format!(
                "{checkpoints} checkpoints are signed by an abandoned key, which was agreed to: {}",
                names.join(", ")
            )
        })
    }
}

/// Holds every record against its hash, those around it, and what checkpoints and this node's witness say.
///
/// # Errors
/// 503 while this node verifies already.
pub(crate) async fn verify(app: &App) -> Result<Verdict, Problem> {
    verify_as_if(app, None).await
}

/// The same as if somebody had agreed to that, too.
pub(super) async fn verify_as_if(app: &App, agreed: Option<Acceptance>) -> Result<Verdict, Problem> {
    let memory = memory(app);
    let Ok(_turn) = memory.verifying.try_lock() else {
        return Err(Problem::new(
            ProblemCode::Overloaded,
            "this node verifies the evidence log already; wait for that to end and ask again",
        )
        .retry_after(RETRY_AFTER));
    };
    let key = signing_key(app).await?.public_key();
    let mut verifier = Verifier::new(vec![key]);
    if let Some(agreed) = agreed {
        verifier.assume(agreed);
    }
    // Told first, so that what comes meanwhile is not missing.
    verifier.listed("the list of chains", app.store.audit_heads().await?);
    let found = witness::read(app).await;
    match &found {
        Found::Witness(signed) => verifier.witness(WITNESS, signed),
        Found::Nothing => {}
        // A file that was made unreadable is no file that never was.
        Found::Unreadable => verifier.no_witness(WITNESS),
    }
    // One at a time: each may be large.
    for path in witness::refused(app).await {
        match witness::read_refused(path).await {
            Some((name, Found::Witness(signed))) => verifier.witness(&name, &signed),
            Some((name, _)) => verifier.no_witness(&name),
            None => {}
        }
    }
    for chain in app.store.audit_chains().await? {
        for stray in app.store.audit_strays(chain.clone(), PAGE).await? {
            verifier.stray(&chain, stray);
        }
        verifier = verify_chain(app, verifier, &chain).await?;
    }
    // One that a key of before signed tells what it knows, and whoever has that key's secret can make one that knows nothing.
    let witnessed = matches!(&found, Found::Witness(signed) if signed.open(&[key]).is_some());
    Ok(Verdict { report: verifier.finish(), key, witnessed })
}

async fn verify_chain(app: &App, mut verifier: Verifier, chain: &str) -> Result<Verifier, Problem> {
    let (mut after, mut limit) = (0, PAGE);
    loop {
        let records = match app.store.audit_chain(chain.to_owned(), after, limit).await {
            Ok(records) => records,
            // One of them is none. Which one, and that all before it are in order, shows one by one.
            Err(Error::Decode(_)) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(Error::Decode(problem)) => {
                verifier.unreadable(chain, after, &problem);
                return Ok(verifier);
            }
            Err(error) => return Err(error.into()),
        };
        let Some(last) = records.last() else { return Ok(verifier) };
        after = last.seq;
        let is_end = records.len() < limit;
        // Some milliseconds of hashing.
        let verified = tokio::task::spawn_blocking(move || {
            records.iter().for_each(|record| verifier.push(record));
            verifier
        });
        verifier = verified.await.map_err(Problem::internal)?;
        if is_end {
            return Ok(verifier);
        }
    }
}
