//! `levqor migrate`: moves an installation from the embedded database to PostgreSQL, all of it or nothing.
//!
//! The data directory is locked meanwhile. Where it was moved to is marked there just before the new database is committed, and a
//! server that is started on the old one says so.

mod progress;
mod words;

use std::path::{Path, PathBuf};

use levqor_model::{Clock as _, SystemClock};
use levqor_store::{
    PostgresOptions,
    transfer::{self, Failure, Outlook, Report, Zeros},
};

use self::progress::Progress;
use crate::{
    Exit,
    cli::MigrateArgs,
    config::{self, Flags},
    data_dir::{DATABASE_FILE, DataDir},
    moved::Moved,
};

/// Why it did not come to an end: the exit code and the sentence.
type Refusal = (Exit, String);

/// What is moved, from where to where.
struct Plan {
    source: Source,
    target: PostgresOptions,
    options: transfer::Options,
    /// Marks the data directory.
    marks: bool,
}

/// A database file and the directory whose lock guards it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    directory: PathBuf,
    file: PathBuf,
}

impl Source {
    /// A mark is for the server that would use the file.
    fn is_of_a_data_directory(&self) -> bool {
        self.file.file_name().is_some_and(|name| name == DATABASE_FILE)
    }
}

/// How it ended.
enum Outcome {
    Looked(Outlook, Vec<String>),
    Compared(Report),
    /// True: the data directory is marked.
    Moved(Report, bool),
}

pub async fn migrate(flags: &Flags, args: &MigrateArgs, as_json: bool) -> Exit {
    let plan = match plan(flags, args) {
        Ok(plan) => plan,
        Err(problem) => {
            eprintln!("levqor: {problem}");
            return Exit::WrongUse;
        }
    };
    let (dry_run, verify) = (args.dry_run, args.verify);
    let done = tokio::task::spawn_blocking(move || {
        let outcome = if dry_run {
            look(&plan)
        } else if verify {
            verified(&plan)
        } else {
            moved(&plan)
        };
        (plan, outcome)
    });
    match done.await {
        Ok((plan, Ok(outcome))) => {
            words::tell(&plan, &outcome, as_json);
            Exit::Done
        }
        Ok((_, Err((exit, problem)))) => {
            eprintln!("levqor: {problem}");
            exit
        }
        Err(error) => {
            eprintln!("levqor: the move failed inside: {error}");
            Exit::Failed
        }
    }
}

fn plan(flags: &Flags, args: &MigrateArgs) -> Result<Plan, String> {
    let layers = config::load(flags);
    if let Some(complaint) = layers.complaints.first() {
        return Err(complaint.to_string());
    }
    let configured = |key| layers.settings.get(key).map_or("", |setting| setting.value.as_str());
    let source = source(args.from.as_deref().unwrap_or_else(|| configured("data_dir")))?;
    let url = args.to.as_ref().map_or_else(|| configured("database.url"), |to| to.expose());
    if url.is_empty() {
        return Err(
            "name the target by --to postgres://user:password@host/database, or by LEVQOR_DATABASE_URL"
                .to_owned(),
        );
    }
    let configured_file = Some(configured("database.ca_file")).filter(|path| !path.is_empty());
    let ca_file = args.ca_file.clone().or_else(|| configured_file.map(PathBuf::from));
    let zeros = if args.replace_zeros { Zeros::Replace } else { Zeros::Refuse };
    let marks = !args.keep && source.is_of_a_data_directory();
    Ok(Plan {
        source,
        target: PostgresOptions { ca_file, ..PostgresOptions::new(url) },
        options: transfer::Options { zeros },
        marks,
    })
}

/// `PATH` or `sqlite://PATH`, of the file or of its data directory.
fn source(text: &str) -> Result<Source, String> {
    let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or(text);
    if path.contains("://") {
        let scheme = path.split("://").next().unwrap_or_default();
        return Err(format!(
            "--from is of {scheme}: only SQLite databases are moved; write sqlite://PATH, such as sqlite://./levqor-data"
        ));
    }
    if path.is_empty() {
        return Err("--from names no file; write sqlite://PATH, such as sqlite://./levqor-data".to_owned());
    }
    let path = Path::new(path);
    if path.is_dir() {
        return Ok(Source { directory: path.to_owned(), file: path.join(DATABASE_FILE) });
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Ok(Source { directory: directory.to_owned(), file: path.to_owned() })
}

fn look(plan: &Plan) -> Result<Outcome, Refusal> {
    let outlook = transfer::look(&plan.source.file, &plan.target).map_err(refusal)?;
    // Also while a server runs: nothing is changed.
    let held = DataDir::take(&plan.source.directory).err();
    let was_moved = Moved::read(&plan.source.directory)
        .map_or_else(Some, |moved| moved.map(|moved| moved.refusal(&plan.source.directory)));
    Ok(Outcome::Looked(outlook, held.into_iter().chain(was_moved).collect()))
}

fn verified(plan: &Plan) -> Result<Outcome, Refusal> {
    let _lock = lock(&plan.source)?;
    let mut progress = Progress::new();
    let report =
        transfer::compare(&plan.source.file, &plan.target, plan.options, &mut |step| progress.tell(step))
            .map_err(refusal)?;
    drop(progress);
    // A move that was cut off is at its end now.
    let wrong = |problem| (Exit::Failed, problem);
    if let Some(moved) = Moved::read(&plan.source.directory).map_err(wrong)?
        && !moved.is_done
    {
        Moved { is_done: true, ..moved }.write(&plan.source.directory).map_err(wrong)?;
    }
    Ok(Outcome::Compared(report))
}

fn moved(plan: &Plan) -> Result<Outcome, Refusal> {
    let directory = &plan.source.directory;
    let _lock = lock(&plan.source)?;
    let wrong_use = |problem| (Exit::WrongUse, problem);
    if let Some(moved) = Moved::read(directory).map_err(wrong_use)?
        && moved.is_done
    {
        return Err(wrong_use(moved.refusal(directory)));
    }
    let mark = Moved::new(&plan.target.shown(), SystemClock.now());
    let mut progress = Progress::new();
    let copied = transfer::copy(
        &plan.source.file,
        &plan.target,
        plan.options,
        &mut |step| progress.tell(step),
        || {
            if plan.marks { mark.write(directory) } else { Ok(()) }
        },
    );
    drop(progress);
    let report = match copied {
        Ok(report) => report,
        Err(failure) => {
            // The mark stays only where nobody knows; before, it is that of an earlier move, or none.
            let is_known = matches!(failure, Failure::Target { .. });
            if plan.marks && is_known && Moved::read(directory) == Ok(Some(mark)) {
                Moved::remove(directory).map_err(|problem| (Exit::Failed, problem))?;
            }
            return Err(refusal(failure));
        }
    };
    if plan.marks {
        Moved { is_done: true, ..mark }.write(directory).map_err(|problem| {
            let problem =
                format!("everything is moved, but the data directory could not be marked: {problem}");
            (Exit::Failed, problem)
        })?;
    }
    Ok(Outcome::Moved(report, plan.marks))
}

/// Nobody serves from it meanwhile. A place that is not there is not made.
fn lock(source: &Source) -> Result<DataDir, Refusal> {
    if !source.file.is_file() {
        let problem = format!(
            "{} is not there; name the data directory of an installation, or the levqor.db in it, by --from",
            source.file.display()
        );
        return Err((Exit::WrongUse, problem));
    }
    DataDir::take(&source.directory).map_err(|problem| (Exit::WrongUse, problem))
}

fn refusal(failure: Failure) -> Refusal {
    let exit = if failure.is_refusal() { Exit::WrongUse } else { Exit::Failed };
    (exit, failure.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_file_or_a_data_directory() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().to_owned();
        let file = directory.join("levqor.db");
        let found = Source { directory: directory.clone(), file: file.clone() };
        for text in [
            directory.display().to_string(),
            format!("sqlite://{}", directory.display()),
            format!("sqlite:{}", file.display()),
            file.display().to_string(),
        ] {
            assert_eq!(source(&text), Ok(found.clone()), "{text}");
        }
        assert_eq!(source("sqlite://other.db").unwrap().directory, Path::new("."));
        for (text, part) in
            [("postgres://h/d", "is of postgres"), ("sqlite://", "names no file"), ("", "names no file")]
        {
            let refused = source(text).unwrap_err();
            assert!(refused.contains(part) && refused.contains("sqlite://./levqor-data"), "{refused}");
        }
    }
}
