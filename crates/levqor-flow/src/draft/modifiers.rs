//! The grammar of what hangs on the call before ("retry 3 times", "give up after 30 seconds") or stands between ("after 10 seconds").

use super::{
    clause::Parser,
    cursor::Cursor,
    form::{Condition, If, Retry, Step, StepKind},
    lexer::Kind,
    words::{self, Verb},
};

impl Parser<'_> {
    /// "after 10 seconds, …", "10 minutes later …".
    pub(super) fn later(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        let Some(ms) = self.c.attempt(|c| {
            if c.eat(&["after", "in"]).is_some() {
                return c.span_ms();
            }
            let ms = c.span_ms()?;
            c.eat(&["later"])?;
            Some(ms)
        }) else {
            return false;
        };
        list.push(Step { kind: StepKind::Wait(ms), places: start..self.c.at() });
        true
    }

    /// "retry 3 times", "give up after 30 seconds": about the call before.
    pub(super) fn modifier(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        if let Some(retry) = self.c.attempt(retry) {
            list.push(Step { kind: StepKind::Retry(retry), places: start..self.c.at() });
            return true;
        }
        if self.c.attempt(ignoring).is_some() {
            let condition = Condition::Failed { address: None, verb: None, status: None, negated: false };
            let places = start..self.c.at();
            let nothing = Step { kind: StepKind::Nothing, places: places.clone() };
            let branch = If { condition, then: vec![nothing], otherwise: Vec::new() };
            list.push(Step { kind: StepKind::If(branch), places });
            return true;
        }
        let Some((ms, whole)) = self.c.attempt(timeout) else { return false };
        if whole {
            self.timeout_ms = Some(ms);
        } else {
            list.push(Step { kind: StepKind::Timeout(ms), places: start..self.c.at() });
        }
        true
    }
}

/// "and ignore errors": a failure of the call before is passed over.
fn ignoring(c: &mut Cursor<'_>) -> Option<()> {
    c.eat_kind(&Kind::Comma);
    c.eat(&["and", "but"]);
    if c.eat_any_phrase(&[
        "even if it fails",
        "continue on error",
        "continue on errors",
        "continue on failure",
    ])
    .is_some()
    {
        return Some(());
    }
    c.eat(&["ignore", "ignoring", "ignores"])?;
    c.eat(&["any", "all"]);
    c.eat(&["its", "the"]);
    c.eat(&["errors", "error", "failures", "failure"]).map(|_| ())
}

/// More retries than this keep a run alive for no one's good.
const RETRIES_MAX: u64 = 100;

/// "retry up to 3 times, with 10 seconds between", "try again twice".
fn retry(c: &mut Cursor<'_>) -> Option<Retry> {
    c.eat(&["with", "and"]);
    let attempts_count = match c.word()? {
        word if words::verb(word) == Some(Verb::Retry) => {
            c.take();
            false
        }
        "try" | "trying" | "attempt" => {
            c.take();
            c.eat(&["it"]);
            c.eat(&["again"]).is_none()
        }
        _ => {
            // "with up to 3 retries".
            let _ = c.eat_phrase("up to");
            let count = c.count()?;
            c.eat(&["retries", "re-tries"])?;
            let mut pauses = Pauses::default();
            while pauses.read(c) {}
            return Some(pauses.retry(count));
        }
    };
    let _ =
        c.eat_any_phrase(&["the call", "the request", "the fetch", "the post", "it", "that", "this", "them"]);
    let mut pauses = Pauses::default();
    while pauses.read(c) {}
    let _ = c.attempt(|c| {
        c.eat_kind(&Kind::Comma).then(|| c.sees("up to") || c.sees("at most")).filter(|sees| *sees)
    });
    let _ = c.eat_any_phrase(&["for up to", "up to", "at most", "a maximum of", "for"]);
    c.eat(&["another"]);
    let count = match c.eat(&["once", "twice"]) {
        Some("once") => 1,
        Some(_) => 2,
        None => {
            let count = c.count()?;
            c.eat(&["more"]);
            c.eat(&["times", "time", "attempts", "tries"])?;
            count
        }
    };
    while pauses.read(c) {}
    let _ = c.eat_any_phrase(&[
        "if it fails",
        "on failure",
        "when it fails",
        "if that fails",
        "before giving up",
        "on errors",
        "if needed",
    ]);
    let count = if attempts_count { count.saturating_sub(1) } else { count };
    while pauses.read(c) {}
    Some(pauses.retry(count))
}

/// What is said of the time between tries.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    delay_ms: Option<u64>,
    backoff: bool,
}

impl Pauses {
    /// One more thing said of it.
    pub(super) fn read(&mut self, c: &mut Cursor<'_>) -> bool {
        if !self.backoff && c.attempt(backoff).is_some() {
            self.backoff = true;
            return true;
        }
        if self.delay_ms.is_some() {
            return false;
        }
        if let Some(ms) = c.attempt(first_delay) {
            // "Starting at" says that the later pauses are longer.
            self.delay_ms = Some(ms);
            self.backoff = true;
            return true;
        }
        self.delay_ms = delay(c);
        self.delay_ms.is_some()
    }

    pub(super) fn retry(&self, count: u64) -> Retry {
        Retry { count: count.clamp(1, RETRIES_MAX), delay_ms: self.delay_ms, backoff: self.backoff }
    }
}

/// "with exponential backoff", "backing off exponentially".
fn backoff(c: &mut Cursor<'_>) -> Option<()> {
    c.eat_kind(&Kind::Comma);
    c.eat(&["and"]);
    if c.eat_any_phrase(&["backing off exponentially", "backing off", "doubling the delay each time"])
        .is_some()
    {
        return Some(());
    }
    c.eat(&["with", "using"]);
    c.eat(&["an"]);
    if c.eat(&["exponential", "exponentially"]).is_some() {
        c.eat(&["increasing", "growing"]);
        c.eat(&["backoff", "back-off", "delay", "delays", "pauses"])
            .or_else(|| c.eat_phrase("back off").then_some(""))?;
        return Some(());
    }
    c.eat(&["backoff", "back-off"]).map(|_| ())
}

/// "starting at 2 seconds", "with an initial delay of 2 seconds".
fn first_delay(c: &mut Cursor<'_>) -> Option<u64> {
    c.eat_kind(&Kind::Comma);
    c.eat(&["and"]);
    c.eat_any_phrase(&[
        "starting at",
        "starting with",
        "starting from",
        "beginning at",
        "beginning with",
        "with an initial delay of",
        "with a first delay of",
        "initial delay",
    ])?;
    let _ = c.eat_any_phrase(&["a delay of", "delays of"]);
    let ms = c.span_ms()?;
    c.eat(&["delay", "pause"]);
    Some(ms)
}

/// "with 10 seconds between", "every 10 seconds", "waiting a minute".
fn delay(c: &mut Cursor<'_>) -> Option<u64> {
    c.attempt(|c| {
        c.eat_kind(&Kind::Comma);
        c.eat(&["and"]);
        c.eat_any_phrase(&[
            "with a delay of",
            "with a pause of",
            "with",
            "every",
            "each",
            "waiting",
            "wait",
            "at intervals of",
            "after",
            "pausing",
        ])?;
        let opened = c.span_ms()?;
        c.eat(&["delay", "pause"]);
        let _ = c.eat_any_phrase(&[
            "in between",
            "between tries",
            "between attempts",
            "between retries",
            "between them",
            "between each",
            "between",
            "apart",
        ]);
        c.eat(&["try", "attempt", "tries", "retry"]);
        Some(opened)
    })
}

/// "give up after 30 seconds", "with a timeout of 10s", "stop the workflow after an hour". True: the whole run.
fn timeout(c: &mut Cursor<'_>) -> Option<(u64, bool)> {
    c.eat(&["and", "with", "but"]);
    c.eat(&["a", "the"]);
    if c.eat(&["timeout"]).is_some() {
        c.eat(&["of", "after", "is"]);
        return Some((c.span_ms()?, false));
    }
    if let Some(ms) = c.attempt(|c| {
        let ms = c.span_ms()?;
        c.eat(&["timeout"])?;
        Some(ms)
    }) {
        return Some((ms, false));
    }
    c.eat_any_phrase(&[
        "give up",
        "giving up",
        "time out",
        "times out",
        "cancel",
        "abandon",
        "abort",
        "stop",
        "stop waiting",
    ])?;
    let whole = c.attempt(|c| {
        c.eat(&["the"]);
        c.eat(&["whole", "entire"]);
        c.eat(&["workflow", "run", "everything"])
    });
    c.eat(&["it", "waiting", "on"]);
    c.eat(&["it"]);
    c.eat(&["after"])?;
    Some((c.span_ms()?, whole.is_some()))
}
