//! Promises of the blueprint, as pages show them: always with their names, so that programs find them.

use std::collections::BTreeMap;

use levqor_model::{Blueprint, Promise};
use maud::{Markup, html};

/// The blueprint, and its promises by name.
#[derive(Debug)]
pub struct Promises {
    pub blueprint: Blueprint,
    by_path: BTreeMap<String, Promise>,
}

impl Promises {
    pub fn of(blueprint: &Blueprint) -> Self {
        let by_path =
            blueprint.promises().into_iter().map(|promise| (promise.path.clone(), promise)).collect();
        Self { blueprint: blueprint.clone(), by_path }
    }

    /// The promise of that name in words for people, with name and value for programs.
    ///
    /// # Panics
    /// When there is no such promise: pages name single promises that every blueprint has, and find the others by going through
    /// its lists.
    pub fn show(&self, path: &str) -> Markup {
        let Some(promise) = self.by_path.get(path) else { panic!("there is no promise {path:?}") };
        show(promise)
    }

    /// All of them by name.
    pub fn all(&self) -> impl Iterator<Item = &Promise> {
        self.by_path.values()
    }
}

pub fn show(promise: &Promise) -> Markup {
    html! { data value=(promise.value) data-promise=(promise.path) { (promise.value.text()) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_shown_with_its_name_and_value() {
        let promises = Promises::of(&Blueprint::parse(Blueprint::SHIPPED).unwrap());
        let rows = [
            (
                "plan.starter.month_price",
                "<data value=\"900\" data-promise=\"plan.starter.month_price\">£9</data>",
            ),
            (
                "uptime.promise_ppm",
                "<data value=\"999000\" data-promise=\"uptime.promise_ppm\">99.9 %</data>",
            ),
        ];
        for (path, html) in rows {
            assert_eq!(promises.show(path).into_string(), html);
        }
        assert!(promises.all().count() > 50);
    }
}
