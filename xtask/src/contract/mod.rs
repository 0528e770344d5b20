//! Whether the API is what its description says: schemathesis, an outside judge, against a real server.
//!
//! It reads `/openapi.json`, makes requests that fit it and others that do not, follows ids from answer to answer, and compares what
//! comes back with the description. It is not part of continuous integration, since it comes from another ecosystem:
//! `pip install schemathesis`, then `cargo xtask contract`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use levqor_lab::{Server, ServerSetup};
use levqor_testkit::{Client, temp_dir};
use serde_json::json;

use crate::{
    checker::create,
    crash,
    run::{is_there, run},
};

const JUDGE: &str = "schemathesis";
/// What its checks are told, beside this file.
const CONFIGURATION: &str = "xtask/src/contract/schemathesis.toml";
/// Where the configuration has the key from.
const KEY: &str = "LEVQOR_CONTRACT_KEY";
/// These end the server's work in its region, or last until their reader hangs up.
const LEFT_OUT: &str = "^/api/ops/regions/.*/(drain|activate|failover)$|^/api/runs/\\{id\\}/events$";

#[derive(Debug, Args)]
pub struct ContractArgs {
    /// Seconds that it may take in all.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Requests for an operation and a phase, at most.
    #[arg(long, default_value_t = 100)]
    examples: u64,
    /// Chooses what is sent.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The binary to ask; the debug build is made when left out.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Has the judge look at every operation of a fresh server.
///
/// # Errors
/// When it finds anything, is not installed, or the server does not start.
pub fn contract(root: &Path, args: &ContractArgs) -> anyhow::Result<()> {
    if !is_there(JUDGE) {
        bail!("{JUDGE} is not on the PATH; install it with `pip install schemathesis`");
    }
    let binary = match &args.binary {
        Some(binary) => std::path::absolute(binary)?,
        None => crash::build(root, true)?,
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let directory = temp_dir();
    let (server, key) = runtime.block_on(start(&binary, directory.path()))?;
    let address = server.url("/openapi.json");
    let (seconds, examples, seed) =
        (args.seconds.to_string(), args.examples.to_string(), args.seed.to_string());
    let configuration = root.join(CONFIGURATION).display().to_string();
    #[rustfmt::skip]
    let arguments = [
        "--config-file", &configuration, "run", &address, "--checks", "all",
        "--exclude-path-regex", LEFT_OUT, "--max-time", &seconds, "--max-examples", &examples, "--seed", &seed,
        "--request-timeout", "20", "--continue-on-failure", "--no-color",
    ];
    // It leaves notes where it runs. The key is in its environment, where its configuration looks for it: commands are printed.
    run(directory.path(), JUDGE, &arguments, &[(KEY, key.as_str())])
}

/// A server with something in it, and an operator's key.
async fn start(binary: &Path, directory: &Path) -> anyhow::Result<(Server, String)> {
    // The judge asks more often than any customer may.
    let setup = ServerSetup::new(binary, directory)?
        .env("LEVQOR_LIMITS_REQUESTS_PER_MINUTE", "10000000")
        .env("LEVQOR_LIMITS_ANONYMOUS_PER_MINUTE", "10000000")
        .env("LEVQOR_LOG", "error");
    let server = Server::start(&setup).await?;
    let key = server.line("lvq_").await?.trim().to_owned();
    let client = Client::new(server.address(), &key);
    create(
        &client,
        &json!({
            "document": { "dsl": "1.0.0", "namespace": "contract", "name": "greeting", "version": "0.1.0" },
            "do": [{ "greet": { "set": { "greeting": "hello" } } }],
        }),
    )
    .await?;
    Ok((server, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_has_the_key_from_where_it_is_given() {
        let configuration = include_str!("schemathesis.toml");
        assert!(configuration.contains(&format!("Bearer ${{{KEY}}}")), "{configuration}");
    }
}
