//! The grammar of clauses: goes through the request, finds what each clause is, and builds the form.
//!
//! A clause begins at a sentence's start, behind a comma or behind "and" and "then". A clause that no rule reads is passed over
//! up to the next such place (only times are picked out of it), so that half-understood words never become a step.
//!
//! The words after "if …" or "for each …" belong to it up to the end of the sentence, to "otherwise", to a further "if", or to
//! "after that" and "finally", which go on outside.

use super::{
    coverage::is_content,
    cursor::Cursor,
    form::{Body, Form, Places, Step, StepKind, Trigger},
    lexer::{Kind, Token},
    notes::Notes,
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
        by_hand: None,
        depth: 0,
        bound: None,
        made: 0,
    };
    let mut steps = Vec::new();
    parser.opening();
    while !parser.c.is_done() {
        parser.sentence(&mut steps);
    }
    parser.unbounded();
    if let Some(places) = parser.by_hand.filter(|_| parser.schedule.is_said()) {
        let words = parser.c.quote(places);
        parser.notes.warn(format!(
            "\"{words}\" goes without saying: the schedule stays, and it can be started by hand too"
        ));
    }
    let trigger = match (parser.event, parser.schedule.is_said()) {
        (None, true) => Trigger::Schedule(Box::new(parser.schedule)),
        (Some(noun), false) => Trigger::Event { noun },
        (Some(_), true) => Trigger::Schedule(Box::new(parser.schedule)),
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
    pub(super) schedule: Schedule,
    pub(super) schedule_places: Vec<Places>,
    /// The words of what the workflow waits for.
    pub(super) event: Option<Vec<String>>,
    pub(super) timeout_ms: Option<u64>,
    by_hand: Option<Places>,
    pub(super) depth: usize,
    /// "at most 10 times", which a schedule can't keep.
    pub(super) bound: Option<Places>,
    /// Clauses that became steps.
    pub(super) made: usize,
}

/// Where a list of clauses stands, which decides what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Sentence,
    /// After "if …" or "otherwise".
    Branch,
    /// After "for each …".
    Loop,
}

/// Ifs and loops inside one another; deeper ones are reported as not understood.
pub(super) const DEPTH_MAX: usize = 6;

pub(super) const IF_WORDS: &[&str] = &[
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

/// Say in which order, which the order of the clauses says already; or only that it is asked of us.
const ORDER_WORDS: &[&str] = &[
    "first",
    "firstly",
    "second",
    "secondly",
    "thirdly",
    "next",
    "but",
    "now",
    "automatically",
    "immediately",
    "levqor",
];

/// Function words that may stand before a clause's verb.
const FILLERS: &[&str] = &[
    "and", "then", "also", "please", "kindly", "just", "simply", "so", "i", "we", "you", "me", "us", "would",
    "like", "want", "to", "can", "could", "should", "will", "shall", "must", "let", "hi", "hello", "hey",
    "ok", "okay", "thanks", "thank", "that", "which", "it", "do", "does", "dear", "there",
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
    pub(super) fn clauses(&mut self, list: &mut Vec<Step>, scope: Scope) {
        let mut parallel: Option<(usize, Places)> = None;
        let from = list.len();
        // Where the steps behind the last "then" begin.
        let mut since = from;
        loop {
            let then = self.joints();
            // "A and B, at the same time, then C": said behind A and B, it is about them.
            if let Some((at, places)) = parallel.take_if(|(at, _)| then && list.len() == *at && *at > since) {
                self.make_parallel(list, since, at, places);
            }
            // "At the same time, A and B, then C": C comes after both.
            if let Some((at, places)) = parallel.take_if(|(at, _)| then && list.len() > *at + 1) {
                self.make_parallel(list, from, at, places);
            }
            if then {
                since = list.len();
            }
            if self.c.is_done() || self.c.kind() == Some(&Kind::Stop) {
                break;
            }
            if scope != Scope::Sentence && self.ends(scope, list.len() > from) {
                break;
            }
            let before = self.c.at();
            match self.parallel_mark() {
                Some(places) if list.len() > since && !self.follows_joint(before) => {
                    // "A and B at the same time": about what was said just before.
                    let first = if list.len() < since + 2 { from } else { since };
                    self.make_parallel(list, first, list.len(), places);
                }
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

    /// Passes over what joins clauses, and over words of order and politeness. Gives whether "then" was among it.
    fn joints(&mut self) -> bool {
        let mut then = false;
        loop {
            match self.c.kind() {
                Some(Kind::Comma | Kind::Colon | Kind::Bullet | Kind::Dash | Kind::Open | Kind::Close) => {
                    self.c.skip();
                }
                Some(Kind::Word) => {
                    let word = self.c.word().unwrap_or_default();
                    // "do not …" forbids, "do a POST request" and "do nothing" are clauses of their own.
                    let doing = matches!(word, "do" | "does")
                        && matches!(self.c.word_at(1), Some("not" | "a" | "an" | "the" | "nothing"));
                    if ORDER_WORDS.contains(&word) {
                        self.c.take();
                    } else if FILLERS.contains(&word) && !doing {
                        then |= word == "then";
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

    pub(super) fn is_if(&self) -> bool {
        IF_WORDS.iter().any(|phrase| self.c.sees(phrase))
    }

    pub(super) fn is_otherwise(&self) -> bool {
        ["otherwise", "else", "if not", "or else"].iter().any(|phrase| self.c.sees(phrase))
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

    /// Whether what begins at `at` is joined to what stands before by a comma or a conjunction.
    fn follows_joint(&self, at: usize) -> bool {
        let before = self.c.quote(at.saturating_sub(1)..at).to_lowercase();
        matches!(before.as_str(), "" | "and" | "then" | "but" | "also")
    }

    /// The steps that the mark speaks of: those behind it when it opens, otherwise the nearest pair or the whole list.
    fn make_parallel(&mut self, list: &mut Vec<Step>, from: usize, at: usize, places: Places) {
        let first = if at == from || at == list.len() { from } else { at - 1 };
        // A step that others need the result of can't run beside them.
        let needed = |step: &Step| matches!(&step.kind, StepKind::Call(call) if call.method == "get");
        let needs = |step: &Step| match &step.kind {
            StepKind::Call(call) => matches!(call.body, Body::Phrase(_) | Body::Implied),
            StepKind::If(_) | StepKind::Each(_) | StepKind::Reshape(_) | StepKind::Save { .. } => true,
            _ => false,
        };
        let dependent = list[first.min(list.len())..].iter().any(needs);
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
        let count = list.len();
        self.one_clause(list, from);
        self.made += usize::from(list.len() > count);
    }

    fn one_clause(&mut self, list: &mut Vec<Step>, from: usize) {
        let start = self.c.at();
        if self.repeat(list) || self.other_schedule(list) {
            return;
        }
        // "run every day at 6:00": the verb says no more than the time.
        let runs = [
            "run",
            "runs",
            "start",
            "starts",
            "schedule",
            "scheduled",
            "execute",
            "executes",
            "running",
            "repeat",
            "repeats",
        ];
        if self.c.eat(&runs).is_some() {
            self.c.eat(&["it", "this"]);
            if self.schedule() {
                return;
            }
            self.c.back_to(start);
        }
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
        if self.bounded() {
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
        if self.c.at() > start {
            // What it would have made is not there, and what would hang on it must not hang on the step before.
            self.gap(list, Vec::new(), start);
        }
    }

    /// A piece of schedule, wherever it stands.
    pub(super) fn schedule(&mut self) -> bool {
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
        let start = self.c.at();
        let hand = self.c.attempt(|c| {
            c.eat(&["starts", "start", "run", "runs", "started", "triggered"]);
            c.eat(&["it"]);
            c.eat_any_phrase(&[
                "when i start it by hand",
                "when i start it",
                "by hand",
                "manually",
                "on demand",
            ])
        });
        if hand.is_some() {
            self.by_hand = Some(start..self.c.at());
        }
        hand.is_some()
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
    pub(super) fn take_sentence(&mut self) {
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
                            || self.repeat_is_next(ahead)
                            || self.verb_at(ahead).is_some()
                    }) || matches!(self.c.peek_at(ahead).map(|token| &token.kind), Some(Kind::Stop) | None)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// What may stand behind a step in its clause: times, conditions, "for each …", "retry …". The rest is left unread.
    fn tail(&mut self, list: &mut Vec<Step>, count: usize) {
        let mut unread: Option<usize> = None;
        let said = self.schedule.is_said();
        loop {
            if self.c.is_done() || self.c.kind() == Some(&Kind::Stop) {
                break;
            }
            if said && self.made > 0 && self.other_times(list, count) {
                continue;
            }
            if self.schedule() || self.modifier(list) {
                continue;
            }
            if self.repeated(list, count) || self.bounded() {
                continue;
            }
            if list.len() > count && (self.postfix_if(list, count) || self.postfix_each(list, count)) {
                continue;
            }
            if self.by_hand() {
                continue;
            }
            if list.len() > count && self.is_if() && !self.is_understood_if() {
                self.unknown_condition(list, count);
                return;
            }
            if self.is_boundary() || self.parallel_is_next() {
                break;
            }
            if self.c.peek().is_some_and(is_content) {
                unread.get_or_insert(self.c.at());
            }
            self.c.skip();
        }
        if let Some(start) = unread {
            list.push(Step { kind: StepKind::Doubt, places: start..self.c.at() });
        }
    }

    fn parallel_is_next(&self) -> bool {
        ["at the same time", "in parallel", "simultaneously", "concurrently", "at once"]
            .iter()
            .any(|phrase| self.c.sees(phrase))
    }

    /// Passes over a clause that no rule reads. Times are picked out of it; the rest is reported by the coverage rule.
    fn unknown(&mut self, start: usize) {
        // "every few minutes fetch …": a clause can't begin with a preposition alone, so its verb is where one is.
        let prefix = matches!(
            self.c.word(),
            Some("every" | "each" | "at" | "on" | "in" | "before" | "during" | "from" | "between" | "around")
        );
        while !self.c.is_done() && self.c.kind() != Some(&Kind::Stop) {
            if self.c.at() > start && (self.is_boundary() || self.c.kind() == Some(&Kind::Colon)) {
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

    pub(super) fn verb_at(&self, ahead: usize) -> Option<Verb> {
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
