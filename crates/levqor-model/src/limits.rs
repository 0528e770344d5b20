//! Limits that every part of the product agrees on (SPEC §6). Each has its own error where it is enforced.

use std::time::Duration;

/// A workflow document as text.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// A run's input or output, and a task's output, as JSON; configurable downwards and upwards.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Nesting of a document, an input or an expression's result.
pub const NESTING_MAX: usize = 64;
/// Tasks that one run may execute, repeats included.
pub const TASKS_PER_RUN_MAX: u64 = 100_000;
/// A CloudEvent, as JSON.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;
/// Attributes of a CloudEvent, extensions included, data excluded.
pub const EVENT_ATTRIBUTES_MAX: usize = 64;
/// An event's `id`, `source` and `type` each: they are kept in indexes.
pub const EVENT_KEY_BYTES_MAX: usize = 1024;
/// Events that one `listen` task may consume, or that a trigger may gather before it starts a run.
pub const LISTEN_EVENTS_MAX: usize = 10_000;
/// Events that one `listen` task holds back while its `foreach` is busy with an earlier one.
pub const LISTEN_QUEUE_MAX: usize = 100;
/// Filters of one `listen` task or trigger.
pub const LISTEN_FILTERS_MAX: usize = 100;
/// Runs that call runs that call runs.
pub const SUBRUN_DEPTH_MAX: u32 = 16;
/// An HTTP request body on routes that take a document or an input.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long `POST …/runs` may hold its answer.
pub const WAIT_SECONDS_MAX: u64 = 60;
/// How long a magic link can be used.
pub const LINK_TTL: Duration = Duration::from_secs(15 * 60);
/// How long an invitation can be accepted.
pub const INVITATION_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Invitations of one account that wait to be accepted.
pub const INVITATIONS_OPEN_MAX: usize = 50;
/// Invitations that one account may send in a day: more would be mail that nobody asked for.
pub const INVITATIONS_PER_DAY_MAX: usize = 100;
/// Members of one account.
pub const MEMBERS_PER_ACCOUNT_MAX: usize = 1_000;
/// Sessions of one person; with one more the oldest ends.
pub const SESSIONS_PER_USER_MAX: usize = 50;
/// API keys of one account that open something.
pub const KEYS_PER_ACCOUNT_MAX: usize = 1_000;
/// How long the old secret of a rotated API key goes on working, when nothing else is asked.
pub const KEY_OVERLAP_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest that may be asked for.
pub const KEY_OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long the answer to an `Idempotency-Key` is kept.
pub const IDEMPOTENCY_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Items on one page of a list.
pub const PAGE_ITEMS_MAX: usize = 200;
pub const PAGE_ITEMS_DEFAULT: usize = 50;
/// Events that one request may publish.
pub const EVENTS_PER_REQUEST_MAX: usize = 100;
/// How long events are kept, at least; longer while somebody may still wait for one.
pub const EVENTS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long events are kept for a listener that has not read them, such as that of a suspended run.
pub const UNREAD_EVENTS_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Of them, so many are kept that are older than [`EVENTS_KEPT`].
pub const UNREAD_EVENTS_MAX: usize = 10_000;
/// Webhooks of one workflow.
pub const WEBHOOKS_PER_WORKFLOW_MAX: usize = 20;
/// How long a webhook message is remembered, so that its repeats start nothing.
pub const WEBHOOK_MESSAGES_KEPT: Duration = Duration::from_secs(3 * 24 * 60 * 60);
