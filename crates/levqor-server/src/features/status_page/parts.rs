//! The parts that evidence may name, with words for readers. Others are shown by their names.

/// What every region in use must show samples of.
pub(super) const REQUIRED: [&str; 3] = ["api", "database", "engine"];

/// Name, title, and what it does in a few words; in the order in which they are shown.
const KNOWN: [(&str, &str, &str); 15] = [
    ("api", "API and pages", "answers requests"),
    ("database", "Database", "commits and reads"),
    ("engine", "Engine", "drives runs and timers"),
    ("runs", "Runs", "begin, go on and end"),
    ("website", "Website", "shows the public pages"),
    ("network", "Network", "leads from every region here"),
    ("signin", "Sign-in", "lets people in"),
    ("hooks", "Webhooks", "take messages that start runs"),
    ("schedules", "Schedules", "start runs in time"),
    ("events", "Events", "reach those who wait for them"),
    ("ai", "AI", "answers questions and drafts"),
    ("mail", "Mail", "leaves the platform"),
    ("billing", "Billing", "takes orders"),
    ("dns", "DNS", "finds the platform"),
    ("certificate", "Certificates", "prove who answers"),
];

/// Title, and what it does.
pub(super) fn words(name: &str) -> (String, String) {
    match KNOWN.iter().find(|(known, ..)| *known == name) {
        Some((_, title, does)) => ((*title).to_owned(), (*does).to_owned()),
        None => (name.to_owned(), "observed".to_owned()),
    }
}

/// Where it stands among the others.
pub(super) fn place(name: &str) -> usize {
    KNOWN.iter().position(|(known, ..)| *known == name).unwrap_or(KNOWN.len())
}

/// Whether this can be a name of parts: `region/component`, a region or a component, with `*` for all of them.
pub(super) fn is_pattern(text: &str) -> bool {
    let word = |word: &str| {
        word == "*"
            || (1..=64).contains(&word.len())
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match text.split_once('/') {
        Some((region, component)) => word(region) && word(component),
        None => word(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_names() {
        for (text, good) in [
            ("eu-west/api", true),
            ("*/api", true),
            ("eu-west", true),
            ("*", true),
            ("", false),
            ("/", false),
            ("eu-west/", false),
            ("eu-west/a/b", false),
            ("eu west/api", false),
            ("<b>", false),
        ] {
            assert_eq!(is_pattern(text), good, "{text}");
        }
        assert_eq!(words("api").0, "API and pages");
        assert_eq!(words("odd").0, "odd");
    }
}
