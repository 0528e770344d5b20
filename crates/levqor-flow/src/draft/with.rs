//! The grammar of what a call carries: "with header X-Api-Version 2", "with name Ann and age 5", "with query limit 10".

use super::{
    call::operand,
    clause::Parser,
    cursor::Cursor,
    form::{Body, Call, Operand, Retry},
    lexer::Kind,
    modifiers::Pauses,
    words,
};

/// Words for what must not stand in a document.
const SECRETS: &[&str] = &[
    "token",
    "password",
    "passwords",
    "credentials",
    "secret",
    "authentication",
    "authorization",
    "auth",
    "api-key",
    "apikey",
    "login",
    "oauth",
    "bearer",
    "certificate",
];

impl Parser<'_> {
    /// What stands behind "with". False when nothing is understood.
    pub(super) fn with(&mut self, call: &mut Call) -> bool {
        let start = self.c.at();
        while self.c.eat(&["a", "an", "the", "these", "this", "following"]).is_some() {}
        if self.secret() {
            let words = self.c.quote(start..self.c.at());
            self.notes.warn(credentials(&words));
            return true;
        }
        if self.c.eat(&["header", "headers", "http-header"]).is_some() {
            if self.secret() {
                let words = self.c.quote(start..self.c.at());
                self.notes.warn(credentials(&words));
                return true;
            }
            return self.pairs_into(&mut call.headers);
        }
        if self.c.eat(&["query", "parameter", "parameters", "param", "params"]).is_some() {
            self.c.eat(&["parameter", "parameters", "param", "params", "string"]);
            return self.pairs_into(&mut call.query);
        }
        if self.c.eat(&["method"]).is_some() {
            let method = ["get", "post", "put", "patch", "delete"]
                .into_iter()
                .find(|method| self.c.word() == Some(method));
            if let Some(method) = method {
                self.c.take();
                call.method = method;
            }
            return method.is_some();
        }
        if let Some(found) = self.c.attempt(timeout) {
            call.timeout_ms = Some(found);
            return true;
        }
        if let Some(found) = self.c.attempt(retries) {
            call.retry = Some(found);
            return true;
        }
        let labelled =
            self.c.eat(&["body", "payload", "json", "data", "fields", "field", "content"]).is_some();
        if labelled {
            self.c.eat(&["of", "body", "data"]);
            if self.c.kind() == Some(&Kind::Colon) {
                self.c.skip();
            }
        }
        match self.c.kind() {
            Some(Kind::Json(value)) if call.method != "get" => {
                call.body = Body::Json(value.clone());
                self.c.take();
                return true;
            }
            Some(Kind::Quoted(text))
                if call.method != "get" && matches!(call.body, Body::Implied | Body::Text(None)) =>
            {
                call.body = Body::Text(Some(text.clone()));
                self.c.take();
                return true;
            }
            _ => {}
        }
        let pairs =
            if call.method == "get" || call.method == "delete" { &mut call.query } else { &mut call.fields };
        let mut found = std::mem::take(pairs);
        let any = self.pairs_into(&mut found);
        let pairs =
            if call.method == "get" || call.method == "delete" { &mut call.query } else { &mut call.fields };
        *pairs = found;
        any
    }

    /// Takes words about credentials up to the end of the clause.
    fn secret(&mut self) -> bool {
        let near = (0..3).any(|ahead| {
            self.c.word_at(ahead).is_some_and(is_secret)
                || (self.c.word_at(ahead) == Some("api") && self.c.word_at(ahead + 1) == Some("key"))
        });
        // "with name Ann and password x": the first word decides, the others are caught as names of fields.
        if near {
            self.take_rest();
        }
        near
    }

    fn pairs_into(&mut self, pairs: &mut Vec<(String, Operand)>) -> bool {
        let start = self.c.at();
        let Some(first) = self.c.attempt(pair) else { return false };
        self.keep_pair(first, start, pairs);
        let mut start = self.c.at();
        while let Some(next) = self.c.attempt(|c| {
            let comma = c.eat_kind(&Kind::Comma);
            let and = c.eat(&["and"]).is_some();
            c.eat(&["with"]);
            c.eat(&["header", "query"]);
            if c.word().is_some_and(words::opens_clause) {
                return None;
            }
            if comma || and { pair(c) } else { None }
        }) {
            self.keep_pair(next, start, pairs);
            start = self.c.at();
        }
        true
    }

    /// A pair whose name says that its value is a credential is refused.
    fn keep_pair(&mut self, pair: (String, Operand), start: usize, pairs: &mut Vec<(String, Operand)>) {
        if is_secret(&pair.0.to_lowercase()) {
            let words = self.c.quote(start..self.c.at());
            let words = words.trim_start_matches([',', ' ']);
            self.notes.warn(credentials(words.strip_prefix("and ").unwrap_or(words)));
        } else if OPTIONS.contains(&pair.0.to_lowercase().as_str()) {
            let words = self.c.quote(start..self.c.at());
            self.notes.warn(format!(
                "\"{words}\" is left out: say it as \"with a timeout of 5 seconds\" or \"retry up to 3 times\""
            ));
        } else {
            pairs.push(pair);
        }
    }
}

/// How a call is made: no field and no parameter of that name is ever meant.
const OPTIONS: &[&str] = &["timeout", "time-out", "retry", "retries", "backoff", "back-off"];

/// Whether a value of this name is a credential: token, X-Token, x-api-key, session_cookie.
fn is_secret(name: &str) -> bool {
    const PARTS: &[&str] = &[
        "token",
        "password",
        "secret",
        "auth",
        "authorization",
        "cookie",
        "credential",
        "bearer",
        "session",
        "signature",
    ];
    const KEYS: &[&str] = &["api", "access", "private", "subscription", "master", "function"];
    let parts: Vec<&str> = name.split(['-', '_', '.']).collect();
    SECRETS.contains(&name)
        || parts.len() > 1
            && parts.iter().any(|part| PARTS.contains(part) || matches!(*part, "apikey" | "authkey"))
        || parts.contains(&"key") && parts.iter().any(|part| KEYS.contains(part))
}

fn credentials(words: &str) -> String {
    format!(
        "\"{words}\" is left out: credentials belong in a secret, not in the text of a workflow; add it to the step afterwards"
    )
}

/// "name Ann", "X-Api-Version: 2", "limit = 10", "status set to open".
fn pair(c: &mut Cursor<'_>) -> Option<(String, Operand)> {
    while c.eat(&["a", "an", "the"]).is_some() {}
    let token = c.peek()?;
    let name = match &token.kind {
        Kind::Word if !words::is_function_word(&token.text) && token.text.len() <= 100 => {
            c.quote(c.at()..c.at() + 1)
        }
        Kind::Quoted(text) if !text.is_empty() && text.len() <= 100 => text.clone(),
        _ => return None,
    };
    c.take();
    let marked = match c.kind()? {
        Kind::Colon => {
            c.skip();
            true
        }
        Kind::Operator("==") => {
            c.take();
            true
        }
        _ => c.eat_any_phrase(&["set to", "equal to", "as", "of", "is", "being"]).is_some(),
    };
    // Two bare words in a row are a pair only when the second ends the clause or the list.
    let value = operand(c)?;
    if let (Operand::Text(_), false) = (&value, marked) {
        let goes_on = c.word().is_some_and(|word| {
            !words::is_function_word(word)
                && !words::opens_clause(word)
                && !matches!(word, "or" | "every" | "otherwise")
        });
        if goes_on {
            return None;
        }
    }
    Some((name, value))
}

/// "a timeout of 10 seconds", "10 seconds timeout".
fn timeout(c: &mut Cursor<'_>) -> Option<u64> {
    if c.eat(&["timeout", "time-out"]).is_some() {
        c.eat(&["of"]);
        return c.span_ms();
    }
    let ms = c.span_ms()?;
    c.eat(&["timeout", "time-out"])?;
    Some(ms)
}

/// "3 retries", "up to 5 retries".
fn retries(c: &mut Cursor<'_>) -> Option<Retry> {
    let _ = c.eat_phrase("up to");
    let count = c.count()?;
    c.eat(&["retries"])?;
    let mut pauses = Pauses::default();
    while pauses.read(c) {}
    Some(pauses.retry(count))
}
