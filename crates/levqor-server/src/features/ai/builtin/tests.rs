//! What the rules find, what they leave alone, and what holds for any text.

use levqor_flow::document;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::backend::{Classify, Extract, Label},
    classify::classify,
    extract::extract,
    summarise::{sentences, summarise},
};

fn task(text: &str, properties: &Value) -> Extract {
    task_with(text, properties, &json!({}))
}

/// With `$defs` that properties refer to.
fn task_with(text: &str, properties: &Value, defs: &Value) -> Extract {
    let loose: serde_json::Map<String, Value> = properties
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, property)| (name.clone(), json!({ "anyOf": [property, { "type": "null" }] })))
        .collect();
    let schema = json!({ "type": "object", "properties": loose, "$defs": defs });
    Extract {
        text: text.to_owned(),
        compiled: document::external_schema(&schema).unwrap(),
        schema,
        instructions: None,
    }
}

#[test]
fn values_are_found_where_the_text_says_them_and_nowhere_else() {
    let string = || json!({ "type": "string" });
    let number = || json!({ "type": "number" });
    let format = |format: &str| json!({ "type": "string", "format": format });
    let two = "From: ada@example.org\nTo: bob@example.org\nReply-To: ada@example.org";
    let day = || format("date");
    let rows = [
        // Text behind a label.
        ("Customer name: Ada Lovelace\nCity: London", "customerName", string(), json!("Ada Lovelace")),
        ("**Customer name:** Ada Lovelace", "customer_name", string(), json!("Ada Lovelace")),
        ("Name: Ada, City: London", "name", string(), json!("Ada")),
        ("| name: Ada | city: London |", "city", string(), json!("London")),
        ("the name is important", "name", string(), Value::Null),
        ("Surname: Lovelace", "name", string(), Value::Null),
        ("Name:\nAda", "name", string(), Value::Null),
        (
            "Rechnungsnummer: R-17",
            "number",
            json!({ "type": "string", "title": "Rechnungsnummer" }),
            json!("R-17"),
        ),
        // What does not fit the schema is not taken.
        ("Name: Ada", "name", json!({ "type": "string", "minLength": 5 }), Value::Null),
        ("Code: ab\nCode: XY", "code", json!({ "type": "string", "pattern": "^[A-Z]+$" }), json!("XY")),
        // Addresses.
        ("Write to ada@example.org.", "contact", format("email"), json!("ada@example.org")),
        (two, "contact", format("email"), Value::Null),
        (two, "to", format("email"), json!("bob@example.org")),
        ("mail me at ada@ or @example.org", "email", string(), Value::Null),
        ("See https://a.example/x?y=1, please", "page", format("uri"), json!("https://a.example/x?y=1")),
        ("no address here", "website", string(), Value::Null),
        // Days.
        ("Due date: 2026-12-24, thanks", "dueDate", day(), json!("2026-12-24")),
        ("Due on 24th of December 2026", "dueDate", day(), json!("2026-12-24")),
        ("Due on Dec 24, 2026", "dueDate", day(), json!("2026-12-24")),
        ("Due on 03/04/2026", "dueDate", day(), Value::Null),
        ("Due on 2026-02-30", "dueDate", day(), Value::Null),
        ("From 2026-01-01 to 2026-01-31", "day", day(), Value::Null),
        ("at 2026-11-28T10:00:00Z", "at", format("date-time"), json!("2026-11-28T10:00:00Z")),
        // Numbers.
        ("Total: EUR 1,234.50", "total", number(), json!(1234.5)),
        ("Total: 1.234,50 €", "total", number(), json!(1234.5)),
        ("Total: £1,200", "total", number(), json!(1200)),
        ("Total: -7", "total", json!({ "type": "integer" }), json!(-7)),
        ("Total: 7.5", "total", json!({ "type": "integer" }), Value::Null),
        ("Weight: 12kg", "weight", number(), json!(12)),
        ("the total is $40.", "total", number(), json!(40)),
        ("Total: see page 4", "total", number(), Value::Null),
        ("Total: 2026-01-02", "total", number(), Value::Null),
        ("Total: 12th", "total", number(), Value::Null),
        ("Total: 1 234,50", "total", number(), Value::Null),
        ("We have 5 of them", "total", number(), Value::Null),
        ("Total: 500", "total", json!({ "type": "number", "maximum": 100 }), Value::Null),
        // Words and flags.
        ("It is urgent", "priority", json!({ "enum": ["low", "urgent"] }), json!("urgent")),
        ("low or urgent?", "priority", json!({ "enum": ["low", "urgent"] }), Value::Null),
        ("low or urgent?\nPriority: Low", "priority", json!({ "enum": ["low", "urgent"] }), json!("low")),
        ("slowly", "priority", json!({ "enum": ["low"] }), Value::Null),
        ("Paid: yes", "paid", json!({ "type": "boolean" }), json!(true)),
        ("Paid: No", "paid", json!({ "type": ["boolean", "null"] }), json!(false)),
        ("Paid: later", "paid", json!({ "type": "boolean" }), Value::Null),
        // Lists.
        (
            two,
            "addresses",
            json!({ "type": "array", "items": { "type": "string", "format": "email" } }),
            json!(["ada@example.org", "bob@example.org"]),
        ),
        (
            "Colours: red, green and blue",
            "colours",
            json!({ "type": "array", "items": { "type": "string" } }),
            json!(["red", "green", "blue"]),
        ),
        ("{ }", "inner", json!({ "type": "object" }), Value::Null),
    ];
    for (text, name, property, expected) in rows {
        let found = extract(&task(text, &json!({ name: property })));
        let value = found.get(name).map_or(Value::Null, |found| found.value.clone());
        assert_eq!(value, expected, "{name} as {property} in {text:?}");
    }
}

#[test]
fn a_reference_is_followed_and_one_in_a_circle_ends() {
    let properties = json!({ "mail": { "$ref": "#/$defs/address" } });
    let defs = json!({ "address": { "type": "string", "format": "email" } });
    let mut task = task_with("Mail: ada@example.org", &properties, &defs);
    assert_eq!(extract(&task)["mail"].value, "ada@example.org");
    task.schema["$defs"] = json!({ "address": { "$ref": "#/$defs/address" } });
    assert!(extract(&task).is_empty());
}

fn labels() -> Vec<Label> {
    let label = |label: &str, description: &str, examples: &[&str]| Label {
        label: label.to_owned(),
        description: description.to_owned(),
        examples: examples.iter().map(|example| (*example).to_owned()).collect(),
    };
    vec![
        label("invoice", "A bill or a request for payment", &["Please find attached the invoice"]),
        label("complaint", "Something is broken or late", &["My parcel never arrived"]),
        label("发票", "", &[]),
    ]
}

#[test]
fn a_label_is_given_for_words_that_only_it_has() {
    for (text, expected) in [
        ("Please pay these invoices.", Some("invoice")),
        ("Your parcels arrived broken!", Some("complaint")),
        ("请看发票", Some("发票")),
        ("Hello there, how are you?", None),
        ("", None),
        ("An invoice, and a complaint", None),
    ] {
        let task = Classify { text: text.to_owned(), labels: labels(), instructions: None };
        let verdict = classify(&task);
        assert_eq!(verdict.label, expected, "{text}: {verdict:?}");
        assert_eq!(verdict.confidence > 0.0, expected.is_some(), "{text}: {verdict:?}");
    }
}

const NEWS: &str = "The storm reached the coast on Monday. Dr. Meyer said that the storm was the strongest in \
    years! Schools stayed closed. Was anybody hurt? Nobody was hurt, said the mayor.\n\n- Trains are late\n- The coast \
    road is closed because of the storm";

#[test]
fn sentences_end_where_readers_end_them() {
    assert_eq!(
        sentences(NEWS),
        [
            "The storm reached the coast on Monday.",
            "Dr. Meyer said that the storm was the strongest in years!",
            "Schools stayed closed.",
            "Was anybody hurt?",
            "Nobody was hurt, said the mayor.",
            "- Trains are late",
            "- The coast road is closed because of the storm",
        ]
    );
    assert_eq!(sentences("它很大。它很小！"), ["它很大。", "它很小！"]);
    assert_eq!(sentences("Version 1.2 costs 3.50 e.g. today"), ["Version 1.2 costs 3.50 e.g. today"]);
    assert_eq!(sentences(" \n... !! \n"), [""; 0]);
}

#[test]
fn a_summary_is_what_the_text_is_about_within_its_bounds() {
    // The storm, the coast and what is closed are named most often.
    assert_eq!(summarise(NEWS, 1, 2_000), ["- The coast road is closed because of the storm"]);
    // The second one speaks of something else, and stands before the first one, as in the text.
    let summary = summarise(NEWS, 2, 2_000);
    assert!(summary.len() == 2 && !summary[0].contains("storm"), "{summary:?}");
    assert_eq!(summarise(NEWS, 50, 2_000).len(), 7, "everything fits");
    assert_eq!(summarise(NEWS, 50, 25), ["Was anybody hurt?"], "the best of those that are short enough");
    assert_eq!(summarise(NEWS, 3, 5), [""; 0]);
    assert_eq!(summarise("", 3, 100), [""; 0]);
}

/// Texts that look a little like letters and invoices.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        "[0-9.,'’ -]{1,12}",
        prop::sample::select(vec![
            "Total:",
            "total is ",
            "Name: ",
            "=",
            "\n",
            "\n- ",
            ". ",
            "! ",
            "ada@example.org",
            "@",
            "https://a.b/c",
            "2026-02-29",
            "24 Dec 2026",
            "yes",
            "Paid: ",
            "low",
            "€",
            "é",
            "。",
            "Ω",
            "\t",
            "|",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn everything() -> Value {
    json!({
        "total": { "type": "number" },
        "count": { "type": "integer" },
        "name": { "type": "string" },
        "email": { "type": "string" },
        "page": { "type": "string", "format": "uri" },
        "day": { "type": "string", "format": "date" },
        "at": { "type": "string", "format": "date-time" },
        "paid": { "type": "boolean" },
        "priority": { "enum": ["low", "high"] },
        "mails": { "type": "array", "items": { "type": "string", "format": "email" } },
        "names": { "type": "array", "items": { "type": "string" } },
        "": { "type": "string" },
        "(": { "type": "string" },
    })
}

proptest! {
    #[test]
    fn what_is_extracted_stands_in_the_text(text in texts()) {
        let task = task(&text, &everything());
        for (name, found) in extract(&task) {
            prop_assert!(!found.places.is_empty(), "{name}");
            for place in &found.places {
                prop_assert!(!text[place.clone()].trim().is_empty(), "{name} {found:?}");
            }
            let said = |value: &Value, place: &std::ops::Range<usize>| match value {
                Value::String(value) => name == "day" || name == "priority" || *value == text[place.clone()],
                Value::Number(_) => text[place.clone()].contains(|digit: char| digit.is_ascii_digit()),
                _ => true,
            };
            match &found.value {
                Value::Array(values) => {
                    prop_assert_eq!(values.len(), found.places.len());
                    prop_assert!(values.iter().zip(&found.places).all(|(value, place)| said(value, place)));
                }
                value => prop_assert!(said(value, &found.places[0]), "{name} {found:?}"),
            }
        }
    }

    #[test]
    fn a_summary_is_made_of_the_text_in_its_order(text in texts(), most in 1_usize..8, chars in 0_usize..200) {
        let summary = summarise(&text, most, chars);
        prop_assert!(summary.len() <= most && summary.join(" ").chars().count() <= chars);
        let mut rest = text.as_str();
        for sentence in &summary {
            let place = rest.find(sentence);
            prop_assert!(place.is_some(), "{sentence:?}");
            rest = &rest[place.unwrap_or_default() + sentence.len()..];
        }
    }

    #[test]
    fn a_label_is_one_of_the_labels(text in texts()) {
        let task = Classify { text, labels: labels(), instructions: None };
        let verdict = classify(&task);
        prop_assert_eq!(&verdict, &classify(&task));
        prop_assert!((0.0..=1.0).contains(&verdict.confidence));
    }
}
