//! Usage by day: what was used, and how many workflows there were at its end.

use levqor_model::{Date, UsageCount};
use levqor_store::usage::UsageDay;

use crate::support::{NOW, World};

fn day(offset: i64) -> Date {
    NOW.date().plus_days(offset)
}

fn row(offset: i64, workflows: i64, runs: i64, ai_credits: i64) -> UsageDay {
    UsageDay { day: day(offset), count: UsageCount { workflows, runs, ai_credits } }
}

#[tokio::test]
async fn days_add_up() {
    let world = World::new();
    let (first, second) = (world.account_id(), world.account_id());
    let store = &world.store;
    for (account, offset, credits) in
        [(Some(first), 0, 5), (Some(first), 0, 2), (Some(first), 2, 1), (Some(second), 0, 10), (None, 1, 100)]
    {
        store.add_ai_credits(account, day(offset), credits).await.unwrap();
    }
    let mut new = world.run(first, world.workflow_id(NOW), NOW);
    new.day = day(2);
    store.accept_run(new).await.unwrap();
    world.saved(first, "hello", None).await;

    let sums = async |account, from, until| store.usage(account, day(from), day(until)).await.unwrap();
    assert_eq!(sums(Some(first), 0, 2).await, UsageCount { workflows: 1, runs: 1, ai_credits: 8 });
    assert_eq!(sums(Some(first), 1, 1).await, UsageCount { workflows: 1, runs: 0, ai_credits: 0 });
    assert_eq!(sums(None, 0, 2).await, UsageCount { workflows: 1, runs: 1, ai_credits: 118 });
    assert_eq!(
        store.usage_days(Some(first), day(0), day(2)).await.unwrap(),
        [row(0, 1, 0, 7), row(2, 1, 1, 1)]
    );
    assert_eq!(
        store.usage_days(None, day(0), day(2)).await.unwrap(),
        [row(0, 1, 0, 17), row(1, 1, 0, 100), row(2, 1, 1, 1)]
    );
    assert_eq!(store.usage_days(Some(second), day(1), day(2)).await, Ok(vec![]));
}

#[tokio::test]
async fn a_day_keeps_the_number_of_workflows_at_its_end() {
    let world = World::new();
    let (account, other) = (world.account_id(), world.account_id());
    let store = &world.store;
    let mut ids = Vec::new();
    // Two on day 0, one on day 3, one of somebody else on day 1.
    for (account, name, offset) in [(account, "a", 0), (account, "b", 0), (account, "c", 3), (other, "d", 1)]
    {
        let (workflow, version) = world.workflow(account, name, day(offset).start());
        ids.push(workflow.id);
        store.create_workflow(workflow, version, None).await.unwrap();
    }
    store.delete_workflow(account, ids[0], day(5).start()).await.unwrap();
    store.add_ai_credits(Some(account), day(4), 1).await.unwrap();
    // A node whose clock is a day behind.
    let (late, version) = world.workflow(account, "late", day(4).start());
    store.create_workflow(late, version, None).await.unwrap();

    assert_eq!(
        store.usage_days(Some(account), day(0), day(9)).await.unwrap(),
        [row(0, 2, 0, 0), row(3, 3, 0, 0), row(4, 4, 0, 1), row(5, 3, 0, 0)]
    );
    assert_eq!(
        store.usage_days(None, day(1), day(9)).await.unwrap(),
        [row(1, 3, 0, 0), row(3, 4, 0, 0), row(4, 5, 0, 1), row(5, 4, 0, 0)]
    );
    assert_eq!(store.workflows_count(Some(account)).await, Ok(3));
}
