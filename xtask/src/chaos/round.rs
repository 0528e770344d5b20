//! One fault, from its beginning until everything is as it was.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use levqor_lab::Passage;
use levqor_testkit::Client;

use super::{
    cluster::{Cluster, Database, REGIONS},
    fault::{Chance, Fault, LONG_STALL},
    look::{LOOK_EVERY, PATIENCE, node_called, node_in, taken_from, until},
};

/// A node that comes back after others may have stopped it is watched for so long.
const CALM: Duration = Duration::from_millis(1_500);
/// A server that is gone is seen to be so at once; one that says nothing, by those who wait for an answer.
const GONE_SEEN: Duration = Duration::from_secs(3);
const SILENCE_SEEN: Duration = Duration::from_secs(10);
/// How long a clock is wrong.
const WRONG_FOR: Duration = Duration::from_secs(3);

/// What was seen, from the fault on.
#[derive(Debug)]
pub struct Round {
    pub begun: Instant,
    /// Until others know that the node is gone.
    pub known: Option<Duration>,
    /// Until all of its runs have another owner.
    pub taken: Option<Duration>,
    /// From the end of the fault until it is back among the living.
    pub back: Option<Duration>,
    /// Until the standby was the primary.
    pub promoted: Option<Duration>,
    pub runs_taken: i64,
    /// It was stopped, and nothing should have changed hands.
    pub is_false: bool,
    /// What it was, more exactly.
    pub detail: String,
}

impl Round {
    fn begin() -> Self {
        let begun = Instant::now();
        Self {
            begun,
            known: None,
            taken: None,
            back: None,
            promoted: None,
            runs_taken: 0,
            is_false: false,
            detail: String::new(),
        }
    }

    /// The fault and what came of it, in a line.
    pub fn words(&self) -> String {
        let mut words = self.detail.clone();
        let spans = [
            ("promoted", self.promoted),
            ("known", self.known),
            ("taken over", self.taken),
            ("back", self.back),
        ];
        for (name, span) in spans {
            if let Some(span) = span {
                words.push_str(&format!(", {name} after {span:.1?}"));
            }
        }
        words
    }
}

impl Cluster {
    pub async fn fault(&mut self, fault: Fault, chance: Chance, victim: usize) -> anyhow::Result<Round> {
        // Asked of a node that nothing happens to.
        let client = self.client((victim + 1) % self.seats.len());
        let found = node_in(&client, REGIONS[victim]).await?;
        let node = found["node_id"].as_str().context("the region has no node")?.to_owned();
        match fault {
            Fault::Kill | Fault::Drain | Fault::Stall => self.lose(fault, victim, &client, &node).await,
            Fault::Partition => self.part(chance, victim, &client, &node).await,
            Fault::Primary | Fault::Freeze => self.lose_primary(fault, &client).await,
            Fault::Blip | Fault::Blackhole | Fault::Clock => {
                let mut round = Round::begin();
                round.detail = self.disturb(fault, chance, victim).await?;
                // Whoever would take its runs has had the time to.
                tokio::time::sleep(Duration::from_secs(1)).await;
                round.is_false = node_called(&client, &node).await?["state"] != "live";
                Ok(round)
            }
        }
    }

    /// The node is gone for so long that others have its runs, and comes back.
    async fn lose(
        &mut self,
        fault: Fault,
        victim: usize,
        client: &Client,
        node: &str,
    ) -> anyhow::Result<Round> {
        let seat = &mut self.seats[victim].node;
        let mut round = Round::begin();
        match fault {
            Fault::Kill => seat.kill()?,
            Fault::Drain => seat.terminate()?,
            _ => seat.stall()?,
        }
        round.known = Some(until(client, node, round.begun, |node| node["state"] == "stopped").await?);
        round.taken = Some(until(client, node, round.begun, |node| node["runs"] == 0).await?);
        round.runs_taken = taken_from(client, node).await?;
        let mut again = Instant::now();
        if fault == Fault::Stall {
            tokio::time::sleep(LONG_STALL.saturating_sub(round.begun.elapsed())).await;
            again = Instant::now();
            seat.go_on()?;
        } else {
            // A drained process ends by itself.
            while fault == Fault::Drain && !seat.has_ended()? {
                ensure!(again.elapsed() < PATIENCE, "the drained process does not end");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            seat.start_again()?;
        }
        self.back(victim, client, again, |back| back != node).await?;
        round.back = Some(again.elapsed());
        Ok(round)
    }

    /// The node and the database do not hear each other. It may live through that, or be stopped and come back.
    async fn part(
        &mut self,
        chance: Chance,
        victim: usize,
        client: &Client,
        node: &str,
    ) -> anyhow::Result<Round> {
        let (direction, span) = chance.silence();
        let mut round = Round::begin();
        round.detail = format!(", {direction:?} for {span:.1?}");
        let wires = &self.seats[victim].to_database;
        wires.iter().for_each(|wire| wire.set(direction, Passage::Silent));
        while round.begun.elapsed() < span {
            tokio::time::sleep(LOOK_EVERY).await;
            note(&mut round, client, node).await?;
        }
        wires.iter().for_each(|wire| wire.mend());
        let again = Instant::now();
        let mut calm = Instant::now();
        while calm.elapsed() < CALM {
            ensure!(again.elapsed() < PATIENCE, "the cluster does not come to rest");
            self.back(victim, client, again, |_| true).await?;
            let (is_stopped, is_empty) = note(&mut round, client, node).await?;
            let is_same = node_in(client, REGIONS[victim]).await?["node_id"] == node;
            // The same lives on, or a new one does and the old one has nothing left.
            if !(if is_same { !is_stopped } else { is_empty }) {
                calm = Instant::now();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if round.known.is_some() {
            round.runs_taken = taken_from(client, node).await?;
            round.back = Some(again.elapsed().saturating_sub(CALM));
        }
        Ok(round)
    }

    /// Waits until the region has a node that lives and is ready.
    async fn back(
        &mut self,
        victim: usize,
        client: &Client,
        again: Instant,
        is_it: impl Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        loop {
            let back = node_in(client, REGIONS[victim]).await?;
            let seat = &mut self.seats[victim].node;
            if back["state"] == "live" && back["node_id"].as_str().is_some_and(&is_it) {
                return seat.ready().await;
            }
            if again.elapsed() > PATIENCE {
                bail!("the node does not come back:\n{}", seat.server().log());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The primary dies or falls silent, its standby takes its place, and a new standby is made.
    async fn lose_primary(&mut self, fault: Fault, client: &Client) -> anyhow::Result<Round> {
        let Database::Pair(pair) = &mut self.database else { bail!("the database has no standby") };
        let mut round = Round::begin();
        tokio::task::block_in_place(|| {
            match fault {
                Fault::Freeze => pair.freeze_primary()?,
                _ => pair.kill_primary()?,
            }
            pair.fail_over()
        })?;
        round.promoted = Some(round.begun.elapsed());
        // As much as anybody needs to see that it is gone, and some load before what comes next.
        let seen_within = if fault == Fault::Freeze { SILENCE_SEEN } else { GONE_SEEN };
        tokio::time::sleep(seen_within).await;
        tokio::task::block_in_place(|| pair.restore())?;
        let again = Instant::now();
        for seat in 0..self.seats.len() {
            self.back(seat, client, again, |_| true).await?;
        }
        Ok(round)
    }

    /// Something that is over soon, and must not cost the node its runs.
    async fn disturb(&mut self, fault: Fault, chance: Chance, victim: usize) -> anyhow::Result<String> {
        let seat = &self.seats[victim];
        match (fault, &seat.from_edge, &seat.clock) {
            (Fault::Blackhole, Some(wire), _) => {
                let (direction, span) = chance.silence();
                wire.set(direction, Passage::Silent);
                tokio::time::sleep(span).await;
                wire.mend();
                Ok(format!(", {direction:?} for {span:.1?}"))
            }
            (Fault::Clock, _, Some(clock)) => {
                let by = chance.shift();
                clock.shift(by)?;
                tokio::time::sleep(WRONG_FOR).await;
                clock.shift(0)?;
                Ok(format!(" by {} ms", by / 1_000_000))
            }
            _ => {
                seat.node.stall()?;
                let span = chance.short_stall();
                tokio::time::sleep(span).await;
                seat.node.go_on()?;
                Ok(format!(" for {span:.1?}"))
            }
        }
    }
}

/// Notes when the node was first seen to be stopped, and to have no runs then. Whether it is stopped, and is so without runs.
async fn note(round: &mut Round, client: &Client, node: &str) -> anyhow::Result<(bool, bool)> {
    let now = node_called(client, node).await?;
    let is_stopped = now["state"] == "stopped";
    let is_empty = is_stopped && now["runs"] == 0;
    if is_stopped && round.known.is_none() {
        round.known = Some(round.begun.elapsed());
    }
    if is_empty && round.taken.is_none() {
        round.taken = Some(round.begun.elapsed());
    }
    Ok((is_stopped, is_empty))
}
