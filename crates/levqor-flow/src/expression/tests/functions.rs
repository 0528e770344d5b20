use serde_json::{Value, json};

use super::run;

#[test]
fn smoke() {
    assert_eq!(run(".a.b + 1", &json!({"a":{"b":1}})), Ok(json!(2)));
    assert_eq!(run("[.[] | . * 2]", &json!([1, 2])), Ok(json!([2, 4])));
    assert_eq!(run("map(.+1)|add", &json!([1, 2])), Ok(json!(5)));
    let _: Value = json!(1);
}
