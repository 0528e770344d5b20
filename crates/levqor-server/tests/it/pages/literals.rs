//! Texts of policies and pages write no number that the blueprint owns: neither in digits nor in words.

use std::path::{Path, PathBuf};

use levqor_server::features::policies::service::SHIPPED;
use regex::Regex;

/// A number in digits or words with what the blueprint counts, or money.
fn promised() -> Regex {
    let number = r"(?:\d[\d,.]*|two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen|twenty|thirty|fifty|sixty|ninety|hundred|thousand)";
    let counted = r"(?:%|percent|per cent|days?|hours?|h\b|months?|requests?|runs?|workflows?|credits?|rounds?|trials?|plans?|packages?)";
    Regex::new(&format!(r"(?i)\b{number}[ -]?{counted}|[£€$] ?\d|\b(?:GBP|EUR|USD)\b")).unwrap()
}

/// The lines of a policy's text without its head and placeholders, with their numbers.
fn lines(text: &str) -> Vec<(usize, String)> {
    let placeholder = Regex::new(r"\{\{[^}]*\}\}").unwrap();
    let body = text.splitn(3, "---\n").nth(2).unwrap();
    let head = text.len() - body.len();
    let first = text[..head].matches('\n').count() + 1;
    body.lines()
        .zip(first..)
        .map(|(line, number)| (number, placeholder.replace_all(line, "…").into_owned()))
        .collect()
}

fn faults_in(name: &str, text: &str) -> Vec<String> {
    let promised = promised();
    let wrong = |line: &str| line.chars().any(|letter| letter.is_ascii_digit()) || promised.is_match(line);
    lines(text)
        .into_iter()
        .filter(|(_, line)| wrong(line))
        .map(|(number, line)| format!("{name}.md:{number}: {line}"))
        .collect()
}

#[test]
fn policies_take_every_number_from_the_blueprint() {
    let faults: Vec<_> = SHIPPED.iter().flat_map(|(name, text)| faults_in(name, text)).collect();
    assert!(faults.is_empty(), "write a placeholder, such as {{{{ trial.days }}}}:\n{}", faults.join("\n"));
    let bad = "---\ntitle: T\n---\nFine {{ trial.days }} days.\nWithin 30 days.\n\nAfter seven days.\nIt costs £9.\n";
    assert_eq!(
        faults_in("bad", bad),
        ["bad.md:5: Within 30 days.", "bad.md:7: After seven days.", "bad.md:8: It costs £9."]
    );
}

/// The sources of pages that show promises.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let folders = ["features/site", "features/home", "features/policies"];
    let mut found: Vec<_> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    found.extend(["promise_tables.rs", "operator.rs"].map(|file| root.join("pages/components").join(file)));
    found.push(root.join("pages/footer.rs"));
    found.sort();
    found
}

/// Texts in a source, up to its tests; sentences that are examples for the grammar are no promises.
fn source_faults(text: &str) -> Vec<String> {
    let promised = promised();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//") && line.contains('"') && promised.is_match(line))
        .map(str::to_owned)
        .collect()
}

#[test]
fn pages_take_every_number_from_the_blueprint() {
    let sources = sources();
    assert!(sources.len() > 20, "{sources:?}");
    for file in sources {
        let faults = source_faults(&std::fs::read_to_string(&file).unwrap());
        assert!(faults.is_empty(), "{}: show a promise by its name\n{}", file.display(), faults.join("\n"));
    }
    assert_eq!(source_faults("p { \"A 7-day trial\" }\n// 7 days\np { \"2 rounds\" }\nlet a = 7;").len(), 2);
}
