//! `levqor drift` and `levqor blueprint` against a real server over its socket, and against a Stripe that is made up.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use levqor_lab::Server;
use levqor_model::{Blueprint, BlueprintLock, PromiseValue};
use levqor_testkit::{HttpStub, Reply, Route, temp_dir};
use serde_json::{Value, json};

use crate::api::{Levqor, setup};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A blueprint and its lock in a folder; gives the blueprint's path.
fn files(folder: &Path, blueprint: &str, lock: Option<&str>) -> PathBuf {
    let file = folder.join("blueprint.toml");
    fs::write(&file, blueprint).unwrap();
    if let Some(lock) = lock {
        fs::write(folder.join("blueprint.lock"), lock).unwrap();
    }
    file
}

/// A command with a blueprint of its own, when one is given.
fn levqor(arguments: &[&str], blueprint: Option<&Path>, folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_levqor"));
    command.args(arguments).current_dir(folder).env_remove("LEVQOR_REGION").env("USER", "ada");
    if let Some(file) = blueprint {
        command.env("LEVQOR_BLUEPRINT_FILE", file);
    }
    command.output().unwrap()
}

async fn serving(folder: &Path, blueprint: Option<&Path>) -> Levqor {
    let mut setup = setup(folder);
    if let Some(file) = blueprint {
        setup = setup.env("LEVQOR_BLUEPRINT_FILE", file.to_str().unwrap());
    }
    let server = Server::start(&setup).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    Levqor::of(server, &key)
}

#[tokio::test]
async fn a_server_that_serves_what_was_agreed_passes() {
    let (folder, elsewhere) = (temp_dir(), temp_dir());
    let server = serving(folder.path(), None).await;
    let url = server.server.url("");
    let ran = levqor(&["drift", "--url", &url, "--key", &server.key], None, elsewhere.path());
    let told = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{told}{}", text(&ran.stderr));
    assert!(told.ends_with("DRIFT STATUS: PASS\n"), "{told}");
    for line in ["Limits of an account: ", "Prices at Stripe:     not configured, so not compared"] {
        assert!(told.contains(line), "{line} is not in {told}");
    }
    // Without a key, and twice more within a minute: strangers see pages and prices, too.
    for _ in 0..2 {
        let ran = levqor(&["drift", "--url", &url, "--json"], None, elsewhere.path());
        let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!((ran.status.code(), &report["pass"]), (Some(0), &json!(true)), "{report:#}");
        let limits =
            report["sections"].as_array().unwrap().iter().find(|section| section["part"] == "limits");
        assert_eq!(limits.unwrap()["outcome"]["state"], "not_compared");
    }

    // Reports go where somebody says, and nowhere else.
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    let written = ["drift", "--url", &url, "--report", "drift.md", "--report", "drift.json"];
    assert_eq!(levqor(&written, None, elsewhere.path()).status.code(), Some(0));
    let markdown = fs::read_to_string(elsewhere.path().join("drift.md")).unwrap();
    assert!(markdown.contains("**DRIFT STATUS: PASS**") && markdown.contains("Nothing."), "{markdown}");
    let read: Value =
        serde_json::from_slice(&fs::read(elsewhere.path().join("drift.json")).unwrap()).unwrap();
    assert_eq!(read["looked_at"], url.trim_end_matches('/'));
    let refused = levqor(&["drift", "--url", &url, "--write"], None, elsewhere.path());
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("there is no folder docs; make it"), "{}", text(&refused.stderr));
    fs::create_dir(elsewhere.path().join("docs")).unwrap();
    assert_eq!(levqor(&["drift", "--url", &url, "--write"], None, elsewhere.path()).status.code(), Some(0));
    for file in ["docs/DRIFT_STATUS.md", "docs/DRIFT_STATUS.json"] {
        assert!(elsewhere.path().join(file).is_file(), "{file}");
    }
}

#[tokio::test]
async fn a_promise_that_was_changed_without_an_agreement_is_named_until_somebody_agrees() {
    let (folder, own) = (temp_dir(), temp_dir());
    let changed = Blueprint::SHIPPED.replacen("month_price = 900", "month_price = 1900", 1);
    let file = files(own.path(), &changed, Some(BlueprintLock::SHIPPED));
    let server = serving(folder.path(), Some(&file)).await;
    let url = server.server.url("");
    let look = |blueprint: Option<&Path>| {
        levqor(&["drift", "--url", &url, "--key", &server.key], blueprint, own.path())
    };
    let ran = look(Some(&file));
    let told = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(1), "{told}");
    let line = "critical: plan.starter.month_price in blueprint.toml: expected \"900\", found \"1900\"\n";
    assert!(told.starts_with(line) && told.ends_with("DRIFT STATUS: FAIL, 1 critical\n"), "{told}");
    // Who knows the shipped promises only, sees that the pages say something else.
    let told = text(&look(None).stdout);
    let line = "critical: plan.starter.month_price on /pricing: expected \"900\", found \"1900\"\n";
    assert!(told.contains(line), "{told}");

    let blueprint =
        |arguments: &[&str]| levqor(&[&["blueprint"], arguments].concat(), Some(&file), own.path());
    let ran = blueprint(&["verify"]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(
        text(&ran.stdout)
            .contains("plan.starter.month_price: \"900\" was agreed, the blueprint says \"1900\"")
    );
    assert!(text(&blueprint(&["show"]).stdout).contains("no: 900"));
    // Agreeing has a reason, and tells a server at once when there is a key.
    assert_eq!(blueprint(&["lock"]).status.code(), Some(2));
    let ran = blueprint(&["lock", "--reason", "the price of 2027", "--url", &url, "--key", &server.key]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    assert!(text(&ran.stdout).contains("version 2, 67 promises"), "{}", text(&ran.stdout));
    assert!(text(&ran.stderr).contains("has looked: DRIFT STATUS: PASS"), "{}", text(&ran.stderr));
    let lock = BlueprintLock::parse(&fs::read_to_string(own.path().join("blueprint.lock")).unwrap()).unwrap();
    assert_eq!((lock.by.as_str(), lock.reason.as_str()), ("ada", "the price of 2027"));
    assert_eq!(blueprint(&["verify"]).status.code(), Some(0));
    assert_eq!(look(Some(&file)).status.code(), Some(0));
    let again = blueprint(&["lock", "--reason", "once more"]);
    assert!(text(&again.stdout).contains("agrees to everything already"), "{}", text(&again.stdout));

    let records =
        server.get(&format!("/api/ops/audit?kind=blueprint.locked&subject={}", lock.digest())).await;
    let record = &records["records"][0];
    assert_eq!(record["details"]["reason"], "the price of 2027", "{records}");
    assert!(record["author"].as_str().unwrap().starts_with("API key key_"), "{record}");
    let status = server.get("/api/ops/drift").await;
    assert_eq!(status["status"], "pass", "{status:#}");
}

#[tokio::test]
async fn a_deviation_that_somebody_lives_with_does_not_count_and_is_shown() {
    let (folder, own) = (temp_dir(), temp_dir());
    let changed = Blueprint::SHIPPED.replacen("month_price = 900", "month_price = 1900", 1);
    let file = files(own.path(), &changed, Some(BlueprintLock::SHIPPED));
    let server = serving(folder.path(), Some(&file)).await;
    let url = server.server.url("");
    let access = ["--url", url.as_str(), "--key", &server.key];
    let run = |arguments: &[&str]| levqor(&[arguments, &access].concat(), Some(&file), own.path());
    let place = "plan.starter.month_price in blueprint.toml";
    let until = levqor_model::Clock::now(&levqor_model::SystemClock).date().plus_days(30).to_string();
    let wrong = run(&["drift", "acknowledge", "elsewhere", "--reason", "x", "--until", &until]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains(place), "{}", text(&wrong.stderr));
    let late = run(&["drift", "acknowledge", place, "--reason", "x", "--until", "2099-01-01"]);
    assert_eq!(late.status.code(), Some(1));
    assert!(text(&late.stderr).contains("is not within the next 90 days"), "{}", text(&late.stderr));
    let noted = run(&["drift", "acknowledge", place, "--reason", "agreed on Monday", "--until", &until]);
    assert_eq!(noted.status.code(), Some(0), "{}", text(&noted.stderr));
    let ran = run(&["drift"]);
    let told = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{told}");
    let line = format!(
        "critical: {place}: expected \"900\", found \"1900\" [acknowledged until {until} by API key key_"
    );
    assert!(told.starts_with(&line) && told.ends_with("DRIFT STATUS: PASS (1 acknowledged)\n"), "{told}");
    // Nobody who sends no key is told to live with it.
    assert_eq!(levqor(&["drift", "--url", &url], Some(&file), own.path()).status.code(), Some(1));
}

// The command waits for the stand-in, which has to run meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn prices_at_stripe_are_read_when_there_is_a_key() {
    let (folder, own) = (temp_dir(), temp_dir());
    let server = serving(folder.path(), None).await;
    let stripe = HttpStub::start().await;
    let serve = |wrong: bool| {
        let promises = Blueprint::parse(Blueprint::SHIPPED).unwrap().promises().into_iter();
        let prices: Vec<_> = promises
            .filter_map(|promise| {
                let PromiseValue::Money(money) = promise.value else { return None };
                let amount = money.minor() + i64::from(wrong && promise.path == "addon.sla.month_price");
                let interval = if promise.path.ends_with("year_price") { "year" } else { "month" };
                let once = promise.path.starts_with("package.");
                let recurring = if once { Value::Null } else { json!({ "interval": interval, "interval_count": 1 }) };
                Some(json!({ "lookup_key": promise.path, "active": true, "currency": "gbp", "unit_amount": amount, "recurring": recurring }))
            })
            .collect();
        stripe.route(
            Route::new("/v1/prices")
                .method("GET")
                .reply(Reply::json(&json!({ "data": prices, "has_more": false }))),
        );
    };
    let run = || {
        Command::new(env!("CARGO_BIN_EXE_levqor"))
            .args(["drift", "--url", &server.server.url("")])
            .current_dir(own.path())
            .env("STRIPE_SECRET_KEY", "sk_test_hunter2")
            .env("STRIPE_API_BASE", stripe.url(""))
            .output()
            .unwrap()
    };
    serve(false);
    let ran = run();
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stdout));
    assert!(text(&ran.stdout).contains("Prices at Stripe:     15 compared"), "{}", text(&ran.stdout));
    serve(true);
    let ran = run();
    assert_eq!(ran.status.code(), Some(1));
    let line = "critical: addon.sla.month_price at Stripe: expected \"4900 gbp, month\", found \"4901 gbp, month\"\n";
    assert!(text(&ran.stdout).starts_with(line), "{}", text(&ran.stdout));
    assert!(stripe.requests().iter().all(|request| request.method == "GET"));
    assert!(!text(&ran.stdout).contains("hunter2") && !text(&ran.stderr).contains("hunter2"));
}

#[test]
fn what_cannot_be_looked_at_fails_and_wrong_use_is_told() {
    let folder = temp_dir();
    let broken = files(folder.path(), "currency = \"GBP\"", None);
    let run = |arguments: &[&str], file: Option<&Path>| levqor(arguments, file, folder.path());
    let nobody = run(&["drift", "--url", "http://127.0.0.1:9"], None);
    assert_eq!(nobody.status.code(), Some(1));
    let told = text(&nobody.stdout);
    assert!(told.starts_with("critical: http://127.0.0.1:9: expected \"a site that answers\""), "{told}");
    let rows = [
        (vec!["drift", "--url", "levqor.example"], None, "is not an http or https address"),
        (
            vec!["drift", "acknowledge", "x", "--reason", "y", "--until", "soon", "--key", "k"],
            None,
            "is neither a day such as",
        ),
        (
            vec!["drift", "acknowledge", "x", "--reason", "y", "--until", "2026-12-31"],
            None,
            "give an API key of an operator",
        ),
        (vec!["blueprint", "lock", "--reason", "x"], None, "name your own by --file"),
        (vec!["blueprint", "lock", "--reason", "x"], Some(broken.as_path()), "missing field"),
        (vec!["blueprint", "verify", "--file", "nowhere.toml"], None, "there is no such file"),
        (vec!["ask", "what does the growth plan cost?"], Some(broken.as_path()), "blueprint.file: "),
    ];
    for (arguments, file, problem) in rows {
        let ran = run(&arguments, file);
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}: {}", text(&ran.stdout));
        assert!(text(&ran.stderr).contains(problem), "{arguments:?}: {}", text(&ran.stderr));
    }
    let ran = run(&["blueprint", "verify"], None);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stdout));
    assert!(text(&ran.stdout).starts_with("BLUEPRINT: AS AGREED, "), "{}", text(&ran.stdout));
    // A lock that was edited is no agreement, and is not written over.
    let edited = BlueprintLock::SHIPPED.replacen("= 900\n", "= 901\n", 1);
    let file = files(folder.path(), Blueprint::SHIPPED, Some(&edited));
    assert_eq!(run(&["blueprint", "verify"], Some(&file)).status.code(), Some(1));
    let refused = run(&["blueprint", "lock", "--reason", "x"], Some(&file));
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("was edited by hand"), "{}", text(&refused.stderr));
}
