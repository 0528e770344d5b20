//! What is unusual: values that are far from what is usual at their time, by the median and the spread around it.
//!
//! A robust z-score: the distance from the median, in units of 1.4826 times the median of distances (which is a standard deviation where
//! values are normal). Counts vary by the square root of themselves even when nothing happens, so the unit is never less than that.
//! One bad day moves neither the median nor the spread, so it does not hide the next one.
//!
//! Source: Iglewicz, Hoaglin, "How to Detect and Handle Outliers", ASQC, 1993 (modified z-scores).

/// A value this many units away is unusual: of values that are normal, one in 1.7 million.
const FAR: f64 = 5.0;
/// Values that are needed to say what is usual.
pub(super) const USUAL_MIN: usize = 8;

/// A value, and what is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    pub(super) value: f64,
    pub(super) median: f64,
    /// In units of the spread; above zero: the value is higher than usual.
    pub(super) distance: f64,
}

impl Judged {
    pub(super) fn is_unusual(&self) -> bool {
        self.distance.abs() > FAR
    }
}

/// Holds a value against those that are usual. None: there are too few of them.
pub(super) fn judge(value: f64, usual: &[f64]) -> Option<Judged> {
    if usual.len() < USUAL_MIN {
        return None;
    }
    let median = median(usual.to_vec())?;
    let spread = self::median(usual.iter().map(|one| (one - median).abs()).collect())? * 1.4826;
    let unit = spread.max(median.abs().sqrt()).max(1.0);
    Some(Judged { value, median, distance: (value - median) / unit })
}

/// The same for values that are no counts, such as times and shares: the least unit is a tenth of what is usual.
pub(super) fn judge_measure(value: f64, usual: &[f64]) -> Option<Judged> {
    if usual.len() < USUAL_MIN {
        return None;
    }
    let median = median(usual.to_vec())?;
    let spread = self::median(usual.iter().map(|one| (one - median).abs()).collect())? * 1.4826;
    let unit = spread.max(median.abs() / 10.0);
    (unit > 0.0).then(|| Judged { value, median, distance: (value - median) / unit })
}

/// None: there are no values.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) { (values.get(middle - 1)? + upper) / 2.0 } else { upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_lie_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn what_is_far_from_the_usual_is_unusual() {
        let usual = [100.0, 104.0, 96.0, 101.0, 99.0, 103.0, 98.0, 100.0, 2_000.0];
        let rows = [(100.0, false), (140.0, false), (160.0, true), (40.0, true), (0.0, true)];
        for (value, unusual) in rows {
            let found = judge(value, &usual).unwrap();
            assert_eq!(found.is_unusual(), unusual, "{value}: {found:?}");
        }
        // Nothing at all is usual: a few more are no alarm, many are.
        assert!(!judge(3.0, &[0.0; 9]).unwrap().is_unusual());
        assert!(judge(30.0, &[0.0; 9]).unwrap().is_unusual());
        assert_eq!(judge(1.0, &[1.0; USUAL_MIN - 1]), None);
    }

    #[test]
    fn measures_have_a_unit_of_their_own_size() {
        let usual = [0.2, 0.21, 0.19, 0.2, 0.2, 0.2, 0.2, 0.2];
        assert!(judge_measure(0.6, &usual).unwrap().is_unusual());
        assert!(!judge_measure(0.25, &usual).unwrap().is_unusual());
        assert_eq!(judge_measure(1.0, &[0.0; 9]), None, "of nothing there is no usual size");
    }
}
