//! Whether this node does jobs of the platform, and what things cost that they reckon with.

use levqor_server::features::jobs::{JobSettings, Price, Prices};

use super::Reader;

impl Reader<'_> {
    pub(super) fn jobs(&mut self) -> JobSettings {
        let ai_credits_1000 = self.price("costs.ai_credits_1000");
        let runs_1000 = self.price("costs.runs_1000");
        let storage_gib_month = self.price("costs.storage_gib_month");
        let is_priced = [ai_credits_1000, runs_1000, storage_gib_month].iter().any(Option::is_some);
        let currency = self.currency(is_priced);
        JobSettings {
            enabled: self.text("jobs.enabled") == "true",
            prices: Prices { currency, ai_credits_1000, runs_1000, storage_gib_month },
        }
    }

    /// None: nobody has set it.
    fn price(&mut self, name: &str) -> Option<Price> {
        let text = self.text(name).to_owned();
        if text.is_empty() {
            return None;
        }
        match text.parse() {
            Ok(price) => Some(price),
            Err(problem) => {
                let (problem, remedy) = problem.split_once("; ").unwrap_or((&problem, "write it like 0.40"));
                self.complain(name, problem, remedy);
                None
            }
        }
    }

    fn currency(&mut self, is_priced: bool) -> Option<String> {
        const NAME: &str = "costs.currency";
        const REMEDY: &str = "write its three letters, such as GBP";
        let text = self.text(NAME).to_owned();
        let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        match (text.is_empty(), is_code) {
            (true, _) if is_priced => self.complain(NAME, "is empty, and there are prices", REMEDY),
            (true, _) | (false, true) => {}
            (false, false) => self.complain(NAME, format!("{text:?} is not a currency"), REMEDY),
        }
        (is_code && is_priced).then_some(text)
    }
}
