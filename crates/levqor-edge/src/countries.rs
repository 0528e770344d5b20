//! Which country an address is in, by a file in MaxMind's format (MaxMind DB 2.0).
//!
//! Whatever the file is, it only steers: an address that it does not know, or a row that cannot be read, is nobody's country.

use std::{fmt, fs, io::Read as _, net::IpAddr, path::Path};

use levqor_model::Timestamp;
use maxminddb::{LookupResult, PathElement, Reader};

/// A larger file is refused unread.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// So many networks are looked at to see whether the file tells countries at all.
const NETWORKS_TRIED: usize = 1_000;
/// Older files are warned of: networks move.
const OLD_AFTER_DAYS: u64 = 90;
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Where the publishers of such files put the country's two letters. The first that is there counts; where a network is registered is asked last.
const PLACES: [&[PathElement<'static>]; 4] = [
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country_code")],
    &[PathElement::Key("country")],
    &[PathElement::Key("registered_country"), PathElement::Key("iso_code")],
];

/// A file of countries, held in memory.
pub struct Countries {
    reader: Reader<Vec<u8>>,
}

impl fmt::Debug for Countries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Countries").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl Countries {
    /// Reads a file. Blocks for the disk.
    ///
    /// # Errors
    /// Why it cannot be used, in a sentence.
    pub fn read(path: &Path) -> Result<Self, String> {
        let mut file = fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
        let mut bytes = Vec::new();
        let read = file.by_ref().take(BYTES_MAX + 1).read_to_end(&mut bytes);
        let size = read.map_err(|error| format!("cannot be read: {error}"))? as u64;
        if size > BYTES_MAX {
            return Err(format!("has more than {} MiB", BYTES_MAX / (1024 * 1024)));
        }
        Self::from_bytes(bytes)
    }

    /// The same from the file's content.
    ///
    /// # Errors
    /// As [`Countries::read`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, String> {
        let reader = Reader::from_source(bytes).map_err(|error| format!("is no MaxMind DB ({error})"))?;
        let countries = Self { reader };
        if countries.knows_any() {
            Ok(countries)
        } else {
            Err(format!("tells no countries, being a {:?}", countries.kind()))
        }
    }

    /// Two capital letters (ISO 3166-1).
    pub fn of(&self, address: IpAddr) -> Option<&str> {
        country(&self.reader.lookup(address.to_canonical()).ok()?)
    }

    /// What its publisher calls it.
    pub fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// Full days since it was made.
    pub fn age_days(&self, now: Timestamp) -> u64 {
        let now = u64::try_from(now.as_micros() / 1_000_000).unwrap_or_default();
        now.saturating_sub(self.reader.metadata().build_epoch) / SECONDS_PER_DAY
    }

    /// So old that it may steer wrongly.
    pub fn is_old(&self, now: Timestamp) -> bool {
        self.age_days(now) > OLD_AFTER_DAYS
    }

    fn knows_any(&self) -> bool {
        let Ok(networks) = self.reader.networks(maxminddb::WithinOptions::default()) else { return false };
        networks.take(NETWORKS_TRIED).flatten().any(|found| country(&found).is_some())
    }
}

fn country<'a>(found: &LookupResult<'a, Vec<u8>>) -> Option<&'a str> {
    let texts = PLACES.iter().filter_map(|place| found.decode_path::<&str>(place).ok().flatten());
    texts.into_iter().find(|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()))
}
