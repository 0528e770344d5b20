//! Numbers that are kept beside what they count, held against it.
//!
//! They are copied like everything else, so what is wrong here was wrong in the source already: a warning, not a failure.

use crate::{Error, Row, Session};

/// Differences that are told of each kind.
const TOLD: usize = 10;

/// One sentence for each number that is not right.
pub(super) fn check(session: &Session) -> Result<Vec<String>, Error> {
    let mut wrong = Vec::new();
    let mut add = |sql: &'static str, sentence: fn(&str, &str, i64, i64) -> String| {
        let read = |row: &mut Row<'_>| {
            let (one, other): (String, String) = (row.take()?, row.take()?);
            Ok(sentence(&one, &other, row.take()?, row.take()?))
        };
        session.rows(sql, &[], read).map(|found| wrong.extend(found.into_iter().take(TOLD)))
    };
    add(
        "SELECT coalesce(kept.account_id, found.account_id), coalesce(kept.status, found.status),
             coalesce(kept.runs, 0), coalesce(found.runs, 0)
         FROM run_counts AS kept FULL JOIN
             (SELECT account_id, status, count(*) AS runs
              FROM (SELECT account_id, status FROM runs UNION ALL SELECT account_id, status FROM archived_runs) AS each
              GROUP BY account_id, status) AS found
             ON found.account_id = kept.account_id AND found.status = kept.status
         WHERE coalesce(kept.runs, 0) <> coalesce(found.runs, 0) ORDER BY 1, 2 LIMIT 10",
        |account, status, kept, found| {
            format!("account {account} counts {kept} runs as {status}, and has {found}")
        },
    )?;
    add(
        "SELECT coalesce(kept.account_id, found.account_id), '', coalesce(kept.queued, 0), coalesce(found.runs, 0)
         FROM queue_accounts AS kept FULL JOIN
             (SELECT account_id, count(*) AS runs FROM queued_runs GROUP BY account_id) AS found
             ON found.account_id = kept.account_id
         WHERE coalesce(kept.queued, 0) <> coalesce(found.runs, 0) ORDER BY 1 LIMIT 10",
        |account, _, kept, found| format!("account {account} counts {kept} queued runs, and has {found}"),
    )?;
    add(
        "SELECT kept.workflow_id, '', kept.buffered, coalesce(found.firings, 0)
         FROM schedules AS kept LEFT JOIN
             (SELECT workflow_id, count(*) AS firings FROM buffered_firings GROUP BY workflow_id) AS found
             ON found.workflow_id = kept.workflow_id
         WHERE kept.buffered <> coalesce(found.firings, 0) ORDER BY 1 LIMIT 10",
        |workflow, _, kept, found| {
            format!("the schedule of workflow {workflow} counts {kept} buffered due times, and has {found}")
        },
    )?;
    add(
        "SELECT found.name, '', coalesce(kept.value, 0), found.most
         FROM (SELECT 'event_seq' AS name, max(seq) AS most FROM events
               UNION ALL SELECT 'sink_seq', max(seq) FROM sink_events
               UNION ALL SELECT 'node_epoch', max(epoch) FROM nodes) AS found
             LEFT JOIN sequences AS kept ON kept.name = found.name
         WHERE found.most > coalesce(kept.value, 0) ORDER BY 1 LIMIT 10",
        |name, _, kept, found| format!("sequence {name} is at {kept}, and {found} is given already"),
    )?;
    Ok(wrong)
}
