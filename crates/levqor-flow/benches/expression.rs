//! What an expression costs, beside the bare jq library with its own values and no bounds.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, data, unwrap_valr};
use levqor_flow::expression::{Bounds, Expression};
use serde_json::{Value, json};

const EXPRESSIONS: [(&str, &str); 6] = [
    ("path", ".a.b + 1"),
    ("variable", "$context.counter + 1"),
    (
        "object",
        "{id: .id, items: (.items | length), names: (.items | map(.name)), total: (.items | map(.price) | add), a: .a.b}",
    ),
    ("condition", ".flag == true and .items[0].price > 1"),
    ("text", r#""Hello \(.name), you have \(.items | length) items""#),
    ("reduce", "reduce .items[] as $i (0; . + $i.price)"),
];

fn input(padding: usize) -> Value {
    json!({
        "id": 17, "name": "Ada", "flag": true, "a": {"b": 41},
        "items": [{"name": "x", "price": 3}, {"name": "y", "price": 4.5}, {"name": "z", "price": 5}],
        "padding": (0..padding).map(|i| json!({"index": i, "text": format!("element {i}")})).collect::<Vec<_>>(),
    })
}

fn evaluate(c: &mut Criterion) {
    let mut group = c.benchmark_group("expression");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    let bounds = Bounds::default();
    let context = json!({"counter": 41});
    for (name, text) in EXPRESSIONS {
        let small = input(0);
        let expression = Expression::compile(text, &["context"]).expect(text);
        group.bench_function(name, |b| {
            b.iter(|| expression.evaluate(black_box(&small), &|_| context.clone(), &bounds));
        });
        let bare = bare(text);
        group.bench_function(format!("{name}, bare library"), |b| {
            b.iter(|| bare.run(black_box(&small), &context));
        });
    }
    let large = input(5_000);
    let expression = Expression::compile(".a.b + 1", &[]).expect("compiles");
    group.bench_function("path into 300 kB", |b| {
        b.iter(|| expression.evaluate(black_box(&large), &|_| Value::Null, &bounds));
    });
    let deep = Expression::compile("def f: if . > 3000 then . else 0 + (. + 1 | f) end; 0 | f", &[])
        .expect("compiles");
    group.bench_function("with a stack of its own", |b| {
        b.iter(|| deep.evaluate(&Value::Null, &|_| Value::Null, &bounds));
    });
    group.finish();
}

fn compile(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    for (name, text) in EXPRESSIONS {
        group.bench_function(name, |b| b.iter(|| Expression::compile(black_box(text), &["context"])));
    }
    group.finish();
}

/// The library as it comes.
struct Bare(Filter<data::JustLut<jaq_json::Val>>);

fn bare(text: &str) -> Bare {
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    // Without the functions that need features which are off here.
    let defs =
        defs.filter(|def| ["map", "add", "null", "empty", "true", "false", "select"].contains(&def.name));
    let modules = Loader::new(defs).load(&arena, File { code: text, path: () }).map_err(|_| ()).expect(text);
    let compiler = Compiler::default().with_funs(funs).with_global_vars(["$context"]);
    Bare(compiler.compile(modules).map_err(|_| ()).expect(text))
}

impl Bare {
    /// Reads the data, as the product would have to, and drops the result.
    fn run(&self, input: &Value, context: &Value) {
        let read = |json: &Value| serde_json::from_value(json.clone()).expect("JSON");
        let ctx = Ctx::<data::JustLut<jaq_json::Val>>::new(&self.0.lut, Vars::new([read(context)]));
        for result in self.0.id.run((ctx, read(input))).map(unwrap_valr) {
            drop(black_box(result));
        }
    }
}

criterion_group!(benches, evaluate, compile);
criterion_main!(benches);
