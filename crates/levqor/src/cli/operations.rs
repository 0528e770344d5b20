//! What operators ask a server for: measurements, alerts, jobs, maintenance.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ClientArgs;

pub(super) const MAINTENANCE_EXAMPLES: &str = "\
Subscribers are told when it is scheduled, when it begins and when it is over. It explains what is seen and hides no outage.

Examples:
  levqor maintenance schedule 'A new disk' --parts 'eu-west/database' --from 2026-12-31T22:00Z --until 2026-12-31T23:00Z
  levqor maintenance                       what is planned, goes on, and was
  levqor maintenance end mnt_01J…";

#[derive(Debug, Args)]
pub struct MaintenanceArgs {
    /// Without it, maintenance is listed.
    #[command(subcommand)]
    pub command: Option<MaintenanceCommand>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Show what is planned, goes on, and was in the last 90 days.
    List(ClientArgs),
    /// Plan it.
    Schedule {
        /// In a few words.
        title: String,
        /// What is worked on: region/component, with * for all of them; several may be given.
        #[arg(long, value_name = "PART", required = true, value_delimiter = ',')]
        parts: Vec<String>,
        /// When it begins (RFC 3339).
        #[arg(long, value_name = "TIME")]
        from: String,
        /// When it is over (RFC 3339).
        #[arg(long, value_name = "TIME")]
        until: String,
        /// What it means for people.
        #[arg(long, value_name = "WORDS", default_value = "")]
        words: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// It does not take place; only before it begins.
    Cancel {
        /// Its id, such as mnt_01J….
        id: String,
        /// Why, for those who were told of it.
        #[arg(long, value_name = "WORDS")]
        reason: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// It is over before its time.
    End {
        /// Its id, such as mnt_01J….
        id: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}

pub(super) const METRICS_EXAMPLES: &str = "\
Series are kept in steps of 10 s for days, of a minute for weeks, of an hour for a year; of counters sum and rate are asked for, of gauges avg, min, max
and last, of histograms percentiles such as p95 as well.

Examples:
  levqor metrics list
  levqor metrics list http_requests        which labels it has
  levqor metrics query http_requests --by status --aggregation rate
  levqor metrics query http_duration_us --label route=/health --from=-6h --step 5m --aggregation p99";

#[derive(Debug, Args)]
pub struct MetricsArgs {
    #[command(subcommand)]
    pub command: MetricsCommand,
}

#[derive(Debug, Subcommand)]
pub enum MetricsCommand {
    /// Show which series there are, or what labels one has.
    List {
        /// A series.
        name: Option<String>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show how a series went.
    Query(MetricsQueryArgs),
}

#[derive(Debug, Args)]
pub struct MetricsQueryArgs {
    /// The series, such as http_requests.
    pub name: String,
    /// A label that it must have; several may be given.
    #[arg(long = "label", value_name = "LABEL=VALUE")]
    pub labels: Vec<String>,
    /// A time, or a span back from now such as -6h; an hour ago when left out.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// As --from; now when left out.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,
    /// What one point is about: 10s or a multiple of it, such as 5m or 1h.
    #[arg(long, value_name = "SPAN")]
    pub step: Option<String>,
    /// sum, rate, avg, min, max, last, count, or a percentile such as p95.
    #[arg(long, value_name = "WORD")]
    pub aggregation: Option<String>,
    /// Labels to tell series apart by, with commas between them; those that are the same in them become one.
    #[arg(long, value_name = "LABELS")]
    pub by: Option<String>,
    /// Show each point.
    #[arg(long)]
    pub points: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

pub(super) const ALERTS_EXAMPLES: &str = "\
Examples:
  levqor alerts                            what is open now, the worst first
  levqor alerts --all                      also what is over
  levqor alerts acknowledge alr_01J… --note 'looking at it'
  levqor alerts silence --rule 'nodes.*' --hours 2 --reason 'work on the rack'
  levqor alerts silences
  levqor alerts unsilence sil_01J…";

#[derive(Debug, Args)]
pub struct AlertsArgs {
    /// Without it, what is open is shown.
    #[command(subcommand)]
    pub command: Option<AlertsCommand>,
    /// Also what is over.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// Take an alert on: it goes on firing, and nobody else needs to be called.
    Acknowledge {
        /// Its id, as `levqor alerts` shows it.
        id: String,
        /// What you are doing, for the others.
        #[arg(long, value_name = "WORDS")]
        note: Option<String>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show the silences that are not over.
    Silences(ClientArgs),
    /// Have alerts of a kind tell nobody for a while.
    Silence(SilenceArgs),
    /// End a silence now.
    Unsilence {
        /// Its id, as `levqor alerts silences` shows it.
        id: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub struct SilenceArgs {
    /// The rule; * stands for any letters, such as slo.*
    #[arg(long, value_name = "PATTERN")]
    pub rule: String,
    /// Which one of the things that the rule is about.
    #[arg(long, value_name = "PATTERN", default_value = "*")]
    pub subject: String,
    /// For how long; at most 720.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=720))]
    pub hours: u32,
    /// Why, for whoever reads it later.
    #[arg(long, value_name = "WORDS")]
    pub reason: String,
    #[command(flatten)]
    pub client: ClientArgs,
}

pub(super) const NOTIFICATIONS_EXAMPLES: &str = "\
Examples:
  levqor notifications                     the newest messages, and where they are
  levqor notifications --state dead        what was given up, and why
  levqor notifications retry ntf_01J…
  levqor notifications dismiss ntf_01J… --reason 'told them by telephone'";

#[derive(Debug, Args)]
pub struct NotificationsArgs {
    /// Without it, messages are shown.
    #[command(subcommand)]
    pub command: Option<NotificationsCommand>,
    /// In this state only: waiting, delivered, split, undeliverable, dead or dismissed.
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
pub enum NotificationsCommand {
    /// Have a message tried anew that was given up.
    Retry {
        /// Its id, as `levqor notifications` shows it.
        id: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Say that it was seen that a message was not delivered.
    Dismiss {
        /// Its id, as `levqor notifications` shows it.
        id: String,
        /// How people know of it instead; it is kept in the evidence log.
        #[arg(long, value_name = "WORDS")]
        reason: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}

pub(super) const SIGN_OUT_EXAMPLES: &str = "\
Sessions end at once on the node that is asked, and on others within seconds. API keys stay: their account revokes them.

Examples:
  levqor sign-out ada@example.com
  levqor sign-out --everybody";

#[derive(Debug, Args)]
pub struct SignOutArgs {
    /// The person's address.
    #[arg(value_name = "E-MAIL", required_unless_present = "everybody")]
    pub email: Option<String>,
    /// Instead of somebody, everybody in all accounts.
    #[arg(long, conflicts_with = "email")]
    pub everybody: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

pub(super) const SLO_EXAMPLES: &str = "\
Examples:
  levqor slo                               all objectives, and what is left of their budgets
  levqor slo history requests              how a budget went
  levqor slo validate shop.yaml            whether OpenSLO documents are right, without a server";

#[derive(Debug, Args)]
pub struct SloArgs {
    /// Without it, all objectives are shown.
    #[command(subcommand)]
    pub command: Option<SloCommand>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
pub enum SloCommand {
    /// Show all objectives of a server (operators).
    List(ClientArgs),
    /// Show how the budget of an objective went in the last 30 days (operators).
    History {
        /// Its name, as `levqor slo list` shows it.
        name: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Check OpenSLO documents and say what is wrong, with places.
    Validate {
        /// Such as shop.yaml.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

pub(super) const PROBES_EXAMPLES: &str = "\
The exit code is 1 when something is down, or not known.

Examples:
  levqor probes                            each probe, its targets, and how they are
  levqor probes run journey                go the way of a customer now, in every region
  levqor probes history reach --target us-east
  levqor probes check probes.toml          what is wrong with a file of probes, with places";

#[derive(Debug, Args)]
pub struct ProbesArgs {
    /// Without it, all of them are shown.
    #[command(subcommand)]
    pub command: Option<ProbesCommand>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
pub enum ProbesCommand {
    /// Show what is looked at, and how it is.
    List(ClientArgs),
    /// Have the server that answers look now.
    Run {
        /// The probe's name.
        name: String,
        /// Only at this target, such as a region's code.
        #[arg(long, value_name = "TARGET")]
        target: Option<String>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show what was seen: verdicts that changed, days, and the last looks.
    History {
        /// The probe's name.
        name: String,
        /// Of this target only.
        #[arg(long, value_name = "TARGET")]
        target: Option<String>,
        /// As seen from this region only.
        #[arg(long, value_name = "CODE")]
        from: Option<String>,
        /// Looks that are shown.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=200))]
        limit: u64,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Check a file of probes, without a server.
    Check {
        /// Such as probes.toml.
        file: PathBuf,
    },
}

pub(super) const HEARTBEATS_EXAMPLES: &str = "\
A job calls its address when it has ended well; with /start behind it when it begins, with /fail or its exit code when it failed.

Examples:
  levqor heartbeats add nightly-backup --period 86400 --grace 3600
  0 2 * * * backup.sh; curl -fsS -m 10 --retry 5 https://levqor.example/ping/TOKEN/$?
  levqor heartbeats                        all of them; exit code 1 when one is down";

#[derive(Debug, Args)]
pub struct HeartbeatsArgs {
    /// Without it, all of them are shown.
    #[command(subcommand)]
    pub command: Option<HeartbeatsCommand>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
pub enum HeartbeatsCommand {
    /// Show all of them; the exit code is 1 when one is down.
    List(ClientArgs),
    /// Make one, and print its address, which is shown this once.
    Add {
        /// Lower case letters, digits, dashes and underscores.
        name: String,
        /// How often the job ends, in seconds.
        #[arg(long, value_name = "SECONDS")]
        period: u64,
        /// How late it may be, and how long it may take, in seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        grace: u64,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show one, and its last pings.
    Show {
        /// Its name.
        name: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Delete one. Its address is nobody's from then on.
    Remove {
        /// Its name.
        name: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}

pub(super) const JOBS_EXAMPLES: &str = "\
Jobs run once in the whole cluster, whichever node is there. The guide on jobs says what each does.

Examples:
  levqor jobs                              all of them; exit code 1 when one is paused, late, or failed the last time
  levqor jobs run cost_collector           do it now, and wait for what it gives
  levqor jobs history slo_watchdog
  levqor jobs pause synthetic_checks --reason 'the provider is down'
  levqor jobs resume synthetic_checks";

#[derive(Debug, Args)]
pub struct JobsArgs {
    /// Without it, all of them are shown.
    #[command(subcommand)]
    pub command: Option<JobsCommand>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// Show the jobs: when each is due, what it gave last; exit code 1 when one is not active, is late, or failed the last time.
    List(ClientArgs),
    /// Do a job now, besides its schedule, and show what it gives; exit code 1 when it fails.
    Run {
        /// The job's id, such as cost_collector.
        id: String,
        /// Do not wait for its end.
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show what came of a job's due times, newest first.
    History {
        /// The job's id, such as cost_collector.
        id: String,
        /// How many are shown.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=200))]
        limit: u8,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Have no due time of a job fire until it is resumed.
    Pause {
        /// The job's id, such as cost_collector.
        id: String,
        /// Why; it is kept in the evidence log.
        #[arg(long, value_name = "WORDS")]
        reason: Option<String>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Have a job fire again, from its next due time on.
    Resume {
        /// The job's id, such as cost_collector.
        id: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}
