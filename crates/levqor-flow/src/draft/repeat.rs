//! The grammar of "so many times", and of what a single schedule can't do: end by itself, or be another for some steps.
//!
//! What can't be kept is left out with the steps or the schedule that it limits, and said: half of it would do more than was asked.

use super::{
    arrange::LEFT_OUT,
    clause::{Parser, Scope},
    cursor::Cursor,
    form::{Step, StepKind},
    lexer::Kind,
    schedule::Schedule,
    words,
};

/// More rounds than this are a mistake, or a schedule.
const ROUNDS_MAX: u64 = 1_000;

impl Parser<'_> {
    /// "repeat 3 times: …", "do this twice: …".
    pub(super) fn repeat(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        let count = self.c.attempt(|c| {
            let verb = c.eat(&["repeat", "repeats", "do", "run", "loop", "execute"]).is_some();
            c.eat(&["this", "it", "the"]);
            c.eat(&["following", "steps"]);
            let count = times(c)?;
            let opens = matches!(c.kind(), Some(Kind::Colon | Kind::Comma));
            (verb || opens).then_some(count)
        });
        let Some(count) = count else { return false };
        let mut steps = Vec::new();
        if self.c.kind() == Some(&Kind::Colon) {
            self.listed(&mut steps, Scope::Loop);
        } else {
            self.depth += 1;
            self.clauses(&mut steps, Scope::Loop);
            self.depth -= 1;
        }
        let places = start..self.c.at();
        let words = self.c.quote(places.clone());
        if steps.is_empty() {
            self.notes.warn(format!(
                "\"{words}\" is left out: say what to repeat behind it, such as \"repeat 3 times: post …\""
            ));
        } else if !(1..=ROUNDS_MAX).contains(&count) {
            self.notes.warn(format!("\"{words}\" is left out: it can be repeated 1 to {ROUNDS_MAX} times"));
            self.gap(list, vec![LEFT_OUT.into()], start);
        } else {
            list.push(Step { kind: StepKind::Repeat { count, steps }, places });
        }
        true
    }

    /// Whether "repeat 3 times:" or "do this twice:" stands here.
    pub(super) fn repeat_is_next(&self, ahead: usize) -> bool {
        (ahead..ahead + 6)
            .take_while(|ahead| {
                self.c.peek_at(*ahead).is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Number(_)))
            })
            .any(|ahead| {
                matches!(self.c.word_at(ahead), Some("times" | "twice" | "thrice"))
                    && self.c.peek_at(ahead + 1).is_some_and(|token| token.kind == Kind::Colon)
            })
    }

    /// "post 'x' to URL 3 times": the step just read, so many times. With a schedule it could be its bound.
    pub(super) fn repeated(&mut self, list: &mut Vec<Step>, count: usize) -> bool {
        if list.len() <= count || self.schedule.is_said() {
            return false;
        }
        let at = self.c.at();
        let rounds = self.c.attempt(|c| {
            c.eat_kind(&Kind::Comma);
            c.eat(&["and"]);
            if c.eat(&["repeat", "repeats"]).is_some() {
                c.eat(&["it", "this", "that"]);
            }
            let rounds = times(c).filter(|rounds| (1..=ROUNDS_MAX).contains(rounds))?;
            if c.kind() == Some(&Kind::Colon) {
                return None;
            }
            let ends =
                c.peek().is_none_or(|token| token.kind != Kind::Word || words::opens_clause(&token.text))
                    || matches!(c.word(), Some("and" | "in"));
            ends.then_some(rounds)
        });
        let Some(rounds) = rounds else { return false };
        let steps: Vec<Step> = list.drain(count..).collect();
        let start = steps.first().map_or(at, |step| step.places.start);
        list.push(Step { kind: StepKind::Repeat { count: rounds, steps }, places: start..self.c.at() });
        true
    }

    /// "at most 10 times", "for an hour", "until it is up": when a repetition ends.
    pub(super) fn bounded(&mut self) -> bool {
        let start = self.c.at();
        let said = self.schedule.is_said();
        let capped = self.c.attempt(|c| {
            c.eat_kind(&Kind::Comma);
            c.eat(&["but", "and"]);
            let opened = c.eat_any_phrase(&[
                "for at most",
                "for up to",
                "at most",
                "up to",
                "no more than",
                "not more than",
                "a maximum of",
                "maximum",
                "max",
                "only",
                "for",
            ]);
            if said
                && opened.is_some_and(|opened| opened.starts_with("for"))
                && c.attempt(Cursor::span_ms).is_some()
            {
                return Some(());
            }
            times(c).filter(|_| said || opened.is_some())?;
            c.eat_any_phrase(&["in total", "in all", "altogether"]);
            Some(())
        });
        if capped.is_none() && said && self.c.word() == Some("until") {
            self.take_rest();
        } else if capped.is_none() {
            return false;
        }
        self.bound = Some(start..self.c.at());
        true
    }

    /// A schedule goes on: one that must end is left out, so that it does not do more than was asked.
    pub(super) fn unbounded(&mut self) {
        let Some(places) = self.bound.clone() else { return };
        let words = self.c.quote(places);
        let words = words.trim_start_matches([',', ' ']);
        if !self.schedule.is_said() {
            self.notes.warn(format!("\"{words}\" is left out: it is not clear what it limits"));
            return;
        }
        let rhythm: Vec<String> =
            self.schedule_places.iter().map(|places| self.c.quote(places.clone())).collect();
        let rhythm = rhythm.join(" ");
        self.schedule = Schedule::default();
        self.notes.ask(format!(
            "How should \"{rhythm}\" end? A schedule goes on until it is switched off, and \"{words}\" can't end it; \
             the schedule is left out until that is said."
        ));
    }

    /// "…; every weekend fetch B": steps with a schedule of their own, when another was said for those before.
    pub(super) fn other_schedule(&mut self, list: &mut Vec<Step>) -> bool {
        if self.made == 0 || !self.schedule.is_said() {
            return false;
        }
        let start = self.c.at();
        let mut notes = self.notes.clone();
        let mut schedule = self.schedule.without_contradiction();
        self.c.eat(&["run", "start"]);
        let read = schedule.read(&mut self.c, &mut notes);
        let alone = self.c.is_done() || self.c.kind() == Some(&Kind::Stop);
        let before = self.schedule.without_contradiction();
        if !read || alone || schedule.is_same(&before) {
            self.c.back_to(start);
            return false;
        }
        self.take_sentence();
        let words = self.c.quote(start..self.c.at());
        self.notes.warn(other(&words));
        self.gap(list, vec![LEFT_OUT.into()], start);
        true
    }

    /// "… and post it to URL every Sunday", behind steps that have another schedule.
    pub(super) fn other_times(&mut self, list: &mut Vec<Step>, count: usize) -> bool {
        let at = self.c.at();
        let mut notes = self.notes.clone();
        let mut schedule = self.schedule.without_contradiction();
        if !schedule.read(&mut self.c, &mut notes) || !schedule.is_contradicted {
            self.c.back_to(at);
            return false;
        }
        let dropped: Vec<Step> = list.drain(count.min(list.len())..).collect();
        let start = dropped.first().map_or(at, |step| step.places.start);
        let words = self.c.quote(start..self.c.at());
        self.notes.warn(other(&words));
        self.gap(list, vec![LEFT_OUT.into()], start);
        true
    }
}

fn other(words: &str) -> String {
    format!(
        "\"{words}\" is left out: it has another schedule than the steps before, and a workflow has one; make a second workflow for it"
    )
}

/// "3 times", "twice"; not "3 times a day".
fn times(c: &mut Cursor<'_>) -> Option<u64> {
    let count = match c.eat(&["once", "twice", "thrice"]) {
        Some("once") => return None,
        Some("twice") => 2,
        Some(_) => 3,
        None => {
            let count = c.count()?;
            c.eat(&["times", "rounds"])?;
            count
        }
    };
    (!matches!(c.word(), Some("a" | "an" | "per" | "each" | "every" | "daily"))).then_some(count)
}
