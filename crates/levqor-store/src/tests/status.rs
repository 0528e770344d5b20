//! What touches the nouns of the status page.

use std::{sync::Arc, time::Duration};

use levqor_model::{
    DeclarationId, MaintenanceId, NotificationId, Random, SeededRandom, Severity, SubscriptionId,
    uptime::UptimeRecord,
};
use serde_json::json;

use super::NOW;
use crate::{
    Store,
    declarations::Declaration,
    maintenance::{Phase, Window},
    notifications::{NewNotification, Target},
    subscriptions::{Announcement, NewSubscription, SubscriptionBounds, SubscriptionKind},
    uptime::KeptUptime,
};

pub(super) async fn touch_status(store: &Store, random: &SeededRandom) {
    touch_subscriptions(store, random).await;
    let said = Declaration {
        id: DeclarationId::new(NOW, random),
        part: "*/*".to_owned(),
        state: None,
        words: "words".to_owned(),
        actor: "me".to_owned(),
        at: NOW,
        ends_at: NOW + Duration::from_secs(1),
    };
    store.declare(said.clone()).await.unwrap();
    store.declarations(NOW).await.unwrap();
    store.withdraw_declaration(said.id, NOW).await.unwrap();
    store.prune_declarations(NOW).await.unwrap();
    touch_maintenance(store, random).await;
    store.recent_samples(NOW, NOW).await.unwrap();
    store.sample_buckets(NOW).await.unwrap();
    let day = NOW.date();
    store.first_sample_day().await.unwrap();
    store.observations(day, None, 1).await.unwrap();
    let key = levqor_model::SigningKey::from_seed(&[1; 32]).unwrap();
    let signed = UptimeRecord::of(day, &[], String::new()).sign(&key);
    let there = store.observations(day, None, 10).await.unwrap().len() as u64;
    let sealed_at = NOW + Duration::from_secs(2 * 86_400);
    store.keep_uptime(KeptUptime { day, signed, sealed_at }, there).await.unwrap();
    store.last_uptime_record().await.unwrap();
    store.uptime_record(day).await.unwrap();
    store.uptime_records(None, 1).await.unwrap();
}

async fn touch_subscriptions(store: &Store, random: &SeededRandom) {
    for (number, kind) in [(1, SubscriptionKind::Email), (2, SubscriptionKind::Webhook)] {
        let new = NewSubscription {
            id: SubscriptionId::new(NOW, random),
            kind,
            address: "ada@example.com".to_owned(),
            parts: Vec::new(),
            confirm_hash: [number; 32],
            farewell: format!("farewell-{number}"),
            at: NOW,
        };
        let message = NotificationId::new(NOW, random);
        for at in [0, 1] {
            let new = NewSubscription { confirm_hash: [number + at; 32], ..new.clone() };
            let bounds = SubscriptionBounds {
                open: 10,
                since: NOW - Duration::from_secs(60),
                expired: NOW - Duration::from_secs(60),
                confirmed: 10,
            };
            store
                .subscribe(new, bounds, move |subscription, _| NewNotification {
                    id: message,
                    dedup: format!("{}-{at}", subscription.id),
                    target: Target::Subscription(subscription.id.to_string()),
                    severity: Severity::Minor,
                    subject: String::new(),
                    body: String::new(),
                    data: json!({}),
                    at: NOW,
                })
                .await
                .unwrap_or(crate::subscriptions::Subscribed::Done);
        }
        let hash = [number + 1; 32];
        let since = NOW - Duration::from_secs(1);
        store.open_subscription(hash, since).await.unwrap();
        store.confirm_subscription(hash, since, NOW, 10).await.unwrap();
        store.subscription(new.id).await.unwrap();
    }
    store.subscriptions(None, 10).await.unwrap();
    store.subscription_by_farewell("farewell-1".to_owned()).await.unwrap();
    store.unsubscribe("farewell-1".to_owned(), NOW).await.unwrap();
    store.end_subscription(SubscriptionId::new(NOW, random), NOW).await.unwrap();
    store.prune_subscriptions(NOW).await.unwrap();
}

async fn touch_maintenance(store: &Store, random: &SeededRandom) {
    let window = || Window {
        id: MaintenanceId::new(NOW, random),
        title: "title".to_owned(),
        words: String::new(),
        parts: vec!["*/*".to_owned()],
        starts_at: NOW + Duration::from_secs(1),
        ends_at: NOW + Duration::from_secs(3),
        actor: "me".to_owned(),
        created_at: NOW,
        updated_at: NOW,
        cancelled_at: None,
        told: Phase::Scheduled,
    };
    let told = |word: &str, after| Announcement {
        dedup: word.to_owned(),
        severity: Severity::Minor,
        subject: String::new(),
        body: String::new(),
        data: json!({}),
        parts: Vec::new(),
        site: String::new(),
        at: NOW + Duration::from_secs(after),
    };
    let source = || -> Arc<dyn Random> { Arc::new(SeededRandom::new(3)) };
    let (first, second) = (window(), window());
    for one in [&first, &second] {
        store.schedule_maintenance(one.clone(), told("a", 0), source()).await.unwrap();
    }
    store.maintenance(NOW).await.unwrap();
    store.maintenance_behind(NOW, Some((first.ends_at, first.id)), 10).await.unwrap();
    store.maintenance_window(first.id).await.unwrap();
    store.cancel_maintenance(first.id, "reason".to_owned(), told("b", 0), source()).await.unwrap();
    for due in store.due_maintenance(NOW + Duration::from_secs(1)).await.unwrap() {
        store.tell_maintenance(due, Phase::InProgress, told("c", 1), source()).await.unwrap();
    }
    store.end_maintenance(second.id, told("d", 2), source()).await.unwrap();
    store.prune_maintenance(NOW).await.unwrap();
}
