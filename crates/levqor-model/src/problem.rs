//! Problem codes: every way in which the API says no.
//!
//! Each has a stable `type` (`/docs/problems/<slug>`), a status and a title (RFC 9457), and a page in
//! `docs/problems/` that says what to do.

macro_rules! problems {
    ($($(#[$doc:meta])* $variant:ident = $status:literal $slug:literal $title:literal),+ $(,)?) => {
        /// A kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemCode { $($(#[$doc])* $variant),+ }

        impl ProblemCode {
            pub const ALL: &'static [ProblemCode] = &[$(ProblemCode::$variant),+];

            /// The last part of the problem's `type`.
            pub const fn slug(self) -> &'static str {
                match self { $(ProblemCode::$variant => $slug),+ }
            }

            pub const fn status(self) -> u16 {
                match self { $(ProblemCode::$variant => $status),+ }
            }

            pub const fn title(self) -> &'static str {
                match self { $(ProblemCode::$variant => $title),+ }
            }
        }
    };
}

problems! {
    /// The body is not JSON, or not of the expected shape.
    BadRequest = 400 "bad-request" "The request could not be understood",
    BadParameter = 400 "bad-parameter" "A parameter has a value that is not allowed",
    BadCursor = 400 "bad-cursor" "The page cursor is not one that this server gave",
    BadIdempotencyKey = 400 "bad-idempotency-key" "The Idempotency-Key header is not usable",
    Unauthenticated = 401 "unauthenticated" "Sign in or send an API key",
    WebhookSignature = 401 "webhook-signature" "The webhook message is not signed as it should be",
    Forbidden = 403 "forbidden" "Your role does not allow this",
    NotFound = 404 "not-found" "There is nothing at this address",
    WorkflowNotFound = 404 "workflow-not-found" "The workflow does not exist",
    RunNotFound = 404 "run-not-found" "The run does not exist",
    /// No run has the id, and runs of its age were deleted because their time was over.
    RunDeleted = 410 "run-deleted" "The run is not kept any more",
    RegionNotFound = 404 "region-not-found" "The region does not exist",
    MethodNotAllowed = 405 "method-not-allowed" "This address does not take that method",
    RequestTimeout = 408 "request-timeout" "The request took too long to arrive",
    NameTaken = 409 "name-taken" "A workflow of that namespace and name exists already",
    VersionTaken = 409 "version-taken" "That version of the workflow exists already",
    RunEnded = 409 "run-ended" "The run has ended already",
    RunNotEnded = 409 "run-not-ended" "The run has not ended yet",
    RunStuck = 409 "run-stuck" "The run cannot go on",
    VersionDiffers = 409 "version-differs" "The run cannot go on with that version",
    /// Somebody was first, or the run does not wait any more.
    ApprovalClosed = 409 "approval-closed" "The decision is not open any more",
    /// It was held or cancelled before.
    ConsultationEnded = 409 "consultation-ended" "The consultation has ended already",
    /// Somebody has it already, or it is over.
    AlertTaken = 409 "alert-taken" "The alert waits for nobody",
    /// It is tried still, or was delivered.
    MessageNotGivenUp = 409 "message-not-given-up" "The message was not given up",
    /// Another act of the region is not over.
    RegionBusy = 409 "region-busy" "Something else is being done with the region",
    /// It has begun, or is over, or was cancelled.
    MaintenancePhase = 409 "maintenance-phase" "The maintenance is in another phase",
    RegionNotReady = 409 "region-not-ready" "The regions are not ready for this",
    /// Somebody was first.
    IncidentMoved = 409 "incident-moved" "Somebody else has changed it meanwhile",
    IncidentResolved = 409 "incident-resolved" "The incident is over",
    /// It is not over, and cannot be, or is not yet.
    IncidentOpen = 409 "incident-open" "The incident is not over",
    /// Something still needs the key, or there are too many of them.
    KeyInUse = 409 "key-in-use" "The key is still needed",
    IdempotencyConflict = 409 "idempotency-conflict" "A request with the same Idempotency-Key is being processed",
    LastOwnerKey = 409 "last-owner-key" "The last owner key cannot be revoked",
    LastOwner = 409 "last-owner" "The last owner of an account stays its owner",
    BodyTooLarge = 413 "body-too-large" "The request body is too large",
    UnsupportedMediaType = 415 "unsupported-media-type" "The content type is not supported here",
    /// No route of the edge takes the host.
    UnknownHost = 421 "unknown-host" "This server does not answer for that host",
    InvalidWorkflow = 422 "invalid-workflow" "The workflow document is not valid",
    InvalidEvent = 422 "invalid-event" "What was sent is not a CloudEvent",
    InvalidFields = 422 "invalid-fields" "Some fields have values that are not allowed",
    IdempotencyMismatch = 422 "idempotency-mismatch" "The Idempotency-Key was used with another request",
    /// Too many requests from the address failed.
    AddressBlocked = 403 "address-blocked" "Your address is refused for a while",
    PlanLimit = 403 "plan-limit" "The plan's limit is reached",
    RateLimited = 429 "rate-limited" "Too many requests",
    Internal = 500 "internal" "Internal error",
    /// The edge reached an origin, but got no usable answer, and may not ask another one.
    OriginFailed = 502 "origin-failed" "The server behind the edge failed to answer",
    Overloaded = 503 "overloaded" "The server has too much work",
    TasksUnavailable = 503 "tasks-unavailable" "The tasks of the run cannot be shown",
    StorageUnavailable = 503 "storage-unavailable" "The database cannot take this request now",
    Draining = 503 "draining" "The node is shutting down",
    /// The mail server did not take a message that was to be sent.
    MailNotSent = 503 "mail-not-sent" "The mail could not be sent",
    /// The edge knows no origin that could answer now.
    NoOrigin = 503 "no-origin" "No region can answer now",
    OriginTimeout = 504 "origin-timeout" "The server behind the edge did not answer in time",
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn slugs_are_unique_and_statuses_are_errors() {
        let slugs: HashSet<_> = ProblemCode::ALL.iter().map(|code| code.slug()).collect();
        assert_eq!(slugs.len(), ProblemCode::ALL.len());
        assert!(ProblemCode::ALL.iter().all(|code| (400..600).contains(&code.status())));
    }
}
