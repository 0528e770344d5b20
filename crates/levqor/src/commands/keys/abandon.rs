//! `levqor keys abandon`: going on without a secret that is lost. Works on the database itself, since no server starts on it.

use levqor_engine::Keyring;
use levqor_model::{SystemClock, SystemRandom};
use serde_json::json;

use super::super::serve;
use crate::{
    Exit,
    config::{self, Flags},
    console::say,
    data_dir::DataDir,
};

pub(super) async fn abandon(flags: &Flags, yes: bool, as_json: bool) -> Exit {
    if !yes {
        eprintln!(
            "levqor: everything that is sealed under the lost secret is given up: all stored secrets, the secrets of signed webhooks, and the keys that sign \
             region snapshots, the evidence log and the baselines of files; \
             stop all servers, and say --yes"
        );
        return Exit::WrongUse;
    }
    match go_on(flags).await {
        Ok(keys) if as_json => say(format_args!("{:#}", json!({ "given_up": keys }))),
        Ok(keys) => {
            say(format_args!("{keys} keys were given up, and a new keyring begins."));
            say(format_args!(
                "Next: start the server, see with `levqor keys verify` what must be set anew, and with `levqor audit verify` how to agree to what \
                 the old key signed in the evidence log"
            ));
        }
        Err(problem) => {
            eprintln!("levqor: {problem}");
            return Exit::WrongUse;
        }
    }
    Exit::Done
}

async fn go_on(flags: &Flags) -> Result<u64, String> {
    let config = config::resolve(&config::load(flags)).map_err(|complaints| complaints.to_string())?;
    // Its lock says that no server uses the directory.
    let data_dir = DataDir::take(&config.data_dir)?;
    let roots = serve::roots(&config, &data_dir, &SystemRandom).map_err(|failure| failure.to_string())?;
    let store = serve::open(&config, &data_dir).await.map_err(|failure| failure.to_string())?;
    let given_up = Keyring::abandon(&store, &roots, &SystemClock, &SystemRandom).await;
    store.close().await;
    given_up.map_err(|error| error.to_string())
}
