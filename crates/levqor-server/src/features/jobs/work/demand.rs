//! How many requests come from which country: counted in memory, written once a minute.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use levqor_model::Date;
use levqor_store::{Error, countries::CountryCount};

use crate::App;

/// Counts that are kept until they are written. There are 676 pairs of letters, so this is some days without a database.
const WAITING_MAX: usize = 5_000;

#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<(Date, String), i64>>);

fn memory(app: &App) -> Arc<Memory> {
    app.memory(|_| Memory::default())
}

impl Memory {
    fn add(&self, day: Date, country: String, requests: i64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (day, country);
        if counts.len() < WAITING_MAX || counts.contains_key(&key) {
            *counts.entry(key).or_default() += requests;
        }
    }
}

/// A request from there was answered.
pub(crate) fn asked_from(app: &App, country: &str) {
    memory(app).add(app.now().date(), country.to_owned(), 1);
}

/// Writes what was counted.
///
/// # Errors
/// When the store cannot be written; nothing is lost then.
pub(crate) async fn write(app: &App) -> Result<(), Error> {
    let memory = memory(app);
    let counts = std::mem::take(&mut *memory.0.lock().unwrap_or_else(PoisonError::into_inner));
    if counts.is_empty() {
        return Ok(());
    }
    let region = &app.region.code;
    let rows = counts.iter().map(|((day, country), requests)| CountryCount {
        day: *day,
        region: region.clone(),
        country: country.clone(),
        requests: *requests,
    });
    let written = app.store.add_country_counts(rows.collect()).await;
    if written.is_err() {
        counts.into_iter().for_each(|((day, country), requests)| memory.add(day, country, requests));
    }
    written
}
