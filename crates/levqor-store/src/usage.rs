//! What accounts used, a row a day.

use levqor_model::{AccountId, Date, UsageCount};

use crate::{Error, Store};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageDay {
    pub day: Date,
    pub count: UsageCount,
}

impl Store {
    /// Runs are counted where they are accepted; credits here. None: an anonymous caller.
    pub async fn add_ai_credits(
        &self,
        _account: Option<AccountId>,
        _day: Date,
        _credits: i64,
    ) -> Result<(), Error> {
        unimplemented!("add_ai_credits")
    }

    /// Sums from `from` to `until`, both included; `workflows` is their number now. None: the whole platform.
    pub async fn usage(
        &self,
        _account: Option<AccountId>,
        _from: Date,
        _until: Date,
    ) -> Result<UsageCount, Error> {
        unimplemented!("usage")
    }

    /// A row for each day with anything in it, oldest first; `workflows` as it stood at the end of that day.
    pub async fn usage_days(
        &self,
        _account: Option<AccountId>,
        _from: Date,
        _until: Date,
    ) -> Result<Vec<UsageDay>, Error> {
        unimplemented!("usage_days")
    }
}
