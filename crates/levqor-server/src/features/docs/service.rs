//! The shipped guides, in reading order. The pages show them, and the built-in assistant quotes them.

use levqor_model::ProblemCode;

/// A guide in Markdown.
#[derive(Debug, Clone, Copy)]
pub struct Guide {
    /// The last part of its address, `/docs/<slug>`.
    pub slug: &'static str,
    pub markdown: &'static str,
}

impl Guide {
    /// Its first heading.
    pub fn title(&self) -> &'static str {
        self.markdown.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(self.slug)
    }
}

macro_rules! guides {
    ($($slug:literal),+ $(,)?) => {
        /// All guides.
        pub const GUIDES: &[Guide] = &[$(Guide {
            slug: $slug,
            markdown: include_str!(concat!("../../../../../docs/guide/", $slug, ".md")),
        }),+];
    };
}

guides!(
    "getting-started",
    "workflows",
    "expressions",
    "schedules",
    "listening",
    "calls",
    "catalogs",
    "customers",
    "own-functions",
    "events",
    "processes",
    "secrets",
    "runs",
    "words",
    "ai",
    "api",
    "members",
    "regions",
    "edge",
    "demo",
    "plans",
    "site",
    "status",
    "drift",
    "jobs",
    "operating",
    "metrics",
    "probes",
    "slos",
    "alerts",
    "incidents",
    "audit",
    "data",
    "tamper",
    "rotating-keys",
    "migrate",
);

macro_rules! problem_pages {
    ($($code:ident = $slug:literal),+ $(,)?) => {
        /// The page of a problem in Markdown. A new code does not compile without one.
        pub const fn problem_page(code: ProblemCode) -> &'static str {
            match code {
                $(ProblemCode::$code => include_str!(concat!("../../../../../docs/problems/", $slug, ".md"))),+
            }
        }
    };
}

problem_pages!(
    BadRequest = "bad-request",
    BadParameter = "bad-parameter",
    BadCursor = "bad-cursor",
    BadIdempotencyKey = "bad-idempotency-key",
    Unauthenticated = "unauthenticated",
    Forbidden = "forbidden",
    NotFound = "not-found",
    WorkflowNotFound = "workflow-not-found",
    RunNotFound = "run-not-found",
    RunDeleted = "run-deleted",
    RegionNotFound = "region-not-found",
    MethodNotAllowed = "method-not-allowed",
    RequestTimeout = "request-timeout",
    NameTaken = "name-taken",
    VersionTaken = "version-taken",
    RunEnded = "run-ended",
    ApprovalClosed = "approval-closed",
    ConsultationEnded = "consultation-ended",
    RunNotEnded = "run-not-ended",
    AlertTaken = "alert-taken",
    MessageNotGivenUp = "message-not-given-up",
    RegionBusy = "region-busy",
    MaintenancePhase = "maintenance-phase",
    RegionNotReady = "region-not-ready",
    IncidentMoved = "incident-moved",
    IncidentResolved = "incident-resolved",
    IncidentOpen = "incident-open",
    KeyInUse = "key-in-use",
    IdempotencyConflict = "idempotency-conflict",
    LastOwnerKey = "last-owner-key",
    LastOwner = "last-owner",
    BodyTooLarge = "body-too-large",
    UnsupportedMediaType = "unsupported-media-type",
    InvalidWorkflow = "invalid-workflow",
    InvalidFields = "invalid-fields",
    IdempotencyMismatch = "idempotency-mismatch",
    AddressBlocked = "address-blocked",
    PlanLimit = "plan-limit",
    RateLimited = "rate-limited",
    Internal = "internal",
    MailNotSent = "mail-not-sent",
    Overloaded = "overloaded",
    StorageUnavailable = "storage-unavailable",
    Draining = "draining",
    InvalidEvent = "invalid-event",
    WebhookSignature = "webhook-signature",
    RunStuck = "run-stuck",
    VersionDiffers = "version-differs",
    TasksUnavailable = "tasks-unavailable",
    UnknownHost = "unknown-host",
    OriginFailed = "origin-failed",
    NoOrigin = "no-origin",
    OriginTimeout = "origin-timeout",
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_problem_has_its_own_page() {
        for code in ProblemCode::ALL {
            let page = problem_page(*code);
            let head = format!("# {}\n\n`{}` · status {}\n", code.title(), code.slug(), code.status());
            assert!(page.starts_with(&head), "{}", code.slug());
        }
    }

    #[test]
    fn every_file_of_the_guide_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide");
        let files: BTreeSet<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().replace(".md", ""))
            .collect();
        let listed: BTreeSet<_> = GUIDES.iter().map(|guide| guide.slug.to_owned()).collect();
        assert_eq!(files, listed);
    }
}
