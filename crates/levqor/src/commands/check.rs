//! `levqor check`: the effective configuration, with the origin of each value and secrets masked.

use std::io::{stderr, stdout};

use levqor_server::features::slo;
use serde_json::json;

use crate::{
    Exit,
    config::{self, Flags, keys::KEYS, layers::Layers},
    console::{Tone, paint, say, table},
};

pub fn check(flags: &Flags, as_json: bool) -> Exit {
    let layers = config::load(flags);
    let resolved = config::resolve(&layers);
    let mut complaints: Vec<String> = resolved
        .as_ref()
        .err()
        .map(|all| all.0.iter().map(ToString::to_string).collect())
        .unwrap_or_default();
    // The folders of policies and of objectives are looked at when the rest is in order, as at a start.
    if let Ok(config) = &resolved {
        complaints.extend(super::serve::policies(config).err().unwrap_or_default());
        complaints.extend(slo::catalogue(config.slo_dir.as_deref()).err().unwrap_or_default());
    }
    if as_json {
        say(format_args!("{:#}", report(&layers, &complaints)));
    } else {
        say(format_args!(
            "{}",
            table(&["key", "value", "origin", "about"], KEYS.iter().map(|key| row(&layers, key)))
        ));
        let regions: Vec<_> = layers.regions.all().iter().map(|region| region.code.as_str()).collect();
        say(format_args!("\nregions: {} ({})", regions.join(", "), layers.regions_origin));
        if let Ok(config) = &resolved {
            let asked = config.ai.providers.iter().map(|provider| provider.name.as_str());
            let asked: Vec<_> = asked.chain(["builtin"]).collect();
            say(format_args!("AI backends here, in order: {}", asked.join(", ")));
        }
        for complaint in &complaints {
            eprintln!("{} {complaint}", paint("error:", Tone::Bad, &stderr()));
        }
        if complaints.is_empty() {
            say(format_args!("{}", paint("configuration ok", Tone::Good, &stdout())));
        }
    }
    if complaints.is_empty() { Exit::Done } else { Exit::WrongUse }
}

fn row(layers: &Layers, key: &config::keys::Key) -> Vec<String> {
    let about = if key.in_use {
        key.about.to_owned()
    } else {
        format!("{} (reserved: not used by this version)", key.about)
    };
    let origin = layers.settings.get(key.name).map_or(String::new(), |setting| setting.origin.to_string());
    vec![key.name.to_owned(), shown(layers, key), origin, about]
}

/// The value, or that a secret is set.
fn shown(layers: &Layers, key: &config::keys::Key) -> String {
    let value = layers.settings.get(key.name).map_or("", |setting| setting.value.as_str());
    match (key.secret, value.is_empty()) {
        (_, true) => "(empty)".to_owned(),
        (true, false) => "(set, hidden)".to_owned(),
        (false, false) => value.to_owned(),
    }
}

fn report(layers: &Layers, complaints: &[String]) -> serde_json::Value {
    let settings: Vec<_> = KEYS
        .iter()
        .map(|key| {
            let origin = layers.settings.get(key.name).map(|setting| setting.origin.to_string());
            json!({
                "key": key.name,
                "variable": key.variable,
                "value": shown(layers, key),
                "origin": origin,
                "about": key.about,
                "in_use": key.in_use,
            })
        })
        .collect();
    let regions: Vec<_> = layers.regions.all().iter().map(|region| region.code.as_str()).collect();
    json!({ "ok": complaints.is_empty(), "errors": complaints, "regions": regions, "settings": settings })
}
