//! `call: <name>:1.0.0@default`: functions of the server itself.

use serde_json::{Map, Value};

use super::{
    checker::Checker,
    issue::{Place, clip},
    support,
};
use crate::{
    definition::{CallService, SchemaSource, TaskKind, Template},
    services::{Service, VERSION},
};

/// What `call` names a function of the server by.
const SUFFIX: &str = "@default";

/// The name and version of a function of the server; None for other calls.
pub(super) fn own(call: &str) -> Option<(&str, &str)> {
    let function = call.strip_suffix(SUFFIX).filter(|function| !function.contains("://"))?;
    Some(function.split_once(':').unwrap_or((function, "")))
}

impl<'d> Checker<'d> {
    /// `with` was checked as data already.
    pub(super) fn call_own(
        &mut self,
        (name, version): (&str, &str),
        with: Option<Template>,
        task: &'d Map<String, Value>,
        place: &Place<'_>,
    ) -> Option<TaskKind> {
        let at = place.key("call");
        if self.catalogs.inside.is_some() {
            let message = "a function of a catalog does not act for the account, so it cannot call the server's own functions";
            self.error(&at, message);
            return None;
        }
        let Some(service) = Service::named(name).filter(|_| version == VERSION) else {
            let all = Service::ALL.map(|service| format!("{}:{VERSION}{SUFFIX}", service.name())).join(", ");
            let message = format!(
                "the server's own catalog has no \"{}:{}\"; there are {all}",
                clip(name),
                clip(version)
            );
            self.error(&at, message);
            return None;
        };
        if service == Service::Email && !self.host.mail {
            self.refuse(&at, &support::OWN_EMAIL);
        }
        if let (Some(template), Some(value)) = (&with, task.get("with")) {
            self.arguments(service, template, value, &place.key("with"));
        }
        let schema = SchemaSource::Here(service.schema().clone());
        Some(TaskKind::CallService(CallService { service, with, schema }))
    }

    /// What can be said of arguments before they are computed.
    fn arguments(&mut self, service: Service, template: &Template, value: &'d Value, place: &Place<'_>) {
        let Some(given) = value.as_object() else { return };
        let (required, known) = service.members();
        self.closed(given, place, known);
        for member in required.iter().filter(|member| !given.contains_key(**member)) {
            let message = format!("`{member}` is missing in `with`; write for example {}", service.example());
            self.error(place, message);
        }
        let fixed = match template {
            Template::Literal(value) => value.get("schema"),
            Template::Object(members) => members.iter().find_map(|(name, member)| match member {
                Template::Literal(value) if name == "schema" => Some(value),
                _ => None,
            }),
            _ => None,
        };
        if let (Service::AiExtract, Some(schema)) = (service, fixed) {
            self.wanted(schema, &place.key("schema"));
        }
        let constant = match template {
            Template::Literal(_) if self.complete(service, given) => {
                self.meets(service.schema(), value, place);
                return;
            }
            Template::Literal(_) => given.clone(),
            Template::Object(members) => members
                .iter()
                .filter_map(|(name, member)| match member {
                    Template::Literal(value) => Some((name.clone(), value.clone())),
                    _ => None,
                })
                .collect(),
            _ => return,
        };
        if service == Service::Webhook && constant.contains_key("secret") {
            let message = "a secret in a workflow is seen by all who see the workflow; set it as a secret and write '${ $secrets.name }'";
            self.warn(&place.key("secret"), message);
        }
        self.meets(service.part_schema(), &Value::Object(constant), place);
    }

    /// The schema of values to extract is a schema itself.
    fn wanted(&mut self, schema: &Value, place: &Place<'_>) {
        if schema.is_object()
            && let Err(reason) = super::external_schema(schema)
        {
            self.error(place, reason);
        }
    }

    fn complete(&self, service: Service, given: &Map<String, Value>) -> bool {
        let (required, known) = service.members();
        required.iter().all(|member| given.contains_key(*member))
            && given.keys().all(|member| known.contains(&member.as_str()))
            && service != Service::Webhook
    }

    fn meets(&mut self, schema: &crate::definition::Schema, value: &Value, place: &Place<'_>) {
        if let Err(error) = schema.0.validate(value) {
            let reason = super::misfit(&error);
            let pointer = error.instance_path().to_string();
            self.errors.push(
                place,
                &pointer,
                format!("the argument is not what the function takes: {reason}"),
            );
        }
    }
}
