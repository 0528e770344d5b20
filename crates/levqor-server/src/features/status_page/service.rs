//! What the samples prove about the platform, and what they do not.
//!
//! Invariant: nothing is called operational without a good sample that is at most [`FRESH`] old. Absent and old
//! evidence give `unknown`, whatever was true before.

use std::time::Duration;

use levqor_model::{Date, Region, RegionStatus, Timestamp};
use levqor_store::health::{Sample, SampleDay};

use crate::{
    App,
    features::regions::{self, service::RegionNow},
};

/// How old the newest sample may be and still speak for the present.
pub const FRESH: Duration = Duration::from_secs(15);
/// Days that the bars show.
pub const DAYS: i64 = 90;
/// What every region in use must show samples of, with the words for readers.
pub const COMPONENTS: [(&str, &str, &str); 3] = [
    ("api", "API and pages", "answers requests"),
    ("database", "Database", "commits and reads"),
    ("engine", "Engine", "drives runs and timers"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Operational,
    Degraded,
    Down,
    /// No fresh evidence.
    Unknown,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Operational => "operational",
            State::Degraded => "degraded",
            State::Down => "down",
            State::Unknown => "unknown",
        }
    }
}

/// All that the verdict is made from.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    pub regions: Vec<Region>,
    /// The newest sample of each component in each region.
    pub samples: Vec<Sample>,
    pub days: Vec<SampleDay>,
    /// When each region was first observed, by code.
    pub first: Vec<(String, Timestamp)>,
    /// What is so in each region now, as the regions' API tells it.
    pub now: Vec<RegionNow>,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub state: State,
    /// The newest sample of all.
    pub newest: Option<Timestamp>,
    pub regions: Vec<RegionReport>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RegionReport {
    pub code: String,
    pub name: String,
    pub description: String,
    /// Declared as planned, never observed, and no node lives there.
    pub planned: bool,
    /// It ends what it has and takes nothing new: so declared, or wanted by an operator.
    pub draining: bool,
    /// Live nodes, how far the region's standby is behind, how far other regions are; what is not known is not there.
    pub facts: Vec<String>,
    pub state: State,
    pub components: Vec<ComponentReport>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ComponentReport {
    pub name: String,
    pub title: String,
    /// What it does, in two or three words.
    pub does: String,
    pub state: State,
    /// When the newest sample was taken.
    pub at: Option<Timestamp>,
    pub latency: Option<Duration>,
    /// Why the newest sample is not good.
    pub reason: Option<String>,
    pub good: i64,
    pub total: i64,
    pub since: Option<Timestamp>,
    /// [`DAYS`] of them, oldest first.
    pub days: Vec<Day>,
}

/// A day's samples; `total == 0` is a day without evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub date: Date,
    pub good: i64,
    pub total: i64,
}

/// Reads the evidence and judges it.
///
/// # Errors
/// When the store cannot be asked; the page says then that it knows nothing.
pub async fn report(app: &App) -> Result<Report, levqor_store::Error> {
    let now = app.now();
    let samples = app.store.views().latest_samples().await?;
    let days = app.store.views().sample_days(now.date().plus_days(1 - DAYS)).await?;
    let mut first = Vec::new();
    for region in app.regions.all() {
        if let Some(at) = app.store.views().first_sample_at(region.code.clone()).await? {
            first.push((region.code.to_string(), at));
        }
    }
    let there = regions::service::all(app).await?;
    Ok(assess(&Evidence { regions: app.regions.all().to_vec(), samples, days, first, now: there }, now))
}

/// The report without history, for pages that show only the present.
///
/// # Errors
/// When the store cannot be asked.
pub async fn present(app: &App) -> Result<Report, levqor_store::Error> {
    let samples = app.store.views().latest_samples().await?;
    let regions = app.regions.all().to_vec();
    Ok(assess(&Evidence { regions, samples, ..Evidence::default() }, app.now()))
}

/// The report when the evidence itself cannot be read.
pub fn unreadable(regions: &[Region], now: Timestamp) -> Report {
    assess(&Evidence { regions: regions.to_vec(), ..Evidence::default() }, now)
}

/// Judges the evidence. Pure.
pub fn assess(evidence: &Evidence, now: Timestamp) -> Report {
    let regions: Vec<_> =
        evidence.regions.iter().map(|region| assess_region(region, evidence, now)).collect();
    let in_use: Vec<_> = regions.iter().filter(|region| !region.planned).collect();
    let components: Vec<_> = in_use
        .iter()
        .flat_map(|region| &region.components)
        .map(|component| (component.name.as_str(), component.state))
        .collect();
    Report {
        state: overall(&components),
        newest: evidence.samples.iter().map(|sample| sample.at).filter(|at| !is_future(*at, now)).max(),
        regions,
    }
}

/// The state of a whole from (component, state) of its parts.
///
/// Down: nothing is known to work, or the API or the database is down wherever it was observed; nobody can use the
/// platform then. Anything else that is down degrades it. Without anything down, one unknown part is enough for unknown.
fn overall(parts: &[(&str, State)]) -> State {
    let down = |part: &&(&str, State)| part.1 == State::Down;
    let good = |part: &&(&str, State)| part.1 == State::Operational;
    if parts.iter().any(|part| down(&part)) {
        let dead = |name: &str| {
            let mut same = parts.iter().filter(|part| part.0 == name);
            same.clone().any(|part| part.1 == State::Down) && same.all(|part| part.1 != State::Operational)
        };
        if !parts.iter().any(|part| good(&part)) || dead("api") || dead("database") {
            return State::Down;
        }
        return State::Degraded;
    }
    if !parts.is_empty() && parts.iter().all(|part| good(&part)) {
        State::Operational
    } else {
        State::Unknown
    }
}

fn assess_region(region: &Region, evidence: &Evidence, now: Timestamp) -> RegionReport {
    let code = region.code.as_str();
    let now_there = evidence.now.iter().find(|there| there.region.code == region.code);
    let samples: Vec<_> = evidence.samples.iter().filter(|sample| sample.region == region.code).collect();
    let is_empty = now_there.is_none_or(|there| there.nodes.is_empty());
    let planned = region.declared == RegionStatus::Planned && samples.is_empty() && is_empty;
    let since = evidence.first.iter().find(|(found, _)| found == code).map(|(_, at)| *at);
    let mut components = Vec::new();
    if !planned {
        for (name, title, does) in COMPONENTS {
            components.push((name.to_owned(), title.to_owned(), does.to_owned()));
        }
        for sample in &samples {
            if !components.iter().any(|(name, ..)| *name == sample.component) {
                components.push((sample.component.clone(), sample.component.clone(), "observed".to_owned()));
            }
        }
    }
    let components: Vec<_> = components
        .into_iter()
        .map(|(name, title, does)| {
            let newest =
                samples.iter().filter(|sample| sample.component == name).max_by_key(|sample| sample.at);
            let days = days_of(evidence, code, &name, now.date());
            ComponentReport {
                state: state_of(newest.copied(), now),
                at: newest.map(|sample| sample.at),
                latency: newest
                    .and_then(|sample| sample.latency_us)
                    .and_then(|micros| u64::try_from(micros).ok())
                    .map(Duration::from_micros),
                reason: newest.and_then(|sample| sample.reason.clone()),
                good: days.iter().map(|day| day.good).sum(),
                total: days.iter().map(|day| day.total).sum(),
                since,
                name,
                title,
                does,
                days,
            }
        })
        .collect();
    let parts: Vec<_> =
        components.iter().map(|component| (component.name.as_str(), component.state)).collect();
    RegionReport {
        code: code.to_owned(),
        name: region.name.clone(),
        description: region.description.clone(),
        planned,
        draining: region.declared == RegionStatus::Draining
            || now_there.is_some_and(|there| there.drain.is_some()),
        facts: now_there.map(facts).unwrap_or_default(),
        state: overall(&parts),
        components,
    }
}

fn facts(there: &RegionNow) -> Vec<String> {
    let live = there.nodes.len();
    let mut facts = vec![format!("{live} live {}", if live == 1 { "node" } else { "nodes" })];
    if let Some(lag) = there.standby.as_ref().and_then(|standby| standby.lag_us) {
        facts.push(format!("standby {:.1} s behind", lag as f64 / 1_000_000.0));
    }
    for (to, ms) in &there.latency_ms {
        facts.push(format!("{ms:.1} ms to {to}"));
    }
    facts
}

/// Clocks of nodes differ a little; a sample from far ahead is no evidence.
fn is_future(at: Timestamp, now: Timestamp) -> bool {
    at > now + FRESH
}

fn state_of(newest: Option<&Sample>, now: Timestamp) -> State {
    match newest {
        Some(sample) if now.since(sample.at) <= FRESH && !is_future(sample.at, now) => {
            if sample.good {
                State::Operational
            } else {
                State::Down
            }
        }
        Some(_) | None => State::Unknown,
    }
}

fn days_of(evidence: &Evidence, region: &str, component: &str, today: Date) -> Vec<Day> {
    (0..DAYS)
        .rev()
        .map(|back| {
            let date = today.plus_days(-back);
            let (good, total) = evidence
                .days
                .iter()
                .filter(|day| day.day == date && day.region == region && day.component == component)
                .fold((0, 0), |(good, total), day| (good + day.good, total + day.total));
            Day { date, good, total }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use levqor_model::{NodeId, RegionRegistry, SeededRandom};

    use super::*;

    const NOW: i64 = 1_795_503_701;

    fn now() -> Timestamp {
        Timestamp::from_seconds(NOW)
    }

    /// `eu-west/api good 3`: region/component, verdict, age in seconds.
    fn samples(text: &str) -> Vec<Sample> {
        let node = NodeId::new(now(), &SeededRandom::new(1));
        text.split(',')
            .filter(|part| !part.trim().is_empty())
            .map(|part| {
                let words: Vec<_> = part.split_whitespace().collect();
                let (region, component) = words[0].split_once('/').unwrap();
                Sample {
                    region: region.parse().unwrap(),
                    node,
                    component: component.to_owned(),
                    at: Timestamp::from_seconds(NOW - words[2].parse::<i64>().unwrap()),
                    good: words[1] == "good",
                    latency_us: Some(1_200),
                    reason: (words[1] != "good").then(|| "no answer".to_owned()),
                }
            })
            .collect()
    }

    fn judge(text: &str) -> Report {
        let evidence = Evidence {
            regions: RegionRegistry::default().all().to_vec(),
            samples: samples(text),
            ..Evidence::default()
        };
        assess(&evidence, now())
    }

    #[test]
    fn green_is_earned() {
        const GOOD: &str = "eu-west/api good 1, eu-west/database good 2, eu-west/engine good 3";
        let rows = [
            ("", State::Unknown),
            (GOOD, State::Operational),
            ("eu-west/api good 15, eu-west/database good 15, eu-west/engine good 15", State::Operational),
            ("eu-west/api good 16, eu-west/database good 1, eu-west/engine good 1", State::Unknown),
            ("eu-west/api good 1, eu-west/database good 1", State::Unknown),
            ("eu-west/api good -60, eu-west/database good 1, eu-west/engine good 1", State::Unknown),
            ("eu-west/api good 1, eu-west/database good 1, eu-west/engine bad 1", State::Degraded),
            ("eu-west/api good 1, eu-west/database bad 1, eu-west/engine good 1", State::Down),
            ("eu-west/api good 1, eu-west/database bad 16, eu-west/engine good 1", State::Unknown),
            ("eu-west/api bad 1, eu-west/database bad 1, eu-west/engine bad 1", State::Down),
            ("eu-west/engine bad 1", State::Down),
            // A second region joins as soon as it is observed, although it is declared as planned.
            (
                "eu-west/api good 1, eu-west/database good 2, eu-west/engine good 3, us-east/api good 1, us-east/database good 1, us-east/engine good 1",
                State::Operational,
            ),
            (
                "eu-west/api good 1, eu-west/database good 2, eu-west/engine good 3, us-east/api bad 1, us-east/database bad 1, us-east/engine bad 1",
                State::Degraded,
            ),
            (
                "eu-west/api good 1, eu-west/database good 2, eu-west/engine good 3, us-east/api good 99",
                State::Unknown,
            ),
        ];
        for (text, state) in rows {
            assert_eq!(judge(text).state, state, "{text}");
        }
    }

    #[test]
    fn planned_regions_have_no_components() {
        let report = judge("eu-west/api good 1");
        let shown: Vec<_> = report
            .regions
            .iter()
            .map(|region| (region.code.as_str(), region.planned, region.components.len()))
            .collect();
        assert_eq!(shown, [("eu-west", false, 3), ("us-east", true, 0), ("ap-south", true, 0)]);
    }

    #[test]
    fn other_components_are_shown_and_count() {
        let report =
            judge("eu-west/api good 1, eu-west/database good 1, eu-west/engine good 1, eu-west/mail bad 1");
        assert_eq!(report.state, State::Degraded);
        assert_eq!(report.regions[0].components[3].reason.as_deref(), Some("no answer"));
    }

    #[test]
    fn days_without_samples_are_days_without_evidence() {
        let today = now().date();
        let day = |back: i64, good, total| SampleDay {
            region: "eu-west".to_owned(),
            component: "api".to_owned(),
            day: today.plus_days(-back),
            good,
            total,
        };
        let evidence = Evidence {
            regions: RegionRegistry::default().all().to_vec(),
            samples: samples("eu-west/api good 1"),
            days: vec![day(2, 9, 10), day(0, 5, 5), day(200, 1, 1)],
            first: vec![("eu-west".to_owned(), now() - Duration::from_secs(200_000))],
            now: Vec::new(),
        };
        let report = assess(&evidence, now());
        let api = &report.regions[0].components[0];
        assert_eq!((api.days.len(), api.good, api.total), (90, 14, 15));
        assert_eq!(api.days[87], Day { date: today.plus_days(-2), good: 9, total: 10 });
        assert_eq!(api.days[88].total, 0);
        assert_eq!(api.days[89].total, 5);
    }

    #[test]
    fn unreadable_evidence_is_unknown() {
        let report = unreadable(RegionRegistry::default().all(), now());
        assert_eq!((report.state, report.newest), (State::Unknown, None));
    }
}
