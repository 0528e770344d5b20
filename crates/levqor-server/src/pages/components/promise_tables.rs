//! The lists of the blueprint as tables: plans, packages, add-ons, service credits, first responses.
//!
//! Front page, price page and policies show the same tables. A table has a row for each member of the blueprint's list, so
//! nothing has to be written anew when a plan comes or goes.

use maud::{Markup, html};

use super::{promise::Promises, table::table};

/// Prices and amounts of all plans.
pub fn plans(promises: &Promises) -> Markup {
    let rows = html! {
        @for plan in &promises.blueprint.plans {
            @let of = |key: &str| promises.show(&format!("plan.{}.{key}", plan.code));
            tr {
                th scope="row" { (of("name")) }
                td.num.price data-label="A month" { (of("month_price")) }
                td.num data-label="A year" { (of("year_price")) }
                td.num data-label="Workflows" { (of("workflows")) }
                td.num data-label="Runs a month" { (of("runs_per_month")) }
                td.num data-label="AI credits a month" { (of("ai_credits")) }
                td.num data-label="First response" { span { (of("first_response_hours")) " h" } }
            }
        }
    };
    let heads = [
        ("Plan", false),
        ("A month", true),
        ("A year", true),
        ("Workflows", true),
        ("Runs a month", true),
        ("AI credits a month", true),
        ("First response", true),
    ];
    table("Plans and what they include", &heads, &rows)
}

/// How soon a person answers, by plan.
pub fn first_responses(promises: &Promises) -> Markup {
    let rows = html! {
        @for plan in &promises.blueprint.plans {
            tr {
                th scope="row" { (promises.show(&format!("plan.{}.name", plan.code))) }
                td.num data-label="First response within" {
                    span { (promises.show(&format!("plan.{}.first_response_hours", plan.code))) " hours" }
                }
            }
        }
    };
    table("First response by plan", &[("Plan", false), ("First response within", true)], &rows)
}

/// What comes back of a month's price when its uptime falls short.
pub fn service_credits(promises: &Promises) -> Markup {
    let rows = html! {
        @for place in 1..=promises.blueprint.uptime.credits.len() {
            tr {
                th scope="row" { (promises.show(&format!("uptime.credit.{place}.band"))) }
                td.num data-label="Comes back" {
                    span { (promises.show(&format!("uptime.credit.{place}.percent"))) " of the month's price" }
                }
            }
        }
    };
    table("Service credits", &[("Uptime of the month", false), ("Comes back", true)], &rows)
}

/// Work that is done for the customer, at a price that is paid once.
pub fn packages(promises: &Promises) -> Markup {
    let rows = html! {
        @for package in &promises.blueprint.packages {
            tr {
                th scope="row" { (promises.show(&format!("package.{}.name", package.code))) }
                td.num data-label="Once" { (promises.show(&format!("package.{}.price", package.code))) }
            }
        }
    };
    table("Done-for-you packages", &[("Package", false), ("Once", true)], &rows)
}

/// What can be added to a plan.
pub fn addons(promises: &Promises) -> Markup {
    let rows = html! {
        @for addon in &promises.blueprint.addons {
            tr {
                th scope="row" { (promises.show(&format!("addon.{}.name", addon.code))) }
                td.num data-label="A month" { (promises.show(&format!("addon.{}.month_price", addon.code))) }
            }
        }
    };
    table("Add-ons", &[("Add-on", false), ("A month", true)], &rows)
}
