//! What operators say of jobs: whether they run here, and what things cost.

use std::{fmt, str::FromStr};

/// Millionths of a unit of money, so that small prices are whole numbers.
const MICROS: i64 = 1_000_000;

/// How this node does jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSettings {
    /// Whether this node begins any.
    pub enabled: bool,
    pub prices: Prices,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self { enabled: true, prices: Prices::default() }
    }
}

/// What the operator pays for what accounts use. None: nobody has said it, so nothing is reckoned with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    /// Such as `GBP`; there is one when there is any price.
    pub currency: Option<String>,
    /// For 1,000 AI credits that a provider answered.
    pub ai_credits_1000: Option<Price>,
    /// For 1,000 runs.
    pub runs_1000: Option<Price>,
    /// For a GiB that is kept for a month of 30 days.
    pub storage_gib_month: Option<Price>,
}

/// An amount of money, in millionths of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(i64);

impl Price {
    pub const fn micros(self) -> i64 {
        self.0
    }
}

/// A decimal number such as `0.40`, not negative, with at most six digits behind the point.
impl FromStr for Price {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a price; write a number such as 0.40, with at most six digits behind the point"
            )
        };
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || whole.len() > 9 || part.len() > 6 {
            return Err(wrong());
        }
        let number = |digits: &str| digits.parse::<i64>().map_err(|_| wrong());
        Ok(Self(number(whole)? * MICROS + number(&format!("{part:0<6}"))?))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:06}", self.0 % MICROS);
        // Pence are always shown.
        let (pence, rest) = part.split_at(2);
        write!(f, "{}.{pence}{}", self.0 / MICROS, rest.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_a_short_decimal_number() {
        let rows = [
            ("0.40", Some(("0.40", 400_000))),
            ("12", Some(("12.00", 12_000_000))),
            ("0.000125", Some(("0.000125", 125))),
            ("999999999.999999", Some(("999999999.999999", 999_999_999_999_999))),
            ("", None),
            (".5", None),
            ("5.", None),
            ("-1", None),
            ("1,5", None),
            ("0.1234567", None),
            ("1e3", None),
            ("1000000000", None),
        ];
        for (text, expected) in rows {
            match (text.parse::<Price>(), expected) {
                (Ok(price), Some((shown, micros))) => {
                    assert_eq!((price.to_string().as_str(), price.micros()), (shown, micros));
                }
                (Err(problem), None) => assert!(problem.contains("such as 0.40"), "{problem}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
