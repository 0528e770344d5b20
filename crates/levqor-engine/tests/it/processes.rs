//! Processes: what they get, what of them comes back, and that nothing of them is left.

use std::{path::Path, time::Duration};

use levqor_engine::processes::Policy;
use levqor_flow::document;
use levqor_model::RunStatus;
use levqor_testkit::wait_for;
use serde_json::{Value, json};

use crate::world::World;

/// A world that allows processes, and the folder in which they run.
async fn world(change: impl FnOnce(&mut Policy)) -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new().await;
    world.processes = Policy {
        allow: document::Processes { shell: true, javascript: true, python: true },
        // Namespaces are tried in a test of their own: not every machine gives them.
        network: true,
        directory: folder.path().join("processes"),
        ..Policy::default()
    };
    change(&mut world.processes);
    (world, folder)
}

async fn outcome(world: &World, tasks: &str, input: Value) -> (RunStatus, Value) {
    let workflow = world.save("process", "1.0.0", &format!("do:\n{tasks}")).await;
    let engine = world.engine().await;
    let run = engine.start_run(world.request(workflow, input)).await.unwrap().run.id;
    let detail = engine.wait_ended(world.account, run, crate::world::PATIENCE).await.unwrap();
    engine.halt().await;
    let value =
        detail.output.or_else(|| detail.error.map(|error| json!([error.status, error.title, error.detail])));
    (detail.run.status, value.unwrap_or_default())
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    wait_for(what, || std::future::ready(holds().then_some(()))).await;
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

#[tokio::test]
async fn a_shell_gets_its_input_and_nothing_else() {
    let (world, folder) = world(|_| ()).await;
    let tasks = r#"
- a:
    run:
      shell:
        command: 'cat; echo "$1,$2,$NAME,$HOME"; pwd >&2; ls -A | wc -l; exit 3'
        stdin: '${ .text }'
        arguments: ["a b", '${ 5 }']
        environment: { NAME: '${ .text }' }
      return: all
"#;
    let (status, output) = outcome(&world, tasks, json!({ "text": "x'\"$(id)\n" })).await;
    assert_eq!(status, RunStatus::Completed, "{output}");
    assert_eq!(output["code"], 3);
    assert_eq!(output["stdout"], "x'\"$(id)\na b,5,x'\"$(id)\n,\n0\n");
    let place = output["stderr"].as_str().unwrap().trim();
    assert!(place.contains("/processes/run_"), "{place}");
    assert!(!Path::new(place).exists(), "its folder is removed");
    assert!(is_empty(&folder.path().join("processes")));
}

#[tokio::test]
async fn scripts_run_in_their_languages() {
    let rows = [
        (
            "node",
            "{ language: js, code: \"import { readFileSync } from 'node:fs';\\nconsole.log(readFileSync(0, 'utf8') + process.argv[2] + process.env.A)\", stdin: '${ . }', arguments: [x], environment: { A: b } }",
            "{\"n\":1}xb\n",
        ),
        (
            "python3",
            "{ language: python, code: \"import os, sys\\nprint(sys.stdin.read() + sys.argv[1] + os.environ['A'])\", stdin: '${ . }', arguments: [x], environment: { A: b } }",
            "{\"n\":1}xb\n",
        ),
    ];
    for (program, script, expected) in rows {
        if !["/usr/bin", "/usr/local/bin", "/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists())
        {
            eprintln!("there is no {program} here");
            continue;
        }
        let (world, _folder) = world(|_| ()).await;
        let tasks = format!("- a: {{ run: {{ script: {script} }} }}");
        assert_eq!(
            outcome(&world, &tasks, json!({ "n": 1 })).await,
            (RunStatus::Completed, json!(expected)),
            "{program}"
        );
    }
}

#[tokio::test]
async fn bounds_are_kept_and_say_which_they_are() {
    /// Command, what changes in the policy, status, words.
    type Bound = (&'static str, fn(&mut Policy), i64, &'static str);
    let rows: [Bound; 4] = [
        (
            "sleep 60 & sleep 60",
            |policy| policy.timeout = Duration::from_millis(200),
            408,
            "`processes.timeout_seconds`",
        ),
        ("yes", |policy| policy.output_bytes_max = 1000, 500, "more than 1000 bytes"),
        (
            "yes >&2",
            |policy| policy.output_bytes_max = 1000,
            500,
            "its standard error has more than 1000 bytes",
        ),
        ("true", |policy| policy.allow.shell = false, 400, "`processes.allow`"),
    ];
    for (command, change, expected, words) in rows {
        let (world, folder) = world(change).await;
        let tasks = format!("- a: {{ run: {{ shell: {{ command: '{command}' }} }} }}");
        let (status, error) = outcome(&world, &tasks, json!({})).await;
        assert_eq!((status, &error[0]), (RunStatus::Faulted, &json!(expected)), "{command}: {error}");
        assert!(error[2].as_str().unwrap().contains(words), "{command}: {error}");
        let processes = folder.path().join("processes");
        assert!(!processes.exists() || is_empty(&processes), "{command} leaves its folder");
    }
}

#[tokio::test]
async fn a_file_that_grows_too_large_ends_what_writes_it() {
    let (world, _folder) = world(|policy| policy.file_bytes_max = 4096).await;
    let tasks = "- a: { run: { shell: { command: 'exec head -c 1000000 /dev/zero > file' }, return: code } }";
    let (status, code) = outcome(&world, tasks, json!({})).await;
    assert_eq!(status, RunStatus::Completed, "{code}");
    assert_ne!(code, json!(0));
}

/// Whether a process lives that has these words on its command line.
fn lives(words: &Path) -> bool {
    let words = words.to_str().unwrap();
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(words))
    })
}

#[tokio::test]
async fn a_cancelled_run_takes_its_processes_along() {
    let (world, folder) = world(|_| ()).await;
    let file = folder.path().join("begun");
    // The second process stands in the background, with the file's name on its own command line.
    let tasks = format!(
        "- a: {{ run: {{ shell: {{ command: 'sh -c \"sleep 600; :\" {0} & touch {0}; wait' }} }} }}",
        file.display()
    );
    let workflow = world.save("process", "1.0.0", &format!("do:\n{tasks}")).await;
    let engine = world.engine().await;
    let run = engine.start_run(world.request(workflow, json!({}))).await.unwrap().run.id;
    until("the process has begun", || file.exists()).await;
    assert!(lives(&file));
    let waits = engine.waiting_for(world.account, run).await.unwrap();
    assert_eq!(waits.as_deref(), Some("runs a process (shell, task a)"));
    engine.cancel(world.account, run).await.unwrap();
    until("the process is gone", || !lives(&file)).await;
    until("its folder is gone", || is_empty(&folder.path().join("processes"))).await;
    engine.halt().await;
}

#[tokio::test]
async fn a_process_is_begun_again_after_a_crash() {
    let (world, folder) = world(|_| ()).await;
    let file = folder.path().join("times");
    let tasks = format!(
        "- a: {{ run: {{ shell: {{ command: 'echo x >> {0}; if [ $(wc -l < {0}) = 1 ]; then sleep 600; fi; cat {0}' }} }} }}",
        file.display()
    );
    let workflow = world.save("process", "1.0.0", &format!("do:\n{tasks}")).await;
    let engine = world.engine().await;
    let run = engine.start_run(world.request(workflow, json!({}))).await.unwrap().run.id;
    until("the process has begun", || std::fs::read_to_string(&file).is_ok_and(|text| text == "x\n")).await;
    engine.halt().await;
    let engine = world.engine().await;
    let detail = engine.wait_ended(world.account, run, crate::world::PATIENCE).await.unwrap();
    assert_eq!(detail.output, Some(json!("x\nx\n")), "{:?}", detail.error);
    engine.halt().await;
}

#[tokio::test]
async fn without_await_the_run_goes_on() {
    let (world, folder) = world(|_| ()).await;
    let file = folder.path().join("done");
    let tasks =
        format!("- a: {{ run: {{ shell: {{ command: 'touch {}' }}, await: false }} }}", file.display());
    let workflow = world.save("process", "1.0.0", &format!("do:\n{tasks}")).await;
    let engine = world.engine().await;
    let run = engine.start_run(world.request(workflow, json!({ "n": 1 }))).await.unwrap().run.id;
    let detail = engine.wait_ended(world.account, run, crate::world::PATIENCE).await.unwrap();
    assert_eq!(detail.output, Some(json!({ "n": 1 })));
    until("the process has done its work", || file.exists()).await;
    engine.halt().await;
}

/// Either the machine keeps the process away from the network, or it is refused; it never gets out.
#[tokio::test]
async fn without_permission_there_is_no_network() {
    let (world, _folder) = world(|policy| policy.network = false).await;
    let tasks = "- a: { run: { shell: { command: 'tail -n +3 /proc/net/dev | grep -vc lo:; echo $$' }, return: stdout } }";
    let (status, value) = outcome(&world, tasks, json!({})).await;
    match status {
        RunStatus::Completed => {
            assert_eq!(value, "0\n1\n", "no device but the loopback, and the first process of its own")
        }
        _ => assert!(value[2].as_str().unwrap().contains("processes.network"), "{value}"),
    }
}
