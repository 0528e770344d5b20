//! What became of events: each that was acknowledged is there, each that was emitted is there once, and whoever listens
//! consumes all that come from some point on, in order, once.

use std::collections::BTreeMap;

use levqor_flow::event::CloudEvent;
use levqor_model::RunId;

use crate::{
    documents::{NEWS, TOLD},
    oracle,
    walk::Walk,
    world::World,
};

/// More than any simulation has.
const EVENTS_MAX: usize = 20_000;

pub async fn check(
    world: &World,
    walks: &BTreeMap<RunId, &Walk>,
    wrong: &mut Vec<String>,
) -> Result<(), levqor_store::Error> {
    let page = world.store.events_after(world.account, vec![None], 0, EVENTS_MAX).await?;
    let mut stored: BTreeMap<u64, CloudEvent> = BTreeMap::new();
    for event in page.events {
        match serde_json::from_str(&event.body) {
            Ok(body) => drop(stored.insert(event.seq.cast_unsigned(), body)),
            Err(reason) => wrong.push(format!("event {} cannot be read: {reason}", event.seq)),
        }
    }
    let news: BTreeMap<u64, &CloudEvent> =
        stored.iter().filter(|(_, event)| event.kind() == NEWS).map(|(seq, event)| (*seq, event)).collect();
    let by_id = ById::of(news.values().copied());
    for number in &world.told().published {
        let there = oracle::news(*number).map_or(0, |event| by_id.count(&event));
        if there != 1 {
            wrong.push(format!("news {number} was acknowledged and is there {there} times"));
        }
    }
    emitted(&stored, walks, wrong);
    for (run, walk) in walks {
        for (effect, received) in &walk.received {
            if let Some(reason) = consumed(&news, received) {
                wrong.push(format!("{run}: effect {effect} {reason}"));
            }
        }
    }
    Ok(())
}

/// Events by their ids, of which thousands are looked for.
struct ById<'a>(BTreeMap<&'a str, Vec<&'a CloudEvent>>);

impl<'a> ById<'a> {
    fn of(events: impl Iterator<Item = &'a CloudEvent>) -> Self {
        let mut by_id: BTreeMap<&str, Vec<&CloudEvent>> = BTreeMap::new();
        for event in events {
            by_id.entry(event.id()).or_default().push(event);
        }
        Self(by_id)
    }

    /// How often the event is there, the same in all of its parts.
    fn count(&self, event: &CloudEvent) -> usize {
        let same = self.0.get(event.id()).into_iter().flatten();
        same.filter(|other| **other == event).count()
    }
}

/// Every event that a run asked for is there once, and nothing else is told in the name of runs.
fn emitted(stored: &BTreeMap<u64, CloudEvent>, walks: &BTreeMap<RunId, &Walk>, wrong: &mut Vec<String>) {
    let told: Vec<&CloudEvent> = stored.values().filter(|event| event.kind() == TOLD).collect();
    let asked: Vec<(&RunId, &Walk, &CloudEvent)> = walks
        .iter()
        .flat_map(|(run, walk)| walk.emitted.values().map(move |(_, event)| (run, *walk, event)))
        .collect();
    let (told_by_id, asked_by_id) =
        (ById::of(told.iter().copied()), ById::of(asked.iter().map(|(_, _, event)| *event)));
    for (run, walk, event) in &asked {
        let there = told_by_id.count(event);
        // What was asked for by the entry that cut the run off was never asked for.
        if there != 1 && !(there == 0 && walk.cancelled) {
            wrong.push(format!("{run} emitted {} and it is there {there} times", event.id()));
        }
    }
    for event in told {
        if asked_by_id.count(event) == 0 {
            wrong.push(format!("nobody emitted {}", event.id()));
        }
    }
}

/// What is wrong with the events that a listening task consumed: they must be all news from the first on, in order, once.
fn consumed(news: &BTreeMap<u64, &CloudEvent>, received: &[(u64, CloudEvent)]) -> Option<String> {
    let (first, last) = (received.first()?.0, received.last()?.0);
    let came: Vec<(u64, &CloudEvent)> =
        news.range(first..=last.max(first)).map(|(seq, event)| (*seq, *event)).collect();
    let consumed: Vec<(u64, &CloudEvent)> = received.iter().map(|(seq, event)| (*seq, event)).collect();
    if came == consumed {
        return None;
    }
    let seqs = |events: &[(u64, &CloudEvent)]| events.iter().map(|(seq, _)| *seq).collect::<Vec<_>>();
    Some(format!("consumed events {:?}, and {:?} came", seqs(&consumed), seqs(&came)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_missing_doubled_or_changed_is_found() {
        let told = |id: &str, n: u64| {
            let event = serde_json::json!({ "specversion": "1.0", "id": id, "source": "/run", "type": TOLD, "data": { "n": n } });
            CloudEvent::parse(event).unwrap()
        };
        let run: RunId = "run_01KDV7N5C00000000000000000".parse().unwrap();
        let walk = |cancelled| Walk {
            emitted: [(1, (0, told("a", 1))), (2, (0, told("b", 2)))].into(),
            cancelled,
            ..Walk::default()
        };
        let wrong = |events: &[CloudEvent], cancelled| {
            let stored = (1..).zip(events.iter().cloned()).collect();
            let (walk, mut wrong) = (walk(cancelled), Vec::new());
            emitted(&stored, &[(run, &walk)].into(), &mut wrong);
            wrong.join("; ")
        };
        let (a, b) = (told("a", 1), told("b", 2));
        assert_eq!(wrong(&[b.clone(), a.clone()], false), "");
        assert_eq!(wrong(std::slice::from_ref(&a), true), "");
        let rows = [
            (vec![a.clone()], "emitted b and it is there 0 times"),
            (vec![a.clone(), b.clone(), a.clone()], "emitted a and it is there 2 times"),
            (vec![a.clone(), told("b", 3)], "emitted b and it is there 0 times; nobody emitted b"),
            (vec![a, b, told("c", 1)], "nobody emitted c"),
        ];
        for (events, expected) in rows {
            let found = wrong(&events, false);
            assert!(found.contains(expected), "{expected:?} is not in {found:?}");
        }
    }

    #[test]
    fn a_gap_a_repeat_and_a_wrong_order_are_found() {
        let all: Vec<CloudEvent> = (1..=4).map(|number| oracle::news(number).unwrap()).collect();
        let news: BTreeMap<u64, &CloudEvent> = (1..).zip(&all).collect();
        let take =
            |seqs: &[u64]| seqs.iter().map(|seq| (*seq, all[*seq as usize - 1].clone())).collect::<Vec<_>>();
        for good in [&[][..], &[1][..], &[2, 3, 4][..]] {
            assert_eq!(consumed(&news, &take(good)), None, "{good:?}");
        }
        for bad in [&[1, 3][..], &[2, 2][..], &[3, 2][..], &[1, 2, 2, 3][..]] {
            assert!(consumed(&news, &take(bad)).is_some(), "{bad:?}");
        }
        let mut other = take(&[1, 2]);
        other[1].1 = all[3].clone();
        assert!(consumed(&news, &other).is_some());
    }
}
