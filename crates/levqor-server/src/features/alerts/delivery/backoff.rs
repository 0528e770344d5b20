//! When a message is tried again, and when no more.

use std::time::Duration;

use levqor_model::{Random, Severity};

const FIRST: Duration = Duration::from_secs(5);
/// Longest pause; of what calls somebody, shorter.
const MOST: Duration = Duration::from_secs(60 * 60);
const MOST_CRITICAL: Duration = Duration::from_secs(5 * 60);
/// Attempts, and time, after which a message is given up when both are spent.
const ATTEMPTS_MAX: u32 = 12;
const AGE_MIN: Duration = Duration::from_secs(6 * 60 * 60);
/// However few attempts there were.
const AGE_MAX: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// Doubles with each attempt, and is never quite the same: between a half and all of it.
pub(super) fn pause(attempts: u32, severity: Severity, random: &dyn Random) -> Duration {
    let most = if severity == Severity::Critical { MOST_CRITICAL } else { MOST };
    let doubled = FIRST.saturating_mul(1_u32 << attempts.saturating_sub(1).min(20)).min(most);
    let half = doubled / 2;
    let span = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_micros(random.u64() % span)
}

/// Whether a message was tried often enough.
pub(super) fn is_over(attempts: u32, age: Duration) -> bool {
    (attempts >= ATTEMPTS_MAX && age >= AGE_MIN) || age >= AGE_MAX
}

#[cfg(test)]
mod tests {
    use levqor_model::SeededRandom;

    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_differ() {
        let random = SeededRandom::new(1);
        for (attempts, severity, most) in [
            (0, Severity::Major, 5),
            (1, Severity::Major, 5),
            (2, Severity::Major, 10),
            (7, Severity::Critical, 300),
            (8, Severity::Major, 640),
            (u32::MAX, Severity::Minor, 3_600),
        ] {
            let most = Duration::from_secs(most);
            let pauses: Vec<_> = (0..50).map(|_| pause(attempts, severity, &random)).collect();
            assert!(pauses.iter().all(|pause| (most / 2..=most).contains(pause)), "{attempts}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        }
    }

    #[test]
    fn a_message_is_tried_for_hours_and_not_for_ever() {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        for (attempts, age, over) in [
            (1, hours(1), false),
            (50, hours(5), false),
            (11, hours(7), false),
            (12, hours(7), true),
            (1, hours(72), true),
        ] {
            assert_eq!(is_over(attempts, age), over, "{attempts} {age:?}");
        }
    }
}
