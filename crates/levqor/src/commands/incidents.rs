//! `levqor incidents` and `levqor postmortem`: disturbances, and what is written and done after them.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};

use super::{
    client::{items, present, send, word},
    listed::{LISTED_MAX, listed, say_more},
};
use crate::{
    Exit,
    cli::{
        ActionCommand, ClientArgs, IncidentsArgs, IncidentsCommand, PostmortemArgs, PostmortemCommand,
        SeenIncident,
    },
    console::{say, say_table, table},
};

type Outcome = Result<Exit, (Exit, String)>;

const INCIDENTS: &str = "api/ops/incidents";

pub async fn incidents(args: &IncidentsArgs, as_json: bool) -> Exit {
    let client = &args.client;
    let outcome = match &args.command {
        None => list(client, args.all, as_json).await,
        Some(IncidentsCommand::Action { command }) => action(client, command, as_json).await,
        Some(command) => one(client, command, as_json).await,
    };
    told(outcome)
}

pub async fn postmortem(args: &PostmortemArgs, as_json: bool) -> Exit {
    let client = &args.client;
    told(match &args.command {
        None => postmortems(client, as_json).await,
        Some(PostmortemCommand::Show { id }) => show_postmortem(client, id, as_json).await,
        Some(PostmortemCommand::Add { id, part, text }) => {
            add_to_postmortem(client, id, part.as_deref(), text, as_json).await
        }
        Some(PostmortemCommand::Write { incident, file }) => {
            write_postmortem(client, incident, file, as_json).await
        }
    })
}

fn told(outcome: Outcome) -> Exit {
    outcome.unwrap_or_else(|(exit, problem)| {
        eprintln!("levqor: {problem}");
        exit
    })
}

/// The address of an incident; an id cannot lead anywhere else.
fn path(id: &str) -> Result<String, (Exit, String)> {
    if id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Ok(format!("{INCIDENTS}/{id}"));
    }
    Err((Exit::WrongUse, format!("{id:?} is not the id of an incident; `levqor incidents` lists them")))
}

/// The version that was seen, or that it has now.
async fn version(client: &ClientArgs, incident: &SeenIncident) -> Result<i64, (Exit, String)> {
    match incident.seen {
        Some(version) => Ok(version),
        None => {
            let found = send(client, &path(&incident.id)?, None).await?;
            let version = found["version"].as_i64();
            version.ok_or((Exit::Failed, "the server did not tell the incident's version".to_owned()))
        }
    }
}

/// An object of those members that are given.
fn given(members: &[(&str, Value)]) -> Value {
    let members = members.iter().filter(|(_, value)| !value.is_null());
    Value::Object(members.map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Map<_, _>>())
}

async fn list(client: &ClientArgs, all: bool, as_json: bool) -> Outcome {
    let query = if all { "?all=true" } else { "" };
    let found = listed(client, &format!("{INCIDENTS}{query}"), "incidents", LISTED_MAX).await?;
    present(&found, as_json, || {
        let heads = ["id", "level", "state", "title", "opened", "acknowledged"];
        let nothing = if all { "there was no incident" } else { "no incident is open" };
        say_table(&heads, items(&found["incidents"]).iter().map(row), nothing);
        say_more(&found, "incidents");
    });
    Ok(Exit::Done)
}

fn row(incident: &Value) -> Vec<String> {
    ["id", "level", "state", "title", "opened_at", "acknowledged_by"]
        .map(|member| word(&incident[member]))
        .to_vec()
}

async fn one(client: &ClientArgs, command: &IncidentsCommand, as_json: bool) -> Outcome {
    let (address, body) = match command {
        IncidentsCommand::Show { id } => return show(client, id, as_json).await,
        IncidentsCommand::Timeline { id } => return timeline(client, id, as_json).await,
        IncidentsCommand::Action { command } => return action(client, command, as_json).await,
        IncidentsCommand::Open { title, level, text, public, components, began_at } => {
            let body = given(&[
                ("title", json!(title)),
                ("level", json!(level)),
                ("text", json!(text)),
                ("public", json!(public)),
                ("components", json!(components)),
                ("began_at", json!(began_at)),
            ]);
            (INCIDENTS.to_owned(), body)
        }
        IncidentsCommand::Update { incident, text, state, level, title, components, public } => {
            let body = given(&[
                ("version", json!(version(client, incident).await?)),
                ("text", json!(text)),
                ("state", json!(state)),
                ("level", json!(level)),
                ("title", json!(title)),
                ("components", if components.is_empty() { Value::Null } else { json!(components) }),
                ("public", json!(public)),
            ]);
            (format!("{}/updates", path(&incident.id)?), body)
        }
        IncidentsCommand::Note { id, text } => (format!("{}/notes", path(id)?), json!({ "text": text })),
        IncidentsCommand::Acknowledge { id } => (format!("{}/acknowledge", path(id)?), json!({})),
        IncidentsCommand::Assign { incident, role, user } => {
            let version = version(client, incident).await?;
            let body = given(&[("version", json!(version)), ("role", json!(role)), ("user", json!(user))]);
            (format!("{}/assign", path(&incident.id)?), body)
        }
        IncidentsCommand::Resolve { incident, text, public } => {
            let version = version(client, incident).await?;
            let body = json!({ "version": version, "text": text, "public": public });
            (format!("{}/resolve", path(&incident.id)?), body)
        }
        IncidentsCommand::Reopen { incident, text, public } => {
            let version = version(client, incident).await?;
            let body = json!({ "version": version, "text": text, "public": public });
            (format!("{}/reopen", path(&incident.id)?), body)
        }
    };
    let found = send(client, &address, Some(body)).await?;
    present(&found, as_json, || say(head(&found)));
    Ok(Exit::Done)
}

fn head(incident: &Value) -> String {
    let [id, level, state, title, version] =
        ["id", "level", "state", "title", "version"].map(|member| word(&incident[member]));
    format!("{id} {} {state}: {title} (version {version})", level.to_uppercase())
}

async fn show(client: &ClientArgs, id: &str, as_json: bool) -> Outcome {
    let found = send(client, &path(id)?, None).await?;
    present(&found, as_json, || show_whole(&found));
    Ok(Exit::Done)
}

fn show_whole(found: &Value) {
    say(head(found));
    let lines = ["began_at", "opened_at", "acknowledged_at", "resolved_at", "waits_for", "escalates_at"];
    for name in lines.into_iter().filter(|name| !found[*name].is_null()) {
        say(format_args!("  {:<16}{}", name.replace('_', " "), word(&found[name])));
    }
    for role in items(&found["roles"]) {
        let who = if role["email"].is_null() { &role["user"] } else { &role["email"] };
        say(format_args!("  {:<16}{}", word(&role["role"]), word(who)));
    }
    for (title, name, columns) in [
        ("Alerts", "alerts", &["id", "severity", "rule", "subject", "firing_at", "ended_at"][..]),
        ("Updates", "updates", &["at", "state", "public", "text"][..]),
        ("Action items", "action_items", &["id", "due", "owner_email", "done_at", "text"][..]),
    ] {
        let rows: Vec<Vec<String>> = items(&found[name])
            .iter()
            .map(|member| columns.iter().map(|column| word(&member[*column])).collect())
            .collect();
        if !rows.is_empty() {
            let heads: Vec<_> = columns.iter().map(|column| heading(column)).collect();
            say(format_args!("\n{title}\n{}", table(&heads, rows)));
        }
    }
}

/// What stands above a column of the API's member.
fn heading(member: &str) -> &str {
    match member {
        "owner_email" => "owner",
        "firing_at" => "fires since",
        "ended_at" => "ended",
        "done_at" => "done",
        other => other,
    }
}

async fn timeline(client: &ClientArgs, id: &str, as_json: bool) -> Outcome {
    let found = send(client, &format!("{}/timeline", path(id)?), None).await?;
    present(&found, as_json, || {
        for line in items(&found["timeline"]) {
            let [at, source, who, text] = ["at", "source", "who", "text"].map(|member| word(&line[member]));
            say(format_args!("{at}  {source:<9} {text} ({who})"));
        }
        if found["cut"] == true {
            say("more was done than fits; `levqor audit list` has all of it");
        }
    });
    Ok(Exit::Done)
}

async fn action(client: &ClientArgs, command: &ActionCommand, as_json: bool) -> Outcome {
    let (address, body) = match command {
        ActionCommand::List { overdue } => return actions(client, *overdue, as_json).await,
        ActionCommand::Add { id, text, owner, due } => {
            let body = given(&[("text", json!(text)), ("owner", json!(owner)), ("due", json!(due))]);
            (format!("{}/action-items", path(id)?), body)
        }
        ActionCommand::Done { id, item } => (item_path(id, item)?, json!({ "done": true })),
        ActionCommand::Change { id, item, text, owner, due, undone } => {
            let done = if *undone { json!(false) } else { Value::Null };
            let body =
                given(&[("text", json!(text)), ("owner", json!(owner)), ("due", json!(due)), ("done", done)]);
            (item_path(id, item)?, body)
        }
    };
    let found = send(client, &address, Some(body)).await?;
    present(&found, as_json, || {
        let state = if found["done_at"].is_null() { "to be done" } else { "done" };
        let [id, due, text] = ["id", "due", "text"].map(|member| word(&found[member]));
        say(format_args!("{id} {state} until {due}: {text}"));
    });
    Ok(Exit::Done)
}

fn item_path(id: &str, item: &str) -> Result<String, (Exit, String)> {
    let address = format!("{}/action-items", path(id)?);
    if item.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Ok(format!("{address}/{item}"));
    }
    Err((
        Exit::WrongUse,
        format!("{item:?} is not the id of an action item; `levqor incidents action list` lists them"),
    ))
}

async fn actions(client: &ClientArgs, overdue: bool, as_json: bool) -> Outcome {
    let query = if overdue { "?overdue=true" } else { "" };
    let path = format!("api/ops/action-items{query}");
    let found = listed(client, &path, "action_items", LISTED_MAX).await?;
    let all = items(&found["action_items"]);
    let is_good = all.is_empty() || !overdue;
    present(&found, as_json, || {
        let columns = ["id", "incident", "due", "owner_email", "overdue", "text"];
        let rows = all.iter().map(|item| columns.map(|column| word(&item[column])).to_vec());
        let none = if overdue { "nothing is overdue" } else { "nothing is to be done" };
        say_table(&columns.map(heading), rows, none);
        say_more(&found, "action_items");
    });
    Ok(if is_good { Exit::Done } else { Exit::Failed })
}

async fn postmortems(client: &ClientArgs, as_json: bool) -> Outcome {
    let found = listed(client, "api/ops/postmortems", "postmortems", LISTED_MAX).await?;
    present(&found, as_json, || {
        let rows = items(&found["postmortems"]).iter().map(|one| {
            let unwritten: Vec<_> = items(&one["unwritten"]).iter().map(word).collect();
            let unwritten = if unwritten.is_empty() { "-".to_owned() } else { unwritten.join(", ") };
            vec![word(&one["incident"]), word(&one["level"]), word(&one["file"]), unwritten]
        });
        say_table(&["incident", "level", "file", "to be written"], rows, "there is no postmortem");
        say_more(&found, "postmortems");
    });
    Ok(Exit::Done)
}

async fn show_postmortem(client: &ClientArgs, id: &str, as_json: bool) -> Outcome {
    let found = send(client, &format!("{}/postmortem", path(id)?), None).await?;
    present(&found, as_json, || say(word(&found["text"]).trim_end()));
    Ok(Exit::Done)
}

async fn add_to_postmortem(
    client: &ClientArgs,
    id: &str,
    part: Option<&str>,
    text: &str,
    as_json: bool,
) -> Outcome {
    let body = given(&[("part", json!(part)), ("text", json!(text))]);
    written(client, &format!("{}/postmortem/append", path(id)?), body, as_json).await
}

async fn write_postmortem(
    client: &ClientArgs,
    incident: &SeenIncident,
    file: &Path,
    as_json: bool,
) -> Outcome {
    let text = fs::read_to_string(file)
        .map_err(|error| (Exit::WrongUse, format!("{} cannot be read: {error}", file.display())))?;
    let address = format!("{}/postmortem", path(&incident.id)?);
    let version = match incident.seen {
        Some(version) => json!(version),
        None => send(client, &address, None).await?["version"].clone(),
    };
    written(client, &address, json!({ "version": version, "text": text }), as_json).await
}

async fn written(client: &ClientArgs, address: &str, body: Value, as_json: bool) -> Outcome {
    let found = send(client, address, Some(body)).await?;
    present(&found, as_json, || {
        say(format_args!("{} has version {}", word(&found["file"]), word(&found["version"])));
    });
    Ok(Exit::Done)
}
