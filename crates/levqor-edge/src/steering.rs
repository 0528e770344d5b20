//! Which origins may answer a request, best first. Pure: facts in, order out.
//!
//! The order is: the verdict (`up` before `unknown`; `suspect` and `draining` are no candidates), the region that the
//! caller is pinned to, the region's place in the list for the caller's country or in the operator's order, latency, how
//! busy the origin is, its place in the configuration.

use std::collections::BTreeMap;

use levqor_model::RegionCode;

use crate::verdict::Verdict;

/// Latencies that differ by less are alike, so that noise does not move traffic to and fro: 8 ms.
const LATENCY_STEP_US: u32 = 8_000;

/// The operator's wishes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// For callers about whose country nothing is known or said.
    pub prefer: Vec<RegionCode>,
    /// By ISO 3166-1 code in capitals.
    pub countries: BTreeMap<String, Vec<RegionCode>>,
}

impl Preferences {
    fn for_country(&self, country: Option<&str>) -> &[RegionCode] {
        country.and_then(|code| self.countries.get(code)).map_or(self.prefer.as_slice(), Vec::as_slice)
    }
}

/// What is known of an origin in this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub region: &'a RegionCode,
    pub verdict: Verdict,
    /// None: not measured yet; comes after those that are.
    pub latency_us: Option<u32>,
    pub in_flight: u32,
}

/// What is known of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// From a trusted header.
    pub country: Option<&'a str>,
    /// From a valid cookie.
    pub pinned: Option<&'a RegionCode>,
}

/// The places of those `candidates` that may be asked, best first.
pub fn order(candidates: &[Candidate<'_>], asked: Asked<'_>, preferences: &Preferences) -> Vec<usize> {
    let wanted = preferences.for_country(asked.country);
    let mut ranked: Vec<_> = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| matches!(candidate.verdict, Verdict::Up | Verdict::Unknown))
        .map(|(place, candidate)| {
            let region = wanted.iter().position(|code| code == candidate.region).unwrap_or(wanted.len());
            let latency = candidate.latency_us.map_or(u32::MAX, |us| us / LATENCY_STEP_US);
            let elsewhere = asked.pinned.is_some_and(|code| code != candidate.region);
            (candidate.verdict != Verdict::Up, elsewhere, region, latency, candidate.in_flight, place)
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|rank| rank.5).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> RegionCode {
        text.parse().unwrap()
    }

    fn preferences() -> Preferences {
        Preferences {
            prefer: vec![code("eu-west")],
            countries: [("US".to_owned(), vec![code("us-east"), code("eu-west")])].into(),
        }
    }

    /// `region verdict latency_ms in_flight`, by comma.
    fn check(origins: &str, country: Option<&str>, pinned: Option<&str>, expected: &[usize]) {
        let regions: Vec<RegionCode> =
            origins.split(", ").map(|origin| code(origin.split(' ').next().unwrap())).collect();
        let candidates: Vec<_> = origins
            .split(", ")
            .zip(&regions)
            .map(|(origin, region)| {
                let words: Vec<_> = origin.split(' ').collect();
                Candidate {
                    region,
                    verdict: *Verdict::ALL.iter().find(|verdict| verdict.as_str() == words[1]).unwrap(),
                    latency_us: words[2].parse::<u32>().ok().map(|ms| ms * 1_000),
                    in_flight: words[3].parse().unwrap(),
                }
            })
            .collect();
        let pinned = pinned.map(code);
        let asked = Asked { country, pinned: pinned.as_ref() };
        assert_eq!(order(&candidates, asked, &preferences()), expected, "{origins} {country:?} {pinned:?}");
    }

    #[test]
    fn candidates_come_in_the_documented_order() {
        let three = "ap-south up 40 0, us-east up 90 0, eu-west up 9 0";
        check(three, None, None, &[2, 0, 1]);
        check(three, Some("US"), None, &[1, 2, 0]);
        check(three, Some("FR"), None, &[2, 0, 1]);
        check(three, Some("US"), Some("ap-south"), &[0, 1, 2]);
        // A cookie for a region that is not there or not well changes nothing.
        check(three, None, Some("sa-east"), &[2, 0, 1]);
        check("eu-west suspect 9 0, us-east up 90 0", None, Some("eu-west"), &[1]);
        check("eu-west draining 9 0, us-east suspect 90 0", None, None, &[]);
        // Evidence beats wishes.
        check("eu-west unknown - 0, us-east up 90 0", None, Some("eu-west"), &[1, 0]);
        // Within a region: latency in steps, then who is less busy, then the file's order.
        check("eu-west up 3 9, eu-west up 5 2, eu-west up 90 0", None, None, &[1, 0, 2]);
        check("eu-west up 3 1, eu-west up 3 1", None, None, &[0, 1]);
    }

    proptest! {
        #[test]
        fn nobody_is_lost_invented_or_asked_against_their_verdict(
            rows in prop::collection::vec((0..3usize, 0..4u8, prop::option::of(0..500_000u32), 0..5u32), 0..12),
            country in prop::option::of(prop::sample::select(vec!["US", "DE"])),
            pinned in prop::option::of(0..3usize),
        ) {
            let regions = [code("eu-west"), code("us-east"), code("ap-south")];
            let candidates: Vec<_> = rows.iter().map(|(region, verdict, latency_us, in_flight)| Candidate {
                region: &regions[*region],
                verdict: Verdict::from_u8(*verdict),
                latency_us: *latency_us,
                in_flight: *in_flight,
            }).collect();
            let asked = Asked { country, pinned: pinned.map(|place| &regions[place]) };
            let ordered = order(&candidates, asked, &preferences());
            let mut sorted = ordered.clone();
            sorted.sort_unstable();
            let expected: Vec<_> = (0..candidates.len())
                .filter(|place| matches!(candidates[*place].verdict, Verdict::Up | Verdict::Unknown))
                .collect();
            prop_assert_eq!(sorted, expected);
            if let Some(first) = ordered.first() {
                let any_up = candidates.iter().any(|candidate| candidate.verdict == Verdict::Up);
                prop_assert_eq!(candidates[*first].verdict == Verdict::Up, any_up);
            }
        }
    }
}
