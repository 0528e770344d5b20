//! Webhooks: found by the hash of a token, and a message starts one run.

use levqor_model::{AccountId, WebhookId, WorkflowId};
use levqor_store::{
    runs::{Accepted, Firing},
    webhooks::{Webhook, WebhookMessage, WebhookSet},
};

use crate::support::{NOW, World};

fn webhook(world: &World, account: AccountId, workflow: WorkflowId, hash: u8) -> Webhook {
    let id = world.run_id(NOW).to_string().replacen("run_", WebhookId::PREFIX, 1).parse().unwrap();
    Webhook {
        id,
        account_id: account,
        workflow_id: workflow,
        name: "orders".to_owned(),
        hash: [hash; 32],
        signed: true,
        generation: 1,
        secret_key: "a".repeat(16),
        created_at: NOW,
        rotated_at: None,
        last_used_at: None,
    }
}

#[tokio::test]
async fn a_webhook_is_found_by_its_hash_until_it_is_rotated_or_deleted() {
    let world = World::new();
    let (account, other) = (world.account_id(), world.account_id());
    let workflow = world.saved(account, "hello", None).await;
    let store = &world.store;
    let (first, second) = (webhook(&world, account, workflow, 1), webhook(&world, account, workflow, 2));
    assert_eq!(
        store.create_webhook(webhook(&world, other, workflow, 9), 2).await,
        Ok(WebhookSet::Done(false))
    );
    assert_eq!(store.create_webhook(first.clone(), 2).await, Ok(WebhookSet::Done(true)));
    assert_eq!(store.create_webhook(second.clone(), 2).await, Ok(WebhookSet::Done(true)));
    assert_eq!(
        store.create_webhook(webhook(&world, account, workflow, 3), 2).await,
        Ok(WebhookSet::Done(false)),
        "two are enough"
    );
    assert_eq!(store.webhook_by_hash([1; 32]).await, Ok(Some(first.clone())));
    assert_eq!(store.webhook_by_hash([3; 32]).await, Ok(None));
    let mut all = vec![first.clone(), second];
    all.sort_by_key(|webhook| webhook.id);
    assert_eq!(store.webhooks_of(account, workflow, 10).await, Ok(all));
    assert_eq!(store.webhooks_of(other, workflow, 10).await, Ok(vec![]));

    let rotate =
        async |account| store.rotate_webhook(account, workflow, first.id, [7; 32], "b".repeat(16), NOW).await;
    assert_eq!(rotate(other).await, Ok(WebhookSet::Done(None)));
    let Ok(WebhookSet::Done(Some(rotated))) = rotate(account).await else { panic!("it is there") };
    assert_eq!((rotated.generation, rotated.rotated_at), (2, Some(NOW)));
    assert_eq!(rotated.secret_key, "b".repeat(16));
    assert_eq!(store.webhook_by_hash([1; 32]).await, Ok(None));
    store.touch_webhook(first.id, NOW).await.unwrap();
    assert_eq!(store.webhook_by_hash([7; 32]).await.unwrap().unwrap().last_used_at, Some(NOW));
    assert_eq!(store.delete_webhook(other, workflow, first.id, NOW).await, Ok(false));
    assert_eq!(store.delete_webhook(account, workflow, first.id, NOW).await, Ok(true));
    assert_eq!(store.webhook_by_hash([7; 32]).await, Ok(None));
    assert!(store.delete_workflow(account, workflow, NOW).await.unwrap());
    assert_eq!(store.webhook_by_hash([2; 32]).await, Ok(None), "they go with their workflow");
}

#[tokio::test]
async fn a_message_starts_one_run() {
    let world = World::new();
    let account = world.account_id();
    let workflow = world.saved(account, "hello", None).await;
    let webhook_id = webhook(&world, account, workflow, 1).id;
    let message = WebhookMessage { webhook_id, message_id: "msg_1".to_owned() };
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut new = world.run(account, workflow, NOW);
        new.firing = Some(Firing::Message(message.clone()));
        let id = new.run.id;
        runs.push((id, world.store.accept_run(new).await.unwrap()));
    }
    assert_eq!((runs[0].1, runs[1].1), (Accepted::New, Accepted::Already(runs[0].0)));
    assert_eq!(world.store.webhook_run(message.clone()).await, Ok(Some(runs[0].0)));
    assert_eq!(world.store.prune_webhook_messages(NOW).await, Ok(0));
    assert_eq!(world.store.prune_webhook_messages(NOW + std::time::Duration::from_secs(1)).await, Ok(1));
    assert_eq!(world.store.webhook_run(message).await, Ok(None));
}
