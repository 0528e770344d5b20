//! Which policies there are, and where their texts come from.

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use levqor_model::{Blueprint, Date};
use maud::Markup;

use super::{
    names::names,
    template::{self, Filled, Names},
};
use crate::{Site, pages::components::promise::Promises};

/// The largest file that can replace a policy.
pub const POLICY_BYTES_MAX: u64 = 256 * 1024;

macro_rules! policies {
    ($($slug:literal),+ $(,)?) => {
        /// The shipped templates, in the order of the policies' index: name, text. A policy's page is `/` and its name.
        pub const SHIPPED: &[(&str, &str)] =
            &[$(($slug, include_str!(concat!("../../../policies/", $slug, ".md")))),+];
    };
}

policies!(
    "terms",
    "privacy",
    "acceptable-use",
    "fair-use",
    "sla",
    "support-policy",
    "refunds",
    "cancellation",
    "disputes",
    "dfy-contract",
    "revisions",
);

/// A policy that can be shown.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The last part of its address.
    pub slug: &'static str,
    pub title: String,
    pub description: String,
    /// The day on which its text was last changed.
    pub updated: Date,
    /// Clean.
    pub html: Markup,
    /// The second-level headings: anchor and text.
    pub headings: Vec<(String, String)>,
}

/// All policies; cheap to clone.
#[derive(Debug, Clone)]
pub struct Policies(Arc<[Policy]>);

impl Policies {
    /// Reads the templates: those of `folder` (`site.policies_dir`) where it has them, the shipped ones elsewhere.
    ///
    /// # Errors
    /// A line for each thing that is wrong, with file and line where there is one.
    pub fn load(blueprint: &Blueprint, site: &Site, folder: Option<&Path>) -> Result<Self, Vec<String>> {
        let names = names(&Promises::of(blueprint), site);
        let mut complaints = folder.map(strangers).unwrap_or_default();
        let mut unknown_name = false;
        let mut policies = Vec::with_capacity(SHIPPED.len());
        for (slug, shipped) in SHIPPED {
            let file = folder.map(|folder| folder.join(format!("{slug}.md")));
            let (origin, text) = match file.map(|file| (read(&file), file)) {
                Some((Ok(Some(text)), file)) => (file.display().to_string(), text),
                Some((Err(problem), file)) => {
                    complaints.push(format!("{}: {problem}", file.display()));
                    continue;
                }
                Some((Ok(None), _)) | None => (format!("the shipped {slug}.md"), (*shipped).to_owned()),
            };
            match template::fill(&text, &names) {
                Ok(filled) => policies.push(policy(slug, filled)),
                Err(faults) => {
                    unknown_name |= faults.iter().any(|fault| fault.problem.contains("no placeholder"));
                    complaints.extend(faults.iter().map(|fault| format!("{origin}:{fault}")));
                }
            }
        }
        if unknown_name {
            complaints.push(format!("placeholders of policies are: {}", listed(&names)));
        }
        if complaints.is_empty() { Ok(Self(policies.into())) } else { Err(complaints) }
    }

    pub fn all(&self) -> &[Policy] {
        &self.0
    }

    pub fn find(&self, slug: &str) -> Option<&Policy> {
        self.0.iter().find(|policy| policy.slug == slug)
    }
}

fn policy(slug: &'static str, filled: Filled) -> Policy {
    let Filled { title, description, updated, html, headings } = filled;
    Policy { slug, title, description, updated, html, headings }
}

fn listed(names: &Names) -> String {
    names.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The text of a file; None when there is none.
fn read(file: &Path) -> Result<Option<String>, String> {
    let opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{error}; make it readable, or take it away")),
    };
    let mut bytes = Vec::new();
    let read = opened.take(POLICY_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("{error}; make it a readable file, or take it away"))?;
    if bytes.len() as u64 > POLICY_BYTES_MAX {
        return Err(format!("the file is larger than {POLICY_BYTES_MAX} bytes; shorten it"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| "the file is not UTF-8; save it as UTF-8".to_owned())
}

/// Templates in the folder that replace nothing, and what keeps the folder from being read.
fn strangers(folder: &Path) -> Vec<String> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            return vec![format!(
                "{}: {error}; name a folder that can be read, or leave site.policies_dir empty",
                folder.display()
            )];
        }
    };
    let mut strange: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .filter(|path| !SHIPPED.iter().any(|(slug, _)| path.file_stem().is_some_and(|stem| stem == *slug)))
        .collect();
    strange.sort();
    let known: Vec<_> = SHIPPED.iter().map(|(slug, _)| format!("{slug}.md")).collect();
    strange
        .iter()
        .map(|path| format!("{}: replaces no policy; policies are {}", path.display(), known.join(", ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use levqor_testkit::temp_dir;

    use super::*;

    fn blueprint() -> Blueprint {
        Blueprint::parse(Blueprint::SHIPPED).unwrap()
    }

    const HEAD: &str = "---\ntitle: Our terms\ndescription: Ours.\nupdated: 2026-01-02\n---\n";

    #[test]
    fn a_file_of_the_same_name_replaces_a_policy() {
        let folder = temp_dir();
        let text = format!("{HEAD}We give back within {{{{ money_back_days }}}} days.\n");
        std::fs::write(folder.path().join("terms.md"), text).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "not a policy").unwrap();
        let policies = Policies::load(&blueprint(), &Site::default(), Some(folder.path())).unwrap();
        let terms = policies.find("terms").unwrap();
        assert_eq!((terms.title.as_str(), terms.updated.to_string().as_str()), ("Our terms", "2026-01-02"));
        assert!(
            terms
                .html
                .0
                .contains("within <data value=\"30\" data-promise=\"money_back_days\">30</data> days")
        );
        let shipped = Policies::load(&blueprint(), &Site::default(), None).unwrap();
        assert_eq!(policies.find("sla").unwrap().html.0, shipped.find("sla").unwrap().html.0);
        assert_eq!(policies.all().len(), SHIPPED.len());
    }

    #[test]
    fn a_folder_with_faults_is_refused_with_files_lines_and_names() {
        let folder = temp_dir();
        let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
        write("terms.md", format!("{HEAD}\n{{{{ plan.starter.price }}}}\n").as_bytes());
        write("privacy.md", b"\xff\xfe");
        write("sla.md", &vec![b'a'; usize::try_from(POLICY_BYTES_MAX).unwrap() + 1]);
        write("refund.md", b"");
        std::fs::create_dir(folder.path().join("disputes.md")).unwrap();
        let refusal = Policies::load(&blueprint(), &Site::default(), Some(folder.path())).unwrap_err();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let rows = [
            format!("{}: replaces no policy; policies are terms.md, privacy.md, ", at("refund.md")),
            format!("{}:7: there is no placeholder \"plan.starter.price\"", at("terms.md")),
            format!("{}: the file is not UTF-8", at("privacy.md")),
            format!("{}: the file is larger than 262144 bytes", at("sla.md")),
            format!("{}: ", at("disputes.md")),
        ];
        for row in &rows {
            assert!(refusal.iter().any(|line| line.starts_with(row)), "{row} is not in {refusal:#?}");
        }
        let names = refusal.last().unwrap();
        for name in ["plan.starter.month_price", "trial.days", "list.service_credits", "site.operator_name"] {
            assert!(names.contains(name), "{names} lacks {name}");
        }
        assert_eq!(refusal.len(), rows.len() + 1, "{refusal:#?}");
        let missing = folder.path().join("nowhere");
        let refusal = Policies::load(&blueprint(), &Site::default(), Some(&missing)).unwrap_err();
        assert!(refusal[0].contains("leave site.policies_dir empty"), "{refusal:?}");
    }

    #[test]
    fn the_operator_is_named_in_the_policies_and_never_made_up() {
        let site = Site {
            operator_name: Some("Acme <Ltd>".to_owned()),
            contact_email: Some("help@acme.example".to_owned()),
            ..Site::default()
        };
        let named = Policies::load(&blueprint(), &site, None).unwrap();
        let terms = &named.find("terms").unwrap().html.0;
        assert!(terms.contains("Acme &lt;Ltd&gt;") && terms.contains("mailto:help@acme.example"), "{terms}");
        let nameless = Policies::load(&blueprint(), &Site::default(), None).unwrap();
        for policy in nameless.all() {
            assert!(!policy.html.0.contains("mailto:"), "{}", policy.slug);
        }
        assert!(nameless.find("terms").unwrap().html.0.contains("the operator of this site"));
    }
}
