//! Whole tables in and out, as a stream of bytes (`COPY`).

use std::{fmt, pin::Pin};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{SinkExt as _, TryStreamExt as _};
use tokio_postgres::{CopyInSink, CopyOutStream};

use super::{client::Client, errors::Failure};
use crate::Error;

/// Bytes that are gathered before they are sent.
const CHUNK: usize = 64 * 1024;

/// The way into a table.
pub(crate) struct CopyIn<'a> {
    client: &'a Client,
    sink: Pin<Box<CopyInSink<Bytes>>>,
    chunk: BytesMut,
}

/// The rows of a statement.
pub(crate) struct CopyOut<'a> {
    client: &'a Client,
    stream: Pin<Box<CopyOutStream>>,
    /// What came last, as far as it was not read.
    left: Bytes,
}

impl fmt::Debug for CopyIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyIn").field("waiting", &self.chunk.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for CopyOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOut").finish_non_exhaustive()
    }
}

impl CopyIn<'_> {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() < CHUNK { Ok(()) } else { Ok(self.send()?) }
    }

    fn send(&mut self) -> Result<(), Failure> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = self.chunk.split().freeze();
        self.client.wait(self.sink.send(chunk))
    }

    /// The number of rows.
    fn finish(mut self) -> Result<u64, Failure> {
        self.send()?;
        self.client.wait(self.sink.as_mut().finish())
    }
}

impl CopyOut<'_> {
    /// Fills `bytes`.
    pub(crate) fn read(&mut self, mut bytes: &mut [u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.left.is_empty() {
                let more = self.client.wait(self.stream.try_next())?;
                self.left = more.ok_or_else(|| {
                    Error::Unavailable("the stream of rows ended in the midst of one".to_owned())
                })?;
            }
            let count = bytes.len().min(self.left.len());
            let (now, later) = bytes.split_at_mut(count);
            self.left.copy_to_slice(now);
            bytes = later;
        }
        Ok(())
    }
}

impl super::Session {
    /// Fills a table by a `COPY … FROM STDIN`; the number of rows. When `fill` fails, nothing of it is there, and the transaction
    /// is lost.
    pub(crate) fn copy_in(
        &self,
        sql: &str,
        mut fill: impl FnMut(&mut CopyIn<'_>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut failed = None;
        let rows = self.with(|connection| {
            let client = &connection.client;
            let sink = Box::pin(client.copy_in(sql)?);
            let mut into = CopyIn { client, sink, chunk: BytesMut::with_capacity(CHUNK) };
            if let Err(error) = fill(&mut into) {
                // The stream is dropped without its end, which has the server throw it away.
                failed = Some(error);
                return Ok(0);
            }
            into.finish()
        })?;
        failed.map_or(Ok(rows), Err)
    }

    /// Gives the rows of a `COPY … TO STDOUT` to `drain`, which need not read to the end.
    pub(crate) fn copy_out<T>(
        &self,
        sql: &str,
        mut drain: impl FnMut(&mut CopyOut<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.with(|connection| {
            let client = &connection.client;
            let stream = Box::pin(client.copy_out(sql)?);
            Ok(drain(&mut CopyOut { client, stream, left: Bytes::new() }))
        })?
    }
}
