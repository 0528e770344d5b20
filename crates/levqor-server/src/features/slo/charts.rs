//! The picture of a budget: what was left of it, over time.

use levqor_model::Timestamp;
use levqor_store::slo::SloMoment;
use maud::{Markup, html};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;

/// A line of what was left, from all of it down to less than nothing; gaps where it was not known. `label` says it in words.
pub(super) fn budget_line(
    label: &str,
    moments: &[SloMoment],
    (from, to): (Timestamp, Timestamp),
    step_us: i64,
) -> Markup {
    let known: Vec<(i64, i64)> =
        moments.iter().filter_map(|moment| Some((moment.at.as_micros(), moment.left_ppm?))).collect();
    // Down to the worst, and at least a little below nothing, so that the line of nothing is seen.
    let lowest = known.iter().map(|(_, left)| *left).min().unwrap_or(0).clamp(-2_000_000, -100_000);
    let span = (to.as_micros() - from.as_micros()).max(1) as f64;
    let x = |at: i64| (at - from.as_micros()) as f64 / span * WIDTH;
    let range = (1_000_000 - lowest) as f64;
    let y = |left: i64| (1_000_000 - left.clamp(lowest, 1_000_000)) as f64 / range * HEIGHT;
    let (mut line, mut before) = (String::new(), None::<i64>);
    for (at, left) in &known {
        let goes_on = before.is_some_and(|before| at - before <= 2 * step_us);
        line.push_str(&format!("{}{:.1} {:.1}", if goes_on { "L" } else { "M" }, x(*at), y(*left)));
        before = Some(*at);
    }
    let nothing = y(0);
    html! {
        svg.spark.budget viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
            path.zero d=(format!("M0 {nothing:.1}L{WIDTH} {nothing:.1}")) {}
            @if known.len() > 1 { path d=(line) {} }
            @for (at, left) in known.iter().filter(|_| known.len() == 1) {
                circle cx=(format!("{:.1}", x(*at))) cy=(format!("{:.1}", y(*left))) r="2" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(at: i64, left_ppm: Option<i64>) -> SloMoment {
        SloMoment {
            slo: "a".to_owned(),
            at: Timestamp::from_seconds(at),
            good: 0,
            total: 0,
            left_ppm,
            burn_milli: None,
        }
    }

    #[test]
    fn a_line_has_gaps_where_nothing_is_known_and_stays_in_the_picture() {
        let at = Timestamp::from_seconds;
        let moments = [
            moment(0, Some(1_000_000)),
            moment(600, Some(500_000)),
            moment(1_200, None),
            moment(3_000, Some(-9_000_000)),
            moment(3_600, Some(-100)),
        ];
        let shown = budget_line("x", &moments, (at(0), at(3_600)), 600_000_000).into_string();
        assert!(shown.contains("M0.0 0.0L100.0 20.0M500.0 120.0L600.0 40.0"), "{shown}");
        let empty = budget_line("x", &[], (at(0), at(3_600)), 600_000_000).into_string();
        assert!(!empty.contains("L100"), "{empty}");
        assert!(budget_line("x", &moments[..1], (at(0), at(9)), 1).into_string().contains("circle"));
    }
}
