//! All ways through a schema's graph that a value can take, with the number of visits on each.

use std::collections::{BTreeMap, HashMap};

use levqor_model::limits::NESTING_MAX;

use super::{Graph, Node, Parts, Step, refuse};
use crate::document::Issue;

/// Visits of subschemas for one part of a value. Real schemas need tens.
const VISITS_MAX: u64 = 5_000;
/// Subschemas inside subschemas while one value is validated; each takes about half a kilobyte of stack.
const DEPTH_MAX: usize = 500;

/// How often each subschema is visited first for one part of a value, by its number and in its order.
type Arrivals = Vec<(usize, u64)>;

/// What follows from some arrivals.
struct Visits {
    /// The longest way on the same part.
    depth: usize,
    /// The arrivals of the parts inside, one for each name that makes a difference.
    inside: Vec<usize>,
}

/// Follows a value inwards, name by name. Which names lead to the same arrivals is found out once.
pub(super) struct Walk<'g, 's> {
    graph: &'g Graph<'s>,
    /// Positions in an order in which edges on the same part go forwards.
    positions: Vec<usize>,
    numbers: HashMap<Arrivals, usize>,
    known: Vec<(Arrivals, Option<Visits>)>,
    work_left: usize,
}

impl<'g, 's> Walk<'g, 's> {
    /// Edges looked at; real schemas need thousands.
    const WORK_MAX: usize = 2_000_000;

    pub(super) fn new(graph: &'g Graph<'s>, order: &[usize]) -> Self {
        let mut positions = vec![0; order.len()];
        for (position, node) in order.iter().enumerate() {
            positions[*node] = position;
        }
        Self { graph, positions, numbers: HashMap::new(), known: Vec::new(), work_left: Self::WORK_MAX }
    }

    /// Takes every chain of parts that a value can have.
    pub(super) fn check(mut self) -> Result<(), Issue> {
        let start = self.number(vec![(0, 1)]);
        let mut level = BTreeMap::from([(start, 0_usize)]);
        for _ in 0..=NESTING_MAX {
            let mut next: BTreeMap<usize, usize> = BTreeMap::new();
            for (arrivals, depth) in level {
                self.explore(arrivals)?;
                let Some((_, Some(visits))) = self.known.get(arrivals) else { continue };
                let depth = depth + visits.depth;
                let mut work = 0;
                if depth > DEPTH_MAX {
                    return Err(refuse("", "the references of this schema nest beyond bounds; use fewer"));
                }
                for inside in &visits.inside {
                    work += 1;
                    let deepest = next.entry(*inside).or_default();
                    *deepest = (*deepest).max(depth);
                }
                self.spend(work)?;
            }
            if next.is_empty() {
                break;
            }
            level = next;
        }
        Ok(())
    }

    fn number(&mut self, arrivals: Arrivals) -> usize {
        if let Some(number) = self.numbers.get(&arrivals) {
            return *number;
        }
        let number = self.known.len();
        self.numbers.insert(arrivals.clone(), number);
        self.known.push((arrivals, None));
        number
    }

    fn explore(&mut self, number: usize) -> Result<(), Issue> {
        let Some((arrivals, None)) = self.known.get(number) else { return Ok(()) };
        // By position, so that a node is taken when all its visits are in: (visits, depth).
        let mut open: BTreeMap<usize, (usize, u64, usize)> =
            arrivals.iter().map(|(node, visits)| (self.positions[*node], (*node, *visits, 1))).collect();
        let mut reached = Vec::new();
        let (mut sum, mut deepest) = (0_u64, 0);
        while let Some((_, (node, visits, depth))) = open.pop_first() {
            sum = sum.saturating_add(visits);
            deepest = deepest.max(depth);
            if sum > VISITS_MAX {
                return Err(refuse(
                    "",
                    "the references of this schema multiply, so validating could take very long; refer to a schema once",
                ));
            }
            let node = &self.graph.nodes[node];
            self.spend(1 + node.same.len())?;
            reached.push((node, visits));
            for target in &node.same {
                let (_, total, longest) = open.entry(self.positions[*target]).or_insert((*target, 0, 0));
                *total = total.saturating_add(visits);
                *longest = (*longest).max(depth + 1);
            }
        }
        let mut inside = self.parts(&reached, |node| &node.object, true)?;
        inside.extend(self.parts(&reached, |node| &node.list, false)?);
        let mut names = BTreeMap::new();
        for (node, visits) in &reached {
            add(&mut names, node.names.iter().map(|target| (*target, *visits)));
        }
        inside.extend((!names.is_empty()).then(|| self.number(names.into_iter().collect())));
        inside.sort_unstable();
        inside.dedup();
        self.known[number].1 = Some(Visits { depth: deepest, inside });
        Ok(())
    }

    /// The arrivals at the parts of an object (or of a list): one for each name that some schema mentions, and one for
    /// all other names. With `either`, a part meets only one of `some` and `other` of a schema.
    fn parts(
        &mut self,
        reached: &[(&'g Node<'s>, u64)],
        parts: impl Fn(&'g Node<'s>) -> &'g Parts<'s>,
        either: bool,
    ) -> Result<Vec<usize>, Issue> {
        // What the schemas say of the names that they mention: (which schema, about which).
        let mut named: BTreeMap<Step<'s>, Vec<(usize, usize)>> = BTreeMap::new();
        let (mut edges, mut forks) = (0, 0);
        for (position, (node, _)) in reached.iter().enumerate() {
            let parts = parts(node);
            self.spend(parts.named.len())?;
            for (step, target) in &parts.named {
                named.entry(*step).or_default().push((position, *target));
            }
            edges += 1 + parts.some.len() + parts.other.len();
            forks += usize::from(either && parts.is_forked());
        }
        // Of a schema with patterns and a rule for other names, a name meets one or the other. Where two such schemas
        // meet, both are counted rather than all choices tried.
        let choices: &[(bool, bool)] =
            if forks == 1 { &[(true, false), (false, true)] } else { &[(true, true)] };
        // The first is for all names that nobody mentions.
        let names = std::iter::once(Vec::new()).chain(named.into_values());
        let mut inside = Vec::new();
        for mentions in names {
            for (some, other) in choices {
                self.spend(edges + mentions.len())?;
                let mut arrivals = BTreeMap::new();
                add(&mut arrivals, mentions.iter().map(|(position, target)| (*target, reached[*position].1)));
                let mut mentioning = mentions.iter().map(|(position, _)| *position).peekable();
                for (position, (node, visits)) in reached.iter().enumerate() {
                    let parts = parts(node);
                    let mut mentioned = false;
                    while mentioning.next_if_eq(&position).is_some() {
                        mentioned = true;
                    }
                    let free = mentioned || !parts.is_forked();
                    let some = parts.some.iter().filter(|_| free || *some);
                    let other = parts.other.iter().filter(|_| !mentioned && (free || *other));
                    add(&mut arrivals, some.chain(other).map(|target| (*target, *visits)));
                }
                inside.extend((!arrivals.is_empty()).then(|| self.number(arrivals.into_iter().collect())));
            }
        }
        Ok(inside)
    }

    fn spend(&mut self, work: usize) -> Result<(), Issue> {
        self.work_left = self.work_left.checked_sub(work).ok_or_else(tangled)?;
        Ok(())
    }
}

/// Adds visits to arrivals.
fn add(arrivals: &mut BTreeMap<usize, u64>, visits: impl Iterator<Item = (usize, u64)>) {
    for (target, visits) in visits {
        let total = arrivals.entry(target).or_default();
        *total = total.saturating_add(visits);
    }
}

fn tangled() -> Issue {
    refuse("", "the references of this schema are too tangled to bound what validating takes; use fewer")
}
