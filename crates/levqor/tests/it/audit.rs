//! The evidence log of a real server: shown, copied, verified, and what was done to it named.

use std::{fs, path::Path, process::Output};

use levqor_lab::Signal;
use levqor_model::{
    SigningKey, Timestamp,
    audit::{
        Acceptance, CHECKPOINT, Checkpoint, EXPORT_FORMAT, Head, Heads, KEY_ACCEPTED, Record, RecordHash,
        SignedHeads, Verifier,
    },
};
use levqor_testkit::wait_for;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{api::Levqor, command_line::levqor};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `levqor audit` with these arguments, as the operator.
fn audit(server: &Levqor, arguments: &[&str]) -> Output {
    let url = server.server.url("");
    levqor(&[&["audit"], arguments, &["--url", &url, "--key", &server.key]].concat())
}

/// Has a key made and revoked, and gives its id.
async fn make_a_key(server: &Levqor) -> String {
    let body = json!({ "name": "ci", "role": "viewer" });
    let (status, made) = server.call(Method::POST, "/api/keys", Some(&body)).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let (status, _) = server.call(Method::DELETE, &format!("/api/keys/{id}"), None).await;
    assert_eq!(status, 204);
    id
}

/// Stops the server as a manager of processes does; what is new is signed then.
async fn stop(mut server: Levqor) -> String {
    server.server.signal(Signal::TERM).unwrap();
    let code = wait_for("the end", || {
        let code = server.server.exit_code().unwrap();
        async move { code }
    });
    assert_eq!(code.await, 0);
    server.key
}

fn database(directory: &Path) -> Connection {
    let data = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut places = data.flat_map(|path| [path.join("levqor.db"), path]);
    let found =
        places.find(|path| path.file_name().is_some_and(|name| name == "levqor.db") && path.is_file());
    Connection::open(found.unwrap()).unwrap()
}

#[tokio::test]
async fn what_was_done_is_shown_and_copied_and_a_changed_copy_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Levqor::first(directory.path()).await;
    let id = make_a_key(&server).await;
    let list = text(&audit(&server, &["list", "--kind", "key", "--subject", &id]).stdout);
    assert!(list.contains("key.revoked") && list.contains("key.created") && list.contains(&id), "{list}");

    let whole = audit(&server, &["verify"]);
    assert_eq!(whole.status.code(), Some(0), "{}", text(&whole.stdout));
    assert!(text(&whole.stdout).starts_with("AUDIT: WHOLE, "), "{}", text(&whole.stdout));

    let copy = directory.path().join("audit.ndjson");
    let path = copy.to_str().unwrap();
    let copied = audit(&server, &["export", "--out", path, "--json"]);
    assert_eq!(copied.status.code(), Some(0), "{}", text(&copied.stderr));
    let written: Value = serde_json::from_slice(&copied.stdout).unwrap();
    assert_eq!(written, json!({ "file": path, "bytes": std::fs::metadata(&copy).unwrap().len() }));
    let offline = |arguments: &[&str]| {
        let ran = levqor(&[&["audit", "verify", path, "--json"], arguments].concat());
        (
            ran.status.code(),
            serde_json::from_slice::<Value>(&ran.stdout).unwrap_or_else(|_| json!(text(&ran.stderr))),
        )
    };
    let (code, found) = offline(&[]);
    assert_eq!(
        (code, &found["whole"], &found["key_from_file"], &found["witnessed"]),
        (Some(0), &json!(true), &json!(true), &json!(false)),
        "{found}"
    );
    let key = found["public_key"].as_str().unwrap().to_owned();
    assert_eq!(offline(&["--public-key", &key]).0, Some(0));
    let (code, refused) = offline(&["--public-key", "short"]);
    assert_eq!(code, Some(2), "{refused}");

    let original = fs::read_to_string(&copy).unwrap();
    // Not the last one: that would be an end that was cut off.
    let about = original.lines().position(|line| line.contains("key.created")).unwrap();
    let cut: Vec<&str> = original.lines().take(original.lines().count() - 1).collect();
    for (changed, word) in [
        (original.replacen("key.revoked", "key.renewed", 1), "was edited"),
        (cut.join("\n"), "was cut off"),
        (
            original
                .lines()
                .enumerate()
                .filter(|(n, _)| *n != about)
                .map(|(_, line)| format!("{line}\n"))
                .collect(),
            "was removed",
        ),
        (format!("{original}not a record\n"), "is no record"),
    ] {
        fs::write(&copy, changed).unwrap();
        let (code, found) = offline(&[]);
        assert_eq!((code, &found["whole"]), (Some(1), &json!(false)), "{word}: {found}");
        assert!(found["findings"].to_string().contains(word), "{word}: {found}");
    }
    fs::write(&copy, "{}\n").unwrap();
    assert_eq!(offline(&[]).0, Some(2));
}

#[tokio::test]
async fn a_database_that_was_changed_or_put_back_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Levqor::first(directory.path()).await;
    let id = make_a_key(&server).await;
    let key = stop(server).await;
    let edit = |sql: &str| {
        let changed = database(directory.path()).execute_batch(sql);
        changed.unwrap();
    };
    let verify = async || {
        let server = Levqor::again(directory.path(), &key).await;
        let ran = audit(&server, &["verify", "--json"]);
        let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
        stop(server).await;
        (ran.status.code(), found)
    };
    let (code, found) = verify().await;
    assert_eq!(code, Some(0), "{found}");

    let record = format!("subject = '{id}' AND kind = 'key.revoked'");
    edit(&format!("UPDATE audit_records SET author = 'nobody' WHERE {record}"));
    let (code, found) = verify().await;
    assert_eq!((code, &found["findings_total"]), (Some(1), &json!(1)), "{found}");
    assert!(found["findings"][0]["message"].as_str().unwrap().ends_with("was edited"), "{found}");

    // Everything of the first process goes, with what the database says of it: as if it had never been.
    let chain = found["findings"][0]["chain"].as_str().unwrap().to_owned();
    edit(&format!(
        "DELETE FROM audit_records WHERE chain = '{chain}'; DELETE FROM audit_chains WHERE chain = '{chain}'"
    ));
    let (code, found) = verify().await;
    assert_eq!(code, Some(1), "{found}");
    let told = format!("nothing of {chain} is there");
    assert!(found["findings"].to_string().contains(&told), "{found}");

    // All of it goes: only the witness knows.
    edit("DELETE FROM audit_records; DELETE FROM audit_chains");
    let (code, found) = verify().await;
    assert_eq!(code, Some(1), "{found}");
    assert!(found["findings"].to_string().contains("this node's witness"), "{found}");
}

/// Writes the records from this one on anew, as if somebody had made keys, with hashes that fit: all that somebody can do who
/// writes to the database and has no key to sign with.
fn write_anew(connection: &Connection, chain: &str, from: i64) {
    let rows = {
        let mut statement = connection
            .prepare(
                "SELECT seq, at, region, author, account_id, subject, details, request_id FROM audit_records
                 WHERE chain = ?1 AND seq >= ?2 ORDER BY seq",
            )
            .unwrap();
        let rows = statement.query_map((chain, from), |row| {
            let account: Option<String> = row.get(4)?;
            Ok(Record {
                chain: chain.to_owned(),
                seq: row.get::<_, i64>(0)?.unsigned_abs(),
                at: Timestamp::from_micros(row.get(1)?),
                region: row.get(2)?,
                kind: "key.created".to_owned(),
                author: row.get(3)?,
                account: account.map(|id| id.parse().unwrap()),
                subject: row.get(5)?,
                details: row.get(6)?,
                request_id: row.get(7)?,
                previous: RecordHash::NONE,
                hash: RecordHash::NONE,
            })
        });
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    let before = "SELECT hash FROM audit_records WHERE chain = ?1 AND seq = ?2";
    let before: [u8; 32] = connection.query_row(before, (chain, from - 1), |row| row.get(0)).unwrap();
    let mut previous = RecordHash(before);
    for row in rows {
        let record = Record { previous, ..row }.hashed();
        connection
            .execute(
                "UPDATE audit_records SET kind = ?3, previous = ?4, hash = ?5 WHERE chain = ?1 AND seq = ?2",
                (chain, record.seq.cast_signed(), record.kind, record.previous.0, record.hash.0),
            )
            .unwrap();
        previous = record.hash;
    }
    connection.execute("UPDATE audit_chains SET hash = ?2 WHERE chain = ?1", (chain, previous.0)).unwrap();
}

#[tokio::test]
async fn a_rewritten_end_is_noticed_by_the_witness_also_later() {
    let directory = tempfile::tempdir().unwrap();
    let server = Levqor::first(directory.path()).await;
    make_a_key(&server).await;
    let key = stop(server).await;
    // The last checkpoint goes, and with it all that says what was before it.
    let connection = database(directory.path());
    let (chain, signed): (String, i64) = connection
        .query_row(
            "SELECT chain, MAX(seq) FROM audit_records WHERE kind = 'audit.checkpoint' GROUP BY chain",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    write_anew(&connection, &chain, signed);
    drop(connection);
    // The next processes write on, sign what they find, and look at the ends.
    for _ in 0..2 {
        stop(Levqor::again(directory.path(), &key).await).await;
    }
    let server = Levqor::again(directory.path(), &key).await;
    let ran = audit(&server, &["verify", "--json"]);
    let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((ran.status.code(), &found["witnessed"]), (Some(1), &json!(true)), "{found}");
    let told = found["findings"].to_string();
    assert!(told.contains(&chain) && told.contains("this node's witness"), "{found}");
    stop(server).await;
}

/// Adds a record to a log of one chain.
fn append(log: &mut Vec<Record>, kind: &str, details: impl FnOnce(&Record) -> String) {
    let last = log.last();
    let mut record = Record {
        chain: "node_a".to_owned(),
        seq: last.map_or(1, |last| last.seq + 1),
        at: Timestamp::from_seconds(1_795_502_901),
        region: "eu-west".to_owned(),
        kind: kind.to_owned(),
        author: "node".to_owned(),
        account: None,
        subject: "a".to_owned(),
        details: String::new(),
        request_id: None,
        previous: last.map_or(RecordHash::NONE, |last| last.hash),
        hash: RecordHash::NONE,
    };
    record.details = details(&record);
    log.push(record.hashed());
}

/// Whoever finds the lost secret cannot say that a copy ends where they have cut it.
#[test]
fn the_head_of_a_copy_is_signed_by_the_key_of_now() {
    let (old, new) = (SigningKey::from_seed(&[5; 32]).unwrap(), SigningKey::from_seed(&[6; 32]).unwrap());
    let mut log = Vec::new();
    let signed = |key: &SigningKey, record: &Record| {
        serde_json::to_string(&Checkpoint::sign(record, Vec::new(), key)).unwrap()
    };
    append(&mut log, "key.created", |_| "{}".to_owned());
    append(&mut log, CHECKPOINT, |record| signed(&old, record));
    append(&mut log, "keyring.abandoned", |_| "{}".to_owned());
    let mut verifier = Verifier::new(vec![new.public_key()]);
    log.iter().for_each(|record| verifier.push(record));
    let digest = verifier.finish().other_keys[0].digest;
    append(&mut log, KEY_ACCEPTED, |_| {
        let said = Acceptance::sign(old.public_key(), digest, "the secret was lost".to_owned(), &new);
        serde_json::to_string(&said).unwrap()
    });
    append(&mut log, CHECKPOINT, |record| signed(&new, record));
    append(&mut log, "key.revoked", |_| "{}".to_owned());

    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("audit.ndjson");
    let public = new.public_key().to_string();
    let verified = |records: &[Record], heads: Vec<Head>, by: &SigningKey| {
        let heads = SignedHeads::sign(&Heads { at: records[0].at, heads }, by);
        let head = json!({ "format": EXPORT_FORMAT, "public_key": public, "heads": heads });
        let lines = records.iter().map(|record| serde_json::to_string(record).unwrap());
        let lines: Vec<String> = [head.to_string()].into_iter().chain(lines).collect();
        fs::write(&copy, lines.join("\n")).unwrap();
        let ran =
            levqor(&["audit", "verify", copy.to_str().unwrap(), "--public-key", public.as_str(), "--json"]);
        (ran.status.code(), text(&ran.stdout))
    };
    let last = &log[5];
    let end = vec![Head { chain: last.chain.clone(), seq: last.seq, hash: last.hash }];
    let (code, found) = verified(&log, end, &new);
    assert_eq!(code, Some(0), "{found}");
    let (code, found) = verified(&log[..5], Vec::new(), &old);
    assert!(code == Some(1) && found.contains("the head of the export"), "{found}");
}
