//! What a run may see of secrets, and the credentials that its calls are sent with.

use serde_json::{Value, json};

use super::{
    ErrorKind, FlowError, Machine, http,
    scope::{Scope, Trouble},
};
use crate::{
    access::Credentials,
    definition::{Authentication, AuthenticationSettings},
    expression::Expression,
};

impl Machine {
    /// Every secret that an expression looks at must be there: the DSL makes it an error, not a null.
    pub(super) fn check_secrets(&self, expression: &Expression) -> Result<(), FlowError> {
        match expression.members_of("secrets") {
            None => Ok(()),
            Some(Some(names)) => names.into_iter().try_for_each(|name| self.secret(name).map(drop)),
            Some(None) => self.workflow.secrets.iter().try_for_each(|name| self.secret(name).map(drop)),
        }
    }

    /// The value that a secret has for this run.
    fn secret(&self, name: &str) -> Result<&Value, FlowError> {
        let version = self.secrets.get(name);
        version.and_then(|version| self.surroundings.secrets.get(name, *version)).ok_or_else(|| {
            ErrorKind::Authorization.error(
                "the secret is not there",
                format!("the secret `{name}` was not set when the run began, or cannot be opened any more; set it, and retry the run"),
            )
        })
    }
}

/// Evaluates a policy: the credentials, and `$authorization`.
pub(super) fn credentials(
    scope: &Scope<'_>,
    policy: Option<&Authentication>,
    input: &Value,
) -> Result<(Option<Credentials>, Option<Value>), Trouble> {
    let Some(Authentication { scheme, settings }) = policy else { return Ok((None, None)) };
    let computed;
    let settings = match settings {
        AuthenticationSettings::Secret(name) => scope.machine.secret(name)?,
        AuthenticationSettings::Inline { settings, authority } => {
            let mut settings = scope.build(settings, input)?;
            if let (Some(authority), Value::Object(members)) = (authority, &mut settings) {
                members.insert("authority".to_owned(), Value::from(http::uri(scope, authority, input)?));
            }
            computed = settings;
            &computed
        }
    };
    let credentials = Credentials::read(*scheme, settings).map_err(|reason| {
        let detail = format!("the authentication by `{}`: {reason}", scheme.name());
        ErrorKind::Configuration.error("the authentication is not usable", detail)
    })?;
    let (scheme, parameter) = credentials.authorization();
    let authorization = json!({ "scheme": scheme, "parameter": parameter });
    Ok((Some(credentials), Some(authorization)))
}
