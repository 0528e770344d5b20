//! A move that is cut off leaves nothing, and a copy that is not the source is never committed.

use super::*;

/// Cuts all connections to the database but one's own.
fn cut(two: &Two) {
    two.postgres(
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

#[tokio::test]
async fn a_move_that_is_cut_off_leaves_nothing_and_can_be_made_again() {
    let two = Two::new().await;
    for at in ["accounts", "journal", "workflows"] {
        let mut was_cut = false;
        let outcome = copy(
            &two.path,
            &two.to(),
            Options::default(),
            &mut |step| {
                if matches!(step, Step::Copied { table, .. } if table == at) {
                    was_cut = true;
                    cut(&two);
                }
            },
            || panic!("it does not come this far"),
        );
        assert!(was_cut, "{at}");
        let failure = outcome.unwrap_err();
        assert!(matches!(failure, Failure::Refused { .. }), "{at}: {failure}");
        assert!(failure.to_string().contains("nothing was written"), "{failure}");
        assert_eq!(two.filled(), Vec::<String>::new(), "{at}");
    }
    two.copy().unwrap();
    assert_eq!(two.filled().len(), two.tables().len());
}

#[tokio::test]
async fn a_move_that_is_cut_off_while_it_compares_leaves_nothing() {
    let two = Two::new().await;
    let tell = &mut |step: Step<'_>| {
        if matches!(step, Step::Compared { table: "events", .. }) {
            cut(&two);
        }
    };
    let failure = copy(&two.path, &two.to(), Options::default(), tell, || Ok(())).unwrap_err();
    assert!(matches!(failure, Failure::Unread { .. }), "{failure}");
    assert_eq!(two.filled(), Vec::<String>::new());
}

#[tokio::test]
async fn a_commit_without_an_answer_is_not_taken_for_either() {
    let two = Two::new().await;
    let mark = || {
        cut(&two);
        Ok(())
    };
    let failure = copy(&two.path, &two.to(), Options::default(), &mut |_| {}, mark).unwrap_err();
    assert!(matches!(failure, Failure::OutcomeUnknown(_)), "{failure}");
    assert!(failure.to_string().contains("--verify"), "{failure}");
    // Here it was not.
    assert_eq!(two.filled(), Vec::<String>::new());
    let missing = two.compare().unwrap_err().to_string();
    assert!(missing.contains("is missing in the target"), "{missing}");
}

#[tokio::test]
async fn nothing_is_committed_when_the_caller_cannot_go_on() {
    let two = Two::new().await;
    let mark = || Err("the directory is full".to_owned());
    let failure = copy(&two.path, &two.to(), Options::default(), &mut |_| {}, mark).unwrap_err();
    assert_eq!(failure.to_string(), "the directory is full; nothing was written");
    assert_eq!(two.filled(), Vec::<String>::new());
}

/// A target that changes what it is given, in one table each.
#[tokio::test]
async fn a_copy_that_is_not_the_source_is_not_committed() {
    let two = Two::new().await;
    two.target().close().await;
    let rows = [
        (
            "totals",
            "NEW.value := NEW.value # 1",
            "table totals: the row name ",
            "has another value in the target",
        ),
        ("secrets", "NEW.sealed := NEW.sealed || '\\x00'::bytea", "table secrets", "has another sealed"),
        ("approvals", "NEW.comment := coalesce(NEW.comment, '')", "table approvals", "has another comment"),
        ("timers", "IF NEW.effect = 255 THEN RETURN NULL; END IF", "table timers", "rows were sent and"),
        ("state", "NEW.key := NEW.key || ' '", "table state", "is missing in the target"),
    ];
    for (table, spoil, name, problem) in rows {
        two.postgres(&format!(
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {}; RETURN NEW; END';
             CREATE TRIGGER spoil BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION spoil()",
            spoil.replace('\'', "''")
        ));
        let failure = two.copy().unwrap_err().to_string();
        assert!(failure.contains(name) && failure.contains(problem), "{table}: {failure}");
        assert_eq!(two.filled(), Vec::<String>::new(), "{table}");
        two.postgres("DROP FUNCTION spoil CASCADE");
    }
    two.copy().unwrap();
}

#[tokio::test]
async fn a_change_on_one_side_is_found_and_named() {
    let two = Two::new().await;
    two.copy().unwrap();
    let rows = [
        (
            "UPDATE users SET email = email || 'x' WHERE user_id = 'user_id 3'",
            "the row user_id \"user_id 3\" has another email",
        ),
        (
            "UPDATE key_holds SET run_id = 'z' WHERE run_id = 'run_id 3'",
            "the row run_id \"run_id 3\" is missing",
        ),
        ("DELETE FROM journal WHERE seq = 256", "is missing in the target"),
        ("INSERT INTO timers VALUES ('a', 0, 0)", "the row run_id \"a\", effect 0 is in the target only"),
        (
            "INSERT INTO sink_events VALUES (9223372036854775805, 'z', 0, '')",
            "the row seq 9223372036854775805 is in the target only",
        ),
        ("UPDATE runs SET parent_effect = 2 WHERE run_id = 'run_id 4'", "another parent_effect"),
        ("UPDATE api_keys SET operator = NOT operator WHERE key_id = 'key_id 1'", "another operator"),
        ("UPDATE state SET value = value || 'x' WHERE key = 'NULL10'", "key \"NULL10\" has another value"),
    ];
    for (sql, problem) in rows {
        // The others' tables come before or after; each change is taken back.
        two.client(|client| {
            assert_eq!(client.execute(sql, &[]).unwrap(), 1, "{sql}");
        });
        let failure = two.compare().unwrap_err().to_string();
        assert!(failure.contains(problem), "{sql}: {failure}");
        two.postgres(&format!(
            "TRUNCATE {} CASCADE",
            two.tables().iter().map(Table::quoted).collect::<Vec<_>>().join(", ")
        ));
        two.copy().unwrap();
    }
    two.sqlite("DELETE FROM totals");
    let failure = two.compare().unwrap_err().to_string();
    assert!(failure.contains("table totals") && failure.contains("is in the target only"), "{failure}");
}
