//! A database with something in every table, the strangest values included.
//!
//! The store's own calls come first. The rows after them are made from the schema, so that a later table has some as well.

use std::path::Path;

use rusqlite::{Connection, types::Value};
use tokio::sync::OnceCell;

use crate::{
    Options, Store, sqlite,
    tests::touch_everything,
    transfer::tables::{self, Kind, Table},
};

/// Rows that are made for each table.
const ROWS: i64 = 12;

/// Texts that one side or the other, or what lies between, might change.
const TEXTS: [&str; 12] = [
    "",
    " space before and after ",
    "quotes ' \" ` and \\ backslashes \\\\",
    "\\N",
    "\\x00 \\u0000 \\.",
    "tab\tline\nreturn\r\nend",
    "\u{1}\u{2}\u{8}\u{b}\u{1f}\u{7f}",
    "é e\u{301} ß İ 中文 \u{202e}right to left",
    "😀 \u{10ffff} \u{feff} \u{fffd}",
    "$1 ?1 %s {} ; DROP TABLE runs; --",
    "NULL",
    "{\"json\": \"\\u0000\"}",
];

const NUMBERS: [i64; 12] =
    [i64::MIN, i64::MAX, 0, -1, 77, i64::MIN + 1, i64::MAX - 1, 255, 256, -256, 1 << 32, -(1 << 32)];

/// Large enough that neither side keeps it in a row's own place.
const LARGE_BYTES: usize = 1024 * 1024;

/// A filled file, made once for all tests.
pub(super) async fn filled() -> &'static [u8] {
    static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
    FILE.get_or_init(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("levqor.db");
        fill(&path).await;
        std::fs::read(&path).unwrap()
    })
    .await
}

/// A file with nothing in it but the schema, made once for all tests.
pub(super) async fn opened() -> &'static [u8] {
    static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
    FILE.get_or_init(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("levqor.db");
        Store::open(Options::file(&path)).unwrap().close().await;
        std::fs::read(&path).unwrap()
    })
    .await
}

async fn fill(path: &Path) {
    let store = Store::open(Options::file(path)).unwrap();
    touch_everything(&store).await;
    store.close().await;
    let session = sqlite::look(path).unwrap();
    let tables = tables::of_source(&session).unwrap();
    drop(session);
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF; BEGIN").unwrap();
    for table in &tables {
        let places = vec!["?"; table.columns.len()].join(", ");
        let insert = format!("INSERT INTO {} ({}) VALUES ({places})", table.quoted(), table.column_list());
        for row in 0..ROWS {
            let values = (0..table.columns.len()).map(|column| value(table, column, row));
            connection
                .execute(&insert, rusqlite::params_from_iter(values))
                .unwrap_or_else(|error| panic!("{}: {error}", table.name));
        }
    }
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// The value of a column, such that keys differ, references lead somewhere and rules are kept.
fn value(table: &Table, place: usize, row: i64) -> Value {
    let column = &table.columns[place];
    let nth = usize::try_from(row).unwrap();
    let has_ended = row % 2 == 0;
    match (table.name.as_str(), column.name.as_str()) {
        ("runs", "status") => return Value::Text(if has_ended { "completed" } else { "waiting" }.to_owned()),
        ("runs", "ended_at") => return if has_ended { Value::Integer(NUMBERS[nth]) } else { Value::Null },
        ("archived_runs", "status") => return Value::Text("faulted".to_owned()),
        ("run_payloads", "part") => return Value::Text("input".to_owned()),
        // The database gives these numbers; it must go on after them.
        (_, name) if table.key == 1 && place == 0 && (name == "place" || name.ends_with("_seq")) => {
            return Value::Integer(1_000 + row);
        }
        (_, "parent_run_id" | "parent_effect") => {}
        _ if column.is_nullable() && row % 3 == 0 => return Value::Null,
        _ => {}
    }
    let is_large = row == 1 && ["body", "definition", "events"].contains(&column.name.as_str());
    match column.kind {
        Kind::Text if column.name.ends_with("_id") => Value::Text(format!("{} {row}", column.name)),
        Kind::Text if is_large => Value::Text("large é\n".repeat(LARGE_BYTES / 9)),
        Kind::Text => Value::Text(format!("{}{row}", TEXTS[nth])),
        Kind::Bigint => Value::Integer(NUMBERS[nth]),
        Kind::Boolean => Value::Integer(row % 2),
        Kind::Bytes if is_large => Value::Blob((0..=255).cycle().take(LARGE_BYTES).collect()),
        Kind::Bytes => Value::Blob(vec![0, 0xff, b'\\', b'x', u8::try_from(row).unwrap()]),
    }
}
