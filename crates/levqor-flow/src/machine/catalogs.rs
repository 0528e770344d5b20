//! The request for the file of a function in a catalog, made as a run would make it.
//!
//! A catalog may want to know who asks, and its authentication may be computed from secrets. So the request is that of a
//! run without tasks: what policies see is the same at every place of the language.

use std::sync::Arc;

use serde_json::Value;

use super::{
    ErrorKind, Event, FlowError, HttpRequest, Machine, Surroundings, access,
    scope::{Scope, Trouble},
};
use crate::{
    definition::{Input, Output, Workflow},
    document::Wanted,
    policy::Policy,
};

/// `started` names the secrets by their versions, and `surroundings` have their values. The answer is the file as text.
///
/// # Errors
/// As a run would have them: a secret that is not there, settings that are no settings.
pub fn file_request(
    wanted: &Wanted,
    surroundings: Arc<Surroundings>,
    started: &Event,
) -> Result<HttpRequest, FlowError> {
    let workflow = Workflow {
        namespace: String::new(),
        name: String::new(),
        version: String::new(),
        title: None,
        summary: None,
        source: Arc::default(),
        input: Input::default(),
        output: Output::default(),
        timeout: None,
        schedule: None,
        policy: Policy::default(),
        secrets: wanted.secrets.clone(),
        functions: Vec::new(),
        extensions: Vec::new(),
        schemas: Vec::new(),
        tasks: Arc::from([]),
    };
    let machine = Machine::start(Arc::new(workflow), surroundings, started)
        .map_err(|reason| ErrorKind::Runtime.error("the request could not be made", reason.to_string()))?;
    let scope = Scope::new(&machine, None);
    let credentials = access::credentials(&scope, wanted.authentication.as_deref(), &Value::Null);
    let (credentials, _) = credentials.map_err(|trouble| match trouble {
        Trouble::Error(error) | Trouble::Slow(error) | Trouble::Later(error) => error,
    })?;
    let key = format!("{}/catalog", machine.run);
    Ok(HttpRequest::document(key, wanted.uri.clone(), credentials))
}
