//! A workflow's picture, drawn from the grid that `levqor_flow::graph` lays out.

use levqor_flow::graph::{Graph, Node};
use maud::{Markup, html};

/// Width of a column.
const COLUMN: f64 = 228.0;
/// Height of a row with tasks, with the start or the end, and with nothing but the heads of frames.
const ROW_TASK: f64 = 90.0;
const ROW_TERMINAL: f64 = 62.0;
const ROW_HEAD: f64 = 44.0;
const BOX: (f64, f64) = (188.0, 56.0);
/// How far a frame stands inside its cells, per frame around it.
const INSET: f64 = 5.0;
/// Where an arrow around the side runs, and how far apart two of them do.
const SIDE: f64 = 16.0;
const SIDE_STEP: f64 = 10.0;
/// About the width of a character of a label.
const LABEL_CHAR: f64 = 6.7;
/// Characters that fit on a line of a box.
const NAME_CHARS: usize = 22;
const DETAIL_CHARS: usize = 30;
/// The same for a column of a frame's head.
const HEAD_CHARS: usize = 31;

/// Where a node is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rect {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Rect {
    fn middle(self) -> f64 {
        self.x + self.width / 2.0
    }

    fn right(self) -> f64 {
        self.x + self.width
    }

    fn bottom(self) -> f64 {
        self.y + self.height
    }

    fn contains(self, other: Rect) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && self.right() >= other.right()
            && self.bottom() >= other.bottom()
    }
}

/// An arrow, ready to be drawn.
#[derive(Debug, Clone, PartialEq)]
struct Arrow {
    path: String,
    label: (f64, f64),
    anchor: &'static str,
    /// How far to the right the line goes.
    right: f64,
}

fn is_frame(node: &Node) -> bool {
    node.span.0 > 1 || node.span.1 > 1
}

fn is_terminal(node: &Node) -> bool {
    matches!(node.kind, "start" | "end")
}

fn encloses(outer: &Node, inner: &Node) -> bool {
    is_frame(outer)
        && (outer.column..outer.column + outer.span.0).contains(&inner.column)
        && (outer.row..outer.row + outer.span.1).contains(&inner.row)
        && outer.reference != inner.reference
        && outer.span.0 * outer.span.1 > inner.span.0 * inner.span.1
}

/// Where each row begins, and at the end where the last one ends.
fn rows(graph: &Graph) -> Vec<f64> {
    let mut tops = vec![0.0];
    let mut y = 0.0;
    for row in 0..graph.rows.max(1) {
        let mut height: f64 = ROW_HEAD;
        for node in graph.nodes.iter().filter(|node| node.row == row && !is_frame(node)) {
            height = height.max(if is_terminal(node) { ROW_TERMINAL } else { ROW_TASK });
        }
        y += height;
        tops.push(y);
    }
    tops
}

fn place(graph: &Graph, tops: &[f64]) -> Vec<Rect> {
    let top = |row: usize| tops.get(row).or(tops.last()).copied().unwrap_or_default();
    graph
        .nodes
        .iter()
        .map(|node| {
            let (x, y) = (node.column as f64 * COLUMN, top(node.row));
            if is_frame(node) {
                let depth = graph.nodes.iter().filter(|outer| encloses(outer, node)).count() as f64;
                let inset = INSET * (depth + 1.0);
                let (width, height) = (node.span.0 as f64 * COLUMN, top(node.row + node.span.1) - y);
                return Rect {
                    x: x + inset,
                    y: y + inset,
                    width: width - 2.0 * inset,
                    height: height - 2.0 * inset,
                };
            }
            let (width, height) = if is_terminal(node) { (76.0, 28.0) } else { BOX };
            let cell = top(node.row + 1) - y;
            Rect { x: x + (COLUMN - width) / 2.0, y: y + (cell - height) / 2.0, width, height }
        })
        .collect()
}

/// Whether a line straight down would cross a node that is not around either end.
fn is_blocked(source: Rect, target: Rect, rects: &[Rect]) -> bool {
    rects.iter().any(|other| {
        let between = other.y > source.bottom() - 1.0 && other.bottom() < target.y + 1.0;
        let across = other.x < source.middle().max(target.middle())
            && other.right() > source.middle().min(target.middle());
        between && across && *other != source && *other != target
    })
}

/// How many arrows went around, in all and from the same place.
#[derive(Debug, Default)]
struct Sides {
    all: u32,
    from: Vec<Rect>,
}

/// The arrow between two places.
fn route(source: Rect, target: Rect, rects: &[Rect], sides: &mut Sides) -> Arrow {
    let (x2, y2) = (target.middle(), target.y - 5.0);
    if source.contains(target) {
        // From a frame to what is inside: down from its head.
        let y1 = source.y + ROW_HEAD - 2.0 * INSET;
        return Arrow {
            path: format!("M{x2} {y1}V{y2}"),
            label: (x2 + 8.0, f64::midpoint(y1, y2)),
            anchor: "start",
            right: x2,
        };
    }
    let (mut x1, y1) = (source.middle(), source.bottom());
    let mut x2 = x2;
    // Between a wide place and a narrow one the line goes straight through the middle of the narrow one.
    if source.width > target.width && (source.x..source.right()).contains(&x2) {
        x1 = x2;
    } else if target.width > source.width && (target.x..target.right()).contains(&x1) {
        x2 = x1;
    }
    if y2 > y1 && !is_blocked(source, target, rects) {
        let half = f64::midpoint(y1, y2);
        if (x1 - x2).abs() < 1.0 {
            return Arrow {
                path: format!("M{x1} {y1}V{y2}"),
                label: (x1 + 8.0, half),
                anchor: "start",
                right: x1,
            };
        }
        let path = format!("M{x1} {y1}C{x1} {half} {x2} {half} {x2} {y2}");
        return Arrow { path, label: (f64::midpoint(x1, x2), half), anchor: "middle", right: x1.max(x2) };
    }
    // Out of the right side and back in, clear of what is between.
    let again = sides.from.iter().filter(|from| **from == source).count() as f64;
    sides.from.push(source);
    let (x1, y1) = (source.right(), source.y + source.height * 0.5 + (again - 0.5) * 18.0);
    let (x2, y2) = (target.right() + 5.0, target.y + target.height * 0.5);
    let (above, below) = (y1.min(y2), y1.max(y2));
    let widest = rects
        .iter()
        .filter(|other| other.bottom() > above && other.y < below && !other.contains(source))
        .map(|other| other.right())
        .fold(x1.max(x2), f64::max);
    let out = widest + SIDE + SIDE_STEP * f64::from(sides.all);
    sides.all += 1;
    let bend = if y2 > y1 { 8.0 } else { -8.0 };
    let path = format!(
        "M{x1} {y1}H{}Q{out} {y1} {out} {}V{}Q{out} {y2} {} {y2}H{x2}",
        out - 8.0,
        y1 + bend,
        y2 - bend,
        out - 8.0
    );
    Arrow { path, label: (x1 + 8.0, y1 - 7.0), anchor: "start", right: out }
}

/// How far to the right an arrow and its label reach.
fn reach(arrow: &Arrow, label: &str) -> f64 {
    let chars = label.chars().count().min(DETAIL_CHARS) as f64;
    let share = if arrow.anchor == "start" { 1.0 } else { 0.5 };
    arrow.right.max(arrow.label.0 + chars * LABEL_CHAR * share) + 6.0
}

/// Cuts a text to `max` characters.
fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    if max > 0 {
        short.push('…');
    }
    short
}

/// Names of tasks that one sentence takes.
const NAMED_MAX: usize = 8;

/// Where a person is asked first, in words: a picture is read out as its label alone.
fn asks(graph: &Graph) -> Option<String> {
    let mut names: Vec<String> = graph
        .nodes
        .iter()
        .filter(|node| node.asks_first)
        .map(|node| if is_terminal(node) { "the run".to_owned() } else { cut(&node.label, NAME_CHARS) })
        .collect();
    let more = names.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        names.truncate(NAMED_MAX);
        names.push(format!("{more} more"));
    }
    let (last, others) = names.split_last()?;
    Some(match others {
        [] => format!("A person is asked before {last} begins"),
        others => format!("A person is asked before {} and {last} begin", others.join(", ")),
    })
}

/// Draws the picture. `label` says in words what it shows; `id` keeps its arrow heads apart from those of others.
pub fn graph(graph: &Graph, id: &str, label: &str) -> Markup {
    let label = &asks(graph).map_or_else(|| label.to_owned(), |asks| format!("{label}. {asks}"));
    let tops = rows(graph);
    let rects = place(graph, &tops);
    let height = tops.last().copied().unwrap_or_default();
    let mut sides = Sides::default();
    let arrows: Vec<_> = graph
        .edges
        .iter()
        .filter_map(|edge| Some((edge, *rects.get(edge.source)?, *rects.get(edge.target)?)))
        .map(|(edge, source, target)| (edge, route(source, target, &rects, &mut sides)))
        .collect();
    let width = arrows
        .iter()
        .map(|(edge, arrow)| reach(arrow, &edge.label))
        .fold(graph.columns.max(1) as f64 * COLUMN, f64::max);
    html! {
        div.scroll-x tabindex="0" role="group" aria-label=(label) {
            svg.graph viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) role="img" aria-label=(label) {
                defs {
                    (head(id, ""))
                    (head(id, "error"))
                }
                @for (node, rect) in graph.nodes.iter().zip(&rects) {
                    @if is_frame(node) { (frame(node, *rect)) }
                }
                @for (edge, arrow) in &arrows {
                    @let error = edge.label == "error";
                    path class=(if error { "edge error" } else { "edge" }) d=(arrow.path)
                        marker-end={ "url(#" (id) (if error { "-error" } else { "-" }) ")" } {}
                }
                @for (node, rect) in graph.nodes.iter().zip(&rects) {
                    @if is_terminal(node) { (terminal(node, *rect)) } @else if !is_frame(node) { (task(node, *rect)) }
                }
                @for (edge, arrow) in arrows.iter().filter(|(edge, _)| !edge.label.is_empty()) {
                    text.edge-label x=(arrow.label.0) y=(arrow.label.1 + 4.0) text-anchor=(arrow.anchor) {
                        title { (edge.label) }
                        (cut(&edge.label, DETAIL_CHARS))
                    }
                }
            }
        }
    }
}

fn head(id: &str, class: &str) -> Markup {
    html! {
        marker id={ (id) "-" (class) } viewBox="0 0 8 8" refX="4" refY="4" markerWidth="6.5" markerHeight="6.5" orient="auto" {
            path class={ "head " (class) } d="M0 0.6L7.4 4L0 7.4z" {}
        }
    }
}

fn frame(node: &Node, rect: Rect) -> Markup {
    let taken = node.kind.len() + node.label.chars().count().min(NAME_CHARS) + 2;
    let left = (node.span.0 * HEAD_CHARS).saturating_sub(taken);
    html! {
        g {
            (title(node))
            rect.group x=(rect.x) y=(rect.y) width=(rect.width) height=(rect.height) rx="10" {}
            text x=(rect.x + 13.0) y=(rect.y + 23.0) {
                tspan.kind { (node.kind) }
                tspan.name dx="7" { (cut(&node.label, NAME_CHARS)) }
                tspan.detail dx="7" { (cut(&node.detail, left)) }
            }
            @if node.asks_first { (person(rect.x + 7.0, rect.y + 2.0)) }
        }
    }
}

fn terminal(node: &Node, rect: Rect) -> Markup {
    html! {
        g {
            @if node.asks_first { title { "A person is asked before the run begins" } }
            rect.terminal x=(rect.x) y=(rect.y) width=(rect.width) height=(rect.height) rx="14" {}
            text.terminal-label x=(rect.middle()) y=(rect.y + 18.5) text-anchor="middle" { (node.label) }
            @if node.asks_first { (person(rect.x + 4.0, rect.y + 4.0)) }
        }
    }
}

fn task(node: &Node, rect: Rect) -> Markup {
    let (x, y) = (rect.x + 14.0, rect.y);
    html! {
        g {
            (title(node))
            rect.box x=(rect.x) y=(rect.y) width=(rect.width) height=(rect.height) rx="9" {}
            rect.spine x=(rect.x) y=(rect.y + 12.0) width="3" height=(rect.height - 24.0) rx="1.5" {}
            text.kind x=(rect.x + rect.width - 12.0) y=(y + 16.0) text-anchor="end" { (node.kind) }
            @if node.detail.is_empty() {
                text.name x=(x) y=(y + 33.0) { (cut(&node.label, NAME_CHARS)) }
            } @else {
                text.name x=(x) y=(y + 25.0) { (cut(&node.label, NAME_CHARS - 4)) }
                text.detail x=(x) y=(y + 43.0) { (cut(&node.detail, DETAIL_CHARS)) }
            }
            @if node.asks_first { (person(rect.x + 4.0, rect.y + 4.0)) }
        }
    }
}

fn title(node: &Node) -> Markup {
    html! {
        title {
            (node.kind) " " (node.label) " " (node.detail)
            @if node.asks_first { ": a person is asked before it begins" }
        }
    }
}

/// The sign of a person, on the corner of what waits for one.
fn person(x: f64, y: f64) -> Markup {
    html! {
        g.asks transform={ "translate(" (x) " " (y) ")" } {
            circle.seal r="11" {}
            circle cy="-3.2" r="2.7" {}
            path d="M-5.4 5.6a5.4 4.6 0 0 1 10.8 0z" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use levqor_flow::graph::Edge;

    use super::*;

    #[test]
    fn hostile_names_stay_text_and_bad_edges_are_left_out() {
        let node = |label: &str, row| Node {
            label: label.to_owned(),
            kind: "set",
            detail: String::new(),
            reference: "/do/0/x".to_owned(),
            asks_first: false,
            column: 0,
            row,
            span: (1, 1),
        };
        let picture = Graph {
            nodes: vec![node("<script>alert(1)</script>", 0), node("b", 1)],
            edges: vec![
                Edge { source: 0, target: 1, label: "a<b".to_owned() },
                Edge { source: 0, target: 9, label: String::new() },
            ],
            columns: 1,
            rows: 2,
        };
        let shown = graph(&picture, "g", "two steps").into_string();
        assert!(!shown.contains("<script"), "{shown}");
        assert_eq!(shown.matches("class=\"edge\"").count(), 1);
        assert!(shown.contains("a&lt;b"));
    }

    fn picture_of(yaml: &str) -> (Graph, Vec<Rect>) {
        let checked = levqor_flow::document::parse(&format!(
            "document: {{ dsl: '1.0.1', namespace: a, name: b, version: '0.1.0' }}\n{yaml}"
        ));
        let picture = levqor_flow::graph::graph(&checked.workflow.expect(yaml));
        let rects = place(&picture, &rows(&picture));
        (picture, rects)
    }

    #[test]
    fn nothing_overlaps_and_frames_hold_what_is_theirs() {
        let (picture, rects) = picture_of(
            "do:
  - first: { set: { a: 1 } }
  - both:
      fork:
        branches:
          - left: { do: [{ one: { set: { a: 1 } } }, { two: { set: { a: 2 } } }] }
          - right: { wait: { seconds: 1 } }
  - attempt:
      try: [{ call: { set: { a: 1 } } }]
      catch: { do: [{ repair: { set: { a: 1 } } }] }
  - last: { set: { a: 1 } }
",
        );
        for (a, first) in picture.nodes.iter().zip(&rects) {
            for (b, second) in picture.nodes.iter().zip(&rects).filter(|(_, second)| *second != first) {
                let apart = first.right() < second.x
                    || second.right() < first.x
                    || first.bottom() < second.y
                    || second.bottom() < first.y;
                let nested = first.contains(*second) || second.contains(*first);
                assert!(apart || nested, "{} {first:?} and {} {second:?}", a.label, b.label);
                assert_eq!(
                    encloses(a, b),
                    first.contains(*second) && is_frame(a),
                    "{} and {}",
                    a.label,
                    b.label
                );
            }
        }
    }

    #[test]
    fn an_arrow_past_other_tasks_goes_around_them() {
        let (picture, rects) = picture_of(
            "do:
  - choose: { switch: [{ high: { when: .a > 1, then: last } }, { low: { then: middle } }] }
  - middle: { set: { a: 1 } }
  - again: { set: { a: 1 }, then: choose }
  - last: { set: { a: 1 } }
",
        );
        let mut sides = Sides::default();
        for edge in &picture.edges {
            route(rects[edge.source], rects[edge.target], &rects, &mut sides);
        }
        assert_eq!(sides.all, 2, "from the switch to the last, and back up to it");
    }

    #[test]
    fn who_waits_for_a_person_is_marked_and_named() {
        let ask = "metadata: { levqor: { approval: { title: Go? } } }";
        let drawn = |yaml: &str| graph(&picture_of(yaml).0, "g", "The steps").into_string();
        let none = drawn("do: [{ a: { set: { x: 1 } } }]");
        assert!(!none.contains("class=\"asks\"") && none.contains("aria-label=\"The steps\""), "{none}");
        let one =
            drawn(&format!("do: [{{ a: {{ set: {{ x: 1 }}, {ask} }} }}, {{ b: {{ set: {{ x: 1 }} }} }}]"));
        assert_eq!(one.matches("class=\"asks\"").count(), 1, "{one}");
        assert!(one.contains("aria-label=\"The steps. A person is asked before a begins\""), "{one}");
        assert!(one.contains(": a person is asked before it begins</title>"), "{one}");
        let frame = drawn(&format!(
            "do: [{{ a: {{ do: [{{ b: {{ set: {{ x: 1 }}, {ask} }} }}, {{ c: {{ set: {{ x: 1 }}, {ask} }} }}], {ask} }} }}]"
        ));
        assert_eq!(frame.matches("class=\"asks\"").count(), 3, "{frame}");
        assert!(frame.contains("A person is asked before a, b and c begin\""), "{frame}");
        let many: Vec<String> =
            (0..11).map(|number| format!("{{ t{number}: {{ set: {{ x: 1 }}, {ask} }} }}")).collect();
        let many = drawn(&format!("do: [{}]", many.join(", ")));
        assert!(many.contains("before t0, t1, t2, t3, t4, t5, t6, t7 and 3 more begin\""), "{many}");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
    }
}
