//! How SQLite means to find the rows of each statement: by an index, not by reading everything.

use levqor_model::{AccountId, RunStatus, SeededRandom, Timestamp, WorkflowId};
use rusqlite::{Connection, StatementStatus, config::DbConfig};

use super::{Session, Sqlite, connection};
use crate::{
    Options, Store, migrations,
    runs::{
        RunFilter,
        lists::{self, Table},
    },
};

#[tokio::test]
async fn statements_find_their_rows_by_an_index() {
    // One reader, so that one connection knows all texts.
    let store = Store::open(Options { readers: 1, ..Options::default() }).unwrap();
    crate::tests::touch_everything(&store).await;
    let texts =
        |session: &crate::Session| Ok((session.sqlite().spelled_texts().len(), scans(session.sqlite())));
    let (read_texts, read_scans) = store.read(texts).await.unwrap();
    let (write_texts, write_scans) = store.write(texts).await.unwrap();
    assert!(read_texts > 30 && write_texts > 50, "{read_texts} reads, {write_texts} writes");
    // Small tables, counts that are a walk over their narrowest index, and sorts of what one index look-up found.
    let allowed = [
        "parent_run_id = ?1 AND ended_at IS NULL",
        "on which any account, or an anonymous caller",
        "SELECT count(*) FROM accounts",
        "SELECT count(*) FROM timers",
        "SELECT count(*) FROM listeners",
        "SELECT name, value FROM totals",
        "SELECT status, CAST(sum(runs)",
        "SELECT count(*) FROM workflows WHERE deleted_at",
        "FROM sqlite_schema",
        "FROM migrations ORDER BY version",
        "FROM latest_samples",
        // Samples of the last hour or so, each with the one after it of the same part.
        "AS next_at",
        "FROM journal_leftovers",
        // Walks over an index that holds only what is looked for, from its head.
        "FROM queue_accounts WHERE ready > 0 AND NOT at_limit",
        "FROM queued_runs ORDER BY place LIMIT 1",
        "WHERE buffered > 0 AND NOT EXISTS",
        "WHERE cancels",
        // Sums over a bounded time.
        "SELECT source, count(*) FROM leads WHERE created_at",
        // A walk over all of it, when somebody asks to be forgotten.
        "DELETE FROM notifications WHERE substr(dedup, 1, 30) IN",
        "DELETE FROM tickets WHERE email",
        "DELETE FROM consultations WHERE email",
        // All who are told, when they are told; how many there are, when one more wants to be.
        "FROM status_subscriptions WHERE confirmed_at IS NOT NULL",
        // Walks from the end of the key.
        "FROM uptime_records ORDER BY day DESC LIMIT 1",
        // The few leads with the address of an owner.
        "FROM memberships m JOIN users u",
        // A row for each start of a process; all of them are wanted.
        "FROM audit_chains",
        // A row for each node that looked at itself in the last days, from an index's end.
        "FROM drift_results ORDER BY at DESC",
        // When a series is new, and when somebody asks for the names: a walk over their index.
        "SELECT count(*) FROM metric_series",
        "FROM metric_series\n                 GROUP BY name, kind",
        // As many as there are probes and heartbeats: few, and all of them are wanted.
        "FROM probe_verdicts ORDER BY",
        "DELETE FROM probe_verdicts WHERE NOT EXISTS",
        "FROM expected_heartbeats ORDER BY name",
        "SELECT count(*) FROM expected_heartbeats",
        // A walk over indexes that hold nothing else.
        "SELECT account_id, type FROM event_trigger_types",
        "FROM nodes",
        "FROM keyring",
        "UPDATE keyring SET",
        "SELECT 1 FROM accounts LIMIT 1",
        // A walk over an index, when an operator asks.
        "SELECT secret_key, count(*) FROM webhooks",
        "UPDATE nodes SET",
        // Few rows, which come and go.
        "FROM nudges",
        "FROM takeovers",
        // Rows of the last five minutes only.
        "GROUP BY network HAVING",
        // One row for each machine.
        "FROM tamper_states",
        "FROM tamper_findings",
        // Twenty jobs, and the firings of them that have not ended: one each at most.
        "FROM jobs",
        // A row for each objective.
        "FROM slo_states",
        "FROM job_firings
                     WHERE ended_at IS NULL",
        "FROM job_firings WHERE ended_at IS NULL AND state",
        // Reports of the platform, of days and of what few there are; some of them sort what they have summed up.
        "FROM accounts GROUP BY plan",
        "FROM country_days",
        "AS found FROM page_events",
        "AS found FROM audit_records",
        "SELECT backend, count(*) AS found",
        "SELECT at / 86400000000 AS day",
        "SELECT count(*) FROM users",
        "SELECT count(*) FROM api_keys",
        // A walk over an index of those that are open, or over the day's last ones, when an operator asks.
        "FROM incidents WHERE resolved_at IS NULL ORDER BY incident_id DESC",
        "FROM incident_alerts WHERE ended_at IS NULL",
        // All that there are, to be told.
        "FROM status_subscriptions WHERE confirmed_at IS NOT NULL",
        // From an index's beginning.
        "SELECT at FROM samples ORDER BY at LIMIT 1",
        // Walks over an index that holds only what is open.
        "FROM alerts WHERE ended_at IS NULL",
        // A row for each objective.
        "FROM slo_states",
        // Walks over the live runs, now and then or when a node is gone: an index by owner would cost each run more.
        "WHERE ended_at IS NULL AND owner",
    ];
    let surprising: Vec<_> = read_scans
        .into_iter()
        .chain(write_scans)
        .filter(|scan| !allowed.iter().any(|text| scan.contains(text)))
        .collect();
    assert!(surprising.is_empty(), "{surprising:#?}");
}

/// A statement is compiled once a connection, whatever it is executed with: compiling costs more than executing.
#[tokio::test]
async fn statements_are_compiled_once() {
    let store = Store::open(Options { readers: 1, ..Options::default() }).unwrap();
    crate::tests::touch_everything(&store).await;
    let count = |session: &crate::Session| Ok(recompiled(session.sqlite()));
    for (texts, again) in [store.read(count).await.unwrap(), store.write(count).await.unwrap()] {
        assert!(texts > 30, "{texts}");
        assert!(again.is_empty(), "{again:#?}");
    }
    // Where plans do look at values, it would be seen.
    let looking = |session: &crate::Session| {
        let session = session.sqlite();
        session.connection().set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, false)?;
        let mut statement = session.connection().prepare("SELECT run_id FROM runs LIMIT ?1")?;
        let _: Vec<String> = statement.query_map([1], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(statement.get_status(StatementStatus::RePrepare))
    };
    assert!(store.read(looking).await.unwrap() > 0);
}

/// How many statements the connection has run, and those that were compiled again.
fn recompiled(session: &Session) -> (usize, Vec<String>) {
    let texts = session.spelled_texts();
    let again = texts.iter().filter(|text| {
        let statement = session.connection().prepare_cached(text).unwrap();
        statement.get_status(StatementStatus::RePrepare) > 0
    });
    (texts.len(), again.cloned().collect())
}

/// Statements whose plan reads a whole table or sorts, with that plan.
fn scans(session: &Session) -> Vec<String> {
    let mut found = Vec::new();
    for text in session.spelled_texts() {
        let plan = plan(session.connection(), &text);
        let is_scan = |line: &String| {
            line.starts_with("SCAN ")
                && !["CONSTANT ROW", "page", "days", "used"].iter().any(|part| line.contains(part))
        };
        if plan.iter().any(|line| is_scan(line) || line.contains("TEMP B-TREE FOR ORDER BY")) {
            found.push(format!("{text}\n{plan:?}"));
        }
    }
    found
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        lines.push(row.get(3).unwrap());
    }
    lines
}

#[test]
fn lists_of_runs_use_the_index_that_fits_them() {
    let random = SeededRandom::new(3);
    let now = Timestamp::from_seconds(1_795_502_901);
    let (account, workflow) = (AccountId::new(now, &random), WorkflowId::new(now, &random));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");
    drop(Sqlite::open(Some(&path), 1, migrations::MIGRATIONS).unwrap());
    let session = connection::reader(&path).unwrap();
    let of_workflow = RunFilter { workflow_id: Some(workflow), ..RunFilter::default() };
    let faulted = RunFilter { status: Some(RunStatus::Faulted), ..RunFilter::default() };
    let waiting = RunFilter { status: Some(RunStatus::Waiting), ..RunFilter::default() };
    let in_time = RunFilter { created_from: Some(now), created_until: Some(now), ..RunFilter::default() };
    let rows = [
        (Some(account), RunFilter::default(), "runs_account (account_id=?)"),
        (Some(account), of_workflow.clone(), "runs_workflow (workflow_id=?)"),
        (None, of_workflow, "runs_workflow (workflow_id=?)"),
        (Some(account), faulted, "runs_account_status (account_id=? AND status=?)"),
        (None, waiting, "runs_live"),
        (Some(account), in_time.clone(), "runs_account (account_id=? AND run_id>? AND run_id<?)"),
        (None, in_time, "sqlite_autoindex_runs_1 (run_id>? AND run_id<?)"),
    ];
    for (account, filter, index) in rows {
        let range = lists::IdRange::new(&filter, None);
        let plan_of = |table| {
            let (sql, _) = lists::list(table, account.as_ref(), &filter, &range, &10);
            plan(session.connection(), &sql.replace('$', "?"))
        };
        let hot = plan_of(Table::Hot);
        assert!(hot.len() == 1 && hot[0].contains(index), "{filter:?}: {hot:?}, expected {index}");
        // Live runs are not archived, and the archive's first index is the table itself.
        if index != "runs_live" {
            let index = match index.strip_prefix("sqlite_autoindex_runs_1") {
                Some(bounds) => format!("USING PRIMARY KEY{bounds}"),
                None => format!("archived_{index}"),
            };
            let archive = plan_of(Table::Archive);
            assert!(
                archive.len() == 1 && archive[0].contains(&index),
                "{filter:?}: {archive:?}, expected {index}"
            );
        }
    }
}
