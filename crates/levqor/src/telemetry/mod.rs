//! Log lines: readable for people, JSON for machines; each one names the region. And spans for OpenTelemetry, when there is a collector.

mod spans;

use std::fmt;

use levqor_model::RegionCode;
use levqor_server::{error_reporter::ErrorReporter, otlp::Exporter};
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{Format, Full, Writer},
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{
    config::{Log, LogFormat},
    error_layer::ErrorLayer,
};
use spans::Spans;

/// Sends log lines to standard error from now on, spans to the exporter, and errors to the reporter, when there is one.
///
/// # Errors
/// When the filter cannot be understood; names it and the remedy.
pub fn start(
    log: &Log,
    region: &RegionCode,
    exporter: Option<Exporter>,
    reporter: Option<&ErrorReporter>,
) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| {
        format!(
            "log: {:?} is not a log filter ({error}); write it like info or levqor_engine=debug,info",
            log.filter
        )
    })?;
    let region = region.to_string();
    let errors = reporter.cloned().map(ErrorLayer);
    // Only with a collector: to ask each layer by itself costs each span a little.
    if let Some(exporter) = exporter {
        let spans = Spans::new(exporter).with_filter(Spans::wanted());
        let lines = match log.format {
            LogFormat::Pretty => tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
                .event_format(PrettyLine { region, format: Format::default() })
                .with_filter(filter)
                .boxed(),
            LogFormat::Json => tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(false)
                .event_format(JsonLine { region })
                .with_filter(filter)
                .boxed(),
        };
        let all = tracing_subscriber::registry().with(lines).with(spans).with(errors);
        return all.try_init().map_err(|error| error.to_string());
    }
    let started = match log.format {
        LogFormat::Pretty => tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .event_format(PrettyLine { region, format: Format::default() })
            .finish()
            .with(errors)
            .try_init(),
        LogFormat::Json => tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .event_format(JsonLine { region })
            .finish()
            .with(errors)
            .try_init(),
    };
    started.map_err(|error| error.to_string())
}

/// The usual line of `tracing_subscriber`, after the region.
struct PrettyLine {
    region: String,
    format: Format<Full>,
}

impl<S, N> FormatEvent<S, N> for PrettyLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "region={} ", self.region)?;
        self.format.format_event(context, writer, event)
    }
}

/// One JSON object a line: `time`, `level`, `region`, `target`, `message`, the event's fields, `spans`.
struct JsonLine {
    region: String,
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        line.insert("time".into(), time.into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        line.insert("region".into(), self.region.as_str().into());
        line.insert("target".into(), event.metadata().target().into());
        event.record(&mut Members(&mut line));
        let spans: Vec<Value> = context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
            .map(|span| {
                let extensions = span.extensions();
                let fields =
                    extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
                Value::from(format!("{} {fields}", span.name()).trim_end().to_owned())
            })
            .collect();
        if !spans.is_empty() {
            line.insert("spans".into(), spans.into());
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct Members<'a>(&'a mut Map<String, Value>);

impl Visit for Members<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}
