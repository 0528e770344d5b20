//! What is refused, with its sentence, before anything is changed.

use super::*;

fn refused(two: &Two, parts: &[&str]) {
    let failure = two.copy().unwrap_err();
    let said = failure.to_string();
    for part in parts {
        assert!(said.contains(part), "{part:?} is missing in: {said}");
    }
    assert!(failure.is_refusal(), "{said}");
}

#[tokio::test]
async fn a_source_that_is_none_is_named() {
    let two = Two::empty();
    refused(&two, &["levqor.db is not a database of Levqor", "cannot be read", "name the data directory"]);
    assert!(!two.path.exists(), "nothing is made there");
    std::fs::create_dir(&two.path).unwrap();
    refused(&two, &["it is not a file"]);
    std::fs::remove_dir(&two.path).unwrap();
    for (content, part) in [("", "it is empty"), ("these are some words", "not a database")] {
        std::fs::write(&two.path, content).unwrap();
        refused(&two, &[part]);
        assert_eq!(std::fs::read_to_string(&two.path).unwrap(), content);
    }
    std::fs::remove_file(&two.path).unwrap();
    two.sqlite("CREATE TABLE orders (id integer)");
    refused(&two, &["belongs to another application"]);
}

#[tokio::test]
async fn a_newer_schema_on_either_side_is_left_alone() {
    let two = Two::opened().await;
    two.sqlite("INSERT INTO migrations (version, name, sha256) VALUES (9999, 'later', '')");
    refused(&two, &["the source cannot be read", "schema 9999, newer"]);
    two.sqlite("DELETE FROM migrations WHERE version = 9999");
    two.target().close().await;
    two.postgres("INSERT INTO migrations (version, name, sha256) VALUES (9999, 'later', '')");
    refused(&two, &["the target postgres://levqor@127.0.0.1:", "schema 9999, newer"]);
}

#[tokio::test]
async fn a_target_with_something_in_it_is_left_alone() {
    let two = Two::opened().await;
    two.postgres("CREATE TABLE orders (id bigint)");
    refused(&two, &["tables of another application (orders)", "CREATE DATABASE"]);
    // Also when it has a table of that name.
    two.postgres("CREATE TABLE migrations (id bigint)");
    refused(&two, &["tables of another application (migrations, orders)"]);

    let two = Two::opened().await;
    let store = two.target();
    store.readiness().await;
    refused(&two, &["is not empty: heartbeats (rows: 1)", "make a new database", "--verify"]);
    store.close().await;
    let names = ["duties", "agreements", "totals", "sequences", "sink_events", "timers", "run_counts"];
    for name in names {
        let values = match name {
            "duties" => "'d', 'n', 0",
            "sink_events" => "1, 'a', 0, ''",
            "timers" => "'r', 1, 0",
            "run_counts" => "'a', 'running', 1",
            "agreements" => "'a', 'b'",
            _ => "'n', 1",
        };
        two.postgres(&format!("INSERT INTO {name} VALUES ({values})"));
    }
    refused(&two, &["agreements (rows: 1), duties (rows: 1), heartbeats (rows: 1)", "and 2 more tables"]);
    let seen = look(&two.path, &two.to()).unwrap_err();
    assert!(matches!(seen, Failure::NotEmpty { .. }), "{seen}");
}

#[tokio::test]
async fn there_is_nothing_to_compare_in_an_empty_target() {
    let two = Two::opened().await;
    let failure = two.compare().unwrap_err();
    assert!(matches!(failure, Failure::NothingThere { .. }), "{failure}");
    assert_eq!(
        two.client(|client| client
            .query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'", &[])
            .unwrap()
            .len()),
        0
    );
}

#[tokio::test]
async fn schemas_that_differ_are_told_apart() {
    let rows = [
        ("ALTER TABLE totals ADD COLUMN unit text", "column totals.unit is in the target only"),
        ("ALTER TABLE totals DROP COLUMN value", "column totals.value is in the source only"),
        (
            "ALTER TABLE totals ALTER COLUMN value TYPE text",
            "column totals.value is bigint in the source and text in the target",
        ),
        (
            "ALTER TABLE totals ALTER COLUMN value DROP NOT NULL",
            "column totals.value may be null on one side only",
        ),
        ("DROP TABLE totals", "table totals is in the source only"),
        ("CREATE TABLE orders (id bigint)", "table orders is in the target only"),
    ];
    for (sql, problem) in rows {
        let two = Two::opened().await;
        two.target().close().await;
        two.postgres(sql);
        refused(&two, &["the schemas differ", problem]);
    }
    let rows = [
        ("CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY)", "table orders is in the source only"),
        ("CREATE TABLE orders (id bigint)", "table orders of the source has no primary key"),
        (
            "CREATE TABLE orders (id real NOT NULL PRIMARY KEY)",
            "column orders.id of the source is of type \"real\"",
        ),
        ("CREATE TABLE \"or'ders\" (id bigint NOT NULL PRIMARY KEY)", "is not a name of ours"),
    ];
    for (sql, problem) in rows {
        let two = Two::opened().await;
        two.sqlite(sql);
        refused(&two, &["the schemas differ", problem]);
    }
}

/// SQLite takes anything anywhere. What is not of its column's kind is named, and nothing is guessed.
#[tokio::test]
async fn values_that_the_target_cannot_hold_are_named() {
    let account = "INSERT INTO accounts VALUES ('acc', 'n', 'p', 0)";
    let rows = [
        (
            "INSERT INTO totals VALUES ('t', 1.5)",
            "table totals, row name \"t\": column value holds a fraction in the place of bigint",
        ),
        ("INSERT INTO totals VALUES ('t', 'many')", "column value holds text in the place of bigint"),
        (
            "INSERT INTO totals VALUES (x'6162', 1)",
            "table totals, row with a key that cannot be shown: column name holds bytes in the place of text",
        ),
        (
            "INSERT INTO totals VALUES (CAST(x'ff61' AS text), 1)",
            "column name holds text that is not UTF-8 in the place of text",
        ),
        (
            "INSERT INTO buffered_firings VALUES ('w', 5, 7)",
            "row workflow_id \"w\", due_at 5: column cancels holds a number in the place of boolean",
        ),
        (
            "INSERT INTO state VALUES ('acc', 'a' || char(0), '1', 0)",
            "row account_id \"acc\": column key has the character U+0000",
        ),
        (
            "INSERT INTO state VALUES ('acc', 'a', 'b' || char(0), 0)",
            "row account_id \"acc\", key \"a\": column value has the character U+0000",
        ),
    ];
    for (sql, problem) in rows {
        let two = Two::opened().await;
        two.sqlite(account);
        two.sqlite(sql);
        let failure = two.copy().unwrap_err();
        let said = failure.to_string();
        assert!(said.contains(problem) && said.contains("nothing was written"), "{sql}: {said}");
        assert!(!failure.is_refusal());
        assert_eq!(two.filled(), Vec::<String>::new());
    }
}

/// SQLite keeps U+0000 in texts, PostgreSQL does not: our backend says so there, and the move changes nothing unasked.
#[tokio::test]
async fn zero_characters_are_replaced_only_when_asked_for() {
    let two = Two::opened().await;
    two.sqlite(
        "INSERT INTO accounts VALUES ('acc', 'a' || char(0) || 'b' || char(0), 'p', 0);
         INSERT INTO accounts VALUES ('abc', 'whole', 'p', 0)",
    );
    let refused = two.copy().unwrap_err().to_string();
    assert!(refused.contains("row account_id \"acc\": column name has the character U+0000"), "{refused}");
    assert!(refused.contains("--replace-zeros"), "{refused}");
    let options = Options { zeros: Zeros::Replace };
    let report = two.copy_with(options).unwrap();
    assert_eq!(report.replaced, 1);
    let name = |id: &str| -> String {
        two.client(|client| {
            client.query_one("SELECT name FROM accounts WHERE account_id = $1", &[&id]).unwrap().get(0)
        })
    };
    assert_eq!((name("acc"), name("abc")), ("a\u{fffd}b\u{fffd}".to_owned(), "whole".to_owned()));
    compare(&two.path, &two.to(), options, &mut |_| {}).unwrap();

    // In a key two rows could become one.
    let two = Two::opened().await;
    two.sqlite("INSERT INTO totals VALUES ('t' || char(0), 1)");
    let refused = two.copy_with(options).unwrap_err().to_string();
    assert!(refused.contains("with sqlite3"), "{refused}");

    let store = two.target();
    let written = store
        .write(|session| session.execute("INSERT INTO totals VALUES ($1, 1)", params!["t\0"]).map(drop))
        .await;
    assert!(matches!(&written, Err(Error::Decode(reason)) if reason.contains("0x00")), "{written:?}");
    store.close().await;
}

#[tokio::test]
async fn the_password_is_never_shown() {
    let two = Two::opened().await;
    let address = Postgres::shared().address();
    let urls = [
        format!("postgres://levqor:hunter2@{address}/nothing_there"),
        "postgres://levqor:hunter2@127.0.0.1:1/levqor".to_owned(),
        "postgres://levqor:hunter2@127.0.0.1/levqor?port=x".to_owned(),
        "postgres://levqor:hunter2@127.0.0.1".to_owned(),
        "mysql://levqor:hunter2@127.0.0.1/levqor".to_owned(),
        "host=127.0.0.1 port=1 user=levqor password=hunter2 dbname=levqor".to_owned(),
        "host=127.0.0.1 password='hunter2".to_owned(),
    ];
    for url in urls {
        let options = PostgresOptions::new(&url);
        let failure = look(&two.path, &options).unwrap_err();
        let said = format!("{failure} {failure:?} {options:?} {}", options.shown());
        assert!(!said.contains("hunter2"), "{said}");
        assert!(said.contains("PostgreSQL") || said.contains("127.0.0.1"), "{said}");
        assert!(failure.is_refusal());
    }
    for (url, shown) in [
        ("postgres://u:hunter2@db.example.com/levqor", "postgres://u@db.example.com:5432/levqor"),
        ("postgres://u:hunter2@a:1,b:2/levqor?sslmode=require", "postgres://u@a:1,b:2/levqor"),
        ("postgres://[::1]:5433/levqor", "postgres://[::1]:5433/levqor"),
        ("nonsense", "PostgreSQL"),
    ] {
        assert_eq!(PostgresOptions::new(url).shown(), shown);
    }
}
