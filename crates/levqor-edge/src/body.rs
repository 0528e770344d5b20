//! Bodies on their way through: streamed with back-pressure, and kept only as far as another attempt may need them.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// A body in more pieces is not kept, however small they are.
const KEPT_FRAMES_MAX: usize = 1_024;

/// Why a request's body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the client broke off in the middle of its request")]
    Client,
    #[error("the client was silent for too long in the middle of its request")]
    Stalled,
    #[error("another attempt took over")]
    Superseded,
}

/// The body of a client's request: read once, sent as often as attempts need it while it fits.
#[derive(Clone)]
pub struct Replay(Arc<Mutex<Shared>>);

struct Shared {
    rest: Incoming,
    kept: Vec<Frame<Bytes>>,
    kept_bytes: usize,
    kept_bytes_max: usize,
    /// Nothing is kept any more; the body cannot be sent again.
    gone: bool,
    failed: Option<BodyError>,
    /// Only the newest attempt may read.
    attempt: u64,
    size: SizeHint,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// When the client last sent something.
    progress: Instant,
}

impl Replay {
    pub fn new(body: Incoming, kept_bytes_max: usize, stall: Duration) -> Self {
        let size = body.size_hint();
        Self(Arc::new(Mutex::new(Shared {
            rest: body,
            kept: Vec::new(),
            kept_bytes: 0,
            kept_bytes_max,
            gone: false,
            failed: None,
            attempt: 0,
            size,
            stall,
            stalled: None,
            progress: Instant::now(),
        })))
    }

    /// The body for the next attempt; those of earlier attempts end with an error.
    pub fn attempt(&self) -> RequestBody {
        let mut shared = self.lock();
        shared.attempt += 1;
        RequestBody(Some(Attempt {
            shared: Arc::clone(&self.0),
            number: shared.attempt,
            at: 0,
            ended: false,
            size: shared.size,
        }))
    }

    pub fn replayable(&self) -> bool {
        !self.lock().gone
    }

    /// What went wrong on the client's side.
    pub fn failed(&self) -> Option<BodyError> {
        self.lock().failed
    }

    /// When the client last sent something of it. An origin that still waits for the rest is not late.
    pub fn progress(&self) -> Instant {
        self.lock().progress
    }

    pub fn kept_bytes(&self) -> usize {
        self.lock().kept_bytes
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replay(…)")
    }
}

/// What is sent to an origin.
#[derive(Default)]
pub struct RequestBody(Option<Attempt>);

struct Attempt {
    shared: Arc<Mutex<Shared>>,
    number: u64,
    /// Frames that were sent.
    at: usize,
    ended: bool,
    size: SizeHint,
}

impl RequestBody {
    pub fn empty() -> Self {
        Self(None)
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestBody(…)")
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(attempt) = &mut self.0 else { return Poll::Ready(None) };
        let mut shared = attempt.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.attempt != attempt.number {
            return Poll::Ready(Some(Err(BodyError::Superseded)));
        }
        if let Some(frame) = shared.kept.get(attempt.at) {
            attempt.at += 1;
            return Poll::Ready(Some(Ok(copy(frame))));
        }
        if let Some(error) = shared.failed {
            return Poll::Ready(Some(Err(error)));
        }
        let polled = shared.poll_rest(context);
        if let Poll::Ready(frame) = &polled {
            attempt.at += 1;
            attempt.ended = frame.is_none();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|attempt| attempt.ended)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |attempt| attempt.size)
    }
}

impl Shared {
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.rest).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.stalled = None;
                self.progress = Instant::now();
                self.keep(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => self.fail(BodyError::Client),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let stall = self.stall;
                let sleep = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
                if sleep.as_mut().poll(context).is_ready() {
                    self.fail(BodyError::Stalled)
                } else {
                    Poll::Pending
                }
            }
        }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.failed = Some(error);
        Poll::Ready(Some(Err(error)))
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        if self.gone {
            return;
        }
        self.kept_bytes += frame.data_ref().map_or(0, Bytes::len);
        if self.kept_bytes > self.kept_bytes_max || self.kept.len() >= KEPT_FRAMES_MAX {
            self.gone = true;
            self.kept = Vec::new();
            self.kept_bytes = 0;
        } else {
            self.kept.push(copy(frame));
        }
    }
}

/// Data is shared, not copied.
fn copy(frame: &Frame<Bytes>) -> Frame<Bytes> {
    match (frame.data_ref(), frame.trailers_ref()) {
        (Some(data), _) => Frame::data(data.clone()),
        (None, Some(trailers)) => Frame::trailers(trailers.clone()),
        (None, None) => Frame::data(Bytes::new()),
    }
}
