//! The log as lines of JSON, to be kept and verified elsewhere: a head with the signed ends of all chains, then each record.

use std::io;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use levqor_model::audit::{EXPORT_FORMAT, Record, SignedHeads};
use serde::Serialize;

use super::service::{PAGE, signed_heads, signing_key};
use crate::{App, Problem};

/// What the first line says.
#[derive(Debug, Serialize)]
struct Head {
    /// How the rest is to be read.
    format: &'static str,
    public_key: String,
    heads: SignedHeads,
}

/// How far the export is.
struct Cursor {
    app: App,
    /// Still to come; the last one is next.
    chains: Vec<String>,
    after: u64,
}

pub(super) async fn export(app: &App) -> Result<Body, Problem> {
    let heads = signed_heads(app).await?;
    let public_key = signing_key(app).await?.public_key().to_string();
    let mut chains = app.store.audit_chains().await?;
    chains.reverse();
    let first = line(&Head { format: EXPORT_FORMAT, public_key, heads }).map_err(Problem::internal)?;
    let cursor = Cursor { app: app.clone(), chains, after: 0 };
    let rest = stream::try_unfold(cursor, page);
    Ok(Body::from_stream(stream::iter([Ok(Bytes::from(first))]).chain(rest)))
}

/// The next records as lines; a failure breaks the answer off, so that nobody takes it for the whole.
async fn page(mut cursor: Cursor) -> io::Result<Option<(Bytes, Cursor)>> {
    loop {
        let Some(chain) = cursor.chains.last() else { return Ok(None) };
        let records = cursor.app.store.audit_chain(chain.clone(), cursor.after, PAGE).await;
        let records = records.map_err(io::Error::other)?;
        match records.last() {
            Some(last) => cursor.after = last.seq,
            None => {
                cursor.chains.pop();
                cursor.after = 0;
                continue;
            }
        }
        return Ok(Some((lines(&records)?, cursor)));
    }
}

fn lines(records: &[Record]) -> io::Result<Bytes> {
    let mut text = Vec::new();
    for record in records {
        text.append(&mut line(record)?);
    }
    Ok(text.into())
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    Ok(text)
}
