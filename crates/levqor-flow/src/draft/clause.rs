//! The grammar of clauses: goes through the request, finds what each clause is, and builds the form.
//!
//! A clause begins at a sentence's start, behind a comma or behind "and" and "then". A clause that no rule reads is passed over
//! up to the next such place (only times are picked out of it), so that half-understood words never become a step.
//!
//! The words after "if …" or "for each …" belong to it up to the end of the sentence, to "otherwise", to a further "if", or to
//! "after that" and "finally", which go on outside.

use super::{
    condition,
    cursor::Cursor,
    form::{Base, Condition, Each, Form, If, Phrase, Places, Retry, Step, StepKind, Tests, Trigger},
    lexer::{Kind, Token},
    notes::Notes,
    phrase,
    schedule::Schedule,
    words::{self, Verb},
};

/// What the grammar made of a request.
#[derive(Debug)]
pub struct Parsed {
    pub form: Form,
    pub notes: Notes,
    /// Places of the tokens that rules took.
    pub taken: Vec<usize>,
    /// Places of what said when to start, for leaving it out of the title.
    pub schedule_places: Vec<Places>,
}

/// Reads a request.
pub fn parse(request: &str, tokens: &[Token]) -> Parsed {
    let mut parser = Parser {
        c: Cursor::new(request, tokens),
        notes: Notes::default(),
        schedule: Schedule::default(),
        schedule_places: Vec::new(),
        event: None,
        timeout_ms: None,
        by_hand: false,
        depth: 0,
    };
    let mut steps = Vec::new();
    parser.opening();
    while !parser.c.is_done() {
        parser.sentence(&mut steps);
    }
    let trigger = match (parser.event, parser.schedule.is_said()) {
        (None, true) => Trigger::Schedule(parser.schedule),
        (Some(noun), false) => Trigger::Event { noun },
        (Some(_), true) => Trigger::Schedule(parser.schedule),
        (None, false) => Trigger::Manual,
    };
    Parsed {
        form: Form { trigger, steps, timeout_ms: parser.timeout_ms },
        notes: parser.notes,
        taken: parser.c.taken(),
        schedule_places: parser.schedule_places,
    }
}

pub(super) struct Parser<'a> {
    pub(super) c: Cursor<'a>,
    pub(super) notes: Notes,
    schedule: Schedule,
    schedule_places: Vec<Places>,
    /// The words of what the workflow waits for.
    event: Option<Vec<String>>,
    pub(super) timeout_ms: Option<u64>,
    by_hand: bool,
    depth: usize,
}

/// Where a list of clauses stands, which decides what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Sentence,
    /// After "if …" or "otherwise".
    Branch,
    /// After "for each …".
    Loop,
}

/// Ifs and loops inside one another; deeper ones are reported as not understood.
const DEPTH_MAX: usize = 6;

const IF_WORDS: &[&str] = &[
    "only if",
    "only when",
    "if ever",
    "in case",
    "as long as",
    "provided that",
    "if",
    "when",
    "whenever",
    "unless",
    "except if",
    "except when",
];

const LEAVING: &[&str] = &[
    "after that",
    "afterwards",
    "finally",
    "at the end",
    "in the end",
    "in any case",
    "either way",
    "in both cases",
    "lastly",
    "once done",
    "when done",
];

impl Parser<'_> {
    /// "Please create a workflow that …", "I want an automation which …".
    fn opening(&mut self) {
        const MAKE: &[&str] = &[
            "create", "build", "make", "write", "design", "draft", "give", "set", "generate", "need", "want",
            "have",
        ];
        const THINGS: &[&str] = &[
            "workflow",
            "automation",
            "flow",
            "job",
            "task",
            "bot",
            "process",
            "pipeline",
            "integration",
            "monitor",
            "program",
            "script",
            "something",
        ];
        self.c.attempt(|c| {
            while c.word().is_some_and(|word| words::is_function_word(word) && !matches!(word, "a" | "an")) {
                c.skip();
            }
            c.eat(MAKE)?;
            c.eat(&["up", "me", "us"]);
            c.eat(&["a", "an", "new"]);
            for _ in 0..2 {
                if !c.word().is_some_and(|word| THINGS.contains(&word)) {
                    c.eat(&["new", "simple", "small", "workflow", "automated", "scheduled", "short"])?;
                }
            }
            c.eat(THINGS)?;
            c.eat(&["called", "named"]).and_then(|_| c.take());
            if c.eat(&["that", "which", "to", "where"]).is_none() && !c.eat_kind(&Kind::Colon) {
                return Some(());
            }
            Some(())
        });
    }

    fn sentence(&mut self, list: &mut Vec<Step>) {
        while matches!(self.c.kind(), Some(Kind::Stop | Kind::Bullet | Kind::Comma)) {
            self.c.skip();
        }
        let start = self.c.at();
        self.clauses(list, Scope::Sentence);
        if self.c.at() == start {
            self.c.skip();
        }
    }

    /// Reads clauses into `list` until the scope ends; a stop ends every scope and is left standing.
    fn clauses(&mut self, list: &mut Vec<Step>, scope: Scope) {
        let mut parallel: Option<(usize, Places)> = None;
        let from = list.len();
        loop {
            let then = self.joints();
            // "At the same time, A and B, then C": C comes after both.
            if let Some((at, places)) = parallel.take_if(|(at, _)| then && list.len() > *at + 1) {
                self.make_parallel(list, from, at, places);
            }
            if self.c.is_done() || self.c.kind() == Some(&Kind::Stop) {
                break;
            }
            if scope != Scope::Sentence && self.ends(scope, list.len() > from) {
                break;
            }
            let before = self.c.at();
            match self.parallel_mark() {
                Some(places) => parallel = Some((list.len(), places)),
                None => self.clause(list, from),
            }
            if self.c.at() == before {
                self.c.skip();
            }
        }
        if let Some((at, places)) = parallel {
            self.make_parallel(list, from, at, places);
        }
    }

    /// Passes over what joins clauses, and over words of order and politeness.
    /// Gives whether "then" was among it.
    fn joints(&mut self) -> bool {
        let mut then = false;
        loop {
            match self.c.kind() {
                Some(Kind::Comma | Kind::Colon | Kind::Bullet | Kind::Dash | Kind::Open | Kind::Close) => {
                    self.c.skip()
                }
                Some(Kind::Word) => {
                    let Some(word) = self.c.word() else { return then };
                    then |= word == "then";
                    let order = matches!(
                        word,
                        "first"
                            | "firstly"
                            | "second"
                            | "secondly"
                            | "thirdly"
                            | "next"
                            | "but"
                            | "now"
                            | "automatically"
                            | "immediately"
                            | "please"
                    );
                    let negation = matches!(word, "do" | "does") && self.c.word_at(1) == Some("not");
                    let verb = matches!(word, "do")
                        && !negation
                        && self.c.word_at(1).is_some_and(|w| matches!(w, "a" | "an" | "the" | "nothing"));
                    let filler = matches!(
                        word,
                        "and"
                            | "then"
                            | "also"
                            | "please"
                            | "kindly"
                            | "just"
                            | "simply"
                            | "so"
                            | "i"
                            | "we"
                            | "you"
                            | "me"
                            | "us"
                            | "would"
                            | "like"
                            | "want"
                            | "to"
                            | "can"
                            | "could"
                            | "should"
                            | "will"
                            | "shall"
                            | "must"
                            | "let"
                            | "hi"
                            | "hello"
                            | "hey"
                            | "levqor"
                            | "ok"
                            | "okay"
                            | "thanks"
                            | "thank"
                            | "that"
                            | "which"
                            | "it"
                            | "the"
                            | "a"
                            | "an"
                            | "do"
                            | "does"
                            | "dear"
                            | "there"
                    );
                    // "it is down", "the orders …" at the start of a clause are not for skipping when a rule may want them.
                    let wanted = self.c.word_at(0) == Some("do") && self.c.word_at(1) == Some("not") || verb;
                    if order {
                        self.c.take();
                    } else if filler && !wanted && !negation {
                        self.c.skip();
                    } else {
                        return then;
                    }
                }
                _ => return then,
            }
        }
    }

    fn ends(&self, scope: Scope, has_steps: bool) -> bool {
        let leaving = LEAVING.iter().any(|phrase| self.c.sees(phrase));
        let otherwise = self.is_otherwise();
        let sibling = has_steps && self.is_if();
        match scope {
            Scope::Sentence => false,
            Scope::Loop => leaving,
            Scope::Branch => leaving || otherwise || sibling,
        }
    }

    fn is_if(&self) -> bool {
        IF_WORDS.iter().any(|phrase| self.c.sees(phrase))
    }

    fn is_otherwise(&self) -> bool {
        ["otherwise", "else", "if not", "or else"].iter().any(|phrase| self.c.sees(phrase))
            && !self.c.sees("else if it")
    }

    /// "at the same time", "in parallel", "simultaneously".
    fn parallel_mark(&mut self) -> Option<Places> {
        let start = self.c.at();
        self.c.eat_any_phrase(&[
            "at the same time",
            "in parallel",
            "simultaneously",
            "concurrently",
            "at once",
            "meanwhile",
        ])?;
        Some(start..self.c.at())
    }

    /// The steps that the mark speaks of: those behind it when it opens, otherwise the nearest pair or the whole list.
    fn make_parallel(&mut self, list: &mut Vec<Step>, from: usize, at: usize, places: Places) {
        let first = if at == from || at == list.len() { from } else { at - 1 };
        // A step that others need the result of can't run beside them.
        let needed = |step: &Step| matches!(&step.kind, StepKind::Call(call) if call.method == "get" && !call.result.is_empty());
        let dependent = list[first.min(list.len())..].iter().any(|step| !needed(step));
        let skip = if dependent { list[first..].iter().take_while(|step| needed(step)).count() } else { 0 };
        let first = first + skip;
        if list.len() < first + 2 {
            let words = self.c.quote(places);
            self.notes.warn(format!("\"{words}\" needs two steps beside each other; it is left out"));
            return;
        }
        let branches: Vec<Step> = list.drain(first..).collect();
        let start = branches.first().map_or(places.start, |step| step.places.start);
        let end = branches.last().map_or(places.end, |step| step.places.end);
        list.push(Step { kind: StepKind::Parallel(branches), places: start..end });
    }

    fn clause(&mut self, list: &mut Vec<Step>, from: usize) {
        let start = self.c.at();
        if self.schedule() || self.leaving() || self.by_hand() || self.event(list) {
            return;
        }
        if self.negation()
            || self.otherwise(list)
            || self.if_so(list)
            || self.conditional(list, from)
            || self.each(list)
        {
            return;
        }
        let count = list.len();
        if self.later(list) && self.verb_here().is_some() {
            return;
        }
        if list.len() == count && self.modifier(list) {
            // "try up to 3 times to fetch …": said before the call that it is about.
            if self.c.word() == Some("to") && self.verb_at(1).is_some() {
                self.c.skip();
                let modifier = list.pop();
                self.verb(list);
                list.extend(modifier);
            }
            self.tail(list, count);
            return;
        }
        if list.len() > count || self.verb(list) {
            self.tail(list, count);
            return;
        }
        self.unknown(start);
    }

    /// A piece of schedule, wherever it stands.
    fn schedule(&mut self) -> bool {
        let start = self.c.at();
        let found = self.schedule.read(&mut self.c, &mut self.notes);
        if found {
            self.schedule_places.push(start..self.c.at());
        }
        found
    }

    fn leaving(&mut self) -> bool {
        self.c.eat_any_phrase(LEAVING).is_some()
    }

    fn by_hand(&mut self) -> bool {
        let hand = self.c.attempt(|c| {
            c.eat(&["starts", "start", "run", "runs", "started", "triggered"]);
            c.eat(&["it"]);
            c.eat_any_phrase(&["when i start it", "by hand", "manually", "on demand"])
        });
        self.by_hand |= hand.is_some();
        hand.is_some()
    }

    /// "When a new order arrives", "on a webhook": not available yet.
    fn event(&mut self, list: &[Step]) -> bool {
        if !list.is_empty() || self.event.is_some() {
            return false;
        }
        let start = self.c.at();
        let Some(noun) = self.c.attempt(event) else { return false };
        let words = self.c.quote(start..self.c.at());
        self.notes.warn(format!(
            "starting on an event (\"{words}\") is not available yet; the workflow starts by hand"
        ));
        self.schedule_places.push(start..self.c.at());
        self.event = Some(noun);
        true
    }

    /// "don't post them", "never delete anything": said, and kept by making nothing.
    fn negation(&mut self) -> bool {
        let start = self.c.at();
        let negated = self.c.attempt(|c| {
            if c.eat_phrase("do nothing") {
                return None;
            }
            c.eat(&["do", "does", "should", "must", "will", "can", "would"]);
            c.eat(&["not", "never", "without", "avoid", "no"])
                .filter(|word| *word != "no" || c.word() == Some("need"))
        });
        if negated.is_none() {
            return false;
        }
        self.take_clause();
        let words = self.c.quote(start..self.c.at());
        self.notes.warn(format!("\"{words}\" asks for something not to be done; no step is made for it"));
        true
    }

    /// Takes the tokens up to the end of the clause.
    fn take_clause(&mut self) {
        while !self.is_boundary() {
            self.c.take();
        }
    }

    /// Takes the tokens up to the end of the sentence.
    fn take_sentence(&mut self) {
        while !self.c.is_done() && self.c.kind() != Some(&Kind::Stop) {
            self.c.take();
        }
    }

    /// Whether a clause ends here.
    pub(super) fn is_boundary(&self) -> bool {
        let Some(token) = self.c.peek() else { return true };
        match &token.kind {
            Kind::Comma | Kind::Stop | Kind::Bullet | Kind::Close => true,
            Kind::Word => match token.text.as_str() {
                "then" | "otherwise" | "else" | "if" | "when" | "whenever" | "unless" => true,
                "and" | "but" | "or" => {
                    let mut ahead = 1;
                    while self.c.word_at(ahead).is_some_and(|word| {
                        matches!(word, "also" | "please" | "then" | "to" | "finally" | "do")
                    }) {
                        ahead += 1;
                    }
                    self.c.word_at(ahead).is_some_and(|word| {
                        let failing = matches!(word, "on" | "upon")
                            && matches!(self.c.word_at(ahead + 1), Some("failure" | "error"));
                        words::opens_clause(word)
                            || matches!(word, "not" | "for" | "after" | "in")
                            || failing
                            || self.verb_at(ahead).is_some()
                    }) || matches!(self.c.peek_at(ahead).map(|token| &token.kind), Some(Kind::Stop) | None)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// "otherwise …": the other branch of the last if.
    fn otherwise(&mut self, list: &mut Vec<Step>) -> bool {
        if !self.is_otherwise() {
            return false;
        }
        let start = self.c.at();
        let _ = self.c.eat_any_phrase(&["or else", "if not", "otherwise", "else"]);
        let mut steps = Vec::new();
        if last_if(list).is_none() {
            self.take_sentence();
            let words = self.c.quote(start..self.c.at());
            self.notes.warn(format!(
                "\"{words}\" is left out: there is no understood condition that it is the other side of"
            ));
            return true;
        }
        self.depth += 1;
        self.clauses(&mut steps, Scope::Branch);
        self.depth -= 1;
        if let Some(branch) = last_if(list) {
            branch.otherwise.append(&mut steps);
        }
        if let Some(last) = list.last_mut() {
            last.places.end = self.c.at();
        }
        true
    }

    /// "If so, …" after "Check whether …".
    fn if_so(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        const PHRASES: [&str; 6] = ["if so", "if yes", "in that case", "if true", "if it is", "if they are"];
        let found = PHRASES.into_iter().find(|phrase| {
            let length = phrase.split(' ').count();
            let comma = self.c.peek_at(length).is_some_and(|token| token.kind == Kind::Comma);
            self.c.sees(phrase) && (comma || self.c.word_at(length).is_some_and(words::opens_clause))
        });
        if !found.is_some_and(|phrase| self.c.eat_phrase(phrase)) {
            return false;
        }
        let empty = last_if(list).is_some_and(|branch| branch.then.is_empty());
        if !empty {
            self.take_sentence();
            let words = self.c.quote(start..self.c.at());
            self.notes.warn(format!("\"{words}\" is left out: there is no understood condition before it"));
            return true;
        }
        let mut steps = Vec::new();
        self.depth += 1;
        self.clauses(&mut steps, Scope::Branch);
        self.depth -= 1;
        if let Some(branch) = last_if(list) {
            branch.then.append(&mut steps);
        }
        true
    }

    /// "if …, …", "unless …, …", "check whether …".
    fn conditional(&mut self, list: &mut Vec<Step>, from: usize) -> bool {
        let start = self.c.at();
        let Some(opener) = self.if_word() else { return false };
        if self.depth >= DEPTH_MAX {
            self.take_sentence();
            self.unmade_condition(start, self.c.at());
            return true;
        }
        let condition = self.c.attempt(condition::condition).filter(|_| self.condition_ends());
        let Some(condition) = condition else {
            self.unknown_condition(start, list);
            return true;
        };
        let condition = if opener.contains("unless") || opener.starts_with("except") {
            Condition::Not(Box::new(condition))
        } else {
            condition
        };
        let end = self.c.at();
        let mut then = Vec::new();
        if self.c.kind() == Some(&Kind::Colon) {
            self.listed(&mut then, Scope::Branch);
        } else {
            self.depth += 1;
            self.clauses(&mut then, Scope::Branch);
            self.depth -= 1;
        }
        // "…, if it fails." at the end of a sentence is about the step before it.
        if then.is_empty() && list.len() > from && self.c.at() == end && !opener.starts_with("check") {
            if let Some(step) = list.pop() {
                let places = step.places.start..self.c.at();
                list.push(Step {
                    kind: StepKind::If(If { condition, then: vec![step], otherwise: vec![] }),
                    places,
                });
            }
            return true;
        }
        list.push(Step {
            kind: StepKind::If(If { condition, then, otherwise: vec![] }),
            places: start..self.c.at(),
        });
        true
    }

    fn if_word(&mut self) -> Option<&'static str> {
        if let Some(opener) = self.c.eat_any_phrase(IF_WORDS) {
            return Some(opener);
        }
        const CHECKS: &[&str] = &[
            "check if",
            "check whether",
            "see if",
            "see whether",
            "find out if",
            "find out whether",
            "test if",
            "test whether",
        ];
        if let Some(opener) = self.c.eat_any_phrase(CHECKS) {
            return Some(if opener.starts_with("check") { opener } else { "check if" });
        }
        const FAILING: &[&str] = &[
            "on failure",
            "on error",
            "in case of failure",
            "in case of an error",
            "in case of error",
            "upon failure",
        ];
        let failing = FAILING.iter().any(|phrase| self.c.sees(phrase));
        // The condition is in the phrase itself; its last word is left for the condition's rule.
        failing.then_some("on")
    }

    /// Whether what follows a condition can follow one; otherwise half of it was read.
    fn condition_ends(&self) -> bool {
        match self.c.peek() {
            None => true,
            Some(token) => match &token.kind {
                Kind::Word => {
                    let word = token.text.as_str();
                    words::opens_clause(word)
                        || words::verb(word).is_some()
                        || matches!(
                            word,
                            "then"
                                | "and"
                                | "or"
                                | "but"
                                | "please"
                                | "also"
                                | "do"
                                | "just"
                                | "for"
                                | "after"
                                | "in"
                                | "at"
                                | "every"
                                | "on"
                                | "so"
                                | "not"
                                | "immediately"
                                | "only"
                        )
                }
                Kind::Comma | Kind::Stop | Kind::Colon | Kind::Close | Kind::Dash | Kind::Bullet => true,
                _ => false,
            },
        }
    }

    /// A condition that no rule reads: what hangs on it is not made, because it would run always.
    fn unknown_condition(&mut self, start: usize, list: &mut Vec<Step>) {
        let mut end = None;
        while !self.c.is_done() && self.c.kind() != Some(&Kind::Stop) {
            let boundary = self.c.kind() == Some(&Kind::Comma)
                || self.c.word().is_some_and(|word| {
                    word == "then" || (words::verb(word).is_some() && !words::is_noun_too(word))
                });
            if boundary && end.is_none() && self.c.at() > start + 1 {
                end = Some(self.c.at());
            }
            self.c.take();
        }
        let end = end.unwrap_or(self.c.at());
        self.unmade_condition(start, end);
        list.push(Step { kind: StepKind::Gap { result: Vec::new() }, places: start..self.c.at() });
    }

    fn unmade_condition(&mut self, start: usize, end: usize) {
        let condition = self.c.quote(start..end);
        let all = self.c.quote(start..self.c.at());
        self.notes.ask(format!(
            "What exactly should \"{condition}\" check? Name a field and a value, such as \"if any total is over 100\"."
        ));
        self.notes.warn(format!("\"{all}\" is left out, because its condition is not understood"));
    }

    /// "for each order, …", "loop over the orders and …".
    fn each(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        let Some((items, tests)) = self.c.attempt(each_opening) else { return false };
        if self.depth >= DEPTH_MAX {
            self.take_sentence();
            let words = self.c.quote(start..self.c.at());
            self.notes.warn(format!("\"{words}\" is left out: loops and conditions are nested too deeply"));
            return true;
        }
        let mut steps = Vec::new();
        if self.c.kind() == Some(&Kind::Colon) {
            self.listed(&mut steps, Scope::Loop);
        } else {
            self.depth += 1;
            self.clauses(&mut steps, Scope::Loop);
            self.depth -= 1;
        }
        list.push(Step { kind: StepKind::Each(Each { items, tests, steps }), places: start..self.c.at() });
        true
    }

    /// What follows a colon: the rest of the line, or the items of the list below it.
    fn listed(&mut self, steps: &mut Vec<Step>, scope: Scope) {
        self.c.skip();
        self.depth += 1;
        let bullets = self.c.kind() == Some(&Kind::Stop)
            && self.c.peek_at(1).is_some_and(|token| token.kind == Kind::Bullet);
        if bullets {
            while self.c.kind() == Some(&Kind::Stop)
                && self.c.peek_at(1).is_some_and(|token| token.kind == Kind::Bullet)
            {
                self.c.skip();
                self.c.skip();
                self.clauses(steps, Scope::Sentence);
            }
        } else {
            self.clauses(steps, scope);
        }
        self.depth -= 1;
    }

    /// "after 10 seconds, …", "10 minutes later …".
    fn later(&mut self, list: &mut Vec<Step>) -> bool {
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
        let Some((ms, whole)) = self.c.attempt(timeout) else { return false };
        if whole {
            self.timeout_ms = Some(ms);
        } else {
            list.push(Step { kind: StepKind::Timeout(ms), places: start..self.c.at() });
        }
        true
    }

    /// What may stand behind a step in its clause: times, conditions, "for each …", "retry …". The rest is left unread.
    fn tail(&mut self, list: &mut Vec<Step>, count: usize) {
        loop {
            if self.c.is_done() || self.c.kind() == Some(&Kind::Stop) {
                return;
            }
            if self.schedule() || self.modifier(list) {
                continue;
            }
            if list.len() > count && (self.postfix_if(list, count) || self.postfix_each(list, count)) {
                continue;
            }
            if self.is_boundary() || self.parallel_is_next() {
                return;
            }
            self.c.skip();
        }
    }

    fn parallel_is_next(&self) -> bool {
        ["at the same time", "in parallel", "simultaneously", "concurrently", "at once"]
            .iter()
            .any(|phrase| self.c.sees(phrase))
    }

    /// "post them to URL if any total is over 100": unless a verb follows at once, the condition is about the step before.
    fn postfix_if(&mut self, list: &mut Vec<Step>, count: usize) -> bool {
        let found = {
            let parser = &mut self.c;
            parser.attempt(|c| {
                let opener = c.eat_any_phrase(IF_WORDS)?;
                let condition = condition::condition(c)?;
                let next = c.word();
                let prefix = next.is_some_and(|word| {
                    word == "then"
                        || (words::opens_clause(word)
                            && !is_if_word(word)
                            && word != "otherwise"
                            && word != "else")
                });
                let comma = c.kind() == Some(&Kind::Comma);
                let ended = c.is_done()
                    || comma
                    || matches!(c.kind(), Some(Kind::Stop | Kind::Close | Kind::Bullet))
                    || next.is_some();
                (!prefix && ended).then_some((opener, condition))
            })
        };
        let Some((opener, condition)) = found else { return false };
        let negated = opener.contains("unless") || opener.starts_with("except");
        let condition = if negated { Condition::Not(Box::new(condition)) } else { condition };
        let then: Vec<Step> = list.drain(count..).collect();
        let start = then.first().map_or(self.c.at(), |step| step.places.start);
        list.push(Step {
            kind: StepKind::If(If { condition, then, otherwise: vec![] }),
            places: start..self.c.at(),
        });
        true
    }

    /// "post its id to URL for each order", "… one at a time".
    fn postfix_each(&mut self, list: &mut Vec<Step>, count: usize) -> bool {
        let single =
            self.c.eat_any_phrase(&["one at a time", "one by one", "individually", "separately"]).is_some();
        let (items, tests) = if single {
            (Phrase { base: Base::Pronoun, fields: vec![], each: false, count: false, places: 0..0 }, None)
        } else {
            let Some(opening) = self.c.attempt(each_opening) else { return false };
            opening
        };
        let steps: Vec<Step> = list.drain(count..).collect();
        let start = steps.first().map_or(self.c.at(), |step| step.places.start);
        // "post each order to URL one at a time" is one loop already.
        if let ([Step { kind: StepKind::Each(_), .. }], true) = (steps.as_slice(), single) {
            list.extend(steps);
            return true;
        }
        list.push(Step { kind: StepKind::Each(Each { items, tests, steps }), places: start..self.c.at() });
        true
    }

    /// Passes over a clause that no rule reads. Times are picked out of it; the rest is reported by the coverage rule.
    fn unknown(&mut self, start: usize) {
        // "every few minutes fetch …": a clause can't begin with a preposition alone, so its verb is where one is.
        let prefix = matches!(
            self.c.word(),
            Some("every" | "each" | "at" | "on" | "in" | "before" | "during" | "from" | "between" | "around")
        );
        while !self.c.is_done() && self.c.kind() != Some(&Kind::Stop) {
            if self.c.at() > start && self.is_boundary() {
                return;
            }
            if self.schedule() {
                continue;
            }
            let article = matches!(self.c.word(), Some("the" | "a" | "an" | "my" | "our" | "its" | "their"));
            self.c.skip();
            if prefix && !article && self.verb_here().is_some() {
                return;
            }
        }
    }

    pub(super) fn gap(&mut self, list: &mut Vec<Step>, result: Vec<String>, start: usize) {
        list.push(Step { kind: StepKind::Gap { result }, places: start..self.c.at() });
    }

    /// An approval or something like it: what follows must not run without it.
    pub(super) fn gate(&mut self, list: &mut Vec<Step>, start: usize) {
        list.push(Step { kind: StepKind::Gate, places: start..self.c.at() });
    }

    /// The verb here, unless it is more likely a noun.
    pub(super) fn verb_here(&self) -> Option<Verb> {
        self.verb_at(0)
    }

    fn verb_at(&self, ahead: usize) -> Option<Verb> {
        let word = self.c.word_at(ahead)?;
        let verb = words::verb(word)?;
        if !words::is_noun_too(word) {
            return Some(verb);
        }
        let next = self.c.peek_at(ahead + 1)?;
        let object = match &next.kind {
            Kind::Word => {
                matches!(
                    next.text.as_str(),
                    "the"
                        | "a"
                        | "an"
                        | "it"
                        | "them"
                        | "all"
                        | "each"
                        | "every"
                        | "me"
                        | "us"
                        | "this"
                        | "that"
                        | "up"
                        | "by"
                        | "out"
                        | "to"
                        | "its"
                        | "their"
                        | "how"
                        | "any"
                        | "if"
                        | "nothing"
                        | "our"
                        | "my"
                        | "run"
                        | "workflow"
                        | "everything"
                        | "on"
                ) || next.text.ends_with('s')
                    && self.c.word_at(ahead + 2).is_some_and(|word| matches!(word, "by" | "to" | "from"))
            }
            Kind::Url(_) | Kind::Domain(_) | Kind::Quoted(_) | Kind::Email(_) => true,
            _ => verb == Verb::Stop,
        };
        object.then_some(verb)
    }
}

fn is_if_word(word: &str) -> bool {
    matches!(word, "if" | "when" | "whenever" | "unless")
}

/// The last if of the list, also inside a loop that ends it.
fn last_if(list: &mut [Step]) -> Option<&mut If> {
    match &mut list.last_mut()?.kind {
        StepKind::If(branch) => {
            if branch.otherwise.is_empty() {
                return Some(branch);
            }
            // "otherwise if …, otherwise …": the innermost open one.
            last_if(&mut branch.otherwise)
        }
        StepKind::Each(each) => last_if(&mut each.steps),
        _ => None,
    }
}

/// What the loop goes over, and which of it.
fn each_opening(c: &mut Cursor<'_>) -> Option<(Phrase, Option<Tests>)> {
    let looping = c
        .eat_any_phrase(&["loop over", "loop through", "go through", "iterate over", "walk through"])
        .is_some();
    if looping {
        c.eat(&["each", "every", "all"]);
        c.eat(&["of"]);
    } else {
        c.eat(&["for"])?;
        if c.eat(&["each", "every"]).is_some() {
            c.eat(&["of"]);
        } else {
            c.eat(&["all"])?;
            c.eat(&["of"]);
        }
    }
    let mut items = if !looping && c.kind().is_some_and(|kind| matches!(kind, Kind::Comma | Kind::Colon)) {
        Phrase { base: Base::Pronoun, fields: vec![], each: false, count: false, places: 0..0 }
    } else if c.eat(&["one", "item", "element", "result", "entry"]).is_some() {
        c.eat(&["of", "in"]).and_then(|_| phrase::phrase(c)).unwrap_or(Phrase {
            base: Base::Pronoun,
            fields: vec![],
            each: false,
            count: false,
            places: 0..0,
        })
    } else {
        let item = phrase::phrase(c)?;
        // "for each line of the order", "for each order in the orders".
        match c.attempt(|c| {
            c.eat(&["in", "of"])?;
            phrase::phrase(c)
        }) {
            Some(whole) if whole.fields.is_empty() && same_noun(&item, &whole) => whole,
            Some(mut whole) => {
                if let Base::Named(words) = item.base {
                    whole.fields = vec![[whole.fields.pop().unwrap_or_default(), vec![words]].concat()];
                }
                whole
            }
            None => item,
        }
    };
    items.each = false;
    let tests = condition::relative(c);
    c.eat(&["do"]);
    Some((items, tests))
}

fn same_noun(item: &Phrase, whole: &Phrase) -> bool {
    let head = |phrase: &Phrase| match &phrase.base {
        Base::Named(words) => words.last().map(|word| words::singular(word)),
        _ => None,
    };
    head(whole).is_none() || head(item) == head(whole)
}

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
            return Some(Retry { count: count.clamp(1, RETRIES_MAX), delay_ms: delay(c) });
        }
    };
    let _ =
        c.eat_any_phrase(&["the call", "the request", "the fetch", "the post", "it", "that", "this", "them"]);
    let mut early_delay = delay(c);
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
    if early_delay.is_none() {
        early_delay = delay(c);
    }
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
    Some(Retry { count: count.clamp(1, RETRIES_MAX), delay_ms: early_delay })
}

/// More retries than this keep a run alive for no one's good.
const RETRIES_MAX: u64 = 100;

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

/// What a workflow may wait for, up to the end of its clause. Gives the words of the thing that comes.
fn event(c: &mut Cursor<'_>) -> Option<Vec<String>> {
    const COMING: &[&str] = &[
        "arrives",
        "arrive",
        "comes",
        "come",
        "received",
        "receive",
        "receives",
        "get",
        "gets",
        "created",
        "submitted",
        "signs",
        "sign",
        "joins",
        "join",
        "happens",
        "uploaded",
        "uploads",
        "updated",
        "added",
        "adds",
        "changes",
        "changed",
        "triggered",
        "called",
        "sent",
        "sends",
        "posted",
        "posts",
        "pushed",
        "pushes",
        "published",
        "opened",
        "opens",
        "closed",
        "closes",
        "placed",
        "places",
        "made",
        "makes",
        "fires",
        "lands",
        "appears",
        "books",
        "subscribes",
        "cancels",
        "cancelled",
        "replies",
        "mentions",
        "registers",
        "registered",
        "emails",
        "fills",
        "buys",
        "deleted",
        "starts",
        "writes",
        "messages",
        "pays",
        "completes",
        "completed",
        "delivered",
        "merged",
    ];
    const SOURCES: &[&str] = &[
        "webhook",
        "webhooks",
        "event",
        "events",
        "email",
        "e-mail",
        "emails",
        "message",
        "form",
        "request",
        "notification",
        "trigger",
    ];
    let opener = c.eat_any_phrase(&[
        "triggered by",
        "trigger on",
        "starting on",
        "started by",
        "whenever",
        "when",
        "every time",
        "each time",
        "as soon as",
        "once",
        "upon",
        "on",
        "listen for",
        "for every",
        "for each",
        "if",
        "after",
        "via",
        "from",
        "wait for",
    ])?;
    let clause_like = matches!(
        opener,
        "whenever" | "when" | "every time" | "each time" | "as soon as" | "once" | "if" | "after"
    );
    let mut noun = Vec::new();
    let mut coming = false;
    let mut source = false;
    let subject = c.word();
    let personal = matches!(subject, Some("i" | "we" | "someone" | "somebody" | "anyone"));
    let fresh = matches!(subject, Some("a" | "an" | "new" | "any" | "there" | "incoming" | "every" | "each"));
    for _ in 0..10 {
        let Some(token) = c.peek().filter(|token| token.kind == Kind::Word) else { break };
        let word = token.text.as_str();
        let starts = noun.is_empty() && !coming;
        if coming
            && (words::opens_clause(word) || matches!(word, "and" | "then" | "if"))
            && !COMING.contains(&word)
        {
            break;
        }
        if matches!(word, "not" | "over" | "than" | "equals" | "contains" | "down" | "fails") {
            return None;
        }
        if !starts && COMING.contains(&word) || (personal && COMING.contains(&word)) {
            coming = true;
        } else if SOURCES.contains(&word) {
            source = true;
            noun.push(word.to_owned());
        } else if !words::is_function_word(word)
            && !matches!(word, "new" | "incoming" | "any" | "every" | "each" | "someone" | "somebody")
            && !coming
        {
            noun.push(word.to_owned());
        }
        c.take();
    }
    let really = match opener {
        "whenever" | "when" | "every time" | "each time" | "as soon as" | "once" | "if" | "after" => {
            coming && (personal || fresh || source || opener != "if")
        }
        "from" | "via" | "for each" | "for every" | "on" | "wait for" => {
            source && (fresh || coming || opener == "via")
        }
        _ => source || coming,
    };
    if !really || (clause_like && noun.is_empty() && !personal) {
        return None;
    }
    // What else the event's clause says belongs to it.
    while let Some(token) = c.peek() {
        let ends = match &token.kind {
            Kind::Comma | Kind::Stop | Kind::Colon => true,
            Kind::Word => {
                token.text == "then"
                    || words::opens_clause(&token.text)
                    || (token.text == "and" && c.word_at(1).is_some_and(words::opens_clause))
            }
            _ => false,
        };
        if ends {
            break;
        }
        c.take();
    }
    Some(noun)
}
