//! What touches jobs, and what their reports are reckoned from.

use std::time::Duration;

use levqor_model::{AccountId, NodeId, SeededRandom};

use super::NOW;
use crate::{
    Store,
    countries::CountryCount,
    jobs::{Ended, Fire, Fired, FiringState, JobPlan, Taker},
};

pub(super) async fn touch_jobs(store: &Store, account: AccountId, random: &SeededRandom) {
    let id = || "job".to_owned();
    let plan = |schedule: &str| JobPlan { id: id(), schedule: schedule.to_owned(), next_due_at: NOW };
    store.register_jobs(vec![plan("a"), plan("b")]).await.unwrap();
    store.due_jobs(NOW).await.unwrap();
    let taker = |lease| Taker {
        node: NodeId::new(NOW, random),
        region: "eu-west".parse().unwrap(),
        lease: Duration::from_secs(lease),
    };
    let fire =
        |due_at, next_due_at| Fire { job: id(), due_at, fires_at: Some(due_at), next_due_at, missed: 1 };
    let later = NOW + Duration::from_secs(1);
    let Fired::Began(firing) = store.fire_job(fire(NOW, later), taker(1), NOW).await.unwrap() else {
        panic!("it was due")
    };
    assert_eq!(store.fire_job(fire(later, later), taker(1), NOW).await.unwrap(), Fired::Skipped);
    store.jobs().await.unwrap();
    store.job(id()).await.unwrap();
    store.job_counts().await.unwrap();
    let given = (*firing).clone();
    assert!(store.give_firing_back(given).await.unwrap());
    let mut last = None;
    for _ in 0..3 {
        for seen in store.firings_to_take(NOW).await.unwrap() {
            last = store.take_firing(seen, taker(0), NOW).await.unwrap().or(last);
        }
    }
    let asked = store.ask_for_job(id(), "me".to_owned(), Some("r".to_owned()), NOW).await.unwrap().unwrap();
    store.ask_for_job(id(), "me".to_owned(), Some("r".to_owned()), NOW).await.unwrap();
    let taken = store.take_firing(asked.firing, taker(1), NOW).await.unwrap().unwrap();
    let text = || Some("a".to_owned());
    let ended = Ended { state: FiringState::Done, summary: text(), data: text(), problem: text(), at: NOW };
    assert!(store.end_firing(taken, ended).await.unwrap());
    assert!(store.pause_job(id(), "me".to_owned(), text(), NOW).await.unwrap());
    assert!(store.resume_job(id(), NOW, NOW).await.unwrap());
    store.job_firings(id(), None, 10).await.unwrap();
    store.firings_ended_since(NOW, 10).await.unwrap();
    store.prune_job_firings(NOW, 0).await.unwrap();
    store.last_budgets().await.unwrap();
    store.outbox_state(NOW).await.unwrap();
    touch_reports(store, account).await;
}

async fn touch_reports(store: &Store, account: AccountId) {
    let day = NOW.date();
    store.active_accounts(day, day).await.unwrap();
    store.accounts_opened(NOW, NOW).await.unwrap();
    store.active_of_opened((NOW, NOW), day, day).await.unwrap();
    store.account_activity(day, None, 10).await.unwrap();
    store.accounts_by_plan().await.unwrap();
    store.first_steps(NOW, NOW).await.unwrap();
    store.account_sources(vec![account]).await.unwrap();
    store.access_counts(NOW, NOW).await.unwrap();
    store.audit_kinds(NOW, NOW).await.unwrap();
    store.ai_uses(None, NOW, NOW).await.unwrap();
    store.ai_uses(Some(account), NOW, NOW).await.unwrap();
    store.ai_credit_days("builtin", day, day).await.unwrap();
    store.stored_bytes(account).await.unwrap();
    store.put_state(account, "levqor.costs", "1".to_owned(), NOW).await.unwrap();
    store.state(account, "levqor.costs".to_owned()).await.unwrap();
    let count =
        CountryCount { day, region: "eu-west".parse().unwrap(), country: "DE".to_owned(), requests: 1 };
    store.add_country_counts(vec![count]).await.unwrap();
    store.country_counts(day, day).await.unwrap();
    store.prune_country_counts(day).await.unwrap();
}
