//! `levqor demo`, played to its end: what it promises is what it counts.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_region_is_lost_and_nothing_else() {
    let ran =
        Command::new(env!("CARGO_BIN_EXE_levqor")).args(["demo", "--json", "--calm", "2"]).output().unwrap();
    let story = String::from_utf8(ran.stderr).unwrap();
    let report: Value =
        serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {story}"));
    assert!(ran.status.success() && report["good"] == true, "{report:#}\n{story}");
    let runs = &report["runs"];
    assert!(
        runs["acknowledged"].as_u64() > Some(0) && runs["acknowledged"] == runs["completed"],
        "{report:#}"
    );
    for line in
        ["kill -9", "the standby in us-east is the primary", "eu-west down, us-east active", "comes back"]
    {
        assert!(story.contains(line), "{line}: {story}");
    }
}
