//! The sender in virtual form, killed at any point: nothing is lost, and almost nothing comes twice.
//!
//! Time goes by in milliseconds. A sender takes what is due, sends it (which takes a while), and writes what came of it. The receiver
//! takes it at one moment in between. A kill ends the sender where it is; the next one begins a second later.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{NotificationId, NotificationState, Random, SeededRandom, Severity, Timestamp};
use levqor_store::{
    Options, Store,
    notifications::{NewNotification, Target, Undelivered},
};
use serde_json::json;

use super::{LEASE, backoff};

const NOW: Timestamp = Timestamp::from_seconds(1_795_500_000);

/// When a sender is killed: before or after each of its steps, or while a step is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    BeforeClaim,
    AfterClaim,
    /// The request is under way, and the receiver does not have it.
    WhileSending,
    /// The receiver has it, and nobody has written that.
    BeforeWriting,
    AfterWriting,
    Never,
}

struct World {
    store: Store,
    now: Timestamp,
    /// What the receiver has, by the message's id.
    taken: BTreeMap<NotificationId, u32>,
    random: SeededRandom,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            store: Store::open(Options::default()).unwrap(),
            now: NOW,
            taken: BTreeMap::new(),
            random: SeededRandom::new(seed),
        }
    }

    async fn add(&self, number: usize) -> NotificationId {
        let id = NotificationId::new(self.now, &self.random);
        let new = NewNotification {
            id,
            dedup: format!("message {number}"),
            target: Target::Route("critical".to_owned()),
            severity: Severity::Critical,
            subject: "s".to_owned(),
            body: "b".to_owned(),
            data: json!({}),
            at: self.now,
        };
        self.store.notify(vec![new]).await.unwrap();
        id
    }

    /// One round of a sender. `refuses`: the receiver answers 500.
    async fn round(&mut self, kill: Kill, refuses: bool) {
        if kill == Kill::BeforeClaim {
            return;
        }
        let claimed = self.store.claim_notifications(self.now, LEASE, 32, 32).await.unwrap();
        if kill == Kill::AfterClaim {
            return;
        }
        for message in claimed {
            if kill == Kill::WhileSending {
                return;
            }
            if refuses {
                if kill == Kill::BeforeWriting {
                    return;
                }
                let pause = backoff::pause(message.attempts, message.severity, &self.random);
                let then = Undelivered::Later(pause);
                let claim = (message.id, message.attempts);
                let written = self.store.notification_failed(claim, None, "500".to_owned(), then, self.now);
                assert!(written.await.unwrap());
            } else {
                *self.taken.entry(message.id).or_default() += 1;
                if kill == Kill::BeforeWriting {
                    return;
                }
                self.store.notification_delivered(message.id, "pager".to_owned(), self.now).await.unwrap();
            }
            if kill == Kill::AfterWriting {
                return;
            }
        }
    }

    /// Lets time go by until nothing waits.
    async fn settle(&mut self) {
        for _ in 0..2_000 {
            self.now = self.now + Duration::from_secs(5);
            self.round(Kill::Never, false).await;
            if self.store.notifications(Some(NotificationState::Waiting), None, 1).await.unwrap().is_empty() {
                return;
            }
        }
        panic!("something still waits");
    }
}

/// Killed at every step, with a receiver that works and one that refuses: each message arrives, and a second time only when the kill came
/// between its arrival and the row that says so, under the same id.
#[tokio::test]
async fn a_sender_that_is_killed_at_any_step_loses_nothing() {
    let kills =
        [Kill::BeforeClaim, Kill::AfterClaim, Kill::WhileSending, Kill::BeforeWriting, Kill::AfterWriting];
    let mut world = World::new(1);
    let (mut ids, mut again_at_most) = (Vec::new(), 0);
    for number in 0..200 {
        let (kill, refuses) = (kills[number % kills.len()], number % 3 == 0);
        ids.push(world.add(number).await);
        world.round(kill, refuses).await;
        if kill == Kill::BeforeWriting && !refuses {
            again_at_most += 1;
        }
        world.now = world.now + Duration::from_secs(1);
    }
    world.settle().await;
    let lost: Vec<_> = ids.iter().filter(|id| !world.taken.contains_key(id)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let again: u32 = world.taken.values().map(|times| times - 1).sum();
    assert!(again <= again_at_most, "{again} of {again_at_most}");
    // Whoever knows a message by its id has each once.
    assert_eq!(world.taken.len(), 200);
    let states = world.store.notifications(Some(NotificationState::Delivered), None, 500).await.unwrap();
    assert_eq!(states.len(), 200);
}

/// Killed 200 times at random moments of a sender that works as one does: a request takes 20 to 400 ms, writing what came of it 1 to 5 ms.
#[tokio::test]
async fn two_hundred_kills_at_any_moment_double_at_most_one() {
    let mut world = World::new(2);
    let (mut ids, mut kills, mut number) = (Vec::new(), 0, 0);
    while kills < 200 {
        number += 1;
        ids.push(world.add(number).await);
        // Milliseconds of claiming, sending and writing; between two rounds the sender sleeps for the rest of a second.
        let between = |low: u64, high: u64| low + world.random.u64() % (high - low + 1);
        let (claim, send, write) = (between(1, 5), between(20, 400), between(1, 5));
        let at = between(0, 999);
        let kill = match at {
            at if at < claim => Kill::BeforeClaim,
            at if at < claim + send => Kill::WhileSending,
            at if at < claim + send + write => Kill::BeforeWriting,
            _ => Kill::AfterWriting,
        };
        kills += 1;
        world.round(kill, false).await;
        world.now = world.now + Duration::from_secs(1);
    }
    world.settle().await;
    let lost = ids.iter().filter(|id| !world.taken.contains_key(id)).count();
    let doubled = world.taken.values().filter(|times| **times > 1).count();
    println!("{kills} kills: {lost} lost, {doubled} doubled of {}", ids.len());
    assert_eq!(lost, 0);
    assert!(doubled <= 1, "{doubled}");
}
