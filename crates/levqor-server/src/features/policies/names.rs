//! What placeholders of policies stand for: every promise of the blueprint, its lists, and what is known of the operator.

use maud::html;

use super::template::{Names, Value};
use crate::{
    Site,
    pages::components::{operator, promise, promise::Promises, promise_tables},
};

/// All names with their values.
pub(super) fn names(promises: &Promises, site: &Site) -> Names {
    let promised = promises.all().map(|promise| (promise.path.clone(), Value::Words(promise::show(promise))));
    let lists = [
        ("list.plans", promise_tables::plans(promises)),
        ("list.first_responses", promise_tables::first_responses(promises)),
        ("list.service_credits", promise_tables::service_credits(promises)),
        ("list.packages", promise_tables::packages(promises)),
        ("list.addons", promise_tables::addons(promises)),
    ];
    let facts = [
        ("site.operator_name", html! { (site.operator()) }),
        ("site.operator_address", operator::postal_address(site)),
        ("site.contact", operator::contact(site)),
        ("site.security_contact", operator::security_contact(site)),
        ("site.governing_law", html! { (site.law()) }),
    ];
    promised
        .chain(lists.into_iter().map(|(name, table)| (name.to_owned(), Value::Block(table))))
        .chain(facts.into_iter().map(|(name, words)| (name.to_owned(), Value::Words(words))))
        .collect()
}
