//! From the form to a document: always the same document for the same form, and nothing that the form does not say.
//!
//! Results travel in `$context`: a call whose answer is used later exports it under its name, so calls between do not
//! disturb it. Two passes are made: the first learns how each result is used (as a list, by its members, not at all).

use serde_json::{Map, Value, json};

use super::{
    cron::{self, Start, duration, span_words},
    form::{Call, Each, Form, If, Operand, Phrase, Places, Reshape, Step, StepKind, Trigger},
    jq::{self, expression, literal},
    naming::Names,
    notes::Notes,
    scope::{Item, Known, Lost, Scope, Shape, Spoken, Uses, context_key},
    words,
};

/// The parts of a document.
#[derive(Debug)]
pub struct Compiled {
    pub start: Start,
    pub tasks: Vec<Value>,
    pub summary: Vec<String>,
    pub notes: Notes,
}

/// Compiles a form. `quote` gives the user's words at a place, `zone` the account's time zone if it is known.
pub fn compile(form: &Form, zone: Option<&str>, quote: &dyn Fn(&Places) -> String) -> Compiled {
    let mut notes = Notes::default();
    let start = match &form.trigger {
        Trigger::Schedule(schedule) => cron::start(schedule, zone, quote, &mut notes),
        Trigger::Manual | Trigger::Event { .. } => Start::by_hand(),
    };
    let input = match &form.trigger {
        Trigger::Event { noun } => Some(noun.clone()),
        _ => None,
    };
    let mut uses = Uses::new();
    let mut pass = Pass::new(quote, uses.clone());
    pass.run(form, input.clone());
    uses.append(&mut pass.seen);
    let mut pass = Pass::new(quote, uses);
    let tasks = pass.run(form, input);
    notes.warnings.extend(pass.notes.warnings);
    notes.questions.extend(pass.notes.questions);
    Compiled { start, tasks, summary: pass.summary, notes }
}

/// One walk through the form.
pub(super) struct Pass<'a> {
    pub(super) quote: &'a dyn Fn(&Places) -> String,
    /// What the walk before learnt.
    pub(super) uses: Uses,
    /// What this one learns.
    pub(super) seen: Uses,
    pub(super) names: Names,
    pub(super) notes: Notes,
    pub(super) summary: Vec<String>,
    pub(super) indent: usize,
    pub(super) loops: usize,
    /// What a notice without words says: the condition that it hangs on.
    pub(super) occasion: Vec<String>,
}

impl<'a> Pass<'a> {
    fn new(quote: &'a dyn Fn(&Places) -> String, uses: Uses) -> Self {
        Self {
            quote,
            uses,
            seen: Uses::new(),
            names: Names::default(),
            notes: Notes::default(),
            summary: Vec::new(),
            indent: 0,
            loops: 0,
            occasion: Vec::new(),
        }
    }

    fn run(&mut self, form: &Form, input: Option<Vec<String>>) -> Vec<Value> {
        let mut scope = Scope::new(input);
        self.list(&form.steps, &mut scope)
    }

    pub(super) fn say(&mut self, line: &str) {
        self.summary.push(format!("{}{line}", "  ".repeat(self.indent)));
    }

    /// The tasks of a list.
    pub(super) fn list(&mut self, steps: &[Step], scope: &mut Scope) -> Vec<Value> {
        let mut tasks = Vec::new();
        for step in steps {
            self.step(step, scope, &mut tasks);
        }
        tasks
    }

    fn step(&mut self, step: &Step, scope: &mut Scope, tasks: &mut Vec<Value>) {
        // Results that are read in a row belong together; what only waits does not part them.
        let passes = matches!(step.kind, StepKind::Parallel(_) | StepKind::Wait(_) | StepKind::Doubt);
        if !passes && !matches!(&step.kind, StepKind::Call(call) if call.method == "get") {
            scope.reading = false;
        }
        match &step.kind {
            StepKind::Repeat { count, steps } => self.repeat(*count, steps, &step.places, scope, tasks),
            StepKind::Call(call) => self.call(call, &step.places, scope, tasks),
            StepKind::If(branch) => self.branch(branch, &step.places, scope, tasks),
            StepKind::Each(each) => self.each(each, &step.places, scope, tasks),
            StepKind::Parallel(branches) => self.parallel(branches, scope, tasks),
            StepKind::Wait(ms) => {
                let name = self.names.step(&["wait".into(), span_words(*ms)]);
                self.say(&format!("Wait {}", span_words(*ms)));
                tasks.push(task(&name, json!({ "wait": duration(*ms) })));
            }
            StepKind::Doubt => scope.doubt = Some((self.quote)(&step.places)),
            StepKind::Nothing => self.say("Do nothing"),
            StepKind::Stop => {
                let name = self.names.step(&["stop".into()]);
                self.say("Stop the run");
                tasks.push(task(&name, json!({ "set": "${ . }", "then": "end" })));
            }
            StepKind::Fail(text) => {
                let title = if text.is_empty() { "stopped by the workflow" } else { text };
                let name = self.names.step(&["fail".into()]);
                self.say(&format!("Fail with \"{title}\""));
                let error = json!({
                    "type": "https://serverlessworkflow.io/spec/1.0.0/errors/runtime",
                    "status": 500,
                    "title": literal(title),
                });
                tasks.push(task(&name, json!({ "raise": { "error": error } })));
            }
            StepKind::Reshape(reshape) => self.reshape(reshape, &step.places, scope, tasks),
            StepKind::Set { name, value } => self.set(name, value, &step.places, scope, tasks),
            StepKind::Save { phrase, name } => self.save(phrase, name, &step.places, scope, tasks),
            StepKind::Gap { result } => {
                let words = (self.quote)(&step.places);
                match result.first().map(String::as_str) {
                    // Mail and notices give nothing that a later "it" could mean.
                    Some("email" | "notice") => {}
                    Some(_) => {
                        scope.missing.push((result.clone(), words.clone()));
                        scope.spoken = Spoken::Gap(words);
                    }
                    None => scope.doubt = Some(words),
                }
            }
            // `arrange` has put these where they belong.
            StepKind::Retry(_) | StepKind::Timeout(_) | StepKind::Gate => {}
        }
    }

    /// Whether the list says something that is done by doing nothing.
    pub(super) fn is_nothing(steps: &[Step]) -> bool {
        !steps.is_empty() && steps.iter().all(|step| matches!(step.kind, StepKind::Nothing))
    }

    fn branch(&mut self, branch: &If, places: &Places, scope: &mut Scope, tasks: &mut Vec<Value>) {
        let said = (self.quote)(places);
        let condition = match self.condition(&branch.condition, scope) {
            Ok(condition) => condition,
            Err(why) => {
                self.notes.ask(format!(
                    "What exactly should \"{said}\" check? {why} It is left out until that is said."
                ));
                self.all_dropped(&branch.then);
                self.all_dropped(&branch.otherwise);
                return;
            }
        };
        let before = scope.spoken.clone();
        let reads = scope.reads.clone();
        let marker = self.summary.len();
        let name = self.names.step(&condition.name);
        self.say(&format!("If {}:", condition.words));
        if let Some(selection) = condition.selection.clone() {
            scope.spoken = selection;
        }
        self.occasion.push(condition.words.clone());
        self.indent += 1;
        let then = self.list(&branch.then, scope);
        self.occasion.pop();
        scope.spoken.clone_from(&before);
        let otherwise_at = self.summary.len();
        let otherwise = self.list(&branch.otherwise, scope);
        self.indent -= 1;
        if !otherwise.is_empty() || Self::is_nothing(&branch.otherwise) {
            let indent = "  ".repeat(self.indent);
            self.summary.insert(otherwise_at, format!("{indent}Otherwise:"));
        }
        scope.spoken = before;
        // What is read in a branch may not be there after it.
        scope.reads = reads;
        scope.reading = false;
        match (then.is_empty(), otherwise.is_empty()) {
            (true, true) => {
                self.summary.truncate(marker);
                // "do nothing" on both sides, or nothing that could be made: the reasons are said where they arose.
                self.notes.warn(format!("\"{said}\" leads to no step, so nothing is made of it"));
            }
            (false, true) => {
                tasks.push(task(&name, json!({ "if": expression(&condition.jq), "do": then })));
            }
            (true, false) => {
                if otherwise_at == marker + 1 {
                    let indent = "  ".repeat(self.indent + 1);
                    self.summary.insert(otherwise_at, format!("{indent}Do nothing"));
                }
                let not = format!("{} | not", jq::truth(&condition.jq));
                tasks.push(task(&name, json!({ "if": expression(&not), "do": otherwise })));
            }
            (false, false) => {
                let (decide, yes, no) = (
                    self.names.step(&[name.clone(), "decide".into()]),
                    self.names.step(&["when".into(), name.clone()]),
                    self.names.step(&["otherwise".into()]),
                );
                let cases = json!([
                    { "holds": { "when": expression(&condition.jq), "then": yes } },
                    { "otherwise": { "then": no } },
                ]);
                let list = vec![
                    task(&decide, json!({ "switch": cases })),
                    task(&yes, json!({ "do": then, "then": "exit" })),
                    task(&no, json!({ "do": otherwise })),
                ];
                tasks.push(task(&name, json!({ "do": list })));
            }
        }
    }

    fn each(&mut self, each: &Each, places: &Places, scope: &mut Scope, tasks: &mut Vec<Value>) {
        let said = (self.quote)(places);
        let (list, noun, all) = match self.items(&each.items, scope) {
            Ok((list, noun)) => match &each.tests {
                Some(tests) => {
                    let test = jq::tests(".", &Vec::new(), tests);
                    let words = format!("{noun} where {}", super::reshape::tests_words(tests));
                    (format!("[{list}[] | select({test})]"), noun, words)
                }
                None => (list, noun.clone(), noun),
            },
            Err(lost) => {
                self.lost(&said, &lost);
                self.all_dropped(&each.steps);
                return;
            }
        };
        let variable = variable(&noun, scope);
        let before = scope.clone();
        scope.items.push(Item { variable: variable.clone(), noun: noun.clone() });
        scope.spoken = Spoken::Item(scope.items.len() - 1);
        let marker = self.summary.len();
        self.say(&format!("For each {all}:"));
        self.indent += 1;
        self.loops += 1;
        let name = self.names.step(&["for".into(), "each".into(), variable.clone()]);
        let inner = self.list(&each.steps, scope);
        self.loops -= 1;
        self.indent -= 1;
        scope.items.pop();
        scope.spoken = before.spoken;
        scope.reads = before.reads;
        scope.reading = false;
        if inner.is_empty() {
            self.summary.truncate(marker);
            self.notes.warn(format!("\"{said}\" leads to no step, so nothing is made of it"));
            return;
        }
        tasks.push(task(&name, json!({ "for": { "each": variable, "in": expression(&list) }, "do": inner })));
    }

    /// The same steps so many times: a loop over numbers that nothing reads.
    fn repeat(
        &mut self,
        count: u64,
        steps: &[Step],
        places: &Places,
        scope: &mut Scope,
        tasks: &mut Vec<Value>,
    ) {
        let variable = variable("round", scope);
        let before = scope.clone();
        let marker = self.summary.len();
        self.say(&format!("{count} times:"));
        self.indent += 1;
        self.loops += 1;
        let name = self.names.step(&["repeat".into()]);
        let inner = self.list(steps, scope);
        self.loops -= 1;
        self.indent -= 1;
        scope.spoken = before.spoken;
        scope.reads = before.reads;
        scope.reading = false;
        if inner.is_empty() {
            let said = (self.quote)(places);
            self.summary.truncate(marker);
            self.notes.warn(format!("\"{said}\" leads to no step, so nothing is made of it"));
            return;
        }
        let rounds = expression(&format!("[range({count})]"));
        tasks.push(task(&name, json!({ "for": { "each": variable, "in": rounds }, "do": inner })));
    }

    fn parallel(&mut self, branches: &[Step], scope: &mut Scope, tasks: &mut Vec<Value>) {
        let marker = self.summary.len();
        self.say("At the same time:");
        self.indent += 1;
        let spoken = scope.spoken.clone();
        let mut forked = Vec::new();
        for branch in branches {
            let mut inner = Vec::new();
            // Branches do not see one another's results; "it" is what it was before the fork.
            scope.spoken.clone_from(&spoken);
            self.step(branch, scope, &mut inner);
            match inner.len() {
                0 => {}
                1 => forked.append(&mut inner),
                _ => {
                    let name = self.names.step(&["branch".into()]);
                    forked.push(task(&name, json!({ "do": inner })));
                }
            }
        }
        self.indent -= 1;
        match forked.len() {
            0 => self.summary.truncate(marker),
            1 => {
                self.summary.remove(marker);
                tasks.append(&mut forked);
            }
            _ => {
                let name = self.names.step(&["in".into(), "parallel".into()]);
                tasks.push(task(&name, json!({ "fork": { "branches": forked } })));
            }
        }
    }

    fn set(
        &mut self,
        name: &[String],
        value: &Operand,
        places: &Places,
        scope: &mut Scope,
        tasks: &mut Vec<Value>,
    ) {
        let said = (self.quote)(places);
        let key = context_key(name);
        let shown = super::verbs::operand_words(value);
        let value = match self.operand(value, scope) {
            Ok(value) => value,
            Err(lost) => return self.lost(&said, &lost),
        };
        let step = self.names.step(&[vec!["set".into()], name.to_vec()].concat());
        self.say(&format!("Set {} to {shown}", name.join(" ")));
        let mut members = Map::new();
        members.insert(key.clone(), value);
        tasks.push(task(&step, json!({ "set": members, "export": { "as": "${ $context + . }" } })));
        scope.learn(Known { key, nouns: name.to_vec(), shape: Shape::Scalar, unnamed: false });
    }

    fn save(
        &mut self,
        phrase: &Phrase,
        name: &[String],
        places: &Places,
        scope: &mut Scope,
        tasks: &mut Vec<Value>,
    ) {
        let said = (self.quote)(places);
        let (value, shape) = match self.value(phrase, scope) {
            Ok(value) => value,
            Err(lost) => return self.lost(&said, &lost),
        };
        let key = context_key(name);
        let step = self.names.step(&[vec!["remember".into()], name.to_vec()].concat());
        self.say(&format!("Remember {}", name.join(" ")));
        tasks.push(kept(&step, &value, &key));
        scope.learn(Known { key, nouns: name.to_vec(), shape, unnamed: false });
    }

    fn reshape(&mut self, reshape: &Reshape, places: &Places, scope: &mut Scope, tasks: &mut Vec<Value>) {
        let said = (self.quote)(places);
        let found = match self.items(&reshape.items, scope) {
            Ok(found) => found,
            Err(lost) => return self.lost(&said, &lost),
        };
        let (list, item) = found;
        let source = scope.find(&reshape.items).ok();
        let nouns = source
            .as_ref()
            .and_then(|found| scope.known_at(&found.root))
            .map_or_else(|| vec![words::plural(&item)], |known| known.nouns.clone());
        let made = super::reshape::reshape(&reshape.change, &list, &nouns);
        let key = made.name.as_ref().map_or_else(|| context_key(&nouns), |name| context_key(name));
        let step = self.names.step(&made.step);
        self.say(&made.words);
        tasks.push(kept(&step, &made.jq, &key));
        let nouns = made.name.unwrap_or(nouns);
        scope.learn(Known { key, nouns, shape: made.shape, unnamed: false });
    }

    /// Says what falls with a call: what was said about it elsewhere.
    pub(super) fn dropped(&mut self, call: &Call) {
        for places in &call.attached {
            let words = (self.quote)(places);
            self.notes.warn(format!("\"{words}\" is left out with the step that it is about"));
        }
    }

    /// The same for all calls of steps that are not made.
    fn all_dropped(&mut self, steps: &[Step]) {
        for step in steps {
            match &step.kind {
                StepKind::Call(call) => {
                    self.dropped(call);
                    if let Some(branch) = &call.on_error {
                        self.all_dropped(&branch.steps);
                        self.all_dropped(&branch.otherwise);
                    }
                }
                StepKind::Each(each) => self.all_dropped(&each.steps),
                StepKind::Repeat { steps, .. } => self.all_dropped(steps),
                StepKind::Parallel(branches) => self.all_dropped(branches),
                StepKind::If(branch) => {
                    self.all_dropped(&branch.then);
                    self.all_dropped(&branch.otherwise);
                }
                _ => {}
            }
        }
    }

    /// Says why a step could not be made.
    pub(super) fn lost(&mut self, said: &str, lost: &Lost) {
        match lost {
            Lost::Unknown => self.notes.ask(format!(
                "What data does \"{said}\" mean? Nothing is fetched or named before it; it is left out until that is said."
            )),
            Lost::Several(names) => self.notes.ask(format!(
                "Which results does \"{said}\" mean? Read before it: {names}. It is left out until that is said."
            )),
            Lost::Gap(gap) => self.notes.ask(format!(
                "How should \"{said}\" get its data? It needs \"{gap}\", which is not in the workflow; it is left out too."
            )),
        }
    }

    pub(super) fn call(&mut self, call: &Call, places: &Places, scope: &mut Scope, tasks: &mut Vec<Value>) {
        super::calls::compile(self, call, places, scope, tasks);
    }
}

/// One item of a task list.
pub(super) fn task(name: &str, body: Value) -> Value {
    let mut item = Map::new();
    item.insert(name.to_owned(), body);
    Value::Object(item)
}

/// A step whose value is kept in the context.
fn kept(step: &str, value: &str, key: &str) -> Value {
    let export = format!("$context + {{{key}: .}}");
    task(step, json!({ "set": expression(value), "export": { "as": expression(&export) } }))
}

/// A variable for the item that no other loop and no argument of the language has.
fn variable(noun: &str, scope: &Scope) -> String {
    const TAKEN: &[&str] = &[
        "context",
        "input",
        "output",
        "secrets",
        "task",
        "workflow",
        "runtime",
        "authorization",
        "error",
        "index",
        "lists",
        "n",
    ];
    let words: Vec<String> = noun.split(' ').map(str::to_owned).collect();
    let name = context_key(&words);
    let name = if name.is_empty() || name == "result" || TAKEN.contains(&name.as_str()) {
        "item".to_owned()
    } else {
        name
    };
    let mut unique = name.clone();
    let mut count = 1;
    while scope.items.iter().any(|item| item.variable == unique) {
        count += 1;
        unique = format!("{name}{count}");
    }
    unique
}
