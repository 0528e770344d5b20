//! Cargo's `strip` passes over a binary whose package has settings of its own in a profile, as this one has: the linker strips it.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_release = var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release && var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
    }
}
