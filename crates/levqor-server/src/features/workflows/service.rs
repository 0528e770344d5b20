//! The rules of workflows: what may be saved, what a new version is, how many there may be.

use std::sync::Arc;

use levqor_flow::{
    definition::Workflow as Checked,
    document::{self, Fetched, Issue},
    schedule::Schedule,
};
use levqor_model::{AccountId, ProblemCode, Timestamp, WorkflowId};
use levqor_store::{
    event_triggers::NewEventTrigger,
    workflows::{NewSchedule, Version, Workflow},
};
use serde_json::Value;

use crate::{App, Problem, features::runs, problem::FieldError};

/// Due times that are shown ahead.
const DUE_SHOWN: usize = 5;

/// A document as it was sent, and what checking it found. `workflow` is there when `errors` is empty, unless the functions
/// of catalogs that it calls were not looked at.
#[derive(Debug)]
pub struct Draft {
    pub document: Arc<Value>,
    /// The document as it was written, when it came as text.
    pub source: Option<String>,
    pub workflow: Option<Arc<Checked>>,
    pub errors: Vec<Issue>,
    pub warnings: Vec<Issue>,
    /// Functions of catalogs, to be kept with it.
    pub functions: Fetched,
}

/// A workflow that was saved.
#[derive(Debug)]
pub struct Saved {
    pub workflow: Workflow,
    /// When this version was saved first.
    pub version_created_at: Timestamp,
    pub warnings: Vec<Issue>,
    /// False when the same content was there already.
    pub changed: bool,
}

/// Reads and checks a document: an object, or YAML (of which JSON is a part) in a text. Functions of catalogs are
/// fetched, unless they are `known`.
///
/// # Errors
/// 400 when it is neither.
pub async fn check(
    app: &App,
    account: AccountId,
    definition: Value,
    known: Fetched,
) -> Result<Draft, Problem> {
    let draft = read(definition).await?;
    if !draft.errors.is_empty() {
        return Ok(draft);
    }
    let document = Arc::clone(&draft.document);
    let (checked, functions) = app.engine.check(account, document, &app.settings.host, known).await?;
    let document::Checked { workflow, errors, warnings, .. } = checked;
    Ok(Draft { workflow, errors, warnings, functions, ..draft })
}

/// [`check`] for a look at what is being written: nothing is fetched, and what would be is a warning.
///
/// # Errors
/// As [`check`].
pub async fn look(app: &App, definition: Value) -> Result<Draft, Problem> {
    let draft = read(definition).await?;
    if !draft.errors.is_empty() {
        return Ok(draft);
    }
    let (document, app) = (Arc::clone(&draft.document), app.clone());
    let check = move || document::check_with(&document, &app.settings.host, &Fetched::default());
    let document::Checked { workflow, errors, mut warnings, wanted } =
        tokio::task::spawn_blocking(check).await.map_err(Problem::internal)?;
    warnings.extend(wanted.into_iter().map(|wanted| Issue {
        message: format!(
            "the function is fetched from {} and looked at when the workflow is saved",
            wanted.uri
        ),
        pointer: wanted.pointer,
    }));
    Ok(Draft { workflow, errors, warnings, ..draft })
}

/// A version that is stored, compiled; None when this build refuses what an older one accepted.
///
/// # Errors
/// When the node is at its limits.
pub async fn compiled(app: &App, version: &Version) -> Result<Option<Arc<Checked>>, Problem> {
    let (definition, functions) = (version.definition.clone(), version.functions.clone());
    let host = app.settings.host.clone();
    let compile = move || {
        let document = serde_json::from_str(&definition).ok()?;
        let fetched =
            functions.map_or_else(|| Ok(Fetched::default()), |text| serde_json::from_str(&text)).ok()?;
        document::check_with(&document, &host, &fetched).workflow
    };
    tokio::task::spawn_blocking(compile).await.map_err(Problem::internal)
}

/// The document as plain data, not checked yet.
async fn read(definition: Value) -> Result<Draft, Problem> {
    let draft = |document: Value, source, errors| Draft {
        document: Arc::new(document),
        source,
        workflow: None,
        errors,
        warnings: Vec::new(),
        functions: Fetched::default(),
    };
    match definition {
        document @ Value::Object(_) => Ok(draft(document, None, Vec::new())),
        Value::String(text) => {
            // A large document takes milliseconds to read.
            let read = move || (document::read(&text), text);
            let (found, text) = tokio::task::spawn_blocking(read).await.map_err(Problem::internal)?;
            Ok(match found {
                Ok(document) => draft(document, Some(text), Vec::new()),
                Err(issue) => draft(Value::Null, Some(text), vec![issue]),
            })
        }
        _ => {
            let message = "must be the workflow as an object, or as YAML in a text";
            Err(Problem::new(ProblemCode::BadRequest, format!("/definition: {message}"))
                .with_errors(vec![FieldError::new("/definition", message)]))
        }
    }
}

impl Draft {
    /// # Errors
    /// 422 with all that is wrong, each with its place in the document.
    fn valid(&self) -> Result<&Arc<Checked>, Problem> {
        self.workflow.as_ref().ok_or_else(|| {
            let errors: Vec<_> = self.errors.iter().map(field_error).collect();
            let detail = match errors.as_slice() {
                [only] if only.pointer.is_empty() => only.message.clone(),
                [only] => format!("{}: {}", only.pointer, only.message),
                many => format!("the document has {} errors", many.len()),
            };
            Problem::new(ProblemCode::InvalidWorkflow, detail).with_errors(errors)
        })
    }
}

pub(super) fn field_error(issue: &Issue) -> FieldError {
    FieldError::new(issue.pointer.clone(), issue.message.clone())
}

/// Saves a new workflow.
///
/// # Errors
/// 422 for an invalid document, 409 for a name that is taken, 403 when the plan allows no more workflows.
pub async fn create(app: &App, account: AccountId, definition: Value) -> Result<Saved, Problem> {
    let draft = check(app, account, definition, Fetched::default()).await?;
    let checked = draft.valid()?.clone();
    residency_exists(app, &checked)?;
    within_plan(app, account).await?;
    let now = app.now();
    let workflow = Workflow {
        id: WorkflowId::new(now, &*app.random),
        account_id: account,
        namespace: checked.namespace.clone(),
        name: checked.name.clone(),
        version: checked.version.clone(),
        title: checked.title.clone(),
        created_at: now,
        updated_at: now,
    };
    let version = version_of(&draft, workflow.id, &checked, now);
    app.store
        .create_workflow(workflow.clone(), version, new_schedule(&checked, now))
        .await
        .map_err(|error| named(error, &checked))?;
    app.engine.workflow_saved(account, &checked);
    Ok(Saved { workflow, version_created_at: now, warnings: draft.warnings, changed: true })
}

/// Saves a new version. The content that is there already is no change.
///
/// # Errors
/// 404; 422 for an invalid document or another name; 409 for a version that exists with other content.
pub async fn update(
    app: &App,
    account: AccountId,
    id: WorkflowId,
    definition: Value,
) -> Result<Saved, Problem> {
    let known = functions_of_same(app, account, id, &definition).await?;
    let draft = check(app, account, definition, known).await?;
    let checked = draft.valid()?.clone();
    residency_exists(app, &checked)?;
    let workflow = find(app, account, id).await?;
    for (member, old, new) in
        [("namespace", &workflow.namespace, &checked.namespace), ("name", &workflow.name, &checked.name)]
    {
        if old != new {
            return Err(Problem::field(
                format!("/document/{member}"),
                format!("must stay {old:?} (it is {new:?}); create another workflow instead"),
            ));
        }
    }
    if let Some(existing) = app.store.version(id, checked.version.clone()).await? {
        let same =
            serde_json::from_str::<Value>(&existing.definition).is_ok_and(|old| old == *draft.document);
        if same && existing.version == workflow.version {
            return Ok(Saved {
                workflow,
                version_created_at: existing.created_at,
                warnings: draft.warnings,
                changed: false,
            });
        }
        return Err(version_taken(&workflow.version, &checked.version));
    }
    let now = app.now();
    let version = version_of(&draft, id, &checked, now);
    let added = app
        .store
        .add_version(account, version, checked.title.clone(), new_schedule(&checked, now))
        .await
        .map_err(|error| match error {
            levqor_store::Error::Conflict(levqor_store::Conflict::WorkflowVersion) => {
                version_taken(&workflow.version, &checked.version)
            }
            other => other.into(),
        })?;
    if !added {
        return Err(missing(id));
    }
    app.engine.workflow_saved(account, &checked);
    let workflow = Workflow {
        version: checked.version.clone(),
        title: checked.title.clone(),
        updated_at: now,
        ..workflow
    };
    Ok(Saved { workflow, version_created_at: now, warnings: draft.warnings, changed: true })
}

/// # Errors
/// 404.
pub async fn find(app: &App, account: AccountId, id: WorkflowId) -> Result<Workflow, Problem> {
    app.store.workflow(account, id).await?.ok_or_else(|| missing(id))
}

/// A stored version of a workflow of the account.
///
/// # Errors
/// 404.
pub async fn find_version(
    app: &App,
    account: AccountId,
    id: WorkflowId,
    version: &str,
) -> Result<Version, Problem> {
    let workflow = find(app, account, id).await?;
    app.store.version(workflow.id, version.to_owned()).await?.ok_or_else(|| {
        let shown: String = version.chars().take(64).collect();
        Problem::not_found(format!("workflow {id} has no version {shown:?}"))
    })
}

/// Deletes the workflow and its schedule; runs go on and stay readable.
///
/// # Errors
/// 404.
pub async fn delete(app: &App, account: AccountId, id: WorkflowId) -> Result<(), Problem> {
    let deleted = app.store.delete_workflow(account, id, app.now()).await?;
    app.engine.schedules_changed();
    if deleted { Ok(()) } else { Err(missing(id)) }
}

/// Due times from `after` on. `anchor` is one of the schedule's own due times, or when it was put in force.
pub fn due_times(schedule: &Schedule, anchor: Timestamp, after: Timestamp) -> Vec<Timestamp> {
    let next = |from: &Timestamp| schedule.next(anchor, *from);
    std::iter::successors(next(&after), next).take(DUE_SHOWN).collect()
}

/// Which regions there are is the installation's to know, not the language's.
fn residency_exists(app: &App, checked: &Checked) -> Result<(), Problem> {
    const AT: &str = "/document/metadata/levqor/residency";
    let Some(residency) = &checked.policy.residency else { return Ok(()) };
    // In a document the regions are the list itself.
    runs::service::check_residency(app, residency, AT, AT)
        .map_err(|problem| Problem { code: ProblemCode::InvalidWorkflow, ..problem })
}

fn missing(id: WorkflowId) -> Problem {
    Problem::new(ProblemCode::WorkflowNotFound, format!("workflow {id} does not exist"))
}

fn named(error: levqor_store::Error, checked: &Checked) -> Problem {
    let mut problem = Problem::from(error);
    if problem.code == ProblemCode::NameTaken {
        let (namespace, name) = (&checked.namespace, &checked.name);
        problem.detail =
            format!("a workflow {namespace}/{name} exists already; choose another name, or update that one");
    }
    problem
}

fn version_taken(current: &str, version: &str) -> Problem {
    let message = format!(
        "version {version} exists already with other content; raise document.version, for example {}",
        raised(if version == current { version } else { current })
    );
    Problem::new(ProblemCode::VersionTaken, message.clone())
        .with_errors(vec![FieldError::new("/document/version", message)])
}

/// The next patch version; a version without numbers to raise gets `-2`.
fn raised(version: &str) -> String {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let raised = core.rsplit_once('.').and_then(|(head, patch)| {
        let patch: u64 = patch.parse().ok()?;
        Some(format!("{head}.{}", patch.checked_add(1)?))
    });
    raised.unwrap_or_else(|| format!("{version}-2"))
}

async fn within_plan(app: &App, account: AccountId) -> Result<(), Problem> {
    let Some(owner) = app.store.account(account).await? else { return Ok(()) };
    // A plan that the blueprint does not know is one that the operator made up, without limits.
    let Some(plan) = app.blueprint.plan(&owner.plan) else { return Ok(()) };
    if app.store.workflows_count(Some(account)).await? < plan.workflows {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::PlanLimit,
        format!(
            "the plan {} includes {} workflows, and there are as many; delete one or take a larger plan",
            plan.name, plan.workflows
        ),
    ))
}

fn version_of(draft: &Draft, id: WorkflowId, checked: &Checked, now: Timestamp) -> Version {
    Version {
        workflow_id: id,
        version: checked.version.clone(),
        definition: draft.document.to_string(),
        source: draft.source.clone(),
        functions: (!draft.functions.is_empty())
            .then(|| serde_json::to_string(&draft.functions).unwrap_or_default()),
        created_at: now,
    }
}

/// The functions of a version that is there with this very content: to save it again changes nothing, whatever has become
/// of the catalogs.
async fn functions_of_same(
    app: &App,
    account: AccountId,
    id: WorkflowId,
    definition: &Value,
) -> Result<Fetched, Problem> {
    let draft = read(definition.clone()).await?;
    let Some(version) = draft.document.pointer("/document/version").and_then(Value::as_str) else {
        return Ok(Fetched::default());
    };
    if app.store.workflow(account, id).await?.is_none() {
        return Ok(Fetched::default());
    }
    let stored = app.store.version(id, version.to_owned()).await?;
    let same = stored.filter(|stored| {
        serde_json::from_str::<Value>(&stored.definition).is_ok_and(|old| old == *draft.document)
    });
    let functions = same.and_then(|stored| stored.functions);
    functions
        .map_or_else(|| Ok(Fetched::default()), |text| serde_json::from_str(&text))
        .map_err(Problem::internal)
}

/// Types of events that start the workflow; None among them: any. None: no events do.
pub fn event_kinds(checked: &Checked) -> Option<Vec<Option<String>>> {
    checked.schedule.as_ref().map(Schedule::event_kinds).filter(|kinds| !kinds.is_empty())
}

fn new_schedule(checked: &Checked, now: Timestamp) -> Option<NewSchedule> {
    checked.schedule.as_ref().map(|schedule| NewSchedule {
        anchor_at: now,
        next_due_at: schedule.next(now, now),
        on: event_kinds(checked).map(|kinds| NewEventTrigger { kinds }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_names_a_version_that_is_free() {
        for (version, next) in
            [("0.1.0", "0.1.1"), ("1.2.9-rc.1", "1.2.10"), ("latest", "latest-2"), ("1.x", "1.x-2")]
        {
            assert_eq!(raised(version), next);
        }
    }
}
