//! The log of AI calls: who, where, how long, how much; never what was said.

use levqor_model::{AccountId, RegionCode, Timestamp};

use crate::{Error, Store};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiRequest {
    pub at: Timestamp,
    pub account_id: Option<AccountId>,
    pub region: RegionCode,
    /// `chat`, `workflow`, …
    pub kind: String,
    pub backend: String,
    pub language: String,
    pub success: bool,
    pub credits: i64,
    pub latency_us: i64,
}

impl Store {
    pub async fn add_ai_request(&self, _request: AiRequest) -> Result<(), Error> {
        unimplemented!("add_ai_request")
    }

    /// Newest first.
    pub async fn ai_requests(
        &self,
        _account: Option<AccountId>,
        _before: Option<Timestamp>,
        _limit: usize,
    ) -> Result<Vec<AiRequest>, Error> {
        unimplemented!("ai_requests")
    }
}
