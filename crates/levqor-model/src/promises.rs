//! Every promise of a blueprint by its name, so that pages, templates, API and whoever compares them speak of the same thing.
//!
//! A name is the way to the value in `blueprint.toml`: `trial.days`, `money_back_days`. Members of lists go by their code
//! (`plan.starter.month_price`), bands of service credits, which have none, by their place from 1 (`uptime.credit.1.percent`).
//! Pages show a promise as `<data value="900" data-promise="plan.starter.month_price">£9</data>`: the name, the value
//! for programs ([`PromiseValue`]'s `Display`), and the words for people ([`PromiseValue::text`]).
//!
//! Invariant: the list is complete. Every value of the file is in it; a test compares the two.

use std::fmt;

use crate::{
    Addon, Blueprint, FairUse, Lifecycle, Money, Package, Plan, ServiceCredit, Trial, Uptime, money::grouped,
};

/// One promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Its name: unique, made of small letters, digits, underscores and dots.
    pub path: String,
    pub value: PromiseValue,
}

/// What is promised, with enough of its meaning to be written for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromiseValue {
    Money(Money),
    /// A number of things, days or hours.
    Count(i64),
    /// A share in parts per million.
    Share(u32),
    Percent(u32),
    Text(String),
    Numbers(Vec<u32>),
    Texts(Vec<String>),
}

impl PromiseValue {
    /// As people read it: `£9`, `2,000`, `99.9 %`, `1, 3 and 6`. Units other than these stand beside it.
    pub fn text(&self) -> String {
        match self {
            Self::Money(money) => money.to_string(),
            Self::Count(number) => {
                let sign = if *number < 0 { "-" } else { "" };
                format!("{sign}{}", grouped(number.unsigned_abs()))
            }
            Self::Share(ppm) => format!("{} %", decimal(*ppm)),
            Self::Percent(percent) => format!("{percent} %"),
            Self::Text(text) => text.clone(),
            Self::Numbers(numbers) => spoken(numbers.iter().map(u32::to_string).collect()),
            Self::Texts(texts) => spoken(texts.clone()),
        }
    }
}

/// As programs compare it: whole numbers in the blueprint's units, lists with commas.
impl fmt::Display for PromiseValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Money(money) => write!(f, "{}", money.minor()),
            Self::Count(number) => write!(f, "{number}"),
            Self::Share(number) | Self::Percent(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::Numbers(numbers) => {
                f.write_str(&numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
            }
            Self::Texts(texts) => f.write_str(&texts.join(",")),
        }
    }
}

/// Parts per million in percent, exactly: `99.9`, `100`, `0.0001`.
fn decimal(ppm: u32) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `a`, `a and b`, `a, b and c`.
fn spoken(mut words: Vec<String>) -> String {
    let Some(last) = words.pop() else { return String::new() };
    if words.is_empty() { last } else { format!("{} and {last}", words.join(", ")) }
}

impl Blueprint {
    /// Every promise, in the order of the file.
    pub fn promises(&self) -> Vec<Promise> {
        // Without `..`, here and below: a new field does not compile until it has its name.
        let Blueprint {
            currency,
            plans,
            packages,
            package_revision_rounds,
            trial,
            money_back_days,
            uptime,
            fair_use,
            addons,
            lifecycle,
        } = self;
        let mut list = List { blueprint: self, promises: Vec::new() };
        // The one currency that there is; its serialised form is the ISO code.
        let crate::Currency::Gbp = currency;
        list.add("currency", PromiseValue::Text("GBP".to_owned()));
        list.count("package_revision_rounds", *package_revision_rounds);
        list.count("money_back_days", *money_back_days);
        plans.iter().for_each(|plan| list.plan(plan));
        packages.iter().for_each(|package| list.package(package));
        list.trial(trial);
        list.uptime(uptime);
        let FairUse { requests_per_minute, concurrent_runs } = fair_use;
        list.count("fair_use.requests_per_minute", *requests_per_minute);
        list.count("fair_use.concurrent_runs", *concurrent_runs);
        addons.iter().for_each(|addon| list.addon(addon));
        let Lifecycle { nudge_days } = lifecycle;
        list.add("lifecycle.nudge_days", PromiseValue::Numbers(nudge_days.clone()));
        list.promises
    }
}

struct List<'a> {
    blueprint: &'a Blueprint,
    promises: Vec<Promise>,
}

impl List<'_> {
    fn add(&mut self, path: impl Into<String>, value: PromiseValue) {
        self.promises.push(Promise { path: path.into(), value });
    }

    fn count(&mut self, path: impl Into<String>, number: impl Into<i64>) {
        self.add(path, PromiseValue::Count(number.into()));
    }

    fn text(&mut self, path: impl Into<String>, text: &str) {
        self.add(path, PromiseValue::Text(text.to_owned()));
    }

    fn money(&mut self, path: impl Into<String>, minor: i64) {
        self.add(path, PromiseValue::Money(self.blueprint.money(minor)));
    }

    fn plan(&mut self, plan: &Plan) {
        let Plan {
            code,
            aliases,
            name,
            month_price,
            year_price,
            workflows,
            runs_per_month,
            ai_credits,
            first_response_hours,
            queue_weight,
        } = plan;
        let of = |key: &str| format!("plan.{code}.{key}");
        if !aliases.is_empty() {
            self.add(of("aliases"), PromiseValue::Texts(aliases.clone()));
        }
        self.text(of("name"), name);
        self.money(of("month_price"), *month_price);
        self.money(of("year_price"), *year_price);
        self.count(of("workflows"), *workflows);
        self.count(of("runs_per_month"), *runs_per_month);
        self.count(of("ai_credits"), *ai_credits);
        self.count(of("first_response_hours"), *first_response_hours);
        self.count(of("queue_weight"), *queue_weight);
    }

    fn package(&mut self, package: &Package) {
        let Package { code, name, price } = package;
        self.text(format!("package.{code}.name"), name);
        self.money(format!("package.{code}.price"), *price);
    }

    fn trial(&mut self, trial: &Trial) {
        let Trial { days, active_per_account, headline, card_note } = trial;
        self.count("trial.days", *days);
        self.count("trial.active_per_account", *active_per_account);
        self.text("trial.headline", headline);
        self.text("trial.card_note", card_note);
    }

    fn uptime(&mut self, uptime: &Uptime) {
        let Uptime { promise_ppm, credits } = uptime;
        self.add("uptime.promise_ppm", PromiseValue::Share(*promise_ppm));
        for (place, ServiceCredit { band, from_ppm, percent }) in (1..).zip(credits) {
            self.text(format!("uptime.credit.{place}.band"), band);
            self.add(format!("uptime.credit.{place}.from_ppm"), PromiseValue::Share(*from_ppm));
            self.add(format!("uptime.credit.{place}.percent"), PromiseValue::Percent(*percent));
        }
    }

    fn addon(&mut self, addon: &Addon) {
        let Addon { code, name, month_price } = addon;
        self.text(format!("addon.{code}.name"), name);
        self.money(format!("addon.{code}.month_price"), *month_price);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn shipped() -> BTreeMap<String, PromiseValue> {
        let all = Blueprint::parse(Blueprint::SHIPPED).unwrap().promises();
        let count = all.len();
        let map: BTreeMap<_, _> = all.into_iter().map(|promise| (promise.path, promise.value)).collect();
        assert_eq!(map.len(), count, "names are unique");
        map
    }

    /// Every value of a TOML document by the rule that the module states.
    fn leaves(path: &str, value: &toml::Value, found: &mut BTreeMap<String, String>) {
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table.iter().filter(|(key, _)| *key != "code") {
                    leaves(&below(key), value, found);
                }
            }
            toml::Value::Array(list) if list.iter().all(toml::Value::is_table) && !list.is_empty() => {
                for (place, member) in (1..).zip(list) {
                    let code = member.get("code").and_then(toml::Value::as_str);
                    leaves(&below(&code.map_or(place.to_string(), str::to_owned)), member, found);
                }
            }
            toml::Value::Array(list) => {
                let words: Vec<_> = list.iter().map(plain).collect();
                found.insert(path.to_owned(), words.join(","));
            }
            value => {
                found.insert(path.to_owned(), plain(value));
            }
        }
    }

    fn plain(value: &toml::Value) -> String {
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    #[test]
    fn every_value_of_the_file_has_its_name_and_nothing_else_has_one() {
        let mut expected = BTreeMap::new();
        leaves("", &Blueprint::SHIPPED.parse::<toml::Table>().unwrap().into(), &mut expected);
        let found: BTreeMap<_, _> =
            shipped().into_iter().map(|(path, value)| (path, value.to_string())).collect();
        assert_eq!(found, expected);
        assert!(found.len() > 50, "{}", found.len());
    }

    #[test]
    fn each_kind_is_written_for_people_and_for_programs() {
        let shipped = shipped();
        let rows = [
            ("currency", "GBP", "GBP"),
            ("money_back_days", "30", "30"),
            ("plan.agency.year_price", "149000", "£1,490"),
            ("plan.agency.runs_per_month", "250000", "250,000"),
            ("plan.growth.aliases", "launch", "launch"),
            ("package.dfy_professional.price", "29900", "£299"),
            ("uptime.promise_ppm", "999000", "99.9 %"),
            ("uptime.credit.1.from_ppm", "990000", "99 %"),
            ("uptime.credit.1.percent", "10", "10 %"),
            ("trial.headline", "7-day free trial", "7-day free trial"),
            ("lifecycle.nudge_days", "1,3,6,7,10,30", "1, 3, 6, 7, 10 and 30"),
        ];
        for (path, value, text) in rows {
            let promise = &shipped[path];
            assert_eq!((promise.to_string().as_str(), promise.text().as_str()), (value, text), "{path}");
        }
    }

    #[test]
    fn shares_are_exact() {
        let rows = [(1_000_000, "100"), (999_950, "99.995"), (990_000, "99"), (1, "0.0001"), (0, "0")];
        for (ppm, text) in rows {
            assert_eq!(decimal(ppm), text);
        }
        assert_eq!(spoken(Vec::new()), "");
        assert_eq!(spoken(vec!["a".to_owned(), "b".to_owned()]), "a and b");
    }
}
