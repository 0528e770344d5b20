//! The blueprint: every promise to customers, in one file (SPEC §8).

use serde::Deserialize;

use crate::{Currency, Money};

/// All promises, as `blueprint.toml` states them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blueprint {
    pub currency: Currency,
    #[serde(rename = "plan")]
    pub plans: Vec<Plan>,
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
    pub package_revision_rounds: u32,
    pub trial: Trial,
    pub money_back_days: u32,
    pub uptime: Uptime,
    pub fair_use: FairUse,
    #[serde(rename = "addon")]
    pub addons: Vec<Addon>,
    pub lifecycle: Lifecycle,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub code: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub name: String,
    /// Minor units.
    pub month_price: i64,
    /// Minor units.
    pub year_price: i64,
    pub workflows: i64,
    pub runs_per_month: i64,
    pub ai_credits: i64,
    pub first_response_hours: u32,
    /// Turns that its accounts get, against 1, when places for runs are short.
    #[serde(default = "one")]
    pub queue_weight: u32,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    pub code: String,
    pub name: String,
    /// Minor units.
    pub price: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    pub days: u32,
    /// Trials that an account may have at once.
    pub active_per_account: u32,
    pub headline: String,
    pub card_note: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uptime {
    /// Promised availability in parts per million: 999000 is 99.9 %.
    pub promise_ppm: u32,
    #[serde(rename = "credit")]
    pub credits: Vec<ServiceCredit>,
}

/// A share of the month's price that comes back when the month's uptime fell into this band.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceCredit {
    /// The band, as customers read it: `99.0–99.9 %`.
    pub band: String,
    /// The band starts here (inclusive), parts per million.
    pub from_ppm: u32,
    pub percent: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FairUse {
    pub requests_per_minute: u32,
    pub concurrent_runs: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addon {
    pub code: String,
    pub name: String,
    /// Minor units a month.
    pub month_price: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    pub nudge_days: Vec<u32>,
}

/// Why a blueprint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlueprintError {
    #[error("blueprint: {0}")]
    Syntax(String),
    #[error("blueprint: plan {0:?} is listed twice")]
    DuplicatePlan(String),
    #[error("blueprint: there is no plan")]
    NoPlan,
    /// Codes stand in the names of promises.
    #[error("blueprint: {list} {code:?}: a code is made of small letters, digits and underscores")]
    BadCode { list: &'static str, code: String },
    #[error("blueprint: {list} {code:?} is listed twice")]
    DuplicateCode { list: &'static str, code: String },
    #[error("blueprint: {list} {code:?} has a price below zero")]
    NegativePrice { list: &'static str, code: String },
    #[error("blueprint: uptime.credit: the bands must go down from below the promise to 0")]
    CreditBands,
    /// What is written out must not say something else than the number.
    #[error("blueprint: trial.{key}: does not name day {days}, which trial.days says")]
    TrialWords { key: &'static str, days: u32 },
}

impl Blueprint {
    /// The blueprint that this build ships.
    pub const SHIPPED: &'static str = include_str!("../../../blueprint.toml");

    /// # Errors
    /// A syntax error with its line, an unknown or missing key, no plan, a code that is none or is used twice, a price below
    /// zero, bands of service credits out of order, or words for the trial that name another number of days.
    pub fn parse(text: &str) -> Result<Self, BlueprintError> {
        let blueprint: Blueprint =
            toml::from_str(text).map_err(|error| BlueprintError::Syntax(error.to_string()))?;
        if blueprint.plans.is_empty() {
            return Err(BlueprintError::NoPlan);
        }
        let mut seen = std::collections::BTreeSet::new();
        for plan in &blueprint.plans {
            for code in std::iter::once(&plan.code).chain(&plan.aliases) {
                if !seen.insert(code) {
                    return Err(BlueprintError::DuplicatePlan(code.clone()));
                }
            }
        }
        blueprint.check_lists()?;
        blueprint.check_words()?;
        Ok(blueprint)
    }

    fn check_lists(&self) -> Result<(), BlueprintError> {
        let plans = self.plans.iter().map(|plan| ("plan", &plan.code, plan.month_price.min(plan.year_price)));
        let packages = self.packages.iter().map(|package| ("package", &package.code, package.price));
        let addons = self.addons.iter().map(|addon| ("addon", &addon.code, addon.month_price));
        let mut seen = std::collections::BTreeSet::new();
        for (list, code, price) in plans.chain(packages).chain(addons) {
            let code_of = || code.clone();
            if code.is_empty() || !code.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
                return Err(BlueprintError::BadCode { list, code: code_of() });
            }
            if !seen.insert((list, code)) {
                return Err(BlueprintError::DuplicateCode { list, code: code_of() });
            }
            if price < 0 {
                return Err(BlueprintError::NegativePrice { list, code: code_of() });
            }
        }
        Ok(())
    }

    fn check_words(&self) -> Result<(), BlueprintError> {
        let bands = self.uptime.credits.iter().map(|credit| credit.from_ppm);
        let ladder: Vec<u32> = std::iter::once(self.uptime.promise_ppm).chain(bands).collect();
        if !ladder.windows(2).all(|pair| pair[0] > pair[1]) || ladder.last() != Some(&0) {
            return Err(BlueprintError::CreditBands);
        }
        let days = self.trial.days;
        for (key, words) in [("headline", &self.trial.headline), ("card_note", &self.trial.card_note)] {
            let mut numbers = words.split(|letter: char| !letter.is_ascii_digit());
            if !numbers.any(|number| number == days.to_string()) {
                return Err(BlueprintError::TrialWords { key, days });
            }
        }
        Ok(())
    }

    /// A plan by its code or an alias.
    pub fn plan(&self, code: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.code == code || plan.aliases.iter().any(|alias| alias == code))
    }

    pub fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_blueprint_is_valid_and_states_the_agreed_prices() {
        let blueprint = Blueprint::parse(Blueprint::SHIPPED).unwrap();
        let prices: Vec<_> = blueprint
            .plans
            .iter()
            .map(|plan| (plan.code.as_str(), plan.month_price, plan.year_price, plan.runs_per_month))
            .collect();
        assert_eq!(
            prices,
            [
                ("starter", 900, 9_000, 2_000),
                ("growth", 2_900, 29_000, 10_000),
                ("business", 5_900, 59_000, 50_000),
                ("agency", 14_900, 149_000, 250_000)
            ]
        );
        assert_eq!(blueprint.plan("launch").unwrap().code, "growth");
    }

    #[test]
    fn unknown_keys_and_doubled_plans_are_refused() {
        let odd = format!("colour = \"red\"\n{}", Blueprint::SHIPPED);
        assert!(
            matches!(Blueprint::parse(&odd), Err(BlueprintError::Syntax(text)) if text.contains("colour"))
        );
        let doubled = Blueprint::SHIPPED.replace("code = \"growth\"", "code = \"starter\"");
        assert_eq!(Blueprint::parse(&doubled).unwrap_err(), BlueprintError::DuplicatePlan("starter".into()));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let rows = [
            (
                "code = \"dfy_starter\"",
                "code = \"DFY starter\"",
                "package \"DFY starter\": a code is made of",
            ),
            ("code = \"white_label\"", "code = \"sla\"", "addon \"sla\" is listed twice"),
            ("price = 29900", "price = -1", "package \"dfy_professional\" has a price below zero"),
            ("year_price = 9000\n", "year_price = -9000\n", "plan \"starter\" has a price below zero"),
            ("from_ppm = 950000", "from_ppm = 995000", "the bands must go down"),
            ("from_ppm = 0", "from_ppm = 1", "the bands must go down"),
            ("days = 7", "days = 14", "trial.headline: does not name day 14"),
            ("before Day 7 ", "before Day 17 ", "trial.card_note: does not name day 7"),
        ];
        for (from, to, problem) in rows {
            let changed = Blueprint::SHIPPED.replacen(from, to, 1);
            assert_ne!(changed, Blueprint::SHIPPED, "{from}");
            let refusal = Blueprint::parse(&changed).unwrap_err().to_string();
            assert!(refusal.contains(problem), "{refusal} lacks {problem}");
        }
    }
}
