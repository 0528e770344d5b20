//! `use.catalogs` and `call: <name>:<version>@<catalog>`: functions that stand elsewhere.
//!
//! ```text
//! call ─► address ─┬─► handed in (Fetched) ─► compiled once, as a function of the document is
//!                  └─► Wanted: whoever can fetch it does, and checks again with it
//! ```
//!
//! Nothing is fetched here. A function of a catalog is somebody else's: it is compiled without what the document declares
//! in `use`, so it sees no secret that is not handed to it, and means the same wherever it is called.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    checker::Checker,
    data::{Moment, Scope},
    flow::{Exits, Targets},
    issue::{Issues, Place, clip},
    near::did_you_mean,
    root::is_version,
};
use crate::definition::{Authentication, Endpoint};

/// Functions of catalogs that one document may call, by way of others too.
const FUNCTIONS_MAX: usize = 32;
/// What is said about one function that cannot be used; more of it helps its author, who is not here.
const ISSUES_SHOWN: usize = 3;
/// The server's own catalog.
const OWN: &str = "default";

/// Functions of catalogs that were fetched, by the addresses of their files. A version of a workflow keeps its own, so that
/// its runs do the same whatever becomes of the catalog. The serialised form is stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fetched(BTreeMap<String, Value>);

impl Fetched {
    pub fn insert(&mut self, uri: impl Into<String>, function: Value) {
        self.0.insert(uri.into(), function);
    }

    pub fn get(&self, uri: &str) -> Option<&Value> {
        self.0.get(uri)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(uri, function)| (uri.as_str(), function))
    }
}

/// A function of a catalog that the check needs and was not given.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where the document calls it, perhaps by way of other functions.
    pub pointer: String,
    /// As the call names it, such as `log:1.0.0@team`.
    pub call: String,
    /// The address of its file.
    pub uri: String,
    pub authentication: Option<Arc<Authentication>>,
    /// What `use.secrets` declares, for the authentication.
    pub secrets: Vec<String>,
}

impl Wanted {
    /// What to say where nothing is fetched.
    pub fn refusal(&self) -> String {
        format!(
            "`{}` is not here: it has to be fetched from {}, which happens when the workflow is saved on a server, and before \
             `levqor run` runs it",
            clip(&self.call),
            clip(&self.uri)
        )
    }
}

/// What the checker knows of catalogs.
#[derive(Debug)]
pub(super) struct Catalogs<'d> {
    fetched: &'d Fetched,
    /// None for one that is wrong, which was said where it stands.
    declared: BTreeMap<&'d str, Option<Catalog>>,
    /// Positions of the functions that are called, by what calls them.
    called: BTreeMap<&'d str, usize>,
    waiting: VecDeque<Called<'d>>,
    /// While a function of a catalog is compiled: where the document calls it.
    pub(super) inside: Option<String>,
    pub(super) wanted: Vec<Wanted>,
}

#[derive(Debug)]
struct Catalog {
    /// Without a slash at the end.
    base: String,
    authentication: Option<Arc<Authentication>>,
}

/// A function to compile.
#[derive(Debug)]
struct Called<'d> {
    call: &'d str,
    parts: Parts<'d>,
    uri: String,
    value: &'d Value,
    position: usize,
    pointer: String,
}

/// `<name>:<version>@<catalog>`
#[derive(Debug, Clone, Copy)]
struct Parts<'d> {
    name: &'d str,
    version: &'d str,
    catalog: &'d str,
}

impl<'d> Catalogs<'d> {
    pub(super) fn new(fetched: &'d Fetched) -> Self {
        Self {
            fetched,
            declared: BTreeMap::new(),
            called: BTreeMap::new(),
            waiting: VecDeque::new(),
            inside: None,
            wanted: Vec::new(),
        }
    }

    /// The call of the function at a position.
    pub(super) fn name(&self, position: usize) -> Option<&'d str> {
        self.called.iter().find(|(_, known)| **known == position).map(|(call, _)| *call)
    }
}

impl<'d> Checker<'d> {
    /// `use.catalogs`.
    pub(super) fn declared_catalogs(&mut self, reusables: &'d Map<String, Value>, place: &Place<'_>) {
        const EXAMPLE: &str = "{ endpoint: https://example.com/catalog }";
        let Some(value) = reusables.get("catalogs") else { return };
        let place = place.key("catalogs");
        let catalogs = self.object(value, &place, &format!("{{ team: {EXAMPLE} }}"));
        for (name, value) in catalogs.into_iter().flatten() {
            let at = place.key(name);
            if name == OWN {
                self.error(&at, "`default` is the server's own catalog; choose another name");
            } else if !is_name(name) {
                let message = format!(
                    "{:?} cannot name a catalog; use letters, digits, `_`, `-` and `.`, beginning with a letter or a digit",
                    clip(name)
                );
                self.error(&at, message);
            }
            let catalog = self.object(value, &at, EXAMPLE).and_then(|catalog| {
                self.closed(catalog, &at, &["endpoint"]);
                let value = self.required(catalog, &at, "endpoint")?;
                self.catalog(value, &at.key("endpoint"))
            });
            self.catalogs.declared.insert(name, catalog);
        }
    }

    fn catalog(&mut self, value: &'d Value, place: &Place<'_>) -> Option<Catalog> {
        let (endpoint, authentication) = self.endpoint(value, place, Scope::new(Moment::Workflow))?;
        let fixed = match &endpoint {
            Endpoint::UriTemplate(uri) if !uri.contains('{') => base(uri),
            _ => Err(
                "the address of a catalog is the same for every run; write it without `{ }` and expressions"
                    .to_owned(),
            ),
        };
        match fixed {
            Ok(base) => Some(Catalog { base, authentication }),
            Err(reason) => {
                self.error(place, reason);
                None
            }
        }
    }

    /// The position of the function that `<name>:<version>@<catalog>` calls; None when it is wrong, or wanted.
    pub(super) fn catalogued(&mut self, call: &'d str, place: &Place<'_>) -> Option<usize> {
        if let Some(position) = self.catalogs.called.get(call) {
            return Some(*position);
        }
        let parts = match parts(call) {
            Ok(parts) => parts,
            Err(reason) => {
                self.error(place, reason);
                return None;
            }
        };
        let Some(catalog) = self.catalogs.declared.get(parts.catalog) else {
            let hint = did_you_mean(parts.catalog, self.catalogs.declared.keys().copied());
            let message = format!(
                "there is no catalog {:?}; declare it in `use.catalogs` of the workflow{hint}",
                clip(parts.catalog)
            );
            self.error(place, message);
            return None;
        };
        let catalog = catalog.as_ref()?;
        let uri = format!("{}/functions/{}/{}/function.yaml", catalog.base, parts.name, parts.version);
        let authentication = catalog.authentication.clone();
        let wanted = &self.catalogs.wanted;
        if wanted.iter().any(|wanted| wanted.uri == uri) {
            return None;
        }
        let position = self.functions.local + self.catalogs.called.len();
        if self.catalogs.called.len() + wanted.len() >= FUNCTIONS_MAX {
            self.error(
                place,
                format!("more than {FUNCTIONS_MAX} functions of catalogs are called; copy some into `use.functions`"),
            );
            return None;
        }
        let pointer = self.catalogs.inside.clone().unwrap_or_else(|| place.pointer());
        let Some(value) = self.catalogs.fetched.get(&uri) else {
            let secrets = if authentication.is_some() {
                self.declared_secret_names().map(str::to_owned).collect()
            } else {
                Vec::new()
            };
            let wanted = Wanted { pointer, call: call.to_owned(), uri, authentication, secrets };
            self.catalogs.wanted.push(wanted);
            return None;
        };
        self.catalogs.called.insert(call, position);
        self.catalogs.waiting.push_back(Called { call, parts, uri, value, position, pointer });
        Some(position)
    }

    /// Compiles the functions of catalogs that are called, and those that these call.
    pub(super) fn catalogued_functions(&mut self) {
        while let Some(called) = self.catalogs.waiting.pop_front() {
            debug_assert_eq!(called.position, self.functions.compiled.len(), "in the order of their numbers");
            let Parts { name, version, catalog } = called.parts;
            // For `$task.definition`, at the place where the task's reference says that it stands.
            let source = json!({ "use": { "catalogs": { catalog: { "functions": { name: { version: called.value } } } } } });
            let outer = Outer {
                source: std::mem::replace(&mut self.source, Arc::new(source)),
                errors: std::mem::take(&mut self.errors),
                warnings: std::mem::take(&mut self.warnings),
                faults: std::mem::take(&mut self.faults),
                timeouts: std::mem::take(&mut self.timeouts),
                access: std::mem::take(&mut self.access),
                names: std::mem::take(&mut self.functions.names),
                hints: self.names.take(),
                loose: std::mem::take(&mut self.loose),
            };
            self.catalogs.inside = Some(called.pointer.clone());
            self.functions.current = Some(called.position);
            let reusables = Place::ROOT;
            let reusables = reusables.key("use");
            let catalogs = reusables.key("catalogs");
            let catalog = catalogs.key(catalog);
            let functions = catalog.key("functions");
            let versions = functions.key(name);
            let at = versions.key(version);
            let task = self.task(
                called.call,
                called.value,
                &at,
                Scope::new(Moment::Task),
                Targets::Function,
                &mut Exits::default(),
            );
            self.functions.compiled.push(task.into_iter().collect());
            self.functions.current = None;
            self.catalogs.inside = None;
            let found = std::mem::replace(&mut self.errors, outer.errors);
            self.source = outer.source;
            // What its author might have meant otherwise is nothing that the caller can mend.
            self.warnings = outer.warnings;
            self.faults = outer.faults;
            self.timeouts = outer.timeouts;
            self.access = outer.access;
            self.functions.names = outer.names;
            self.names = outer.hints;
            self.loose = outer.loose;
            self.unusable(&called, &at.pointer(), found);
        }
    }

    /// Says at the call what is wrong with the function.
    fn unusable(&mut self, called: &Called<'_>, prefix: &str, found: Issues) {
        let found = found.finish();
        if found.is_empty() {
            return;
        }
        let mut reasons: Vec<String> = found
            .iter()
            .take(ISSUES_SHOWN)
            .map(|issue| match issue.pointer.strip_prefix(prefix) {
                Some("") | None => issue.message.clone(),
                Some(inner) => format!("{inner}: {}", issue.message),
            })
            .collect();
        if found.len() > ISSUES_SHOWN {
            reasons.push(format!("and {} more", found.len() - ISSUES_SHOWN));
        }
        let message = format!(
            "the function at {} cannot be used; take another version of it, or a mended copy in `use.functions`. {}",
            called.uri,
            reasons.join("; ")
        );
        self.errors.push(&Place::ROOT, &called.pointer, message);
    }
}

/// What the document declares, put aside.
struct Outer<'d> {
    source: Arc<Value>,
    errors: Issues,
    warnings: Issues,
    faults: super::fault::Faults<'d>,
    timeouts: BTreeMap<&'d str, Option<crate::definition::DurationSpec>>,
    access: super::access::Access<'d>,
    names: BTreeMap<&'d str, usize>,
    hints: Option<std::collections::HashSet<&'d str>>,
    loose: bool,
}

fn parts(call: &str) -> Result<Parts<'_>, String> {
    let split = call.split_once('@').and_then(|(function, catalog)| {
        let (name, version) = function.split_once(':')?;
        Some(Parts { name, version, catalog })
    });
    let Some(parts) = split else {
        return Err(format!(
            "{:?} does not name a function of a catalog; write <name>:<version>@<catalog>, such as log:1.0.0@team",
            clip(call)
        ));
    };
    if !is_name(parts.name) {
        return Err(format!(
            "{:?} cannot name a function of a catalog; use letters, digits, `_`, `-` and `.`",
            clip(parts.name)
        ));
    }
    if !is_version(parts.version) {
        return Err(format!(
            "{:?} is not the version of a function; write all three numbers, such as 1.0.0",
            clip(parts.version)
        ));
    }
    Ok(parts)
}

/// Also a part of an address.
fn is_name(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Where the files of a catalog are. What GitHub and GitLab show in a browser is not the file itself, so their addresses
/// lead to the raw files.
fn base(endpoint: &str) -> Result<String, String> {
    let url =
        Url::parse(endpoint).map_err(|reason| format!("{:?} is not an address: {reason}", clip(endpoint)))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("paths are added to the address of a catalog, so it has no `?` and no `#`; remove them"
            .to_owned());
    }
    let raw = match url.host_str() {
        Some("github.com" | "www.github.com") => github(&url),
        Some(host) => gitlab(&url, host),
        None => None,
    };
    Ok(raw.unwrap_or_else(|| endpoint.trim_end_matches('/').to_owned()))
}

/// `/<owner>/<repository>`, and perhaps `/tree/<branch>` with a folder.
fn github(url: &Url) -> Option<String> {
    let mut segments = url.path().split('/').filter(|segment| !segment.is_empty());
    let (owner, repository) = (segments.next()?, segments.next()?);
    let repository = repository.strip_suffix(".git").unwrap_or(repository);
    let rest: Vec<&str> = match segments.next() {
        None => vec!["HEAD"],
        Some("tree") => segments.collect(),
        Some(_) => return None,
    };
    if rest.is_empty() {
        return None;
    }
    Some(format!("https://raw.githubusercontent.com/{owner}/{repository}/{}", rest.join("/")))
}

/// `/<groups and project>/-/tree/<branch>` with a folder perhaps, on any host; on gitlab.com also without the tree.
fn gitlab(url: &Url, host: &str) -> Option<String> {
    let path = url.path().trim_end_matches('/');
    let path = match path.split_once("/-/") {
        Some((project, rest)) => format!("{project}/-/raw/{}", rest.strip_prefix("tree/")?),
        None if host == "gitlab.com" && path.matches('/').count() >= 2 => {
            format!("{}/-/raw/HEAD", path.strip_suffix(".git").unwrap_or(path))
        }
        None => return None,
    };
    let mut raw = url.clone();
    raw.set_path(&path);
    Some(raw.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_trees_lead_to_raw_files() {
        for (endpoint, raw) in [
            ("https://example.com/catalog", "https://example.com/catalog"),
            ("https://example.com/catalog/", "https://example.com/catalog"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("https://github.com/acme/catalog", "https://raw.githubusercontent.com/acme/catalog/HEAD"),
            ("https://github.com/acme/catalog.git", "https://raw.githubusercontent.com/acme/catalog/HEAD"),
            (
                "https://github.com/acme/catalog/tree/main/",
                "https://raw.githubusercontent.com/acme/catalog/main",
            ),
            (
                "https://github.com/acme/tools/tree/v1/a/b",
                "https://raw.githubusercontent.com/acme/tools/v1/a/b",
            ),
            (
                "https://raw.githubusercontent.com/acme/catalog/main",
                "https://raw.githubusercontent.com/acme/catalog/main",
            ),
            ("https://gitlab.com/a/b/c/-/tree/main/d", "https://gitlab.com/a/b/c/-/raw/main/d"),
            ("https://gitlab.com/a/b", "https://gitlab.com/a/b/-/raw/HEAD"),
            ("https://git.example.com/a/b/-/tree/main", "https://git.example.com/a/b/-/raw/main"),
            ("https://git.example.com/a/b/-/raw/main", "https://git.example.com/a/b/-/raw/main"),
        ] {
            assert_eq!(base(endpoint).as_deref(), Ok(raw), "{endpoint}");
        }
        for endpoint in ["https://example.com/catalog?a=b", "https://example.com/#x"] {
            assert!(base(endpoint).is_err(), "{endpoint}");
        }
    }

    #[test]
    fn calls_have_three_parts() {
        for good in ["log:1.0.0@team", "a.b_c-d:1.0.0-rc.1@x", "1:0.1.0+build@c"] {
            assert!(parts(good).is_ok(), "{good}");
        }
        for bad in [
            "log@team",
            "log:1@team",
            "log:1.0@team",
            ":1.0.0@team",
            "../x:1.0.0@team",
            "a/b:1.0.0@c",
            "log:1.0.0/..@c",
        ] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }
}
