//! The signed record of each day: made when nothing more comes of it, and given to everybody with what it was counted from.

use levqor_model::{
    Date,
    uptime::{Observation, OutOfOrder, Tally},
};
use levqor_store::{
    Error,
    uptime::{KeptUptime, SETTLES},
};

use crate::{App, features::audit};

/// Days back at which the first record begins; of what came before, single observations are not kept.
const BACK: i64 = 6;
/// Days that one round seals.
const AT_ONCE: usize = 31;
/// Observations that are read at once.
const PAGE: usize = 10_000;

/// The job: seals each day that is over and settled, in their order.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) async fn seal(app: &App) -> Result<(), Error> {
    let now = app.now();
    let last = app.store.last_uptime_record().await?;
    let (mut day, mut previous) = match last {
        Some(last) => (last.day.plus_days(1), last.signed.sha256),
        None => match app.store.first_sample_day().await? {
            Some(first) => (first.max(now.date().plus_days(-BACK)), String::new()),
            None => return Ok(()),
        },
    };
    for _ in 0..AT_ONCE {
        if now < day.plus_days(1).start() + SETTLES {
            break;
        }
        let tally = count(app, day).await?;
        let counted = tally.counted();
        let key = audit::signing_key(app).await?;
        let signed = tally.record(std::mem::take(&mut previous)).sign(&key);
        previous.clone_from(&signed.sha256);
        if !app.store.keep_uptime(KeptUptime { day, signed, sealed_at: now }, counted).await? {
            // Somebody else was faster, and what they signed is the one to go on from; or something came late, and it is counted again.
            break;
        }
        tracing::info!("the uptime of {day} is counted and signed");
        day = day.plus_days(1);
    }
    Ok(())
}

/// Counts a day page by page: however many observations it has, one page of them is in memory.
async fn count(app: &App, day: Date) -> Result<Tally, Error> {
    let mut tally = Tally::new(day);
    let mut after: Option<Observation> = None;
    loop {
        let page = app.store.observations(day, after, PAGE).await?;
        let is_end = page.len() < PAGE;
        after = page.last().cloned();
        // Some milliseconds of counting and hashing, which hold up nobody who asks for something.
        let counted = tokio::task::spawn_blocking(move || {
            for one in &page {
                tally.add(one)?;
            }
            Ok::<_, OutOfOrder>(tally)
        });
        let counted = counted.await.map_err(|error| Error::Unavailable(error.to_string()))?;
        tally = counted.map_err(|error| Error::Decode(error.to_string()))?;
        if is_end {
            return Ok(tally);
        }
    }
}
