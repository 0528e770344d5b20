//! How long a collector wants to be left alone.
//!
//! Source: Sentry developer documentation, "Rate Limiting".

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

/// After a refusal that does not say it, and at most.
pub(super) const PAUSE: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
const LIMITS: &str = "x-sentry-rate-limits";

/// How long nothing should be sent after an answer; None: the next one may come at once.
pub(super) fn pause(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let refused = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    // Also with an answer that took the event: it was the last one for now.
    let asked = of_errors(headers).or_else(|| refused.then(|| retry_after(headers).unwrap_or(PAUSE)));
    asked.map(|pause| pause.min(PAUSE_MAX))
}

/// The longest of the limits that are about errors: `seconds:categories:scope:…`, one behind the other with commas. Without a category
/// it is about everything.
fn of_errors(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(LIMITS).iter().filter_map(|value| value.to_str().ok());
    let limits = values.flat_map(|value| value.split(',')).filter_map(|limit| {
        let mut parts = limit.trim().split(':');
        let seconds = parts.next()?.parse().ok()?;
        let categories = parts.next().unwrap_or_default();
        let is_ours = categories.is_empty() || categories.split(';').any(|category| category == "error");
        is_ours.then_some(Duration::from_secs(seconds))
    });
    limits.max()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_collector_says_how_long_it_wants_nothing() {
        type Row = (u16, &'static [(&'static str, &'static str)], Option<u64>);
        let rows: [Row; 12] = [
            (200, &[], None),
            (403, &[], None),
            (429, &[], Some(60)),
            (503, &[], Some(60)),
            (429, &[("retry-after", "7")], Some(7)),
            (429, &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], Some(60)),
            (429, &[("retry-after", "999999")], Some(3_600)),
            (200, &[(LIMITS, "5::organization")], Some(5)),
            (200, &[(LIMITS, "5:transaction:key, 9:default;error:organization:quota")], Some(9)),
            (200, &[(LIMITS, "60:transaction;span:key")], None),
            (429, &[(LIMITS, "3:error:key"), ("retry-after", "60")], Some(3)),
            (200, &[(LIMITS, "soon:error:key,,:")], None),
        ];
        for (status, given, seconds) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.append(*name, HeaderValue::from_static(value));
            }
            let found = pause(StatusCode::from_u16(status).unwrap(), &headers);
            assert_eq!(found, seconds.map(Duration::from_secs), "{status} {given:?}");
        }
    }
}
