//! Postmortems: begun when an incident is over, measured anew when more is known, and written on by people.

use std::collections::BTreeMap;

use levqor_model::{IncidentId, IncidentRole, ProblemCode, UserId};
use levqor_store::{
    Error,
    incidents::{ActionItem, ActionItems, EntryKind, Incident, NewPostmortem, Postmortem, Written},
};

use super::{
    files, impact,
    postmortem::{self, BYTES_MAX, Facts, Part},
    service, timeline,
};
use crate::{App, Problem};

/// Items that a postmortem lists.
const ACTIONS_MAX: usize = 200;

/// Begins the postmortem of an incident that is over, or measures it anew; nothing when it is not over.
///
/// # Errors
/// When the store cannot be read or written.
pub(super) async fn measure(app: &App, by: &str, incident: &Incident) -> Result<Option<Postmortem>, Error> {
    let known = app.store.postmortem(incident.id).await?;
    if incident.is_open() && known.is_none() {
        return Ok(None);
    }
    let facts = facts(app, incident).await?;
    let written = if let Some(known) = known {
        let blocks = postmortem::blocks_anew(&facts, known.measured_at);
        let change = move |there: &Postmortem| Some(postmortem::measured_anew(&there.text, &blocks));
        let at = facts.measured_at;
        match app.store.measure_postmortem(incident.id, by.to_owned(), at, change).await? {
            Written::Now(postmortem) | Written::Moved(postmortem) => Some(postmortem),
            Written::Missing => None,
        }
    } else {
        let new = NewPostmortem {
            incident: incident.id,
            name: postmortem::name(incident),
            text: postmortem::draft(&facts),
            by: by.to_owned(),
            at: facts.measured_at,
        };
        Some(app.store.begin_postmortem(new).await?)
    };
    if written.is_some() {
        files::write(app, incident.id).await;
    }
    Ok(written)
}

/// Lists the action items anew, when there is a postmortem that lists them.
///
/// # Errors
/// When the store cannot be read or written.
pub(super) async fn list_actions(app: &App, by: &str, id: IncidentId) -> Result<(), Error> {
    if app.store.postmortem(id).await?.is_none() {
        return Ok(());
    }
    let items = app.store.action_items(ActionItems::Of(id), ACTIONS_MAX).await?;
    let names = service::addresses(app, items.iter().filter_map(|item| item.owner).collect()).await?;
    let blocks = postmortem::actions_anew(id, &named(items, &names), app.now().date());
    let change = move |there: &Postmortem| Some(postmortem::measured_anew(&there.text, &blocks));
    let written = app.store.write_postmortem(id, None, by.to_owned(), app.now(), change).await?;
    if matches!(written, Written::Now(_)) {
        files::write(app, id).await;
    }
    Ok(())
}

/// Items with how their owners are called.
fn named(items: Vec<ActionItem>, names: &BTreeMap<UserId, String>) -> Vec<(ActionItem, Option<String>)> {
    let name = |user: UserId| names.get(&user).cloned().unwrap_or_else(|| user.to_string());
    items.into_iter().map(|item| (item.clone(), item.owner.map(name))).collect()
}

async fn facts(app: &App, incident: &Incident) -> Result<Facts, Error> {
    // Not by a replica, which may not have what other nodes saw last: what is measured here is kept.
    let store = &app.store;
    let now = app.now();
    let began = incident.began_at.map_or(incident.opened_at, |at| at.min(incident.opened_at));
    let until = incident.resolved_at.unwrap_or(now);
    let (timeline, timeline_cut) = service::timeline_of(store, incident, now).await?;
    let entries = store.incident_entries(incident.id).await?;
    let last = entries.iter().rfind(|entry| entry.kind == EntryKind::Resolved);
    let items = store.action_items(ActionItems::Of(incident.id), ACTIONS_MAX).await?;
    let roles = IncidentRole::ALL.iter().filter_map(|role| Some((*role, incident.role(*role)?)));
    let roles: Vec<_> = roles.collect();
    let ids = roles.iter().map(|(_, user)| *user).chain(items.iter().filter_map(|item| item.owner));
    let names = service::addresses(app, ids.collect()).await?;
    let name = |user: UserId| names.get(&user).cloned().unwrap_or_else(|| user.to_string());
    Ok(Facts {
        alerts: store.incident_alerts(incident.id).await?,
        impact: impact::measure(app, began, until).await?,
        last_words: last.map_or_else(String::new, |entry| entry.text.clone()),
        people: roles.into_iter().map(|(role, user)| (role, name(user))).collect(),
        actions: named(items, &names),
        timeline: timeline.into_iter().filter(is_of_the_incident).collect(),
        timeline_cut,
        measured_at: now,
        incident: incident.clone(),
    })
}

/// Writing the postmortem is no part of what it is about.
fn is_of_the_incident(line: &timeline::Line) -> bool {
    let after = [EntryKind::Postmortem, EntryKind::ActionItem].map(EntryKind::as_str);
    line.source != timeline::Source::Incident || !after.contains(&line.kind.as_str())
}

/// # Errors
/// 404; 409 when the incident is not over and never was.
pub(super) async fn find(app: &App, by: &str, id: IncidentId) -> Result<Postmortem, Problem> {
    if let Some(there) = app.store.postmortem(id).await? {
        return Ok(there);
    }
    let incident = service::find(app, id).await?;
    measure(app, by, &incident).await?.ok_or_else(|| not_yet(id))
}

fn not_yet(id: IncidentId) -> Problem {
    Problem::new(
        ProblemCode::IncidentOpen,
        format!("incident {id} is not over; its postmortem begins when it is resolved"),
    )
}

/// Another text in the place of the one that was seen.
///
/// # Errors
/// 404; 409 when it is another version by now or there is none yet; 422.
pub(super) async fn write(
    app: &App,
    by: &str,
    id: IncidentId,
    version: i64,
    text: &str,
) -> Result<Postmortem, Problem> {
    find(app, by, id).await?;
    let text = document(text)?;
    let written =
        app.store.write_postmortem(id, Some(version), by.to_owned(), app.now(), move |_| Some(text)).await?;
    kept(app, id, written).await
}

/// More words: in a part, or at the end.
///
/// # Errors
/// 404; 409 when there is none yet; 422.
pub(super) async fn append(
    app: &App,
    by: &str,
    id: IncidentId,
    part: Option<Part>,
    text: &str,
) -> Result<Postmortem, Problem> {
    let there = find(app, by, id).await?;
    let text = service::text_of("/text", text)?;
    if text.is_empty() {
        return Err(Problem::field("/text", "is empty; write what is to be added"));
    }
    let with = move |there: &str| match part {
        Some(part) => postmortem::written(there, part, &text),
        None => Some(postmortem::appended(there, &text)),
    };
    let Some(now) = with(&there.text) else {
        let heading = part.map_or("", Part::heading);
        let words = format!(
            "the postmortem has no heading \"## {heading}\" any more; leave the part out to add it at the end"
        );
        return Err(Problem::field("/part", words));
    };
    document(&now)?;
    let change = move |there: &Postmortem| with(&there.text);
    let written = app.store.write_postmortem(id, None, by.to_owned(), app.now(), change).await?;
    kept(app, id, written).await
}

async fn kept(app: &App, id: IncidentId, written: Written) -> Result<Postmortem, Problem> {
    match written {
        Written::Now(postmortem) => {
            files::write(app, id).await;
            Ok(postmortem)
        }
        Written::Moved(postmortem) => Err(service::moved(
            &format!("the postmortem of {id}"),
            postmortem.version,
            "read it again, and put your words into what is there",
        )),
        Written::Missing => Err(service::missing(id)),
    }
}

fn document(text: &str) -> Result<String, Problem> {
    let text = format!("{}\n", text.replace("\r\n", "\n").trim_end());
    let problem = if text.trim().is_empty() {
        "is empty; a postmortem stays, so write what happened".to_owned()
    } else if text.len() > BYTES_MAX {
        format!("is longer than {BYTES_MAX} bytes; shorten it")
    } else if text.contains('\0') {
        "has a character that is none (U+0000); leave it out".to_owned()
    } else {
        return Ok(text);
    };
    Err(Problem::field("/text", problem))
}

/// Where words go; None: at the end.
///
/// # Errors
/// 422.
pub(super) fn part_of(word: Option<&str>) -> Result<Option<Part>, Problem> {
    let Some(word) = word else { return Ok(None) };
    let known = Part::ALL.map(Part::word).join(", ");
    let shown: String = word.chars().take(64).collect();
    Part::parse(word).map(Some).ok_or_else(|| {
        Problem::field("/part", format!("{shown:?} is not one of {known}; leave it out to add at the end"))
    })
}
