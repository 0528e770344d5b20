//! Whole tables in and out, as a stream of bytes (`COPY`).

use std::{
    fmt,
    io::{self, Read, Write},
};

use postgres::{CopyInWriter, CopyOutReader};

use crate::Error;

/// Bytes that are gathered before they are sent.
const CHUNK: usize = 64 * 1024;

/// The way into a table.
pub(crate) struct CopyIn<'a> {
    stream: CopyInWriter<'a>,
    chunk: Vec<u8>,
}

/// The rows of a statement.
pub(crate) struct CopyOut<'a> {
    stream: CopyOutReader<'a>,
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
        if self.chunk.len() < CHUNK {
            return Ok(());
        }
        let sent = self.stream.write_all(&self.chunk);
        self.chunk.clear();
        sent.map_err(in_our_words)
    }
}

impl CopyOut<'_> {
    /// Fills `bytes`.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.stream.read_exact(bytes).map_err(in_our_words)
    }
}

/// The client hides its own errors in those of streams.
fn in_our_words(error: io::Error) -> Error {
    match error.downcast::<postgres::Error>() {
        Ok(error) => error.into(),
        Err(error) => Error::Unavailable(format!("the stream of rows broke off: {error}")),
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
            let stream = connection.client.copy_in(sql)?;
            let mut into = CopyIn { stream, chunk: Vec::with_capacity(CHUNK) };
            if let Err(error) = fill(&mut into) {
                // The stream is dropped without its end, which has the server throw it away.
                failed = Some(error);
                return Ok(0);
            }
            let CopyIn { mut stream, chunk } = into;
            match stream.write_all(&chunk) {
                Ok(()) => stream.finish(),
                Err(error) => {
                    failed = Some(in_our_words(error));
                    Ok(0)
                }
            }
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
            let stream = connection.client.copy_out(sql)?;
            Ok(drain(&mut CopyOut { stream }))
        })?
    }
}
