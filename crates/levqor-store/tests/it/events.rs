//! Events: numbered in order, one each, read by kinds, kept as long as somebody may need them.

use std::time::Duration;

use levqor_model::{AccountId, RunId, RunStatus};
use levqor_store::{
    Conflict, Error,
    event_triggers::{EventTrigger, NewEventTrigger, TriggerMove},
    events::NewEvent,
    listeners::{EventChanges, Listener, ListenerKey, NewInterest, NewListener, UnreadBound},
    runs::{Accepted, Append, Firing},
    workflows::NewSchedule,
};

use crate::support::{NOW, World, step};

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn event(kind: &str, id: &str) -> NewEvent {
    NewEvent {
        id: id.to_owned(),
        source: "shop".to_owned(),
        kind: kind.to_owned(),
        received_at: NOW,
        body: format!(r#"{{"id":"{id}"}}"#),
    }
}

async fn publish(world: &World, account: AccountId, events: &[(&str, &str)]) -> Vec<Option<i64>> {
    let events = events.iter().map(|(kind, id)| event(kind, id)).collect();
    world.store.publish_events(account, events).await.unwrap()
}

/// The numbers on a page, how far it reaches, and whether there is more.
async fn page(
    world: &World,
    account: AccountId,
    kinds: &[Option<&str>],
    after: i64,
    limit: usize,
) -> (Vec<i64>, i64, bool) {
    let kinds = kinds.iter().map(|kind| kind.map(str::to_owned)).collect();
    let page = world.store.events_after(account, kinds, after, limit).await.unwrap();
    (page.events.iter().map(|event| event.seq).collect(), page.through, page.more)
}

fn listener(effect: u64, kinds: &[Option<&str>]) -> NewListener {
    let interest =
        |kind: &Option<&str>| NewInterest { kind: kind.map(str::to_owned), interest: "{}".to_owned() };
    NewListener { effect, interests: kinds.iter().map(interest).collect() }
}

fn set(listeners: Vec<NewListener>) -> EventChanges {
    EventChanges { listeners_set: listeners, ..EventChanges::default() }
}

/// A run that begins to listen with these.
async fn listening(world: &World, account: AccountId, listeners: Vec<NewListener>) -> RunId {
    let new = world.run(account, world.workflow_id(NOW), NOW);
    let id = new.run.id;
    world.store.accept_run(new).await.unwrap();
    let append = Append { event_changes: set(listeners), ..step(id, 1, RunStatus::Waiting) };
    world.store.append(append).await.unwrap();
    id
}

fn find(listeners: &[Listener], key: ListenerKey) -> &Listener {
    listeners.iter().find(|listener| listener.key == key).unwrap()
}

fn keys(listeners: &[Listener]) -> Vec<(RunId, u64, u32)> {
    listeners.iter().map(|one| (one.key.run_id, one.key.effect, one.key.place)).collect()
}

#[tokio::test]
async fn events_are_numbered_in_order_and_kept_once() {
    let world = World::new();
    let (one, other) = (world.account_id(), world.account_id());
    assert_eq!(publish(&world, one, &[("a", "1"), ("b", "2"), ("a", "1")]).await, [Some(1), Some(2), None]);
    assert_eq!(
        publish(&world, one, &[("c", "1")]).await,
        [None],
        "one by its source and id, whatever else it says"
    );
    assert_eq!(publish(&world, other, &[("a", "1")]).await, [Some(3)], "accounts know nothing of each other");
    assert_eq!(publish(&world, one, &[("a", "4"), ("b", "5")]).await, [Some(4), Some(5)]);

    assert_eq!(page(&world, one, &[None], 0, 10).await, (vec![1, 2, 4, 5], 5, false));
    assert_eq!(page(&world, one, &[None], 0, 2).await, (vec![1, 2], 2, true));
    assert_eq!(page(&world, one, &[Some("a")], 0, 10).await, (vec![1, 4], 5, false));
    assert_eq!(page(&world, one, &[Some("a"), Some("b")], 1, 2).await, (vec![2, 4], 4, true));
    assert_eq!(page(&world, one, &[Some("a"), Some("a")], 0, 10).await, (vec![1, 4], 5, false));
    assert_eq!(page(&world, one, &[Some("a"), None], 2, 10).await, (vec![4, 5], 5, false));
    assert_eq!(page(&world, one, &[Some("x")], 2, 10).await, (vec![], 5, false));
    assert_eq!(page(&world, other, &[None], 0, 10).await, (vec![3], 5, false));
    assert_eq!(world.store.events_count(one).await, Ok(4));
}

#[tokio::test]
async fn a_listener_begins_after_what_was_there_and_reads_on() {
    let world = World::new();
    let account = world.account_id();
    publish(&world, account, &[("a", "1")]).await;
    let run =
        listening(&world, account, vec![listener(3, &[Some("a"), None]), listener(7, &[Some("b")])]).await;
    let store = &world.store;
    assert_eq!(store.listeners_of(run).await.unwrap(), [(3, 1), (7, 1)]);
    assert!(store.listeners(None, 10).await.unwrap().iter().all(|listener| !listener.is_behind));

    publish(&world, account, &[("a", "2")]).await;
    publish(&world, world.account_id(), &[("b", "2")]).await;
    let all = store.listeners(None, 10).await.unwrap();
    assert_eq!(keys(&all), [(run, 3, 0), (run, 3, 1), (run, 7, 0)]);
    assert_eq!(all.iter().map(|one| one.is_behind).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(all.iter().map(|one| one.kind.as_deref()).collect::<Vec<_>>(), [Some("a"), None, Some("b")]);
    assert_eq!(keys(&store.listeners(Some(all[0].key), 1).await.unwrap()), [(run, 3, 1)]);

    // One that is not meant for the first of them, says whoever looked.
    store.advance_listeners(vec![(all[0].key, 2), (all[1].key, 0)]).await.unwrap();
    assert_eq!(store.listeners_of(run).await.unwrap(), [(3, 1), (7, 1)], "the least of a task's rows counts");
    let read = EventChanges { listeners_read: vec![(3, 2), (7, 0)], ..EventChanges::default() };
    store.append(Append { event_changes: read, ..step(run, 2, RunStatus::Waiting) }).await.unwrap();
    assert_eq!(store.listeners_of(run).await.unwrap(), [(3, 2), (7, 1)], "a cursor never goes back");

    // A run that came back asks again for what it had asked for.
    let append =
        Append { event_changes: set(vec![listener(7, &[Some("b")])]), ..step(run, 3, RunStatus::Waiting) };
    store.append(append).await.unwrap();
    assert_eq!(store.listeners_of(run).await.unwrap(), [(3, 2), (7, 1)]);
    let cleared = EventChanges { listeners_cleared: vec![3, 99], ..EventChanges::default() };
    store.append(Append { event_changes: cleared, ..step(run, 4, RunStatus::Waiting) }).await.unwrap();
    assert_eq!(store.listeners_of(run).await.unwrap(), [(7, 1)]);
    store.append(step(run, 5, RunStatus::Cancelled)).await.unwrap();
    assert_eq!(store.listeners_count().await.unwrap(), 0, "an end clears them all");
}

#[tokio::test]
async fn a_refused_append_changes_no_listener_and_publishes_nothing() {
    let world = World::new();
    let account = world.account_id();
    let run = listening(&world, account, vec![listener(1, &[None])]).await;
    let changes = EventChanges {
        listeners_cleared: vec![1],
        listeners_set: vec![listener(2, &[None])],
        published: vec![event("a", "1")],
        ..EventChanges::default()
    };
    let stale = Append { event_changes: changes.clone(), ..step(run, 1, RunStatus::Waiting) };
    assert_eq!(world.store.append(stale).await, Err(Error::Stale(run)));
    assert_eq!(world.store.listeners_of(run).await.unwrap(), [(1, 0)]);
    assert_eq!(world.store.events_count(account).await, Ok(0));

    let append = Append { event_changes: changes.clone(), ..step(run, 2, RunStatus::Waiting) };
    world.store.append(append).await.unwrap();
    // A branch that listens meets a branch that emits at once.
    assert_eq!(world.store.listeners_of(run).await.unwrap(), [(2, 0)]);
    assert_eq!(page(&world, account, &[None], 0, 10).await.0, [1]);
    // The same again, as after a crash: the event is there already.
    let again = EventChanges { published: changes.published, ..EventChanges::default() };
    let append = Append { event_changes: again, ..step(run, 3, RunStatus::Waiting) };
    world.store.append(append).await.unwrap();
    assert_eq!(page(&world, account, &[None], 0, 10).await.0, [1]);
}

#[tokio::test]
async fn those_an_event_may_wake_are_found_page_by_page() {
    let world = World::new();
    let (account, other) = (world.account_id(), world.account_id());
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(listening(&world, account, vec![listener(1, &[Some("a")])]).await);
    }
    let any = listening(&world, account, vec![listener(1, &[None])]).await;
    listening(&world, other, vec![listener(1, &[Some("a")])]).await;
    publish(&world, account, &[("a", "1")]).await;
    let late = listening(&world, account, vec![listener(1, &[Some("a")])]).await;

    let found = async |kind: Option<&str>, seq| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let kind = kind.map(str::to_owned);
            let page = world.store.listeners_for(account, kind, seq, after, 2).await.unwrap();
            let Some(last) = page.last() else { return found };
            found.extend(page.iter().map(|listener| listener.key.run_id));
            after = Some(last.clone());
        }
    };
    runs.sort_unstable();
    assert_eq!(found(Some("a"), 1).await, runs, "not those that began later, or are another account's");
    assert_eq!(found(None, 1).await, [any]);
    assert_eq!(found(Some("x"), 1).await, []);
    assert_eq!(found(Some("a"), 2).await.last(), Some(&late));
}

#[tokio::test]
async fn old_events_go_unless_somebody_has_not_read_them() {
    let world = World::new();
    let account = world.account_id();
    let on = NewSchedule {
        anchor_at: NOW,
        next_due_at: None,
        on: Some(NewEventTrigger { kinds: vec![Some("t".to_owned())] }),
    };
    let workflow = world.saved(account, "on", Some(on)).await;
    let run = listening(&world, account, vec![listener(1, &[Some("a")])]).await;
    publish(&world, account, &[("a", "1"), ("b", "2"), ("t", "3")]).await;
    let mut young = event("b", "4");
    young.received_at = NOW + HOUR;
    world.store.publish_events(account, vec![young]).await.unwrap();

    assert_eq!(world.store.prune_events(NOW).await, Ok(0));
    assert_eq!(world.store.prune_events(NOW + HOUR).await, Ok(1));
    assert_eq!(page(&world, account, &[None], 0, 10).await.0, [1, 3, 4]);
    let was = world.store.triggers_behind(None, None, 10).await.unwrap().remove(0);
    assert_eq!(was.workflow_id, workflow);
    world.store.move_trigger(TriggerMove { was, after_seq: 3, state: None }).await.unwrap();
    world.store.append(step(run, 2, RunStatus::Completed)).await.unwrap();
    assert_eq!(world.store.prune_events(NOW + HOUR).await, Ok(2));
    assert_eq!(page(&world, account, &[None], 0, 10).await.0, [4]);
    world.store.prune_events(NOW + HOUR * 2).await.unwrap();
    assert_eq!(publish(&world, account, &[("a", "5")]).await, [Some(5)], "a number is never given twice");
}

#[tokio::test]
async fn what_is_more_than_is_kept_for_a_listener_is_let_go_and_counted() {
    let world = World::new();
    let account = world.account_id();
    let store = &world.store;
    // Two interests in one type, as filters of a task may be, and one in any.
    let run = listening(
        &world,
        account,
        vec![listener(1, &[Some("a"), Some("a")]), listener(2, &[Some("b")]), listener(3, &[None])],
    )
    .await;
    let other = listening(&world, account, vec![listener(1, &[Some("a")])]).await;
    publish(&world, account, &[("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")]).await;
    let mut young = event("a", "5");
    young.received_at = NOW + HOUR;
    store.publish_events(account, vec![young]).await.unwrap();
    publish(&world, world.account_id(), &[("a", "1"), ("a", "2")]).await;
    let bound = |count| UnreadBound { count, counted_before: NOW + HOUR, kept_since: NOW };
    let all = store.listeners(None, 10).await.unwrap();
    let of = |run, effect, place| find(&all, ListenerKey { run_id: run, effect, place });

    // Events 1, 3 and 4 are old, and 5 isn't counted.
    assert_eq!(store.let_go_unread(of(run, 1, 0), bound(3)).await, Ok(0));
    assert_eq!(store.let_go_unread(of(run, 1, 0), bound(2)).await, Ok(1));
    assert_eq!(store.let_go_unread(of(run, 1, 0), bound(0)).await, Ok(0), "somebody has moved it meanwhile");
    assert_eq!(store.lost_events_of(run).await, Ok(1));
    assert_eq!(store.let_go_unread(of(run, 1, 1), bound(2)).await, Ok(1));
    assert_eq!(store.lost_events_of(run).await, Ok(1), "one event, for two interests of the task");
    assert_eq!(store.let_go_unread(of(run, 2, 0), bound(1)).await, Ok(0));
    // Events of any type, the latest two of four.
    assert_eq!(store.let_go_unread(of(run, 3, 0), bound(2)).await, Ok(2));
    assert_eq!(store.lost_events_of(run).await, Ok(3));
    assert_eq!(store.listeners_of(run).await.unwrap(), [(1, 1), (2, 0), (3, 2)]);
    // However few they are, those that are too old go.
    let old = UnreadBound { kept_since: NOW + HOUR, ..bound(10) };
    let again = store.listeners(None, 10).await.unwrap();
    for place in [0, 1] {
        let listener = find(&again, ListenerKey { run_id: run, effect: 1, place });
        assert_eq!(store.let_go_unread(listener, old).await, Ok(2));
    }
    assert_eq!(store.listeners_of(run).await.unwrap(), [(1, 4), (2, 0), (3, 2)]);
    assert_eq!(store.lost_events_of(run).await, Ok(5));
    assert_eq!(store.lost_events_of(other).await, Ok(0));
    assert_eq!(store.listeners_of(other).await.unwrap(), [(1, 0)]);
}

#[tokio::test]
async fn a_trigger_moves_with_the_run_that_it_starts_or_not_at_all() {
    let world = World::new();
    let account = world.account_id();
    publish(&world, account, &[("a", "0")]).await;
    let on = |kinds: &[Option<&str>]| {
        let kinds = kinds.iter().map(|kind| kind.map(str::to_owned)).collect();
        Some(NewSchedule { anchor_at: NOW, next_due_at: None, on: Some(NewEventTrigger { kinds }) })
    };
    let workflow = world.saved(account, "on", on(&[Some("a"), Some("b")])).await;
    let any = world.saved(account, "any", on(&[None])).await;
    let store = &world.store;
    assert_eq!(store.triggers_behind(None, None, 10).await.unwrap(), [], "what came before is not seen");

    publish(&world, account, &[("c", "1")]).await;
    let behind = async || -> Vec<EventTrigger> {
        let mut all = store.triggers_behind(Some(account), None, 10).await.unwrap();
        assert_eq!(store.triggers_behind(None, None, 10).await.unwrap(), all);
        all.sort_by_key(|trigger| trigger.workflow_id != workflow);
        all
    };
    assert_eq!(behind().await.iter().map(|one| one.workflow_id).collect::<Vec<_>>(), [any]);
    publish(&world, account, &[("b", "2")]).await;
    let was = behind().await.remove(0);
    assert_eq!((was.workflow_id, was.after_seq, was.state.as_deref()), (workflow, 1, None));
    let stepped = TriggerMove { was: was.clone(), after_seq: 3, state: Some("{}".to_owned()) };
    let mut new = world.run(account, workflow, NOW);
    new.firing = Some(Firing::Events(stepped.clone()));
    let mut twin = world.run(account, workflow, NOW);
    twin.firing.clone_from(&new.firing);
    assert_eq!(store.accept_run(new).await, Ok(Accepted::New));
    assert_eq!(store.trigger_cursor(workflow).await, Ok(Some(3)));
    let second = twin.run.id;
    assert_eq!(store.accept_run(twin).await, Err(Error::Conflict(Conflict::TriggerMoved)));
    assert_eq!(store.run(None, second).await, Ok(None));
    assert_eq!(store.move_trigger(stepped).await, Ok(false));

    // A new version goes on where the old one was, with nothing kept.
    publish(&world, account, &[("x", "3")]).await;
    let version = crate::support::version(workflow, "2.0.0", NOW + HOUR);
    assert!(store.add_version(account, version, None, on(&[Some("x")])).await.unwrap());
    let was = behind().await.remove(0);
    assert_eq!((was.version.as_str(), was.after_seq, was.state.as_deref()), ("2.0.0", 3, None));
    assert!(store.delete_workflow(account, workflow, NOW).await.unwrap());
    assert_eq!(store.trigger_cursor(workflow).await, Ok(None));
    assert_eq!(behind().await.iter().map(|one| one.workflow_id).collect::<Vec<_>>(), [any]);
}
