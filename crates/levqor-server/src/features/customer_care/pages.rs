//! `/admin/customers`: what people ask of us, and what came of what they looked at.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use levqor_model::{ConsultationId, ConsultationState, TicketId, TicketState, Timestamp};
use levqor_store::{consultations::Consultation, page_events::SourceSums, tickets::Ticket};
use maud::{Markup, html};

use super::service;
use crate::{
    App, Problem,
    features::marketing::service::{Funnel, funnel},
    gateway::{Id, PageActor},
    pages::{
        Button, FormData, Page, Section, View,
        components::{
            badge::{Tone, badge},
            form,
            note::{empty, page_head},
            table::table,
            time::{ago, moment},
        },
        count,
    },
};

/// Rows of each table; the API pages through the rest.
const ROWS: usize = 50;
/// Days that are summed up.
const DAYS: i64 = 30;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/customers", get(page))
        .route("/admin/customers/tickets/{id}/answer", post(answered))
        .route("/admin/customers/tickets/{id}/close", post(closed))
        .route("/admin/customers/consultations/{id}/held", post(held))
        .route("/admin/customers/consultations/{id}/cancel", post(cancelled))
}

async fn page(State(app): State<App>, page: PageActor, view: View) -> Result<Markup, Problem> {
    let store = app.store.views();
    let tickets = store.tickets(TicketState::Open, None, ROWS).await?;
    let load = store.ticket_load(app.now()).await?;
    let consultations = store.consultations(ConsultationState::Booked, None, ROWS).await?;
    let today = app.now().date();
    let funnel = funnel(&app, today.plus_days(1 - DAYS), today).await?;
    let ratings = store.trial_ratings(today.plus_days(1 - DAYS).start(), app.now()).await?;
    let body = html! {
        (page_head("Customers", &html! {
            (count(load.open)) " open support requests, " (count(load.late)) " late. "
            a href="/docs/customers" { "How it works" }
        }, &html! {}))
        div.stack {
            section.card aria-labelledby="tickets" {
                header { h2 id="tickets" { "Support requests" } }
                @if tickets.is_empty() {
                    (empty("check-ring", "Nobody waits", "Requests that the assistant cannot answer come here.", &html! {}))
                } @else {
                    (table("Support requests", &[("Request", false), ("From", false), ("Answer by", false), ("", false)], &html! {
                        @for ticket in &tickets { (ticket_row(&page, ticket, view.now)) }
                    }))
                }
            }
            section.card aria-labelledby="consultations" {
                header { h2 id="consultations" { "Consultations" } }
                @if consultations.is_empty() {
                    (empty("people", "None is booked", "People book them on the page about support, or by the API.", &html! {}))
                } @else {
                    (table("Consultations", &[("About", false), ("With", false), ("Begins", false), ("", false)], &html! {
                        @for one in &consultations { (consultation_row(&page, one)) }
                    }))
                }
            }
            (funnel_card(&funnel))
            (ratings_card(&ratings))
        }
    };
    Ok(Page::new("Customers", Section::Customers, body).render(&view))
}

fn button(page: &PageActor, action: &str, word: &str) -> Markup {
    html! {
        form.inline-form method="post" action=(action) {
            (form::csrf(&page.csrf))
            button.button.slim type="submit" { (word) }
        }
    }
}

fn ticket_row(page: &PageActor, ticket: &Ticket, now: Timestamp) -> Markup {
    let path = format!("/admin/customers/tickets/{}", ticket.id);
    html! {
        tr {
            th scope="row" {
                details {
                    summary { (ticket.subject) }
                    p.preserve { (ticket.message) }
                    div.small.faint { code { (ticket.id) } " · " (ago(ticket.created_at, now)) }
                }
            }
            td data-label="From" { (ticket.email) }
            td data-label="Answer by" {
                @if ticket.is_late(now) { (badge(Tone::Bad, "alert", "late")) " " }
                (moment(ticket.respond_by))
            }
            td {
                (button(page, &format!("{path}/answer"), "Answered"))
                (button(page, &format!("{path}/close"), "Close"))
            }
        }
    }
}

fn consultation_row(page: &PageActor, one: &Consultation) -> Markup {
    let path = format!("/admin/customers/consultations/{}", one.id);
    html! {
        tr {
            th scope="row" { (one.topic) }
            td data-label="With" { (one.name) div.small.faint { (one.email) } }
            td data-label="Begins" { (moment(one.begins_at)) }
            td {
                (button(page, &format!("{path}/held"), "Held"))
                (button(page, &format!("{path}/cancel"), "Cancel"))
            }
        }
    }
}

fn funnel_card(funnel: &Funnel) -> Markup {
    let lists = [
        ("Pages looked at", &funnel.views),
        ("Clicks", &funnel.clicks),
        ("New leads by source", &funnel.leads),
    ];
    html! {
        section.card aria-labelledby="funnel" {
            header { h2 id="funnel" { "The last " (DAYS) " days" } }
            @for (title, list) in lists {
                @if list.is_empty() {
                    p.body.quiet { (title) ": none." }
                } @else {
                    (table(title, &[(title, false), ("Count", true)], &html! {
                        @for (name, number) in list.iter().take(ROWS) {
                            tr { th scope="row" { (name) } td.num data-label="Count" { (count(*number)) } }
                        }
                    }))
                }
            }
            @if funnel.campaigns.is_empty() {
                p.body.quiet { "Campaigns: nobody who agreed to say it came by one." }
            } @else {
                (table("Campaigns", &[("Campaign", false), ("Pages looked at", true), ("Clicks", true)], &html! {
                    @for SourceSums { source, views, clicks } in funnel.campaigns.iter().take(ROWS) {
                        tr {
                            th scope="row" { (source) }
                            td.num data-label="Pages looked at" { (count(*views)) }
                            td.num data-label="Clicks" { (count(*clicks)) }
                        }
                    }
                }))
            }
        }
    }
}

fn ratings_card(ratings: &[(u32, i64)]) -> Markup {
    let given: i64 = ratings.iter().map(|(_, number)| number).sum();
    let sum: i64 = ratings.iter().map(|(rating, number)| i64::from(*rating) * number).sum();
    html! {
        section.card aria-labelledby="ratings" {
            header { h2 id="ratings" { "What people think of the trial" } }
            p.body {
                @if given == 0 {
                    "Nobody said anything in the last " (DAYS) " days."
                } @else {
                    (format!("{:.1}", sum as f64 / given as f64)) " of 5, from " (count(given)) " answers in the last " (DAYS) " days."
                }
            }
        }
    }
}

async fn moved(
    app: &App,
    page: &PageActor,
    form: &Button,
    id: TicketId,
    to: TicketState,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::move_ticket(app, id, to).await?;
    Ok(Redirect::to("/admin/customers").into_response())
}

async fn answered(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<TicketId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    moved(&app, &page, &form, id, TicketState::Answered).await
}

async fn closed(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<TicketId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    moved(&app, &page, &form, id, TicketState::Closed).await
}

async fn ended(
    app: &App,
    page: &PageActor,
    form: &Button,
    id: ConsultationId,
    to: ConsultationState,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::end_consultation(app, id, to).await?;
    Ok(Redirect::to("/admin/customers").into_response())
}

async fn held(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<ConsultationId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    ended(&app, &page, &form, id, ConsultationState::Held).await
}

async fn cancelled(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<ConsultationId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    ended(&app, &page, &form, id, ConsultationState::Cancelled).await
}
