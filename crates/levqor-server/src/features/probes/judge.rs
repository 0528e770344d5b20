//! From boards to verdicts, and from verdicts to evidence: four times a second on every node.
//!
//! Every node makes its verdicts of the same boards, so it does not matter which of them tells one first; the store keeps it once.
//! When the boards cannot be read there is no verdict: what is in memory grows old, and is unknown then.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use levqor_model::{RegionCode, Severity, Timestamp};
use levqor_store::{Error, health::Sample, probes::ProbeVerdict};
use tokio::time::Instant;

use super::{
    account,
    board::Entry,
    definition::Definition,
    look::Target,
    memory,
    verdict::{CONFIRM, State, Votes, tally},
};
use crate::App;

/// What another node saw longer ago than this is no word of now.
const BOARD_FRESH: Duration = Duration::from_secs(3);
/// How often a node says what it sees when nothing changes.
const TOLD_EVERY: Duration = Duration::from_secs(1);
const LEARNED_EVERY: Duration = Duration::from_secs(2);
/// Evidence counts as fresh for 15 s, so one sample may be late or lost.
const SAMPLED_EVERY: Duration = Duration::from_secs(5);
const FLUSHED_EVERY: Duration = Duration::from_secs(5);
const MISSED_EVERY: Duration = Duration::from_secs(1);
const TIDIED_EVERY: Duration = Duration::from_secs(600);
/// Samples that wait for the store. The oldest go first.
const WAITING_MAX: usize = 1_000;
/// Verdicts that were made longer ago are of before.
const VERDICTS_FRESH: Duration = Duration::from_secs(5);

/// What the regions think of a target together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) state: State,
    /// Since when it is up or down; None for what is unknown.
    pub(super) since: Option<Timestamp>,
    pub(super) reason: Option<String>,
    pub(super) votes: Votes,
    pub(super) regions: Vec<RegionView>,
}

/// What the nodes of one region think.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RegionView {
    pub(super) region: String,
    pub(super) state: State,
    /// How many of them look.
    pub(super) nodes: usize,
    /// The newest look of them.
    pub(super) at: Option<Timestamp>,
    pub(super) latency_us: Option<i64>,
    pub(super) reason: Option<String>,
    pub(super) certificate: Option<Timestamp>,
}

impl Verdict {
    /// Some regions reach it and others do not.
    pub(super) const fn is_disputed(&self) -> bool {
        self.votes.up > 0 && self.votes.down > 0
    }

    /// Until when its certificate is good, as the first to end of those that were seen.
    pub(super) fn certificate(&self) -> Option<Timestamp> {
        self.regions.iter().filter_map(|view| view.certificate).min()
    }
}

pub(super) type Place = (String, String);

/// What is in memory of verdicts.
#[derive(Debug, Default)]
pub(super) struct Judged {
    now: Mutex<Now>,
    /// Held during a round.
    round: tokio::sync::Mutex<Round>,
}

#[derive(Debug, Default)]
struct Now {
    verdicts: BTreeMap<Place, Verdict>,
    at: Option<Instant>,
}

/// When what was done last.
#[derive(Debug, Default)]
struct Round {
    learned: Option<Instant>,
    /// What was told, and when.
    told: Option<(Instant, Vec<State>)>,
    sampled: Option<Instant>,
    flushed: Option<Instant>,
    missed: Option<Instant>,
    tidied: Option<Instant>,
    /// What each was last, up or down, and since when. None: the store was not asked yet.
    settled: Option<BTreeMap<Place, (State, Timestamp)>>,
    waiting: VecDeque<Sample>,
    /// Of which nothing was said when it was time: they were in doubt.
    owed: Vec<Place>,
    unsaid: VecDeque<ProbeVerdict>,
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}

impl Judged {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The verdicts of now. Old ones say nothing.
    pub(super) fn verdicts(&self) -> BTreeMap<Place, Verdict> {
        let now = self.now();
        let mut verdicts = now.verdicts.clone();
        if is_due(now.at, VERDICTS_FRESH) {
            for verdict in verdicts.values_mut() {
                verdict.state = State::Unknown;
                verdict.reason = Some("verdicts are not made at the moment".to_owned());
            }
        }
        verdicts
    }
}

/// The job: one round.
///
/// # Errors
/// When the store cannot be asked or written; what waits goes with the next round.
pub(crate) async fn judge(app: &App) -> Result<(), Error> {
    let memory = memory(app);
    let mut round = memory.judged.round.lock().await;
    if is_due(round.learned, LEARNED_EVERY) {
        memory.targets.learn(app).await?;
        round.learned = Some(Instant::now());
        let is_there = |(probe, target): &(std::sync::Arc<str>, String)| {
            let definition = app.settings.probes.definitions.find(probe);
            definition.is_some_and(|definition| {
                memory.targets.of(definition).iter().any(|known| known.name == *target)
            })
        };
        memory.board.retain(is_there);
    }
    let own = memory.board.entries(Instant::now());
    let others = exchange(app, &mut round, &own).await?;
    if round.settled.is_none() {
        round.settled = Some(settled(app.store.probe_verdicts().await?));
    }
    let changes = decide(app, &mut round, own, others);
    write(app, &mut round, changes).await
}

/// What was noted last of each target.
fn settled(noted: Vec<ProbeVerdict>) -> BTreeMap<Place, (State, Timestamp)> {
    noted
        .into_iter()
        .filter_map(|noted| Some(((noted.probe, noted.target), (State::parse(&noted.state)?, noted.since))))
        .collect()
}

/// Tells the other nodes what this one sees, and hears what they see.
async fn exchange(
    app: &App,
    round: &mut Round,
    own: &[Entry],
) -> Result<Vec<(RegionCode, Vec<Entry>)>, Error> {
    if !app.store.is_shared() {
        return Ok(Vec::new());
    }
    let states: Vec<State> = own.iter().map(|entry| entry.state).collect();
    let is_told = round.told.as_ref().is_some_and(|(at, told)| at.elapsed() < TOLD_EVERY && *told == states);
    if !is_told {
        let board = serde_json::to_string(own).unwrap_or_default();
        app.store.put_probe_board(app.node, app.region.code.clone(), board, app.now()).await?;
        round.told = Some((Instant::now(), states));
    }
    let boards = app.store.probe_boards(BOARD_FRESH, app.now()).await?;
    // What another version of Levqor has written may not be readable: it says nothing.
    let read = |text: &str| serde_json::from_str::<Vec<Entry>>(text).unwrap_or_default();
    let others = boards.into_iter().filter(|board| board.node != app.node);
    Ok(others.map(|board| (board.region, read(&board.board))).collect())
}

/// Makes verdicts; those that are not what they were.
fn decide(
    app: &App,
    round: &mut Round,
    own: Vec<Entry>,
    others: Vec<(RegionCode, Vec<Entry>)>,
) -> Vec<ProbeVerdict> {
    let memory = memory(app);
    let mut views: BTreeMap<Place, Vec<(String, Entry)>> = BTreeMap::new();
    for (region, entries) in others.into_iter().chain([(app.region.code.clone(), own)]) {
        for entry in entries {
            let place = (entry.probe.clone(), entry.target.clone());
            views.entry(place).or_default().push((region.to_string(), entry));
        }
    }
    let settled = round.settled.get_or_insert_default();
    let (mut verdicts, mut changes) = (BTreeMap::new(), Vec::new());
    for definition in &app.settings.probes.definitions.probes {
        for target in memory.targets.of(definition) {
            let place = (definition.name.clone(), target.name);
            let seen = views.get(&place).map(Vec::as_slice).unwrap_or_default();
            let mut verdict = match definition.every {
                Some(_) => of_views(seen),
                None => of_views(last_word(seen)),
            };
            let last = settled.get(&place).copied();
            if verdict.state != State::Unknown && last.is_none_or(|(state, _)| state != verdict.state) {
                let now = app.now();
                settled.insert(place.clone(), (verdict.state, now));
                changes.push(ProbeVerdict {
                    probe: place.0.clone(),
                    target: place.1.clone(),
                    state: verdict.state.as_str().to_owned(),
                    since: now,
                    reason: verdict.reason.clone(),
                });
                tell(definition, &place.1, &verdict);
            }
            let known = settled.get(&place).filter(|_| verdict.state != State::Unknown);
            verdict.since = known.map(|(_, since)| *since);
            verdicts.insert(place, verdict);
        }
    }
    let mut now = memory.judged.now();
    now.verdicts = verdicts;
    now.at = Some(Instant::now());
    changes
}

fn tell(definition: &Definition, target: &str, verdict: &Verdict) {
    let (name, state) = (&definition.name, verdict.state.as_str());
    let reason = verdict.reason.as_deref().unwrap_or_default();
    match (verdict.state, definition.severity) {
        (State::Down, Severity::Critical) => tracing::error!("probe {name}: {target} is down: {reason}"),
        (State::Down, _) => tracing::warn!("probe {name}: {target} is down: {reason}"),
        (State::Up | State::Unknown, _) => tracing::info!("probe {name}: {target} is {state}"),
    }
}

/// Of what is only looked at when somebody asks: whoever was asked last. What others saw half an hour ago is no vote against it.
fn last_word(views: &[(String, Entry)]) -> &[(String, Entry)] {
    let known = views.iter().enumerate().filter(|(_, (_, entry))| entry.state != State::Unknown);
    let last = known.max_by_key(|(_, (_, entry))| entry.at).map(|(place, _)| place);
    last.and_then(|place| views.get(place..=place)).unwrap_or_default()
}

/// What views of one target say together.
fn of_views(views: &[(String, Entry)]) -> Verdict {
    let (by_region, votes) = tally(views.iter().map(|(region, entry)| (region.as_str(), entry.state)));
    let regions: Vec<_> = by_region
        .iter()
        .map(|(region, of_nodes)| {
            let there = || views.iter().filter(|(of, _)| of == region).map(|(_, entry)| entry);
            let newest = there().max_by_key(|entry| entry.at);
            let bad = there().find(|entry| entry.state == State::Down);
            let state = of_nodes.state();
            let fault = match state {
                State::Down => bad.and_then(|entry| entry.reason.clone()),
                State::Up | State::Unknown => None,
            };
            RegionView {
                region: (*region).to_owned(),
                state,
                nodes: there().count(),
                at: newest.and_then(|entry| entry.at),
                latency_us: newest.filter(|entry| entry.reason.is_none()).and_then(|entry| entry.latency_us),
                reason: fault.or_else(|| newest.and_then(|entry| entry.reason.clone())),
                certificate: there().filter_map(|entry| entry.certificate).min(),
            }
        })
        .collect();
    let state = votes.state();
    let why = regions.iter().find(|view| view.state == State::Down).and_then(|view| view.reason.clone());
    let reason = match (state, votes.down) {
        (State::Unknown, _) => Some("nobody has looked at it lately".to_owned()),
        (_, 0) => None,
        (State::Up | State::Down, down) => {
            let all = votes.up + votes.down;
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            Some(match all {
                1 => why.trim_start_matches(": ").to_owned(),
                _ => format!("not well for {down} of {all} regions{why}"),
            })
        }
    };
    Verdict { state, since: None, reason, votes, regions }
}

/// Writes changes at once, and everything else in its time.
async fn write(app: &App, round: &mut Round, changes: Vec<ProbeVerdict>) -> Result<(), Error> {
    let memory = memory(app);
    let changed: Vec<Place> =
        changes.iter().map(|change| (change.probe.clone(), change.target.clone())).collect();
    round.unsaid.extend(changes);
    let all = is_due(round.sampled, SAMPLED_EVERY);
    let owed = std::mem::take(&mut round.owed);
    let wanted = |place: &Place| match (changed.contains(place), all || owed.contains(place)) {
        (true, _) => Wanted::Turned,
        (false, true) => Wanted::Again,
        (false, false) => Wanted::Not,
    };
    let (said, owed) = samples(app, wanted);
    round.owed = owed;
    round.waiting.extend(said);
    if all {
        round.sampled = Some(Instant::now());
    }
    while round.waiting.len() > WAITING_MAX {
        round.waiting.pop_front();
    }
    // The page first: it is what people see.
    if !round.waiting.is_empty() {
        app.store.add_samples(round.waiting.iter().cloned().collect()).await?;
        round.waiting.clear();
    }
    while let Some(change) = round.unsaid.front().cloned() {
        app.store.note_probe_verdict(change).await?;
        round.unsaid.pop_front();
    }
    if is_due(round.missed, MISSED_EVERY) {
        for name in app.store.miss_heartbeats(app.now()).await? {
            tracing::warn!("the heartbeat {name} is down: nothing was heard of it in its time");
        }
        round.missed = Some(Instant::now());
    }
    if is_due(round.flushed, FLUSHED_EVERY) {
        flush(app).await?;
        round.flushed = Some(Instant::now());
    }
    if memory.targets.leads() && is_due(round.tidied, TIDIED_EVERY) {
        account::tidy(app).await?;
        round.tidied = Some(Instant::now());
    }
    Ok(())
}

/// Writes results and sums.
async fn flush(app: &App) -> Result<(), Error> {
    let board = &memory(app).board;
    let (results, sums) = board.take();
    if results.is_empty() && sums.is_empty() {
        return Ok(());
    }
    let written = app.store.add_probe_results(results.clone(), sums.clone()).await;
    if written.is_err() {
        board.give_back(results, sums);
    }
    written
}

/// Whether evidence of a target is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Not,
    Again,
    /// Its verdict is another one now.
    Turned,
}

/// The evidence of components, for the status page, and those that are in doubt here, of which nothing good is said meanwhile. What is
/// unknown gives none.
///
/// Whoever reads evidence believes what is bad once it has lasted. A verdict is made of looks that have failed for so long already, so
/// that one is told with when that began: else it would have to last twice.
fn samples(app: &App, wanted: impl Fn(&Place) -> Wanted) -> (Vec<Sample>, Vec<Place>) {
    let memory = memory(app);
    let (now, at) = (memory.judged.now(), app.now());
    let (mut samples, mut doubted) = (Vec::new(), Vec::new());
    for definition in &app.settings.probes.definitions.probes {
        let Some(component) = &definition.component else { continue };
        for Target { name, region, .. } in memory.targets.of(definition) {
            let place = (definition.name.clone(), name);
            let wanted = wanted(&place);
            let Some(verdict) = now.verdicts.get(&place).filter(|_| wanted != Wanted::Not) else { continue };
            if verdict.state == State::Unknown {
                continue;
            }
            if verdict.state == State::Up && memory.board.is_in_doubt(&place) {
                doubted.push(place);
                continue;
            }
            let sample = Sample {
                region: region.unwrap_or_else(|| app.region.code.clone()),
                node: app.node,
                component: component.clone(),
                at,
                good: verdict.state == State::Up,
                latency_us: middle(verdict.regions.iter().filter_map(|view| view.latency_us).collect()),
                reason: (verdict.state == State::Down).then(|| verdict.reason.clone()).flatten(),
            };
            if (wanted, verdict.state) == (Wanted::Turned, State::Down) {
                samples.push(Sample { at: at - CONFIRM, latency_us: None, ..sample.clone() });
            }
            samples.push(sample);
        }
    }
    (samples, doubted)
}

/// The middle; of an even number the lower one.
fn middle(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(region: &str, state: State, reason: Option<&str>) -> (String, Entry) {
        let entry = Entry {
            probe: "reach".to_owned(),
            target: "us-east".to_owned(),
            state,
            at: Some(Timestamp::from_seconds(1_795_502_901)),
            latency_us: Some(1_500),
            reason: reason.map(str::to_owned),
            certificate: None,
        };
        (region.to_owned(), entry)
    }

    #[test]
    fn a_verdict_says_how_many_regions_and_why() {
        use State::{Down, Unknown, Up};
        let rows = [
            (vec![], Unknown, Some("nobody has looked at it lately")),
            (vec![view("a", Unknown, None)], Unknown, Some("nobody has looked at it lately")),
            (vec![view("a", Up, None)], Up, None),
            // A single look that failed is no reason yet.
            (vec![view("a", Up, Some("no answer"))], Up, None),
            (vec![view("a", Down, Some("no answer"))], Down, Some("no answer")),
            (
                vec![view("a", Up, None), view("b", Down, Some("refused"))],
                Up,
                Some("not well for 1 of 2 regions: refused"),
            ),
            (
                vec![view("a", Up, None), view("b", Down, Some("refused")), view("c", Down, Some("late"))],
                Down,
                Some("not well for 2 of 3 regions: refused"),
            ),
        ];
        for (views, state, reason) in rows {
            let verdict = of_views(&views);
            assert_eq!((verdict.state, verdict.reason.as_deref()), (state, reason), "{views:?}");
        }
        let disputed = of_views(&[view("a", Up, None), view("b", Down, Some("refused"))]);
        assert!(disputed.is_disputed() && !of_views(&[view("a", Up, None)]).is_disputed());
        assert_eq!(disputed.regions[0].latency_us, Some(1_500));
        assert_eq!(disputed.regions[1].latency_us, None, "what failed has no latency");
    }

    #[test]
    fn of_what_is_only_asked_for_the_last_word_counts() {
        use State::{Down, Unknown, Up};
        let at = |seconds: i64, (region, entry): (String, Entry)| {
            (region, Entry { at: Some(Timestamp::from_seconds(seconds)), ..entry })
        };
        let (good, bad) = (view("a", Up, None), view("b", Down, Some("at run: it failed")));
        let unsure = view("c", Unknown, Some("no answer"));
        let rows = [
            (vec![], Unknown),
            (vec![at(1, unsure.clone())], Unknown),
            (vec![at(1, good.clone()), at(2, bad.clone())], Down),
            (vec![at(3, good.clone()), at(2, bad.clone())], Up),
            (vec![at(1, good.clone()), at(2, bad.clone()), at(3, unsure)], Down),
        ];
        for (views, state) in rows {
            assert_eq!(of_views(last_word(&views)).state, state, "{views:?}");
        }
    }

    #[test]
    fn the_middle_of_nothing_is_nothing() {
        assert_eq!((middle(vec![]), middle(vec![9, 1, 5]), middle(vec![4, 2])), (None, Some(5), Some(2)));
    }
}
