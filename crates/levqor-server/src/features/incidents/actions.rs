//! Action items: what is to be done, by whom and until when; tracked until it is.

use levqor_model::{ActionItemId, Date, IncidentId, ProblemCode, TextError, Timestamp, one_line};
use levqor_store::incidents::{ActionItem, ActionItemChange, ActionItems};

use super::{
    service::{self, moved},
    writings,
};
use crate::{
    App, Problem,
    gateway::{Cursor, PageQuery, Place},
};

const TEXT_CHARS_MAX: usize = 500;
/// How far away the day may be.
const DUE_DAYS_MAX: i64 = 730;

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) struct NewItem {
    pub text: String,
    /// By the id or the address.
    pub owner: Option<String>,
    pub due: String,
}

/// What becomes of an item; None: as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct ItemChange {
    /// The one that was seen; None: any.
    pub version: Option<i64>,
    pub text: Option<String>,
    /// Empty: nobody.
    pub owner: Option<String>,
    pub due: Option<String>,
    pub done: Option<bool>,
}

/// A page of items that are not done, what is due first at first, and where the next one begins.
///
/// # Errors
/// 400 for a limit that no page has and a cursor of another list.
pub(super) async fn page(
    app: &App,
    which: ActionItems,
    page: PageQuery,
) -> Result<(Vec<ActionItem>, Option<Cursor>), Problem> {
    let store = app.store.views();
    let read = |behind: Option<Place<Date, ActionItemId>>, limit| {
        store.action_items_behind(which, behind.map(Place::parts), limit)
    };
    page.read("action_items", read, |item: &ActionItem| Place(item.due, item.id)).await
}

/// # Errors
/// 404; 422.
pub(super) async fn add(
    app: &App,
    by: &str,
    incident: IncidentId,
    new: NewItem,
) -> Result<ActionItem, Problem> {
    let now = app.now();
    let item = ActionItem {
        id: ActionItemId::new(now, &*app.random),
        incident,
        text: text_of(&new.text)?,
        owner: match new.owner.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(name) => Some(service::person(app, "/owner", name).await?.id),
        },
        due: day(&new.due, now)?,
        created_at: now,
        created_by: by.to_owned(),
        done_at: None,
        done_by: None,
        version: 0,
    };
    kept(app, by, incident, app.store.add_action_item(item).await?).await
}

/// # Errors
/// 404; 409 when it is another version by now; 422.
pub(super) async fn change(
    app: &App,
    by: &str,
    incident: IncidentId,
    id: ActionItemId,
    change: ItemChange,
) -> Result<ActionItem, Problem> {
    let now = app.now();
    let ItemChange { version, text, owner, due, done } = change;
    let text = text.as_deref().map(text_of).transpose()?;
    let owner = match owner.as_deref().map(str::trim) {
        None => None,
        Some("") => Some(None),
        Some(name) => Some(Some(service::person(app, "/owner", name).await?.id)),
    };
    let due = due.map(|due| day(&due, now)).transpose()?;
    let author = by.to_owned();
    let changed = app
        .store
        .change_action_item(id, version, by.to_owned(), now, move |item| {
            // One of another incident is not at this address.
            if item.incident != incident {
                return;
            }
            if let Some(text) = text {
                item.text = text;
            }
            if let Some(owner) = owner {
                item.owner = owner;
            }
            if let Some(due) = due {
                item.due = due;
            }
            match done {
                Some(true) if item.done_at.is_none() => {
                    item.done_at = Some(now);
                    item.done_by = Some(author);
                }
                Some(false) => {
                    item.done_at = None;
                    item.done_by = None;
                }
                _ => {}
            }
        })
        .await?;
    match changed {
        ActionItemChange::Now(item) if item.incident != incident => Err(missing(id)),
        changed => kept_of(app, by, incident, id, changed).await,
    }
}

async fn kept(
    app: &App,
    by: &str,
    incident: IncidentId,
    change: ActionItemChange,
) -> Result<ActionItem, Problem> {
    match change {
        ActionItemChange::Missing => Err(service::missing(incident)),
        ActionItemChange::Full => Err(Problem::field(
            "/text",
            "the incident has as many action items as it may have; change one that is there",
        )),
        ActionItemChange::Now(item) | ActionItemChange::Moved(item) => {
            writings::list_actions(app, by, incident).await?;
            Ok(item)
        }
    }
}

async fn kept_of(
    app: &App,
    by: &str,
    incident: IncidentId,
    id: ActionItemId,
    change: ActionItemChange,
) -> Result<ActionItem, Problem> {
    match change {
        ActionItemChange::Missing => Err(missing(id)),
        ActionItemChange::Moved(item) => {
            Err(moved(&format!("action item {id}"), item.version, "read it again and decide anew"))
        }
        change => kept(app, by, incident, change).await,
    }
}

/// # Errors
/// 404.
pub(super) fn item_of(text: &str) -> Result<ActionItemId, Problem> {
    text.parse().map_err(|error| {
        let shown: String = text.chars().take(64).collect();
        Problem::new(ProblemCode::NotFound, format!("{shown:?} is not the id of an action item: {error}"))
    })
}

fn missing(id: ActionItemId) -> Problem {
    Problem::not_found(format!("there is no action item {id} of that incident"))
}

fn text_of(text: &str) -> Result<String, Problem> {
    let problem = match one_line(text, TEXT_CHARS_MAX) {
        Ok(text) => return Ok(text.to_owned()),
        Err(TextError::Empty) => "is empty; say what is to be done".to_owned(),
        Err(problem) => problem.to_string(),
    };
    Err(Problem::field("/text", problem))
}

/// From today on, and not in the far future.
fn day(text: &str, now: Timestamp) -> Result<Date, Problem> {
    let (today, last) = (now.date(), now.date().plus_days(DUE_DAYS_MAX));
    match text.trim().parse::<Date>() {
        Ok(day) if day >= today && day <= last => Ok(day),
        Ok(day) => Err(Problem::field(
            "/due",
            format!("{day} is not from {today} to {last}; give the last day on which it may be done"),
        )),
        Err(error) => Err(Problem::field("/due", format!("{error}; write a day like {last}"))),
    }
}
