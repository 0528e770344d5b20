//! Any expression that is taken fires, later and later, across changes of the clock.
#![no_main]

use levqor_flow::schedule::{Cron, Schedule, Zone};
use levqor_model::Timestamp;

// The first line is the expression, the second the second of time to begin at.
libfuzzer_sys::fuzz_target!(|input: &str| {
    let (text, start) = input.split_once('\n').unwrap_or((input, "0"));
    let start: i64 = start.trim().parse().unwrap_or(0);
    let Ok(cron) = Cron::parse(text) else { return };
    for zone in ["UTC", "Europe/Berlin", "Australia/Lord_Howe"] {
        let Ok(zone) = Zone::named(zone) else { return };
        let schedule =
            Schedule { every: None, cron: Some(cron.clone()), after: None, on: None, zone: zone.into_inner() };
        // From 1970 to 2100, which the search from there cannot leave.
        let mut last = Timestamp::from_seconds(start.rem_euclid(4_102_444_800));
        for _ in 0..5 {
            let next = schedule.next(Timestamp::default(), last).expect("a cron that is taken fires");
            assert!(next > last);
            last = next;
        }
        assert!(!schedule.describe().is_empty());
    }
});
