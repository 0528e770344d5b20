//! `levqor incidents` and `levqor postmortem`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use levqor_model::{IncidentLevel, IncidentRole, IncidentState};

use super::ClientArgs;

pub const INCIDENTS_EXAMPLES: &str = "\
Alerts that are critical open incidents by themselves.

Examples:
  levqor incidents                         what is open
  levqor incidents open 'Payments fail' --level l3 --text 'Cards are declined since 09:30.' --public
  levqor incidents show inc_01J…           one with its alerts, updates and action items
  levqor incidents acknowledge inc_01J…    you deal with it
  levqor incidents update inc_01J… --state identified --text 'A certificate is over.' --public
  levqor incidents resolve inc_01J… --text 'It was renewed.' --public
  levqor incidents action add inc_01J… 'Alert 30 days before the end' --owner ada@example.com --due 2026-12-24
  levqor incidents action list --overdue";

pub const POSTMORTEM_EXAMPLES: &str = "\
A postmortem begins when its incident is resolved, with what was measured. The server also writes it to postmortems/ in its data directory.

Examples:
  levqor postmortem                        all of them, and what is still to be written
  levqor postmortem show inc_01J…          its Markdown
  levqor postmortem add inc_01J… --part root_cause --text 'Nobody watched the end of the certificate.'
  levqor postmortem show inc_01J… > it.md; edit it.md; levqor postmortem write inc_01J… it.md --seen 3";

#[derive(Debug, Args)]
pub struct IncidentsArgs {
    /// Without it, what is open is listed.
    #[command(subcommand)]
    pub command: Option<IncidentsCommand>,
    /// Also those that are over.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Which incident, and as which version it was seen.
#[derive(Debug, Args)]
pub struct SeenIncident {
    /// The incident's id, such as inc_01J….
    pub id: String,
    /// The version that you saw; when it is another one by now, nothing is done. The current one when left out.
    #[arg(long, value_name = "VERSION")]
    pub seen: Option<i64>,
}

#[derive(Debug, Subcommand)]
pub enum IncidentsCommand {
    /// Open one: the people of its severity are told.
    Open {
        /// What is wrong, in a few words.
        title: String,
        /// l1 low, l2 medium, l3 high, l4 critical.
        #[arg(long)]
        level: IncidentLevel,
        /// How it stands.
        #[arg(long, default_value = "")]
        text: String,
        /// Tell everybody; it needs --text.
        #[arg(long)]
        public: bool,
        /// What it is about, such as eu-west/hooks; may be given several times.
        #[arg(long = "component", value_name = "PART")]
        components: Vec<String>,
        /// When the disturbance began (RFC 3339).
        #[arg(long, value_name = "TIME")]
        began_at: Option<String>,
    },
    /// Show one, with its alerts, updates and action items.
    Show {
        /// The incident's id, such as inc_01J….
        id: String,
    },
    /// Show what happened: what was said, what alerts did, what operators and nodes did meanwhile.
    Timeline {
        /// The incident's id, such as inc_01J….
        id: String,
    },
    /// Say how it stands, or change its state, level, title or parts.
    Update {
        #[command(flatten)]
        incident: SeenIncident,
        /// How it stands.
        #[arg(long, default_value = "")]
        text: String,
        /// investigating, identified or monitoring.
        #[arg(long)]
        state: Option<IncidentState>,
        /// l1, l2, l3 or l4.
        #[arg(long)]
        level: Option<IncidentLevel>,
        /// Another title.
        #[arg(long)]
        title: Option<String>,
        /// Other parts, in the place of those that are there; may be given several times.
        #[arg(long = "component", value_name = "PART")]
        components: Vec<String>,
        /// Tell everybody; it needs --text.
        #[arg(long)]
        public: bool,
    },
    /// Note something for those who work on it.
    Note {
        /// The incident's id, such as inc_01J….
        id: String,
        /// What you saw, did or think.
        text: String,
    },
    /// Say that you deal with it.
    Acknowledge {
        /// The incident's id, such as inc_01J….
        id: String,
    },
    /// Give an operator a part in it.
    Assign {
        #[command(flatten)]
        incident: SeenIncident,
        /// commander, communications or operations.
        role: IncidentRole,
        /// The id or the address of an operator; nobody when left out.
        user: Option<String>,
    },
    /// Say that it is over; refused while one of its alerts goes on.
    Resolve {
        #[command(flatten)]
        incident: SeenIncident,
        /// What ended it.
        #[arg(long, default_value = "")]
        text: String,
        /// Tell everybody; it needs --text.
        #[arg(long)]
        public: bool,
    },
    /// Say that it was not over.
    Reopen {
        #[command(flatten)]
        incident: SeenIncident,
        /// Why it is not.
        #[arg(long)]
        text: String,
        /// Tell everybody.
        #[arg(long)]
        public: bool,
    },
    /// What is to be done so that it does not happen again.
    Action {
        #[command(subcommand)]
        command: ActionCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum ActionCommand {
    /// Show what is to be done after all incidents; the exit code of --overdue is 1 when something is.
    List {
        /// Only what should be done by now.
        #[arg(long)]
        overdue: bool,
    },
    /// Add an item.
    Add {
        /// The incident's id, such as inc_01J….
        id: String,
        /// What is to be done.
        text: String,
        /// The id or the address of a person.
        #[arg(long)]
        owner: Option<String>,
        /// The last day on which it may be done, such as 2026-12-24.
        #[arg(long, value_name = "DAY")]
        due: String,
    },
    /// Say that an item is done.
    Done {
        /// The incident's id, such as inc_01J….
        id: String,
        /// The item's id, such as act_01J….
        item: String,
    },
    /// Change an item.
    Change {
        /// The incident's id, such as inc_01J….
        id: String,
        /// The item's id, such as act_01J….
        item: String,
        /// What is to be done.
        #[arg(long)]
        text: Option<String>,
        /// The id or the address of a person; nobody when empty.
        #[arg(long)]
        owner: Option<String>,
        /// The last day on which it may be done.
        #[arg(long, value_name = "DAY")]
        due: Option<String>,
        /// It is not done after all.
        #[arg(long)]
        undone: bool,
    },
}

#[derive(Debug, Args)]
pub struct PostmortemArgs {
    /// Without it, all are listed.
    #[command(subcommand)]
    pub command: Option<PostmortemCommand>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
pub enum PostmortemCommand {
    /// Show the Markdown.
    Show {
        /// The incident's id, such as inc_01J….
        id: String,
    },
    /// Add words, in a part or at the end.
    Add {
        /// The incident's id, such as inc_01J….
        id: String,
        /// summary, root_cause, impact, resolution or lessons; at the end when left out.
        #[arg(long)]
        part: Option<String>,
        /// Markdown.
        #[arg(long)]
        text: String,
    },
    /// Put a file in the place of what is there.
    Write {
        #[command(flatten)]
        incident: SeenIncident,
        /// Markdown.
        file: PathBuf,
    },
}
