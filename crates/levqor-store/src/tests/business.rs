//! What touches the nouns of people outside: leads, page events, tickets, consultations, feedback.

use std::time::Duration;

use levqor_model::{
    ConsultationId, ConsultationState, FeedbackId, LeadId, NotificationId, SeededRandom, Severity, TicketId,
    TicketState,
};
use serde_json::json;

use super::NOW;
use crate::{
    Store,
    consultations::Consultation,
    notifications::{NewNotification, Target},
    page_events::PageEvents,
    tickets::Ticket,
    trial_feedback::TrialFeedback,
};

pub(super) async fn touch_business(store: &Store, random: &SeededRandom) {
    let told = |dedup: &str| NewNotification {
        id: NotificationId::new(NOW, random),
        dedup: dedup.to_owned(),
        target: Target::Route("support".to_owned()),
        severity: Severity::Minor,
        subject: "s".to_owned(),
        body: "b".to_owned(),
        data: json!({}),
        at: NOW,
    };
    store.notify(vec![told("told")]).await.unwrap();
    let lead = LeadId::new(NOW, random);
    for _ in 0..2 {
        store.keep_lead(lead, "a@b.example".to_owned(), "s".to_owned(), true, NOW).await.unwrap();
    }
    store.leads(None, 10).await.unwrap();
    store.leads(Some(lead), 10).await.unwrap();
    store.lead_sources(NOW, NOW + Duration::from_secs(1)).await.unwrap();
    store.forget_lead(lead, NOW).await.unwrap();
    let event = PageEvents {
        day: NOW.date(),
        kind: "page_view".to_owned(),
        page: "/".to_owned(),
        target: String::new(),
        source: String::new(),
        events: 1,
    };
    for _ in 0..2 {
        store.add_page_events(vec![event.clone()]).await.unwrap();
    }
    store.page_sums(NOW.date(), NOW.date()).await.unwrap();
    store.prune_page_events(NOW.date()).await.unwrap();
    let ticket = Ticket {
        id: TicketId::new(NOW, random),
        account: None,
        email: "a@b.example".to_owned(),
        subject: "s".to_owned(),
        message: "m".to_owned(),
        created_at: NOW,
        respond_by: NOW,
        state: TicketState::Open,
        answered_at: None,
        ended_at: None,
    };
    store.open_ticket(ticket.clone(), told("ticket")).await.unwrap();
    store.tickets(TicketState::Open, None, 10).await.unwrap();
    store.tickets(TicketState::Open, Some((NOW, ticket.id)), 10).await.unwrap();
    store.ticket_load(NOW).await.unwrap();
    for _ in 0..2 {
        store.move_ticket(ticket.id, TicketState::Answered, NOW).await.unwrap();
    }
    let consultation = Consultation {
        id: ConsultationId::new(NOW, random),
        account: None,
        email: "a@b.example".to_owned(),
        name: "n".to_owned(),
        topic: "t".to_owned(),
        begins_at: NOW,
        created_at: NOW,
        state: ConsultationState::Booked,
        ended_at: None,
    };
    store.book_consultation(consultation.clone(), told("consultation"), 3).await.unwrap();
    store.consultations(ConsultationState::Booked, None, 10).await.unwrap();
    store.consultations(ConsultationState::Booked, Some((NOW, consultation.id)), 10).await.unwrap();
    for _ in 0..2 {
        store.end_consultation(consultation.id, ConsultationState::Held, NOW).await.unwrap();
    }
    let feedback = TrialFeedback {
        id: FeedbackId::new(NOW, random),
        account: None,
        rating: 4,
        comment: String::new(),
        created_at: NOW,
    };
    store.keep_trial_feedback(feedback.clone()).await.unwrap();
    store.trial_feedback(None, 10).await.unwrap();
    store.trial_feedback(Some(feedback.id), 10).await.unwrap();
    store.trial_ratings(NOW, NOW + Duration::from_secs(1)).await.unwrap();
    store.forget_person("a@b.example".to_owned(), NOW).await.unwrap();
    store.prune_requests(NOW).await.unwrap();
}
