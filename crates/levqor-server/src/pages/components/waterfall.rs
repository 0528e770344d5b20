//! A run's tasks on its time line: who stands inside whom, and where each bar begins and ends.

use std::{collections::HashMap, time::Duration};

use levqor_engine::TaskRecord;
use levqor_model::{TaskStatus, Timestamp};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    badge::task_look,
    code::{SHOWN_BYTES, json_block},
    icon::icon,
    time::moment,
};
use crate::pages::text::duration_words;

/// JSON that one page shows in all its tasks; beyond it each value is only a link.
const PAGE_BYTES: usize = 768 * 1024;
/// Deeper tasks are shown at this depth.
const DEPTH_MAX: usize = 4;

/// A task's place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Index into the tasks.
    pub task: usize,
    pub depth: usize,
}

/// Orders tasks as a tree, children after their parents, siblings by the order in which they began.
///
/// A task stands inside the latest earlier one whose reference and iteration lead to its own.
pub fn arrange(tasks: &[TaskRecord]) -> Vec<Placed> {
    let mut latest: HashMap<(&str, &[u64]), usize> = HashMap::new();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
    let mut roots = Vec::new();
    for (place, task) in tasks.iter().enumerate() {
        match parent(task, &latest) {
            Some(parent) => children[parent].push(place),
            None => roots.push(place),
        }
        latest.insert((&task.reference, &task.iteration), place);
    }
    let mut placed = Vec::with_capacity(tasks.len());
    let mut open: Vec<Placed> = roots.into_iter().rev().map(|task| Placed { task, depth: 0 }).collect();
    while let Some(next) = open.pop() {
        placed.push(next);
        open.extend(
            children[next.task].iter().rev().map(|task| Placed { task: *task, depth: next.depth + 1 }),
        );
    }
    placed
}

fn parent(task: &TaskRecord, latest: &HashMap<(&str, &[u64]), usize>) -> Option<usize> {
    let mut reference: &str = &task.reference;
    while let Some(end) = reference.rfind('/') {
        reference = &reference[..end];
        for length in (0..=task.iteration.len()).rev() {
            if let Some(found) = latest.get(&(reference, &task.iteration[..length])) {
                return Some(*found);
            }
        }
    }
    None
}

/// Where a bar stands on a line of 1,000: begin and width. Something that took no time is still seen.
pub fn lane(start: Timestamp, end: Timestamp, from: Timestamp, until: Timestamp) -> (u32, u32) {
    let whole = until.since(from).as_micros().max(1);
    let place = |at: Timestamp| (at.since(from).as_micros().min(whole) * 1_000 / whole) as u32;
    let begin = place(start).min(996);
    (begin, place(end).saturating_sub(begin).max(4).min(1_000 - begin))
}

/// The time line of the picture: from the first task to the last end, or to now while something is open.
pub fn span(tasks: &[TaskRecord], now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let from = tasks.iter().map(|task| task.started_at).min()?;
    let until = tasks.iter().map(|task| task.ended_at.unwrap_or(now)).max()?;
    Some((from, until.max(from)))
}

/// Draws the tasks. `base` is the run's address, for links to whole values; tasks of the references in `again` are offered to
/// run again from.
pub fn waterfall(tasks: &[TaskRecord], now: Timestamp, base: &str, again: &[String]) -> Markup {
    let Some((from, until)) = span(tasks, now) else { return html! {} };
    let whole = until.since(from);
    let mut left = PAGE_BYTES;
    html! {
        div.waterfall {
            div.scale aria-hidden="true" {
                span { "Task" }
                span.ticks {
                    @for quarter in 0..=4u32 { span { (duration_words(whole * quarter / 4)) } }
                }
                span {}
            }
            @for placed in arrange(tasks) {
                (row(&tasks[placed.task], placed.depth, (from, until), now, (base, again), &mut left))
            }
        }
    }
}

fn row(
    task: &TaskRecord,
    depth: usize,
    (from, until): (Timestamp, Timestamp),
    now: Timestamp,
    (base, points): (&str, &[String]),
    left: &mut usize,
) -> Markup {
    let (tone, picture) = task_look(task.status);
    let end = task.ended_at.unwrap_or(now);
    let (x, width) = lane(task.started_at, end, from, until);
    let took = end.since(task.started_at);
    let again = task.attempt > 1;
    html! {
        details id={ "task-" (task.task) } {
            summary {
                span class={ "who depth-" (depth.min(DEPTH_MAX)) } {
                    span.chevron { (icon("chevron")) }
                    span class={ "tone-" (tone.class()) } { (icon(picture)) span.visually-hidden { (task.status.as_str()) } }
                    b { (task.name) }
                    @if let Some(number) = task.iteration.last() { span.tag { "#" (number) } }
                    @if again { span.tag { "try " (task.attempt) } }
                }
                svg.lane viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true" {
                    rect.rail x="0" y="7" width="1000" height="2" {}
                    rect class=(tone.class()) x=(x) y="2" width=(width) height="12" rx="2" {}
                }
                span.took { (took_words(task.status, took)) }
            }
            div.more {
                dl.facts.pairs {
                    dt { "Status" } dd { (task.status.as_str()) }
                    dt { "Task" } dd { code { (task.reference) } }
                    @if !task.iteration.is_empty() { dt { "Iteration" } dd { (iteration(&task.iteration)) } }
                    @if again { dt { "Attempt" } dd { (task.attempt) } }
                    dt { "Began" } dd { (moment(task.started_at)) " (" (duration_words(task.started_at.since(from))) " in)" }
                    @if let Some(at) = task.ended_at { dt { "Ended" } dd { (moment(at)) " after " (duration_words(took)) } }
                    dt { "Region" } dd { code { (task.region) } }
                }
                @if let Some(error) = &task.error {
                    (data(task, "error", "Error", &serde_json::to_value(error).unwrap_or_default(), base, left))
                }
                @if points.contains(&task.reference) {
                    p {
                        a.button.slim href={ (base) "/retry?from=" (utf8_percent_encode(&task.reference, NON_ALPHANUMERIC)) } {
                            (icon("retry")) "Run again from " (task.name)
                        }
                    }
                }
                (data(task, "input", "Input", &task.input, base, left))
                @if let Some(output) = &task.output { (data(task, "output", "Output", output, base, left)) }
            }
        }
    }
}

fn took_words(status: TaskStatus, took: Duration) -> String {
    match status {
        TaskStatus::Skipped => "skipped".to_owned(),
        TaskStatus::Pending | TaskStatus::Running | TaskStatus::Waiting | TaskStatus::Suspended => {
            format!("{}…", duration_words(took))
        }
        TaskStatus::Completed | TaskStatus::Faulted | TaskStatus::Cancelled => duration_words(took),
    }
}

fn iteration(places: &[u64]) -> String {
    places.iter().map(u64::to_string).collect::<Vec<_>>().join(" › ")
}

fn data(
    task: &TaskRecord,
    what: &str,
    title: &str,
    value: &serde_json::Value,
    base: &str,
    left: &mut usize,
) -> Markup {
    let all = format!("{base}/tasks/{}/{what}", task.task);
    if *left == 0 {
        return html! { p.small { a href=(all) { (title) } } };
    }
    let block = json_block(&format!("task-{}-{what}", task.task), title, value, Some(&all));
    *left = left.saturating_sub(block.0.len().min(SHOWN_BYTES * 4));
    block
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn task(number: u64, reference: &str, iteration: &[u64], attempt: u32) -> TaskRecord {
        TaskRecord {
            task: number,
            name: reference.rsplit('/').next().unwrap().to_owned(),
            reference: reference.to_owned(),
            iteration: iteration.to_vec(),
            attempt,
            status: TaskStatus::Completed,
            input: Value::Null,
            output: None,
            error: None,
            started_at: Timestamp::from_seconds(number as i64),
            ended_at: Some(Timestamp::from_seconds(number as i64 + 1)),
            region: "eu-west".parse().unwrap(),
        }
    }

    #[test]
    fn children_follow_their_own_parent_even_when_branches_take_turns() {
        let tasks = [
            task(1, "/do/0/all", &[], 1),
            task(2, "/do/0/all/fork/branches/0/left", &[], 1),
            task(3, "/do/0/all/fork/branches/1/right", &[], 1),
            task(4, "/do/0/all/fork/branches/0/left/do/0/a", &[], 1),
            task(5, "/do/0/all/fork/branches/1/right/do/0/b", &[], 1),
            task(6, "/do/1/each", &[], 1),
            task(7, "/do/1/each/do/0/call", &[0], 1),
            task(8, "/do/1/each/do/0/call", &[1], 1),
            task(9, "/do/1/each/do/0/call/do/0/deep", &[1], 1),
            task(10, "/do/10/eachother", &[], 1),
        ];
        let shown: Vec<_> =
            arrange(&tasks).iter().map(|placed| (tasks[placed.task].task, placed.depth)).collect();
        assert_eq!(shown, [(1, 0), (2, 1), (4, 2), (3, 1), (5, 2), (6, 0), (7, 1), (8, 1), (9, 2), (10, 0)]);
    }

    #[test]
    fn a_second_attempt_gets_its_own_children() {
        let tasks = [
            task(1, "/do/0/t", &[], 1),
            task(2, "/do/0/t/try/0/x", &[], 1),
            task(3, "/do/0/t", &[], 2),
            task(4, "/do/0/t/try/0/x", &[], 2),
        ];
        let order: Vec<_> = arrange(&tasks).iter().map(|placed| tasks[placed.task].task).collect();
        assert_eq!(order, [1, 2, 3, 4]);
    }

    #[test]
    fn bars_stay_on_the_line() {
        let at = Timestamp::from_seconds;
        let rows = [
            (at(0), at(10), (0, 1_000)),
            (at(5), at(10), (500, 500)),
            (at(5), at(5), (500, 4)),
            (at(10), at(10), (996, 4)),
            (at(-5), at(20), (0, 1_000)),
        ];
        for (start, end, place) in rows {
            assert_eq!(lane(start, end, at(0), at(10)), place, "{start} {end}");
        }
        assert_eq!(lane(at(3), at(3), at(3), at(3)), (0, 4));
    }
}
