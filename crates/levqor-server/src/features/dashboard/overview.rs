//! `/dashboard`: today at a glance.

use axum::extract::State;
use levqor_model::{Plan, Role};
use maud::{Markup, html};

use super::{
    may,
    runs::{Rows, run_rows, short},
    service::{self, Overview, TODAY_MAX},
};
use crate::{
    App, Problem,
    gateway::PageActor,
    pages::{
        Page, Section, View,
        components::{
            charts::{meter, sparkline},
            icon::icon,
            note::{empty, page_head},
            time::ago,
        },
        count, plural,
    },
};

pub(super) async fn page(State(app): State<App>, page: PageActor, view: View) -> Result<Markup, Problem> {
    let overview = service::overview(&app, page.actor.account_id).await?;
    let create = html! {
        @if may(&page, Role::Editor) { a.button.primary href="/dashboard/workflows/new" { (icon("plus")) "New workflow" } }
    };
    let body = html! {
        (page_head("Overview", &html! { "Runs that began today (UTC), by their status now." }, &create))
        div.stack id="overview" data-live="on" data-refresh="15" {
            (today(&overview))
            div.grid.main-aside {
                div.stack {
                    section.card aria-labelledby="recent" {
                        header { h2 id="recent" { "Recent runs" } a.small href="/dashboard/runs" { "All runs" } }
                        @if overview.recent.is_empty() {
                            @if overview.workflows == 0 {
                                (empty("flow", "Nothing here yet", "Describe an automation in a sentence, look at the draft, and create it.", &create))
                            } @else {
                                (empty("runs", "No runs yet", "Start one of your workflows from its page.", &html! { a.button href="/dashboard/workflows" { "Workflows" } }))
                            }
                        } @else { (run_rows(&overview.recent, view.now, Rows::Short)) }
                    }
                    (failures(&overview, &view))
                }
                div.stack {
                    (due(&overview, &view))
                    (usage(&overview))
                }
            }
        }
    };
    Ok(Page::new("Overview", Section::Overview, body).refresh_every(Some(30)).render(&view))
}

fn today(overview: &Overview) -> Markup {
    let today = overview.today;
    let tiles = [
        ("Live", "turn", "tone-run", today.live, "/dashboard/runs?status=running"),
        ("Completed", "check-ring", "tone-good", today.completed, "/dashboard/runs?status=completed"),
        ("Faulted", "cross-ring", "tone-bad", today.faulted, "/dashboard/runs?status=faulted"),
        ("Cancelled", "stop", "tone-idle", today.cancelled, "/dashboard/runs?status=cancelled"),
    ];
    html! {
        section aria-label="Runs begun today" {
            div.tiles {
                @for (word, picture, tone, number, path) in tiles {
                    a href=(path) {
                        span.eyebrow { span class=(if number > 0 { tone } else { "" }) { (icon(picture)) } (word) }
                        span.figure-number { (count(number as i64)) }
                    }
                }
            }
            @if overview.today_cut { p.small.faint { "Of the newest " (count(TODAY_MAX as i64)) " runs of today." } }
        }
    }
}

fn failures(overview: &Overview, view: &View) -> Markup {
    html! {
        @if !overview.failures.is_empty() {
            section.card aria-labelledby="failures" {
                header { h2 id="failures" { "Recent failures" } a.small href="/dashboard/runs?status=faulted" { "All" } }
                ul.lines {
                    @for run in &overview.failures {
                        li {
                            span.tone-bad { (icon("cross-ring")) }
                            a.main href={ "/dashboard/runs/" (run.id) } { (run.name) }
                            span.small.faint { (short(run.id)) ", " (ago(run.ended_at.unwrap_or(run.created_at), view.now)) }
                        }
                    }
                }
            }
        }
    }
}

fn due(overview: &Overview, view: &View) -> Markup {
    html! {
        section.card aria-labelledby="due" {
            header { h2 id="due" { "Next starts" } }
            @if overview.due.is_empty() {
                div.body { p.quiet { "No workflow starts by itself. A " code { "schedule" } " in its document makes it." } p.small { a href="/docs/schedules" { "Schedules" } } }
            } @else {
                ul.lines {
                    @for due in &overview.due {
                        li {
                            (icon("clock"))
                            a.main href={ "/dashboard/workflows/" (due.workflow) } { (due.name) }
                            span.small.faint { (ago(due.at, view.now)) }
                        }
                    }
                }
            }
        }
    }
}

fn usage(overview: &Overview) -> Markup {
    let used = overview.used;
    let line = |word: &str, used: i64, limit: Option<i64>| {
        html! {
            div {
                div.row.between.small {
                    span { (word) }
                    span.nums.quiet { (count(used)) @if let Some(limit) = limit { " of " (count(limit)) } }
                }
                @if let Some(limit) = limit { (meter(&format!("{word}: {} of {}", count(used), count(limit)), used, limit)) }
            }
        }
    };
    let limit = |pick: fn(&Plan) -> i64| overview.plan.as_ref().map(pick);
    let total: i64 = overview.runs_by_day.iter().sum();
    html! {
        section.card aria-labelledby="usage" {
            header {
                h2 id="usage" { "Usage this month" }
                @if let Some(plan) = &overview.plan { span.small.faint { "Plan " (plan.name) } }
            }
            div.body.stack {
                (line("Workflows", overview.workflows, limit(|plan| plan.workflows)))
                (line("Runs", used.runs, limit(|plan| plan.runs_per_month)))
                (line("AI credits", used.ai_credits, limit(|plan| plan.ai_credits)))
                div {
                    p.small.faint { (plural(total, "run", "runs")) " in the last 30 days" }
                    (sparkline("Runs a day in the last 30 days", &overview.runs_by_day))
                }
            }
        }
    }
}
