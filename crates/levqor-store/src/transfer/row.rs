//! A row on its way: the form in which PostgreSQL's binary COPY takes and gives it.
//!
//! ```text
//! number of fields (2 bytes), for each: length (4 bytes; -1: null), bytes
//! ```
//!
//! The same row has the same bytes on both sides, so that two rows are equal when these are.

use std::cmp::Ordering;

use super::{
    Zeros,
    tables::{Kind, Table},
};
use crate::{Error, Row, postgres::CopyOut, value::Cell};

/// What the stream begins with: its mark, no flags, no extension.
pub(super) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with, in the place of a number of fields.
pub(super) const END: [u8; 2] = (-1_i16).to_be_bytes();
/// The length of a null.
const NULL: i32 = -1;

/// Longest text of a key that is shown.
const SHOWN_CHARS: usize = 120;

/// A value that the target cannot hold.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) column: String,
    pub(super) problem: String,
    /// Whether [`Zeros::Replace`] would let it pass.
    pub(super) is_zero: bool,
}

/// Appends the row. What does not fit is the inner error; what comes before it stays in `out`. The number of texts whose
/// zero characters were replaced.
pub(super) fn encode(
    row: &mut Row<'_>,
    table: &Table,
    zeros: Zeros,
    out: &mut Vec<u8>,
) -> Result<Result<u64, Unfit>, Error> {
    let mut replaced = 0;
    let fields = i16::try_from(table.columns.len()).unwrap_or(i16::MAX);
    out.extend_from_slice(&fields.to_be_bytes());
    for (place, column) in table.columns.iter().enumerate() {
        let unfit = |problem: String, is_zero: bool| Unfit { column: column.name.clone(), problem, is_zero };
        match (row.cell()?, column.kind) {
            (Cell::Null, _) => out.extend_from_slice(&NULL.to_be_bytes()),
            (Cell::Bigint(number), Kind::Bigint) => field(out, &number.to_be_bytes()),
            (Cell::Bigint(flag @ (0 | 1)), Kind::Boolean) => field(out, &[u8::from(flag == 1)]),
            (Cell::Text(text), Kind::Text) if text.contains('\0') => {
                // In a key it could make two rows one, and another order.
                if zeros == Zeros::Refuse || place < table.key {
                    let is_zero = place >= table.key;
                    return Ok(Err(unfit("has the character U+0000".to_owned(), is_zero)));
                }
                replaced += 1;
                field(out, text.replace('\0', "\u{fffd}").as_bytes());
            }
            (Cell::Text(text), Kind::Text) => field(out, text.as_bytes()),
            (Cell::Bytes(bytes), Kind::Bytes) => field(out, bytes),
            (cell, kind) => {
                let problem = format!("holds {} in the place of {}", cell.kind(), kind.name());
                return Ok(Err(unfit(problem, false)));
            }
        }
    }
    Ok(Ok(replaced))
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    // SQLite holds no value that is longer.
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The rows that the target gives.
#[derive(Debug)]
pub(super) struct Rows<'a, 'b> {
    stream: &'a mut CopyOut<'b>,
}

impl<'a, 'b> Rows<'a, 'b> {
    pub(super) fn begin(stream: &'a mut CopyOut<'b>) -> Result<Self, Error> {
        let mut header = [0; HEADER.len()];
        stream.read(&mut header)?;
        if header == *HEADER {
            Ok(Self { stream })
        } else {
            Err(Error::Decode("the target's rows do not begin as binary COPY does".to_owned()))
        }
    }

    /// Puts the next row in the place of what is in `out`; false: there are no more.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        out.clear();
        let fields = self.number(out)?;
        if fields == END {
            return Ok(false);
        }
        for _ in 0..i16::from_be_bytes(fields) {
            let length = i32::from_be_bytes(self.number(out)?);
            // Null has no bytes.
            let length = usize::try_from(length).unwrap_or_default();
            let begin = out.len();
            out.resize(begin + length, 0);
            self.stream.read(out.get_mut(begin..).unwrap_or_default())?;
        }
        Ok(true)
    }

    fn number<const N: usize>(&mut self, out: &mut Vec<u8>) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.stream.read(&mut bytes)?;
        out.extend_from_slice(&bytes);
        Ok(bytes)
    }
}

/// The fields of a row; fewer when it ends early. None: null.
pub(super) fn fields(row: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = row.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else { return Some(None) };
        let (field, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(Some(field))
    })
}

/// The order of two rows by their keys.
pub(super) fn by_key(one: &[u8], other: &[u8], table: &Table) -> Ordering {
    let pairs = fields(one).zip(fields(other)).zip(&table.columns).take(table.key);
    for ((one, other), column) in pairs {
        let order = match column.kind {
            Kind::Bigint => number(one).cmp(&number(other)),
            Kind::Text | Kind::Boolean | Kind::Bytes => one.cmp(&other),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn number(field: Option<&[u8]>) -> Option<i64> {
    Some(i64::from_be_bytes(field?.try_into().ok()?))
}

/// The key of a row for people, as far as the row goes: `run_id "run_1", seq 3`.
pub(super) fn key_shown(row: &[u8], table: &Table) -> String {
    let key = table.columns.iter().take(table.key);
    let shown: Vec<_> = fields(row)
        .zip(key)
        .map(|(field, column)| {
            let value = match (field, column.kind) {
                (None, _) => "null".to_owned(),
                (Some(bytes), Kind::Text) => {
                    let text: String = String::from_utf8_lossy(bytes).chars().take(SHOWN_CHARS).collect();
                    format!("{text:?}")
                }
                (field, Kind::Bigint) => {
                    number(field).map_or_else(|| "?".to_owned(), |number| number.to_string())
                }
                (Some(bytes), Kind::Boolean | Kind::Bytes) => {
                    bytes.iter().take(SHOWN_CHARS / 2).map(|byte| format!("{byte:02x}")).collect()
                }
            };
            format!("{} {value}", column.name)
        })
        .collect();
    if shown.is_empty() { "with a key that cannot be shown".to_owned() } else { shown.join(", ") }
}

/// The first column in which two rows with one key differ.
pub(super) fn column_that_differs<'a>(one: &[u8], other: &[u8], table: &'a Table) -> Option<&'a str> {
    let pairs = fields(one).zip(fields(other)).zip(&table.columns);
    pairs.into_iter().find(|((one, other), _)| one != other).map(|(_, column)| column.name.as_str())
}
