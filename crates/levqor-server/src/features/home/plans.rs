//! The plans on the front page: all prices at a glance. `/pricing` says more.

use maud::{Markup, html};

use crate::{
    features::site,
    pages::components::{promise::Promises, promise_tables},
};

pub(super) fn plans(promises: &Promises) -> Markup {
    html! {
        section.band id="plans" aria-labelledby="plans-title" {
            div.wide {
                div.band-head {
                    h2 id="plans-title" { "Plans" }
                    p {
                        "The same product in every plan and every region; plans differ in amounts. "
                        (site::service::SUBSCRIBING) " " a href="/pricing" { "More on prices" } "."
                    }
                }
                div.card { (promise_tables::plans(promises)) }
                (every_plan(promises))
            }
        }
    }
}

/// What comes with every plan, and what can be added.
fn every_plan(promises: &Promises) -> Markup {
    let show = |path: &str| promises.show(path);
    let blueprint = &promises.blueprint;
    html! {
        div.promises {
            div {
                h3 { "Every plan" }
                ul {
                    li { (show("trial.headline")) ". " (show("trial.card_note")) "." }
                    li { (show("money_back_days")) "-day money-back guarantee." }
                    li {
                        "Fair use: " (show("fair_use.requests_per_minute")) " requests a minute and "
                        (show("fair_use.concurrent_runs")) " concurrent runs."
                    }
                }
            }
            div {
                h3 { (show("uptime.promise_ppm")) " uptime" }
                p { "When a month falls short, a part of its price comes back:" }
                ul {
                    @for place in 1..=blueprint.uptime.credits.len() {
                        li {
                            (show(&format!("uptime.credit.{place}.band"))) ": "
                            (show(&format!("uptime.credit.{place}.percent")))
                        }
                    }
                }
            }
            div {
                h3 { "Add-ons, a month" }
                ul {
                    @for addon in &blueprint.addons {
                        li {
                            (show(&format!("addon.{}.name", addon.code))) ": "
                            (show(&format!("addon.{}.month_price", addon.code)))
                        }
                    }
                }
            }
            div {
                h3 { "Done for you" }
                ul {
                    @for package in &blueprint.packages {
                        li {
                            (show(&format!("package.{}.name", package.code))) ": "
                            (show(&format!("package.{}.price", package.code)))
                        }
                    }
                }
                p { "With " (show("package_revision_rounds")) " revision rounds." }
            }
        }
    }
}
