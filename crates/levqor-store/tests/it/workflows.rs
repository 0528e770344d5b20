//! Workflows, their versions, and the schedules that follow them.

use std::time::Duration;

use levqor_store::{Conflict, Error, workflows::NewSchedule};

use crate::support::{NOW, World, version};

#[tokio::test]
async fn a_workflow_is_found_by_id_and_name_in_its_account_only() {
    let world = World::new();
    let account = world.account_id();
    let (workflow, first) = world.workflow(account, "hello", NOW);
    world.store.create_workflow(workflow.clone(), first.clone(), None).await.unwrap();
    let found = Ok(Some(workflow.clone()));
    assert_eq!(world.store.workflow(account, workflow.id).await, found);
    let by_name = |name: &str| world.store.workflow_by_name(account, "default".to_owned(), name.to_owned());
    assert_eq!(by_name("hello").await, found);
    assert_eq!(by_name("other").await, Ok(None));
    assert_eq!(world.store.workflow(world.account_id(), workflow.id).await, Ok(None));
    assert_eq!(world.store.version(workflow.id, "1.0.0".to_owned()).await, Ok(Some(first)));
    assert_eq!(world.store.version(workflow.id, "2.0.0".to_owned()).await, Ok(None));
}

#[tokio::test]
async fn a_name_is_taken_until_its_workflow_is_deleted() {
    let world = World::new();
    let account = world.account_id();
    let first = world.saved(account, "hello", None).await;
    let (again, its_version) = world.workflow(account, "hello", NOW);
    let create = || world.store.create_workflow(again.clone(), its_version.clone(), None);
    assert_eq!(create().await, Err(Error::Conflict(Conflict::WorkflowName)));
    assert_eq!(world.store.workflows_count(Some(account)).await, Ok(1), "nothing is left of it");
    world.saved(world.account_id(), "hello", None).await;

    assert_eq!(world.store.delete_workflow(world.account_id(), first, NOW).await, Ok(false));
    assert_eq!(world.store.delete_workflow(account, first, NOW).await, Ok(true));
    assert_eq!(world.store.delete_workflow(account, first, NOW).await, Ok(false));
    assert_eq!(create().await, Ok(()));
    assert_eq!(world.store.workflow(account, first).await, Ok(None));
    assert!(world.store.version(first, "1.0.0".to_owned()).await.unwrap().is_some(), "runs keep it");
    assert_eq!(world.store.versions_of(account, first, None, 10).await, Ok(vec![]));
    assert_eq!(world.store.workflows_count(None).await, Ok(2));
}

#[tokio::test]
async fn a_new_version_becomes_the_current_one() {
    let world = World::new();
    let account = world.account_id();
    let id = world.saved(account, "hello", None).await;
    let store = &world.store;
    // Made within the same microsecond: the list still shows each once.
    for name in ["1.1.0", "1.2.0", "2.0.0"] {
        let title = Some(format!("Title of {name}"));
        assert_eq!(store.add_version(account, version(id, name, NOW), title, None).await, Ok(true));
    }
    let workflow = store.workflow(account, id).await.unwrap().unwrap();
    assert_eq!((workflow.version.as_str(), workflow.title.as_deref()), ("2.0.0", Some("Title of 2.0.0")));

    let taken = store.add_version(account, version(id, "1.1.0", NOW), None, None).await;
    assert_eq!(taken, Err(Error::Conflict(Conflict::WorkflowVersion)));
    assert_eq!(store.workflow(account, id).await.unwrap().unwrap(), workflow, "nothing is left of it");
    let other = world.account_id();
    assert_eq!(store.add_version(other, version(id, "3.0.0", NOW), None, None).await, Ok(false));

    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.versions_of(account, id, before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.created_at);
        seen.extend(page.into_iter().map(|version| version.version));
    }
    assert_eq!(seen, ["2.0.0", "1.2.0", "1.1.0", "1.0.0"]);
}

#[tokio::test]
async fn workflows_are_listed_newest_first() {
    let world = World::new();
    let account = world.account_id();
    let mut ids = Vec::new();
    for number in 0..5_u64 {
        let at = NOW + Duration::from_secs(number);
        let (workflow, version) = world.workflow(account, &format!("w{number}"), at);
        ids.insert(0, workflow.id);
        world.store.create_workflow(workflow, version, None).await.unwrap();
    }
    world.saved(world.account_id(), "foreign", None).await;
    let listed = |workflows: Vec<levqor_store::workflows::Workflow>| {
        workflows.iter().map(|workflow| workflow.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(world.store.workflows_of(account, None, 3).await.unwrap()), ids[..3]);
    assert_eq!(listed(world.store.workflows_of(account, Some(ids[2]), 3).await.unwrap()), ids[3..]);
}

#[tokio::test]
async fn the_schedule_follows_the_current_version() {
    let world = World::new();
    let account = world.account_id();
    let due = NOW + Duration::from_secs(60);
    let schedule = |next_due_at| Some(NewSchedule { anchor_at: NOW, next_due_at, on: None });
    let id = world.saved(account, "hello", schedule(Some(due))).await;
    let store = &world.store;
    assert_eq!(store.schedule_next(id).await, Ok(Some(due)));

    let later = due + Duration::from_secs(60);
    store.add_version(account, version(id, "2.0.0", NOW), None, schedule(Some(later))).await.unwrap();
    let listed = store.due_schedules(later, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].version.as_str(), listed[0].due_at), ("2.0.0", later));

    store.add_version(account, version(id, "3.0.0", NOW), None, None).await.unwrap();
    assert_eq!(store.next_schedule_due().await, Ok(None), "the new version has none");

    store.add_version(account, version(id, "4.0.0", NOW), None, schedule(Some(due))).await.unwrap();
    store.delete_workflow(account, id, NOW).await.unwrap();
    assert_eq!(store.next_schedule_due().await, Ok(None), "deleted with its workflow");
}
