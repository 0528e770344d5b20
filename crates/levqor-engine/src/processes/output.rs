//! What a process writes, as far as it may.

use levqor_flow::machine::{ErrorKind, FlowError};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads both outputs to their ends. What is not UTF-8 becomes the replacement character.
///
/// # Errors
/// `runtime` when one of them has more than `bytes_max` bytes.
pub(super) async fn both(
    stdout: Option<impl AsyncRead + Unpin>,
    stderr: Option<impl AsyncRead + Unpin>,
    bytes_max: usize,
) -> Result<(String, String), FlowError> {
    tokio::try_join!(one(stdout, "standard output", bytes_max), one(stderr, "standard error", bytes_max))
}

async fn one(
    pipe: Option<impl AsyncRead + Unpin>,
    what: &str,
    bytes_max: usize,
) -> Result<String, FlowError> {
    let Some(pipe) = pipe else { return Ok(String::new()) };
    let mut bytes = Vec::new();
    let read = pipe.take(bytes_max as u64 + 1).read_to_end(&mut bytes).await;
    if let Err(reason) = read {
        return Err(
            ErrorKind::Runtime.error("process lost", format!("its {what} could not be read: {reason}"))
        );
    }
    if bytes.len() > bytes_max {
        return Err(ErrorKind::Runtime.error(
            "too much output",
            format!(
                "its {what} has more than {bytes_max} bytes, and it was killed; write less, or to a file (this is the operator's \
                 limit `processes.output_bytes_max`)"
            ),
        ));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
