//! Attacks, and the bound that each of them meets.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::{Bounds, Expression, ExpressionError};

/// Which error ends an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Compile,
    Evaluate,
    Steps,
    Data,
    Deep,
    Slow,
    /// One of those that the bounds make; which one depends on sizes that may change.
    Any,
    /// Not an attack after all: a result.
    Result,
}

fn end(result: &Result<Value, ExpressionError>) -> End {
    match result {
        Ok(_) => End::Result,
        Err(ExpressionError::Compile(_)) => End::Compile,
        Err(ExpressionError::Evaluate(_)) => End::Evaluate,
        Err(
            ExpressionError::TooManySteps(_)
            | ExpressionError::TooManyStepsTogether(_)
            | ExpressionError::Unfinished,
        ) => End::Steps,
        Err(ExpressionError::TooMuchData(_)) => End::Data,
        Err(ExpressionError::TooDeep) => End::Deep,
        Err(ExpressionError::TooSlow(_)) => End::Slow,
    }
}

/// Runs on a stack as small as that of any thread of ours, and says how long it took.
fn on_small_stack(text: &str, input: &Value) -> (Result<Value, ExpressionError>, Duration) {
    let (text, input) = (text.to_owned(), input.clone());
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(move || {
        let start = Instant::now();
        // A quarter of what evaluations have, so that the tables run in a quarter of the time.
        let bounds = Bounds { steps: 250_000, bytes: 16 * 1024 * 1024, time: Duration::from_secs(1) };
        let result = Expression::compile(&text, &[])
            .and_then(|expression| expression.evaluate(&input, &|_| Value::Null, &bounds));
        (result, start.elapsed())
    });
    thread.unwrap().join().unwrap()
}

#[track_caller]
fn check(rows: &[(&str, End)]) {
    let input = json!({"a": [1, 2, 3], "s": "x".repeat(1000), "n": null});
    let mut wrong = Vec::new();
    for (text, expected) in rows {
        let (result, time) = on_small_stack(text, &input);
        let end = end(&result);
        let shown: String = text.chars().take(100).collect();
        let fits = match expected {
            End::Any => !matches!(end, End::Compile | End::Result),
            // On a busy machine the clock may come first.
            End::Steps | End::Data => end == *expected || end == End::Slow,
            expected => end == *expected,
        };
        if !fits {
            let shown_result: String = format!("{result:?}").chars().take(200).collect();
            wrong.push(format!("{shown}\n    expected {expected:?}, got {shown_result}"));
        }
        if time > Duration::from_secs(8) {
            wrong.push(format!("{shown}\n    took {time:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn endless_programs() {
    check(&[
        ("def f: f; f", End::Steps),
        ("try (def f: f; f) catch 1", End::Steps),
        ("(def f: f; f)? // 1", End::Steps),
        ("first(def f: f; f)", End::Steps),
        ("label $l | (def f: f; f)", End::Steps),
        ("def f(g): f(g); f(.)", End::Any),
        ("def f(g): f(g | g); f(.)", End::Any),
        ("def f(g): g | f(g + 1); f(1)", End::Any),
        ("def f(g; $x): f(g | . + $x; $x); f(.; 1)", End::Any),
        ("def f(g): def h(k): f(k | g); h(g); f(.)", End::Any),
        ("def f($x): f($x + 1); f(0)", End::Any),
        ("def f: def g: f; g; f", End::Any),
        ("def f: 1 + f; f", End::Deep),
        ("def f: [f]; f", End::Deep),
        ("def f: {a: f}; f", End::Deep),
        ("def f: \"x\\(f)\"; f", End::Deep),
        ("def f: f | f; f", End::Deep),
        ("def f: f, 1; f", End::Any),
        ("def f: 1, (f | . + 1); [f]", End::Any),
        ("def f: (., .) | f; [f]", End::Any),
        ("def f: try f catch 1; f", End::Deep),
        ("def f: f as $x | 1; f", End::Deep),
        ("def f: reduce f as $x (0; 1); f", End::Deep),
        ("def f: .a[f]; f", End::Deep),
        ("def f: if f then 1 else 2 end; f", End::Deep),
        ("def f: first(f); f", End::Deep),
        ("def f: path(f); f", End::Any),
        ("def f: f; path(f)", End::Any),
        ("def f: f; f |= 1", End::Deep),
        ("def f: .a | f; f |= 1", End::Any),
        ("def f: sort_by(f); [1] | f", End::Any),
        ("def f: label $x | f; f", End::Deep),
        ("def f: -f; f", End::Deep),
        ("def f: limit(1; f); f", End::Deep),
        ("def f: f // 1; f", End::Deep),
        ("[range(1e12)]", End::Any),
        ("last(range(1e12))", End::Steps),
        ("[range(0; infinite)] | length", End::Any),
        ("[repeat(1)]", End::Any),
        ("last(repeat(1))", End::Any),
        ("[limit(1e9; repeat(\"x\"))]", End::Any),
        ("until(false; .)", End::Any),
        ("[while(true; .)]", End::Any),
        ("[recurse(.)]", End::Any),
        ("[recurse(., .)]", End::Any),
        ("null | [recurse([.])]", End::Any),
        ("null | [recurse([., .])] | length", End::Any),
        ("[range(100)] | [.[] as $a | .[] as $b | .[] as $c | .[] as $d | 1]", End::Steps),
        ("[0, 1] | [combinations(30)]", End::Any),
        ("[range(30)] | map([0, 1]) | combinations | select(false)", End::Any),
        ("reduce range(1e9) as $i (0; . + 1)", End::Steps),
        ("reduce range(1000000) as $i (0; ., .)", End::Any),
        ("reduce range(1000000) as $i ((1, 2); .)", End::Data),
        ("[foreach range(1e9) as $i (0; ., .; .)]", End::Any),
        ("[foreach range(1e9) as $i (0; . + 1)] | length", End::Any),
        ("first(range(1e9) | select(. < 0))", End::Steps),
        ("any(range(1e9); . < 0)", End::Steps),
        ("isempty(range(1e9) | empty)", End::Steps),
        ("nth(1e9; repeat(1))", End::Any),
        ("skip(1e9; repeat(1))", End::Any),
        ("[splits(\"\")] | length", End::Evaluate),
        ("add(repeat(1))", End::Any),
        ("IN(repeat(1); 2)", End::Any),
        ("INDEX(repeat(1); .)", End::Any),
        ("fromstream(repeat([[0], 1]))", End::Any),
    ]);
}

#[test]
fn doubling_programs() {
    let pairs = "(0,1)".to_owned();
    let plus = vec![pairs.as_str(); 40].join(" + ");
    let pipe = vec!["(., .)"; 40].join(" | ");
    let text = format!("[\"{}\"]", r"\((0,1))".repeat(40));
    let object = format!("[{{{}}}]", (0..40).map(|i| format!("a{i}: (0,1)")).collect::<Vec<_>>().join(","));
    let index = format!("[.{}]", "[(0,1)]?".repeat(40));
    let commas = vec!["(.,.)"; 30].join("|");
    let defs: String = (1..60).map(|i| format!("def f{i}: f{} + f{};", i - 1, i - 1)).collect();
    let defs = format!("def f0: 1; {defs} f59");
    let closures = format!("def f(g): g + g; {}1{}", "f(".repeat(60), ")".repeat(60));
    let selects = format!("def f(g): select(g) | select(g); {}1{}", "f(".repeat(60), ")".repeat(60));
    let maps = format!("[range(2)] | {}(., .){}", "map([range(2)] | ".repeat(40), ")".repeat(40));
    let patterns = format!(". as {{{}}} | 1", vec!["(\"a\", \"b\"): $x"; 40].join(","));
    let args = "def f($a; $b; $c; $d; $e; $g; $h; $i): 1; last(f(range(9); range(9); range(9); range(9); range(9); range(9); range(9); range(9)))";
    let limits = format!("{}(., .){}", "first(".repeat(60), ")".repeat(60));
    let alternatives = vec!["((., .) | select(false))"; 60].join(" // ");
    let conditions = format!("last({} 1 {})", "if (true, true) then ".repeat(40), "else 2 end ".repeat(40));
    let logic = format!("last({})", vec!["(true, true)"; 40].join(" and "));
    let updates = format!("last({})", vec![".a |= (., .)"; 40].join(" | "));
    let assigns = format!("last({})", vec!["(.a = (1, 2))"; 40].join(" | "));
    let slices = format!("last(\"abc\" | .[{}])", ["(0, 0)"; 2].join(":"));
    check(&[
        (&plus, End::Any),
        (&format!("last({pipe})"), End::Steps),
        (&format!("[{commas}] | length"), End::Any),
        (&text, End::Any),
        (&object, End::Any),
        (&index, End::Any),
        (&defs, End::Any),
        (&closures, End::Any),
        (&selects, End::Any),
        (&maps, End::Any),
        (&patterns, End::Any),
        (args, End::Steps),
        (&limits, End::Result),
        (&alternatives, End::Result),
        (&conditions, End::Any),
        (&logic, End::Any),
        (&updates, End::Result),
        (&assigns, End::Steps),
        (&slices, End::Result),
        ("last(\"\\((range(100)))\\((range(100)))\\((range(100)))\\((range(100)))\")", End::Steps),
    ]);
}

#[test]
fn growing_data() {
    check(&[
        ("reduce range(40) as $i (\"x\"; . + .)", End::Data),
        ("try reduce range(40) as $i (\"x\"; . + .) catch 1", End::Data),
        ("(reduce range(40) as $i (\"x\"; . + .))?, 1", End::Data),
        ("\"a\" * 10000000000", End::Data),
        ("10000000000 * \"a\"", End::Data),
        ("\"a\" * 1e300", End::Data),
        ("\"a\" * infinite", End::Data),
        ("[range(1000)] | map(\"a\" * 1000000)", End::Data),
        ("\"a\" * 60000000 | [., .]", End::Data),
        ("\"a\" * 60000000 | . + .", End::Data),
        ("\"a\" * 60000000 | \"\\(.)\\(.)\"", End::Data),
        ("reduce range(40) as $i ([1]; . + .)", End::Data),
        ("reduce range(40) as $i (1; [., .])", End::Data),
        ("reduce range(40) as $i ({}; {a: ., b: .})", End::Data),
        ("reduce range(1000000) as $i ({}; . + {($i | tostring): $i})", End::Any),
        ("reduce range(1000000) as $i ({}; .[$i | tostring] = $i)", End::Any),
        ("reduce range(1000000) as $i ([]; . + [[$i]])", End::Any),
        ("reduce range(1000000) as $i ([]; [$i] + .)", End::Any),
        ("reduce range(1000000) as $i ({a: [range(1000)]}; . * {($i | tostring): .a})", End::Any),
        (".[1000000000] = 1 | length", End::Evaluate),
        ("[] | .[1000000000] = 1", End::Data),
        ("null | .[1e18] = 1", End::Data),
        ("null | .[1e300] = 1", End::Data),
        ("[] | setpath([1e9]; 1)", End::Data),
        ("[limit(100000; repeat(\"x\" * 10000))] | length", End::Any),
        ("[.s * 200, .s * 200] | map(explode) | length", End::Result),
        ("(.s * 200 | explode) | length", End::Result),
        ("(.s * 10000 | explode) | length", End::Data),
        ("[range(500000)] | implode", End::Any),
        ("\"\\u0001\" * 20000000 | tojson | length", End::Data),
        ("\"\\u0001\" * 20000000 | @json | length", End::Data),
        ("\"a\" * 30000000 | @base64 | length", End::Data),
        ("\"é\" * 10000000 | @uri | length", End::Data),
        ("\"<\" * 20000000 | @html | length", End::Data),
        ("\"a\" * 30000000 | @base32 | length", End::Data),
        ("[range(100)] | map(\"\\\"\" * 1000000) | @csv | length", End::Data),
        ("[range(100)] | map(\"'\" * 1000000) | @sh | length", End::Data),
        ("[range(1000)] | map(\"a\" * 1000) | [range(1000) as $i | .] | map(join(\",\")) | length", End::Any),
        ("[range(1000)] | map(\"a\" * 100) | join(\"b\" * 1000000) | length", End::Data),
        (".s * 30000 | split(\"\") | length", End::Data),
        (".s * 30000 | [splits(\"\")] | length", End::Any),
        (".s * 30000 | gsub(\"x\"; \"yy\") | length", End::Any),
        (".s * 30 | gsub(\"\"; \"y\" * 1000000) | length", End::Data),
        (".s * 30000 | [match(\"x\"; \"g\")] | length", End::Any),
        (".s * 30000 | [scan(\".\")] | length", End::Any),
        (".s * 20000 | indices(\"x\") | length", End::Any),
        (".s * 7000 | ascii_upcase | ltrimstr(\"X\") | length", End::Result),
        (".s * 60000 | [ascii_upcase, ascii_downcase] | length", End::Data),
        (".s * 40000 | [limit(100000; repeat(.[1:]))] | length", End::Any),
        (".s * 40000 | [range(100000) as $i | .[$i:]] | length", End::Any),
        ("[range(100000)] | [range(100000) as $i | .[$i:]] | length", End::Any),
        ("[range(100000)] | [range(100000) as $i | .[$i] = 1] | length", End::Any),
        ("[range(100000)] | [range(100000) as $i | . + [1]] | length", End::Any),
        ("[range(100000)] | reduce range(100000) as $i (.; del(.[0])) | length", End::Any),
        ("[range(100000)] | [range(100000) as $i | sort] | length", End::Any),
        ("[range(100000)] | [range(100000) as $i | reverse | length] | length", End::Any),
        ("[range(100000)] | . as $x | [range(100000) | $x == ($x + [])] | length", End::Any),
        ("[range(30000)] | contains(.)", End::Any),
        ("[range(20000)] | . - . | length", End::Result),
        ("[range(100000)] | [range(1000) as $i | . - .] | length", End::Any),
        ("[range(20000)] | indices([0]) | length", End::Result),
        ("[range(100000)] | [.[] as $x | index($x)] | length", End::Any),
        ("[range(1000)] | [combinations(3)?] | length", End::Any),
        ("[range(20000)] | map([.]) | transpose | length", End::Result),
        ("[range(1000)] | map([range(1000)]) | transpose | length", End::Any),
        ("[[range(1000000)]] | map(length)", End::Any),
        ("[range(100000)] | [limit(1000; repeat(.))] | flatten | length", End::Data),
        ("[range(10000)] | map({key: tostring, value: .}) | from_entries | to_entries | length", End::Result),
        ("[range(40000)] | group_by(. % 7) | length", End::Result),
        ("[range(300000)] | sort_by(-.) | .[0]", End::Any),
        ("[range(20000)] | unique_by([., .]) | length", End::Result),
        ("[tostream] | length", End::Result),
        ("[range(100000)] | [tostream] | length", End::Any),
        ("[range(20000)] | [paths] | length", End::Result),
        ("[range(20000)] | walk(.) | length", End::Result),
        ("[range(20000)] | tojson | fromjson | length", End::Result),
        ("(\"[\" * 100000) | fromjson", End::Evaluate),
        ("(\"[0,\" * 1000000) | fromjson", End::Any),
        ("\"1\" * 1000 | tonumber", End::Evaluate),
        ("try error(.s * 7000) catch length", End::Result),
        ("error(.s * 7000)", End::Evaluate),
        ("0 | strftime(\"%Y\" * 1000000)", End::Evaluate),
        ("0 | strftime(\"%999999999Y\")", End::Evaluate),
        ("0 | strftime(\"%9999Y%_9999d\")", End::Evaluate),
        ("[1e308, 1e308] | add", End::Evaluate),
        ("[limit(3; repeat([range(60000)]))] | length", End::Result),
    ]);
}

#[test]
fn deep_data() {
    check(&[
        ("reduce range(1000000) as $i (null; [.])", End::Evaluate),
        ("reduce range(1000000) as $i (null; {a: .})", End::Evaluate),
        ("try reduce range(1000000) as $i (null; [.]) catch 1", End::Evaluate),
        ("reduce range(1000000) as $i (null; .a = .)", End::Evaluate),
        ("reduce range(200) as $i (null; [.]) | length", End::Result),
        ("reduce range(200) as $i (null; [.])", End::Evaluate),
        ("reduce range(63) as $i (null; [.])", End::Result),
        ("reduce range(200) as $i (null; [.]) | tojson | length", End::Result),
        ("reduce range(200) as $i (null; [.]) | [..] | length", End::Result),
        ("reduce range(200) as $i (null; [.]) | [paths] | length", End::Result),
        ("reduce range(200) as $i (null; [.]) | walk(.) | length", End::Result),
        ("reduce range(200) as $i (null; [.]) | flatten", End::Result),
        ("reduce range(200) as $i (null; [.]) | . == . and (contains(.))", End::Result),
        ("reduce range(200) as $i (null; [.]) | (.. |= .) | length", End::Result),
        ("reduce range(200) as $i (null; {a: .}) | . * . | length", End::Result),
        ("null | path(last(limit(1000000; repeat(.a))))", End::Evaluate),
        ("path(reduce range(1000000) as $i (.n; .a))", End::Evaluate),
        ("[path(def f: .a | f; .n | f)]", End::Evaluate),
        ("getpath([range(1000000) | \"a\"])", End::Any),
        ("null | getpath([range(20000) | \"a\"])", End::Result),
        ("null | path(getpath([range(100000) | \"a\"]))", End::Evaluate),
        ("null | setpath([range(100000) | \"a\"]; 1)", End::Evaluate),
        ("null | delpaths([[range(100000) | \"a\"]])", End::Evaluate),
        ("null | (getpath([range(100000) | \"a\"])) |= 1", End::Any),
        ("null | reduce range(100000) as $i (.; .a) |= 1", End::Any),
        ("null | (reduce range(1000) as $i (.; .a)) |= 1", End::Any),
        ("null | pick(getpath([range(1000) | \"a\"]))", End::Evaluate),
    ]);
}

#[test]
fn regular_expressions() {
    check(&[
        (".s * 50 | test(\"(x+x+)+y\")", End::Result),
        (".s * 50 | test(\"(x|xx)+$\")", End::Result),
        (".s * 50 | test(\"(x*)*y\")", End::Result),
        (".s * 1000 | test(\"(a|b|x)*a(a|b|x){20}\")", End::Any),
        (".s * 100000 | test(\"x\")", End::Data),
        (".s * 50 | test(\"x{1000}{1000}\")", End::Evaluate),
        (".s * 50 | test(\"(((x{100}){100}){100}){100}\")", End::Evaluate),
        (".s | test(\"\\\\w{500}\")", End::Evaluate),
        ("[range(5000) | tostring | . as $r | \"a\" | test($r)] | length", End::Result),
        ("[range(100000) | tostring | . as $r | \"a\" | test(\"\\\\w{20}\" + $r)] | length", End::Any),
        ("(\"(\" * 5000) as $r | test($r)", End::Evaluate),
        ("\"a\" | test(\"(\" * 2000 + \")\" * 2000)", End::Evaluate),
        ("\"a\" | test(\"(?=x)\")", End::Evaluate),
        ("(\"(a)\" * 1000) as $r | \"aa\" | test($r)", End::Evaluate),
        ("(\"\\\\w\" * 2000) as $r | [range(1000000) | \"a\" | test($r)?] | length", End::Any),
        (
            "[range(1000000) as $i | (\"\\\\w\" * 15 + \"\\($i)\") as $r | \"a\" | test($r)] | length",
            End::Any,
        ),
        ("\"a\" | test(\"(x)\\\\1\")", End::Evaluate),
        ("\"a\" | test(\"x\"; \"q\")", End::Evaluate),
        ("[range(20000)] | map(tostring) | map(test(\"[0-9]+5$\")) | length", End::Result),
    ]);
}

#[test]
fn texts_that_the_parser_must_not_see() {
    let deep = |open: &str, inner: &str, close: &str, n: usize| open.repeat(n) + inner + &close.repeat(n);
    let rows: Vec<(String, End)> = vec![
        (deep("(", ".", ")", 100_000), End::Compile),
        (deep("(", ".", ")", 30_000), End::Compile),
        (deep("[", "1", "]", 30_000), End::Compile),
        ("[".repeat(60_000), End::Compile),
        ("{".repeat(60_000), End::Compile),
        ("{a:".repeat(20_000), End::Compile),
        (deep("{a:", "1", "}", 15_000), End::Compile),
        (deep("\"\\(", "1", ")\"", 10_000), End::Compile),
        ("\"\\(".repeat(20_000), End::Compile),
        (deep(".[", "1", "]", 20_000), End::Compile),
        (deep("(", ".", ")", 190), End::Result),
        (deep("[", "1", "]", 190), End::Evaluate),
        (deep("[", "1", "]", 60), End::Result),
        (deep("first(", ".", ")", 190), End::Result),
        (deep("map(", ".", ")", 190), End::Any),
        (deep("try (", "error", ")", 190), End::Result),
        (deep("if . then (", "1", ") end", 190), End::Result),
        (deep("def f: (", "1", "); f", 150), End::Result),
        (deep("path(", ".", ")", 190), End::Any),
        (deep("(. as $x | (", "1", "))", 95), End::Result),
        (deep("reduce (", "1", ") as $x (0; $x)", 150), End::Result),
        (deep("label $x | (", "1", ")", 150), End::Result),
        (deep("first(. as [$x] | (", "1", "))", 95), End::Any),
        ("-".repeat(60_000) + "1", End::Compile),
        ("- ".repeat(30_000) + "1", End::Compile),
        ("- ".repeat(500) + "1", End::Result),
        ("try ".repeat(15_000) + "1", End::Compile),
        ("try ".repeat(500) + "1", End::Result),
        ("def f: ".repeat(9_000), End::Compile),
        ("if ".repeat(20_000), End::Compile),
        ("reduce ".repeat(9_000), End::Compile),
        ("label $x | ".repeat(5_000) + "1", End::Compile),
        ("label $x | ".repeat(400) + "1", End::Result),
        ("1 as $x | ".repeat(6_000) + "1", End::Compile),
        ("1 as $x | ".repeat(190) + "$x", End::Result),
        ("1 as $x | ".repeat(500) + "$x", End::Result),
        (". | ".repeat(15_000) + ".", End::Compile),
        (". | ".repeat(500) + ".", End::Result),
        ("1 + ".repeat(15_000) + "1", End::Compile),
        ("1 + ".repeat(500) + "1", End::Result),
        ("1 + ".repeat(700) + "1", End::Compile),
        ("1 // ".repeat(500) + "1", End::Result),
        (".a = ".repeat(10_000) + "1", End::Compile),
        (".a |= ".repeat(400) + "1", End::Any),
        ("true and ".repeat(500) + "true", End::Result),
        (format!("[{}1] | length", "1,".repeat(20_000)), End::Result),
        (
            format!("{{{}}} | length", (0..5_000).map(|i| format!("a{i}:{i}")).collect::<Vec<_>>().join(",")),
            End::Result,
        ),
        (
            format!("{{{}}} | length", (0..500).map(|i| format!("a{i}:[{i}]")).collect::<Vec<_>>().join(",")),
            End::Result,
        ),
        (format!("\"{}\" | length", r"\n".repeat(20_000)), End::Result),
        (format!("\"{}\" | length", r"\(1)".repeat(10_000)), End::Result),
        (".a".repeat(20_000), End::Compile),
        (".a?".repeat(15_000), End::Compile),
        (".[0]".repeat(10_000), End::Compile),
        (".n".to_owned() + &".a".repeat(190), End::Result),
        (format!(". as [{}$z] | 1", "$a,".repeat(10_000)), End::Compile),
        (format!(". as {} | 1", deep("[", "$x", "]", 10_000)), End::Compile),
        (format!(". as {} | $x", deep("[", "$x", "]", 150)), End::Any),
        (format!("def f({}): 1; 1", vec!["a"; 10_000].join(";")), End::Compile),
        (format!("f({})", vec!["1"; 10_000].join(";")), End::Compile),
        (format!("if 1 then 1 {} else 1 end", "elif 1 then 1 ".repeat(3_000)), End::Compile),
        (format!("if 1 then 1 {} else 1 end", "elif 1 then 1 ".repeat(400)), End::Result),
        ("def f: 1; ".repeat(6_000) + "f", End::Compile),
        ("def f: 1; ".repeat(500) + "f", End::Result),
        ("x".repeat(70_000), End::Compile),
        ("x".repeat(60_000), End::Compile),
        ("9".repeat(60_000), End::Evaluate),
        ("#".repeat(60_000), End::Compile),
        ("?".repeat(60_000), End::Compile),
        (".".repeat(60_000), End::Compile),
        (".".to_owned() + &"?".repeat(60_000), End::Result),
        ("\"".repeat(60_001), End::Compile),
        (String::new(), End::Compile),
        (" ".to_owned(), End::Compile),
        ("# nothing".to_owned(), End::Compile),
        ("\u{0}".to_owned(), End::Compile),
    ];
    let rows: Vec<(&str, End)> = rows.iter().map(|(text, end)| (text.as_str(), *end)).collect();
    check(&rows);
}

#[test]
fn what_left_the_language() {
    let names = [
        "env",
        "$ENV",
        "$ENV.PATH",
        "env.PATH",
        "input",
        "inputs",
        "input_line_number",
        "input_filename",
        "debug",
        "debug(1)",
        "stderr",
        "halt",
        "halt_error",
        "halt_error(1)",
        "now",
        "localtime",
        "strflocaltime(\"%Y\")",
        "$__prog_args",
        "get_search_list",
        "modulemeta",
        "levqor_main",
        "import \"a\" as a; .",
        "include \"a\"; .",
        "a::b",
        "0 | strflocaltime(\"%Y\")",
        "import \"a\" as $a; $a",
        "module {}; .",
        "!tick",
        "splits",
        "@nope",
        "$__loc__",
        "getpath",
        "input_line_number(1)",
        "ltrimstr",
        "error_empty(1)",
    ];
    let rows: Vec<(&str, End)> = names.iter().map(|name| (*name, End::Compile)).collect();
    check(&rows);
}

#[test]
fn numbers_that_json_does_not_have() {
    check(&[
        ("1 / 0", End::Evaluate),
        ("0 / 0", End::Evaluate),
        ("1 % 0", End::Evaluate),
        ("nan", End::Evaluate),
        ("infinite", End::Evaluate),
        ("-infinite", End::Evaluate),
        ("[1, nan]", End::Evaluate),
        ("{a: {b: infinite}}", End::Evaluate),
        ("1e308 * 10", End::Evaluate),
        ("1e999", End::Evaluate),
        ("1, nan", End::Evaluate),
        ("0 | log", End::Evaluate),
        ("-1 | sqrt", End::Evaluate),
        ("[nan] | sort | length", End::Result),
        ("[nan, 1, nan, infinite, -infinite, 0, nan, 2] | sort | unique | group_by(.) | length", End::Result),
        ("nan | floor | isnan", End::Result),
        ("[1,2] | .[nan]", End::Result),
        ("[1,2] | .[nan:nan] | length", End::Result),
        ("[1,2] | .[infinite:], .[-infinite:]", End::Result),
        ("[1,2] | .[nan] = 1", End::Evaluate),
        ("[1,2] | .[-5] = 1", End::Evaluate),
        ("[range(nan)] | length", End::Result),
        ("9223372036854775807 + 1", End::Result),
        ("-9223372036854775808 | -. | abs", End::Result),
        ("-9223372036854775808 / -1", End::Result),
        ("-9223372036854775808 % -1", End::Result),
        ("18446744073709551615 * 18446744073709551615", End::Result),
        ("-9223372036854775808 * 18446744073709551615", End::Result),
    ]);
}

/// The same expression on the same data uses the same steps, whatever ran before.
#[test]
fn bounds_are_exact() {
    let text = "[range(100)] | map(tostring | test(\"[0-9]5\")) | length";
    let expression = Expression::compile(text, &[]).unwrap();
    let with = move |steps| {
        let bounds = Bounds { steps, ..Bounds::default() };
        expression.evaluate(&Value::Null, &|_| Value::Null, &bounds).is_ok()
    };
    let enough = (0..10_000).find(|steps| with(*steps)).unwrap();
    for _ in 0..3 {
        assert!(with(enough) && !with(enough - 1));
    }
    let other = Expression::compile("\"a\" | test(\"b\")", &[]).unwrap();
    other.evaluate(&Value::Null, &|_| Value::Null, &Bounds::default()).unwrap();
    let there = std::thread::spawn(move || with(enough) && !with(enough - 1));
    assert!(there.join().unwrap());
}

#[test]
fn time_is_bounded() {
    let bounds = Bounds { steps: u64::MAX, time: Duration::from_millis(20), ..Bounds::default() };
    let expression = Expression::compile("last(range(1e15))", &[]).unwrap();
    let result = expression.evaluate(&Value::Null, &|_| Value::Null, &bounds);
    assert_eq!(result, Err(ExpressionError::TooSlow(Duration::from_millis(20))));
}
