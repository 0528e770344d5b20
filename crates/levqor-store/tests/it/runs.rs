//! Runs: accepted once, moved on only by their owner, counted and listed as they are.

use std::time::Duration;

use levqor_model::{Residency, RunId, RunStatus, TriggerKind};
use levqor_store::{
    Error,
    nodes::NewNode,
    queue::Admitted,
    runs::{Accepted, Append, Payloads, RunCounts, RunFilter},
    timers::Timer,
};

use crate::backend::Beside;
use crate::support::{NODE_EPOCH, NOW, World, open_gate, region, step};

#[tokio::test]
async fn a_run_is_read_back_as_it_was_accepted() {
    let world = World::new();
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let parent = world.run_id(NOW);
    let mut new = world.run(account, workflow, NOW);
    new.run.trigger = TriggerKind::Workflow;
    new.run.parent = Some((parent, 7));
    new.run.depth = 3;
    new.run.residency = Residency::Regions(vec![region("eu-west"), region("us-east")]);
    new.run.owner = Some(world.node_id());
    new.run.retry_of = Some(world.run_id(NOW));
    assert_eq!(world.store.accept_run(new.clone()).await, Ok(Accepted::New));

    let id = new.run.id;
    let mut expected = new.run.clone();
    expected.next_seq = 1;
    assert_eq!(world.store.run(Some(account), id).await, Ok(Some(expected)));
    assert_eq!(world.store.run(Some(world.account_id()), id).await, Ok(None));
    assert_eq!(world.store.run(None, parent).await, Ok(None));
    let journal = world.store.journal(id, None, 10).await.unwrap();
    assert_eq!(journal.len(), 1);
    assert_eq!((journal[0].seq, journal[0].events.as_str()), (0, r#"["accepted"]"#));
    let payloads = Payloads { input: new.input.clone(), output: None, error: None };
    assert_eq!(world.store.payloads(id).await, Ok(Some(payloads)));
    assert_eq!(world.store.usage(Some(account), new.day, new.day).await.unwrap().runs, 1);
}

#[tokio::test]
async fn a_run_without_events_has_its_first_entry_still_to_come() {
    let world = World::new();
    let mut new = world.run(world.account_id(), world.workflow_id(NOW), NOW);
    (new.events, new.run.next_seq) = (None, 9);
    world.store.accept_run(new.clone()).await.unwrap();
    assert_eq!(world.store.run(None, new.run.id).await.unwrap().unwrap().next_seq, 0);
    assert_eq!(world.store.journal(new.run.id, None, 10).await, Ok(vec![]));
    assert_eq!(world.store.append(step(new.run.id, 0, RunStatus::Running)).await, Ok(()));
}

#[tokio::test]
async fn the_same_start_is_accepted_once() {
    let world = World::new();
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let parent = world.run_id(NOW);
    let mut first = world.run(account, workflow, NOW);
    first.run.parent = Some((parent, 7));
    world.store.accept_run(first.clone()).await.unwrap();
    let already = Ok(Accepted::Already(first.run.id));

    assert_eq!(world.store.accept_run(first.clone()).await, already, "same id");
    let mut second = world.run(account, workflow, NOW);
    second.run.parent = Some((parent, 7));
    assert_eq!(world.store.accept_run(second.clone()).await, already, "same parent effect");
    assert_eq!(world.store.run(None, second.run.id).await, Ok(None));
    second.run.parent = Some((parent, 8));
    assert_eq!(world.store.accept_run(second).await, Ok(Accepted::New), "another effect");

    assert_eq!(world.store.usage(Some(account), NOW.date(), NOW.date()).await.unwrap().runs, 2);
    assert_eq!(world.store.run_counts(Some(account)).await.unwrap().pending, 2);
}

#[tokio::test]
async fn a_run_is_accepted_with_its_first_step_or_not_at_all() {
    let world = World::new();
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let new = world.run(account, workflow, NOW);
    let id = new.run.id;
    let mut end = step(id, 1, RunStatus::Completed);
    (end.events, end.output) = (None, Some("1".to_owned()));

    let late = step(id, 2, RunStatus::Completed);
    assert_eq!(world.store.admit_run(new.clone(), open_gate(), Some(late)).await, Err(Error::Stale(id)));
    assert_eq!(world.store.run(None, id).await, Ok(None));
    assert_eq!(world.store.usage(Some(account), NOW.date(), NOW.date()).await.unwrap().runs, 0);

    assert_eq!(
        world.store.admit_run(new.clone(), open_gate(), Some(end.clone())).await,
        Ok(Admitted::Running)
    );
    let run = world.store.run(None, id).await.unwrap().unwrap();
    assert_eq!((run.status, run.next_seq, run.ended_at), (RunStatus::Completed, 1, Some(NOW)));
    assert_eq!(world.store.payloads(id).await.unwrap().unwrap().output.as_deref(), Some("1"));
    assert_eq!(world.store.journal(id, None, 10).await.unwrap().len(), 1);
    assert_eq!(world.store.run_counts(Some(account)).await.unwrap().completed, 1);

    assert_eq!(world.store.admit_run(new, open_gate(), Some(end)).await, Ok(Admitted::Already(id)), "again");
    assert_eq!(world.store.run_counts(Some(account)).await.unwrap().completed, 1);
}

#[tokio::test]
async fn a_run_that_ends_as_it_is_accepted_is_as_any_other() {
    let world = World::new();
    let (account, workflow, parent) = (world.account_id(), world.workflow_id(NOW), world.run_id(NOW));
    let end = |id: RunId| Append {
        output: Some("{\"out\":1}".to_owned()),
        started_at: Some(NOW),
        ..step(id, 1, RunStatus::Completed)
    };
    let with_parent = |effect| {
        let mut new = world.run(account, workflow, NOW);
        new.run.parent = Some((parent, effect));
        new
    };
    // The same two steps, at once and one after the other.
    let (at_once, in_steps) = (with_parent(1), with_parent(2));
    let (one, other) = (at_once.run.id, in_steps.run.id);
    let accepted = world.store.admit_run(at_once.clone(), open_gate(), Some(end(one))).await;
    assert_eq!(accepted, Ok(Admitted::Running));
    world.store.admit_run(in_steps.clone(), open_gate(), None).await.unwrap();
    world.store.append(end(other)).await.unwrap();

    let mut rows = Vec::new();
    for id in [one, other] {
        let row = world.store.run(None, id).await.unwrap().unwrap();
        let payloads = world.store.payloads(id).await.unwrap();
        let journal = world.store.journal(id, None, 10).await.unwrap();
        rows.push((row, payloads, journal));
    }
    assert_eq!(rows[0].2.len(), 2);
    rows[1].0.id = one;
    rows[1].0.parent = Some((parent, 1));
    assert_eq!(rows[0], rows[1]);
    let counts = RunCounts { completed: 2, ..RunCounts::default() };
    assert_eq!(world.store.run_counts(Some(account)).await, Ok(counts));
    assert_eq!(world.store.usage(Some(account), NOW.date(), NOW.date()).await.unwrap().runs, 2);

    // Both names are taken, wherever the run that has them is.
    for effect in [1, 2] {
        let taken = with_parent(effect);
        let holder = if effect == 1 { one } else { other };
        let id = taken.run.id;
        let accepted = world.store.admit_run(taken, open_gate(), Some(end(id))).await;
        assert_eq!(accepted, Ok(Admitted::Already(holder)));
    }
    let live = with_parent(3);
    let holder = live.run.id;
    world.store.accept_run(live).await.unwrap();
    let taken = with_parent(3);
    let id = taken.run.id;
    let accepted = world.store.admit_run(taken, open_gate(), Some(end(id))).await;
    assert_eq!(accepted, Ok(Admitted::Already(holder)));
    assert_eq!(world.store.run_counts(Some(account)).await.unwrap().completed, 2);
}

#[tokio::test]
async fn an_append_moves_the_run_and_what_hangs_on_it() {
    let world = World::new();
    let new = world.run(world.account_id(), world.workflow_id(NOW), NOW);
    let (id, account) = (new.run.id, new.run.account_id);
    world.store.accept_run(new).await.unwrap();

    let due = NOW + Duration::from_secs(60);
    let waiting = Append {
        region: region("us-east"),
        waiting_for: Some("the timer".to_owned()),
        started_at: Some(NOW),
        timers_set: vec![(1, due), (2, due)],
        ..step(id, 1, RunStatus::Waiting)
    };
    world.store.append(waiting).await.unwrap();
    let run = world.store.run(None, id).await.unwrap().unwrap();
    assert_eq!((run.status, run.next_seq, run.started_at), (RunStatus::Waiting, 2, Some(NOW)));
    assert_eq!((run.region, run.waiting_for), (region("us-east"), Some("the timer".to_owned())));
    let timer = |effect| Timer { run_id: id, effect, due_at: due };
    assert_eq!(world.store.timers_of(id).await, Ok(vec![timer(1), timer(2)]));

    let cleared = Append { timers_cleared: vec![1, 99], ..step(id, 2, RunStatus::Running) };
    world.store.append(cleared).await.unwrap();
    assert_eq!(world.store.timers_of(id).await, Ok(vec![timer(2)]));

    let row_only = Append { events: None, ..step(id, 3, RunStatus::Suspended) };
    world.store.append(row_only).await.unwrap();
    assert_eq!(world.store.run(None, id).await.unwrap().unwrap().next_seq, 3);

    let ended = NOW + Duration::from_secs(5);
    let end = Append {
        ended_at: Some(ended),
        output: Some("{}".to_owned()),
        timers_set: vec![(3, due)],
        ..step(id, 3, RunStatus::Completed)
    };
    world.store.append(end).await.unwrap();
    let run = world.store.run(None, id).await.unwrap().unwrap();
    assert_eq!((run.status, run.started_at, run.ended_at), (RunStatus::Completed, Some(NOW), Some(ended)));
    assert_eq!(world.store.timers_of(id).await, Ok(vec![]), "an ended run wakes nobody");
    assert_eq!(world.store.payloads(id).await.unwrap().unwrap().output, Some("{}".to_owned()));
    let seqs: Vec<_> =
        world.store.journal(id, Some(0), 10).await.unwrap().iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    let counts = RunCounts { completed: 1, ..RunCounts::default() };
    assert_eq!(world.store.run_counts(Some(account)).await, Ok(counts));
    assert_eq!(world.store.run_counts(None).await, Ok(counts));
    assert_eq!(world.store.live_runs_count(account).await, Ok(0));
}

#[tokio::test]
async fn an_append_by_anyone_but_the_owner_at_the_place_is_stale() {
    let world = World::new();
    let new = world.run(world.account_id(), world.workflow_id(NOW), NOW);
    let id = new.run.id;
    world.store.accept_run(new).await.unwrap();
    let rows = [
        ("an older epoch", Append { epoch: NODE_EPOCH - 1, ..step(id, 1, RunStatus::Running) }),
        ("a newer epoch", Append { epoch: NODE_EPOCH + 1, ..step(id, 1, RunStatus::Running) }),
        ("a place that is taken", step(id, 0, RunStatus::Running)),
        ("a place too far", step(id, 2, RunStatus::Running)),
        ("row only, at another place", Append { events: None, ..step(id, 0, RunStatus::Running) }),
    ];
    let before = world.store.run(None, id).await;
    for (what, append) in rows {
        assert_eq!(world.store.append(append).await, Err(Error::Stale(id)), "{what}");
        assert_eq!(world.store.run(None, id).await, before, "{what}");
    }
    world.store.append(step(id, 1, RunStatus::Cancelled)).await.unwrap();
    assert_eq!(
        world.store.append(step(id, 2, RunStatus::Running)).await,
        Err(Error::Stale(id)),
        "a run that has ended"
    );
    let missing = world.run_id(NOW);
    assert_eq!(world.store.append(step(missing, 0, RunStatus::Running)).await, Err(Error::Stale(missing)));
}

#[tokio::test]
async fn only_a_faulted_run_is_reopened_and_only_once() {
    let world = World::new();
    let new = world.run(world.account_id(), world.workflow_id(NOW), NOW);
    let (id, node) = (new.run.id, world.node_id());
    let store = &world.store;
    store.accept_run(new).await.unwrap();
    let reopen =
        |seq| store.reopen_run(id, 5, node, seq, NOW, region("us-east"), "[]".to_owned(), open_gate());
    assert_eq!(reopen(1).await, Ok(false), "not faulted");
    let fault = Append { error: Some("{}".to_owned()), ..step(id, 1, RunStatus::Faulted) };
    store.append(fault).await.unwrap();
    assert_eq!(reopen(1).await, Ok(false), "has moved on");
    assert_eq!(reopen(2).await, Ok(true));
    assert_eq!(reopen(2).await, Ok(false), "once");
    let run = store.run(None, id).await.unwrap().unwrap();
    assert_eq!((run.status, run.ended_at, run.next_seq), (RunStatus::Running, None, 3));
    assert_eq!((run.owner, run.epoch, run.region), (Some(node), 5, region("us-east")));
    assert_eq!(store.payloads(id).await.unwrap().unwrap().error, None);
    assert_eq!(store.append(step(id, 3, RunStatus::Running)).await, Err(Error::Stale(id)), "the old owner");
    let counts = RunCounts { running: 1, ..RunCounts::default() };
    assert_eq!(store.run_counts(None).await, Ok(counts));
}

#[tokio::test]
async fn a_node_takes_over_what_no_living_one_has() {
    let world = World::new();
    let (account, workflow, node, lives) =
        (world.account_id(), world.workflow_id(NOW), world.node_id(), world.node_id());
    let living = NewNode {
        id: lives,
        region: region("eu-west"),
        version: "1".to_owned(),
        lease: Duration::from_secs(60),
        alone: false,
    };
    world.store.register_node(living, NOW).await.unwrap();
    let mut ids = Vec::new();
    for epoch in [0, 1, 2, 3] {
        let mut new = world.run(account, workflow, NOW + Duration::from_secs(ids.len() as u64));
        new.run.epoch = epoch;
        new.run.owner = (epoch == 3).then_some(lives);
        ids.push(new.run.id);
        world.store.accept_run(new).await.unwrap();
    }
    // The oldest has ended: nobody needs to own it.
    let end = Append { epoch: 0, ..step(ids[0], 1, RunStatus::Completed) };
    world.store.append(end).await.unwrap();
    assert_eq!(world.store.own_live_runs(node, 2, NOW).await, Ok(2));
    assert_eq!(world.store.own_live_runs(node, 2, NOW).await, Ok(0), "again takes nothing");
    let mut owners = Vec::new();
    for id in &ids {
        let run = world.store.run(None, *id).await.unwrap().unwrap();
        owners.push((run.owner, run.epoch));
    }
    assert_eq!(
        owners,
        [(None, 0), (Some(node), 2), (Some(node), 3), (Some(lives), 3)],
        "an epoch never stays"
    );

    assert_eq!(world.store.own_run(ids[3], node, 4).await, Ok(None), "its owner lives");
    assert_eq!(world.store.own_run(ids[0], node, 4).await, Ok(None), "it has ended");
    world.store.stop_node(lives, NOW).await.unwrap();
    let run = world.store.own_run(ids[3], node, 2).await.unwrap().unwrap();
    assert_eq!((run.owner, run.epoch), (Some(node), 4));
    let again = world.store.own_run(ids[3], node, 9).await.unwrap().unwrap();
    assert_eq!((again.owner, again.epoch), (Some(node), 4), "it had it");
    assert_eq!(world.store.own_run(world.run_id(NOW), node, 4).await, Ok(None));
}

#[tokio::test]
async fn the_runs_to_drive_come_oldest_first_and_page() {
    let world = World::new();
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let mut live = Vec::new();
    for (second, status) in RunStatus::ALL.iter().enumerate() {
        let new = world.run(account, workflow, NOW + Duration::from_secs(second as u64));
        let id = new.run.id;
        world.store.accept_run(new).await.unwrap();
        world.store.append(step(id, 1, *status)).await.unwrap();
        if matches!(status, RunStatus::Pending | RunStatus::Running) {
            live.push(id);
        }
    }
    let ids = |page: &levqor_store::runs::RunsToDrive| page.runs.iter().map(|run| run.id).collect::<Vec<_>>();
    let all = world.store.runs_to_drive(None, 10).await.unwrap();
    assert_eq!((ids(&all), all.next), (live.clone(), None));
    let first = world.store.runs_to_drive(None, 1).await.unwrap();
    assert_eq!((ids(&first), &first.next), (live[..1].to_vec(), &Some(live[0].to_string())));
    assert_eq!(ids(&world.store.runs_to_drive(first.next, 10).await.unwrap()), live[1..]);
    assert_eq!(world.store.live_runs_count(account).await, Ok(4));
}

#[tokio::test]
async fn lists_show_what_their_filter_says_newest_first() {
    let world = World::new();
    let accounts = [world.account_id(), world.account_id()];
    let workflows = [world.workflow_id(NOW), world.workflow_id(NOW)];
    let statuses = [RunStatus::Waiting, RunStatus::Completed, RunStatus::Faulted];
    let mut all = Vec::new();
    for number in 0..36_u64 {
        let at = NOW + Duration::from_secs(number * 3_600);
        let pick = number as usize;
        let mut new = world.run(accounts[pick % 2], workflows[pick / 2 % 2], at);
        new.run.region = region(if pick.is_multiple_of(5) { "us-east" } else { "eu-west" });
        let id = new.run.id;
        let append = Append { region: new.run.region.clone(), ..step(id, 1, statuses[pick % 3]) };
        world.store.accept_run(new).await.unwrap();
        world.store.append(append).await.unwrap();
        all.push(world.store.run(None, id).await.unwrap().unwrap());
    }
    all.reverse();

    let hour = |hours: u64| NOW + Duration::from_secs(hours * 3_600);
    let filters = [
        RunFilter::default(),
        RunFilter { workflow_id: Some(workflows[1]), ..RunFilter::default() },
        RunFilter { status: Some(RunStatus::Faulted), ..RunFilter::default() },
        RunFilter { status: Some(RunStatus::Waiting), ..RunFilter::default() },
        RunFilter { status: Some(RunStatus::Running), ..RunFilter::default() },
        RunFilter { region: Some(region("us-east")), ..RunFilter::default() },
        RunFilter { created_from: Some(hour(10)), ..RunFilter::default() },
        RunFilter { created_until: Some(hour(10)), ..RunFilter::default() },
        RunFilter {
            workflow_id: Some(workflows[0]),
            status: Some(RunStatus::Completed),
            region: Some(region("eu-west")),
            created_from: Some(hour(3)),
            created_until: Some(hour(30)),
        },
    ];
    for filter in &filters {
        for account in [None, Some(accounts[0]), Some(accounts[1]), Some(world.account_id())] {
            let expected: Vec<_> = all
                .iter()
                .filter(|run| account.is_none_or(|account| run.account_id == account))
                .filter(|run| filter.workflow_id.is_none_or(|workflow| run.workflow_id == workflow))
                .filter(|run| filter.status.is_none_or(|status| run.status == status))
                .filter(|run| filter.region.as_ref().is_none_or(|region| run.region == *region))
                .filter(|run| filter.created_from.is_none_or(|from| run.created_at >= from))
                .filter(|run| filter.created_until.is_none_or(|until| run.created_at <= until))
                .cloned()
                .collect();
            // Page by page gives the whole list, whatever the page's size.
            let mut found = Vec::new();
            loop {
                let before = found.last().map(|run: &levqor_store::runs::Run| run.id);
                let page = world.store.runs_of(account, filter.clone(), before, 4).await.unwrap();
                if page.is_empty() {
                    break;
                }
                assert!(page.len() <= 4);
                found.extend(page);
            }
            assert_eq!(found, expected, "{filter:?} of {account:?}");
        }
    }
}

#[tokio::test]
async fn extreme_times_in_a_filter_are_no_problem() {
    let world = World::new();
    let new = world.run(world.account_id(), world.workflow_id(NOW), NOW);
    world.store.accept_run(new).await.unwrap();
    let (first, last) =
        (levqor_model::Timestamp::from_micros(i64::MIN), levqor_model::Timestamp::from_micros(i64::MAX));
    let rows = [(first, last, 1), (last, first, 0), (first, first, 0), (last, last, 0)];
    for (from, until, expected) in rows {
        let filter =
            RunFilter { created_from: Some(from), created_until: Some(until), ..RunFilter::default() };
        assert_eq!(world.store.runs_of(None, filter, None, 10).await.unwrap().len(), expected);
    }
}

#[tokio::test]
async fn the_children_of_a_run_are_those_that_live() {
    let world = World::new();
    let (account, workflow, parent) = (world.account_id(), world.workflow_id(NOW), world.run_id(NOW));
    let mut children = Vec::new();
    for effect in 0..3 {
        let mut new = world.run(account, workflow, NOW + Duration::from_secs(effect));
        new.run.parent = Some((parent, effect));
        children.push(new.run.id);
        world.store.accept_run(new).await.unwrap();
    }
    world.store.append(step(children[1], 1, RunStatus::Completed)).await.unwrap();
    let ids = |runs: Vec<levqor_store::runs::Run>| runs.iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(ids(world.store.children_of(parent, None, 10).await.unwrap()), [children[0], children[2]]);
    assert_eq!(ids(world.store.children_of(parent, Some(children[0]), 10).await.unwrap()), [children[2]]);
    assert_eq!(ids(world.store.children_of(children[0], None, 10).await.unwrap()), []);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_hides_no_other() {
    let (options, beside) = Beside::new();
    let world = World::over(options);
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let mut ids = Vec::new();
    for second in 0..4 {
        let mut new = world.run(account, workflow, NOW + Duration::from_secs(second));
        new.run.parent = (second > 0).then(|| (ids[0], second));
        ids.push(new.run.id);
        world.store.accept_run(new).await.unwrap();
    }
    beside.change("UPDATE runs SET region = 'eu%west' WHERE run_id = $1", &ids[1].to_string());
    beside.change("UPDATE runs SET run_id = 'run_zzz' WHERE run_id = $1", &ids[3].to_string());

    let shown = |runs: &[levqor_store::runs::Run]| runs.iter().map(|run| run.id).collect::<Vec<_>>();
    let page = world.store.runs_to_drive(None, 10).await.unwrap();
    assert_eq!(shown(&page.runs), [ids[0], ids[2]]);
    let unreadable: Vec<_> = page.unreadable.iter().map(|row| row.id.clone()).collect();
    assert_eq!(unreadable, [ids[1].to_string(), "run_zzz".to_owned()]);
    assert!(page.unreadable[0].reason.starts_with("column region: "), "{:?}", page.unreadable);
    // Pages of one row: each says how to go on, also where its row cannot be read.
    let (mut next, mut seen) = (None, Vec::new());
    loop {
        let page = world.store.runs_to_drive(next, 1).await.unwrap();
        seen.extend(shown(&page.runs));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(seen, [ids[0], ids[2]]);

    // A full page, though the rows between its own are left out.
    let list = world.store.runs_of(Some(account), RunFilter::default(), None, 2).await.unwrap();
    assert_eq!(shown(&list), [ids[2], ids[0]]);
    assert_eq!(shown(&world.store.children_of(ids[0], None, 1).await.unwrap()), [ids[2]]);
}
