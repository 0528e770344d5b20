//! The command line.

mod incidents;
mod operations;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use levqor_model::{KeyPurpose, Secret};

use crate::config::Flags;
pub use incidents::{
    ActionCommand, IncidentsArgs, IncidentsCommand, PostmortemArgs, PostmortemCommand, SeenIncident,
};
use incidents::{INCIDENTS_EXAMPLES, POSTMORTEM_EXAMPLES};
use operations::{
    ALERTS_EXAMPLES, HEARTBEATS_EXAMPLES, JOBS_EXAMPLES, MAINTENANCE_EXAMPLES, METRICS_EXAMPLES,
    NOTIFICATIONS_EXAMPLES, PROBES_EXAMPLES, SIGN_OUT_EXAMPLES, SLO_EXAMPLES,
};
pub use operations::{
    AlertsArgs, AlertsCommand, HeartbeatsArgs, HeartbeatsCommand, JobsArgs, JobsCommand, MaintenanceArgs,
    MaintenanceCommand, MetricsArgs, MetricsCommand, MetricsQueryArgs, NotificationsArgs,
    NotificationsCommand, ProbesArgs, ProbesCommand, SignOutArgs, SilenceArgs, SloArgs, SloCommand,
};

/// AI workflow automation that keeps running when a region does not.
///
/// Without a command, `levqor` serves: API, console and engine in one process.
#[derive(Debug, Parser)]
#[command(name = "levqor", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print results as JSON on standard output.
    #[arg(long, global = true)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  levqor                                   serve on http://127.0.0.1:8000
  levqor ask \"every weekday at 9am London time, fetch https://example.com/orders\"
  levqor validate order.yaml               check a workflow file
  levqor run order.yaml --input '{\"id\":7}' run it here, without a server
  levqor check                             show the effective configuration
  levqor edge --config edge.toml           stand before several regions
  levqor regions                           show the regions of a running server
  levqor status                            ask a running server how it is
  levqor drift                             see whether it serves what was agreed
  levqor incidents                         see what people deal with now
  levqor migrate --dry-run                 see what a move to PostgreSQL would copy";

/// Settings that the command line can give; they beat the environment and the file.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingFlags {
    /// Configuration file (levqor.toml when it is there; for the edge edge.toml).
    #[arg(long, global = true, env = "LEVQOR_CONFIG", value_name = "FILE", help_heading = "Configuration")]
    pub config: Option<PathBuf>,
    /// Region of this node, such as eu-west.
    #[arg(long, global = true, value_name = "CODE", help_heading = "Configuration")]
    pub region: Option<String>,
    /// Address and port to serve on.
    #[arg(long, global = true, value_name = "ADDRESS", help_heading = "Configuration")]
    pub listen: Option<String>,
    /// Where the embedded database and local state live.
    #[arg(long, global = true, value_name = "DIR", help_heading = "Configuration")]
    pub data_dir: Option<String>,
    /// Log filter, such as info or levqor_engine=debug,info.
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Configuration")]
    pub log: Option<String>,
    /// How log lines look: pretty or json.
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Configuration")]
    pub log_format: Option<String>,
}

impl SettingFlags {
    pub fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            region: self.region.clone(),
            listen: self.listen.clone(),
            data_dir: self.data_dir.clone(),
            log: self.log.clone(),
            log_format: self.log_format.clone(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API, the console and the engine (the default).
    Serve,
    /// Stand before the regions: route, check, retry, hold (needs no database).
    #[command(after_help = EDGE_EXAMPLES)]
    Edge(EdgeArgs),
    /// Run a workflow file here, without a server, and print its output.
    Run(RunArgs),
    /// Check workflow files and say what is wrong, with places.
    Validate(ValidateArgs),
    /// Draft a workflow from a sentence, or answer a question from the documentation.
    Ask(AskArgs),
    /// Explain the effective configuration: each value and where it comes from.
    Check,
    /// Ask a running server how it is; count its signed days again; say something on its status page.
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// What was measured: stored series, and how they went over a time.
    #[command(after_help = METRICS_EXAMPLES)]
    Metrics(MetricsArgs),
    /// Show the nodes that share a running server's database, and what was taken over.
    Nodes(ClientArgs),
    /// Show the regions: what is so there now, how far apart they are.
    Regions(RegionsArgs),
    /// Drain a region, fail over from it, or let it work again (operators).
    #[command(after_help = REGION_EXAMPLES)]
    Region(RegionArgs),
    /// What is promised to customers, and what somebody agreed to.
    #[command(after_help = BLUEPRINT_EXAMPLES)]
    Blueprint(BlueprintArgs),
    /// See whether a server really serves what was agreed: pages, API, limits, prices at Stripe.
    #[command(after_help = DRIFT_EXAMPLES)]
    Drift(DriftArgs),
    /// What regions and other targets are like from outside: look, look again, look back (operators).
    #[command(after_help = PROBES_EXAMPLES)]
    Probes(ProbesArgs),
    /// Jobs elsewhere that tell of themselves, and are missed when they do not (operators).
    #[command(after_help = HEARTBEATS_EXAMPLES)]
    Heartbeats(HeartbeatsArgs),
    /// The evidence log: what was done and by whom, and whether all of it is still there (operators).
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(AuditArgs),
    /// Whether the server's own files are as agreed, and agreeing to a change (operators).
    #[command(after_help = TAMPER_EXAMPLES)]
    Tamper(TamperArgs),
    /// What the platform does by itself: jobs, what came of them, and doing one now (operators).
    #[command(after_help = JOBS_EXAMPLES)]
    Jobs(JobsArgs),
    /// Show the server's own keys, rotate or revoke them, see that everything opens (operators; API keys are something else).
    #[command(after_help = KEYS_EXAMPLES)]
    Keys(KeysArgs),
    /// Show the decisions that runs wait for, and decide.
    Approvals(ApprovalsArgs),
    /// Disturbances that people deal with, and what is to be done after them (operators).
    #[command(after_help = INCIDENTS_EXAMPLES)]
    Incidents(IncidentsArgs),
    /// What is written about incidents that are over (operators).
    #[command(after_help = POSTMORTEM_EXAMPLES)]
    Postmortem(PostmortemArgs),
    /// Watch the loss of a region: three regions and an edge on this machine, one of which is killed.
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Move an installation from the embedded SQLite database to PostgreSQL, compared value by value.
    Migrate(MigrateArgs),
    /// Print a completion script for your shell.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: clap_complete::Shell,
    },
    /// Show what is not as it should be, take it on, or silence it for a while (operators).
    #[command(after_help = ALERTS_EXAMPLES)]
    Alerts(AlertsArgs),
    /// Show messages to people and other systems, and try again those that did not arrive (operators).
    #[command(after_help = NOTIFICATIONS_EXAMPLES)]
    Notifications(NotificationsArgs),
    /// Sign somebody out everywhere, or everybody (operators).
    #[command(after_help = SIGN_OUT_EXAMPLES)]
    SignOut(SignOutArgs),
    /// Service level objectives: what is left of their budgets (operators), and whether a document is right.
    #[command(after_help = SLO_EXAMPLES)]
    Slo(SloArgs),
    /// When operators work on the platform: plan it, cancel it, end it (operators).
    #[command(after_help = MAINTENANCE_EXAMPLES)]
    Maintenance(MaintenanceArgs),
}

const DEMO_EXAMPLES: &str = "\
It starts a PostgreSQL with a standby (when PostgreSQL is installed; Debian: apt-get install postgresql), three nodes and an edge, all
of them on 127.0.0.1 and gone with it, and takes about a minute. The exit code is 1 when a run was lost or a request failed.

Examples:
  levqor demo                              a moving picture, then what was measured
  levqor demo | tee demo.txt               the same as lines
  levqor demo --stay                       leave it running afterwards, to look around";

const EDGE_EXAMPLES: &str = "\
The edge has a file of its own (edge.toml, or --config FILE); the guide on the edge shows one.

Examples:
  levqor edge --config edge.toml --check   validate the file, show what is routed where
  levqor edge --config edge.toml           serve; SIGHUP or a changed file is taken over without a dropped connection
  curl http://127.0.0.1:8080/edge/health   what it thinks of each origin, since when and why";

#[derive(Debug, Args)]
pub struct EdgeArgs {
    /// Only validate the file and show the effective table.
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Seconds of calm before, between and after what happens.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub calm: u64,
    /// Leave everything running afterwards, until Ctrl-C.
    #[arg(long)]
    pub stay: bool,
    /// Have the nodes share a file of SQLite, as when PostgreSQL is not installed.
    #[arg(long)]
    pub without_postgres: bool,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// A workflow in YAML or JSON; `-` reads standard input.
    pub file: PathBuf,
    /// Input as JSON, or @FILE.
    #[arg(long, value_name = "JSON")]
    pub input: Option<String>,
    /// Further workflow files that `run: workflow` tasks may name.
    #[arg(long = "with", value_name = "FILE")]
    pub with: Vec<PathBuf>,
    /// Networks that calls may reach besides the public internet (adds to egress.allow).
    #[arg(long, value_name = "NETWORK")]
    pub allow: Vec<String>,
    /// Send calls that start with FROM to TO instead, to try a workflow against a stand-in.
    #[arg(long, value_name = "FROM=TO")]
    pub rewrite: Vec<String>,
    /// A secret from a file; others come from `LEVQOR_SECRET_<name>`.
    #[arg(long, value_name = "NAME=@FILE")]
    pub secret: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Workflows in YAML or JSON; `-` reads standard input.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct AskArgs {
    /// What to automate, or what to know.
    #[arg(required = true)]
    pub words: Vec<String>,
    /// Write the drafted workflow to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
}

const STATUS_EXAMPLES: &str = "\
A part is region/component, with * for all of them. What is said ends by itself, and cannot make anything better than it is measured.

Examples:
  levqor status                            how a server is; with a key of an operator, whether everything is all right (exit code 0) or not (1)
  levqor status verify --days 7            check signatures and chain, count the samples again
  levqor status declare 'eu-west/api' --state degraded --words 'some requests are slow' --for 2h
  levqor status withdraw dcl_01J…";

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Without it, the server is asked how it is.
    #[command(subcommand)]
    pub command: Option<StatusCommand>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
pub enum StatusCommand {
    /// Check the signed uptime of days and count it again from the samples; exit code 1 when something is off.
    Verify {
        /// Only this day, such as 2026-11-24.
        #[arg(long, value_name = "DAY", conflicts_with = "days")]
        day: Option<String>,
        /// The last so many days.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=400))]
        days: u16,
        /// Who signs; without it the server's own word is taken.
        #[arg(long, value_name = "KEY")]
        public_key: Option<String>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Add words to the status page, or call a part worse than it is measured (operators).
    Declare {
        /// region/component, with * for all of them.
        part: String,
        /// degraded or down; only words when it is left out.
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// What everybody reads.
        #[arg(long, value_name = "WORDS")]
        words: String,
        /// For how long, such as 30m, 2h or 3d; at most 7d.
        #[arg(long = "for", value_name = "TIME", default_value = "24h")]
        lasts: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show how each part is, and what was found where something is not well (operators).
    Parts(ClientArgs),
    /// Show what operators say now.
    Declarations(ClientArgs),
    /// Take back what was said (operators).
    Withdraw {
        /// The declaration's id, such as dcl_01J….
        id: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub struct RegionsArgs {
    /// Print the section of an edge's file that has it follow this server's regions, with the key that signs them (operators).
    #[arg(long)]
    pub for_edge: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

const BLUEPRINT_EXAMPLES: &str = "\
A promise is changed in the file that LEVQOR_BLUEPRINT_FILE names. The lock beside it says what was agreed; until somebody agrees to a change,
the drift monitor reports it.

Examples:
  levqor blueprint show
  levqor blueprint verify --file blueprint.toml
  levqor blueprint lock --file blueprint.toml --reason 'prices of 2027'";

#[derive(Debug, Args)]
pub struct BlueprintArgs {
    #[command(subcommand)]
    pub command: BlueprintCommand,
    /// The blueprint; the configured one when left out. Its lock is beside it.
    #[arg(long, global = true, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum BlueprintCommand {
    /// Show every promise, and whether it was agreed.
    Show,
    /// Hold the blueprint against its lock; exit code 1 when they differ.
    Verify,
    /// Agree to everything that the blueprint promises now.
    Lock(LockArgs),
}

#[derive(Debug, Args)]
pub struct LockArgs {
    /// Why, for whoever reads it later.
    #[arg(long, value_name = "WORDS")]
    pub reason: String,
    /// Who agrees; the user of the system when left out.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub client: ClientArgs,
}

const DRIFT_EXAMPLES: &str = "\
Give the same configuration as the server has (--config, LEVQOR_BLUEPRINT_FILE, STRIPE_SECRET_KEY). The exit code is 0 when everything is as agreed, 1 when
something is not or could not be seen. With a key of an operator, what was acknowledged does not count.

Examples:
  levqor drift --url https://levqor.example
  levqor drift --report drift.md --report drift.json
  levqor drift acknowledge 'plan.starter.month_price at Stripe' --reason 'the new price begins on Monday' --until 2026-12-07";

#[derive(Debug, Args)]
pub struct DriftArgs {
    /// Without it, a server is looked at.
    #[command(subcommand)]
    pub command: Option<DriftCommand>,
    /// Write the report to this file too: as JSON when it ends in .json, else as Markdown; several may be given.
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,
    /// Write docs/DRIFT_STATUS.md and docs/DRIFT_STATUS.json; the folder must be there.
    #[arg(long)]
    pub write: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
pub enum DriftCommand {
    /// Live with a deviation for a while: as it is now, it does not count until then (operators).
    Acknowledge(AcknowledgeArgs),
}

#[derive(Debug, Args)]
pub struct AcknowledgeArgs {
    /// Where it is, as `levqor drift` says it.
    pub place: String,
    /// Why, for whoever reads it later.
    #[arg(long, value_name = "WORDS")]
    pub reason: String,
    /// The day or the time from which on it counts again; at most 90 days from now.
    #[arg(long, value_name = "TIME")]
    pub until: String,
    #[command(flatten)]
    pub client: ClientArgs,
}

const AUDIT_EXAMPLES: &str = "\
Each node adds its records to a chain of hashes, signs it every minute, and keeps the ends of all chains in a file of its own
(audit-witness.json in its data directory). An export can be verified anywhere, without a server.

Examples:
  levqor audit list --kind key             what was done with API keys
  levqor audit verify                      a running server holds its log against hashes, signatures and its witness
  levqor audit export --out audit.ndjson   all of it, to be kept elsewhere
  levqor audit verify audit.ndjson --public-key 'CIhG…' --witness audit-witness.json
  levqor audit accept 'CIhG…' --seen 9f86d0… --reason 'the secret was lost'   after `levqor keys abandon`";

#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    pub command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Show records, newest first.
    List(AuditListArgs),
    /// Find what was edited, removed, reordered or rolled back; the exit code is 1 when something was.
    Verify(AuditVerifyArgs),
    /// Agree to what a key signed that was given up with its keyring.
    Accept {
        /// The public key that was given up, as you have noted it.
        // Not `key`: that is the caller's own, which stands beside it.
        #[arg(value_name = "KEY")]
        public_key: String,
        /// The digest of all that it signed, as `levqor audit verify` shows it.
        #[arg(long, value_name = "DIGEST")]
        seen: String,
        /// Why it was given up; it is kept in the log.
        #[arg(long, value_name = "WORDS")]
        reason: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Copy the whole log, as lines of JSON.
    Export {
        /// Where to write it; standard output when left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub struct AuditListArgs {
    /// Of this kind, or of all that begin with it, such as key or key.revoked.
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// About this account.
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// By this author, as records name them.
    #[arg(long, value_name = "WORDS")]
    pub author: Option<String>,
    /// Done to this.
    #[arg(long, value_name = "ID")]
    pub subject: Option<String>,
    /// From this moment on (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Before this moment (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// How many, 1 to 200.
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct AuditVerifyArgs {
    /// An export; a running server verifies its own log when left out.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Who signs: the key that `levqor audit verify` of the server has shown. Without it the export's own is taken.
    #[arg(long, value_name = "KEY", requires = "file")]
    pub public_key: Option<String>,
    /// What a node has kept of the chains (audit-witness.json); several may be given.
    #[arg(long, value_name = "FILE", requires = "file")]
    pub witness: Vec<PathBuf>,
    #[command(flatten)]
    pub client: ClientArgs,
}

const REGION_EXAMPLES: &str = "\
Each waits for its end and prints what was measured; it goes on by itself when this command is interrupted.

Examples:
  levqor region drain us-east --reason 'a new disk'
  levqor region failover us-east --to eu-west
  levqor region activate us-east";

#[derive(Debug, Args)]
pub struct RegionArgs {
    #[command(subcommand)]
    pub command: RegionCommand,
}

#[derive(Debug, Subcommand)]
pub enum RegionCommand {
    /// Nothing begins there any more, and other regions take what may leave.
    Drain(RegionWish),
    /// The region works again, once it has passed its checks.
    Activate(RegionWish),
    /// Give a region up that is dead or sick: its nodes are stopped at once, and another region takes its runs.
    Failover {
        #[command(flatten)]
        wish: RegionWish,
        /// Where the runs go; the first ready region in the operator's order when it is left out.
        #[arg(long, value_name = "CODE")]
        to: Option<String>,
        /// Also when the target has not taken runs over in the last 8 days.
        #[arg(long)]
        unrehearsed: bool,
    },
}

#[derive(Debug, Args)]
pub struct RegionWish {
    /// The region's code, such as us-east.
    pub code: String,
    /// Words for whoever looks at it later.
    #[arg(long, value_name = "WORDS")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub client: ClientArgs,
}

const TAMPER_EXAMPLES: &str = "\
Each node guards its program, its configuration, the blueprint, runbooks, policies and what tamper.watch names. What was agreed on them is in
security_checksums.json in its data directory, signed. A change is told within a second, and lasts until an operator agrees to it.

Examples:
  levqor tamper status                     what is not as agreed; the exit code is 1 when something is
  levqor tamper verify                     hash everything anew, and verify what the database says
  levqor tamper accept /usr/local/bin/levqor --reason 'release 1.4'";

#[derive(Debug, Args)]
pub struct TamperArgs {
    #[command(subcommand)]
    pub command: TamperCommand,
}

#[derive(Debug, Subcommand)]
pub enum TamperCommand {
    /// Show what is not as agreed on each node; exit code 1 when something is not, or nothing is known.
    Status(ClientArgs),
    /// Agree to what was found at a path and below it, from now on.
    Accept {
        /// The path, as `levqor tamper status` shows it.
        path: String,
        /// Why the change is right; it is kept in the evidence log.
        #[arg(long, value_name = "WORDS")]
        reason: String,
        /// Only at this place; everywhere where it was found when left out.
        #[arg(long, value_name = "PLACE")]
        place: Option<String>,
        /// What you saw there, as `levqor tamper status` shows it behind "found", and empty for nothing: agree to that path alone, and
        /// only if it is still so.
        #[arg(long, value_name = "TEXT")]
        found: Option<String>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Hash all files anew on every node, and verify what the database says; exit code 1 when something is not as agreed.
    Verify(ClientArgs),
}

const KEYS_EXAMPLES: &str = "\
A new key is published first and becomes active 20 seconds later, when every node knows it; what was made with the one before it goes on to hold. The guide
on rotating keys says how SECURITY_HMAC_SECRET itself is replaced.

Examples:
  levqor keys list
  levqor keys rotate                       all purposes; or one of signing, sealing, webhooks
  levqor keys verify && echo all is well
  levqor keys revoke rky_01J…              destroy a key that others may know";

#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    pub command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Show the keys: what each is for, how far it has come, what needs it.
    List(ClientArgs),
    /// Publish new keys, which become active by themselves.
    Rotate {
        /// signing, sealing or webhooks; all of them when it is left out.
        #[arg(value_name = "PURPOSE")]
        purposes: Vec<KeyPurpose>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Open everything that is sealed and try every key; exit code 1 when something does not hold.
    Verify(ClientArgs),
    /// Destroy a key now: nothing that was made with it holds any more.
    Revoke {
        /// The key's id, such as rky_01J….
        id: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Go on without a SECURITY_HMAC_SECRET that is lost: give up what is sealed under it, and begin another keyring.
    Abandon {
        /// That is really meant.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct ApprovalsArgs {
    /// Without it, what waits is listed.
    #[command(subcommand)]
    pub command: Option<ApprovalsCommand>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
pub enum ApprovalsCommand {
    /// The run goes on as approved.
    Approve {
        /// The approval's id, such as apr_01J….
        id: String,
        /// Words for the run and for whoever looks at it later.
        #[arg(long)]
        comment: Option<String>,
    },
    /// The run goes on as rejected.
    Reject {
        /// The approval's id, such as apr_01J….
        id: String,
        /// Words for the run and for whoever looks at it later.
        #[arg(long)]
        comment: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// The database file or its data directory, as PATH or sqlite://PATH; the configured data directory when it is left out.
    #[arg(long, value_name = "PLACE")]
    pub from: Option<String>,
    /// postgres://user:password@host/database, which must be empty. In the environment it does not show in the list of processes.
    #[arg(long, env = "LEVQOR_DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = secret)]
    pub to: Option<Secret>,
    /// Certificates (PEM) to trust instead of the system's; database.ca_file when it is left out.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Look at both and say what would be copied; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Copy nothing; compare the two, value by value.
    #[arg(long, conflicts_with = "dry_run")]
    pub verify: bool,
    /// Leave no mark in the data directory, so that a server may begin on the old database again.
    #[arg(long)]
    pub keep: bool,
    /// Put U+FFFD in the place of U+0000 in texts, which PostgreSQL cannot hold.
    #[arg(long)]
    pub replace_zeros: bool,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

// Global, so that they may stand before and behind the command of a noun, and never are about another server than what is asked.
#[derive(Debug, Args)]
pub struct ClientArgs {
    /// Address of the server.
    #[arg(long, global = true, env = "LEVQOR_URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,
    /// API key.
    #[arg(long, global = true, env = "LEVQOR_API_KEY", hide_env_values = true)]
    pub key: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn no_command_contradicts_itself() {
        Cli::command().debug_assert();
    }
}
