//! What is told at the end, on standard output.

use std::{io::stdout, time::Duration};

use indicatif::{HumanBytes, HumanCount};
use levqor_store::transfer::{Outlook, Report};
use serde_json::{Value, json};

use super::{Outcome, Plan};
use crate::console::{Tone, paint, say, table};

pub(super) fn tell(plan: &Plan, outcome: &Outcome, as_json: bool) {
    if as_json {
        say(format_args!("{:#}", report(plan, outcome)));
        return;
    }
    match outcome {
        Outcome::Looked(outlook, hindrances) => tell_outlook(plan, outlook, hindrances),
        Outcome::Compared(report) => {
            tell_report(report);
            say(format_args!("{}", good("The two are the same, value by value.")));
        }
        Outcome::Moved(report, marked) => {
            tell_report(report);
            say(format_args!(
                "{}",
                good(&format!("Moved to {}, compared value by value.", plan.target.shown()))
            ));
            say(format_args!("\nNext:"));
            say(format_args!("  set LEVQOR_DATABASE_URL to it where the server is started"));
            say(format_args!(
                "  set SECURITY_HMAC_SECRET to what it was (without one: what is in development.secret of the data directory), since \
                 stored secrets are sealed with it"
            ));
            if *marked {
                say(format_args!(
                    "  {} stays as it was; a server on it is refused as long as the file MOVED is beside it",
                    plan.source.file.display()
                ));
            }
        }
    }
}

fn good(text: &str) -> String {
    paint(text, Tone::Good, &stdout())
}

fn tell_outlook(plan: &Plan, outlook: &Outlook, hindrances: &[String]) {
    let filled: Vec<_> = outlook.tables.iter().filter(|(_, rows)| *rows > 0).collect();
    let rows: u64 = filled.iter().map(|(_, rows)| rows).sum();
    say(format_args!(
        "{}",
        table(
            &["table", "rows"],
            filled.iter().map(|(name, rows)| vec![name.clone(), HumanCount(*rows).to_string()])
        )
    ));
    say(format_args!(
        "\n{} rows of {} tables would be copied from {} to {}, which is empty.",
        HumanCount(rows),
        filled.len(),
        plan.source.file.display(),
        plan.target.shown()
    ));
    for (side, schema) in [("source", outlook.source_schema), ("target", outlook.target_schema)] {
        if schema < outlook.expected {
            say(format_args!("The {side}'s schema would be brought from {schema} to {}.", outlook.expected));
        }
    }
    for hindrance in hindrances {
        say(format_args!("{} {hindrance}", paint("first:", Tone::Warning, &stdout())));
    }
}

fn tell_report(report: &Report) {
    let filled = report.tables.iter().filter(|table| table.rows > 0);
    let rows =
        filled.map(|table| line(&table.table, table.rows, table.bytes, table.copied_in + table.compared_in));
    let rows_all = report.tables.iter().map(|table| table.rows).sum();
    let bytes_all = report.tables.iter().map(|table| table.bytes).sum();
    let all = line("all", rows_all, bytes_all, report.elapsed);
    say(format_args!("{}", table(&["table", "rows", "bytes", "seconds"], rows.chain([all]))));
    let empty = report.tables.iter().filter(|table| table.rows == 0).count();
    say(format_args!("\n{empty} more tables are empty."));
    if report.replaced > 0 {
        say(format_args!("In {} texts U+FFFD came in the place of U+0000.", report.replaced));
    }
    for warning in &report.warnings {
        say(format_args!("{} {warning}; it was so before", paint("warning:", Tone::Warning, &stdout())));
    }
}

fn line(name: &str, rows: u64, bytes: u64, span: Duration) -> Vec<String> {
    vec![
        name.to_owned(),
        HumanCount(rows).to_string(),
        HumanBytes(bytes).to_string(),
        format!("{:.1}", span.as_secs_f64()),
    ]
}

fn report(plan: &Plan, outcome: &Outcome) -> Value {
    let mut told = json!({
        "from": plan.source.file.display().to_string(),
        "to": plan.target.shown(),
        "moved": matches!(outcome, Outcome::Moved(..)),
    });
    let more = match outcome {
        Outcome::Looked(outlook, hindrances) => json!({
            "source_schema": outlook.source_schema,
            "target_schema": outlook.target_schema,
            "schema": outlook.expected,
            "tables": outlook.tables.iter().map(|(name, rows)| json!({ "table": name, "rows": rows })).collect::<Vec<_>>(),
            "first": hindrances,
        }),
        Outcome::Compared(report) => of_report(report),
        Outcome::Moved(report, marked) => {
            let mut told = of_report(report);
            told["marked"] = json!(marked);
            told
        }
    };
    if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
        told.extend(more);
    }
    told
}

fn of_report(report: &Report) -> Value {
    let tables = report.tables.iter().map(|table| {
        json!({
            "table": table.table,
            "rows": table.rows,
            "bytes": table.bytes,
            "sha256": table.sha256,
            "copied_ms": millis(table.copied_in),
            "compared_ms": millis(table.compared_in),
        })
    });
    json!({
        "schema": report.schema,
        "tables": tables.collect::<Vec<_>>(),
        "rows": report.tables.iter().map(|table| table.rows).sum::<u64>(),
        "bytes": report.tables.iter().map(|table| table.bytes).sum::<u64>(),
        "texts_replaced": report.replaced,
        "warnings": report.warnings,
        "elapsed_ms": millis(report.elapsed),
    })
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
