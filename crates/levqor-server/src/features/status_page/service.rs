//! What the evidence proves about the platform, what it does not, and what people say of it.
//!
//! ```text
//! samples ─► voices: a component in a region ─┬─► region ─► the whole
//!                 declarations: only worse ───┘  └─► capability: the component in all regions
//! ```
//!
//! Invariants: nothing is called operational without a good sample that is at most [`FRESH`] old. Absent and old evidence give `unknown`,
//! whatever was true before. People make it worse and never better; maintenance explains and changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use levqor_model::{Date, Region, RegionStatus, Timestamp, uptime::SPEAKS_FOR};
use levqor_store::{
    declarations::{Declaration, Declared},
    health::{Sample, SampleDay},
    maintenance::{Phase, Window},
    subscriptions::meets,
};

use super::{
    measured::{Measured, MeasuredDay},
    parts, snapshot, voices,
};
use crate::{App, features::regions::service::RegionNow};

/// How old the newest sample may be and still speak for the present.
pub const FRESH: Duration = SPEAKS_FOR;
/// Days that the bars show.
pub const DAYS: i64 = 90;
/// A part of which nothing was seen for so long is not there any more.
const GONE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How a part is; the later, the worse for whoever relies on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Operational,
    /// No fresh evidence.
    Unknown,
    Degraded,
    Down,
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

    /// With what an operator says of it: never better than it was.
    fn declared(self, declared: Option<Declared>) -> Self {
        let said = match declared {
            None => return self,
            Some(Declared::Degraded) => State::Degraded,
            Some(Declared::Down) => State::Down,
        };
        self.max(said)
    }
}

/// All that the verdict is made from.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    pub regions: Vec<Region>,
    /// Samples of the last time, and the newest of each component in each region; one that is there twice counts once.
    pub samples: Vec<Sample>,
    pub days: Vec<SampleDay>,
    /// For how long parts were measured on days of which that is known; of others the sums tell what it can have been at most.
    pub measured: Vec<MeasuredDay>,
    /// When each region was first observed, by code.
    pub first: Vec<(String, Timestamp)>,
    /// What is so in each region now, as the regions' API tells it.
    pub now: Vec<RegionNow>,
    pub declarations: Vec<Declaration>,
    pub windows: Vec<Window>,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// When it was made.
    pub at: Timestamp,
    pub state: State,
    /// The newest sample of all.
    pub newest: Option<Timestamp>,
    pub regions: Vec<RegionReport>,
    /// What the platform can do, over all regions in use.
    pub capabilities: Vec<Capability>,
    /// What operators say now, and of what.
    pub declarations: Vec<Declaration>,
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
    /// As measured, or worse when somebody says so.
    pub state: State,
    pub measured: State,
    /// Whether operators work on it now.
    pub in_maintenance: bool,
    /// When the newest sample was taken.
    pub at: Option<Timestamp>,
    pub latency: Option<Duration>,
    /// Why the newest sample is not good.
    pub reason: Option<String>,
    pub good: i64,
    pub total: i64,
    /// Over how much time that is reckoned.
    pub known: Measured,
    pub since: Option<Timestamp>,
    /// [`DAYS`] of them, oldest first.
    pub days: Vec<Day>,
}

/// A component over all regions in use.
#[derive(Debug, Clone, PartialEq)]
pub struct Capability {
    pub name: String,
    pub title: String,
    pub does: String,
    /// Operational: everywhere. Down: wherever it was observed. Degraded: something between.
    pub state: State,
    /// By the code of the region.
    pub regions: Vec<(String, State)>,
}

/// A day's samples; `total == 0` is a day without evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub date: Date,
    pub good: i64,
    pub total: i64,
    /// For how long it was measured.
    pub measured: Measured,
    /// How much of the day has passed.
    pub passed: Duration,
}

/// The report of now.
pub async fn present(app: &App) -> Report {
    snapshot::current(app).await.report.clone()
}

/// The samples of one component in one region, the newest first, with those of the future left out.
type Seen<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a Sample>>;

fn seen(evidence: &Evidence, now: Timestamp) -> Seen<'_> {
    let mut all: Vec<&Sample> = evidence.samples.iter().filter(|sample| !is_future(sample.at, now)).collect();
    all.sort_by(|left, right| right.at.cmp(&left.at).then_with(|| left.node.cmp(&right.node)));
    let mut seen = Seen::new();
    for sample in all {
        let own = seen.entry((sample.region.as_str(), sample.component.as_str())).or_default();
        // The same one may come from the store and from memory.
        if !own.iter().rev().take_while(|one| one.at == sample.at).any(|one| one.node == sample.node) {
            own.push(sample);
        }
    }
    seen
}

/// Judges the evidence. Pure.
pub fn assess(evidence: &Evidence, now: Timestamp) -> Report {
    let seen = seen(evidence, now);
    let history = History::new(evidence, now);
    let regions: Vec<_> =
        evidence.regions.iter().map(|region| assess_region(region, evidence, &seen, &history, now)).collect();
    let in_use: Vec<_> = regions.iter().filter(|region| !region.planned).collect();
    let components: Vec<_> = in_use
        .iter()
        .flat_map(|region| &region.components)
        .map(|component| (component.name.as_str(), component.state))
        .collect();
    Report {
        at: now,
        state: overall(&components),
        newest: evidence.samples.iter().map(|sample| sample.at).filter(|at| !is_future(*at, now)).max(),
        capabilities: capabilities(&in_use),
        declarations: evidence.declarations.iter().filter(|one| one.ends_at > now).cloned().collect(),
        regions,
    }
}

/// The state of a whole from (component, state) of its parts.
///
/// Down: nothing is known to work, or the API or the database is down wherever it was observed; nobody can use the
/// platform then. Anything else that is not well degrades it. Without anything like that, one unknown part is enough for unknown.
fn overall(parts: &[(&str, State)]) -> State {
    let ill = |state: State| matches!(state, State::Down | State::Degraded);
    if parts.iter().any(|part| ill(part.1)) {
        let dead = |name: &str| {
            let mut same = parts.iter().filter(|part| part.0 == name);
            let down = same.clone().any(|part| part.1 == State::Down);
            down && same.all(|part| matches!(part.1, State::Down | State::Unknown))
        };
        let works = parts.iter().any(|part| matches!(part.1, State::Operational | State::Degraded));
        return if !works || dead("api") || dead("database") { State::Down } else { State::Degraded };
    }
    if !parts.is_empty() && parts.iter().all(|part| part.1 == State::Operational) {
        State::Operational
    } else {
        State::Unknown
    }
}

/// What the regions in use say of each component together.
fn capabilities(in_use: &[&RegionReport]) -> Vec<Capability> {
    let mut all: Vec<Capability> = Vec::new();
    for region in in_use {
        for component in &region.components {
            let there = (region.code.clone(), component.state);
            match all.iter_mut().find(|capability| capability.name == component.name) {
                Some(capability) => capability.regions.push(there),
                None => all.push(Capability {
                    name: component.name.clone(),
                    title: component.title.clone(),
                    does: component.does.clone(),
                    state: State::Unknown,
                    regions: vec![there],
                }),
            }
        }
    }
    for capability in &mut all {
        let is = |state: State| capability.regions.iter().any(|(_, there)| *there == state);
        capability.state = if is(State::Degraded) || (is(State::Down) && is(State::Operational)) {
            State::Degraded
        } else if is(State::Down) {
            State::Down
        } else if is(State::Unknown) {
            State::Unknown
        } else {
            State::Operational
        };
    }
    all
}

fn assess_region(
    region: &Region,
    evidence: &Evidence,
    seen: &Seen<'_>,
    history: &History<'_>,
    now: Timestamp,
) -> RegionReport {
    let code = region.code.as_str();
    let now_there = evidence.now.iter().find(|there| there.region.code == region.code);
    let own: BTreeMap<&str, &Vec<&Sample>> = seen
        .iter()
        .filter(|((found, _), _)| *found == code)
        .map(|((_, component), samples)| (*component, samples))
        .collect();
    let is_empty = now_there.is_none_or(|there| there.nodes.is_empty());
    let planned = region.declared == RegionStatus::Planned && own.is_empty() && is_empty;
    let since = evidence.first.iter().find(|(found, _)| found == code).map(|(_, at)| *at);
    let mut names: Vec<&str> = Vec::new();
    if !planned {
        names.extend(parts::REQUIRED);
        let there = own.iter().filter(|(name, samples)| {
            let newest = samples.first().map(|sample| sample.at);
            !parts::REQUIRED.contains(name) && newest.is_some_and(|at| now.since(at) <= GONE)
        });
        let mut others: Vec<&str> = there.map(|(name, _)| *name).collect();
        others.sort_by_key(|name| (parts::place(name), *name));
        names.extend(others);
    }
    let none = Vec::new();
    let components: Vec<_> = names
        .into_iter()
        .map(|name| {
            let samples = own.get(name).copied().unwrap_or(&none);
            let measured = voices::state(samples, now);
            let part = format!("{code}/{name}");
            let newest = samples.first();
            let days = history.days(code, name);
            let (title, does) = parts::words(name);
            ComponentReport {
                state: measured.declared(declared(&evidence.declarations, &part, now)),
                measured,
                in_maintenance: evidence.windows.iter().any(|window| {
                    window.phase(now) == Phase::InProgress && window.parts.iter().any(|own| meets(own, &part))
                }),
                at: newest.map(|sample| sample.at),
                latency: newest
                    .and_then(|sample| sample.latency_us)
                    .and_then(|micros| u64::try_from(micros).ok())
                    .map(Duration::from_micros),
                reason: newest.and_then(|sample| sample.reason.clone()),
                good: days.iter().map(|day| day.good).sum(),
                total: days.iter().map(|day| day.total).sum(),
                known: days.iter().fold(Measured::NONE, |sum, day| sum.and(day.measured)),
                since,
                name: name.to_owned(),
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

/// The worst that is said of a part now.
fn declared(declarations: &[Declaration], part: &str, now: Timestamp) -> Option<Declared> {
    let mut worst = None;
    for said in declarations.iter().filter(|said| said.ends_at > now && meets(&said.part, part)) {
        worst = match (worst, said.state) {
            (Some(Declared::Down), _) | (_, Some(Declared::Down)) => Some(Declared::Down),
            (found, said) => found.or(said),
        };
    }
    worst
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

/// The last [`DAYS`] days, and what was stored of them.
struct History<'a> {
    dates: Vec<Date>,
    now: Timestamp,
    /// What is known of each day, by region and component.
    stored: BTreeMap<(&'a str, &'a str), BTreeMap<Date, Sums>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    good: i64,
    total: i64,
    measured: Option<Duration>,
}

impl<'a> History<'a> {
    fn new(evidence: &'a Evidence, now: Timestamp) -> Self {
        let today = now.date();
        let dates: Vec<Date> = (0..DAYS).rev().map(|back| today.plus_days(-back)).collect();
        let shown: BTreeSet<Date> = dates.iter().copied().collect();
        let mut stored: BTreeMap<(&str, &str), BTreeMap<Date, Sums>> = BTreeMap::new();
        for day in evidence.days.iter().filter(|day| shown.contains(&day.day)) {
            let part = stored.entry((day.region.as_str(), day.component.as_str())).or_default();
            let sums = part.entry(day.day).or_default();
            sums.good += day.good;
            sums.total += day.total;
        }
        for day in evidence.measured.iter().filter(|day| shown.contains(&day.day)) {
            let part = stored.entry((day.region.as_str(), day.component.as_str())).or_default();
            part.entry(day.day).or_default().measured = Some(day.span);
        }
        Self { dates, now, stored }
    }

    /// All days that are shown, also those without evidence.
    fn days(&self, region: &str, component: &str) -> Vec<Day> {
        let stored = self.stored.get(&(region, component));
        let of = |date: &Date| {
            let Sums { good, total, measured } =
                stored.and_then(|stored| stored.get(date)).copied().unwrap_or_default();
            let passed = date.plus_days(1).start().min(self.now).since(date.start());
            let measured = match measured {
                // Without samples there is nothing that it was measured by.
                _ if total == 0 => Measured::NONE,
                Some(span) => Measured::exactly(span),
                None => Measured::at_most(total),
            };
            Day { date: *date, good, total, measured: measured.within(passed), passed }
        };
        self.dates.iter().map(of).collect()
    }
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
        let measured = |back: i64, seconds| MeasuredDay {
            region: "eu-west".to_owned(),
            component: "api".to_owned(),
            day: today.plus_days(-back),
            span: Duration::from_secs(seconds),
        };
        let evidence = Evidence {
            regions: RegionRegistry::default().all().to_vec(),
            samples: samples("eu-west/api good 1"),
            days: vec![day(2, 9, 10), day(0, 5, 5), day(200, 1, 1)],
            measured: vec![measured(0, 25), measured(1, 60)],
            first: vec![("eu-west".to_owned(), now() - Duration::from_secs(200_000))],
            ..Evidence::default()
        };
        let report = assess(&evidence, now());
        let api = &report.regions[0].components[0];
        assert_eq!((api.days.len(), api.good, api.total), (90, 14, 15));
        let passed = Duration::from_secs(86_400);
        let sums_only = Measured { span: Duration::from_secs(50), is_exact: false };
        let day = Day { date: today.plus_days(-2), good: 9, total: 10, measured: sums_only, passed };
        assert_eq!(api.days[87], day);
        assert_eq!(api.days[88].measured, Measured::NONE, "without samples nothing was measured");
        assert_eq!(api.days[89].measured, Measured::exactly(Duration::from_secs(25)));
        assert_eq!(api.days[89].passed, now().since(today.start()));
        assert_eq!(api.known, Measured { span: Duration::from_secs(75), is_exact: false });
        assert_eq!(api.days[88].total, 0);
        assert_eq!(api.days[89].total, 5);
    }

    #[test]
    fn people_make_it_worse_and_never_better() {
        let said = |part: &str, state, seconds: i64| Declaration {
            id: levqor_model::DeclarationId::new(now(), &SeededRandom::new(2)),
            part: part.to_owned(),
            state,
            words: "we look into it".to_owned(),
            actor: "user".to_owned(),
            at: now(),
            ends_at: Timestamp::from_seconds(NOW + seconds),
        };
        const GOOD: &str = "eu-west/api good 1, eu-west/database good 1, eu-west/engine good 1";
        const ILL: &str = "eu-west/api good 1, eu-west/database good 1, eu-west/engine bad 1";
        let (degraded, down) = (Some(Declared::Degraded), Some(Declared::Down));
        let rows = [
            (GOOD, vec![], State::Operational, State::Operational),
            (GOOD, vec![said("*/*", None, 60)], State::Operational, State::Operational),
            (GOOD, vec![said("eu-west/engine", degraded, 60)], State::Degraded, State::Degraded),
            (GOOD, vec![said("eu-west/engine", degraded, 0)], State::Operational, State::Operational),
            (GOOD, vec![said("us-east/*", down, 60)], State::Operational, State::Operational),
            (GOOD, vec![said("*/engine", degraded, 60), said("*/*", down, 60)], State::Down, State::Down),
            // What is measured as down stays so.
            (ILL, vec![said("eu-west/engine", degraded, 60)], State::Down, State::Degraded),
            // Of the rest nothing is known.
            ("", vec![said("eu-west/engine", degraded, 60)], State::Degraded, State::Degraded),
        ];
        for (evidence, declarations, engine, whole) in rows {
            let shown = format!("{evidence}; {declarations:?}");
            let evidence = Evidence {
                regions: RegionRegistry::default().all().to_vec(),
                samples: samples(evidence),
                declarations,
                ..Evidence::default()
            };
            let report = assess(&evidence, now());
            let found = &report.regions[0].components[2];
            assert_eq!((found.name.as_str(), found.state), ("engine", engine), "{shown}");
            assert_eq!(report.state, whole, "{shown}");
        }
    }

    #[test]
    fn maintenance_explains_and_hides_nothing() {
        let window = Window {
            id: levqor_model::MaintenanceId::new(now(), &SeededRandom::new(2)),
            title: "A new disk".to_owned(),
            words: String::new(),
            parts: vec!["eu-west/*".to_owned()],
            starts_at: now() - Duration::from_secs(60),
            ends_at: now() + Duration::from_secs(60),
            actor: "user".to_owned(),
            created_at: now(),
            updated_at: now(),
            cancelled_at: None,
            told: Phase::Scheduled,
        };
        let evidence = Evidence {
            regions: RegionRegistry::default().all().to_vec(),
            samples: samples("eu-west/api good 1, eu-west/database bad 1, us-east/api good 1"),
            windows: vec![window],
            ..Evidence::default()
        };
        let report = assess(&evidence, now());
        let shown: Vec<_> = report.regions[0]
            .components
            .iter()
            .map(|component| (component.state, component.in_maintenance))
            .collect();
        assert_eq!(shown, [(State::Operational, true), (State::Down, true), (State::Unknown, true)]);
        assert!(!report.regions[1].components[0].in_maintenance);
        assert_eq!(report.state, State::Down);
    }

    #[test]
    fn capabilities_are_judged_over_all_regions() {
        const EU: &str = "eu-west/api good 1, eu-west/database good 1, eu-west/engine good 1";
        let rows = [
            ("us-east/api good 1, us-east/database good 1, us-east/engine good 1", State::Operational),
            ("us-east/api good 1, us-east/database good 1, us-east/engine bad 1", State::Degraded),
            ("us-east/api good 1, us-east/database good 1", State::Unknown),
        ];
        for (us, engine) in rows {
            let report = judge(&format!("{EU}, {us}"));
            let found = report.capabilities.iter().find(|one| one.name == "engine").unwrap();
            assert_eq!((found.state, found.regions.len()), (engine, 2), "{us}");
        }
        let down = judge("eu-west/api bad 1, us-east/api bad 1");
        assert_eq!(down.capabilities[0].state, State::Down);
    }

    #[test]
    fn what_is_silent_for_a_week_is_gone() {
        let names = |text: &str| -> Vec<String> {
            judge(text).regions[0].components.iter().map(|component| component.name.clone()).collect()
        };
        assert_eq!(names("eu-west/mail good 604800"), ["api", "database", "engine", "mail"]);
        assert_eq!(names("eu-west/mail good 604801"), ["api", "database", "engine"]);
        assert_eq!(names("eu-west/zeta good 1, eu-west/runs good 1")[3..], ["runs", "zeta"]);
    }
}
