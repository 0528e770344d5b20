//! What is to be done so that an incident does not happen again.

use levqor_model::{ActionItemId, Date, IncidentId, Timestamp, UserId};
use serde_json::{Value, json};

use super::{EntryKind, NewEntry, act, lists};
use crate::{
    Error, Row, Session, Store, cursor,
    notifications::{self, NewNotification},
    params,
};

/// Items of one incident.
const OF_ONE_MAX: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionItem {
    pub id: ActionItemId,
    pub incident: IncidentId,
    pub text: String,
    /// Who does it; None: nobody has taken it on.
    pub owner: Option<UserId>,
    /// The last day on which it may be done.
    pub due: Date,
    pub created_at: Timestamp,
    pub created_by: String,
    pub done_at: Option<Timestamp>,
    pub done_by: Option<String>,
    /// Grows with every change.
    pub version: i64,
}

impl ActionItem {
    pub fn is_overdue(&self, today: Date) -> bool {
        self.done_at.is_none() && self.due < today
    }
}

/// Which items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionItems {
    /// Not done, what is due first comes first.
    Open,
    /// Not done, and due before that day.
    Overdue(Date),
    Of(IncidentId),
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionItemChange {
    Now(ActionItem),
    /// It is another version by now.
    Moved(ActionItem),
    Missing,
    /// There are as many as there may be.
    Full,
}

/// The columns of [`ActionItem`], in the order in which [`ActionItem::read`] takes them.
macro_rules! columns {
    () => {
        "action_id, incident_id, text, owner, due, created_at, created_by, done_at, done_by, version"
    };
}

impl ActionItem {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            incident: row.take()?,
            text: row.take()?,
            owner: row.take()?,
            due: row.take()?,
            created_at: row.take()?,
            created_by: row.take()?,
            done_at: row.take()?,
            done_by: row.take()?,
            version: row.take()?,
        })
    }
}

impl Store {
    /// Adds an item to an incident.
    pub async fn add_action_item(&self, item: ActionItem) -> Result<ActionItemChange, Error> {
        self.write(move |session| {
            if lists::find(session, item.incident)?.is_none() {
                return Ok(ActionItemChange::Missing);
            }
            if of(session, item.incident)?.len() >= OF_ONE_MAX {
                return Ok(ActionItemChange::Full);
            }
            let ActionItem { id, incident, text, owner, due, created_at, created_by, .. } = &item;
            session.execute(
                "INSERT INTO action_items (action_id, incident_id, text, owner, due, created_at, created_by, version)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 1)",
                params![id, incident, text, owner, due, created_at, created_by],
            )?;
            let words = format!("to be done until {due}: {text}");
            noted(session, &item, *created_at, created_by, words, "incident.action_item_added")?;
            Ok(ActionItemChange::Now(ActionItem { version: 1, ..item }))
        })
        .await
    }

    /// Has `change` make another one of an item, within the transaction. `seen`: the version that the caller saw; None: any.
    pub async fn change_action_item(
        &self,
        id: ActionItemId,
        seen: Option<i64>,
        by: String,
        at: Timestamp,
        change: impl FnOnce(&mut ActionItem) + Send + 'static,
    ) -> Result<ActionItemChange, Error> {
        self.write(move |session| {
            let Some(before) = find(session, id)? else { return Ok(ActionItemChange::Missing) };
            if seen.is_some_and(|seen| seen != before.version) {
                return Ok(ActionItemChange::Moved(before));
            }
            let mut item = before.clone();
            change(&mut item);
            if item == before {
                return Ok(ActionItemChange::Now(item));
            }
            item.version += 1;
            let ActionItem { text, owner, due, done_at, done_by, version, .. } = &item;
            session.execute(
                "UPDATE action_items SET text = $2, owner = $3, due = $4, done_at = $5, done_by = $6, version = $7
                 WHERE action_id = $1",
                params![id, text, owner, due, done_at, done_by, version],
            )?;
            let (words, kind) = match (before.done_at, item.done_at) {
                (None, Some(_)) => (format!("done: {text}"), "incident.action_item_done"),
                (Some(_), None) => (format!("not done after all: {text}"), "incident.action_item_changed"),
                _ => (format!("to be done until {due}: {text}"), "incident.action_item_changed"),
            };
            noted(session, &item, at, &by, words, kind)?;
            Ok(ActionItemChange::Now(item))
        })
        .await
    }

    pub async fn action_items(&self, which: ActionItems, limit: usize) -> Result<Vec<ActionItem>, Error> {
        self.action_items_behind(which, None, limit).await
    }

    /// Those that come behind a place in the list, which is the day and the id of an item; an incident has all of its own on one page.
    pub async fn action_items_behind(
        &self,
        which: ActionItems,
        place: Option<(Date, ActionItemId)>,
        limit: usize,
    ) -> Result<Vec<ActionItem>, Error> {
        self.view(move |session| match which {
            ActionItems::Of(incident) => of(session, incident),
            ActionItems::Open => before(session, None, place, limit),
            ActionItems::Overdue(today) => before(session, Some(today), place, limit),
        })
        .await
    }

    /// Those that are overdue and of which nobody was told.
    pub async fn untold_action_items(&self, today: Date, limit: usize) -> Result<Vec<ActionItem>, Error> {
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM action_items WHERE done_at IS NULL AND due < $1 AND (told_due IS NULL OR told_due <> due)
                     ORDER BY due, action_id LIMIT $2"
                ),
                params![today, limit],
                ActionItem::read,
            )
        })
        .await
    }

    /// Tells that an item is overdue, once for each day that it was due on; false: it was told.
    pub async fn tell_action_item(
        &self,
        item: ActionItem,
        notification: NewNotification,
        at: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let told = session.execute(
                "UPDATE action_items SET told_due = due
                 WHERE action_id = $1 AND due = $2 AND done_at IS NULL AND (told_due IS NULL OR told_due <> due)",
                params![item.id, item.due],
            )?;
            if told == 0 {
                return Ok(false);
            }
            notifications::enqueue(session, &notification)?;
            let details = details(&item);
            act::note(session, item.incident, "incident.action_item_overdue", at, details)?;
            Ok(true)
        })
        .await
    }
}

fn find(session: &Session, id: ActionItemId) -> Result<Option<ActionItem>, Error> {
    session.row(
        concat!("SELECT ", columns!(), " FROM action_items WHERE action_id = $1"),
        params![id],
        ActionItem::read,
    )
}

fn of(session: &Session, incident: IncidentId) -> Result<Vec<ActionItem>, Error> {
    session.rows(
        concat!(
            "SELECT ",
            columns!(),
            " FROM action_items WHERE incident_id = $1 ORDER BY action_id LIMIT $2"
        ),
        params![incident, OF_ONE_MAX],
        ActionItem::read,
    )
}

/// Those that are not done; due before a day, or all; behind a place in the list, or from its beginning.
fn before(
    session: &Session,
    day: Option<Date>,
    place: Option<(Date, ActionItemId)>,
    limit: usize,
) -> Result<Vec<ActionItem>, Error> {
    let day = cursor::below(day);
    let (due, id) = place.map_or_else(Default::default, |(due, id)| (due.to_string(), id.to_string()));
    session.rows(
        concat!(
            "SELECT ",
            columns!(),
            " FROM action_items WHERE done_at IS NULL AND due < $1 AND (due, action_id) > ($2, $3)
             ORDER BY due, action_id LIMIT $4"
        ),
        params![day, due, id, limit],
        ActionItem::read,
    )
}

fn details(item: &ActionItem) -> Value {
    json!({ "item": item.id, "owner": item.owner, "due": item.due })
}

/// An entry of the incident, and a record.
fn noted(
    session: &Session,
    item: &ActionItem,
    at: Timestamp,
    by: &str,
    words: String,
    kind: &'static str,
) -> Result<(), Error> {
    let Some(of) = lists::find(session, item.incident)? else { return Ok(()) };
    let entry =
        NewEntry { at, kind: EntryKind::ActionItem, author: by.to_owned(), text: words, public: false };
    act::add_entry(session, item.incident, of.state, &entry)?;
    act::note(session, item.incident, kind, at, details(item))
}
