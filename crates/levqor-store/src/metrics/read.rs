use levqor_model::{SeriesPoints, SeriesQuery};

use crate::{Error, Store};

impl Store {
    /// The series of a name with these labels, by their labels.
    pub async fn series(&self, query: SeriesQuery) -> Result<Vec<SeriesPoints>, Error> {
        Ok(self.series_of(query).await?.series)
    }
}
