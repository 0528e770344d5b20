//! How fast a budget is spent, and whether that is a reason to tell somebody.
//!
//! Each tier looks at a long window, so that it is worth it, and at a short one, so that it is still so. The four slow tiers are those of
//! the workbook; the two fast ones are for outages, which would need most of a minute to show in an hour, and many minutes when one
//! request of ten fails.
//!
//! Source: Google, "The Site Reliability Workbook", chapter 5 (multi-window, multi-burn-rate alerts).

use std::time::Duration;

use levqor_model::{Severity, Timestamp, Verdict};
use serde::Serialize;

use crate::{Count, Grain, Ledger, Objective, Policy};

/// Fewer bad events than this are bad luck: with little traffic a single one would be a large share.
pub const MINIMUM_BAD: u64 = 5;
/// No share that is asked for is larger: of a generous budget several times as much would be more than all events.
const SHARE_MAX: f64 = 0.95;
/// Windows that are shown besides those of the tiers.
const SHOWN: [u64; 4] = [300, 3_600, 6 * 3_600, 86_400];
/// Without any event for this long there is no traffic.
const QUIET: Duration = Duration::from_secs(3_600);

/// Which kind of spending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TierKind {
    /// Almost nothing works, within seconds.
    Outage,
    /// Much fails, within a minute.
    Sudden,
    /// A fiftieth of a month's budget in an hour.
    Fast,
    /// A twentieth in six hours.
    Steady,
    /// A tenth in a day.
    Slow,
    /// A tenth in three days.
    Trickle,
}

/// When spending is a reason to tell somebody.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tier {
    pub kind: TierKind,
    pub severity: Severity,
    pub long: Duration,
    pub short: Duration,
    /// The share of events that must be bad in both windows.
    pub share: f64,
    /// For how long there must have been events, so that the long window says something.
    pub history: Duration,
}

/// What a window has seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Window {
    pub seconds: u64,
    pub good: u64,
    pub total: u64,
    /// How many times as fast as allowed, in thousandths; None: there were no events.
    pub burn_milli: Option<u64>,
}

/// A tier whose two windows agree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trouble {
    pub tier: TierKind,
    pub severity: Severity,
    pub long: Window,
    pub short: Window,
}

/// What is left of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Budget {
    pub good: u64,
    pub total: u64,
    /// Events that may be bad.
    pub allowed: u64,
    /// What is left, in parts per million of the budget; below zero more than all is spent. None: there were no events.
    pub left_ppm: Option<i64>,
    /// The share of events that were good, in parts per million; None: there were no events.
    pub reached_ppm: Option<u32>,
    /// Since when there are events in the window.
    pub since: Option<Timestamp>,
}

/// How it stands with an objective.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    #[serde(skip)]
    pub verdict: Verdict,
    /// Why nothing is known.
    pub unknown: Option<String>,
    /// Nobody has used it for an hour.
    pub quiet: bool,
    /// The worst of the tiers that call somebody.
    pub trouble: Option<Trouble>,
    /// The worst of those that can wait.
    pub slow: Option<Trouble>,
    pub windows: Vec<Window>,
    pub budget: Budget,
}

/// The built-in tiers for a target.
pub fn tiers(target_ppm: u32) -> [Tier; 6] {
    let allowed = f64::from(1_000_000 - target_ppm.min(999_999)) / 1_000_000.0;
    let burn = |factor: f64| (factor * allowed).min(SHARE_MAX);
    let tier = |kind, severity, (long, short, history): (u64, u64, u64), share| Tier {
        kind,
        severity,
        long: Duration::from_secs(long),
        short: Duration::from_secs(short),
        share,
        history: Duration::from_secs(history),
    };
    const HOUR: u64 = 3_600;
    const DAY: u64 = 24 * HOUR;
    [
        tier(TierKind::Outage, Severity::Critical, (10, 10, 0), (300.0 * allowed).clamp(0.3, 0.9)),
        tier(TierKind::Sudden, Severity::Critical, (60, 20, 0), (70.0 * allowed).clamp(0.02, 0.5)),
        tier(TierKind::Fast, Severity::Critical, (HOUR, 300, HOUR / 4), burn(14.4)),
        tier(TierKind::Steady, Severity::Major, (6 * HOUR, HOUR / 2, 3 * HOUR), burn(6.0)),
        tier(TierKind::Slow, Severity::Minor, (DAY, 2 * HOUR, DAY / 2), burn(3.0)),
        tier(TierKind::Trickle, Severity::Minor, (3 * DAY, 6 * HOUR, 36 * HOUR), burn(1.0)),
    ]
}

/// How many times as fast as the objective allows, in thousandths.
fn burn_milli(count: Count, target_ppm: u32) -> Option<u64> {
    let allowed = u128::from(1_000_000 - target_ppm.min(999_999));
    let milli = (u128::from(count.bad()) * 1_000_000_000).checked_div(u128::from(count.total) * allowed)?;
    Some(u64::try_from(milli).unwrap_or(u64::MAX))
}

fn window(ledger: &Ledger, now: Timestamp, span: Duration, target_ppm: u32) -> Window {
    let count = ledger.sum(now, span);
    Window {
        seconds: span.as_secs(),
        good: count.good,
        total: count.total,
        burn_milli: burn_milli(count, target_ppm),
    }
}

/// Judges an objective by the built-in tiers. `fresh` is false when what the counts come from has said nothing lately: then nothing is
/// known, whatever the windows say.
pub fn judge(objective: &Objective, ledger: &Ledger, now: Timestamp, fresh: bool) -> Judgement {
    let age = ledger.first_within(now, Grain::Hour.span()).map_or(Duration::ZERO, |first| now.since(first));
    let failing = |tier: &Tier| fails(objective, ledger, settled(ledger, now), tier, age);
    let (calling, waiting): (Vec<Tier>, Vec<Tier>) =
        tiers(objective.target_ppm).into_iter().partition(|tier| tier.severity < Severity::Minor);
    let trouble = calling.iter().find_map(failing);
    let slow = waiting.iter().find_map(failing);
    let unknown = unknown(objective, ledger, now, fresh);
    let verdict = match (&unknown, &trouble) {
        (Some(_), _) => Verdict::Unknown,
        (None, Some(_)) => Verdict::Fails,
        (None, None) => Verdict::Holds,
    };
    let windows =
        SHOWN.map(|seconds| window(ledger, now, Duration::from_secs(seconds), objective.target_ppm)).to_vec();
    Judgement {
        verdict,
        unknown,
        quiet: ledger.sum(now, QUIET).total == 0,
        trouble,
        slow,
        windows,
        budget: budget(objective, ledger, now),
    }
}

/// Up to when counts are there, when that is not long ago: nodes tell what a step has seen when it is over, so the newest is empty for a
/// while, and the shortest windows would see nothing.
fn settled(ledger: &Ledger, now: Timestamp) -> Timestamp {
    const LATE_MAX: Duration = Duration::from_secs(30);
    match ledger.last(now) {
        Some(last) if now.since(last) <= LATE_MAX => (last + Grain::TenSeconds.step()).min(now),
        _ => now,
    }
}

fn unknown(objective: &Objective, ledger: &Ledger, now: Timestamp, fresh: bool) -> Option<String> {
    if !fresh {
        return Some("what it is measured by has said nothing lately".to_owned());
    }
    let expected = objective.expects_traffic?;
    (ledger.sum(now, expected).total == 0)
        .then(|| format!("there was no event in the last {} s, and some are expected", expected.as_secs()))
}

/// Whether both windows of a tier have enough events, and too many bad ones.
fn fails(
    objective: &Objective,
    ledger: &Ledger,
    now: Timestamp,
    tier: &Tier,
    age: Duration,
) -> Option<Trouble> {
    if age < tier.history {
        return None;
    }
    let too_many = |count: Count| count.bad_share().is_some_and(|share| share >= tier.share);
    let long = ledger.sum(now, tier.long);
    if long.total < objective.minimum_events || long.bad() < MINIMUM_BAD || !too_many(long) {
        return None;
    }
    if tier.short < tier.long && !too_many(ledger.sum(now, tier.short)) {
        return None;
    }
    Some(Trouble {
        tier: tier.kind,
        severity: tier.severity,
        long: window(ledger, now, tier.long, objective.target_ppm),
        short: window(ledger, now, tier.short, objective.target_ppm),
    })
}

/// Judges an objective by a policy of its document.
pub fn judge_policy(
    objective: &Objective,
    policy: &Policy,
    ledger: &Ledger,
    now: Timestamp,
    fresh: bool,
) -> (Verdict, Window) {
    let seen = window(ledger, now, policy.window, objective.target_ppm);
    let verdict = if unknown(objective, ledger, now, fresh).is_some() {
        Verdict::Unknown
    } else if seen.total >= objective.minimum_events
        && seen.total - seen.good >= MINIMUM_BAD
        && seen.burn_milli.is_some_and(|burn| burn >= policy.burn_milli)
    {
        Verdict::Fails
    } else {
        Verdict::Holds
    };
    (verdict, seen)
}

/// What is left of an objective's budget.
pub fn budget(objective: &Objective, ledger: &Ledger, now: Timestamp) -> Budget {
    let count = ledger.sum(now, objective.window);
    let allowed_ppm = u128::from(1_000_000 - objective.target_ppm.min(999_999));
    let total = u128::from(count.total);
    let allowed = total * allowed_ppm / 1_000_000;
    let left_ppm = (total > 0).then(|| {
        // Spent, in parts per million of the budget: bad / (total × allowed share).
        let spent = u128::from(count.bad()) * 1_000_000 * 1_000_000 / (total * allowed_ppm);
        1_000_000 - i64::try_from(spent.min(1 << 60)).unwrap_or(i64::MAX)
    });
    let reached_ppm =
        (total > 0).then(|| u32::try_from(u128::from(count.good) * 1_000_000 / total).unwrap_or(1_000_000));
    Budget {
        good: count.good,
        total: count.total,
        allowed: u64::try_from(allowed).unwrap_or(u64::MAX),
        left_ppm,
        reached_ppm,
        since: ledger.first_within(now, objective.window),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Indicator, Part, Source};

    const NOW: Timestamp = Timestamp::from_seconds(1_795_500_000);

    fn objective(target_ppm: u32) -> Objective {
        let source = |name: &str| Source::Series { name: name.to_owned(), labels: Vec::new() };
        Objective {
            name: "api".to_owned(),
            title: "API".to_owned(),
            description: None,
            service: "levqor".to_owned(),
            indicator: Indicator::Ratio {
                part: Part::Bad,
                counted: source("errors"),
                total: source("requests"),
            },
            target_ppm,
            window: Duration::from_secs(30 * 86_400),
            expects_traffic: None,
            minimum_events: 10,
            policies: Vec::new(),
            file: "test".to_owned(),
        }
    }

    fn ledger(rows: &[(u64, u64, u64)]) -> Ledger {
        let mut ledger = Ledger::default();
        for grain in crate::GRAINS {
            let steps: Vec<_> = rows
                .iter()
                .map(|(ago, bad, total)| {
                    (NOW - Duration::from_secs(*ago), Count { good: total - bad, total: *total })
                })
                .collect();
            ledger.put(grain, NOW - grain.span(), NOW, &steps);
        }
        ledger
    }

    #[test]
    fn the_tiers_of_three_nines_are_those_of_the_workbook() {
        let shares = tiers(999_000).map(|tier| (tier.share * 1e6).round() as u64);
        assert_eq!(shares, [300_000, 70_000, 14_400, 6_000, 3_000, 1_000]);
        // Where the budget is large, no tier asks for more than all events.
        for target in [1, 500_000, 900_000, 999_999] {
            let shares = tiers(target).map(|tier| tier.share);
            assert!(shares.iter().all(|share| (0.0..=0.95).contains(share)), "{target}: {shares:?}");
        }
    }

    #[test]
    fn burn_and_budget_are_exact() {
        // Of 10,000 events 10 may be bad; 20 were.
        let objective = objective(999_000);
        let spent = budget(&objective, &ledger(&[(3_600, 20, 10_000)]), NOW);
        assert_eq!((spent.allowed, spent.left_ppm, spent.reached_ppm), (10, Some(-1_000_000), Some(998_000)));
        assert_eq!(burn_milli(Count { good: 9_980, total: 10_000 }, 999_000), Some(2_000));
        assert_eq!(burn_milli(Count { good: 0, total: u64::MAX }, 999_999), Some(1_000_000_000));
        assert_eq!(burn_milli(Count::default(), 999_000), None);
        let none = budget(&objective, &ledger(&[]), NOW);
        assert_eq!((none.left_ppm, none.reached_ppm), (None, None));
    }

    #[test]
    fn nothing_is_good_without_evidence() {
        let mut objective = objective(999_000);
        let steady = ledger(&[(7_200, 0, 1_000), (30, 0, 1_000), (5, 0, 100)]);
        assert_eq!(judge(&objective, &steady, NOW, true).verdict, Verdict::Holds);
        assert_eq!(judge(&objective, &steady, NOW, false).verdict, Verdict::Unknown);
        let silent = ledger(&[(7_200, 0, 1_000)]);
        let judged = judge(&objective, &silent, NOW, true);
        assert_eq!((judged.verdict, judged.quiet), (Verdict::Holds, true));
        objective.expects_traffic = Some(Duration::from_secs(300));
        let judged = judge(&objective, &silent, NOW, true);
        assert_eq!(judged.verdict, Verdict::Unknown);
        assert!(judged.unknown.unwrap().contains("last 300 s"));
    }

    #[test]
    fn little_traffic_is_not_judged_by_a_share() {
        let objective = objective(999_000);
        // Four of six failed, which is a share of two thirds, and nothing that says much.
        let little = ledger(&[(90_000, 0, 100), (1_200, 2, 3), (100, 2, 3)]);
        assert_eq!(judge(&objective, &little, NOW, true).verdict, Verdict::Holds);
        let more = ledger(&[(90_000, 0, 100), (1_200, 4, 6), (100, 4, 6)]);
        let judged = judge(&objective, &more, NOW, true);
        assert_eq!(judged.trouble.map(|trouble| trouble.tier), Some(TierKind::Fast));
    }

    #[test]
    fn a_policy_of_a_document_has_its_own_threshold() {
        let objective = objective(950_000);
        let policy = Policy {
            name: "p".to_owned(),
            severity: Severity::Major,
            burn_milli: 1_000,
            window: Duration::from_secs(300),
            after: Duration::ZERO,
            when_breaching: true,
            when_resolved: true,
            when_no_data: true,
            targets: Vec::new(),
        };
        for (bad, verdict) in [(4, Verdict::Holds), (5, Verdict::Fails)] {
            let found = judge_policy(&objective, &policy, &ledger(&[(60, bad, 100)]), NOW, true);
            assert_eq!(found.0, verdict, "{bad}");
        }
    }
}
