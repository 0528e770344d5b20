//! What people outside leave: kept once, counted without anybody in it, and told to whoever is to answer.

use std::time::Duration;

use levqor_model::{
    ConsultationId, ConsultationState, LeadId, NotificationId, SeededRandom, Severity, TicketId, TicketState,
    Timestamp,
};
use levqor_store::{
    audit::Filter,
    consultations::{Booked, Consultation},
    notifications::{NewNotification, Target},
    page_events::{PageEvents, PageSums, SourceSums},
    people::Forgotten,
    tickets::{Ticket, TicketLoad},
};
use serde_json::json;

use crate::support::{NOW, World};

fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn told(about: &str) -> NewNotification {
    // Another one for each thing that is told.
    let number =
        about.bytes().fold(7_u64, |number, byte| number.wrapping_mul(31).wrapping_add(u64::from(byte)));
    NewNotification {
        id: NotificationId::new(NOW, &SeededRandom::new(number)),
        dedup: about.to_owned(),
        target: Target::Route("support".to_owned()),
        severity: Severity::Minor,
        subject: about.to_owned(),
        body: String::new(),
        data: json!({}),
        at: NOW,
    }
}

async fn kinds(world: &World) -> Vec<String> {
    let records = world.store.audit_records(Filter::default(), None, 100).await.unwrap();
    records.into_iter().map(|record| record.kind).rev().collect()
}

#[tokio::test]
async fn a_lead_is_kept_once_and_keeps_where_it_came_from() {
    let world = World::new();
    let (store, random) = (&world.store, SeededRandom::new(1));
    let keep = async |email: &str, source: &str, consent, at| {
        store
            .keep_lead(LeadId::new(at, &random), email.to_owned(), source.to_owned(), consent, at)
            .await
            .unwrap()
    };
    assert!(keep("ada@example.com", "pricing", false, NOW).await);
    assert!(!keep("ada@example.com", "newsletter", true, after(10)).await);
    assert!(keep("bob@example.com", "pricing", false, after(20)).await);
    let leads = store.leads(None, 10).await.unwrap();
    let shown: Vec<_> = leads
        .iter()
        .map(|lead| (lead.email.as_str(), lead.source.as_str(), lead.consent, lead.times))
        .collect();
    assert_eq!(shown, [("bob@example.com", "pricing", false, 1), ("ada@example.com", "pricing", true, 2)]);
    assert_eq!(store.leads(Some(leads[0].id), 10).await.unwrap(), leads[1..]);
    assert_eq!(store.lead_sources(NOW, after(21)).await.unwrap(), [("pricing".to_owned(), 2)]);
    assert_eq!(store.lead_sources(after(1), after(20)).await.unwrap(), []);
    assert!(store.forget_lead(leads[1].id, after(30)).await.unwrap());
    assert!(!store.forget_lead(leads[1].id, after(30)).await.unwrap());
    assert_eq!(store.leads(None, 10).await.unwrap(), leads[..1]);
    // Who agrees, or does so no more, is in the log; who only comes again is not.
    assert_eq!(kinds(&world).await, ["lead.kept", "lead.consent_changed", "lead.kept", "lead.forgotten"]);
}

#[tokio::test]
async fn page_events_are_sums_and_bounded() {
    let world = World::new();
    let event = |page: &str, events| PageEvents {
        day: NOW.date(),
        kind: "page_view".to_owned(),
        page: page.to_owned(),
        target: String::new(),
        source: String::new(),
        events,
    };
    world.store.add_page_events(vec![event("/a", 2), event("/b", 1), event("/a", 3)]).await.unwrap();
    let (before, day) = (NOW.date().plus_days(-1), NOW.date());
    let sums = world.store.page_sums(before, day).await.unwrap();
    assert_eq!(sums.views, [("/a".to_owned(), 5), ("/b".to_owned(), 1)]);
    assert_eq!(sums.sources, [], "nobody said by which campaign they came");
    let by =
        |source: &str, events| PageEvents { source: source.to_owned(), day: before, ..event("/c", events) };
    let bought = PageEvents { kind: "cta_click".to_owned(), target: "buy".to_owned(), ..by("may", 1) };
    world.store.add_page_events(vec![by("may", 2), by("june", 4), by("may", 3), bought]).await.unwrap();
    let sums = world.store.page_sums(before, before).await.unwrap();
    let of = |source: &str, views, clicks| SourceSums { source: source.to_owned(), views, clicks };
    assert_eq!(sums.sources, [of("may", 5, 1), of("june", 4, 0)]);
    // Somebody makes up pages: what they cost ends.
    let made_up: Vec<_> = (0..2_500).map(|number| event(&format!("/made-up-{number}"), 1)).collect();
    world.store.add_page_events(made_up).await.unwrap();
    let click = PageEvents { kind: "cta_click".to_owned(), target: "trial".to_owned(), ..event("/a", 2) };
    let yesterday = PageEvents { day: before, ..click.clone() };
    world.store.add_page_events(vec![click, yesterday]).await.unwrap();
    let sums = world.store.page_sums(day, day).await.unwrap();
    assert_eq!(sums.sources, [], "and what is too much has come by none");
    assert_eq!((sums.all_views, sums.views.len()), (2_506, 1_000), "none is lost, and not all are named");
    // 2,000 kinds have rows of their own.
    assert_eq!(sums.views[..2], [("other".to_owned(), 502), ("/a".to_owned(), 5)]);
    // The kinds of the day were used up by what was made up.
    assert_eq!(sums.clicks, [("other".to_owned(), 2)]);
    let clicks = world.store.page_sums(before, before).await.unwrap().clicks;
    assert_eq!(clicks, [("trial".to_owned(), 2), ("buy".to_owned(), 1)]);
    world.store.prune_page_events(NOW.date().plus_days(1)).await.unwrap();
    assert_eq!(world.store.page_sums(before, day).await.unwrap(), PageSums::default());
}

#[tokio::test]
async fn tickets_wait_by_urgency_and_leave_records() {
    let world = World::new();
    let (store, random) = (&world.store, SeededRandom::new(2));
    let ticket = |respond_by| Ticket {
        id: TicketId::new(NOW, &random),
        account: None,
        email: "ada@example.com".to_owned(),
        subject: "s".to_owned(),
        message: "m".to_owned(),
        created_at: NOW,
        respond_by,
        state: TicketState::Open,
        answered_at: None,
        ended_at: None,
    };
    let (late, early) = (ticket(after(100)), ticket(after(10)));
    store.open_ticket(late.clone(), told("late")).await.unwrap();
    store.open_ticket(early.clone(), told("early")).await.unwrap();
    assert_eq!(store.tickets(TicketState::Open, None, 10).await.unwrap(), [early.clone(), late.clone()]);
    let rest = store.tickets(TicketState::Open, Some((early.respond_by, early.id)), 10).await.unwrap();
    assert_eq!(rest, std::slice::from_ref(&late));
    assert_eq!(store.ticket_load(after(11)).await.unwrap(), TicketLoad { open: 2, late: 1 });
    let moved = store.move_ticket(early.id, TicketState::Answered, after(12)).await.unwrap().unwrap();
    assert_eq!((moved.state, moved.answered_at), (TicketState::Answered, Some(after(12))));
    // A second answer changes nothing and leaves no record.
    assert_eq!(
        store.move_ticket(early.id, TicketState::Answered, after(99)).await.unwrap(),
        Some(moved.clone())
    );
    let closed = store.move_ticket(early.id, TicketState::Closed, after(13)).await.unwrap().unwrap();
    assert_eq!((closed.answered_at, closed.ended_at), (Some(after(12)), Some(after(13))));
    let opened = store.move_ticket(early.id, TicketState::Open, after(14)).await.unwrap().unwrap();
    assert_eq!((opened.state, opened.ended_at), (TicketState::Open, None));
    // Its first answer came late and is never late anew; the other's time is not over yet.
    assert_eq!(store.ticket_load(after(50)).await.unwrap(), TicketLoad { open: 2, late: 0 });
    let again = store.move_ticket(early.id, TicketState::Answered, after(90)).await.unwrap().unwrap();
    assert_eq!(again.answered_at, Some(after(12)), "the plan promises the first answer");
    store.move_ticket(late.id, TicketState::Closed, after(101)).await.unwrap();
    let records = store.audit_records(Filter::default(), None, 100).await.unwrap();
    let last: serde_json::Value = serde_json::from_str(&records[0].details).unwrap();
    assert_eq!(
        (records[0].kind.as_str(), &last["in_time"]),
        ("ticket.closed", &json!(false)),
        "nobody answered it"
    );
    let nobody = TicketId::new(after(1), &SeededRandom::new(9));
    assert_eq!(store.move_ticket(nobody, TicketState::Closed, NOW).await.unwrap(), None);
    assert_eq!(
        kinds(&world).await,
        [
            "ticket.opened",
            "ticket.opened",
            "ticket.answered",
            "ticket.closed",
            "ticket.reopened",
            "ticket.answered",
            "ticket.closed"
        ]
    );
}

#[tokio::test]
async fn an_address_books_few_consultations_and_each_ends_once() {
    let world = World::new();
    let (store, random) = (&world.store, SeededRandom::new(3));
    let consultation = |begins_at| Consultation {
        id: ConsultationId::new(NOW, &random),
        account: None,
        email: "ada@example.com".to_owned(),
        name: "Ada".to_owned(),
        topic: "t".to_owned(),
        begins_at,
        created_at: NOW,
        state: ConsultationState::Booked,
        ended_at: None,
    };
    let (first, second) = (consultation(after(200)), consultation(after(100)));
    let third = Consultation { created_at: after(13), ..consultation(after(300)) };
    let book = async |new: &Consultation| {
        store.book_consultation(new.clone(), told(&new.id.to_string()), 2).await.unwrap()
    };
    assert_eq!((book(&first).await, book(&second).await), (Booked::Done, Booked::Done));
    assert_eq!(book(&third).await, Booked::TooMany);
    let booked = store.consultations(ConsultationState::Booked, None, 10).await.unwrap();
    assert_eq!(booked, [second.clone(), first.clone()]);
    let (held, now) =
        store.end_consultation(second.id, ConsultationState::Held, after(11)).await.unwrap().unwrap();
    assert_eq!((held.state, held.ended_at, now), (ConsultationState::Held, Some(after(11)), true));
    let again = store.end_consultation(second.id, ConsultationState::Cancelled, after(12)).await.unwrap();
    assert_eq!(again, Some((held, false)), "what was said first stays");
    assert_eq!(book(&third).await, Booked::Done, "one fewer is ahead");
    assert_eq!(
        kinds(&world).await,
        ["consultation.booked", "consultation.booked", "consultation.held", "consultation.booked"]
    );
}

#[tokio::test]
async fn an_address_is_forgotten_with_all_that_is_kept_of_it_and_what_is_old_goes_by_itself() {
    let world = World::new();
    let (store, random) = (&world.store, SeededRandom::new(4));
    let ticket = |email: &str| Ticket {
        id: TicketId::new(NOW, &random),
        account: None,
        email: email.to_owned(),
        subject: "s".to_owned(),
        message: "m".to_owned(),
        created_at: NOW,
        respond_by: after(10),
        state: TicketState::Open,
        answered_at: None,
        ended_at: None,
    };
    let consultation = |email: &str| Consultation {
        id: ConsultationId::new(NOW, &random),
        account: None,
        email: email.to_owned(),
        name: "n".to_owned(),
        topic: "t".to_owned(),
        begins_at: after(100),
        created_at: NOW,
        state: ConsultationState::Booked,
        ended_at: None,
    };
    let (ada, bob) = ("ada@example.com", "bob@example.com");
    for email in [ada, bob] {
        store
            .keep_lead(LeadId::new(NOW, &random), email.to_owned(), "s".to_owned(), true, NOW)
            .await
            .unwrap();
        let (ticket, consultation) = (ticket(email), consultation(email));
        store.open_ticket(ticket.clone(), told(&ticket.id.to_string())).await.unwrap();
        let told = told(&consultation.id.to_string());
        store.book_consultation(consultation, told, 3).await.unwrap();
    }
    // Each goes to two destinations, and what these are called is changed while it waits: copies of copies.
    for _ in 0..2 {
        for one in store.claim_notifications(NOW, Duration::from_secs(30), 50, 0).await.unwrap() {
            let copies = ["team", "desk"].map(|name| (NotificationId::new(NOW, &random), name.to_owned()));
            assert!(store.split_notification((one.id, one.attempts), copies.to_vec(), NOW).await.unwrap());
        }
    }
    let forgotten = store.forget_person(ada.to_owned(), after(1)).await.unwrap();
    assert_eq!(forgotten, Forgotten { leads: 1, tickets: 1, consultations: 1, messages: 14 });
    let left = store.notifications(None, None, 50).await.unwrap();
    assert_eq!(left.len(), 14, "as many are about others: {left:?}");
    assert_eq!(store.forget_person(ada.to_owned(), after(2)).await.unwrap(), Forgotten::default());
    let records = store.audit_records(Filter::default(), None, 100).await.unwrap();
    let of: Vec<_> = records.iter().filter(|record| record.kind == "person.forgotten").collect();
    assert_eq!(of.iter().map(|record| record.subject.as_str()).collect::<Vec<_>>(), ["a…@example.com"]);
    let open = async || store.tickets(TicketState::Open, None, 10).await.unwrap();
    let booked = async || store.consultations(ConsultationState::Booked, None, 10).await.unwrap();
    assert_eq!(
        (open().await.len(), booked().await.len(), store.leads(None, 10).await.unwrap().len()),
        (1, 1, 1)
    );
    // One that waits for an answer stays, however old it is.
    store.prune_requests(after(1_000)).await.unwrap();
    let waits = open().await.remove(0);
    assert_eq!((waits.email.as_str(), booked().await.len()), (bob, 0));
    store.move_ticket(waits.id, TicketState::Answered, after(1_000)).await.unwrap();
    store.prune_requests(after(1_000)).await.unwrap();
    assert_eq!(store.tickets(TicketState::Answered, None, 10).await.unwrap().len(), 1);
    store.prune_requests(after(1_001)).await.unwrap();
    assert_eq!(store.tickets(TicketState::Answered, None, 10).await.unwrap(), []);
}
