//! Moments: how long ago for the eye, exactly in `datetime` and `title` for everything else.

use levqor_model::Timestamp;
use maud::{Markup, html};

/// `just now`, `12 s ago`, `3 min ago`, `in 2 h`, `5 d ago`. The script that lets ages grow uses the same words.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    let (span, past) = if at <= now { (now.since(at), true) } else { (at.since(now), false) };
    let seconds = span.as_secs();
    let text = match seconds {
        0 => return "just now".to_owned(),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    };
    if past { format!("{text} ago") } else { format!("in {text}") }
}

/// A moment as an age that stays true while the page is open.
pub fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! { time.nowrap datetime=(rfc(at)) title=(utc(at)) data-age { (age(at, now)) } }
}

/// A moment in UTC, to the second.
pub fn moment(at: Timestamp) -> Markup {
    html! { time.nums datetime=(rfc(at)) { (utc(at)) } }
}

/// `2026-11-24 07:01:41 UTC`.
pub fn utc(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Milliseconds are enough here and are what browsers parse everywhere.
fn rfc(at: Timestamp) -> String {
    format!("{:.3}", at.to_jiff())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ages_are_rounded_down_and_know_the_future() {
        let now = Timestamp::from_seconds(1_795_503_701);
        let rows = [
            (0, "just now"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (7_200, "2 h ago"),
            (86_400 * 3, "3 d ago"),
        ];
        for (seconds, text) in rows {
            assert_eq!(age(now - Duration::from_secs(seconds), now), text);
        }
        assert_eq!(age(now + Duration::from_secs(120), now), "in 2 min");
        assert_eq!(
            ago(now, now).into_string(),
            "<time class=\"nowrap\" datetime=\"2026-11-24T07:01:41.000Z\" title=\"2026-11-24 07:01:41 UTC\" data-age>just now</time>"
        );
    }
}
