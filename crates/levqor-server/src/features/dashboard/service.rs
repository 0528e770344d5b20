//! What the console computes for itself: counts, suggestions, inputs from forms. Knows nothing of HTTP.

use levqor_model::{AccountId, Plan, RunStatus, Timestamp, UsageCount, WorkflowId, limits};
use levqor_store::runs::{Run, RunFilter};
use serde_json::{Map, Value};

use crate::App;

/// Runs of today that are counted one by one.
pub(super) const TODAY_MAX: usize = 2_000;
/// Workflows whose next due time is looked up for the overview.
const SCHEDULES_MAX: usize = 100;

/// Why a form's input is no input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum InputError {
    #[error("this is not JSON: {message} (line {line}, column {column})")]
    Syntax { message: String, line: usize, column: usize },
    #[error("the input has {bytes} bytes; at most {max} are allowed")]
    TooLarge { bytes: usize, max: usize },
}

/// The run's input as typed into a form; nothing typed is an empty object.
pub(super) fn input(text: &str) -> Result<Value, InputError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    if text.len() > limits::PAYLOAD_BYTES_MAX {
        return Err(InputError::TooLarge { bytes: text.len(), max: limits::PAYLOAD_BYTES_MAX });
    }
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let message =
            message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned();
        InputError::Syntax { message, line: error.line(), column: error.column() }
    })
}

/// The next patch version; None for a version without a number to raise.
pub(super) fn next_version(version: &str) -> Option<String> {
    let core = version.split(['-', '+']).next()?;
    let (head, patch) = core.rsplit_once('.')?;
    Some(format!("{head}.{}", patch.parse::<u64>().ok()?.checked_add(1)?))
}

/// The text with the document's version raised: the first `version` of the text that has that value.
pub(super) fn raise_version(source: &str, version: &str, next: &str) -> String {
    let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
    for (place, name) in source.match_indices("version") {
        if source[..place].ends_with(part_of_word) {
            continue;
        }
        let rest = source[place + name.len()..].trim_start_matches(['"', '\'']).trim_start_matches(' ');
        let Some(value) = rest.strip_prefix(':') else { continue };
        let value = value.trim_start_matches([' ', '"', '\'']);
        let Some(after) = value.strip_prefix(version).filter(|after| !after.starts_with(part_of_word)) else {
            continue;
        };
        let start = source.len() - value.len();
        return format!("{}{next}{after}", &source[..start]);
    }
    source.to_owned()
}

/// Runs of a day by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Today {
    pub(super) live: usize,
    pub(super) completed: usize,
    pub(super) faulted: usize,
    pub(super) cancelled: usize,
}

pub(super) fn count_today(runs: &[Run]) -> Today {
    let mut today = Today::default();
    for run in runs {
        match run.status {
            RunStatus::Pending | RunStatus::Running | RunStatus::Waiting | RunStatus::Suspended => {
                today.live += 1
            }
            RunStatus::Completed => today.completed += 1,
            RunStatus::Faulted => today.faulted += 1,
            RunStatus::Cancelled => today.cancelled += 1,
        }
    }
    today
}

/// A workflow that starts by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) workflow: WorkflowId,
    pub(super) name: String,
    pub(super) at: Timestamp,
}

/// What the overview shows.
#[derive(Debug)]
pub(super) struct Overview {
    pub(super) today: Today,
    /// More runs began today than were counted.
    pub(super) today_cut: bool,
    pub(super) workflows: i64,
    pub(super) due: Vec<Due>,
    pub(super) failures: Vec<Run>,
    pub(super) recent: Vec<Run>,
    pub(super) used: UsageCount,
    pub(super) plan: Option<Plan>,
    pub(super) runs_by_day: Vec<i64>,
}

/// # Errors
/// When the store cannot be asked.
pub(super) async fn overview(app: &App, account: AccountId) -> Result<Overview, levqor_store::Error> {
    let (store, now) = (&app.store.views(), app.now());
    let today = now.date();
    let filter = RunFilter { created_from: Some(today.start()), ..RunFilter::default() };
    let begun = store.runs_of(Some(account), filter, None, TODAY_MAX).await?;
    let failed = RunFilter { status: Some(RunStatus::Faulted), ..RunFilter::default() };
    let failures = store.runs_of(Some(account), failed, None, 5).await?;
    let recent = store.runs_of(Some(account), RunFilter::default(), None, 6).await?;
    let mut due = Vec::new();
    for workflow in store.workflows_of(account, None, SCHEDULES_MAX).await? {
        if let Some(at) = store.schedule_next(workflow.id).await? {
            due.push(Due { workflow: workflow.id, name: workflow.name, at });
        }
    }
    due.sort_by_key(|due| due.at);
    due.truncate(5);
    let days = crate::features::usage::service::days(app, Some(account), today.plus_days(-29), today).await?;
    let owner = store.account(account).await?;
    Ok(Overview {
        today: count_today(&begun),
        today_cut: begun.len() >= TODAY_MAX,
        workflows: store.workflows_count(Some(account)).await?,
        due,
        failures,
        recent,
        used: store.usage(Some(account), today.month_start(), today).await?,
        plan: owner.and_then(|owner| app.blueprint.plan(&owner.plan).cloned()),
        runs_by_day: days.iter().map(|day| day.count.runs).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_input_is_json_or_nothing() {
        assert_eq!(input("  "), Ok(json!({})));
        assert_eq!(input("[1, 2]"), Ok(json!([1, 2])));
        assert_eq!(input("null"), Ok(Value::Null));
        assert_eq!(
            input("{\n  \"a\": }").unwrap_err().to_string(),
            "this is not JSON: expected value (line 2, column 8)"
        );
        assert!(matches!(input(&"1".repeat(2 << 20)), Err(InputError::TooLarge { .. })));
    }

    #[test]
    fn the_version_of_the_document_is_raised_and_no_other() {
        let rows = [
            (
                "document:\n  dsl: '1.0.1'\n  version: '0.1.9'\ndo: []\n",
                "document:\n  dsl: '1.0.1'\n  version: '0.1.10'\ndo: []\n",
            ),
            ("{\"document\": {\n  \"version\": \"0.1.9\"}}", "{\"document\": {\n  \"version\": \"0.1.10\"}}"),
            ("version: 0.1.9 # 0.1.9\nversion: 0.1.9", "version: 0.1.10 # 0.1.9\nversion: 0.1.9"),
            ("document: {dsl: '1.0.1', version: '0.1.9'}", "document: {dsl: '1.0.1', version: '0.1.10'}"),
            (
                "versions: 0.1.9\nmy-version: 0.1.9\nversion: 0.1.90\n",
                "versions: 0.1.9\nmy-version: 0.1.9\nversion: 0.1.90\n",
            ),
            ("", ""),
        ];
        for (before, after) in rows {
            assert_eq!(raise_version(before, "0.1.9", &next_version("0.1.9").unwrap()), after);
        }
        assert_eq!(next_version("1.2.3-rc.1").as_deref(), Some("1.2.4"));
        assert_eq!(next_version("latest"), None);
        assert_eq!(next_version("1.18446744073709551615"), None);
    }
}
