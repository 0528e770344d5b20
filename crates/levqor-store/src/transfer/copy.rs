//! Fills a table of the target.

use super::{
    Failure, Options, Step, Tally,
    row::{END, HEADER, Unfit, encode, key_shown},
    tables::{Table, given_numbers, quoted},
};
use crate::{Error, Session};

/// Copies all rows of a table, one by one: none but the one in hand is in memory.
pub(super) fn table(
    source: &Session,
    target: &Session,
    table: &Table,
    of: u64,
    options: &Options,
    tell: &mut dyn FnMut(Step<'_>),
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut fault = None;
    let mut bytes = Vec::new();
    let into = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.quoted(), table.column_list());
    let taken = target.copy_in(&into, |stream| {
        stream.write(HEADER)?;
        let mut lost = None;
        let read = source.each_row_of_text(&table.select(), |row| {
            bytes.clear();
            match encode(row, table, options.zeros, &mut bytes)? {
                Ok(replaced) => tally.replaced += replaced,
                Err(unfit) => {
                    fault = Some(unfit_row(unfit, &bytes, table));
                    return Ok(false);
                }
            }
            if let Err(error) = stream.write(&bytes) {
                lost = Some(error);
                return Ok(false);
            }
            tally.add(&bytes);
            if tally.is_worth_a_word() {
                tell(Step::Copying { table: &table.name, rows: tally.rows, of });
            }
            Ok(true)
        });
        if let Some(error) = lost {
            return Err(error);
        }
        if let Err(error) = read {
            fault = Some(Failure::Source(error));
        }
        // What makes the copy fail here is told below; the transaction goes with it.
        if fault.is_some() { Err(Error::Closed) } else { stream.write(&END) }
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    let refused = |error: Error| Failure::Refused { table: table.name.clone(), error };
    let taken = taken.map_err(refused)?;
    if taken != tally.rows {
        let problem = format!("{} rows were sent and {taken} were taken", tally.rows);
        return Err(Failure::Differs { table: table.name.clone(), problem });
    }
    finish(target, table).map_err(refused)?;
    Ok(tally)
}

pub(super) fn unfit_row(unfit: Unfit, row: &[u8], table: &Table) -> Failure {
    let Unfit { column, problem, is_zero } = unfit;
    let remedy = if is_zero {
        "With --replace-zeros such characters become U+FFFD in the copy"
    } else {
        "Correct or delete the row with sqlite3 while no server runs, and try again"
    };
    Failure::Unfit { table: table.name.clone(), key: key_shown(row, table), column, problem, remedy }
}

/// Numbers that the database gives go on after the highest that came, and the planner learns what is there.
fn finish(target: &Session, table: &Table) -> Result<(), Error> {
    let name = table.quoted();
    for column in given_numbers(target, table)? {
        let most = quoted(&column);
        target.settle(&format!(
            "SELECT setval(pg_get_serial_sequence('{name}', '{column}'), found.most)
             FROM (SELECT max({most}) AS most FROM {name}) AS found WHERE found.most > 0"
        ))?;
    }
    target.settle(&format!("ANALYZE {name}"))
}
