//! The shipped guides, in reading order. The pages show them, and the built-in assistant quotes them.

/// A guide in Markdown.
#[derive(Debug, Clone, Copy)]
pub struct Guide {
    /// The last part of its address, `/docs/<slug>`.
    pub slug: &'static str,
    pub markdown: &'static str,
}

impl Guide {
    /// Its first heading.
    pub fn title(&self) -> &'static str {
        self.markdown.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(self.slug)
    }
}

macro_rules! guides {
    ($($slug:literal),+ $(,)?) => {
        /// All guides.
        pub const GUIDES: &[Guide] = &[$(Guide {
            slug: $slug,
            markdown: include_str!(concat!("../../../../../docs/guide/", $slug, ".md")),
        }),+];
    };
}

guides!(
    "getting-started",
    "workflows",
    "expressions",
    "schedules",
    "calls",
    "runs",
    "ai",
    "api",
    "regions",
    "plans",
    "operating",
);

/// The page of a problem, by its slug.
pub fn problem_text(slug: &str) -> Option<&'static str> {
    PROBLEMS.iter().find(|(found, _)| *found == slug).map(|(_, text)| *text)
}

/// Pages of problems: slug and Markdown.
const PROBLEMS: &[(&str, &str)] = &[];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_guide_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide");
        let files: BTreeSet<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().replace(".md", ""))
            .collect();
        let listed: BTreeSet<_> = GUIDES.iter().map(|guide| guide.slug.to_owned()).collect();
        assert_eq!(files, listed);
    }
}
