//! Small pictures of numbers, as SVG with the numbers in words beside them.

use maud::{Markup, html};

/// One bar of a strip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// `good`, `part`, `warn`, `bad` or `none`.
    pub class: &'static str,
    /// What a pointer over it reads.
    pub title: String,
    /// How high it is, in thousandths; what is above is marked as not known.
    pub share: u32,
}

/// A strip of bars over the whole width, oldest first. `label` says in words what the strip shows.
pub fn day_bars(label: &str, bars: &[Bar]) -> Markup {
    let width = bars.len() * 10;
    html! {
        svg.bars viewBox={ "0 0 " (width) " 32" } preserveAspectRatio="none" role="img" aria-label=(label) {
            @for (place, bar) in bars.iter().enumerate() {
                // What is there is seen, however little it is.
                @let height = if bar.share == 0 { 0 } else { (bar.share.min(1_000) * 32 / 1_000).max(3) };
                g {
                    title { (bar.title) }
                    @if height < 32 { rect.none x=(place * 10 + 1) y="0" width="8" height="32" rx="1.5" {} }
                    @if height > 0 { rect class=(bar.class) x=(place * 10 + 1) y=(32 - height) width="8" height=(height) rx="1.5" {} }
                }
            }
        }
    }
}

/// One column of a chart: how high it is in thousandths of the whole, or that nothing is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub height: Option<u32>,
    /// `level` or `bad`.
    pub class: &'static str,
    /// What a pointer over it reads.
    pub title: String,
}

/// Columns over the whole width, oldest first. `label` says in words what they show; a time of which nothing is known is marked.
pub fn columns(label: &str, columns: &[Column]) -> Markup {
    let width = columns.len() * 10;
    html! {
        svg.column-chart viewBox={ "0 0 " (width) " 1000" } preserveAspectRatio="none" role="img" aria-label=(label) {
            title { (label) }
            @for (place, column) in columns.iter().enumerate() {
                @match column.height {
                    Some(height) => {
                        // What is there is seen, however little it is.
                        @let height = if height == 0 { 0 } else { height.clamp(20, 1_000) };
                        rect class=(column.class) x=(place * 10 + 1) y=(1_000 - height) width="8" height=(height) {
                            title { (column.title) }
                        }
                    }
                    None => rect.none x=(place * 10 + 1) y="940" width="8" height="60" { title { (column.title) } }
                }
            }
            line.ground x1="0" y1="998" x2=(width) y2="998" {}
        }
    }
}

/// How much of a limit is used. `label` says it in words.
pub fn meter(label: &str, used: i64, limit: i64) -> Markup {
    let share = if limit > 0 { used.clamp(0, limit) as f64 / limit as f64 } else { 0.0 };
    let width = if used > 0 { (share * 100.0).max(1.0) } else { 0.0 };
    let class = match share {
        share if share >= 1.0 => "fill bad",
        share if share >= 0.8 => "fill warn",
        _ => "fill",
    };
    html! {
        svg.meter viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=(label) {
            rect.track width="100" height="6" rx="1" {}
            rect class=(class) width=(format!("{width:.1}")) height="6" rx="1" {}
        }
    }
}

/// A line over evenly spaced values. Nothing is drawn for fewer than two.
pub fn sparkline(label: &str, values: &[i64]) -> Markup {
    let top = values.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = 100.0 / values.len().saturating_sub(1).max(1) as f64;
    let mut line = String::new();
    for (place, value) in values.iter().enumerate() {
        let (x, y) = (place as f64 * step, 30.0 - (*value).max(0) as f64 / top * 26.0);
        line.push_str(&format!("{}{x:.1} {y:.1}", if place == 0 { "M" } else { "L" }));
    }
    html! {
        @if values.len() > 1 {
            svg.spark viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label=(label) {
                path.area d={ (line) "L100 32L0 32Z" } {}
                path d=(line) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_never_leaves_its_track() {
        for (used, limit, class, width) in [
            (0, 10, "fill", "0.0"),
            (1, 10_000, "fill", "1.0"),
            (8, 10, "fill warn", "80.0"),
            (50, 10, "fill bad", "100.0"),
            (5, 0, "fill", "1.0"),
            (-5, 10, "fill", "0.0"),
        ] {
            let shown = meter("x", used, limit).into_string();
            assert!(
                shown.contains(&format!("class=\"{class}\" width=\"{width}\"")),
                "{used}/{limit}: {shown}"
            );
        }
    }

    #[test]
    fn a_column_is_as_high_as_its_value_and_nothing_known_is_no_zero() {
        let column = |height| Column { height, class: "level", title: "x".to_owned() };
        let shown =
            columns("y", &[column(Some(500)), column(Some(1)), column(Some(0)), column(None)]).into_string();
        for part in
            ["y=\"500\" width=\"8\" height=\"500\"", "height=\"20\"", "height=\"0\"", "class=\"none\""]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn a_line_needs_two_values() {
        assert_eq!(sparkline("x", &[5]).into_string(), "");
        assert!(sparkline("x", &[0, 10]).into_string().contains("M0.0 30.0L100.0 4.0"));
    }
}
