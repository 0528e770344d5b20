//! `levqor blueprint show|verify|lock`: what is promised to customers, and what somebody agreed to.

use std::{
    fs,
    io::{self, Write, stdout},
    path::{Path, PathBuf},
};

use levqor_drift::{Agreed, Origin, read_blueprint, read_lock};
use levqor_model::{Blueprint, BlueprintLock, Clock, PromiseChange, SystemClock};
use serde_json::{Value, json};

use super::client::{send_within, word};
use crate::{
    Exit,
    cli::{BlueprintArgs, BlueprintCommand, ClientArgs, LockArgs},
    config::{self, Flags},
    console::{Tone, paint, say, table},
};

/// A server looks at all of its pages for an answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

pub async fn blueprint(flags: &Flags, args: &BlueprintArgs, as_json: bool) -> Exit {
    let done = match origin(flags, args.file.as_deref()) {
        Err(problem) => Err(problem),
        Ok(origin) => match &args.command {
            BlueprintCommand::Show => show(&origin.read(), as_json),
            BlueprintCommand::Verify => verify(&origin.read(), as_json),
            BlueprintCommand::Lock(args) => lock(&origin, args, as_json).await,
        },
    };
    done.unwrap_or_else(|problem| {
        eprintln!("levqor: {problem}");
        Exit::WrongUse
    })
}

/// The file that was named, or the one of the configuration.
fn origin(flags: &Flags, file: Option<&Path>) -> Result<Origin, String> {
    match file {
        Some(file) => Ok(Origin::File(file.to_owned())),
        None => config::promised(flags)
            .map(|promised| promised.blueprint)
            .map_err(|complaints| complaints.to_string()),
    }
}

/// The blueprint that a process works by.
///
/// # Errors
/// Why there is none, with the file and what to do.
pub fn read(origin: &Origin) -> Result<Blueprint, String> {
    match origin {
        Origin::Shipped => Blueprint::parse(Blueprint::SHIPPED).map_err(|error| error.to_string()),
        Origin::File(file) => read_blueprint(file).map_err(|problem| {
            format!(
                "blueprint.file: {}: {problem}; mend the file, or name another by LEVQOR_BLUEPRINT_FILE",
                file.display()
            )
        }),
    }
}

fn show(agreed: &Agreed, as_json: bool) -> Result<Exit, String> {
    let blueprint = readable(agreed)?;
    let lock = agreed.lock.as_ref().ok().and_then(Option::as_ref);
    let promises = blueprint.promises();
    if as_json {
        let all: serde_json::Map<String, Value> = promises
            .iter()
            .map(|promise| {
                let locked = lock.and_then(|lock| lock.value(&promise.path));
                let told = json!({ "value": promise.value.to_string(), "text": promise.value.text(), "agreed": locked });
                (promise.path.clone(), told)
            })
            .collect();
        say(format_args!("{:#}", json!({ "lock": lock.map(about), "promises": all })));
        return Ok(Exit::Done);
    }
    let rows = promises.iter().map(|promise| {
        let value = promise.value.to_string();
        let locked = match lock.and_then(|lock| lock.value(&promise.path)) {
            Some(locked) if locked == value => "yes".to_owned(),
            Some(locked) => format!("no: {locked}"),
            None => "no".to_owned(),
        };
        vec![promise.path.clone(), promise.value.text(), value, locked]
    });
    say(table(&["promise", "for people", "for programs", "agreed"], rows));
    say(match lock {
        Some(lock) => {
            format!("\nlock: version {}, {} by {}: {}", lock.version, lock.at, lock.by, lock.reason)
        }
        None => "\nlock: none that can be read; see `levqor blueprint verify`".to_owned(),
    });
    Ok(Exit::Done)
}

fn readable(agreed: &Agreed) -> Result<&Blueprint, String> {
    agreed.blueprint.as_ref().map_err(|problem| format!("{}: {problem}", agreed.blueprint_name))
}

fn about(lock: &BlueprintLock) -> Value {
    json!({ "version": lock.version, "at": lock.at, "by": lock.by, "reason": lock.reason, "digest": lock.digest() })
}

fn verify(agreed: &Agreed, as_json: bool) -> Result<Exit, String> {
    let blueprint = readable(agreed)?;
    let (lock, problem) = match &agreed.lock {
        Ok(Some(lock)) => (Some(lock), None),
        Ok(None) => (None, Some("there is no such file; agree with `levqor blueprint lock`".to_owned())),
        Err(problem) => (None, Some(problem.clone())),
    };
    let changes = lock.map(|lock| lock.changes(blueprint)).unwrap_or_default();
    let whole = problem.is_none() && changes.is_empty();
    if as_json {
        let changes: Vec<_> = changes.iter().map(change).collect();
        let told =
            json!({ "agreed": whole, "lock": lock.map(about), "problem": problem, "changes": changes });
        say(format_args!("{told:#}"));
    } else {
        if let Some(problem) = problem {
            say(paint(&format!("{}: {problem}", agreed.lock_name), Tone::Bad, &stdout()));
        }
        for change in &changes {
            say(paint(&words(change), Tone::Bad, &stdout()));
        }
        say(match lock {
            Some(lock) if whole => {
                let count = lock.promises().count();
                let verdict = paint("BLUEPRINT: AS AGREED", Tone::Good, &stdout());
                format!(
                    "{verdict}, {count} promises, lock version {} of {} by {}",
                    lock.version, lock.at, lock.by
                )
            }
            _ => paint("BLUEPRINT: NOT AS AGREED", Tone::Bad, &stdout()),
        });
    }
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

fn change(change: &PromiseChange) -> Value {
    json!({ "promise": change.path, "agreed": change.agreed, "now": change.now })
}

fn words(change: &PromiseChange) -> String {
    let PromiseChange { path, agreed, now } = change;
    match (agreed, now) {
        (Some(agreed), Some(now)) => format!("{path}: {agreed:?} was agreed, the blueprint says {now:?}"),
        (Some(agreed), None) => format!("{path}: {agreed:?} was agreed, and the blueprint does not have it"),
        (None, now) => format!("{path}: {:?} was never agreed", now.as_deref().unwrap_or_default()),
    }
}

async fn lock(origin: &Origin, args: &LockArgs, as_json: bool) -> Result<Exit, String> {
    let Origin::File(file) = origin else {
        return Err("the blueprint is the one in the program, and its lock as well; name your own by --file or LEVQOR_BLUEPRINT_FILE"
            .to_owned());
    };
    let blueprint = read_blueprint(file).map_err(|problem| format!("{}: {problem}", file.display()))?;
    let path = Origin::lock_path(file);
    let before = read_lock(&path).map_err(|problem| {
        format!(
            "{}: {problem}; put back the one before from your version control, or delete it to begin anew",
            path.display()
        )
    })?;
    let changes = before.as_ref().map(|before| before.changes(&blueprint));
    if changes.as_ref().is_some_and(Vec::is_empty) {
        tell_unchanged(&path, before.as_ref(), as_json);
        return Ok(Exit::Done);
    }
    let by = args.by.clone().or_else(user).ok_or("nobody is named: say who agrees by --by")?;
    let agreed = BlueprintLock::agree(&blueprint, before.as_ref(), SystemClock.now(), &by, &args.reason);
    let agreed = agreed.map_err(|error| format!("--{error}"))?;
    write(&path, &agreed.to_string()).map_err(|error| format!("{}: {error}", path.display()))?;
    let changes = changes.unwrap_or_default();
    if as_json {
        let changes: Vec<_> = changes.iter().map(change).collect();
        let told = json!({ "file": path.display().to_string(), "lock": about(&agreed), "changes": changes });
        say(format_args!("{told:#}"));
    } else {
        for change in &changes {
            say(words(change));
        }
        let count = agreed.promises().count();
        let written = paint("wrote", Tone::Good, &stdout());
        say(format_args!(
            "{written} {}: version {}, {count} promises, {}",
            path.display(),
            agreed.version,
            agreed.digest()
        ));
    }
    tell_server(&args.client).await;
    Ok(Exit::Done)
}

fn tell_unchanged(path: &Path, before: Option<&BlueprintLock>, as_json: bool) {
    if as_json {
        let told = json!({ "file": path.display().to_string(), "lock": before.map(about), "changes": [] });
        say(format_args!("{told:#}"));
    } else {
        say(format_args!("{} agrees to everything already; nothing was written", path.display()));
    }
}

/// A server notes a lock that is new to it. With a key it is asked to do so now, and the record names the key.
async fn tell_server(client: &ClientArgs) {
    if client.key.is_none() {
        eprintln!(
            "servers that read this file note it at their next look, within the hour; with --key one is asked to look now"
        );
        return;
    }
    match send_within(client, "api/ops/drift/check", Some(json!({})), PATIENCE).await {
        Ok(found) => eprintln!("{} has looked: {}", client.url, word(&found["verdict"])),
        Err((_, problem)) => eprintln!("{} was not told: {problem}", client.url),
    }
}

fn user() -> Option<String> {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|name| !name.trim().is_empty())
}

/// All of it or nothing: whoever reads meanwhile reads the file before.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut beside: PathBuf = path.to_owned();
    beside.set_extension(format!("lock.{}", std::process::id()));
    let written = fs::File::create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&beside, path));
    if moved.is_err() {
        // It may not even be there.
        let _ = fs::remove_file(&beside);
    }
    moved
}
