//! The layers of the configuration: defaults, file, environment, command line; the last one that speaks wins.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use levqor_model::{Region, RegionRegistry, Secret};
use toml::de::{DeTable, DeValue};

use super::keys::{CLIENT_VARIABLES, KEYS, Key, Shape, find, nearest};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: String, line: usize },
    Environment(&'static str),
    CommandLine(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{path}:{line}"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::CommandLine(flag) => write!(f, "command line {flag}"),
        }
    }
}

/// A value with its origin; lists are comma-separated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub value: String,
    pub origin: Origin,
}

/// Something wrong with the configuration: which key, what is wrong, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint(pub String);

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A provider of the file's list.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AiProvider {
    pub name: String,
    pub base_url: String,
    pub model: String,
    #[serde(default, deserialize_with = "secret")]
    pub api_key: Option<Secret>,
    /// The regions whose nodes ask it; None: all of them.
    pub regions: Option<Vec<String>>,
}

/// A destination of the file's list.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertDestination {
    pub name: String,
    pub mail: Option<Vec<String>>,
    #[serde(default, deserialize_with = "secret")]
    pub webhook: Option<Secret>,
    /// Signs what goes to the webhook.
    #[serde(default, deserialize_with = "secret")]
    pub secret: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    pub slack: Option<Secret>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    serde::Deserialize::deserialize(deserializer).map(|text: String| Some(Secret::new(text)))
}

/// All settings by key name, and the regions.
#[derive(Debug, Clone)]
pub struct Layers {
    pub settings: BTreeMap<&'static str, Setting>,
    pub regions: RegionRegistry,
    pub regions_origin: Origin,
    pub ai_providers: Vec<AiProvider>,
    pub alert_destinations: Vec<AlertDestination>,
    /// Names of destinations by route.
    pub alert_routes: BTreeMap<String, Vec<String>>,
    /// The file that was read, or that would have been.
    pub config_file: PathBuf,
    pub complaints: Vec<Complaint>,
}

impl Layers {
    /// The defaults.
    pub fn defaults() -> Self {
        let settings = KEYS
            .iter()
            .map(|key| (key.name, Setting { value: key.default.to_owned(), origin: Origin::Default }))
            .collect();
        Self {
            settings,
            regions: RegionRegistry::default(),
            regions_origin: Origin::Default,
            ai_providers: Vec::new(),
            alert_destinations: Vec::new(),
            alert_routes: BTreeMap::new(),
            config_file: PathBuf::new(),
            complaints: Vec::new(),
        }
    }

    /// Lays the text of a `levqor.toml` over what is there.
    pub fn file(&mut self, path: &Path, text: &str) {
        let path = path.display().to_string();
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(text, span.start));
                self.complain(format!("{path}:{line}: {}; correct the file's TOML syntax", error.message()));
                return;
            }
        };
        self.table(&path, text, "", table.get_ref());
    }

    fn table(&mut self, path: &str, text: &str, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let line = line_of(text, name.span().start);
            let full = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            if full == "regions" {
                self.file_regions(path, text, line);
                continue;
            }
            if full == "ai.providers" {
                self.file_ai_providers(path, text, line);
                continue;
            }
            if full == "alerts.destinations" || full == "alerts.routes" {
                self.file_alerts(path, text, line, &full);
                continue;
            }
            if let Some(key) = find(&full) {
                match file_value(key, value.get_ref()) {
                    Ok(value) => {
                        let origin = Origin::File { path: path.to_owned(), line };
                        self.settings.insert(key.name, Setting { value, origin });
                    }
                    Err(expected) => self.complain(format!(
                        "{path}:{line}: {full} is {}; it takes {expected}",
                        article(value.get_ref().type_str())
                    )),
                }
            } else if let (DeValue::Table(inner), true) =
                (value.get_ref(), KEYS.iter().any(|key| key.name.starts_with(&format!("{full}."))))
            {
                self.table(path, text, &full, inner);
            } else {
                let hint = nearest(
                    &full,
                    KEYS.iter().map(|key| key.name).chain([
                        "regions",
                        "ai.providers",
                        "alerts.destinations",
                        "alerts.routes",
                    ]),
                );
                self.complain(format!("{path}:{line}: unknown key {full}; {}", remedy(hint)));
            }
        }
    }

    /// `[[regions]]` replaces the registry whole.
    fn file_regions(&mut self, path: &str, text: &str, line: usize) {
        #[derive(serde::Deserialize)]
        struct Regions {
            regions: Vec<Region>,
        }
        let regions = toml::from_str::<Regions>(text)
            .map_err(|error| error.message().to_owned())
            .and_then(|found| RegionRegistry::new(found.regions).map_err(|error| error.to_string()));
        match regions {
            Ok(regions) => {
                self.regions = regions;
                self.regions_origin = Origin::File { path: path.to_owned(), line };
            }
            Err(reason) => self.complain(format!(
                "{path}:{line}: regions: {reason}; each [[regions]] takes code, name, description, jurisdiction and, \
                 optionally, status"
            )),
        }
    }

    fn file_ai_providers(&mut self, path: &str, text: &str, line: usize) {
        #[derive(serde::Deserialize)]
        struct File {
            ai: Ai,
        }
        #[derive(serde::Deserialize)]
        struct Ai {
            providers: Vec<AiProvider>,
        }
        match toml::from_str::<File>(text) {
            Ok(file) => self.ai_providers = file.ai.providers,
            Err(error) => self.complain(format!(
                "{path}:{line}: ai.providers: {}; each [[ai.providers]] takes name, base_url, model and, optionally, \
                 api_key and regions",
                error.message()
            )),
        }
    }

    /// `[[alerts.destinations]]` and `[alerts.routes]`.
    fn file_alerts(&mut self, path: &str, text: &str, line: usize, name: &str) {
        #[derive(serde::Deserialize)]
        struct File {
            alerts: Alerts,
        }
        #[derive(serde::Deserialize)]
        struct Alerts {
            #[serde(default)]
            destinations: Vec<AlertDestination>,
            #[serde(default)]
            routes: BTreeMap<String, Vec<String>>,
        }
        match toml::from_str::<File>(text) {
            Ok(file) => {
                self.alert_destinations = file.alerts.destinations;
                self.alert_routes = file.alerts.routes;
            }
            Err(error) => self.complain(format!(
                "{path}:{line}: {name}: {}; each [[alerts.destinations]] takes name and one of mail, webhook (with or \
                 without secret) and slack, and [alerts.routes] a list of their names for each route",
                error.message()
            )),
        }
    }

    /// Lays the environment over what is there.
    pub fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (name, value) in variables {
            if let Some(key) = KEYS.iter().find(|key| key.variable == name) {
                if !value.is_empty() {
                    self.settings
                        .insert(key.name, Setting { value, origin: Origin::Environment(key.variable) });
                }
            } else if name.starts_with("LEVQOR_")
                && !CLIENT_VARIABLES.contains(&name.as_str())
                // What `levqor run` gives to a workflow.
                && !name.starts_with("LEVQOR_SECRET_")
            {
                let hint = nearest(&name, KEYS.iter().map(|key| key.variable));
                self.complain(format!("environment: unknown variable {name}; {}", remedy(hint)));
            }
        }
    }

    /// Lays one command-line value over what is there.
    pub fn flag(&mut self, name: &'static str, flag: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.settings.insert(name, Setting { value, origin: Origin::CommandLine(flag) });
        }
    }

    pub fn complain(&mut self, text: String) {
        self.complaints.push(Complaint(text));
    }
}

fn remedy(hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("did you mean {hint}? `levqor check` lists all keys"),
        None => "remove it; `levqor check` lists all keys".to_owned(),
    }
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

/// The line, from 1, of a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// A TOML value as text, when its type fits the key.
fn file_value(key: &Key, value: &DeValue<'_>) -> Result<String, &'static str> {
    match (key.shape, value) {
        (Shape::Text | Shape::Word(_), DeValue::String(text)) => Ok(text.to_string()),
        (Shape::Number(..), DeValue::Integer(number)) if number.radix() == 10 => {
            Ok(number.as_str().to_owned())
        }
        (Shape::Flag, DeValue::Boolean(flag)) => Ok(flag.to_string()),
        (Shape::List, DeValue::Array(items)) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned).ok_or("an array of texts"))
            .collect::<Result<Vec<_>, _>>()
            .map(|items| items.join(",")),
        (Shape::Text | Shape::Word(_), _) => Err("a text in quotes"),
        (Shape::Number(..), _) => Err("a whole number"),
        (Shape::Flag, _) => Err("true or false"),
        (Shape::List, _) => Err("an array of texts"),
    }
}
