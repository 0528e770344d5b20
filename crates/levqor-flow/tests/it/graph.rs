//! Pictures of workflows.

use std::fmt::Write as _;

use levqor_flow::{
    document,
    graph::{Graph, graph},
};

fn draw(tasks: &str) -> Graph {
    let text =
        format!("document: {{ dsl: '1.0.3', namespace: test, name: picture, version: '1.0.0' }}\n{tasks}");
    let checked = document::parse(&text);
    let workflow = checked.workflow.unwrap_or_else(|| panic!("{:?}", checked.errors));
    graph(&workflow)
}

/// Nodes as `column,row WxH kind label: detail`, then edges.
fn show(graph: &Graph) -> String {
    let mut shown = format!("{} columns, {} rows\n", graph.columns, graph.rows);
    for node in &graph.nodes {
        let _ = write!(
            shown,
            "{},{} {}x{} {} {}",
            node.column, node.row, node.span.0, node.span.1, node.kind, node.label
        );
        if !node.detail.is_empty() {
            let _ = write!(shown, ": {}", node.detail);
        }
        shown.push('\n');
    }
    for edge in &graph.edges {
        let _ = write!(shown, "{} -> {}", graph.nodes[edge.source].label, graph.nodes[edge.target].label);
        if !edge.label.is_empty() {
            let _ = write!(shown, " [{}]", edge.label);
        }
        shown.push('\n');
    }
    shown
}

/// Every node lies in the grid, and boxes are nested or apart.
fn well_laid(graph: &Graph) {
    for node in &graph.nodes {
        assert!(node.column + node.span.0 <= graph.columns, "{node:?}");
        assert!(node.row + node.span.1 <= graph.rows, "{node:?}");
    }
    for (index, one) in graph.nodes.iter().enumerate() {
        for other in &graph.nodes[index + 1..] {
            let apart = one.column + one.span.0 <= other.column
                || other.column + other.span.0 <= one.column
                || one.row + one.span.1 <= other.row
                || other.row + other.span.1 <= one.row;
            // Only an enclosing box, which comes first, may share cells, and never its own row.
            let inside = other.column >= one.column
                && other.row > one.row
                && other.column + other.span.0 <= one.column + one.span.0
                && other.row + other.span.1 <= one.row + one.span.1;
            assert!(apart || inside, "{one:?} {other:?}");
        }
    }
    for edge in &graph.edges {
        assert!(edge.source < graph.nodes.len() && edge.target < graph.nodes.len());
    }
}

#[test]
fn a_sequence_goes_down() {
    let graph = draw(
        "do:
           - fetch: { call: http, with: { method: get, endpoint: 'https://user:pass@example.com/pets/{id}' } }
           - pause: { wait: PT1M30S }
           - shape: { set: { a: 1, b: '${ .x }' }, if: .ok }
           - hand: { run: { workflow: { namespace: shop, name: bill, version: '1.0.0' }, await: false } }",
    );
    well_laid(&graph);
    insta::assert_snapshot!(show(&graph));
}

#[test]
fn jumps_and_cases_are_arrows() {
    let graph = draw(
        "do:
           - choose:
               switch:
                 - cat: { when: '.kind == \"cat\"', then: purr }
                 - dog: { when: '.kind == \"dog\"', then: bark }
                 - other: { then: exit }
           - bark: { set: { says: wuff }, then: end }
           - purr: { set: { says: purr }, then: again, if: .awake }
           - fail: { raise: { error: { type: https://example.com/errors/mute, status: 404 } } }
           - again: { switch: [ { more: { when: .more, then: choose } } ] }",
    );
    well_laid(&graph);
    insta::assert_snapshot!(show(&graph));
}

#[test]
fn composite_tasks_enclose() {
    let graph = draw(
        "use: { retries: { patient: { delay: PT1S, limit: { attempt: { count: 3 } } } } }
do:
           - each:
               for: { each: pet, in: .pets }
               do:
                 - both:
                     fork:
                       branches:
                         - left: { do: [ { a: { set: { x: 1 } } }, { b: { set: { x: 2 } } } ] }
                         - right: { wait: { seconds: 1 }, then: end }
                 - guard:
                     try:
                       - ask: { call: http, with: { method: post, endpoint: https://example.com } }
                     catch:
                       errors: { with: { type: https://serverlessworkflow.io/spec/1.0.0/errors/communication, status: 503 } }
                       retry: patient
                       do:
                         - note: { set: { failed: true } }
                         - stop: { set: { failed: true }, then: end }
                 - race: { fork: { compete: true, branches: [ { one: { set: { x: 1 } } } ] } }
           - last: { set: '${ . }' }",
    );
    well_laid(&graph);
    insta::assert_snapshot!(show(&graph));
}

#[test]
fn nothing_to_do_is_a_picture_too() {
    insta::assert_snapshot!(show(&draw("do: []")), @r"
    1 columns, 2 rows
    0,0 1x1 start start
    0,1 1x1 end end
    start -> end
    ");
}

#[test]
fn what_asks_a_person_first_is_known() {
    let ask = "metadata: { levqor: { approval: { title: Go? } } }";
    let picture = draw(&format!(
        "do: [{{ a: {{ do: [{{ b: {{ set: {{ x: 1 }}, {ask} }} }}, {{ c: {{ set: {{ x: 1 }} }} }}] }} }}, {{ d: {{ wait: PT1S, {ask} }} }}]"
    ));
    let asking = |graph: &Graph| -> Vec<String> {
        graph.nodes.iter().filter(|node| node.asks_first).map(|node| node.label.clone()).collect()
    };
    assert_eq!(asking(&picture), ["b", "d"]);
    let text = "document: { dsl: '1.0.3', namespace: test, name: picture, version: '1.0.0', metadata: { levqor: { approval: { title: Go? } } } }\ndo: [{ a: { set: { x: 1 } } }]";
    assert_eq!(asking(&graph(&document::parse(text).workflow.unwrap())), ["start"]);
}
