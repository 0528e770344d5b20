//! The AI providers: those of the file's list that this region asks, then the one of the environment's names.

use std::{collections::HashSet, time::Duration};

use levqor_model::{Region, Secret};
use levqor_server::features::ai::{
    AiSettings,
    provider::{Bounds, OPENAI, ProviderSettings},
};
use url::Url;

use super::{
    Reader,
    layers::{AiProvider, Complaint},
};

/// What the provider of `OPENAI_…` is called.
const NAME: &str = "openai";

impl Reader<'_> {
    pub(super) fn ai(&mut self, region: Option<&Region>) -> AiSettings {
        let mut providers = Vec::new();
        let mut names = HashSet::from(["builtin".to_owned()]);
        for provider in self.layers.ai_providers.clone() {
            let here = |regions: &Vec<String>| {
                region.is_some_and(|region| regions.iter().any(|code| code == region.code.as_str()))
            };
            match self.listed(&provider, &mut names) {
                Ok(settings) if provider.regions.as_ref().is_none_or(here) => providers.push(settings),
                Ok(_) => {}
                Err(problem) => {
                    let name: String = provider.name.chars().take(64).collect();
                    self.complaints.push(Complaint(format!("ai.providers: {name:?}: {problem}")));
                }
            }
        }
        providers.extend(self.openai(&names));
        AiSettings {
            providers,
            bounds: Bounds {
                timeout: Duration::from_secs(self.number("ai.timeout_seconds")),
                ..Bounds::default()
            },
            at_once: self.size("ai.at_once"),
        }
    }

    fn listed(&self, provider: &AiProvider, names: &mut HashSet<String>) -> Result<ProviderSettings, String> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if provider.name.is_empty() || provider.name.len() > 64 || !provider.name.chars().all(plain) {
            return Err("the name takes 1 to 64 letters, digits, dashes, underscores and points".to_owned());
        }
        if !names.insert(provider.name.clone()) {
            return Err("the name is taken; give each provider its own, other than builtin".to_owned());
        }
        if provider.model.trim().is_empty() {
            return Err("the model is empty; name one that the provider has".to_owned());
        }
        for code in provider.regions.iter().flatten() {
            self.layers.regions.find(code).map_err(|error| format!("regions: {error}"))?;
        }
        Ok(ProviderSettings {
            name: provider.name.clone(),
            base_url: address(&provider.base_url)?,
            key: provider.api_key.clone().filter(|key| !key.expose().is_empty()),
            model: provider.model.clone(),
        })
    }

    /// The provider of `OPENAI_API_KEY` and `OPENAI_BASE_URL`; None when neither is set.
    fn openai(&mut self, names: &HashSet<String>) -> Option<ProviderSettings> {
        let (key, base_url) =
            (self.text("ai.openai_api_key").to_owned(), self.text("ai.openai_base_url").to_owned());
        if key.is_empty() && base_url.is_empty() {
            return None;
        }
        if names.contains(NAME) {
            let remedy = "rename that one, or leave OPENAI_API_KEY and OPENAI_BASE_URL out";
            self.complain("ai.openai_api_key", "a provider of the list is called \"openai\" already", remedy);
            return None;
        }
        let model = self.text("ai.openai_model").trim().to_owned();
        if model.is_empty() {
            self.complain("ai.openai_model", "the model is empty", "name one that the provider has");
            return None;
        }
        let base_url = if base_url.is_empty() { OPENAI } else { base_url.as_str() };
        match address(base_url) {
            Ok(base_url) => Some(ProviderSettings {
                name: NAME.to_owned(),
                base_url,
                key: (!key.is_empty()).then(|| Secret::new(key)),
                model,
            }),
            Err(problem) => {
                self.complain("ai.openai_base_url", problem, "or leave the key out");
                None
            }
        }
    }
}

fn address(text: &str) -> Result<Url, String> {
    let plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    Url::parse(text.trim()).ok().filter(plain).ok_or_else(|| {
        "the address is none of http or https without user, query and fragment; write it like https://api.example.com/v1"
            .to_owned()
    })
}
