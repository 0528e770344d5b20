//! Usage by day, without holes.

use levqor_model::{AccountId, Date, Timestamp, UsageCount};
use levqor_store::usage::UsageDay;

use crate::App;

/// A row for each day from `from` to `until`, both included.
///
/// # Errors
/// When the store cannot be read.
pub async fn days(
    app: &App,
    account: Option<AccountId>,
    from: Date,
    until: Date,
) -> Result<Vec<UsageDay>, levqor_store::Error> {
    // The store has rows for days with a change only; how many workflows there were before `from` is in the last row
    // before it, however old. A row a day of the product's life is little to read.
    let beginning = Timestamp::default().date();
    let rows = app.store.views().usage_days(account, beginning, until).await?;
    Ok(filled(&rows, from, until))
}

/// Days without a row have no runs and credits, and as many workflows as the day before.
fn filled(rows: &[UsageDay], from: Date, until: Date) -> Vec<UsageDay> {
    let mut rows = rows.iter().peekable();
    let mut workflows = 0;
    while let Some(row) = rows.next_if(|row| row.day < from) {
        workflows = row.count.workflows;
    }
    let mut days = Vec::new();
    let mut day = from;
    while day <= until {
        let count = match rows.next_if(|row| row.day == day) {
            Some(row) => row.count,
            None => UsageCount { workflows, runs: 0, ai_credits: 0 },
        };
        workflows = count.workflows;
        days.push(UsageDay { day, count });
        let next = day.plus_days(1);
        // The calendar's last day is its own tomorrow.
        if next <= day {
            break;
        }
        day = next;
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_days_keep_the_number_of_workflows() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let row = |text, workflows, runs| UsageDay {
            day: day(text),
            count: UsageCount { workflows, runs, ai_credits: 0 },
        };
        let rows = [row("2026-01-01", 3, 9), row("2026-11-02", 4, 1), row("2026-11-04", 2, 5)];
        let found = filled(&rows, day("2026-11-01"), day("2026-11-05"));
        let expected = [
            row("2026-11-01", 3, 0),
            row("2026-11-02", 4, 1),
            row("2026-11-03", 4, 0),
            row("2026-11-04", 2, 5),
            row("2026-11-05", 2, 0),
        ];
        assert_eq!(found, expected);
        assert!(filled(&rows, day("2026-11-05"), day("2026-11-01")).is_empty());
    }
}
