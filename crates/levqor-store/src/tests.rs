//! One call of everything, for tests that look at all statements at once.

mod alerts;
mod business;
mod incidents;
mod jobs;
mod metrics;
mod status;
mod trust;

use std::time::Duration;

use levqor_model::{
    AccountId, ApprovalId, InvitationId, KeyId, KeyPurpose, LinkId, NodeId, Overlap, Priority, RegionCode,
    Residency, RingKeyId, Role, RunId, RunStatus, SeededRandom, SessionId, Timestamp, TriggerKind, UserId,
    WebhookId, WorkflowId,
};

use crate::{
    Store,
    accounts::{Account, Membership, User},
    ai_requests::AiRequest,
    approvals::{ApprovalChanges, Decision, NewApproval},
    audit::Filter,
    counters::Increment,
    event_triggers::{EventTrigger, NewEventTrigger, TriggerMove},
    events::NewEvent,
    foreign_identities::ForeignIdentity,
    health::Sample,
    idempotency::StoredAnswer,
    invitations::{Bounds, Invitation},
    keyring::{NewKey, Reseal, SealHead, Turn},
    keys::{ApiKey, Rotation},
    listeners::{EventChanges, Listener, NewInterest, NewListener, UnreadBound},
    nodes::NewNode,
    queue::{Assumed, Claimer, ConcurrencyKey, Gate},
    rates::{Asked, Quota},
    reputation::Errors,
    runs::{Append, Due, Firing, LeftRuns, NewRun, Run, RunFilter, Taker},
    schedules::Passed,
    secrets::SealedSecret,
    sessions::{Link, Session},
    state::{StateAction, StateCall},
    timers::Timer,
    webhooks::{Webhook, WebhookMessage},
    workflows::{NewSchedule, Version, Workflow},
};

const NOW: Timestamp = Timestamp::from_seconds(1_795_502_901);

/// Calls every method of the store, each so that it gets as far as it can.
pub(crate) async fn touch_everything(store: &Store) {
    let random = SeededRandom::new(11);
    let account = AccountId::new(NOW, &random);
    touch_people(store, account, &random).await;
    let workflow = touch_workflows(store, account, &random).await;
    touch_runs(store, account, workflow, &random).await;
    touch_events(store, account, workflow, &random).await;
    touch_operations(store, account, &random).await;
    touch_audit(store, account, &random).await;
    touch_keyring(store, account, &random).await;
    // Before others have anything to tell.
    alerts::touch_alerts(store, &random).await;
    alerts::touch_notifications(store, &random).await;
    jobs::touch_jobs(store, account, &random).await;
    status::touch_status(store, &random).await;
    trust::touch_drift(store, &random).await;
    trust::touch_probes(store, &random).await;
    incidents::touch_incidents(store, &random).await;
    trust::touch_tamper(store, &random).await;
    business::touch_business(store, &random).await;
    metrics::touch_metrics(store).await;
}

async fn touch_keyring(store: &Store, account: AccountId, random: &SeededRandom) {
    let new = |tag: &str, purpose| NewKey {
        id: RingKeyId::new(NOW, random),
        purpose,
        tag: tag.to_owned(),
        sealed: vec![1],
    };
    let head =
        || SealHead { bytes: vec![1; 9], text: "AQEBAQEBAQEB".to_owned(), agreements: &["agreed", "other"] };
    let all = |tag: &str| KeyPurpose::ALL.iter().map(|purpose| new(tag, *purpose)).collect::<Vec<_>>();
    let known = all("known");
    store.webhook_keys().await.unwrap();
    store.keyring_traces("agreed", &["other"]).await.unwrap();
    store.found_keyring(all("fresh"), known.clone(), NOW, Duration::ZERO).await.unwrap();
    let turn = Turn { overlap: Duration::ZERO, migration: 22 };
    store.turn_keyring(turn, NOW).await.unwrap();
    for key in &known {
        store.retire_ring_key(key.id, head(), NOW).await.unwrap();
    }
    for tag in ["a", "b"] {
        store.publish_ring_key(new(tag, KeyPurpose::Sealing), NOW, Duration::from_secs(60)).await.unwrap();
    }
    for key in store.keyring_history().await.unwrap() {
        store.key_uses(&key, head()).await.unwrap();
        store.ring_key(key.id).await.unwrap();
        store.revoke_ring_key(key.id, new(&format!("{}'", key.tag), key.purpose), head(), NOW).await.unwrap();
    }
    store.keyring(None).await.unwrap();
    store.keyring(Some(1)).await.unwrap();
    store.secrets_sealed_under(head(), None, 10).await.unwrap();
    let secrets = store.all_sealed_secrets(None, 10).await.unwrap();
    store.all_sealed_secrets(secrets.first().map(SealedSecret::place), 10).await.unwrap();
    let reseal =
        Reseal { account_id: account, name: "key".to_owned(), version: 1, was: vec![1], sealed: vec![1] };
    store.seal_secrets_again("t".to_owned(), vec![reseal]).await.unwrap();
    let text = || "a".to_owned();
    store.agree_sealed("agreed", text(), text()).await.unwrap();
    store.seal_agreement_again("agreed", text(), text(), text()).await.unwrap();
    store.agreement("agreed").await.unwrap();
    store.seal_keys_again(vec![(RingKeyId::new(NOW, random), vec![1], vec![2])], NOW).await.unwrap();
    store.prune_keyring(NOW).await.unwrap();
    store.abandon_keyring(all("last"), &["agreed"], NOW).await.unwrap();
}

fn event(id: &str) -> NewEvent {
    NewEvent {
        id: id.to_owned(),
        source: "s".to_owned(),
        kind: "a".to_owned(),
        received_at: NOW,
        body: "{}".to_owned(),
    }
}

async fn touch_people(store: &Store, account: AccountId, random: &SeededRandom) {
    let (name, hash) = ("name".to_owned(), [1; 32]);
    let new = Account { id: account, name: name.clone(), plan: name.clone(), created_at: NOW };
    store.create_account(new).await.unwrap();
    store.account(account).await.unwrap();
    store.accounts_count().await.unwrap();
    let user = UserId::new(NOW, random);
    store.create_user(User { id: user, email: name.clone(), operator: true, created_at: NOW }).await.unwrap();
    store.user(user).await.unwrap();
    store.user_by_email(name.clone()).await.unwrap();
    store
        .add_member(Membership { account_id: account, user_id: user, role: Role::Owner }, NOW)
        .await
        .unwrap();
    store.memberships_of(user).await.unwrap();

    let key = ApiKey {
        id: KeyId::new(NOW, random),
        account_id: account,
        name: name.clone(),
        prefix: name,
        hash,
        role: Role::Owner,
        operator: true,
        created_at: NOW,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        scopes: None,
        previous: None,
        rotated_at: None,
        created_by: None,
    };
    store.create_key(key.clone()).await.unwrap();
    store.key_by_hash(hash).await.unwrap();
    store.key_by_hash([9; 32]).await.unwrap();
    store.key(account, key.id).await.unwrap();
    let rotation = Rotation { prefix: "b".to_owned(), hash: [8; 32], at: NOW, previous_ends_at: NOW };
    store.rotate_key(account, key.id, rotation).await.unwrap();
    store.keys_of(account, None, 10).await.unwrap();
    store.touch_keys(vec![(key.id, NOW)]).await.unwrap();
    let spare = ApiKey { id: KeyId::new(NOW, random), hash: [7; 32], ..key.clone() };
    store.create_key(spare).await.unwrap();
    store.live_keys(account, NOW).await.unwrap();
    store.forget_ended_keys(account, NOW).await.unwrap();
    store.revoke_key(account, key.id, NOW).await.unwrap();

    let secret = SealedSecret {
        account_id: account,
        name: "key".to_owned(),
        version: store.next_secret_version(account, "key".to_owned()).await.unwrap(),
        sealed: vec![1],
        set_at: NOW,
    };
    store.set_secret(secret.clone(), "t".to_owned(), 10).await.unwrap();
    store
        .set_secret(SealedSecret { version: secret.version + 1, ..secret }, "t".to_owned(), 10)
        .await
        .unwrap();
    store.secrets_of(account, None, 10).await.unwrap();
    store.current_secret_versions(account, vec!["key".to_owned()]).await.unwrap();
    store.sealed_secrets(account, vec!["key".to_owned()]).await.unwrap();
    store.delete_secret(account, "key".to_owned(), NOW).await.unwrap();
    store.prune_secrets(NOW).await.unwrap();

    let link = Link { id: LinkId::new(NOW, random), user_id: user, hash, created_at: NOW, expires_at: NOW };
    store.create_link(link).await.unwrap();
    store.use_link(hash, NOW).await.unwrap();
    let session = Session {
        id: SessionId::new(NOW, random),
        user_id: user,
        account_id: account,
        hash,
        created_at: NOW,
        last_seen_at: NOW,
        expires_at: NOW + Duration::from_secs(1),
        network: None,
        browser: None,
    };
    store.create_session(session.clone(), None).await.unwrap();
    let next = Session { id: SessionId::new(NOW, random), hash: [2; 32], ..session.clone() };
    store.create_session(next.clone(), Some(session.id)).await.unwrap();
    store.session_by_hash(hash, NOW).await.unwrap();
    store.sessions_of(user, NOW, NOW).await.unwrap();
    store.touch_session(session.id, NOW).await.unwrap();
    let replaced = SessionId::new(NOW, random);
    store.replace_session(next.id, replaced, [3; 32], account, NOW).await.unwrap();
    store.revoke_other_sessions(user, replaced, NOW).await.unwrap();
    store.revoke_session_of(user, replaced, NOW).await.unwrap();
    store.revoke_sessions_in(account, user, NOW).await.unwrap();
    store.end_sessions_of(user, NOW).await.unwrap();
    store.end_sessions(Some(replaced), None, NOW, 10).await.unwrap();
    touch_members(store, account, user, random).await;
    store.prune_sign_in(NOW).await.unwrap();
}

async fn touch_members(store: &Store, account: AccountId, user: UserId, random: &SeededRandom) {
    let (own, newcomer) = (AccountId::new(NOW, random), UserId::new(NOW, random));
    let new = Account { id: own, name: "n".to_owned(), plan: "p".to_owned(), created_at: NOW };
    let person = User { id: newcomer, email: "n@example.com".to_owned(), operator: false, created_at: NOW };
    let membership = Membership { account_id: own, user_id: newcomer, role: Role::Owner };
    store.open_account(new, person, membership).await.unwrap();
    store.rename_account(account, "other".to_owned(), NOW).await.unwrap();
    store.accounts_of(user).await.unwrap();
    let later = NOW + Duration::from_secs(60);
    let invitation = |number: u8| Invitation {
        id: InvitationId::new(NOW, random),
        account_id: account,
        email: format!("{number}@example.com"),
        role: Role::Owner,
        hash: [number; 32],
        invited_by: user.to_string(),
        mailed: true,
        created_at: NOW,
        expires_at: later,
    };
    let bounds = Bounds { open: 10, since: NOW - Duration::from_secs(1), made_since: 10 };
    for number in 0..4 {
        store.create_invitation(invitation(number), bounds).await.unwrap();
    }
    let open = store.invitations_of(account, None, 10).await.unwrap();
    store.invitation_by_hash([0; 32], NOW).await.unwrap();
    store.revoke_invitation(account, open[3].id, NOW).await.unwrap();
    let others = [UserId::new(NOW, random), UserId::new(NOW, random)];
    store.accept_invitation([0; 32], others[0], NOW).await.unwrap();
    let offers = store.invitations_to("1@example.com".to_owned(), NOW, 10).await.unwrap();
    let offered = offers.first().map_or(open[1].id, |offer| offer.invitation.id);
    store.accept_invitation_to(offered, "1@example.com".to_owned(), others[1], NOW).await.unwrap();
    store.members_of(account, None, 10).await.unwrap();
    store.member(account, user).await.unwrap();
    store.member_by_email(account, "0@example.com".to_owned()).await.unwrap();
    store.change_role(account, user, (Role::Owner, Role::Viewer), None, NOW).await.unwrap();
    store.remove_member(account, user, Role::Viewer, NOW).await.unwrap();
    store.prune_invitations(NOW).await.unwrap();
    let bound =
        ForeignIdentity { issuer: "i".to_owned(), subject: "s".to_owned(), user_id: user, created_at: NOW };
    store.bind_foreign_user(bound).await.unwrap();
    store.foreign_user("i".to_owned(), "s".to_owned()).await.unwrap();
    store.spend_state([1; 32], NOW).await.unwrap();
    store.prune_states(NOW).await.unwrap();
}

async fn touch_workflows(store: &Store, account: AccountId, random: &SeededRandom) -> WorkflowId {
    let id = WorkflowId::new(NOW, random);
    let workflow = Workflow {
        id,
        account_id: account,
        namespace: "default".to_owned(),
        name: "hello".to_owned(),
        version: "1".to_owned(),
        title: None,
        created_at: NOW,
        updated_at: NOW,
    };
    let version = |version: &str| Version {
        workflow_id: id,
        version: version.to_owned(),
        definition: "{}".to_owned(),
        source: None,
        functions: None,
        created_at: NOW,
    };
    let schedule = Some(NewSchedule {
        anchor_at: NOW,
        next_due_at: Some(NOW),
        on: Some(NewEventTrigger { kinds: vec![None, Some("a".to_owned())] }),
    });
    store.create_workflow(workflow, version("1"), None).await.unwrap();
    store.add_version(account, version("2"), None, schedule).await.unwrap();
    store.workflow(account, id).await.unwrap();
    store.workflow_by_name(account, "default".to_owned(), "hello".to_owned()).await.unwrap();
    store.workflows_of(account, None, 10).await.unwrap();
    store.workflows_of(account, Some(id), 10).await.unwrap();
    store.workflows_count(None).await.unwrap();
    store.workflows_count(Some(account)).await.unwrap();
    store.version(id, "1".to_owned()).await.unwrap();
    store.versions_of(account, id, None, 10).await.unwrap();
    store.due_schedules(NOW, 10).await.unwrap();
    store.next_schedule_due().await.unwrap();
    store.schedule_next(id).await.unwrap();
    store.set_schedule_due(id, Some(NOW), None).await.unwrap();
    store.set_schedule_due(id, None, Some(NOW)).await.unwrap();
    store.delete_workflow(account, WorkflowId::new(NOW, random), NOW).await.unwrap();
    id
}

async fn touch_runs(store: &Store, account: AccountId, workflow: WorkflowId, random: &SeededRandom) {
    let parent = RunId::new(NOW, random);
    let run = |with_parent: bool| Run {
        id: RunId::new(NOW, random),
        account_id: account,
        workflow_id: workflow,
        namespace: "default".to_owned(),
        name: "hello".to_owned(),
        version: "1".to_owned(),
        status: RunStatus::Pending,
        trigger: TriggerKind::Manual,
        region: "eu-west".parse().unwrap(),
        home_region: "eu-west".parse().unwrap(),
        residency: Residency::Anywhere,
        waiting_for: None,
        parent: with_parent.then_some((parent, 1)),
        depth: 0,
        retry_of: None,
        created_at: NOW,
        started_at: None,
        ended_at: None,
        owner: None,
        epoch: 1,
        next_seq: 0,
        priority: Priority::default(),
        concurrency_key: None,
    };
    let new = |run: Run, firing| NewRun {
        run,
        input: "{}".to_owned(),
        events: Some("[]".to_owned()),
        firing,
        day: NOW.date(),
        claim: None,
        keeps_first_entry: false,
    };
    let due = Due { due_at: NOW, next_due_at: None, overlap: Overlap::AllowAll, was_buffered: false };
    let firing = Some(Firing::Due(due));
    let first = run(false);
    store.accept_run(new(first.clone(), firing.clone())).await.unwrap();
    store.accept_run(new(run(false), firing)).await.unwrap();
    store.accept_run(new(first.clone(), None)).await.unwrap();
    store.accept_run(new(run(true), None)).await.unwrap();
    store.accept_run(new(run(true), None)).await.unwrap();
    let message = WebhookMessage { webhook_id: WebhookId::new(NOW, random), message_id: "m".to_owned() };
    for _ in 0..2 {
        store.accept_run(new(run(false), Some(Firing::Message(message.clone())))).await.unwrap();
    }
    store.firing(workflow, NOW).await.unwrap();

    let approval = ApprovalId::new(NOW, random);
    let step = |seq, status| Append {
        run_id: first.id,
        epoch: 1,
        seq,
        at: NOW,
        region: "eu-west".parse().unwrap(),
        events: Some("[]".to_owned()),
        status,
        waiting_for: None,
        started_at: None,
        ended_at: None,
        output: Some("{}".to_owned()),
        error: Some("{}".to_owned()),
        timers_set: vec![(1, NOW)],
        timers_cleared: vec![2],
        event_changes: EventChanges {
            listeners_set: vec![NewListener {
                effect: 3,
                interests: vec![NewInterest { kind: None, interest: "{}".to_owned() }],
            }],
            listeners_read: vec![(3, 9)],
            listeners_cleared: vec![4],
            published: vec![event("appended")],
            told: vec!["{}".to_owned()],
        },
        approval_changes: ApprovalChanges {
            asked: vec![NewApproval {
                id: approval,
                effect: 5,
                task: "ask".to_owned(),
                title: "Pay?".to_owned(),
                message: None,
                data: None,
            }],
            closed: vec![6],
            unanswered: vec![6],
            all_closed: seq == 3,
        },
    };
    let node = NodeId::new(NOW, random);
    store.append(step(1, RunStatus::Running)).await.unwrap();
    store.append(step(2, RunStatus::Running)).await.unwrap();
    let timer = Timer { run_id: first.id, effect: 0, due_at: NOW };
    store.due_timers(None, NOW, 10).await.unwrap();
    store.due_timers(Some(timer), NOW, 10).await.unwrap();
    store.timers_of(first.id).await.unwrap();
    store.timers_count().await.unwrap();
    touch_listeners(store, account).await;
    touch_own_functions(store, account, first.id, approval).await;
    store.append(step(3, RunStatus::Faulted)).await.unwrap();
    store
        .reopen_run(first.id, 2, node, 4, NOW, "eu-west".parse().unwrap(), "[]".to_owned(), gate(None, true))
        .await
        .unwrap();
    store.own_run(first.id, node, 3).await.unwrap();
    store.own_live_runs(node, 4, NOW).await.unwrap();
    store.runs_to_drive(None, 10).await.unwrap();
    store.live_runs(None, 10).await.unwrap();
    store.run(None, first.id).await.unwrap();
    store.payloads(first.id).await.unwrap();
    store.journal(first.id, None, 10).await.unwrap();
    store.runs_of(Some(account), RunFilter::default(), None, 10).await.unwrap();
    store.run_counts(None).await.unwrap();
    store.run_counts(Some(account)).await.unwrap();
    store.live_runs_count(account).await.unwrap();
    store.children_of(parent, None, 10).await.unwrap();
    let step = |seq, status| Append { epoch: 2, ..step(seq, status) };
    store.append(step(5, RunStatus::Suspended)).await.unwrap();
    store.append_again(step(6, RunStatus::Running), gate(None, true)).await.unwrap();
    store.append(step(7, RunStatus::Completed)).await.unwrap();
    store.own_run(first.id, node, 5).await.unwrap();
    store.payloads(first.id).await.unwrap();
    store.archive_ended_runs().await.unwrap();
    store.retention_by_workflow(None, 10).await.unwrap();
    store.newest_pruned_run(account).await.unwrap();
    store.prune_runs(workflow, NOW).await.unwrap();
    store.delete_run(account, first.id, NOW).await.unwrap();
    store.release_disk().await.unwrap();
    store.prune_firings(NOW).await.unwrap();
    touch_queue(store, workflow, random, new, step, run(false), run(true)).await;
}

fn gate(key: Option<&str>, has_place: bool) -> Gate {
    Gate {
        key: key.map(|text| ConcurrencyKey { text: text.to_owned(), limit: 1 }),
        has_place,
        running_max: 100,
        queued_max: 100,
        queued_total_max: 100,
        stride: 1,
        assumed: None,
    }
}

async fn touch_queue(
    store: &Store,
    workflow: WorkflowId,
    random: &SeededRandom,
    new: impl Fn(Run, Option<Firing>) -> NewRun,
    step: impl Fn(i64, RunStatus) -> Append,
    plain: Run,
    child: Run,
) {
    let gate = |has_place| gate(Some("one"), has_place);
    let minutes = |count: u64| NOW + std::time::Duration::from_secs(60 * count);
    let due = |minute, was_buffered| {
        Some(Firing::Due(Due {
            due_at: minutes(minute),
            next_due_at: Some(minutes(minute + 1)),
            overlap: Overlap::CancelOther,
            was_buffered,
        }))
    };
    let (run, node) = (plain.id, NodeId::new(NOW, random));
    let queued = NewRun { keeps_first_entry: true, ..new(plain.clone(), None) };
    store.admit_run(queued, gate(false), None).await.unwrap();
    store.first_entry(run).await.unwrap();
    // It waits for the key, and makes the one that has it urgent.
    let child = Run { parent: child.parent.map(|(parent, _)| (parent, 2)), ..child };
    store.admit_run(new(child, None), gate(true), None).await.unwrap();
    store.queue_position(run).await.unwrap();
    let assumed = Some(Assumed { version: None });
    store.admit_run(new(plain.clone(), None), Gate { assumed, ..gate(false) }, None).await.unwrap();
    let full = Gate { queued_max: 0, ..gate(false) };
    let message = WebhookMessage { webhook_id: WebhookId::new(NOW, random), message_id: "m".to_owned() };
    store.admit_run(new(plain.clone(), Some(Firing::Message(message))), full.clone(), None).await.unwrap();
    let was = EventTrigger {
        workflow_id: workflow,
        account_id: plain.account_id,
        version: "2".to_owned(),
        after_seq: 0,
        state: None,
    };
    let moved = Firing::Events(TriggerMove { was, after_seq: 0, state: None });
    let _ = store.admit_run(new(plain.clone(), Some(moved)), full, None).await;
    store.is_queued(run).await.unwrap();
    store.queue_is_ready().await.unwrap();
    store.queue_load().await.unwrap();
    let claimer =
        Claimer { node, epoch: 9, region: "eu-west".parse().unwrap(), alone: true, begun_only: false };
    for running_max in [0, 100] {
        store.claim_runs(claimer.clone(), 10, running_max, NOW).await.unwrap();
    }
    let begins = Append { run_id: run, epoch: 9, ..step(0, RunStatus::Running) };
    store.append(begins).await.unwrap();
    store.pass_over(workflow, NOW, None, Passed { missed: 1, skipped: 1 }).await.unwrap();
    store.schedule_state(workflow).await.unwrap();
    store.set_schedule_due(workflow, None, Some(minutes(1))).await.unwrap();
    for (minute, was_buffered) in [(1, false), (2, false), (2, true)] {
        let scheduled = Run {
            id: RunId::new(NOW, &SeededRandom::new(100 + minute)),
            trigger: TriggerKind::Schedule,
            parent: None,
            ..plain.clone()
        };
        let firing = due(minute, was_buffered);
        store.admit_run(new(scheduled, firing), gate(true), None).await.unwrap();
    }
    store.released_firings(10).await.unwrap();
    store.runs_in_the_way(10).await.unwrap();
    store.drop_buffered(workflow, minutes(2)).await.unwrap();
}

async fn touch_listeners(store: &Store, account: AccountId) {
    let listeners = store.listeners(None, 10).await.unwrap();
    let last = listeners.last().cloned().unwrap();
    store.listeners(Some(last.key), 10).await.unwrap();
    store.listeners_of(last.key.run_id).await.unwrap();
    store.listeners_for(account, None, 9, None, 10).await.unwrap();
    store.listeners_for(account, None, 9, Some(last.clone()), 10).await.unwrap();
    store.advance_listeners(vec![(last.key, 1)]).await.unwrap();
    let bound = UnreadBound { count: 1, counted_before: NOW, kept_since: NOW };
    for kind in [None, Some("a".to_owned())] {
        store.let_go_unread(&Listener { kind, ..last.clone() }, bound).await.unwrap();
    }
    store.lost_events_of(last.key.run_id).await.unwrap();
    store.listeners_count().await.unwrap();
}

async fn touch_events(store: &Store, account: AccountId, workflow: WorkflowId, random: &SeededRandom) {
    for _ in 0..2 {
        store.publish_events(account, vec![event("published")]).await.unwrap();
    }
    for kinds in [vec![None], vec![Some("a".to_owned())]] {
        store.events_after(account, kinds, 0, 10).await.unwrap();
    }
    store.events_count(account).await.unwrap();
    store.triggers_behind(Some(account), None, 10).await.unwrap();
    store.triggers_behind(None, Some(workflow), 10).await.unwrap();
    store.trigger_cursor(workflow).await.unwrap();
    let was = EventTrigger {
        workflow_id: workflow,
        account_id: account,
        version: "2".to_owned(),
        after_seq: 0,
        state: None,
    };
    store.move_trigger(TriggerMove { was, after_seq: 1, state: None }).await.unwrap();
    store.prune_events(NOW).await.unwrap();
    let waiting = store.sink_events(1).await.unwrap();
    store.sink_load().await.unwrap();
    store.sink_has(waiting[0].seq).await.unwrap();
    store.prune_sink_events(NOW, 1_000).await.unwrap();

    let id = WebhookId::new(NOW, random);
    let webhook = Webhook {
        id,
        account_id: account,
        workflow_id: workflow,
        name: "a".to_owned(),
        hash: [1; 32],
        signed: true,
        generation: 1,
        secret_key: "0".to_owned(),
        created_at: NOW,
        rotated_at: None,
        last_used_at: None,
    };
    store.create_webhook(webhook, 10).await.unwrap();
    store.webhook_by_hash([1; 32]).await.unwrap();
    store.webhooks_of(account, workflow, 10).await.unwrap();
    store.rotate_webhook(account, workflow, id, [2; 32], "0".to_owned(), NOW).await.unwrap();
    store.touch_webhook(id, NOW).await.unwrap();
    store.webhook_run(WebhookMessage { webhook_id: id, message_id: "m".to_owned() }).await.unwrap();
    store.prune_webhook_messages(NOW).await.unwrap();
    store.delete_webhook(account, workflow, id, NOW).await.unwrap();
}

async fn touch_audit(store: &Store, account: AccountId, random: &SeededRandom) {
    let store = store.recording_as(NodeId::new(NOW, random), &"eu-west".parse().unwrap());
    store
        .note_wish(account, RunId::new(NOW, random), "run.cancel_asked", serde_json::json!({}), NOW)
        .await
        .unwrap();
    let details = |_: &levqor_model::audit::Record, _| "{}".to_owned();
    assert!(store.add_checkpoint(NOW, details).await.unwrap());
    for chain in store.audit_chains().await.unwrap() {
        store.audit_strays(chain.clone(), 10).await.unwrap();
        store.audit_chain(chain, 0, 1).await.unwrap();
    }
    store.audit_heads().await.unwrap();
    let filter = Filter { account: Some(account), kind: Some("run".to_owned()), ..Filter::default() };
    store.audit_records(filter, None, 1).await.unwrap();
}

async fn touch_nodes(store: &Store, node: NodeId, random: &SeededRandom) {
    const LEASE: Duration = Duration::from_secs(1);
    let region: RegionCode = "eu-west".parse().unwrap();
    let new =
        |id, alone| NewNode { id, region: region.clone(), version: "1".to_owned(), lease: LEASE, alone };
    let other = NodeId::new(NOW, random);
    let epoch = store.register_node(new(node, true), NOW).await.unwrap();
    store.register_node(new(other, false), NOW - LEASE * 9).await.unwrap();
    store.renew_node(node, epoch, NOW, LEASE).await.unwrap();
    store.nodes(None).await.unwrap();
    store.nodes(Some(NOW)).await.unwrap();
    store.take_duty("sink", node, NOW).await.unwrap();
    store.take_duty("sink", node, NOW).await.unwrap();
    store.agree("secret", "1".to_owned()).await.unwrap();
    let acting = store.acting_as(node);
    let run = RunId::new(NOW, random);
    acting.nudge(run, "1".to_owned(), NOW).await.unwrap();
    acting.take_nudges(node, 1).await.unwrap();
    acting.condemn_nodes(node, NOW).await.unwrap();
    acting.left_runs().await.unwrap();
    let left = LeftRuns {
        node: other,
        region: region.clone(),
        home_region: region.clone(),
        residency: Residency::Anywhere,
        runs: 1,
    };
    let taker = Taker { node, epoch, region: region.clone() };
    acting.take_over(left, taker, None, 1, NOW).await.unwrap();
    acting.node_emptied(other, NOW).await.unwrap();
    acting.regions_away(node, region.clone()).await.unwrap();
    acting.hand_back(node, region, node, vec![run], 1, "1".to_owned(), NOW).await.unwrap();
    acting.owned_runs().await.unwrap();
    acting.takeovers(1).await.unwrap();
    acting.newest_event().await.unwrap();
    acting.events_since(0, 1).await.unwrap();
    acting.runs_to_drive(None, 1).await.unwrap();
    acting.due_timers(None, NOW, 1).await.unwrap();
    acting.stop_node(node, NOW).await.unwrap();
}

async fn touch_operations(store: &Store, account: AccountId, random: &SeededRandom) {
    let (day, node) = (NOW.date(), NodeId::new(NOW, random));
    store.add_ai_credits(None, day, 1).await.unwrap();
    for account in [None, Some(account)] {
        store.usage(account, day, day).await.unwrap();
        store.usage_days(account, day, day).await.unwrap();
    }
    touch_nodes(store, node, random).await;

    let (scope, key) = ("scope".to_owned(), "key".to_owned());
    for _ in 0..2 {
        store.claim_idempotency(node, scope.clone(), key.clone(), [1; 32], NOW, NOW).await.unwrap();
    }
    let claim = crate::idempotency::KeyClaim { scope: scope.clone(), key: key.clone() };
    let run = RunId::new(NOW, random);
    store
        .write(move |session| {
            crate::idempotency::run_of(session, &claim)?;
            crate::idempotency::lead_to(session, &claim, run)
        })
        .await
        .unwrap();
    let answer = StoredAnswer {
        request_hash: [1; 32],
        status: 200,
        content_type: "text/plain".to_owned(),
        body: Vec::new(),
    };
    store.finish_idempotency(scope.clone(), key.clone(), answer).await.unwrap();
    store.release_idempotency(scope, key).await.unwrap();
    store.prune_idempotency(NOW).await.unwrap();

    store.add_counts(vec![Increment { name: "requests", at: NOW, by: 1 }]).await.unwrap();
    store.totals().await.unwrap();
    store.buckets_since(NOW).await.unwrap();
    store.prune_buckets(NOW).await.unwrap();

    let request = AiRequest {
        at: NOW,
        account_id: Some(account),
        region: "eu-west".parse().unwrap(),
        kind: "chat".to_owned(),
        backend: "built-in".to_owned(),
        language: "en".to_owned(),
        success: true,
        credits: 1,
        latency_us: 1,
    };
    store.meter_ai(request, Some("run/do/0".to_owned())).await.unwrap();
    store.ai_call_credits("run/do/0".to_owned()).await.unwrap();
    store.ai_requests(None, None, 10).await.unwrap();
    store.ai_requests(Some(account), None, 10).await.unwrap();
    store.prune_ai_requests(NOW).await.unwrap();

    let sample = Sample {
        region: "eu-west".parse().unwrap(),
        node,
        component: "api".to_owned(),
        at: NOW,
        good: true,
        latency_us: None,
        reason: None,
    };
    store.add_samples(vec![sample]).await.unwrap();
    store.latest_samples().await.unwrap();
    store.sample_days(day).await.unwrap();
    store.first_sample_at("eu-west".parse().unwrap()).await.unwrap();
    // The sample of now lies ahead of that.
    store.drop_samples_ahead(NOW - std::time::Duration::from_secs(60)).await.unwrap();
    store.prune_samples(NOW).await.unwrap();
    store.readiness().await;
    touch_callers(store).await;
}

/// What nodes tell each other of callers.
async fn touch_callers(store: &Store) {
    let region: RegionCode = "eu-west".parse().unwrap();
    let quota = Quota { name: "anonymous", step_us: 600_000, window_us: 60_000_000 };
    for owed_us in [0, 600_000] {
        let asked = vec![Asked { caller: 7, owed_us, wanted: 2 }];
        store.take_rates(region.clone(), quota, asked, NOW).await.unwrap();
    }
    store.rates_since(region.clone(), None, NOW, 10).await.unwrap();
    store.prune_rates(NOW).await.unwrap();
    for _ in 0..2 {
        let told = Errors { network: "192.0.2.1".to_owned(), slot: NOW, errors: 1 };
        store.add_address_errors(region.clone(), vec![told]).await.unwrap();
    }
    store.errors_of_suspects(region, NOW, 1).await.unwrap();
    store.pardon_address("192.0.2.1".parse().unwrap(), NOW).await.unwrap();
    store.address_pardons(NOW).await.unwrap();
    store.prune_addresses(NOW).await.unwrap();
}

/// What the server's own functions keep.
async fn touch_own_functions(store: &Store, account: AccountId, run: RunId, approval: ApprovalId) {
    store.approval(account, approval).await.unwrap();
    store.approval_of(run, 5).await.unwrap();
    store.approval_effects_of(run).await.unwrap();
    store.answers_for(run).await.unwrap();
    store.runs_with_answers(None, 10).await.unwrap();
    store.approvals_of(account, true, None, 10).await.unwrap();
    store.approvals_of(account, false, None, 10).await.unwrap();
    let decision = Decision { approved: true, by: "me".to_owned(), comment: None, at: NOW };
    store.decide_approval(account, approval, decision).await.unwrap();
    let value = || "1".to_owned();
    for (number, action) in [
        StateAction::Get,
        StateAction::Set { value: value() },
        StateAction::CompareAndSet { expected: None, value: value() },
        StateAction::Delete,
    ]
    .into_iter()
    .enumerate()
    {
        let call = StateCall {
            account_id: account,
            run_id: run,
            call_key: format!("key-{number}"),
            key: "key".to_owned(),
            action,
            at: NOW,
            keys_max: 10,
        };
        store.state_call(call).await.unwrap();
    }
    store.prune_state_calls(NOW).await.unwrap();
    store.lifecycle_subscribers().await.unwrap();
}
