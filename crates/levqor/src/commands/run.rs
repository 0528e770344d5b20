//! `levqor run`: one run of a workflow file in this process, without a server; progress on standard error, the output
//! on standard output.

use std::{
    io::{IsTerminal, Write, stderr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use levqor_engine::{
    Engine, RunDetail, RunUpdate, Setup, StartRun, TaskRecord, Vault, egress, handlers::Handlers,
};
use levqor_flow::{
    definition,
    document::{self, Fetched, Host, Issue},
    machine::Surroundings,
};
use levqor_model::{
    AccountId, Clock, NodeId, Random, RunId, RunStatus, Secret, SystemClock, SystemRandom, TaskStatus,
    TriggerKind, WorkflowId,
};
use levqor_server::features::ai::{Backends, Functions};
use levqor_store::{Options, Store, accounts::Account, workflows};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::{
    blueprint, given_secrets,
    validate::{read, read_beside},
};
use crate::{
    Exit,
    cli::RunArgs,
    config::{self, Config, Flags},
    console::{Tone, paint, say},
};

/// How long to wait for the engine's answer before asking again; the run itself may take any time.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn run(flags: &Flags, args: &RunArgs, as_json: bool) -> Exit {
    match prepare(flags, args) {
        Err(problem) => {
            eprintln!("{} {problem}", paint("error:", Tone::Bad, &stderr()));
            Exit::WrongUse
        }
        Ok(prepared) => match execute(prepared, as_json).await {
            Ok(exit) => exit,
            Err(error) => {
                eprintln!("{} {error:#}", paint("error:", Tone::Bad, &stderr()));
                Exit::Failed
            }
        },
    }
}

/// Everything that can be wrong before anything runs.
struct Prepared {
    config: Config,
    policy: egress::Policy,
    main: Document,
    others: Vec<Document>,
    input: Value,
    secrets: Vec<(String, Value)>,
}

struct Document {
    file: String,
    text: String,
    value: Arc<Value>,
}

impl Document {
    /// Names in `use.secrets`.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let names = self.value.pointer("/use/secrets").and_then(Value::as_array);
        names.into_iter().flatten().filter_map(Value::as_str)
    }
}

fn prepare(flags: &Flags, args: &RunArgs) -> Result<Prepared, String> {
    let layers = config::load(flags);
    let config = config::resolve(&layers).map_err(|complaints| complaints.to_string())?;
    crate::telemetry::start(
        &config::Log { filter: flags.log.clone().unwrap_or_else(|| "warn".to_owned()), ..config.log.clone() },
        &config.region.code,
        None,
        None,
    )?;
    let mut policy = egress::Policy {
        allow: config.egress.allow.clone(),
        timeout: config.egress.timeout,
        response_bytes_max: config.egress.response_bytes_max,
        ..egress::Policy::default()
    };
    for network in &args.allow {
        policy.allow.push(network.parse().map_err(|problem| format!("--allow: {problem}"))?);
    }
    for rule in &args.rewrite {
        let (from, to) =
            rule.split_once('=').filter(|(from, to)| !from.is_empty() && !to.is_empty()).ok_or_else(
                || format!("--rewrite {rule:?}: write it like https://api.example.com=http://127.0.0.1:9000"),
            )?;
        policy.rewrites.push((from.to_owned(), to.to_owned()));
    }
    let main = load(&args.file)?;
    let others: Vec<Document> = args.with.iter().map(|file| load(file)).collect::<Result<_, _>>()?;
    let names = std::iter::once(&main).chain(&others).flat_map(Document::secrets);
    let secrets = given_secrets::given(names, &args.secret, |name| std::env::var(name).ok())?;
    Ok(Prepared { policy, main, others, input: input(args.input.as_deref())?, secrets, config })
}

fn load(file: &Path) -> Result<Document, String> {
    let text = read(file)?;
    let value = document::read(&text).map_err(|issue| format!("{}: {}", file.display(), issue.message))?;
    let checked = document::check_with(&value, &Host::default(), &Fetched::default());
    let file = file.display().to_string();
    if !checked.errors.is_empty() {
        return Err(invalid(&file, &checked.errors));
    }
    Ok(Document { file, text, value: Arc::new(value) })
}

fn invalid(file: &str, errors: &[Issue]) -> String {
    let lines: Vec<_> =
        errors.iter().map(|issue| format!("\n  at {}: {}", issue.pointer, issue.message)).collect();
    format!("{file} is not a valid workflow:{}", lines.concat())
}

fn input(argument: Option<&str>) -> Result<Value, String> {
    let Some(argument) = argument else { return Ok(json!({})) };
    let text = match argument.strip_prefix('@') {
        Some(file) => read_beside(Path::new(file), "input")?,
        None => argument.to_owned(),
    };
    serde_json::from_str(&text)
        .map_err(|error| format!("--input is not JSON: {error}; write it like '{{\"id\": 7}}' or @file.json"))
}

async fn execute(prepared: Prepared, as_json: bool) -> anyhow::Result<Exit> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let store = tokio::task::spawn_blocking(|| Store::open(Options::default())).await??;
    let now = clock.now();
    let account_id = AccountId::new(now, &*random);
    store
        .create_account(Account {
            id: account_id,
            name: "local".to_owned(),
            plan: "agency".to_owned(),
            created_at: now,
        })
        .await?;
    let blueprint = blueprint::read(&prepared.config.blueprint).map_err(anyhow::Error::msg)?;
    let functions = Functions {
        store: store.clone(),
        clock: Arc::clone(&clock),
        region: prepared.config.region.clone(),
        backends: Arc::new(Backends::new(&prepared.config.ai, blueprint.clone(), Arc::clone(&clock))),
        blueprint: Arc::new(blueprint),
    };
    let key = format!("{:x}{:x}", random.u64(), random.u64());
    let engine = Engine::start(Setup {
        store: store.clone(),
        node: NodeId::new(now, &*random),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        region: prepared.config.region.code.clone(),
        surroundings: Arc::new(Surroundings {
            payload_bytes_max: prepared.config.limits.payload_bytes_max,
            ..Surroundings::default()
        }),
        egress: prepared.policy.clone(),
        processes: levqor_engine::processes::Policy::default(),
        limits: levqor_engine::Limits::default(),
        handlers: functions.join(Handlers::default()),
        // The store dies with this process, so its key may as well.
        vault: Vault::new(&Secret::new(key)),
        sink: None,
        cluster: levqor_engine::Cluster::Alone,
    })
    .await?;
    for (name, value) in &prepared.secrets {
        engine.set_secret(account_id, name, value, prepared.secrets.len()).await?;
    }
    let exit = run_all(&engine, &store, account_id, &prepared, as_json, (&*clock, &*random)).await;
    engine.drain(Duration::ZERO).await;
    store.close().await;
    exit
}

async fn run_all(
    engine: &Engine,
    store: &Store,
    account_id: AccountId,
    prepared: &Prepared,
    as_json: bool,
    (clock, random): (&dyn Clock, &dyn Random),
) -> anyhow::Result<Exit> {
    let mut ids = Vec::new();
    for document in std::iter::once(&prepared.main).chain(&prepared.others) {
        // Functions of catalogs are fetched with the secrets of this run.
        let value = Arc::clone(&document.value);
        let (checked, functions) =
            engine.check(account_id, value, &Host::default(), Fetched::default()).await?;
        let Some(workflow) = checked.workflow else {
            let problem = invalid(&document.file, &checked.errors);
            eprintln!("{} {problem}", paint("error:", Tone::Bad, &stderr()));
            return Ok(Exit::WrongUse);
        };
        ids.push(save(store, account_id, document, (&workflow, &functions), (clock, random)).await?);
    }
    let Some(main) = ids.first() else { anyhow::bail!("there is nothing to run") };
    follow(engine, account_id, *main, prepared.input.clone(), as_json).await
}

async fn save(
    store: &Store,
    account_id: AccountId,
    document: &Document,
    (checked, functions): (&definition::Workflow, &Fetched),
    (clock, random): (&dyn Clock, &dyn Random),
) -> anyhow::Result<WorkflowId> {
    let now = clock.now();
    let id = WorkflowId::new(now, random);
    let workflow = workflows::Workflow {
        id,
        account_id,
        namespace: checked.namespace.clone(),
        name: checked.name.clone(),
        version: checked.version.clone(),
        title: checked.title.clone(),
        created_at: now,
        updated_at: now,
    };
    let version = workflows::Version {
        workflow_id: id,
        version: checked.version.clone(),
        definition: document.value.to_string(),
        source: Some(document.text.clone()),
        functions: Some(serde_json::to_string(functions)?),
        created_at: now,
    };
    // No schedule: this process runs the workflow once, now.
    store.create_workflow(workflow, version, None).await?;
    Ok(id)
}

async fn follow(
    engine: &Engine,
    account_id: AccountId,
    workflow_id: WorkflowId,
    input: Value,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let started = engine
        .start_run(StartRun {
            account_id,
            workflow_id,
            version: None,
            input,
            trigger: TriggerKind::Manual,
            residency: None,
            home_region: None,
        })
        .await?;
    let id = started.run.id;
    let progress = Progress::new();
    if let Ok(mut updates) = engine.watch(account_id, id).await {
        // What ended before the watch began comes first, so that the lines keep the order of the run.
        tell_tasks(engine, account_id, id, &progress).await?;
        loop {
            let update = tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => {
                    progress.finish();
                    engine.cancel(account_id, id).await?;
                    eprintln!("cancelled");
                    return Ok(Exit::Failed);
                }
                update = updates.recv() => update,
            };
            match update {
                Ok(RunUpdate::Task(task)) => progress.task(&task),
                Ok(RunUpdate::Run { status, .. }) if status.is_ended() => break,
                Ok(RunUpdate::Run { .. }) => {}
                Err(RecvError::Lagged(_)) => tell_tasks(engine, account_id, id, &progress).await?,
                Err(RecvError::Closed) => break,
            }
        }
    }
    let mut detail = engine.wait_ended(account_id, id, PATIENCE).await?;
    while !detail.run.status.is_ended() {
        detail = engine.wait_ended(account_id, id, PATIENCE).await?;
    }
    // Tasks of a run that ended before it could be watched are told from its journal.
    tell_tasks(engine, account_id, id, &progress).await?;
    progress.finish();
    Ok(report(&detail, as_json))
}

/// Tells the tasks that the journal knows; those that were told before stay told once.
async fn tell_tasks(
    engine: &Engine,
    account_id: AccountId,
    id: RunId,
    progress: &Progress,
) -> anyhow::Result<()> {
    for task in engine.tasks(account_id, id, None, usize::MAX).await? {
        progress.task(&task);
    }
    Ok(())
}

fn report(detail: &RunDetail, as_json: bool) -> Exit {
    let status = detail.run.status;
    if as_json {
        let run = json!({
            "run_id": detail.run.id, "status": status, "output": detail.output, "error": detail.error,
            "created_at": detail.run.created_at, "started_at": detail.run.started_at, "ended_at": detail.run.ended_at,
        });
        say(format_args!("{run:#}"));
    } else {
        if let Some(output) = &detail.output {
            say(format_args!("{output:#}"));
        }
        if let Some(error) = &detail.error {
            let title = error.title.as_deref().unwrap_or("error");
            let words = format!("{title} ({}, status {})", error.kind, error.status);
            eprintln!("{} at {}: {words}", paint("faulted", Tone::Bad, &stderr()), error.instance);
            if let Some(detail) = &error.detail {
                eprintln!("  {detail}");
            }
        }
    }
    let _ = std::io::stdout().flush();
    if status == RunStatus::Completed { Exit::Done } else { Exit::Failed }
}

/// One line a task that ended, and on a terminal a line that shows what runs now.
struct Progress {
    bar: Option<ProgressBar>,
    /// Executions that have been told.
    told: std::sync::Mutex<std::collections::HashSet<u64>>,
}

impl Progress {
    fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, told: std::sync::Mutex::default() }
    }

    fn task(&self, task: &TaskRecord) {
        let place = if task.iteration.is_empty() {
            task.name.clone()
        } else {
            format!("{} {:?}", task.name, task.iteration)
        };
        let Some(ended_at) = task.ended_at else {
            if let Some(bar) = &self.bar {
                bar.set_message(format!("{place} {}", task.status));
            }
            return;
        };
        let fresh = self.told.lock().map(|mut told| told.insert(task.task)).unwrap_or(true);
        if !fresh {
            return;
        }
        let (mark, tone) = match task.status {
            TaskStatus::Completed => ("✓", Tone::Good),
            TaskStatus::Faulted => ("✗", Tone::Bad),
            TaskStatus::Cancelled => ("■", Tone::Warning),
            _ => ("·", Tone::Quiet),
        };
        let depth = task.reference.matches('/').count().saturating_sub(3) / 2;
        let attempt = if task.attempt > 1 { format!(" attempt {}", task.attempt) } else { String::new() };
        let milliseconds = ended_at.since(task.started_at).as_secs_f64() * 1_000.0;
        let line = format!(
            "{:indent$}{} {place}{attempt} {} {milliseconds:.1} ms",
            "",
            paint(mark, tone, &stderr()),
            task.status,
            indent = depth * 2
        );
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
