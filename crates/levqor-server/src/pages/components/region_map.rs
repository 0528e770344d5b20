//! Regions in a circle, with arrows as long as they must be and labelled by what was measured.

use maud::{Markup, html};

use super::badge::Tone;

/// Regions that are drawn; the table beside the picture has all.
const REGIONS_MAX: usize = 8;
const BOX: (f64, f64) = (164.0, 56.0);
const MIDDLE: (f64, f64) = (380.0, 190.0);
const RADIUS: (f64, f64) = (280.0, 140.0);
const SIZE: (f64, f64) = (760.0, 380.0);
/// How far an arrow keeps to its right, so that the one back has a way of its own.
const BEND: f64 = 26.0;
/// What an arrow leaves free before a box.
const GAP: f64 = 7.0;
/// Letters of a name that fit.
const NAME_CHARS: usize = 18;

/// A region as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub name: String,
    /// Its state in a word or two, below its name.
    pub detail: String,
    pub tone: Tone,
}

/// From one place to another, by their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrow {
    pub source: usize,
    pub target: usize,
    pub label: String,
}

type Point = (f64, f64);

/// The middle of a box.
fn spot(number: usize, of: usize) -> Point {
    if of < 2 {
        return MIDDLE;
    }
    // Two stand side by side, of more the first one is on top.
    let start = if of == 2 { std::f64::consts::PI } else { -std::f64::consts::FRAC_PI_2 };
    let angle = start + std::f64::consts::TAU * number as f64 / of as f64;
    (MIDDLE.0 + RADIUS.0 * angle.cos(), MIDDLE.1 + RADIUS.1 * angle.sin())
}

/// Where a line from the middle of a box towards a point leaves the box.
fn edge(middle: Point, towards: Point) -> Point {
    let (x, y) = (towards.0 - middle.0, towards.1 - middle.1);
    let (half_width, half_height) = (BOX.0 / 2.0 + GAP, BOX.1 / 2.0 + GAP);
    let share =
        |length: f64, half: f64| if length.abs() < 0.001 { f64::INFINITY } else { half / length.abs() };
    let share = share(x, half_width).min(share(y, half_height));
    if share.is_finite() { (middle.0 + x * share, middle.1 + y * share) } else { middle }
}

/// The way of an arrow, and where its label stands.
fn way(source: Point, target: Point) -> (String, Point) {
    let (x, y) = (target.0 - source.0, target.1 - source.1);
    let length = x.hypot(y).max(1.0);
    let between = (f64::midpoint(source.0, target.0), f64::midpoint(source.1, target.1));
    let bend = (between.0 - y / length * BEND * 2.0, between.1 + x / length * BEND * 2.0);
    let (from, to) = (edge(source, bend), edge(target, bend));
    let path = format!("M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}", from.0, from.1, bend.0, bend.1, to.0, to.1);
    let label = ((from.0 + 2.0 * bend.0 + to.0) / 4.0, (from.1 + 2.0 * bend.1 + to.1) / 4.0);
    (path, label)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= NAME_CHARS {
        return text.to_owned();
    }
    text.chars().take(NAME_CHARS - 1).chain(['…']).collect()
}

/// Draws the picture. `label` says in words what it shows.
pub fn region_map(label: &str, places: &[Place], arrows: &[Arrow]) -> Markup {
    let shown = places.len().min(REGIONS_MAX);
    let drawn: Vec<_> = arrows
        .iter()
        .filter(|arrow| arrow.source < shown && arrow.target < shown && arrow.source != arrow.target)
        .map(|arrow| (arrow, way(spot(arrow.source, shown), spot(arrow.target, shown))))
        .collect();
    let title = |arrow: &Arrow| {
        format!("{} to {}: {}", places[arrow.source].name, places[arrow.target].name, arrow.label)
    };
    html! {
        div.scroll-x tabindex="0" role="group" aria-label=(label) {
            svg.graph viewBox={ "0 0 " (SIZE.0) " " (SIZE.1) } width=(SIZE.0) height=(SIZE.1) role="img" aria-label=(label) {
                title { (label) }
                defs {
                    marker id="map-head" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="6.5" markerHeight="6.5" orient="auto" {
                        path.head d="M0 0.6L7.4 4L0 7.4z" {}
                    }
                }
                @for (arrow, (path, _)) in &drawn {
                    path.edge d=(path) marker-end="url(#map-head)" { title { (title(arrow)) } }
                }
                @for (number, place) in places.iter().take(shown).enumerate() {
                    @let (x, y) = spot(number, shown);
                    g {
                        title { (place.name) ": " (place.detail) }
                        rect class={ "box " (place.tone.class()) } x=(format!("{:.1}", x - BOX.0 / 2.0)) y=(format!("{:.1}", y - BOX.1 / 2.0))
                            width=(BOX.0) height=(BOX.1) rx="9" {}
                        text.name x=(format!("{x:.1}")) y=(format!("{:.1}", y - 3.0)) text-anchor="middle" { (cut(&place.name)) }
                        text.detail x=(format!("{x:.1}")) y=(format!("{:.1}", y + 15.0)) text-anchor="middle" { (cut(&place.detail)) }
                    }
                }
                @for (arrow, (_, (x, y))) in &drawn {
                    text.edge-label x=(format!("{x:.1}")) y=(format!("{:.1}", y + 4.0)) text-anchor="middle" { (arrow.label) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        Place { name: name.to_owned(), detail: "active".to_owned(), tone: Tone::Good }
    }

    #[test]
    fn everything_stays_within_the_picture() {
        for of in 1..=REGIONS_MAX {
            for number in 0..of {
                let (x, y) = spot(number, of);
                assert!((BOX.0 / 2.0..=SIZE.0 - BOX.0 / 2.0).contains(&x), "{number} of {of}: {x}");
                assert!((BOX.1 / 2.0..=SIZE.1 - BOX.1 / 2.0).contains(&y), "{number} of {of}: {y}");
            }
        }
    }

    #[test]
    fn there_and_back_are_two_ways_with_a_label_each() {
        let (left, right) = (spot(0, 2), spot(1, 2));
        let (there, back) = (way(left, right), way(right, left));
        assert_ne!(there.0, back.0);
        assert!((there.1.1 - back.1.1).abs() > 20.0, "labels would cover each other: {there:?} {back:?}");
        // An arrow begins and ends outside of the boxes.
        let (x, _) = edge(left, right);
        assert!(x >= left.0 + BOX.0 / 2.0);
        assert_eq!(edge(left, left), left, "no direction is no reason to fail");
    }

    #[test]
    fn names_are_text_and_arrows_to_nowhere_are_left_out() {
        let arrows = [
            Arrow { source: 0, target: 1, label: "80 ms".to_owned() },
            Arrow { source: 0, target: 9, label: "lost".to_owned() },
            Arrow { source: 1, target: 1, label: "self".to_owned() },
        ];
        let shown = region_map("two regions", &[place("<b>eu</b>"), place("us-east")], &arrows).into_string();
        assert!(shown.contains("80 ms") && shown.contains("&lt;b&gt;eu"), "{shown}");
        assert!(!shown.contains("<b>") && !shown.contains("lost") && !shown.contains("self"), "{shown}");
        let many: Vec<_> = (0..40).map(|number| place(&number.to_string())).collect();
        assert_eq!(region_map("many", &many, &[]).into_string().matches("<rect").count(), REGIONS_MAX);
        assert!(!region_map("none", &[], &[]).into_string().contains("<rect"));
    }
}
