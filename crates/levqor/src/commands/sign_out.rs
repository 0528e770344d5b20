//! `levqor sign-out`: ends what somebody, or everybody, has open in browsers.

use serde_json::json;

use super::client::{or_tell, send};
use crate::{Exit, cli::SignOutArgs, console::say};

const PATH: &str = "api/ops/people/sign-out";

pub async fn sign_out(args: &SignOutArgs, as_json: bool) -> Exit {
    let SignOutArgs { email, everybody, client } = args;
    let body = if *everybody { json!({ "everybody": true }) } else { json!({ "email": email }) };
    let found = match or_tell(send(client, PATH, Some(body)).await) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    if as_json {
        say(format_args!("{found:#}"));
        return Exit::Done;
    }
    match found["ended"].as_u64() {
        Some(0) => say(format_args!("nobody was signed in there")),
        Some(1) => say(format_args!("1 session ended")),
        _ => say(format_args!("{} sessions ended", found["ended"])),
    }
    Exit::Done
}
