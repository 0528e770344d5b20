//! `call: openapi`, and resources from elsewhere.

use serde_json::{Map, Value};

use super::{
    checker::{Checker, kind},
    data::{Scope, enclosed},
    issue::Place,
};
use crate::definition::{CallOpenApi, HttpOutput, Resource, Template};

impl<'d> Checker<'d> {
    pub(super) fn call_openapi(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<CallOpenApi> {
        const KNOWN: [&str; 6] =
            ["document", "operationId", "parameters", "authentication", "output", "redirect"];
        const OUTPUTS: [(&str, HttpOutput); 3] =
            [("raw", HttpOutput::Raw), ("content", HttpOutput::Content), ("response", HttpOutput::Response)];
        let with = self.object(
            value,
            place,
            "{ document: { endpoint: https://example.com/openapi.json }, operationId: listPets }",
        )?;
        self.closed(with, place, &KNOWN);
        let document = self
            .required(with, place, "document")
            .and_then(|value| self.resource(value, &place.key("document"), scope));
        let operation = self.required(with, place, "operationId").and_then(|value| {
            let place = place.key("operationId");
            self.text(value, &place)?;
            Some(self.data(value, &place, scope))
        });
        let parameters = self.members(with, place, "parameters", scope);
        let authentication = with
            .get("authentication")
            .and_then(|value| self.authentication(value, &place.key("authentication"), scope));
        let output = with.get("output").and_then(|value| self.word(value, &place.key("output"), &OUTPUTS));
        let redirect = with.get("redirect").and_then(|value| self.boolean(value, &place.key("redirect")));
        Some(CallOpenApi {
            document: document?,
            operation: operation?,
            parameters,
            authentication,
            output: output.unwrap_or(HttpOutput::Content),
            redirect: redirect.unwrap_or(false),
        })
    }

    /// An object, or an expression that gives one.
    fn members(
        &mut self,
        with: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
        scope: Scope<'_>,
    ) -> Option<Template> {
        let value = with.get(member)?;
        let place = place.key(member);
        let right = value.is_object() || value.as_str().is_some_and(|text| enclosed(text).is_some());
        if right {
            return Some(self.data(value, &place, scope));
        }
        let message = format!(
            "`{member}` must be an object or an expression in ${{ }}, and is {}; write for example {{ petId: 1 }}",
            kind(value)
        );
        self.error(&place, message);
        None
    }

    /// `{ name, endpoint }`.
    pub(super) fn resource(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<Resource> {
        let resource = self.object(value, place, "{ endpoint: https://example.com/openapi.json }")?;
        self.closed(resource, place, &["name", "endpoint"]);
        self.optional_text(resource, place, "name");
        let endpoint = self.required(resource, place, "endpoint")?;
        let (endpoint, authentication) = self.endpoint(endpoint, &place.key("endpoint"), scope)?;
        Some(Resource { endpoint, authentication })
    }
}
