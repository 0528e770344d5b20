//! Whether errors that are reported arrive.

use serde_json::json;

use super::{Context, Done, output, parts};

pub(in super::super) async fn work(context: &Context) -> Done {
    match parts::send_marked_error(context).await? {
        Some(delivered) => output(
            "A marked event went through the error reporter and arrived.",
            json!({ "configured": true, "delivered": delivered }),
        ),
        None => output(
            "No DSN is configured (SENTRY_DSN), so errors are reported to nobody but the log.",
            json!({ "configured": false, "delivered": null }),
        ),
    }
}
