//! What comes next of a daily quantity, with an interval: a straight line through its days.
//!
//! Ordinary least squares. For the sum of the next `h` days, the variance is that of `h` new errors and that of the line itself:
//!
//! ```text
//! s² · (h + h²/n + (Σ (xⱼ − x̄))² / Sxx)        s² = Σ residual² / (n − 2)
//! ```
//!
//! The interval is that times the quantile of Student's t with n − 2 degrees of freedom. It holds as far as days are independent of each
//! other and go on as they went: it knows nothing of a launch next week.
//!
//! Sources: Montgomery, Peck, Vining, "Introduction to Linear Regression Analysis", 5th edition, 2.5 and 3.5 (prediction of a sum);
//! Abramowitz, Stegun, "Handbook of Mathematical Functions", 26.7.5 (the quantile of t).

/// Days that are needed: fewer say nothing of the next month.
pub(super) const DAYS_MIN: usize = 14;
/// Quantile of the normal distribution for an interval of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// The sum of days to come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Forecast {
    pub(super) mean: f64,
    /// 95 % of such sums are expected between these. Never below zero: quantities are not negative.
    pub(super) low: f64,
    pub(super) high: f64,
    /// How much more each day is than the one before, by the line.
    pub(super) per_day: f64,
    pub(super) days_used: usize,
}

/// The sum of the next `ahead` days after `days`, oldest first. None: there are too few.
pub(super) fn next_days(days: &[f64], ahead: usize) -> Option<Forecast> {
    if days.len() < DAYS_MIN || ahead == 0 {
        return None;
    }
    let (n, h) = (length(days.len()), length(ahead));
    let middle = (n - 1.0) / 2.0;
    let level = days.iter().sum::<f64>() / n;
    let places = || days.iter().enumerate().map(|(place, value)| (length(place) - middle, *value));
    let spread: f64 = places().map(|(x, _)| x * x).sum();
    let slope = places().map(|(x, value)| x * (value - level)).sum::<f64>() / spread;
    let rest: f64 = places().map(|(x, value)| (value - level - slope * x).powi(2)).sum();
    let variance = rest / (n - 2.0);
    // The middle of the days to come, from the middle of those that were.
    let distance = h * ((n + (h - 1.0) / 2.0) - middle);
    let mean = h * level + slope * distance;
    let deviation = (variance * (h + h * h / n + distance * distance / spread)).sqrt();
    let half = student(n - 2.0) * deviation;
    Some(Forecast {
        mean: mean.max(0.0),
        low: (mean - half).max(0.0),
        high: (mean + half).max(0.0),
        per_day: slope,
        days_used: days.len(),
    })
}

/// The quantile of Student's t for an interval of 95 %.
fn student(freedom: f64) -> f64 {
    let (z, v) = (Z, freedom);
    z + (z.powi(3) + z) / (4.0 * v)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * v.powi(2))
        + (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * v.powi(3))
}

/// A few thousand at most, which a fraction holds exactly.
fn length(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use levqor_model::{Random, SeededRandom};

    use super::*;

    #[test]
    fn a_line_goes_on_as_a_line() {
        let days: Vec<f64> = (0..20).map(|day| 10.0 + 2.0 * f64::from(day)).collect();
        let found = next_days(&days, 30).unwrap();
        // Σ from 20 to 49 of 10 + 2x.
        let expected: f64 = (20..50).map(|day| 10.0 + 2.0 * f64::from(day)).sum();
        assert!((found.mean - expected).abs() < 1e-6, "{found:?}");
        assert!((found.high - found.low).abs() < 1e-3 && (found.per_day - 2.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn few_days_say_nothing_and_nothing_is_below_zero() {
        assert_eq!(next_days(&[1.0; DAYS_MIN - 1], 30), None);
        let falling: Vec<f64> = (0..14).map(|day| f64::from(13 - day)).collect();
        let found = next_days(&falling, 30).unwrap();
        assert_eq!((found.mean, found.low), (0.0, 0.0));
        let even = next_days(&[5.0; 14], 30).unwrap();
        assert!((even.mean - 150.0).abs() < 1e-9 && (even.low - even.high).abs() < 1e-9);
    }

    #[test]
    fn quantiles_of_t_are_those_of_the_tables() {
        for (freedom, quantile) in [(12.0, 2.179), (20.0, 2.086), (30.0, 2.042), (88.0, 1.987)] {
            assert!((student(freedom) - quantile).abs() < 0.001, "{freedom}: {}", student(freedom));
        }
    }

    /// Of many histories that go on as they went, the sum lies within the interval in about 95 of 100.
    #[test]
    fn the_interval_holds_what_it_says() {
        let random = SeededRandom::new(5);
        // The sum of twelve even ones is nearly normal.
        let even = || u32::try_from(random.u64() >> 32).map_or(0.0, f64::from) / f64::from(u32::MAX);
        let noise = || (0..12).map(|_| even()).sum::<f64>() - 6.0;
        let (histories, mut within) = (1_000, 0);
        for _ in 0..histories {
            let mut day = |place: i32| 200.0 + 0.5 * f64::from(place) + 10.0 * noise();
            let days: Vec<f64> = (0..40).map(&mut day).collect();
            let came: f64 = (40..70).map(&mut day).sum();
            let found = next_days(&days, 30).unwrap();
            within += i32::from((found.low..=found.high).contains(&came));
        }
        assert!((930..=970).contains(&within), "{within} of {histories}");
    }
}
