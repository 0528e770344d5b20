//! The one connection of a process that listens to what others say.
//!
//! It is made again for as long as the process lives. A server that says nothing is asked for a sign now and then, so that a connection
//! that leads nowhere does not pass for a quiet one.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{connect::Way, stop::Stop};
use crate::hints::{Hint, Hints};

/// Where hints are told: a name of our own in the database.
const CHANNEL: &str = "levqor";
/// How long the end of the process may be overlooked.
const LOOK_UP: Duration = Duration::from_millis(250);
const SIGN_EVERY: Duration = Duration::from_secs(2);
const PAUSE_LEAST: Duration = Duration::from_millis(100);
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// A `NOTIFY` of these hints; None: there is nothing to say.
pub(super) fn notify(hints: &[bool; Hint::ALL.len()]) -> Option<String> {
    let words: Vec<_> = Hint::ALL.into_iter().zip(hints).filter(|(_, said)| **said).collect();
    if words.is_empty() {
        return None;
    }
    let words: Vec<_> = words.into_iter().map(|(hint, _)| hint.word()).collect();
    Some(format!("NOTIFY {CHANNEL}, '{}'", words.join(" ")))
}

/// Ends the listening when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    stop: Arc<Stop>,
}

impl Listener {
    /// A thread that rings the bells.
    pub(crate) fn start(way: Way, hints: Arc<Hints>) -> Result<Self, std::io::Error> {
        let stop = Arc::<Stop>::default();
        let told = Arc::clone(&stop);
        thread::Builder::new().name("levqor-listener".to_owned()).spawn(move || {
            let mut pause = PAUSE_LEAST;
            while !told.is_set() {
                let begun = Instant::now();
                let outcome = hear(&way, &hints, &told);
                hints.end();
                if let Err(reason) = outcome {
                    tracing::warn!(error = %reason, "hints of other nodes are not heard; connecting again");
                }
                // One that was good for a while is a new one.
                pause = if begun.elapsed() > PAUSE_MOST { PAUSE_LEAST } else { (pause * 2).min(PAUSE_MOST) };
                told.pause(pause);
            }
        })?;
        Ok(Self { stop })
    }

    /// The thread ends soon; nobody need wait for it.
    pub(crate) fn stop(&self) {
        self.stop.set();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Until the connection is lost, or nobody wants to know any more.
fn hear(way: &Way, hints: &Hints, stop: &Stop) -> Result<(), crate::Error> {
    let mut client = way.connect()?;
    client.batch_execute(&format!("LISTEN {CHANNEL}"))?;
    hints.begin();
    let mut signed = Instant::now();
    while !stop.is_set() {
        if let Some(said) = client.hear(LOOK_UP) {
            hints.take(&said);
        } else if signed.elapsed() >= SIGN_EVERY {
            client.batch_execute("")?;
            signed = Instant::now();
        } else if client.is_closed() {
            return Err(crate::Error::Unavailable("the connection was closed".to_owned()));
        }
    }
    Ok(())
}
