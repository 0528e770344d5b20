//! What this node knows of networks: its own errors, and those of the region as the store told them last.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use levqor_model::Timestamp;
use levqor_store::reputation::Errors;

use super::window::{ERRORS_MAX, Window, oldest_slot, slot_of};

/// Networks whose errors are counted; a newcomer takes the place of whoever made fewest, among a few.
const NETWORKS_MAX: usize = 16_384;
const COMPARED: usize = 8;
/// Counts that wait to be told; more are this node's alone.
const UNTOLD_MAX: usize = 10_000;

/// A network that made too many errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub(crate) network: IpAddr,
    pub(crate) errors: u32,
    /// When it will be none, if no more errors come.
    pub(crate) until: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    own: HashMap<IpAddr, Window>,
    region: HashMap<IpAddr, Window>,
    untold: HashMap<(IpAddr, Timestamp), u32>,
    /// Who was told of in the log already.
    announced: HashSet<IpAddr>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more error. True: it is the one that makes the network suspicious. `shared`: other nodes are to learn of it.
    pub(super) fn error(&self, network: IpAddr, now: Timestamp, shared: bool) -> bool {
        let mut known = self.lock();
        if known.own.len() >= NETWORKS_MAX && !known.own.contains_key(&network) {
            known.make_room(now);
        }
        let slot = slot_of(now);
        known.own.entry(network).or_default().add(slot, 1);
        if shared && (known.untold.len() < UNTOLD_MAX || known.untold.contains_key(&(network, slot))) {
            *known.untold.entry((network, slot)).or_default() += 1;
        }
        known.suspect(network, now).is_some() && known.announced.insert(network)
    }

    pub(super) fn suspect(&self, network: IpAddr, now: Timestamp) -> Option<Suspect> {
        let mut known = self.lock();
        if known.own.is_empty() && known.region.is_empty() {
            return None;
        }
        known.suspect(network, now)
    }

    /// All of them, by address.
    pub(super) fn suspects(&self, now: Timestamp) -> Vec<Suspect> {
        let mut known = self.lock();
        let mut networks: Vec<IpAddr> = known.own.keys().chain(known.region.keys()).copied().collect();
        networks.sort_unstable();
        networks.dedup();
        networks.into_iter().filter_map(|network| known.suspect(network, now)).collect()
    }

    /// What other nodes have not been told, at most so many rows; it counts as told. Of the networks that made most errors first: when
    /// a crowd makes one each, those who matter are not the last to be told of.
    pub(super) fn take_untold(&self, rows: usize, now: Timestamp) -> Vec<Errors> {
        let mut known = self.lock();
        let Known { own, untold, .. } = &mut *known;
        let mut waiting: Vec<_> = untold
            .keys()
            .map(|key| (Reverse(own.get_mut(&key.0).map_or(0, |window| window.total(now))), *key))
            .collect();
        waiting.sort_unstable();
        waiting
            .into_iter()
            .take(rows)
            .filter_map(|(_, key)| {
                let errors = i64::from(untold.remove(&key)?);
                Some(Errors { network: key.0.to_string(), slot: key.1, errors })
            })
            .collect()
    }

    /// It could not be told.
    pub(super) fn give_back(&self, errors: Vec<Errors>) {
        let mut known = self.lock();
        for row in errors {
            if let Ok(network) = row.network.parse() {
                let count = known.untold.entry((network, row.slot)).or_default();
                *count = count.saturating_add(u32::try_from(row.errors).unwrap_or(u32::MAX));
            }
        }
    }

    /// Who is suspicious by the counts of all nodes.
    pub(super) fn hear(&self, rows: Vec<Errors>) {
        let mut region: HashMap<IpAddr, Window> = HashMap::new();
        for row in rows {
            if let Ok(network) = row.network.parse() {
                let errors = u32::try_from(row.errors).unwrap_or(u32::MAX);
                region.entry(network).or_default().add(row.slot, errors);
            }
        }
        self.lock().region = region;
    }

    /// Networks of the region's counts that the log has not been told of.
    pub(super) fn newly_heard(&self, now: Timestamp) -> Vec<IpAddr> {
        let mut known = self.lock();
        let networks: Vec<_> = known.region.keys().copied().collect();
        networks
            .into_iter()
            .filter(|network| known.suspect(*network, now).is_some() && known.announced.insert(*network))
            .collect()
    }

    /// What it did until then counts no more, whoever counted it. To say so again changes nothing, but for errors within the same slot.
    pub(super) fn forgive(&self, network: IpAddr, until: Timestamp) {
        let mut known = self.lock();
        let Known { own, region, untold, announced } = &mut *known;
        for windows in [own, region] {
            if let Some(window) = windows.get_mut(&network) {
                window.forget(until);
            }
        }
        untold.retain(|(of, slot), _| *of != network || *slot > until);
        announced.remove(&network);
    }

    /// Forgets what counts no more.
    pub(super) fn prune(&self, now: Timestamp) {
        let mut known = self.lock();
        let Known { own, region, untold, announced } = &mut *known;
        own.retain(|_, window| window.total(now) > 0);
        region.retain(|_, window| window.total(now) > 0);
        let oldest = oldest_slot(now);
        untold.retain(|(_, slot), _| *slot >= oldest);
        announced.retain(|network| own.contains_key(network) || region.contains_key(network));
    }
}

impl Known {
    fn suspect(&mut self, network: IpAddr, now: Timestamp) -> Option<Suspect> {
        let mut worst: Option<Suspect> = None;
        for window in [self.own.get_mut(&network), self.region.get_mut(&network)].into_iter().flatten() {
            let errors = window.total(now);
            if errors >= ERRORS_MAX && worst.is_none_or(|worst| worst.errors < errors) {
                worst = Some(Suspect { network, errors, until: window.clears_at() });
            }
        }
        if worst.is_none() {
            self.announced.remove(&network);
        }
        worst
    }

    fn make_room(&mut self, now: Timestamp) {
        let mut least: Option<(IpAddr, u32)> = None;
        for (network, window) in self.own.iter_mut().take(COMPARED) {
            let errors = window.total(now);
            if least.is_none_or(|(_, fewest)| errors < fewest) {
                least = Some((*network, errors));
            }
        }
        if let Some((network, _)) = least {
            self.own.remove(&network);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const SLOT: std::time::Duration = std::time::Duration::from_secs(10);

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(number))
    }

    #[test]
    fn fifty_errors_make_a_suspect_once() {
        let memory = Memory::default();
        let announced = (0..60).filter(|_| memory.error(address(1), NOW, false)).count();
        assert_eq!(announced, 1);
        memory.error(address(2), NOW, false);
        let until = NOW + std::time::Duration::from_secs(310);
        let suspect = Suspect { network: address(1), errors: 60, until };
        assert_eq!(memory.suspects(NOW), [suspect]);
        assert_eq!(memory.suspect(address(2), NOW), None);
        assert_eq!(memory.suspect(address(1), until), None);
        assert!(memory.take_untold(10, NOW).is_empty(), "a node that is alone tells nobody");
        memory.forgive(address(1), NOW);
        assert_eq!(memory.suspects(NOW), []);
        memory.error(address(1), NOW + SLOT, false);
        memory.forgive(address(1), NOW);
        assert_eq!(memory.lock().own[&address(1)].clone().total(NOW + SLOT), 1, "what came later counts");
    }

    #[test]
    fn the_worst_are_told_of_first() {
        let memory = Memory::default();
        for number in 1..=9 {
            for _ in 0..number {
                memory.error(address(number), NOW, true);
            }
        }
        let told: Vec<_> = memory.take_untold(2, NOW).into_iter().map(|told| told.errors).collect();
        assert_eq!(told, [9, 8]);
        assert_eq!(memory.take_untold(99, NOW).len(), 7, "the others wait");
    }

    #[test]
    fn what_others_count_is_heard_and_what_this_node_counts_is_told_once() {
        let memory = Memory::default();
        for _ in 0..3 {
            memory.error(address(1), NOW, true);
        }
        let told = memory.take_untold(10, NOW);
        assert_eq!(told, [Errors { network: "0.0.0.1".to_owned(), slot: NOW, errors: 3 }]);
        assert_eq!(memory.take_untold(10, NOW), []);
        memory.give_back(told);
        assert_eq!(memory.take_untold(10, NOW).len(), 1);
        memory.hear(vec![Errors { network: "0.0.0.1".to_owned(), slot: NOW, errors: 50 }]);
        assert_eq!(memory.newly_heard(NOW), [address(1)]);
        assert_eq!(memory.newly_heard(NOW).len(), 0);
        assert_eq!(memory.suspect(address(1), NOW).unwrap().errors, 50);
        memory.hear(Vec::new());
        assert_eq!(memory.suspect(address(1), NOW), None);
    }

    #[test]
    fn a_crowd_is_bounded_and_hides_no_suspect() {
        let memory = Memory::default();
        for _ in 0..ERRORS_MAX {
            memory.error(address(0), NOW, true);
        }
        for number in 1..50_000 {
            memory.error(address(number), NOW, true);
        }
        let known = memory.lock();
        assert!(known.own.len() <= NETWORKS_MAX && known.untold.len() <= UNTOLD_MAX);
        drop(known);
        assert!(memory.suspect(address(0), NOW).is_some());
        memory.prune(NOW + std::time::Duration::from_secs(999));
        assert!(memory.lock().own.is_empty() && memory.lock().announced.is_empty());
    }
}
