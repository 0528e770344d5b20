//! What is kept, held against what the guides say of it.

use std::{collections::BTreeSet, path::Path};

use http::{Method, StatusCode};
use levqor_model::KeyPurpose;
use levqor_server::features::sign_in::service::issue_link;
use levqor_store::{Options, Place};
use levqor_testkit::temp_dir;
use serde_json::{Value, json};

use crate::{
    members::user,
    support::{GREET, TestApp},
};

const DATA: &str = include_str!("../../../../docs/guide/data.md");
const KEYS: &str = include_str!("../../../../docs/guide/rotating-keys.md");
const MANIFEST: &str = include_str!("../../../../Cargo.toml");

/// The part of a guide below a heading.
fn below<'a>(guide: &'a str, heading: &str) -> &'a str {
    let (_, rest) = guide.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// What stands between backticks in the rows of a table.
fn named(part: &str) -> Vec<&str> {
    let rows = part.lines().filter(|line| line.starts_with("| "));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect()
}

async fn over(path: &Path) -> TestApp {
    let options = Options { place: Place::File(path.to_owned()), ..Options::default() };
    TestApp::over(options, |_| {}).await
}

#[tokio::test]
async fn every_table_has_a_sort() {
    let directory = temp_dir();
    let path = directory.path().join("levqor.db");
    let _test = over(&path).await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let there: BTreeSet<String> = names.map(Result::unwrap).collect();
    let listed = named(below(DATA, "Where it lies"));
    let sorted: BTreeSet<String> = listed.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(sorted.len(), listed.len(), "a table has one sort: {listed:?}");
    let (new, gone): (Vec<_>, Vec<_>) =
        (there.difference(&sorted).collect(), sorted.difference(&there).collect());
    assert!(
        new.is_empty() && gone.is_empty(),
        "docs/guide/data.md: of no sort: {new:?}; not there: {gone:?}"
    );
    // Each sort that has tables is explained, and each that is explained has some.
    let sorts = |part: &str| -> Vec<String> {
        let rows = part.lines().filter(|line| line.starts_with("| ")).skip(2);
        rows.map(|row| row.trim_start_matches("| ").split(" |").next().unwrap().to_owned()).collect()
    };
    assert_eq!(sorts(below(DATA, "The sorts")), sorts(below(DATA, "Where it lies")));
}

#[test]
fn everything_that_signs_or_seals_is_listed() {
    let listed: BTreeSet<&str> =
        named(below(KEYS, "Keys, algorithms and certificates")).into_iter().collect();
    for purpose in KeyPurpose::ALL {
        assert!(listed.contains(purpose.to_string().as_str()), "{purpose}");
    }
    // The section of the manifest, and whatever else speaks TLS or OpenID Connect.
    let security = MANIFEST.split("\n# Security\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let tls = MANIFEST.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let is_secret = |line: &&str| line.contains("rustls") || line.contains("openidconnect =");
    let lines = security.lines().chain(tls.lines().filter(is_secret)).filter(|line| !line.starts_with('#'));
    let packages: BTreeSet<&str> =
        lines.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).collect();
    assert!(packages.contains("ring") && packages.contains("rustls"), "{packages:?}");
    let missing: Vec<_> = packages.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/guide/rotating-keys.md does not say what is done with {missing:?}");
}

#[tokio::test]
async fn nothing_that_opens_something_lies_in_the_clear() {
    let directory = temp_dir();
    let test = over(&directory.path().join("levqor.db")).await;
    let (owner, operator) = (test.keys.owner.clone(), test.keys.operator.clone());
    let made = async |method: Method, path: &str, key: &str, body: Value| {
        // A repeat of a request that made a key gives no key: the answer that is kept has none.
        let name = path.replace('/', "-");
        let call = test.call(method, path).key(key).header("idempotency-key", &name).json(&body);
        let answer = call.send().await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
        if answer.status == StatusCode::NO_CONTENT { Value::Null } else { answer.json() }
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let token = |link: &str| link.rsplit('/').next().unwrap().to_owned();
    let mut open = vec![owner.clone(), operator.clone(), test.cookie.split('=').nth(1).unwrap().to_owned()];
    let ada = user(&test, "ada@example.com").await;
    let link = issue_link(&test.store, &*test.app.random, "", ada, test.app.now()).await.unwrap();
    open.push(token(link.expose()));
    let key = made(Method::POST, "/api/keys", &owner, json!({ "name": "k", "role": "viewer" })).await;
    open.push(text(&key["key"]));
    let invited = json!({ "email": "grace@example.com", "role": "viewer" });
    let invited = made(Method::POST, "/api/members/invitations", &owner, invited).await;
    open.push(token(&text(&invited["link"])));
    made(Method::PUT, "/api/secrets/vault", &owner, json!({ "value": "hush-hush-hush" })).await;
    open.push("hush-hush-hush".to_owned());
    let workflow = test.save("greet", GREET).await;
    let hook = json!({ "name": "hook", "signed": true });
    let hook = made(Method::POST, &format!("/api/workflows/{workflow}/triggers"), &owner, hook).await;
    open.extend([text(&hook["token"]), text(&hook["secret"])]);
    let beat = json!({ "name": "nightly", "period_seconds": 3_600, "grace_seconds": 300 });
    let beat = made(Method::POST, "/api/ops/heartbeats", &operator, beat).await;
    open.push(token(&text(&beat["url"])));

    let mut bytes = Vec::new();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("ada@example.com") && holds("nightly"), "the look sees what is there");
    for secret in open {
        assert!(secret.len() > 10, "{secret:?} is no secret");
        assert!(!holds(&secret), "{secret} is in the database's files");
    }
}
