//! `docs/SECURITY_CORE_TESTS.md` says which test proves what; here it is held against the source.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// The numbers of OWASP ASVS 5.0.0, levels 1 and 2.
const NUMBERS: &str = "\
     1.1.1 1.1.2 1.2.1 1.2.2 1.2.3 1.2.4 1.2.5 1.2.6 1.2.7 1.2.8 1.2.9 1.3.1 1.3.2 1.3.3 1.3.4 1.3.5 1.3.6 1.3.7 \
     1.3.8 1.3.9 1.3.10 1.3.11 1.4.1 1.4.2 1.4.3 1.5.1 1.5.2 2.1.1 2.1.2 2.1.3 2.2.1 2.2.2 2.2.3 2.3.1 2.3.2 2.3.3 \
     2.3.4 2.4.1 3.2.1 3.2.2 3.3.1 3.3.2 3.3.3 3.3.4 3.4.1 3.4.2 3.4.3 3.4.4 3.4.5 3.4.6 3.5.1 3.5.2 3.5.3 3.5.4 \
     3.5.5 3.7.1 3.7.2 4.1.1 4.1.2 4.1.3 4.2.1 4.3.1 4.3.2 4.4.1 4.4.2 4.4.3 4.4.4 5.1.1 5.2.1 5.2.2 5.2.3 5.3.1 \
     5.3.2 5.4.1 5.4.2 5.4.3 6.1.1 6.1.2 6.1.3 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5 6.2.6 6.2.7 6.2.8 6.2.9 6.2.10 6.2.11 \
     6.2.12 6.3.1 6.3.2 6.3.3 6.3.4 6.4.1 6.4.2 6.4.3 6.4.4 6.5.1 6.5.2 6.5.3 6.5.4 6.5.5 6.6.1 6.6.2 6.6.3 6.8.1 \
     6.8.2 6.8.3 6.8.4 7.1.1 7.1.2 7.1.3 7.2.1 7.2.2 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.4 7.4.5 7.5.1 \
     7.5.2 7.6.1 7.6.2 8.1.1 8.1.2 8.2.1 8.2.2 8.2.3 8.3.1 8.4.1 9.1.1 9.1.2 9.1.3 9.2.1 9.2.2 9.2.3 9.2.4 10.1.1 \
     10.1.2 10.2.1 10.2.2 10.3.1 10.3.2 10.3.3 10.3.4 10.4.1 10.4.2 10.4.3 10.4.4 10.4.5 10.4.6 10.4.7 10.4.8 \
     10.4.9 10.4.10 10.4.11 10.5.1 10.5.2 10.5.3 10.5.4 10.5.5 10.6.1 10.6.2 10.7.1 10.7.2 10.7.3 11.1.1 11.1.2 \
     11.2.1 11.2.2 11.2.3 11.3.1 11.3.2 11.3.3 11.4.1 11.4.2 11.4.3 11.4.4 11.5.1 11.6.1 12.1.1 12.1.2 12.1.3 \
     12.2.1 12.2.2 12.3.1 12.3.2 12.3.3 12.3.4 13.1.1 13.2.1 13.2.2 13.2.3 13.2.4 13.2.5 13.3.1 13.3.2 13.4.1 \
     13.4.2 13.4.3 13.4.4 13.4.5 14.1.1 14.1.2 14.2.1 14.2.2 14.2.3 14.2.4 14.3.1 14.3.2 14.3.3 15.1.1 15.1.2 \
     15.1.3 15.2.1 15.2.2 15.2.3 15.3.1 15.3.2 15.3.3 15.3.4 15.3.5 15.3.6 15.3.7 16.1.1 16.2.1 16.2.2 16.2.3 \
     16.2.4 16.2.5 16.3.1 16.3.2 16.3.3 16.3.4 16.4.1 16.4.2 16.4.3 16.5.1 16.5.2 16.5.3 17.1.1 17.2.1 17.2.2 \
     17.2.3 17.2.4 17.3.1 17.3.2";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/SECURITY_CORE_TESTS.md")).unwrap()
}

/// The rows: number, and what is said of it.
fn rows(page: &str) -> Vec<(String, String)> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| V"))
        .map(|line| {
            let mut cells = line.split(" | ");
            let (number, _, here) = (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap());
            (number.to_owned(), here.trim_end_matches(" |").to_owned())
        })
        .collect()
}

/// What stands between backticks and is written as a test.
fn named(here: &str) -> Vec<&str> {
    here.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect()
}

/// All tests of the source, as `file::test`.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                // A folder's own file is called as the folder is.
                let named = if path.ends_with("mod.rs") { path.parent().unwrap() } else { path.as_path() };
                let stem = named.file_stem().unwrap().to_str().unwrap().to_owned();
                let text = std::fs::read_to_string(&path).unwrap();
                found.extend(tests_in(&text).map(|test| format!("{stem}::{test}")));
            }
        }
    }
    found
}

/// Functions that have a line `#[test]` or `#[tokio::test…]` above them.
fn tests_in(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().map(str::trim).filter_map(move |line| {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        }
        let name = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))?;
        let name = name.split('(').next()?;
        std::mem::take(&mut is_test).then_some(name)
    })
}

#[test]
fn every_requirement_is_there_once_and_has_an_answer() {
    let page = page();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (number, here) in rows(&page) {
        let words = ["not applicable: ", "not met: ", "held, without a test: "];
        let said = words.iter().any(|start| here.len() > start.len() && here.starts_with(start));
        assert!(said || !named(&here).is_empty(), "V{number}: {here}");
        assert!(found.insert(number.clone(), here).is_none(), "V{number} is there twice");
    }
    let expected: BTreeSet<&str> = NUMBERS.split_whitespace().collect();
    assert_eq!(expected.len(), 253);
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    let count = |start: &str| found.values().filter(|here| here.starts_with(start)).count();
    let (elsewhere, not_met, held) = (count("not applicable"), count("not met"), count("held"));
    let sum = format!(
        "Of 253: {} are proved by tests, {held} held without a test, {elsewhere} not applicable, {not_met} not met.",
        253 - elsewhere - not_met - held
    );
    assert!(page.contains(&sum), "the page should say: {sum}");
}

#[test]
fn every_test_that_is_named_exists() {
    let (page, tests) = (page(), tests());
    assert!(tests.len() > 1_000, "{}", tests.len());
    let mut missing = Vec::new();
    for (number, here) in rows(&page) {
        missing.extend(
            named(&here)
                .into_iter()
                .filter(|name| !tests.contains(*name))
                .map(|name| format!("V{number}: {name}")),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
