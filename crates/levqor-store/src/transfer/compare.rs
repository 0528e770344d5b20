//! Holds a table of the target, as it is read back, against the source: row by row, value by value.

use std::cmp::Ordering;

use sha2::{Digest, Sha256};

use super::{
    Failure, Options, Step, Tally,
    copy::unfit_row,
    row::{Rows, by_key, column_that_differs, encode, key_shown},
    tables::Table,
};
use crate::Session;

/// The first difference is a failure that names the row. The tally's digest is that of the target's rows in the order of
/// their keys.
pub(super) fn table(
    source: &Session,
    target: &Session,
    table: &Table,
    of: u64,
    options: &Options,
    tell: &mut dyn FnMut(Step<'_>),
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut digest = Sha256::new();
    let mut fault = None;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let rows = format!("COPY ({}) TO STDOUT (FORMAT binary)", table.select());
    let compared = target.copy_out(&rows, |stream| {
        let mut rows = Rows::begin(stream)?;
        let mut lost = None;
        let read = source.each_row_of_text(&table.select(), |row| {
            ours.clear();
            match encode(row, table, options.zeros, &mut ours)? {
                Ok(replaced) => tally.replaced += replaced,
                Err(unfit) => {
                    fault = Some(unfit_row(unfit, &ours, table));
                    return Ok(false);
                }
            }
            match rows.next(&mut theirs) {
                Ok(true) if ours == theirs => {}
                Ok(is_there) => {
                    let problem = difference(&ours, is_there.then_some(theirs.as_slice()), table);
                    fault = Some(Failure::Differs { table: table.name.clone(), problem });
                    return Ok(false);
                }
                Err(error) => {
                    lost = Some(error);
                    return Ok(false);
                }
            }
            digest.update(&theirs);
            tally.add(&theirs);
            if tally.is_worth_a_word() {
                tell(Step::Comparing { table: &table.name, rows: tally.rows, of });
            }
            Ok(true)
        });
        if let Some(error) = lost {
            return Err(error);
        }
        if let Err(error) = read {
            fault = Some(Failure::Source(error));
        }
        if fault.is_none() && rows.next(&mut theirs)? {
            let problem = format!("the row {} is in the target only", key_shown(&theirs, table));
            fault = Some(Failure::Differs { table: table.name.clone(), problem });
        }
        Ok(())
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    compared.map_err(|error| Failure::Unread { table: table.name.clone(), error })?;
    tally.sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(tally)
}

/// None: the target has no more rows.
fn difference(ours: &[u8], theirs: Option<&[u8]>, table: &Table) -> String {
    let key = key_shown(ours, table);
    let Some(theirs) = theirs else { return format!("the row {key} is missing in the target") };
    match by_key(ours, theirs, table) {
        Ordering::Less => format!("the row {key} is missing in the target"),
        Ordering::Greater => format!("the row {} is in the target only", key_shown(theirs, table)),
        Ordering::Equal => {
            let column = column_that_differs(ours, theirs, table).unwrap_or("?");
            format!("the row {key} has another {column} in the target")
        }
    }
}
