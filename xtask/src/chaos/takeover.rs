//! How fast many runs that wait change hands.

use std::path::Path;

use anyhow::{Context as _, ensure};
use levqor_testkit::crash::{start_many, stays};
use serde_json::Value;

use super::{
    ChaosArgs,
    cluster::{Cluster, REGIONS},
    fault::{Chance, Fault},
    look::{find, nodes},
};
use crate::checker::{create, runs_of, spread};

/// Runs that wait for a day go from node to node, as the faults have it; none may be lost.
pub async fn take_over_many(binary: &Path, args: &ChaosArgs) -> anyhow::Result<()> {
    ensure!(
        matches!(args.fault, Fault::Kill | Fault::Drain | Fault::Stall),
        "{} takes nothing over for sure; choose kill, drain or stall",
        args.fault
    );
    let mut cluster = Cluster::start(binary, args).await?;
    let client = cluster.client(0);
    let workflow = create(&client, &stays()).await?;
    let many = create(&client, &start_many(args.owned)).await?;
    cluster.own(0, &many, args.owned).await?;
    let (mut known, mut taken, mut runs_taken) = (Vec::new(), Vec::new(), 0);
    for round in 0..args.rounds {
        // Whoever has them, which is never the one that has just come back.
        let all = nodes(&cluster.client(0)).await?;
        let victim = REGIONS
            .iter()
            .position(|region| {
                find(&all, |node| node["region"] == *region && node["runs"] != 0) != Value::Null
            })
            .context("nobody has the runs")?;
        let seen = cluster
            .fault(args.fault, Chance { seed: args.seed, round }, victim)
            .await
            .with_context(|| format!("round {}", round + 1))?;
        known.extend(seen.known);
        taken.extend(seen.taken);
        runs_taken += seen.runs_taken;
        println!(
            "round {:>4}: {} in {}; all taken over after {:.2?}",
            round + 1,
            args.fault,
            REGIONS[victim],
            seen.taken.unwrap_or_default(),
        );
    }
    let runs = runs_of(&cluster.client(0), &workflow).await?;
    let waiting = runs.values().filter(|status| *status == "waiting").count() as u64;
    println!("\n{} rounds of {}, {} runs taken over in all", args.rounds, args.fault, runs_taken);
    println!("known to be gone after:    {}", spread(&mut known));
    println!("all runs taken over after: {}", spread(&mut taken));
    ensure!(waiting == args.owned, "{waiting} of {} runs wait", args.owned);
    println!("0 violations: all {waiting} runs wait");
    Ok(())
}
