//! The vocabulary of Levqor: ids, time, money, regions, plans, limits and problem codes.
//!
//! Every other crate speaks these words; this one knows nothing of async, SQL or HTTP. Values of these
//! types are valid by construction: they are parsed at the edge and trusted inside.

mod alert;
pub mod audit;
mod blueprint;
mod blueprint_lock;
mod condition;
mod customer_care;
mod deviation;
mod id;
mod incident;
mod keyring;
pub mod limits;
mod money;
mod near;
mod plan_usage;
mod policy;
mod problem;
mod promises;
mod random;
mod region;
mod region_snapshot;
mod reserved_header;
mod role;
mod run_status;
mod scope;
mod secret;
mod series;
mod shown_name;
mod signing;
pub mod tamper;
mod time;
pub mod uptime;
mod words;

pub use alert::{AlertState, NotificationState};
pub use blueprint::{
    Addon, Blueprint, BlueprintError, FairUse, Lifecycle, Package, Plan, ServiceCredit, Trial, Uptime,
};
pub use blueprint_lock::{
    BlueprintLock, LOCK_NAME_CHARS_MAX, LOCK_REASON_CHARS_MAX, LockError, PromiseChange,
};
pub use condition::{Condition, Verdict};
pub use customer_care::{ConsultationState, TicketState};
pub use deviation::{Deviation, Severity};
pub use id::{
    AccountId, ActionItemId, AlertId, ApprovalId, ConsultationId, ConversationId, DeclarationId, FeedbackId,
    IdError, IncidentId, InvitationId, KeyId, LeadId, LinkId, MaintenanceId, NodeId, NotificationId,
    RequestId, RingKeyId, RunId, SessionId, SilenceId, SubscriptionId, TicketId, UserId, WebhookId,
    WorkflowId,
};
pub use incident::{IncidentLevel, IncidentRole, IncidentState};
pub use keyring::{KeyPurpose, KeyState};
pub use money::{Currency, Money, MoneyError};
pub use near::{did_you_mean, nearest};
pub use plan_usage::UsageCount;
pub use policy::{Misfire, Overlap, Priority};
pub use problem::ProblemCode;
pub use promises::{Promise, PromiseValue};
pub use random::{Random, SeededRandom, SystemRandom};
pub use region::{Region, RegionCode, RegionError, RegionRegistry, RegionStatus, Residency};
pub use region_snapshot::{RegionSnapshot, SignedSnapshot, SnapshotError, SnapshotOrigin, SnapshotRegion};
pub use reserved_header::reserved_header;
pub use role::Role;
pub use run_status::{RunStatus, TaskStatus, TriggerKind, UnknownWord};
pub use scope::{NoScope, Scope, Scopes};
pub use secret::Secret;
pub use series::{
    Histogram, Point, SeriesKind, SeriesPoints, SeriesQuery, Values, put_varint, step_start, take_varint,
};
pub use shown_name::{NAME_CHARS_MAX, NameError, shown_name, unseen};
pub use signing::{KeyError, PublicKey, SigningKey};
pub use time::{Clock, Date, ManualClock, SystemClock, TimeError, Timestamp};
pub use words::{TextError, one_line, several_lines};
