//! Prices at Stripe: each price of the blueprint against the active price that has its name as lookup key.
//!
//! Only reads. A price for `plan.starter.month_price` has the lookup key `plan.starter.month_price`; checkout finds it the same way.

use std::collections::BTreeMap;

use levqor_model::{Deviation, Severity};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::{
    agreed::Expected,
    found::Found,
    look::{Caller, Look},
    report::{Outcome, Part},
    severity,
};

/// Where Stripe answers when no other address is configured.
pub const API: &str = "https://api.stripe.com";
/// Lookup keys that one question may have.
const KEYS_MAX: usize = 10;

pub(crate) async fn look<L: Look>(
    stripe: Option<&L>,
    expected: Option<&BTreeMap<String, Expected>>,
    found: &mut Found,
) {
    let Some(stripe) = stripe else {
        return found.part(Part::Stripe, Outcome::NotConfigured);
    };
    let Some(expected) = expected else {
        return found
            .part(Part::Stripe, Outcome::Unknown("there is nothing to compare them with".to_owned()));
    };
    let currency = expected.get("currency").map(|currency| currency.value.to_lowercase()).unwrap_or_default();
    let prices: Vec<(&String, &Expected)> =
        expected.iter().filter(|(name, _)| interval(name).is_some()).collect();
    for some in prices.chunks(KEYS_MAX) {
        let there = match ask(stripe, some).await {
            Ok(there) => there,
            Err(problem) => {
                found.add(Deviation {
                    severity: Severity::Major,
                    place: "prices at Stripe".to_owned(),
                    expected: Some("a list of prices".to_owned()),
                    found: Some(problem.clone()),
                });
                return found.part(Part::Stripe, Outcome::Unknown(problem));
            }
        };
        for (name, wanted) in some {
            compare(name, wanted, &currency, there.get(*name).map_or(&[], Vec::as_slice), found);
        }
    }
    found.part(Part::Stripe, Outcome::Compared(prices.len() as u64));
}

/// How often a price is paid; None: the promise is no price.
fn interval(name: &str) -> Option<&'static str> {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        ["plan" | "addon", _, "month_price"] => Some("month"),
        ["plan", _, "year_price"] => Some("year"),
        ["package", _, "price"] => Some("once"),
        _ => None,
    }
}

/// Active prices by their lookup keys.
async fn ask(
    stripe: &impl Look,
    wanted: &[(&String, &Expected)],
) -> Result<BTreeMap<String, Vec<Value>>, String> {
    let mut query = Serializer::new(String::new());
    query.append_pair("active", "true").append_pair("limit", "100");
    for (name, _) in wanted {
        query.append_pair("lookup_keys[]", name);
    }
    let answer = stripe.get(&format!("/v1/prices?{}", query.finish()), Caller::Account).await?.json()?;
    let data = answer["data"].as_array().ok_or("an answer without a list of prices")?;
    if answer["has_more"] == true {
        return Err("more prices than there are names".to_owned());
    }
    let mut there: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for price in data {
        if let Some(key) = price["lookup_key"].as_str() {
            there.entry(key.to_owned()).or_default().push(price.clone());
        }
    }
    Ok(there)
}

fn compare(name: &str, wanted: &Expected, currency: &str, there: &[Value], found: &mut Found) {
    let expected = format!("{} {currency}, {}", wanted.value, interval(name).unwrap_or_default());
    let told = |price: &Value| {
        let number = match &price["unit_amount"] {
            Value::Number(number) => number.to_string(),
            _ => "no amount".to_owned(),
        };
        let currency = price["currency"].as_str().unwrap_or("no currency");
        let every = price["recurring"]["interval_count"].as_i64().unwrap_or(1);
        let interval = match price["recurring"]["interval"].as_str() {
            Some(interval) if every == 1 => interval.to_owned(),
            Some(interval) => format!("{every} {interval}s"),
            None => "once".to_owned(),
        };
        let inactive = if price["active"] == false { ", not active" } else { "" };
        format!("{number} {currency}, {interval}{inactive}")
    };
    let seen = match there {
        [] => None,
        [price] => Some(told(price)),
        several => Some(several.iter().map(told).collect::<Vec<_>>().join(" and ")),
    };
    if seen.as_ref() != Some(&expected) {
        let place = format!("{name} at Stripe");
        found.add(Deviation { severity: severity::of(name), place, expected: Some(expected), found: seen });
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::Blueprint;

    use super::*;

    #[test]
    fn every_price_of_the_blueprint_is_one_at_stripe() {
        let promises = Blueprint::parse(Blueprint::SHIPPED).unwrap().promises();
        for promise in &promises {
            let is_price = matches!(promise.value, levqor_model::PromiseValue::Money(_));
            assert_eq!(interval(&promise.path).is_some(), is_price, "{}", promise.path);
        }
    }
}
