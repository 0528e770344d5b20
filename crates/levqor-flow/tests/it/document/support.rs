//! The page about what is supported says what the checker does.

use std::fs;

use levqor_flow::document::{
    Fetched, Host, check_with, read,
    support::{CONSTRUCTS, State, page},
};

use super::shown;

/// To write the page anew: `LEVQOR_WRITE_DOCS=1 cargo test -p levqor-flow --test it the_page`.
#[test]
fn the_page_is_what_the_list_of_constructs_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/dsl-support.md");
    if std::env::var_os("LEVQOR_WRITE_DOCS").is_some() {
        fs::write(path, page()).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap_or_default(), page());
}

#[test]
fn every_construct_is_taken_or_refused_as_its_row_says() {
    let mut fetched = Fetched::default();
    let raw = "https://raw.githubusercontent.com/acme/catalog/main/functions/log/1.0.0/function.yaml";
    fetched.insert(raw, serde_json::json!({ "set": { "y": "${ .x }" } }));
    for construct in CONSTRUCTS {
        let document = construct.document();
        let value = read(&document).unwrap_or_else(|issue| panic!("{}: {}", construct.name, issue.message));
        for host in [Host::default(), Host::permissive()] {
            let checked = check_with(&value, &host, &fetched);
            let errors = shown(&checked.errors);
            let taken = match construct.state {
                State::Full => true,
                State::Off { .. } => host == Host::permissive(),
                State::Refused { .. } => false,
            };
            assert_eq!(checked.workflow.is_some(), taken, "{}: {document}\n{errors}", construct.name);
            if !taken {
                let refused = checked
                    .errors
                    .iter()
                    .any(|issue| issue.pointer == construct.pointer && construct.refuses(&issue.message));
                assert!(refused, "{} at {}:\n{errors}", construct.name, construct.pointer);
            }
        }
    }
}

#[test]
fn no_construct_has_two_rows_and_areas_stand_together() {
    let mut names = std::collections::HashSet::new();
    let mut areas = Vec::new();
    for construct in CONSTRUCTS {
        assert!(names.insert(construct.name), "{} is there twice", construct.name);
        if areas.last() != Some(&construct.area) {
            assert!(!areas.contains(&construct.area), "{} is in two places", construct.area);
            areas.push(construct.area);
        }
    }
}

/// `docs/dsl-semantics.md` names a test for each reading.
#[test]
fn the_page_about_semantics_names_tests_that_exist() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let page = fs::read_to_string(format!("{root}/docs/dsl-semantics.md")).unwrap();
    let mut named = 0;
    for row in page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| place") && !line.starts_with("| ---"))
    {
        let tests = row.rsplit(" | ").next().unwrap();
        let mut tests = tests.split('`').filter(|part| part.contains("::")).peekable();
        assert!(tests.peek().is_some(), "no test is named: {row}");
        for test in tests {
            let (module, name) = test.rsplit_once("::").unwrap();
            let path = format!("{root}/crates/levqor-flow/tests/it/{}.rs", module.replace("::", "/"));
            let source =
                fs::read_to_string(&path).unwrap_or_else(|reason| panic!("{test}: {path}: {reason}"));
            assert!(source.contains(&format!("fn {name}(")), "{path} has no test {name}");
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}
