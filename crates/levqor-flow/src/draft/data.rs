//! Turns words for data and conditions into jq, in the scope of a step.

use serde_json::Value;

use super::{
    compile::Pass,
    form::{Base, Comparison, Condition, Literal, Operand, Path, Phrase, Quantifier, Test, Tests},
    jq,
    reshape::{check_name, field_key, path_words, tests_words},
    scope::{Found, Lost, Root, Scope, Shape, Spoken},
    words,
};

/// A condition, compiled.
#[derive(Debug, Clone)]
pub struct Compiled {
    pub jq: String,
    /// What "them" means where it holds; None: as before.
    pub selection: Option<Spoken>,
    /// For the summary and for notices.
    pub words: String,
    /// Words of the step's name.
    pub name: Vec<String>,
    /// Which list the condition picks from and by which tests, so that two of a kind can be one.
    picked: Option<(String, String, String)>,
}

impl Pass<'_> {
    /// jq for the data of the phrase without its fields, and whether it is a list.
    fn base(&mut self, found: &Found, scope: &Scope) -> String {
        if let Some(known) = scope.known_at(&found.root) {
            let key = known.key.clone();
            let used = self.seen.entry(key).or_default();
            used.any = true;
            used.member |= !found.path.is_empty();
        }
        jq::access(&scope.root(&found.root), &found.path)
    }

    /// jq for a list: what was found as it is when it is one already, made one otherwise.
    fn as_list(&mut self, found: &Found, scope: &Scope) -> String {
        let base = self.base(found, scope);
        if let (Some(known), true) = (scope.known_at(&found.root), found.path.is_empty()) {
            if known.shape == Shape::List {
                return base;
            }
            let used = self.seen.entry(known.key.clone()).or_default();
            used.list = true;
            if self.uses.get(&known.key).is_none_or(|used| used.is_list()) {
                return base;
            }
            let noun = known.nouns.last().cloned().unwrap_or_default();
            return format!("({base} | {})", jq::list_of(&noun));
        }
        match &found.root {
            Root::Selection(_) if found.path.is_empty() => base,
            _ => format!("({base} | {})", jq::list_of("")),
        }
    }

    /// The list that the phrase means, and what one of it is called.
    pub(super) fn items(&mut self, phrase: &Phrase, scope: &Scope) -> Result<(String, String), Lost> {
        let mut found = scope.find(phrase)?;
        self.warn_alone(phrase, scope);
        let fields = phrase.fields.first().cloned().unwrap_or_default();
        let mut noun = found.noun.clone();
        if let (Base::Named(words), true) = (&phrase.base, found.guessed) {
            let item_root = matches!(found.root, Root::Item(_));
            noun = words.join(" ");
            if item_root || !fields.is_empty() {
                // "for each line" inside a loop over orders: the lines of this order.
                if let Some(last) = found.path.last_mut().and_then(|segment| segment.last_mut()) {
                    *last = words::plural(last);
                }
                self.guess(phrase, &found, scope);
            } else {
                // "for each customer" where only orders are known: the items of what was last spoken of.
                found.path.clear();
                let known = scope
                    .known_at(&found.root)
                    .filter(|known| !known.unnamed)
                    .map(|known| known.nouns.join(" "));
                if let Some(known) = known {
                    let said = (self.quote)(&phrase.places);
                    self.notes.warn(format!("\"{said}\" is taken as each item of {known}"));
                }
            }
        }
        if scope.known_at(&found.root).is_some_and(|known| known.unnamed)
            && !words::is_plural(&noun)
            && noun == found.noun
        {
            // An address that ends in "feed" does not make its items feeds.
            noun = "item".into();
        }
        if let Some(last) = fields.last() {
            noun = last.join(" ");
            found.path.extend(fields);
        }
        let one: Vec<String> = noun.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let one = match one.split_last() {
            Some((last, first)) => [first, &[words::singular(last)]].concat().join(" "),
            None => "item".into(),
        };
        let one = if matches!(one.as_str(), "response" | "result" | "data" | "input" | "it" | "them") {
            "item".into()
        } else {
            one
        };
        Ok((self.as_list(&found, scope), one))
    }

    fn guess(&mut self, phrase: &Phrase, found: &Found, scope: &Scope) {
        let said = (self.quote)(&phrase.places);
        let owner = match &found.root {
            Root::Known(_) => {
                scope.known_at(&found.root).map(|known| known.nouns.join(" ")).unwrap_or_default()
            }
            Root::Item(_) | Root::Selection(_) => found.noun.clone(),
            Root::Input => "the run's input".into(),
        };
        let field = path_words(&found.path);
        let owner = if owner.is_empty() { "the response".to_owned() } else { owner };
        if !said.is_empty() {
            self.notes.warn(format!("\"{said}\" is taken as the field \"{field}\" of {owner}"));
        }
    }

    /// jq for the value of the phrase: a list, an object of the fields, a number.
    pub(super) fn value(&mut self, phrase: &Phrase, scope: &Scope) -> Result<(String, Shape), Lost> {
        if let Some(several) = self.several(phrase, scope) {
            return self.all_of(&several, scope);
        }
        if let Some(aggregate) = self.aggregate(phrase, scope)? {
            return Ok((aggregate.jq, Shape::Scalar));
        }
        self.warn_alone(phrase, scope);
        if phrase.count {
            let (list, _) = self.items(phrase, scope)?;
            return Ok((format!("{list} | length"), Shape::Scalar));
        }
        let mut found = scope.find(phrase)?;
        let mut fields = phrase.fields.clone();
        if let (Base::Named(words), true, true) = (&phrase.base, found.guessed, fields.is_empty()) {
            // "the count" of what was last spoken of, when nothing else is called so.
            let owner = Found { path: Path::new(), ..found.clone() };
            if scope.is_list(&owner) && matches!(words.as_slice(), [one] if one == "count" || one == "number")
            {
                return Ok((format!("{} | length", self.as_list(&owner, scope)), Shape::Scalar));
            }
        }
        if found.guessed || !found.path.is_empty() {
            if found.guessed {
                self.guess(phrase, &found, scope);
            }
            // "post the total": the field that its own words name.
            let prefix = std::mem::take(&mut found.path);
            fields = if fields.is_empty() {
                vec![prefix]
            } else {
                fields.into_iter().map(|field| [prefix.clone(), field].concat()).collect()
            };
        }
        if fields.is_empty() {
            let jq = self.base(&found, scope);
            let shape = if scope.is_list(&found) { Shape::List } else { Shape::Response };
            let shape = scope
                .known_at(&found.root)
                .map_or(shape, |known| if known.shape == Shape::Response { shape } else { known.shape });
            return Ok((jq, shape));
        }
        if scope.is_list(&found) {
            let list = self.as_list(&found, scope);
            let singular = |field: &Path| -> Path {
                let mut field = field.clone();
                if let Some(word) = field
                    .last_mut()
                    .filter(|segment| segment.len() == 1)
                    .and_then(|segment| segment.last_mut())
                {
                    *word = words::singular(word);
                }
                field
            };
            let fields: Vec<Path> = fields.iter().map(singular).collect();
            let jq = match fields.as_slice() {
                [one] => format!("[{list}[] | {}]", jq::access(".", one)),
                many => format!("[{list}[] | {{{}}}]", members(".", many)),
            };
            return Ok((jq, Shape::List));
        }
        let root = self.base(&found, scope);
        if let Some(known) = scope.known_at(&found.root) {
            self.seen.entry(known.key.clone()).or_default().member = true;
        }
        Ok((format!("{{{}}}", members(&root, &fields)), Shape::Response))
    }

    /// jq for one value, not an object of it: for fields and headers.
    pub(super) fn single(&mut self, phrase: &Phrase, scope: &Scope) -> Result<String, Lost> {
        if let Some(aggregate) = self.aggregate(phrase, scope)? {
            return Ok(aggregate.jq);
        }
        if let ([field], false) = (phrase.fields.as_slice(), phrase.count) {
            let mut found = scope.find(phrase)?;
            if !scope.is_list(&found) {
                found.path.extend(field.clone());
                return Ok(self.base(&found, scope));
            }
        } else if phrase.fields.is_empty() && !phrase.count {
            let found = scope.find(phrase)?;
            if found.guessed {
                let owner = Found { path: Path::new(), ..found.clone() };
                if !scope.is_list(&owner) {
                    self.guess(phrase, &found, scope);
                    return Ok(self.base(&found, scope));
                }
            } else if !found.path.is_empty() {
                return Ok(self.base(&found, scope));
            }
        }
        self.value(phrase, scope).map(|(jq, _)| jq)
    }

    /// A field's or header's value in the document.
    pub(super) fn operand(&mut self, operand: &Operand, scope: &Scope) -> Result<Value, Lost> {
        Ok(match operand {
            Operand::Number(number) => Value::Number(number.clone()),
            Operand::Text(text) => jq::literal(text),
            Operand::Json(value) => jq::literals(value),
            Operand::Phrase(phrase) => jq::expression(&self.single(phrase, scope)?),
        })
    }

    /// Compiles a condition; the error says what is missing.
    pub(super) fn condition(&mut self, condition: &Condition, scope: &Scope) -> Result<Compiled, String> {
        match condition {
            Condition::Failed { .. } => Err("A failure can't be mixed with other conditions.".into()),
            Condition::Not(inner) => {
                let inner = self.condition(inner, scope)?;
                let words = format!("not ({})", inner.words);
                Ok(Compiled {
                    jq: format!("{} | not", jq::truth(&inner.jq)),
                    selection: None,
                    words,
                    name: inner.name,
                    picked: None,
                })
            }
            Condition::All(parts) => self.joined(parts, "and", scope),
            Condition::Any(parts) => self.joined(parts, "or", scope),
            Condition::Count { items, tests, comparison, number } => {
                let (list, noun) = self.items(items, scope).map_err(|lost| reason(&lost))?;
                let test = tests.as_ref().map(|tests| jq::tests(".", &Path::new(), tests));
                let counted =
                    test.as_ref().map_or_else(|| list.clone(), |test| format!("[{list}[] | select({test})]"));
                let selected = Spoken::Selection { list: counted.clone(), noun: words::plural(&noun) };
                let nouns = words::plural(&noun);
                let mut words = format!("the number of {nouns} {} {number}", comparison.words());
                if let Some(tests) = tests {
                    words = format!(
                        "the number of {nouns} where {} {} {number}",
                        tests_words(tests),
                        comparison.words()
                    );
                }
                Ok(Compiled {
                    jq: format!("({counted} | length) {} {number}", comparison.jq()),
                    selection: tests.is_some().then_some(selected),
                    words,
                    name: vec!["check".into(), "number".into(), "of".into(), nouns],
                    picked: None,
                })
            }
            Condition::Test { quantifier, subject, tests } => self.test(*quantifier, subject, tests, scope),
        }
    }

    fn joined(&mut self, parts: &[Condition], word: &str, scope: &Scope) -> Result<Compiled, String> {
        let parts = parts.iter().map(|part| self.condition(part, scope)).collect::<Result<Vec<_>, _>>()?;
        let jq: Vec<String> = parts.iter().map(|part| jq::truth(&part.jq)).collect();
        let words: Vec<String> = parts.iter().map(|part| part.words.clone()).collect();
        let name = parts.first().map(|part| part.name.clone()).unwrap_or_default();
        // "any total is over 100 or any status is failed": the items for which one or the other holds.
        let lists: Option<Vec<_>> = parts.iter().map(|part| part.picked.clone()).collect();
        let selection = lists
            .filter(|lists| word == "or" && lists.windows(2).all(|two| two[0].0 == two[1].0))
            .and_then(|lists| {
                let (list, _, noun) = lists.first()?.clone();
                let tests: Vec<String> = lists.iter().map(|(_, test, _)| jq::truth(test)).collect();
                Some(Spoken::Selection { list: format!("[{list}[] | select({})]", tests.join(" or ")), noun })
            });
        Ok(Compiled {
            jq: jq.join(&format!(" {word} ")),
            selection,
            words: words.join(&format!(" {word} ")),
            name,
            picked: None,
        })
    }

    /// "The average total is over 100" about a list.
    fn aggregate_test(
        &mut self,
        quantifier: Quantifier,
        subject: &Phrase,
        tests: &Tests,
        scope: &Scope,
    ) -> Result<Option<Compiled>, String> {
        // The subject's own field has become the field of the first test.
        let field = super::predicate::fields(tests).into_iter().next().filter(|field| !field.is_empty());
        let whole = Phrase { fields: field.cloned().into_iter().collect(), ..subject.clone() };
        let Some(aggregate) = self.aggregate(&whole, scope).map_err(|lost| reason(&lost))? else {
            return Ok(None);
        };
        let (Tests::One { test, negated, .. }, Quantifier::Plain) = (tests, quantifier) else {
            return Err(format!("{} is one number: ask about it alone.", aggregate.words));
        };
        let about = Tests::One { field: Path::new(), test: test.clone(), negated: *negated };
        Ok(Some(Compiled {
            jq: jq::tests(&format!("({})", aggregate.jq), &Path::new(), &about),
            selection: None,
            words: tests_words(&prefixed(&vec![vec![aggregate.words.clone()]], &about)),
            name: vec!["check".into(), aggregate.name],
            picked: None,
        }))
    }

    fn test(
        &mut self,
        quantifier: Quantifier,
        subject: &Phrase,
        tests: &Tests,
        scope: &Scope,
    ) -> Result<Compiled, String> {
        if subject.count {
            return self.counted(subject, tests, scope);
        }
        if let Some(compiled) = self.aggregate_test(quantifier, subject, tests, scope)? {
            return Ok(compiled);
        }
        let mut found = scope.find(subject).map_err(|lost| reason(&lost))?;
        let mut prefix = Path::new();
        // "any total": a field of each item; "any order": the items themselves.
        if let (Base::Named(words), true) = (&subject.base, found.guessed) {
            found.path.clear();
            prefix = vec![words.clone()];
        } else if !found.path.is_empty() {
            prefix = std::mem::take(&mut found.path);
        }
        // "GET …/status. If status is down": only its address gave the answer that name, so the field is meant.
        let unnamed = scope.known_at(&found.root).is_some_and(|known| known.unnamed);
        let single = |tests: &Tests| matches!(tests, Tests::One { field, test: Test::Compare(..) | Test::Between(..), .. } if field.is_empty());
        if let (Base::Named(words), true, Quantifier::Plain) =
            (&subject.base, unnamed && single(tests), quantifier)
            && prefix.is_empty()
        {
            prefix = vec![words.clone()];
            let guess = Found { path: prefix.clone(), ..found.clone() };
            self.guess(subject, &guess, scope);
        }
        let owner_is_list = scope.is_list(&found);
        let plain = quantifier == Quantifier::Plain;
        let whole = prefix.is_empty() && first_field_is_empty(tests);
        let scalar = scope.known_at(&found.root).is_some_and(|known| known.shape == Shape::Scalar);
        if plain && whole && (scalar || about_whole(tests)) {
            return self.whole(&found, tests, scope);
        }
        if plain
            && whole
            && (!matches!(subject.base, Base::Pronoun)
                || !matches!(tests, Tests::One { test: Test::Compare(..) | Test::Between(..), .. })
                || owner_is_list)
        {
            return Err(format!(
                "Name the field of {} to look at.",
                if found.noun.is_empty() { "it" } else { &found.noun }
            ));
        }
        if !plain || owner_is_list {
            // "any order is late": without a field there is nothing to compare.
            if whole && !matches!(subject.base, Base::Pronoun) {
                return Err(format!("Name the field of each {} to look at.", words::singular(&found.noun)));
            }
            if let Some(word) = prefix
                .last_mut()
                .filter(|segment| !plain && segment.len() == 1)
                .and_then(|segment| segment.last_mut())
            {
                *word = words::singular(word);
            }
            if plain {
                // "the total" of many orders.
                let said = (self.quote)(&subject.places);
                self.notes.warn(format!("\"{said}\" is taken as the one of any of {}", found.noun));
            }
            return Ok(self.over_list(quantifier, &found, &prefix, tests, scope));
        }
        let root = self.base(&found, scope);
        if let Some(known) = scope.known_at(&found.root).filter(|_| !whole) {
            self.seen.entry(known.key.clone()).or_default().member = true;
        }
        let tests = prefixed(&prefix, tests);
        Ok(Compiled {
            jq: jq::tests(&root, &Path::new(), &tests),
            selection: None,
            words: tests_words(&tests),
            name: check_name(&tests),
            picked: None,
        })
    }

    fn over_list(
        &mut self,
        quantifier: Quantifier,
        found: &Found,
        prefix: &Path,
        tests: &Tests,
        scope: &Scope,
    ) -> Compiled {
        let list = self.as_list(found, scope);
        let tests = prefixed(prefix, tests);
        let test = jq::tests(".", &Path::new(), &tests);
        let said = tests_words(&tests);
        let noun = found.noun.clone();
        let matches = format!("[{list}[] | select({test})]");
        let selected = |list: &str| Some(Spoken::Selection { list: list.to_owned(), noun: noun.clone() });
        let (jq, selection, words) = match quantifier {
            Quantifier::Plain | Quantifier::Any => {
                (format!("any({list}[]; {test})"), selected(&matches), format!("any {said}"))
            }
            Quantifier::All => {
                (format!("all({list}[]; {})", jq::truth(&test)), None, format!("every {said}"))
            }
            Quantifier::None => (format!("any({list}[]; {test}) | not"), None, format!("no {said}")),
            Quantifier::Number(comparison, number) => (
                format!("({matches} | length) {} {number}", comparison.jq()),
                selected(&matches),
                format!("the number of items where {said} {} {number}", comparison.words()),
            ),
        };
        let picked = matches!(quantifier, Quantifier::Plain | Quantifier::Any)
            .then(|| (list.clone(), test.clone(), noun.clone()));
        Compiled { jq, selection, words, name: check_name(&tests), picked }
    }

    /// "the number of orders is over 5".
    fn counted(&mut self, subject: &Phrase, tests: &Tests, scope: &Scope) -> Result<Compiled, String> {
        let Tests::One { field, test: Test::Compare(comparison, Literal::Number(number)), negated } = tests
        else {
            return Err("A number of things can be compared with a number.".into());
        };
        if !field.is_empty() {
            return Err("A number of things has no fields.".into());
        }
        let (list, noun) = self.items(subject, scope).map_err(|lost| reason(&lost))?;
        let compared = format!("({list} | length) {} {number}", comparison.jq());
        let not = if *negated { "not " } else { "" };
        Ok(Compiled {
            jq: if *negated { format!("{compared} | not") } else { compared },
            selection: None,
            words: format!("{not}the number of {} {} {number}", words::plural(&noun), comparison.words()),
            name: vec!["check".into(), "number".into(), "of".into(), words::plural(&noun)],
            picked: None,
        })
    }

    /// Tests of the data itself: "the count is over 5", "it is empty", "the response contains 'error'".
    fn whole(&mut self, found: &Found, tests: &Tests, scope: &Scope) -> Result<Compiled, String> {
        let empty = matches!(tests, Tests::One { test: Test::Empty, .. });
        let root =
            if empty && scope.is_list(found) { self.as_list(found, scope) } else { self.base(found, scope) };
        let noun = if found.noun.is_empty() { "it" } else { &found.noun };
        let named = prefixed(&vec![vec![noun.to_owned()]], tests);
        Ok(Compiled {
            jq: jq::tests(&root, &Path::new(), tests),
            selection: None,
            words: tests_words(&named),
            name: vec!["check".into(), noun.to_owned()],
            picked: None,
        })
    }
}

fn members(root: &str, fields: &[Path]) -> String {
    let members: Vec<String> =
        fields.iter().map(|field| format!("{}: {}", field_key(field), jq::access(root, field))).collect();
    members.join(", ")
}

fn reason(lost: &Lost) -> String {
    match lost {
        Lost::Several(names) => format!("It could mean one of these, or all: {names}."),
        Lost::Unknown => "Nothing is fetched or named before it.".into(),
        Lost::Gap(words) => format!("It needs \"{words}\", which is not in the workflow."),
    }
}

fn first_field_is_empty(tests: &Tests) -> bool {
    match tests {
        Tests::One { field, .. } => field.is_empty(),
        Tests::All(parts) | Tests::Any(parts) => parts.first().is_some_and(first_field_is_empty),
    }
}

/// Tests that make sense of a whole response.
fn about_whole(tests: &Tests) -> bool {
    matches!(
        tests,
        Tests::One {
            test: Test::Empty | Test::Missing | Test::Contains(_) | Test::StartsWith(_) | Test::EndsWith(_),
            ..
        }
    )
}

/// The prefix belongs to the first test, whose field the subject was; the others name their own.
fn prefixed(prefix: &Path, tests: &Tests) -> Tests {
    match tests {
        Tests::One { field, test, negated } => Tests::One {
            field: [prefix.clone(), field.clone()].concat(),
            test: test.clone(),
            negated: *negated,
        },
        Tests::All(parts) => Tests::All(first_prefixed(prefix, parts)),
        Tests::Any(parts) => Tests::Any(first_prefixed(prefix, parts)),
    }
}

fn first_prefixed(prefix: &Path, parts: &[Tests]) -> Vec<Tests> {
    let same = parts
        .first()
        .map(|first| super::predicate::fields(first).into_iter().next().cloned().unwrap_or_default());
    parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            // "is open or pending" repeats the field of the first.
            let repeats = match part {
                Tests::One { field, .. } => field.is_empty() && same.as_ref().is_some_and(Vec::is_empty),
                _ => false,
            };
            if at == 0 || repeats { prefixed(prefix, part) } else { part.clone() }
        })
        .collect()
}

/// A comparison of a status with a number, in words.
pub fn status_words(comparison: Comparison, status: u64) -> String {
    format!("the status {} {status}", comparison.words())
}
