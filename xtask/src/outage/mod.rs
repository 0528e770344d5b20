//! A real outage from its first second to its postmortem: a region is killed, and what the others make of it is watched and timed.
//!
//! ```text
//! start:   three regions, a PostgreSQL, an edge, somebody who is told ─► /status is good, somebody looks for alerts
//! outage:  kill -9 ─► the edge turns away ─► /status says so ─► an alert ─► messages ─► an incident with its timeline
//! return:  the region again ─► /status is good ─► the alerts are over ─► resolved ─► the postmortem is a file
//! ```
//!
//! Everything is a process of this machine, on loopback only, and gone in the end, however that comes. The person on duty is played here:
//! they say that they deal with it, say how it stands, and say that it is over once evidence lets them.

mod facts;
mod steps;
mod world;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use levqor_testkit::Client;
use serde_json::{Value, json};

use self::{
    facts::{Alert, fired, is_looked_for, is_over, is_probed, is_turned_away, missing, names, parts, words},
    steps::{Steps, Within},
    world::{REGIONS, World},
};
use crate::{checker::get, crash::build};

/// Where postmortems are kept when no folder is given.
const FOLDER: &str = "target/outage";
/// Changes of an incident that come in between are looked at again so often.
const TRIES: usize = 10;

/// How long each step may take, from the beginning of its phase. Wide enough for a loaded machine; what it took is what is told.
const GOOD: Duration = Duration::from_secs(120);
const TURNED_AWAY: Duration = Duration::from_secs(10);
const SHOWN: Duration = Duration::from_secs(10);
const FIRED: Duration = Duration::from_secs(30);
const TOLD: Duration = Duration::from_secs(45);
const OPENED: Duration = Duration::from_secs(45);
const BACK: Duration = Duration::from_secs(60);
/// Alerts wait for a minute until what is good again is believed; one that came back waits for longer.
const OVER: Duration = Duration::from_secs(300);
const WRITTEN: Duration = Duration::from_secs(360);

#[derive(Debug, Args)]
pub struct OutageArgs {
    /// The region that is lost.
    #[arg(long, default_value = "us-east", value_parser = REGIONS)]
    region: String,
    /// The binary to run; built when left out.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Build and run the debug build.
    #[arg(long, conflicts_with = "binary")]
    debug: bool,
    /// Write the postmortem into this directory; target/outage when left out.
    #[arg(long)]
    postmortem: Option<PathBuf>,
    /// Write what the nodes and the edge print into this directory, at the end, whatever that is.
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Print the steps as JSON, and what happens meanwhile to standard error.
    #[arg(long)]
    json: bool,
}

/// Plays it.
///
/// # Errors
/// When a step does not come within its bound; what came before is printed.
pub fn outage(root: &Path, args: &OutageArgs) -> anyhow::Result<()> {
    let binary = match &args.binary {
        Some(binary) => std::path::absolute(binary)?,
        None => build(root, args.debug)?,
    };
    let folder = args.postmortem.clone().unwrap_or_else(|| root.join(FOLDER));
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut steps = Steps::begin(args.json);
        let mut world = World::start(&binary, args.logs.is_some()).await?;
        let outcome = play(&mut world, &mut steps, &args.region, &folder).await;
        if let Some(logs) = &args.logs {
            world.write_logs(logs)?;
        }
        drop(world);
        if args.json {
            println!("{:#}", steps.json(outcome.as_ref().ok().map(PathBuf::as_path)));
        } else {
            println!("\n{}", steps.table());
        }
        let file = outcome?;
        steps.tell(&format!("the postmortem is {}", file.display()));
        Ok(())
    })
}

/// The file of the postmortem.
async fn play(world: &mut World, steps: &mut Steps, region: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let (edge, ops) = (world.through_the_edge(), world.beside(region)?);
    steps.phase("start");
    good(&edge, steps, region).await?;
    steps
        .wait("somebody looks for alerts", Within(GOOD), async || {
            let overview = ops.get("/api/ops/overview").await.ok()?.body;
            is_looked_for(&overview).then_some(())
        })
        .await?;

    steps.phase("outage");
    steps.tell(&format!("{region} is lost: kill -9 to its node"));
    world.kill(region)?;
    let alert = lost(world, steps, region, &edge, &ops).await?;
    let incident = opened(steps, &edge, &ops, &alert).await?;

    steps.phase("return");
    steps.tell(&format!("{region} comes back: a new node in its place"));
    world.bring_back(region).await?;
    steps.note("the region's node is ready", BACK);
    good(&edge, steps, region).await?;
    ended(world, steps, &ops, &alert, &incident).await?;
    written(world, steps, &ops, region, &incident, folder).await
}

/// Until everybody is told that everything is well.
async fn good(edge: &Client, steps: &mut Steps, region: &str) -> anyhow::Result<()> {
    let what = "/status is good, and the region is seen from the others";
    steps
        .wait(what, Within(GOOD), async || {
            let status = edge.get("/api/status").await.ok()?.body;
            (status["status"] == "operational" && is_probed(&status, region)).then_some(())
        })
        .await
}

/// From the kill to the message.
async fn lost(
    world: &World,
    steps: &mut Steps,
    region: &str,
    edge: &Client,
    ops: &Client,
) -> anyhow::Result<Alert> {
    steps
        .wait("the edge sends nobody there", Within(TURNED_AWAY), async || {
            is_turned_away(&edge.get("/edge/health").await.ok()?.body, region).then_some(())
        })
        .await?;
    let shown = steps
        .wait("/status says so", Within(SHOWN), async || {
            let status = edge.get("/api/status").await.ok()?.body;
            (status["status"].is_string() && status["status"] != "operational").then_some(status)
        })
        .await?;
    steps.tell(&words(&shown));
    let alert = steps
        .wait("an alert fires", Within(FIRED), async || {
            let path = "/api/ops/alerts?state=firing&rule=nodes.lost";
            fired(&ops.get(path).await.ok()?.body, region)
        })
        .await?;
    steps.tell(&alert.summary);
    let calls = || world.messages().into_iter().any(|message| names(&message, "alert.firing", &alert.id));
    steps.wait("a webhook has the message", Within(TOLD), async || calls().then_some(())).await?;
    let mails = || world.subjects().iter().any(|subject| subject.contains(&alert.node));
    steps.wait("a mailbox has it", Within(TOLD), async || mails().then_some(())).await?;
    Ok(alert)
}

/// The path of the incident that the alert opened, after the person on duty has said how it stands.
async fn opened(steps: &mut Steps, edge: &Client, ops: &Client, alert: &Alert) -> anyhow::Result<String> {
    let incident = steps
        .wait("an incident is opened by the alert", Within(OPENED), async || incident_of(ops, alert).await)
        .await?;
    let seen = get(ops, &incident).await?;
    ensure!(seen["opened_by"] == "levqor", "the incident was opened by {}", seen["opened_by"]);
    steps.tell(&format!("{}: {}", incident.trim_start_matches("/api/ops/incidents/"), seen["title"]));
    let acknowledged = ops.post(&format!("{incident}/acknowledge"), &json!({})).await?;
    ensure!(acknowledged.status == 200, "the incident was not acknowledged: {}", acknowledged.body);
    let update =
        json!({ "state": "identified", "public": true, "text": "A node is gone; it is started again." });
    say(ops, &incident, "updates", &update).await?;
    steps.note("the person on duty has said how it stands", OPENED);
    let id = seen["id"].clone();
    steps
        .wait("/status names the incident", Within(OPENED), async || {
            let status = edge.get("/api/status").await.ok()?.body;
            let told = status["incidents"].as_array()?.iter().any(|told| told["id"] == id);
            told.then_some(())
        })
        .await?;
    steps
        .wait("its timeline has the alert and the node that stopped", Within(OPENED), async || {
            let timeline = ops.get(&format!("{incident}/timeline")).await.ok()?.body;
            let kinds = parts(&timeline["timeline"], "kind");
            ["alert.fired", "node.stopped"].iter().all(|kind| kinds.contains(kind)).then_some(())
        })
        .await?;
    Ok(incident)
}

/// The open incident that has the alert.
async fn incident_of(ops: &Client, alert: &Alert) -> Option<String> {
    let open = ops.get("/api/ops/incidents").await.ok()?.body;
    for id in parts(&open["incidents"], "id") {
        let path = format!("/api/ops/incidents/{id}");
        let detail = ops.get(&path).await.ok()?.body;
        if parts(&detail["alerts"], "id").contains(&alert.id.as_str()) {
            return Some(path);
        }
    }
    None
}

/// Says something of the incident as it is then; whoever comes in between is looked at again.
async fn say(ops: &Client, incident: &str, what: &str, words: &Value) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        let mut body = words.clone();
        body["version"] = get(ops, incident).await?["version"].clone();
        let answer = ops.post(&format!("{incident}/{what}"), &body).await?;
        match answer.status {
            200 => return Ok(()),
            409 => {}
            status => bail!("POST {incident}/{what} gave {status}: {}", answer.body),
        }
    }
    bail!("the incident changes faster than anybody can say something of it")
}

/// From the good page to the incident that is over.
async fn ended(
    world: &World,
    steps: &mut Steps,
    ops: &Client,
    alert: &Alert,
    incident: &str,
) -> anyhow::Result<()> {
    steps
        .wait("the alert is over", Within(OVER), async || {
            let found = ops.get(&format!("/api/ops/alerts/{}", alert.id)).await.ok()?.body;
            (found["state"] == "resolved").then_some(())
        })
        .await?;
    let calls = || world.messages().into_iter().any(|message| names(&message, "alert.resolved", &alert.id));
    steps.wait("a webhook has that message", Within(OVER), async || calls().then_some(())).await?;
    steps
        .wait("all alerts of the incident are over", Within(OVER), async || {
            is_over(&ops.get(incident).await.ok()?.body["alerts"]).then_some(())
        })
        .await?;
    // Should another alert join meanwhile, it is not over; it is tried until it is.
    let end = json!({ "public": true, "text": "A new node took the place of the one that was lost." });
    steps
        .wait("the incident is resolved", Within(WRITTEN), async || {
            say(ops, incident, "resolve", &end).await.ok()
        })
        .await
}

/// Takes the postmortem, and sees that it is the file that the node wrote.
async fn written(
    world: &World,
    steps: &mut Steps,
    ops: &Client,
    region: &str,
    incident: &str,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    let postmortem = get(ops, &format!("{incident}/postmortem")).await?;
    let (name, text) = (postmortem["file"].as_str(), postmortem["text"].as_str());
    let (name, text) = name.zip(text).context("the postmortem has no name or no text")?;
    // It becomes a path here.
    ensure!(!name.contains(['/', '\\']) && !name.starts_with('.'), "{name:?} is no name of a file");
    let own = world.postmortem(region, name)?;
    let what = "the postmortem is a file of the node that wrote it";
    steps
        .wait(what, Within(WRITTEN), async || (fs::read_to_string(&own).ok()? == text).then_some(()))
        .await?;
    let missing = missing(text, region);
    ensure!(missing.is_empty(), "the postmortem says nothing of {}:\n{text}", missing.join(", "));
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let file = folder.join(name);
    fs::write(&file, text).with_context(|| file.display().to_string())?;
    Ok(file)
}
