//! Spans of `tracing` as spans of OpenTelemetry.
//!
//! A span whose caller sent a `traceparent` goes on with that trace, unless the caller does not want it recorded. Fields that begin with
//! `otel.` say what the span is called and what it is; the others are its attributes.

use std::fmt;

use levqor_model::{Clock, Random, SystemClock, SystemRandom, Timestamp};
use levqor_server::otlp::{Attribute, Exporter, Span, SpanKind};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    filter::{FilterFn, filter_fn},
    layer::Context,
    registry::LookupSpan,
};

/// Attributes of one span.
const ATTRIBUTES_MAX: usize = 32;
/// Characters of an attribute's text, and of an error.
const TEXT_CHARS_MAX: usize = 500;
/// An answer with this status or a larger one is an error of ours.
const SERVER_ERROR: i64 = 500;

/// Hands spans to the exporter as they end.
#[derive(Debug)]
pub struct Spans(Exporter);

/// A span that has not ended.
#[derive(Debug)]
struct Open {
    trace: [u8; 16],
    id: [u8; 8],
    parent: Option<[u8; 8]>,
    is_wanted: bool,
    name: String,
    kind: SpanKind,
    began_at: Timestamp,
    attributes: Vec<(String, Attribute)>,
    error: Option<String>,
}

impl Spans {
    pub fn new(exporter: Exporter) -> Self {
        Self(exporter)
    }

    /// Our own spans, and what says that something in them went wrong.
    pub fn wanted() -> FilterFn {
        let wanted: fn(&Metadata<'_>) -> bool = |metadata| {
            metadata.target().starts_with("levqor")
                && (metadata.is_span() || *metadata.level() == Level::ERROR)
        };
        filter_fn(wanted).with_max_level_hint(LevelFilter::DEBUG)
    }
}

impl<S> Layer<S> for Spans
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let above = span.parent().and_then(|parent| {
            parent.extensions().get::<Open>().map(|open| (open.trace, open.id, open.is_wanted))
        });
        let (first, second) = (SystemRandom.u64().to_be_bytes(), SystemRandom.u64().to_be_bytes());
        let mut open = Open {
            trace: above.map_or_else(|| joined(first, second), |(trace, ..)| trace),
            id: SystemRandom.u64().to_be_bytes(),
            parent: above.map(|(_, id, _)| id),
            is_wanted: above.is_none_or(|(.., is_wanted)| is_wanted),
            name: span.name().to_owned(),
            kind: SpanKind::Internal,
            began_at: SystemClock.now(),
            attributes: Vec::new(),
            error: None,
        };
        attributes.record(&mut open);
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(open);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(span) = context.event_span(event) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            let mut message = Message(None);
            event.record(&mut message);
            open.error = message.0.or_else(|| Some("error".to_owned()));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(open) = context.span(&id).and_then(|span| span.extensions_mut().remove::<Open>()) else {
            return;
        };
        if open.is_wanted {
            let Open { trace, id, parent, is_wanted: _, name, kind, began_at, attributes, error } = open;
            let ended_at = SystemClock.now().max(began_at);
            self.0.tell_span(Span { trace, id, parent, name, kind, began_at, ended_at, attributes, error });
        }
    }
}

impl Open {
    fn take(&mut self, field: &Field, value: Attribute) {
        match (field.name(), value) {
            ("otel.name", Attribute::Text(name)) => self.name = name,
            ("otel.kind", Attribute::Text(kind)) if kind == "server" => self.kind = SpanKind::Server,
            ("otel.traceparent", Attribute::Text(text)) => {
                if let Some((trace, parent, is_wanted)) = traceparent(&text) {
                    self.trace = trace;
                    self.parent = Some(parent);
                    self.is_wanted = is_wanted;
                }
            }
            (name, value) => {
                if let ("http.response.status_code", Attribute::Whole(SERVER_ERROR..)) = (name, &value) {
                    self.error.get_or_insert_with(|| "the answer is a server error".to_owned());
                }
                if self.attributes.len() < ATTRIBUTES_MAX {
                    self.attributes.push((name.to_owned(), value));
                }
            }
        }
    }
}

impl Visit for Open {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, Attribute::Text(short(&format!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, Attribute::Text(short(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, Attribute::Whole(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, Attribute::Whole(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, Attribute::Fraction(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, Attribute::Flag(value));
    }
}

/// What an event says.
struct Message(Option<String>);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = Some(short(&format!("{value:?}")));
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

fn joined(first: [u8; 8], second: [u8; 8]) -> [u8; 16] {
    let mut all = [0; 16];
    all[..8].copy_from_slice(&first);
    all[8..].copy_from_slice(&second);
    all
}

/// The trace, the span in it that called us, and whether it is recorded.
///
/// Source: W3C Trace Context, "traceparent Header".
fn traceparent(text: &str) -> Option<([u8; 16], [u8; 8], bool)> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let [version] = bytes::<1>(version)?;
    // Version 255 is none, and of version 0 there is no more.
    if version == 0xff || (version == 0 && parts.next().is_some()) {
        return None;
    }
    let (trace, parent, [flags]) = (bytes::<16>(trace)?, bytes::<8>(parent)?, bytes::<1>(flags)?);
    (trace != [0; 16] && parent != [0; 8]).then_some((trace, parent, flags & 1 == 1))
}

/// Exactly so many bytes in lower-case hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != N * 2 || !text.bytes().all(is_plain) {
        return None;
    }
    let mut found = [0; N];
    for (place, byte) in found.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (trace, parent, is_wanted) = traceparent(good).unwrap();
        assert_eq!((trace[0], trace[15], parent[0], is_wanted), (0x0a, 0x9c, 0xb7, true));
        assert!(!traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").unwrap().2);
        // A later version may say more.
        assert!(traceparent("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more").is_some());
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0é",
        ] {
            assert!(traceparent(text).is_none(), "{text}");
        }
    }
}
