//! What callers have used of limits that nodes share.

use std::time::Duration;

use levqor_model::Timestamp;
use levqor_store::rates::{ASKED_MAX, Asked, Quota, Standing};

use crate::support::{NOW, World, region};

/// Ten a minute.
const TEN: Quota = Quota { name: "anonymous", step_us: 6_000_000, window_us: 60_000_000 };

async fn ask(world: &World, quota: Quota, asked: Asked, now: Timestamp) -> (u32, i64) {
    let found = world.store.take_rates(region("eu-west"), quota, vec![asked], now).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].caller, asked.caller);
    (found[0].granted, found[0].full_in_us / quota.step_us)
}

const fn asked(wanted: u32, owed: i64) -> Asked {
    Asked { caller: 7, owed_us: owed * TEN.step_us, wanted }
}

#[tokio::test]
async fn as_many_are_given_as_are_left_and_time_gives_more() {
    let world = World::new();
    let minutes = |part: u64| NOW + Duration::from_secs(part * 6);
    let rows = [
        // Given, used up by all, in steps; at, wanted, owed.
        ((4, 4), 0, 4, 0),
        ((4, 8), 0, 4, 0),
        ((2, 10), 0, 4, 0),
        ((0, 10), 0, 4, 0),
        ((0, 10), 0, 0, 0),
        // A step of time is a use.
        ((1, 10), 1, 4, 0),
        // What was let pass without asking counts, beyond the limit too.
        ((0, 13), 1, 1, 3),
        ((0, 10), 4, 1, 0),
        ((1, 10), 5, 1, 0),
        // What was not used comes back.
        ((0, 6), 5, 0, -4),
        ((4, 10), 5, 9, 0),
        // After the whole window everything is as in the beginning, also for who gives back late.
        ((10, 10), 99, 20, 0),
        ((0, -3), 999, 0, -3),
        ((10, 10), 999, 20, 0),
    ];
    for (place, (expected, at, wanted, owed)) in rows.into_iter().enumerate() {
        let found = ask(&world, TEN, asked(wanted, owed), minutes(at)).await;
        assert_eq!(found, expected, "row {place}");
    }
}

#[tokio::test]
async fn a_first_word_counts_what_is_owed() {
    let world = World::new();
    assert_eq!(ask(&world, TEN, asked(9, 4), NOW).await, (6, 10));
    let other = Quota { name: "account", ..TEN };
    assert_eq!(ask(&world, other, asked(9, 12), NOW).await, (0, 12), "another limit, and too much owed");
    let (_, told) = world.store.rates_since(region("eu-west"), None, NOW, 10).await.unwrap();
    let mut told: Vec<_> =
        told.into_iter().map(|(quota, found)| (quota, found.full_in_us / TEN.step_us)).collect();
    told.sort();
    assert_eq!(told, [("account".to_owned(), 12), ("anonymous".to_owned(), 10)]);
}

#[tokio::test]
async fn regions_count_for_themselves_and_news_is_told_once_it_is_news() {
    let world = World::new();
    let store = &world.store;
    let (here, there) = (region("eu-west"), region("us-east"));
    let many: Vec<Asked> =
        (0..150).map(|caller| Asked { caller: caller - 75, owed_us: 0, wanted: 1 }).collect();
    let found = store.take_rates(here.clone(), TEN, many, NOW).await.unwrap();
    assert_eq!(found.len(), ASKED_MAX, "so many at once");
    assert!(found.iter().all(|found| found.granted == 1));
    assert_eq!(ask(&world, TEN, Asked { caller: -75, owed_us: 0, wanted: 1 }, NOW).await, (1, 2));
    let elsewhere = store.take_rates(there.clone(), TEN, vec![asked(1, 0)], NOW).await.unwrap();
    assert_eq!(elsewhere, [Standing { caller: 7, granted: 1, full_in_us: TEN.step_us }]);
    let (now, told) = store.rates_since(there, None, NOW, 10).await.unwrap();
    assert_eq!((now, told.len()), (NOW, 1));
    let later = NOW + Duration::from_secs(30);
    let (_, told) = store.rates_since(here.clone(), Some(later), later, 10).await.unwrap();
    assert_eq!(told, []);
    assert_eq!(store.prune_rates(NOW).await, Ok(0));
    assert_eq!(store.prune_rates(later).await, Ok(101));
    assert_eq!(store.take_rates(here, TEN, Vec::new(), NOW).await, Ok(Vec::new()));
}

/// However the callers' asks mix, no more is given than the quota and what time brings.
#[tokio::test]
async fn what_is_given_never_exceeds_the_quota() {
    let world = World::new();
    let (mut given, mut seconds) = (0, 0);
    for round in 0..200_u64 {
        let wanted = u32::try_from(round * 7 % 5).unwrap();
        seconds += round % 3;
        let (granted, _) = ask(&world, TEN, asked(wanted, 0), NOW + Duration::from_secs(seconds)).await;
        given += granted;
        assert!(u64::from(given) <= 10 + seconds / 6, "{given} in {seconds} s");
    }
    assert!(u64::from(given) >= 10 + seconds / 6 - 1, "{given} in {seconds} s");
}
