//! Forgetting old rows without getting in anyone's way: small batches between other writes, and the space given back.

use crate::{Error, Store, value::Value};

/// Rows that one batch deletes: about a millisecond of the writer's time.
pub(crate) const BATCH: usize = 500;

/// Pages that one batch gives back to the disk.
const PAGES: u32 = 1_000;

impl Store {
    /// Deletes in batches until one finds less than its fill. `sql` deletes at most [`BATCH`] rows, its last parameter.
    ///
    /// Not atomic: when it is dropped or fails, what was deleted stays deleted and the next call goes on.
    pub(crate) async fn prune(
        &self,
        sql: &'static str,
        before: levqor_model::Timestamp,
    ) -> Result<u64, Error> {
        let mut total = 0;
        loop {
            let deleted = self
                .write(move |session| {
                    let params = [Value::Bigint(before.as_micros()), Value::Bigint(BATCH as i64)];
                    let deleted = session.execute(sql, &params)?;
                    session.release_pages(PAGES)?;
                    Ok(deleted)
                })
                .await?;
            total += deleted;
            if deleted < BATCH as u64 {
                return Ok(total);
            }
        }
    }
}
