//! The signed record of each day: made when nothing more comes of it, and given to everybody with what it was counted from.

use levqor_model::{
    Date,
    uptime::{Observation, UptimeRecord},
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
/// Observations that are read at once, and of a day.
const PAGE: usize = 10_000;
const OF_A_DAY_MAX: usize = 2_000_000;

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
        let observations = all(app, day).await?;
        let counted = u64::try_from(observations.len()).unwrap_or(u64::MAX);
        let key = audit::signing_key(app).await?;
        let before = std::mem::take(&mut previous);
        // Some hundred milliseconds of counting and hashing when there are many nodes.
        let signed =
            tokio::task::spawn_blocking(move || UptimeRecord::of(day, &observations, before).sign(&key));
        let signed = signed.await.map_err(|error| Error::Unavailable(error.to_string()))?;
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

async fn all(app: &App, day: Date) -> Result<Vec<Observation>, Error> {
    let mut found: Vec<Observation> = Vec::new();
    loop {
        let page = app.store.observations(day, found.last().cloned(), PAGE).await?;
        let is_end = page.len() < PAGE;
        found.extend(page);
        if is_end {
            return Ok(found);
        }
        if found.len() > OF_A_DAY_MAX {
            return Err(Error::Unavailable(format!("{day} has more than {OF_A_DAY_MAX} observations")));
        }
    }
}
