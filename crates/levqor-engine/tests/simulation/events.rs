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
    for number in &world.told().published {
        let there = news.values().filter(|event| Ok(**event) == oracle::news(*number).as_ref()).count();
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

/// Every event that a run asked for is there once, and nothing else is told in the name of runs.
fn emitted(stored: &BTreeMap<u64, CloudEvent>, walks: &BTreeMap<RunId, &Walk>, wrong: &mut Vec<String>) {
    let told: Vec<&CloudEvent> = stored.values().filter(|event| event.kind() == TOLD).collect();
    let asked: Vec<(&RunId, &Walk, &CloudEvent)> = walks
        .iter()
        .flat_map(|(run, walk)| walk.emitted.values().map(move |(_, event)| (run, *walk, event)))
        .collect();
    for (run, walk, event) in &asked {
        let there = told.iter().filter(|told| *told == event).count();
        // What was asked for by the entry that cut the run off was never asked for.
        if there != 1 && !(there == 0 && walk.cancelled) {
            wrong.push(format!("{run} emitted {} and it is there {there} times", event.id()));
        }
    }
    for event in told {
        if !asked.iter().any(|(_, _, asked)| *asked == event) {
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
