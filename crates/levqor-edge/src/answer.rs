//! The body of an answer on its way to the client.

use std::{
    error::Error as StdError,
    fmt,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{
    origin::{InFlight, Origin},
    upstream::Sender,
};

/// Either whole or a stream that passes through as it comes.
pub struct AnswerBody(Kind);

enum Kind {
    Full(Option<Bytes>),
    Stream(Box<Stream>),
}

struct Stream {
    body: Incoming,
    /// Goes back when the body has ended; a connection in the middle of an answer is of no use to others.
    sender: Option<Sender>,
    connections_max: usize,
    origin: Arc<Origin>,
    _in_flight: InFlight,
}

impl AnswerBody {
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Full(Some(bytes.into())))
    }

    pub fn empty() -> Self {
        Self(Kind::Full(None))
    }

    /// Passes `body` on. Dropped early, as when the client hangs up, it ends the request at the origin.
    pub fn stream(
        body: Incoming,
        sender: Sender,
        connections_max: usize,
        origin: Arc<Origin>,
        in_flight: InFlight,
    ) -> Self {
        if body.is_end_stream() {
            origin.pool.put(sender, connections_max);
            return Self::empty();
        }
        Self(Kind::Stream(Box::new(Stream {
            body,
            sender: Some(sender),
            connections_max,
            origin,
            _in_flight: in_flight,
        })))
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Full(_) => "AnswerBody(full)",
            Kind::Stream(_) => "AnswerBody(stream)",
        })
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Stream(stream) => {
                let polled = Pin::new(&mut stream.body).poll_frame(context);
                match &polled {
                    Poll::Ready(Some(Err(error))) => {
                        stream.sender = None;
                        stream.origin.counters.broken.fetch_add(1, Ordering::Relaxed);
                        stream.origin.failed(format!("an answer broke off: {error}"));
                    }
                    Poll::Ready(None) => stream.give_back(),
                    Poll::Ready(Some(Ok(_))) if stream.body.is_end_stream() => stream.give_back(),
                    _ => {}
                }
                polled.map_err(Into::into)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Stream(stream) => stream.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Stream(stream) => stream.body.size_hint(),
        }
    }
}

impl Stream {
    fn give_back(&mut self) {
        if let Some(sender) = self.sender.take() {
            self.origin.pool.put(sender, self.connections_max);
        }
    }
}
