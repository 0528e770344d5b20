//! Random workflows whose results depend on their input and on what the callee says, never on time or on who is first.
//!
//! The data is `{ n, trail }`: a number that every task changes, and the last of what was visited. So a result that was
//! lost, doubled, mixed up or out of order shows in the output. Races have a branch that wins and others that would
//! never end; timeouts either come at once on the scale of the simulation or never.

use serde_json::{Value, json};

use crate::{
    allowed::{self, GATED, MAY, MUST_NOT},
    dice::{Dice, hash},
};

/// Where the scripted callee lives; the first part of the path says how it behaves.
pub const CALLEE: &str = "http://callee.test";

/// The type of events that runs emit; nobody listens for them.
pub const TOLD: &str = "sim.told";
/// The type of events that runs listen for; they come from outside.
pub const NEWS: &str = "sim.news";

/// Keys at which all runs count, by compare-and-set.
pub const COUNTERS: [&str; 2] = ["count-a", "count-b"];
/// Keys that all runs set.
pub const LAST: [&str; 2] = ["last-a", "last-b"];
/// How questions begin that nobody answers.
pub const NOBODY: &str = "Nobody";
/// With what messages are signed.
pub const HOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Longer than any simulation.
const NEVER_DAYS: u64 = 3_650;
/// Modulus of `n`.
const PRIME: u64 = 1_000_000_007;
const DEPTH_MAX: u32 = 3;

/// Workflows by level; those of a level run only those below.
pub const NAMES: [&str; 4] = ["leaf", "mid", "top-a", "top-b"];

/// The documents of a simulation, in the order of [`NAMES`].
pub fn all(seed: u64) -> Vec<Value> {
    NAMES
        .iter()
        .enumerate()
        .map(|(level, name)| {
            let dice = Dice::new(hash(seed, &["workflow", name]));
            let below = &NAMES[..level.min(2)];
            document(seed, name, below, &dice)
        })
        .collect()
}

/// Whether the workflow ends with an error. The lowest never does, so that the others' own tasks come to their end.
fn fails(seed: u64, name: &str) -> bool {
    name != NAMES[0] && hash(seed, &["fails", name]).is_multiple_of(6)
}

/// How its runs are queued. A workflow runs only those below it, so no two wait for each other's keys.
fn policy(seed: u64, name: &str) -> Value {
    let mut policy = json!({ "priority": 1 + hash(seed, &["priority", name]) % 9 });
    if hash(seed, &["keyed", name]).is_multiple_of(3) {
        let limit = 1 + hash(seed, &["limit", name]) % 3;
        policy["concurrency"] = json!({ "key": "${ .n % 2 }", "limit": limit });
    }
    if let Some(question) = allowed::of_run(seed, name, fails(seed, name)) {
        policy["approval"] = question;
    }
    if let Some(calls) = allowed::budget(seed, name) {
        policy["budget"] = json!({ "calls": calls });
    }
    policy
}

fn document(seed: u64, name: &str, below: &[&str], dice: &Dice) -> Value {
    let budget = if below.is_empty() { 4 } else { 9 };
    let is_bounded = allowed::budget(seed, name).is_some();
    let mut author = Author { seed, dice, below, tasks: 0, budget, is_bounded, forks: 0 };
    let mut tasks = author.list(0);
    if fails(seed, name) && !allowed::is_refused(seed, name) {
        tasks.push(json!({ "fails": raise() }));
    }
    let mut document = json!({
        "document": {
            "dsl": "1.0.3", "namespace": "sim", "name": name, "version": "1.0.0",
            "metadata": { "levqor": policy(seed, name) },
        },
        "do": tasks,
    });
    if dice.percent(20) {
        document["timeout"] = json!({ "after": { "days": NEVER_DAYS } });
    }
    document
}

struct Author<'a> {
    seed: u64,
    dice: &'a Dice,
    below: &'a [&'a str],
    tasks: usize,
    /// Tasks that may still be written.
    budget: usize,
    /// Its runs may not make as many calls as they like.
    is_bounded: bool,
    /// Forks around the place.
    forks: u32,
}

impl Author<'_> {
    fn name(&mut self, kind: &str) -> String {
        self.tasks += 1;
        format!("{kind}{}", self.tasks)
    }

    fn list(&mut self, depth: u32) -> Vec<Value> {
        let length = self.dice.within(1, if depth == 0 { 5 } else { 2 });
        let mut tasks = Vec::new();
        for _ in 0..length {
            let (name, task) = self.task(depth);
            tasks.push(named(&name, task));
        }
        tasks
    }

    fn task(&mut self, depth: u32) -> (String, Value) {
        self.budget = self.budget.saturating_sub(1);
        let small = depth >= DEPTH_MAX || self.budget == 0;
        let (mut name, mut task) = match self.dice.below(if small { 56 } else { 111 }) {
            0..10 => (self.name("set"), self.set()),
            10..26 => {
                let name = self.name("call");
                let task = call("ok", &name);
                (name, task)
            }
            26..29 => (self.name("emit"), self.emit()),
            29..35 => (self.name("wait"), self.wait()),
            35..38 => (self.name("listen"), self.listen()),
            38..42 => (self.name("patient"), self.patient()),
            42..46 => (self.name("count"), self.count()),
            46..49 => (self.name("put"), self.put()),
            49..53 => (self.name("ask"), self.ask()),
            53..56 => {
                let name = self.name("hook");
                let task = hook(&name);
                (name, task)
            }
            56..67 => (self.name("for"), self.each(depth)),
            67..78 => (self.name("fork"), self.fork(depth)),
            78..83 => (self.name("race"), self.race()),
            83..97 => (self.name("try"), self.attempt(depth)),
            97..107 if !self.below.is_empty() => (self.name("sub"), self.sub_run()),
            _ => (self.name("do"), json!({ "do": self.list(depth + 1) })),
        };
        if self.dice.percent(10) && task.get("timeout").is_none() {
            task["timeout"] = json!({ "after": { "days": NEVER_DAYS } });
        }
        if self.dice.percent(10) && task.get("if").is_none() {
            task["if"] = json!(format!("${{ .n % 3 != {} }}", self.dice.below(3)));
        }
        if self.dice.percent(8) {
            name = format!("{GATED}{name}");
            allowed::gate(&mut task, MAY, &name);
        }
        (name, task)
    }

    /// Tells of the number, and goes on with it as it was told.
    fn emit(&self) -> Value {
        let mark = self.dice.within(1, 999);
        json!({
            "emit": { "event": { "with": { "type": TOLD, "data": { "n": "${ .n }" } } } },
            "output": { "as": { "n": format!("${{ (.data.n * 3 + {mark}) % {PRIME} }}"), "trail": "${ $input.trail }" } },
        })
    }

    /// Waits for some news, whatever they are.
    fn listen(&self) -> Value {
        let (news, mark) = (self.dice.within(1, 4), self.dice.within(1, 999));
        let until = format!("${{ length >= {news} }}");
        json!({
            "listen": { "to": { "any": [{ "with": { "type": NEWS } }], "until": until } },
            "output": { "as": {
                "n": format!("${{ ($input.n + length * {mark}) % {PRIME} }}"),
                "trail": "${ $input.trail }",
            } },
        })
    }

    /// Counts up by one: reads, and writes if nobody else did meanwhile, until it was not too late.
    fn count(&mut self) -> Value {
        let key = self.dice.pick(&COUNTERS);
        let (read, add, again) = (self.name("read"), self.name("add"), self.name("again"));
        let counted = self.name("counted");
        let kept = |name: &str, value: &str| {
            let mut kept = json!({ "n": "${ $input.n }", "trail": "${ $input.trail }" });
            kept[name] = json!(value);
            json!({ "as": kept })
        };
        let mut reading = store(json!({ "action": "get", "key": key }));
        reading["output"] = kept("there", "${ .value }");
        let mut adding = store(json!({
            "action": "compare-and-set", "key": key, "expected": "${ .there }", "value": "${ .there + 1 }",
        }));
        adding["output"] = kept("late", "${ .changed | not }");
        json!({ "do": [
            named(&read, reading),
            named(&add, adding),
            named(&again, json!({ "switch": [{ "late": { "when": "${ .late }", "then": read } }] })),
            named(&counted, self.set()),
        ] })
    }

    /// Writes the number where others write theirs, and goes on with what was written.
    fn put(&self) -> Value {
        let (key, mark) = (self.dice.pick(&LAST), self.dice.within(1, 999));
        let mut task = store(json!({ "action": "set", "key": key, "value": { "n": "${ .n }" } }));
        task["output"] = json!({ "as": {
            "n": format!("${{ (.value.n * 5 + {mark}) % {PRIME} }}"),
            "trail": "${ $input.trail }",
        } });
        task
    }

    /// Goes on with any answer.
    fn ask(&self) -> Value {
        let mark = self.dice.within(1, 999);
        json!({
            "call": "approval:1.0.0@default",
            "with": { "title": "${ \"Go on with \\(.n)?\" }", "data": "${ . }" },
            "output": { "as": {
                "n": format!("${{ ($input.n * 3 + {mark}) % {PRIME} }}"),
                "trail": "${ $input.trail }",
            } },
        })
    }

    fn set(&self) -> Value {
        let mark = self.dice.within(1, 999);
        json!({ "set": {
            "n": format!("${{ (.n * 7 + {mark}) % {PRIME} }}"),
            "trail": format!("${{ (.trail + [{mark}])[-8:] }}"),
        } })
    }

    fn wait(&self) -> Value {
        let spans = [
            json!({ "milliseconds": 1 }),
            json!({ "seconds": 1 }),
            json!({ "seconds": 4 }),
            json!({ "seconds": 7 }),
            json!({ "seconds": 45 }),
            json!({ "minutes": 5 }),
            json!({ "hours": 2 }),
        ];
        json!({ "wait": self.dice.pick(&spans) })
    }

    /// A wait within a timeout that is longer: it is over in time, also when nobody was there to see either pass.
    fn patient(&mut self) -> Value {
        let seconds = self.dice.within(1, 300);
        let (wait, set) = (self.name("wait"), self.name("set"));
        json!({
            "do": [named(&wait, json!({ "wait": { "seconds": seconds } })), named(&set, self.set())],
            "timeout": { "after": { "seconds": seconds + 30 } },
        })
    }

    fn each(&mut self, depth: u32) -> Value {
        let rounds = self.dice.within(0, 3);
        json!({
            "for": { "each": "item", "at": "at", "in": format!("${{ [range(0; {rounds})] }}") },
            "do": self.list(depth + 1),
        })
    }

    fn fork(&mut self, depth: u32) -> Value {
        let mut branches = Vec::new();
        self.forks += 1;
        for _ in 0..self.dice.within(2, 3) {
            let name = self.name("branch");
            branches.push(named(&name, json!({ "do": self.list(depth + 1) })));
        }
        self.forks -= 1;
        json!({
            "fork": { "branches": branches },
            "output": { "as": {
                "n": format!("${{ (map(.n) | add) % {PRIME} }}"),
                "trail": "${ (map(.trail) | add)[-8:] }",
            } },
        })
    }

    fn race(&mut self) -> Value {
        let (winner, sleeper, silent) = (self.name("winner"), self.name("sleeper"), self.name("silent"));
        let winning = if self.dice.percent(25) { self.ask() } else { call("ok", &winner) };
        let mut branches =
            vec![named(&winner, winning), named(&sleeper, json!({ "wait": { "days": NEVER_DAYS } }))];
        // A call that never ends is never the last one under way, after which a run stops whose budget is used up.
        if !self.is_bounded {
            branches.push(named(&silent, call("silent", &silent)));
        }
        if self.dice.percent(50) {
            let unanswered = self.name("unanswered");
            branches.push(named(&unanswered, unanswered_question()));
        }
        let turns = self.dice.index(branches.len());
        branches.rotate_left(turns);
        json!({ "fork": { "compete": true, "branches": branches } })
    }

    fn attempt(&mut self, depth: u32) -> Value {
        let name = self.name("tried");
        let rescue = self.name("rescue");
        let rescue = json!([named(&rescue, self.set())]);
        match self.dice.below(8) {
            // Fails a few times, answered and unanswered, and works in the end.
            0 | 1 => json!({
                "try": [named(&name, call("flaky", &name))],
                "catch": { "retry": {
                    "delay": { "seconds": self.dice.within(1, 6) },
                    "backoff": { "exponential": {} },
                    "limit": { "attempt": { "count": 20 } },
                } },
            }),
            // Never works.
            2 => json!({
                "try": [named(&name, call("broken", &name))],
                "catch": { "retry": { "delay": { "seconds": 2 }, "limit": { "attempt": { "count": 2 } } }, "do": rescue },
            }),
            // Says nothing until its time is over.
            3 => {
                let mut silent = call("silent", &name);
                silent["timeout"] = json!({ "after": { "seconds": self.dice.within(1, 30) } });
                json!({ "try": [named(&name, silent)], "catch": { "do": rescue } })
            }
            // Asks a question until its time is over.
            4 => {
                let mut question = unanswered_question();
                question["timeout"] = json!({ "after": { "seconds": self.dice.within(1, 30) } });
                json!({ "try": [named(&name, question)], "catch": { "do": rescue } })
            }
            // Asks for leave, and does not get it.
            5 => {
                let gated = self.name(GATED);
                let mut task = call("ok", &gated);
                allowed::gate(&mut task, MUST_NOT, &gated);
                json!({
                    "try": [named(&gated, task)],
                    "catch": { "errors": { "with": { "status": 403 } }, "do": rescue },
                })
            }
            // Asks for leave until its time is over.
            6 => {
                let (gated, patience) = (self.name(GATED), self.name("patience"));
                let mut task = call("ok", &gated);
                allowed::gate(&mut task, NOBODY, &gated);
                let seconds = self.dice.within(1, 30);
                let task =
                    json!({ "do": [named(&gated, task)], "timeout": { "after": { "seconds": seconds } } });
                json!({ "try": [named(&patience, task)], "catch": { "do": rescue } })
            }
            // Does a few things, and then fails by itself.
            _ => {
                let mut tasks = self.list(depth + 1);
                tasks.push(named(&name, raise()));
                json!({ "try": tasks, "catch": { "do": rescue } })
            }
        }
    }

    fn sub_run(&self) -> Value {
        let name = self.dice.pick(self.below).copied().unwrap_or(NAMES[0]);
        // How far the other branches come before an error ends them is a matter of time.
        let name = if self.forks > 0 && fails(self.seed, name) { NAMES[0] } else { name };
        let mut run = json!({ "workflow": { "namespace": "sim", "name": name, "version": "1.0.0", "input": "${ . }" } });
        if self.dice.percent(20) {
            run["await"] = json!(false);
        }
        json!({ "run": run })
    }
}

fn named(name: &str, task: Value) -> Value {
    json!({ name: task })
}

fn call(behaviour: &str, name: &str) -> Value {
    json!({ "call": "http", "with": {
        "method": "post",
        "endpoint": format!("{CALLEE}/{behaviour}/{name}"),
        "headers": { "x-n": "${ .n }" },
        "body": "${ . }",
    } })
}

fn store(with: Value) -> Value {
    json!({ "call": "store:1.0.0@default", "with": with })
}

fn unanswered_question() -> Value {
    let title = format!("{NOBODY} can say?");
    json!({ "call": "approval:1.0.0@default", "with": { "title": title } })
}

fn hook(name: &str) -> Value {
    json!({
        "call": "webhook:1.0.0@default",
        "with": { "url": format!("{CALLEE}/hook/{name}"), "secret": HOOK_SECRET, "body": "${ . }" },
        "output": { "as": "${ .content }" },
    })
}

fn raise() -> Value {
    json!({ "raise": { "error": { "type": "https://example.com/errors/planned", "status": 418, "title": "planned" } } })
}
