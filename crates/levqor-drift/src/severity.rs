//! How bad it is when a promise is not as agreed.

use levqor_model::Severity;

/// Of a promise by its name. Money, the words about trial and card, refunds and the promised uptime are what customers pay by;
/// amounts and names are what they get for it.
pub fn of(promise: &str) -> Severity {
    let parts: Vec<&str> = promise.split('.').collect();
    match parts.as_slice() {
        [
            "plan",
            _,
            "workflows" | "runs_per_month" | "ai_credits" | "first_response_hours" | "queue_weight",
        ]
        | ["plan", _, "name" | "aliases"]
        | ["package" | "addon", _, "name"]
        | ["package_revision_rounds"]
        | ["fair_use", _] => Severity::Major,
        // Our own mail to them.
        ["lifecycle", _] => Severity::Minor,
        // Also what nobody has thought about yet: a new promise is not harmless by default.
        _ => Severity::Critical,
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::Blueprint;

    use super::*;

    #[test]
    fn every_promise_has_the_severity_of_what_it_is_about() {
        let rows = [
            ("currency", Severity::Critical),
            ("plan.starter.month_price", Severity::Critical),
            ("plan.agency.year_price", Severity::Critical),
            ("package.dfy_starter.price", Severity::Critical),
            ("addon.sla.month_price", Severity::Critical),
            ("trial.days", Severity::Critical),
            ("trial.active_per_account", Severity::Critical),
            ("trial.headline", Severity::Critical),
            ("trial.card_note", Severity::Critical),
            ("money_back_days", Severity::Critical),
            ("uptime.promise_ppm", Severity::Critical),
            ("uptime.credit.2.percent", Severity::Critical),
            ("uptime.credit.1.band", Severity::Critical),
            ("uptime.credit.3.from_ppm", Severity::Critical),
            ("something.new", Severity::Critical),
            ("plan.growth.workflows", Severity::Major),
            ("plan.growth.first_response_hours", Severity::Major),
            ("plan.growth.aliases", Severity::Major),
            ("fair_use.requests_per_minute", Severity::Major),
            ("package_revision_rounds", Severity::Major),
            ("addon.sla.name", Severity::Major),
            ("lifecycle.nudge_days", Severity::Minor),
        ];
        for (promise, severity) in rows {
            assert_eq!(of(promise), severity, "{promise}");
        }
        let shipped = Blueprint::parse(Blueprint::SHIPPED).unwrap().promises();
        let critical = shipped.iter().filter(|promise| of(&promise.path) == Severity::Critical).count();
        assert_eq!((critical, shipped.len()), (CRITICAL, PROMISES), "decide about a promise that is new");
    }

    /// Prices (4 plans twice, 3 packages, 4 add-ons), the currency, four words on the trial, money back, uptime and its bands.
    const CRITICAL: usize = 8 + 3 + 4 + 1 + 4 + 1 + 1 + 3 * 3;
    const PROMISES: usize = CRITICAL + 4 * 6 + 1 + 3 + 4 + 1 + 2 + 1;
}
