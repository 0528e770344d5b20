//! The conformance kit of the DSL, played against the interpreter with a stand-in for the services it calls.
//!
//! The runner knows the kit's sentences and nothing more; a sentence that it does not know fails the test, so a newer
//! kit cannot pass by being misread.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails them by panicking")]

use std::{fs, path::PathBuf, sync::Arc};

use levqor_flow::{
    access::Credentials,
    definition::{HttpOutput, Workflow},
    document,
    machine::{
        Effect, ErrorKind, Event, FlowError, HttpRequest, Machine, Notes, Outcome, ProcessEnd, Surroundings,
        TaskNote,
    },
    secrets::SecretBook,
};
use levqor_model::{RunStatus, TaskStatus};
use serde_json::{Value, json};

use crate::machine::play::{START, started};

/// Published examples that are taken and do not come to a good end here, with the reason.
const NOT_COMPLETED: [(&str, &str); 3] = [
    (
        "mock-service-extension.yaml",
        "its `when` hands an object to jq's `startswith`, which is an error in every jq",
    ),
    ("raise-inline.yaml", "raises on purpose"),
    ("raise-reusable.yaml", "raises on purpose"),
];

/// What the examples between them ask for.
fn input(workflow: &Workflow) -> Value {
    if workflow.schedule.as_ref().is_some_and(|schedule| schedule.on.is_some()) {
        let patient = json!({ "id": 7, "name": "Ada", "room": { "number": 12 }, "vitals": { "bpm": 31 } });
        return json!([{ "specversion": "1.0", "id": "1", "source": "/ward", "type": "t",
                        "data": { "patient": patient, "timestamp": "2026-01-01T00:00:00Z" } }]);
    }
    json!({ "id": 1, "token": "t", "searchQuery": "milou", "customer": { "age": 20 }, "user": { "age": 20 },
            "pets": [{ "id": 1 }], "vet": "Bea" })
}

/// The README says how far this is. To write it anew: `LEVQOR_WRITE_DOCS=1 cargo test -p levqor-flow --test it conformance`.
#[test]
fn the_readme_shows_the_score() {
    const START: &str = "Conformance: ";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = fs::read_to_string(path).unwrap();
    let all = scenarios().len();
    let (examples, taken, completed) = examples();
    let score = format!(
        "{START}{all} of {all} scenarios of the specification's kit; of its {examples} examples, {taken} are accepted and {completed} \
         run to completion in tests."
    );
    let lines = readme.lines().map(|line| if line.starts_with(START) { score.as_str() } else { line });
    let expected = lines.fold(String::new(), |text, line| text + line + "\n");
    if std::env::var_os("LEVQOR_WRITE_DOCS").is_some() {
        fs::write(path, &expected).unwrap();
    }
    assert!(expected.contains(&score), "the README has no line that begins with {START:?}");
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
}

/// How many published examples there are, how many are taken by a server that allows all it can, and how many of
/// these complete, with a stand-in for what they call.
fn examples() -> (usize, usize, usize) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/serverless-workflow/examples");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let (mut taken, mut completed, mut wrong) = (0, 0, String::new());
    for path in &paths {
        let document = yaml(&fs::read_to_string(path).unwrap());
        let Some(workflow) = document::check_for(&document, &document::Host::permissive()).workflow else {
            continue;
        };
        taken += 1;
        let input = input(&workflow);
        let machine = execute(workflow, input, &mut Records::default(), anything);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let excused = NOT_COMPLETED.iter().any(|(example, _)| *example == name);
        let done = machine.status() == RunStatus::Completed;
        completed += usize::from(done);
        let listens = machine.pending().iter().any(|effect| matches!(effect, Effect::Listen { .. }));
        if done == excused && !listens {
            wrong.push_str(&format!("{name}: {} {:?}\n", machine.status(), machine.error()));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    (paths.len(), taken, completed)
}

#[test]
fn the_kit_passes() {
    let scenarios = scenarios();
    assert_eq!(scenarios.len(), 21, "the kit has 21 scenarios");
    for scenario in &scenarios {
        let definition = scenario.steps.iter().find(|step| step.text.ends_with("workflow with definition:"));
        let definition = definition.unwrap_or_else(|| panic!("{} has no definition", scenario.title));
        let checked = document::parse(&definition.argument);
        let workflow =
            checked.workflow.unwrap_or_else(|| panic!("{}: {:#?}", scenario.title, checked.errors));
        let input = scenario.steps.iter().find(|step| step.text.ends_with("workflow input is:"));
        let input = input.map_or(json!({}), |step| yaml(&step.argument));
        let mut records = Records::default();
        let machine = execute(workflow, input, &mut records, petstore);
        for step in &scenario.steps {
            verify(step, &machine, &records).unwrap_or_else(|reason| {
                panic!("{}: `{}`: {reason}\n{machine:?}", scenario.title, step.text)
            });
        }
    }
}

#[derive(Debug)]
struct Scenario {
    title: String,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    /// Without the keyword.
    text: String,
    /// The doc string that follows, or nothing.
    argument: String,
}

fn scenarios() -> Vec<Scenario> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/serverless-workflow/ctk/features");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "feature"))
        .collect();
    files.sort();
    files.iter().flat_map(|path| read(&fs::read_to_string(path).unwrap())).collect()
}

/// Reads the Gherkin that the kit uses: scenarios, steps and doc strings.
fn read(feature: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut lines = feature.lines();
    while let Some(line) = lines.next() {
        let text = line.trim();
        if let Some(title) = text.strip_prefix("Scenario:") {
            scenarios.push(Scenario { title: title.trim().to_owned(), steps: Vec::new() });
        } else if text.starts_with("\"\"\"") {
            let indent = line.len() - line.trim_start().len();
            let mut argument = String::new();
            for line in lines.by_ref().take_while(|line| line.trim() != "\"\"\"") {
                argument.push_str(line.get(indent..).unwrap_or(line.trim_start()));
                argument.push('\n');
            }
            scenarios.last_mut().and_then(|scenario| scenario.steps.last_mut()).unwrap().argument = argument;
        } else if let Some(scenario) = scenarios.last_mut()
            && let Some(text) =
                ["Given ", "When ", "Then ", "And "].iter().find_map(|keyword| text.strip_prefix(keyword))
        {
            scenario.steps.push(Step { text: text.to_owned(), argument: String::new() });
        }
    }
    scenarios
}

fn yaml(text: &str) -> Value {
    document::read(text).unwrap_or_else(|issue| panic!("{issue:?} in {text}"))
}

/// What was seen of the tasks.
#[derive(Debug, Default)]
struct Records(Vec<Record>);

#[derive(Debug)]
struct Record {
    name: String,
    status: TaskStatus,
}

impl Notes for Records {
    fn note(&mut self, note: TaskNote<'_>) {
        match note {
            TaskNote::Began { name, task, .. } => {
                assert_eq!(task, self.0.len() as u64 + 1);
                self.0.push(Record { name: name.to_owned(), status: TaskStatus::Running });
            }
            TaskNote::Became { task, status, .. } | TaskNote::Ended { task, status, .. } => {
                self.0[task as usize - 1].status = status;
            }
        }
    }
}

fn execute(
    workflow: Arc<Workflow>,
    input: Value,
    records: &mut Records,
    service: fn(&HttpRequest) -> Outcome,
) -> Machine {
    // What the examples keep secret is how they are granted a token.
    let secret = json!({ "authority": "https://auth.example", "grant": "client_credentials",
                         "client": { "id": "a", "secret": "b" } });
    let mut book = SecretBook::default();
    let mut event = started(input);
    if let Event::Started { secrets, .. } = &mut event {
        for name in &workflow.secrets {
            book.insert(name, 1, secret.clone());
            secrets.insert(name.clone(), 1);
        }
    }
    let surroundings = Surroundings { secrets: Arc::new(book), ..Surroundings::default() };
    let mut machine = Machine::start(workflow, Arc::new(surroundings), &event).unwrap();
    let mut now = START;
    loop {
        machine.run(u64::MAX, &mut Vec::new(), records).unwrap();
        if machine.status().is_ended() {
            return machine;
        }
        // What is called answers before any time passes. Nobody publishes events here, so who listens would wait for ever.
        let due = |effect: &Effect| if let Effect::Timer { at, .. } = effect { *at } else { START };
        let (listens, pending): (Vec<_>, Vec<_>) =
            machine.pending().into_iter().partition(|effect| matches!(effect, Effect::Listen { .. }));
        let next = pending.into_iter().min_by_key(due);
        let Some(effect) = next.filter(|next| listens.is_empty() || !matches!(next, Effect::Timer { .. }))
        else {
            return machine;
        };
        now = now.max(due(&effect));
        let outcome = match &effect {
            Effect::CallHttp { call, .. } => service(call),
            Effect::Emit { event, .. } => Outcome::Output(serde_json::to_value(event).unwrap()),
            Effect::RunWorkflow { .. } | Effect::CallService { .. } => Outcome::Output(json!({})),
            Effect::RunProcess { call, .. } => {
                let end = ProcessEnd { code: 0, stdout: "out".to_owned(), stderr: String::new() };
                Outcome::Output(end.output(call.returns))
            }
            Effect::Timer { id, .. } => {
                machine.apply(&Event::TimerFired { at: now, effect: *id }, records).unwrap();
                continue;
            }
            Effect::Listen { .. } | Effect::Abandon { .. } => panic!("nobody waits for it"),
        };
        machine.apply(&Event::ended(now, effect.id(), outcome), records).unwrap();
    }
}

/// The stand-in for whatever the examples call.
fn anything(call: &HttpRequest) -> Outcome {
    let content = json!({ "id": 1, "name": "milou", "homeworld": "https://swapi.dev/api/planets/1" });
    Outcome::Output(match call.output {
        HttpOutput::Content => content,
        HttpOutput::Response => json!({ "statusCode": 200, "headers": {}, "content": content }),
        HttpOutput::Raw => json!("e30="),
        HttpOutput::Text => json!(SWAGGER),
    })
}
/// What the scenarios use of the pet store's own description.
const SWAGGER: &str = r#"{
    "swagger": "2.0", "host": "petstore.swagger.io", "basePath": "/v2", "schemes": ["https", "http"],
    "paths": {
        "/pet/findByStatus": { "get": { "operationId": "findPetsByStatus", "parameters": [
            { "name": "status", "in": "query", "required": true, "type": "array", "collectionFormat": "multi" } ] } },
        "/pet/{petId}": { "get": { "operationId": "getPetById", "parameters": [
            { "name": "petId", "in": "path", "required": true, "type": "integer" } ] } }
    }
}"#;

/// The stand-in for the kit's pet store.
fn petstore(call: &HttpRequest) -> Outcome {
    assert_eq!(call.method, "GET");
    if let Some(expected) = call.uri.strip_prefix("https://httpbin.org/basic-auth/") {
        let Some(Credentials::Basic { username, password }) = &call.credentials else {
            panic!("{:?}", call.credentials);
        };
        assert_eq!(expected, format!("{username}/{}", password.expose()));
        return Outcome::Output(json!({ "authenticated": true, "user": username }));
    }
    if call.uri == "https://petstore.swagger.io/v2/swagger.json" {
        assert_eq!(call.output, HttpOutput::Text);
        return Outcome::Output(Value::from(SWAGGER));
    }
    let pet = |id: u64| json!({ "id": id, "name": "milou", "status": "available" });
    let status = call.query == [("status".to_owned(), "available".to_owned())];
    let content = match call.uri.strip_prefix("https://petstore.swagger.io/v2/pet/").unwrap_or(&call.uri) {
        "findByStatus?status=available" => json!([pet(1), pet(2)]),
        "findByStatus" if status => json!([pet(1), pet(2)]),
        "1" => pet(1),
        "2" => pet(2),
        other => {
            let error = ErrorKind::Communication.error("not found", format!("nothing at {other}"));
            return Outcome::Failed { error: FlowError { status: 404, ..error }, answered: true };
        }
    };
    Outcome::Output(match call.output {
        HttpOutput::Content => content,
        HttpOutput::Response => json!({
            "request": { "method": "GET", "uri": call.uri, "headers": {} },
            "statusCode": 200,
            "headers": { "content-type": "application/json" },
            "content": content,
        }),
        HttpOutput::Raw | HttpOutput::Text => panic!("the kit does not use raw output"),
    })
}

/// Checks what a step says about the run.
fn verify(step: &Step, machine: &Machine, records: &Records) -> Result<(), String> {
    let words: Vec<&str> = step.text.split(' ').collect();
    match words[..] {
        [.., "with", "definition:"] | ["given", "the", "workflow", "input", "is:"] => Ok(()),
        ["the", "workflow", "is", "executed"] => Ok(()),
        ["the", "workflow", "should", "complete"] => expect(machine.status() == RunStatus::Completed),
        ["the", "workflow", "should", "complete", "with", "output:"] => {
            same(machine.output(), &yaml(&step.argument))
        }
        ["the", "workflow", "should", "cancel"] => expect(machine.status() == RunStatus::Cancelled),
        ["the", "workflow", "should", "fault"] => expect(machine.status() == RunStatus::Faulted),
        ["the", "workflow", "should", "fault", "with", "error:"] => {
            let error = serde_json::to_value(machine.error().ok_or("the run has no error")?).unwrap();
            let expected = yaml(&step.argument);
            for (name, member) in expected.as_object().ok_or("the expected error is no object")? {
                same(error.get(name), member)?;
            }
            Ok(())
        }
        ["the", "workflow", "output", "should", "have", "properties", ..] => {
            let output = machine.output().ok_or("the run has no output")?;
            for path in quoted(&step.text) {
                member(output, path)?;
            }
            Ok(())
        }
        ["the", "workflow", "output", "should", "have", _, path, "property", ref rest @ ..] => {
            let found = member(machine.output().ok_or("the run has no output")?, path.trim_matches('\''))?;
            match rest {
                ["with", "value:"] => same(Some(found), &yaml(&step.argument)),
                ["containing", count, "items"] => {
                    let length =
                        found.as_array().map(Vec::len).or(found.as_object().map(|object| object.len()));
                    expect(length == count.parse().ok())
                }
                _ => Err("unknown sentence".to_owned()),
            }
        }
        [task, "should", "run", "first"] => {
            expect(records.0.first().is_some_and(|record| record.name == task))
        }
        [task, "should", "run", "last"] => expect(records.0.last().is_some_and(|record| record.name == task)),
        [task, "should", "run", "after", other] => {
            let last = records.0.iter().rposition(|record| record.name == task);
            let first = records.0.iter().position(|record| record.name == other);
            expect(last.is_some() && first.is_some() && last > first)
        }
        [task, "should", "run", "before", other] => {
            let first = records.0.iter().position(|record| record.name == task);
            let last = records.0.iter().rposition(|record| record.name == other);
            expect(first.is_some() && last.is_some() && first < last)
        }
        [task, "should", verb @ ("complete" | "fault" | "cancel")] => {
            let status = match verb {
                "complete" => TaskStatus::Completed,
                "fault" => TaskStatus::Faulted,
                _ => TaskStatus::Cancelled,
            };
            expect(records.0.iter().any(|record| record.name == task && record.status == status))
        }
        _ => Err("unknown sentence".to_owned()),
    }
}

fn expect(holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err("it is not so".to_owned()) }
}

fn same(got: Option<&Value>, expected: &Value) -> Result<(), String> {
    let equal = got == Some(expected)
        || got.and_then(Value::as_f64).is_some_and(|number| Some(number) == expected.as_f64());
    if equal { Ok(()) } else { Err(format!("expected {expected}, but was {got:?}")) }
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('\'').skip(1).step_by(2)
}

fn member<'a>(value: &'a Value, path: &str) -> Result<&'a Value, String> {
    path.split('.')
        .try_fold(value, |value, name| value.get(name))
        .ok_or_else(|| format!("no {path} in {value}"))
}
