//! Cuts a request into tokens that know where they stood, so that everything later can quote the user's own words.
//!
//! Addresses, quoted texts, numbers, times, spans of time and JSON literals are one token each. Nothing is lost: what has
//! no other meaning becomes a [`Kind::Symbol`]. Contractions become two tokens ("don't": do, not) with the same place.

use std::ops::Range;

use serde_json::Value;

use super::words;

#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub kind: Kind,
    /// Bytes of the request.
    pub span: Range<usize>,
    /// In lower case, with straight apostrophes; for a possessive, without its ending.
    pub text: String,
    /// "order's", "orders'".
    pub possessive: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Word,
    /// As JSON writes it; currency signs, thousands separators and a percent sign are left out.
    Number(serde_json::Number),
    /// 1st, 2nd …
    Ordinal(u32),
    Time(Clock),
    /// In milliseconds: 30s, 5m, 500ms.
    Span(u64),
    Url(String),
    /// An address without its scheme.
    Domain(String),
    Email(String),
    Quoted(String),
    Json(Value),
    Comma,
    Colon,
    /// End of a sentence or of a line that is one.
    Stop,
    Bullet,
    Dash,
    /// `>`, `>=`, `=`, `!=` …
    Operator(&'static str),
    Open,
    Close,
    Symbol,
}

/// A time of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clock {
    pub hour: u8,
    pub minute: u8,
    /// Morning or afternoon was said, or the hour leaves no doubt.
    pub exact: bool,
}

/// How deep a JSON literal may nest; the document adds its own levels.
const JSON_DEPTH_MAX: usize = 24;

/// Cuts `request` into tokens, in order.
pub fn tokens(request: &str) -> Vec<Token> {
    let mut lexer = Lexer { text: request, at: 0, tokens: Vec::new(), items: 0 };
    lexer.line_start();
    while lexer.at < request.len() {
        lexer.next();
    }
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    /// The number of the list item last seen, so that "2." after "1." is known as one.
    items: u64,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn before(&self) -> Option<char> {
        self.text[..self.at].chars().next_back()
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let span = self.at..self.at + length;
        let text = plain(&self.text[span.clone()]);
        self.tokens.push(Token { kind, span, text, possessive: false });
        self.at += length;
    }

    fn next(&mut self) {
        let Some(c) = self.rest().chars().next() else { return };
        if c == '\n' {
            self.at += 1;
            self.line_start();
        } else if c.is_whitespace() || is_invisible(c) {
            self.at += c.len_utf8();
        } else if self.list_number() || self.quoted(c) || self.json(c) || self.address() {
        } else if c.is_ascii_digit() || is_currency(c) || (c == '-' && self.starts_negative()) {
            self.number(c);
        } else if c.is_alphanumeric()
            || c == '_'
            || (c == '#' && self.rest()[1..].starts_with(char::is_alphabetic))
        {
            self.word();
        } else {
            self.punctuation(c);
        }
    }

    /// A new line ends a sentence when a list item, an empty line or something that begins a clause follows.
    fn line_start(&mut self) {
        let rest = self.rest();
        let spaces = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
        let line = &rest[spaces..];
        let first = line.chars().next();
        let bullet = first
            .filter(|c| matches!(c, '-' | '*' | '•' | '–' | '·'))
            .filter(|c| line[c.len_utf8()..].starts_with([' ', '\t']));
        let word: String =
            line.chars().take_while(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
        let begins = first.is_some_and(char::is_uppercase) || words::opens_clause(&word);
        if self.at > 0 && (first.is_none_or(|c| c == '\n') || bullet.is_some() || begins) {
            let at = self.at - 1;
            self.tokens.push(Token {
                kind: Kind::Stop,
                span: at..at + 1,
                text: "\n".into(),
                possessive: false,
            });
        }
        if let Some(bullet) = bullet {
            self.at += spaces;
            self.push(Kind::Bullet, bullet.len_utf8());
        }
    }

    /// "1." or "2)" where the count of the list is due.
    fn list_number(&mut self) -> bool {
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 2 || !rest[digits..].starts_with(['.', ')']) {
            return false;
        }
        let after = &rest[digits + 1..];
        let Ok(number) = rest[..digits].parse::<u64>() else { return false };
        let fresh = self.tokens.last().is_none_or(|token| matches!(token.kind, Kind::Stop | Kind::Colon));
        let due = number == self.items + 1
            && (fresh || number > 1)
            && !self.before().is_some_and(char::is_alphanumeric);
        if !due || !after.starts_with(' ') || !after.trim_start().starts_with(char::is_alphabetic) {
            return false;
        }
        self.items = number;
        if !fresh {
            self.push_stop();
        }
        self.push(Kind::Bullet, digits + 1);
        true
    }

    fn push_stop(&mut self) {
        self.tokens.push(Token {
            kind: Kind::Stop,
            span: self.at..self.at,
            text: String::new(),
            possessive: false,
        });
    }

    fn quoted(&mut self, open: char) -> bool {
        let close = match open {
            '"' => '"',
            '“' | '„' => '”',
            '\'' => '\'',
            '‘' => '’',
            '«' => '»',
            '`' => '`',
            _ => return false,
        };
        let single = matches!(open, '\'' | '‘');
        if single && self.before().is_some_and(char::is_alphanumeric) {
            return false;
        }
        let body = &self.rest()[open.len_utf8()..];
        // An apostrophe inside single quotes is no end: the end is followed by no letter.
        let end = body.char_indices().find(|(at, c)| {
            (*c == close || (open == '„' && *c == '“'))
                && !(single && body[at + c.len_utf8()..].starts_with(char::is_alphanumeric))
        });
        let Some((end, mark)) = end else { return false };
        let text = body[..end].to_owned();
        let length = open.len_utf8() + end + mark.len_utf8();
        self.push(Kind::Quoted(text), length);
        true
    }

    fn json(&mut self, c: char) -> bool {
        if !matches!(c, '{' | '[') {
            return false;
        }
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else { return false };
        let length = values.byte_offset();
        if depth(&value) > JSON_DEPTH_MAX {
            return false;
        }
        self.push(Kind::Json(value), length);
        true
    }

    /// `scheme://…`, an e-mail address, or an address without a scheme.
    fn address(&mut self) -> bool {
        if self.before().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            return false;
        }
        let rest = self.rest();
        let chunk_end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '“' | '”'));
        let chunk = trim_address(&rest[..chunk_end.unwrap_or(rest.len())]);
        let scheme = chunk.find("://").filter(|at| {
            *at > 0 && chunk[..*at].chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        });
        let length = chunk.len();
        if scheme.is_some_and(|at| length > at + 3) {
            let url = chunk.to_owned();
            self.push(Kind::Url(url), length);
        } else if is_email(chunk) {
            let email = chunk.to_owned();
            self.push(Kind::Email(email), length);
        } else if is_domain(chunk) {
            let domain = chunk.to_owned();
            self.push(Kind::Domain(domain), length);
        } else {
            return false;
        }
        true
    }

    fn starts_negative(&self) -> bool {
        self.rest()[1..].starts_with(|c: char| c.is_ascii_digit())
            && !self.before().is_some_and(|c| c.is_alphanumeric())
    }

    fn number(&mut self, first: char) {
        let rest = self.rest();
        let currency = if is_currency(first) { first.len_utf8() } else { 0 };
        let sign = usize::from(rest[currency..].starts_with('-'));
        let start = currency + sign;
        let body = &rest[start..];
        if !body.starts_with(|c: char| c.is_ascii_digit()) {
            self.push(Kind::Symbol, first.len_utf8());
            return;
        }
        if currency == 0
            && sign == 0
            && let Some((clock, length)) = time(body)
        {
            self.push(Kind::Time(clock), length);
            return;
        }
        if is_date(body) {
            self.word();
            return;
        }
        let (digits, length) = digits(body);
        let tail = &body[length..];
        let letters: String =
            tail.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '-').collect();
        let total = start + length;
        if letters.is_empty() || letters.starts_with('-') {
            let text = if sign > 0 { format!("-{digits}") } else { digits };
            let percent = usize::from(tail.starts_with('%'));
            match text.parse::<serde_json::Number>() {
                Ok(number) => self.push(Kind::Number(number), total + percent),
                // Leading zeros and the like are names more than numbers.
                Err(_) => self.push(Kind::Word, total),
            }
            return;
        }
        let suffix = letters.to_lowercase();
        let whole = digits.parse::<u64>().ok();
        let total = total + letters.len();
        match (whole, suffix.as_str()) {
            (Some(n), "st" | "nd" | "rd" | "th") if n <= 366 => {
                self.push(Kind::Ordinal(u32::try_from(n).unwrap_or(0)), total);
            }
            (Some(n), unit) if words::short_unit_ms(unit).is_some() => {
                let span = words::short_unit_ms(unit).and_then(|unit| unit.checked_mul(n));
                match span {
                    Some(span) => self.push(Kind::Span(span), total),
                    None => self.push(Kind::Symbol, total),
                }
            }
            (Some(n), "k") if currency > 0 || n < 1_000_000 => {
                self.push(Kind::Number((n.saturating_mul(1000)).into()), total);
            }
            // 2026-01-31, 3d-model and the like.
            _ => self.word(),
        }
    }

    fn word(&mut self) {
        let rest = self.rest();
        let mut end = 0;
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            let inside = at > 0
                && matches!(c, '-' | '\'' | '’' | '.' | '/' | '@')
                && next.is_some_and(|c| c.is_alphanumeric() || c == '_');
            if c.is_alphanumeric() || c == '_' || is_mark(c) || inside || (at == 0 && matches!(c, '#' | '-'))
            {
                end = at + c.len_utf8();
            } else {
                break;
            }
        }
        if end == 0 {
            end = rest.chars().next().map_or(0, char::len_utf8);
        }
        let text = plain(&rest[..end]);
        // "orders' total": the apostrophe after a plural.
        let plural_possessive = text.ends_with('s')
            && rest[end..].starts_with(['\'', '’'])
            && rest[end..].chars().nth(1).is_some_and(char::is_whitespace);
        for (stem, rest_words) in words::CONTRACTIONS {
            if text == *stem {
                for word in *rest_words {
                    let span = self.at..self.at + end;
                    self.tokens.push(Token {
                        kind: Kind::Word,
                        span,
                        text: (*word).into(),
                        possessive: false,
                    });
                }
                self.at += end;
                return;
            }
        }
        let mark = if plural_possessive { rest[end..].chars().next().map_or(0, char::len_utf8) } else { 0 };
        let stem = text.strip_suffix("'s").map(str::to_owned);
        self.push(Kind::Word, end + mark);
        if let Some(token) = self.tokens.last_mut() {
            token.possessive = plural_possessive || stem.is_some();
            token.text = stem.unwrap_or(text);
        }
    }

    fn punctuation(&mut self, c: char) {
        let rest = self.rest();
        const OPERATORS: [(&str, &str); 12] = [
            (">=", ">="),
            ("=>", ">="),
            ("<=", "<="),
            ("!=", "!="),
            ("<>", "!="),
            ("==", "=="),
            ("=", "=="),
            (">", ">"),
            ("<", "<"),
            ("≥", ">="),
            ("≤", "<="),
            ("≠", "!="),
        ];
        if let Some((text, operator)) = OPERATORS.iter().find(|(text, _)| rest.starts_with(text)) {
            self.push(Kind::Operator(operator), text.len());
            return;
        }
        let kind = match c {
            ',' | '，' | '、' => Kind::Comma,
            ':' => Kind::Colon,
            '.' | '!' | '?' | ';' | '。' | '…' => Kind::Stop,
            '(' | '[' => Kind::Open,
            ')' | ']' => Kind::Close,
            '-' | '–' | '—' => Kind::Dash,
            _ => Kind::Symbol,
        };
        self.push(kind, c.len_utf8());
    }
}

/// Lower case with straight apostrophes, the form that the tables are written in.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c == '’' { '\'' } else { c }).flat_map(char::to_lowercase).collect()
}

fn is_currency(c: char) -> bool {
    matches!(c, '£' | '$' | '€' | '¥' | '₹')
}

/// Zero-width characters and controls, which people paste without seeing them.
fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Combining marks belong to the word before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0900}'..='\u{0903}' | '\u{093a}'..='\u{094f}' | '\u{200d}')
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Without the punctuation of the sentence around it.
fn trim_address(chunk: &str) -> &str {
    let mut chunk = chunk;
    loop {
        let Some(last) = chunk.chars().next_back() else { return chunk };
        let loose = matches!(last, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '’' | '*')
            || (last == ')' && chunk.matches(')').count() > chunk.matches('(').count())
            || (last == ']' && chunk.matches(']').count() > chunk.matches('[').count());
        if !loose {
            return chunk;
        }
        chunk = &chunk[..chunk.len() - last.len_utf8()];
    }
}

fn is_email(chunk: &str) -> bool {
    let Some((user, host)) = chunk.split_once('@') else { return false };
    let plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+'));
    !user.is_empty() && plain(user) && plain(host) && host.contains('.') && !host.starts_with('.')
}

fn is_domain(chunk: &str) -> bool {
    let host_end = chunk.find(['/', '?']).unwrap_or(chunk.len());
    let (host, path) = chunk.split_at(host_end);
    let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit())) {
        return false;
    }
    if host.eq_ignore_ascii_case("localhost") {
        return port.is_some() || !path.is_empty();
    }
    let labels: Vec<&str> = host.split('.').collect();
    let label = |text: &&str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !text.starts_with('-')
    };
    if labels.len() < 2 || !labels.iter().all(label) {
        return false;
    }
    if labels.len() == 4 && labels.iter().all(|label| label.parse::<u8>().is_ok()) {
        return true;
    }
    labels.last().is_some_and(|last| words::TOP_LEVEL_DOMAINS.contains(&last.to_ascii_lowercase().as_str()))
}

/// 2026-01-31, with or without a time.
fn is_date(text: &str) -> bool {
    let form = b"0000-00-00";
    let bytes = text.as_bytes();
    bytes.len() >= form.len()
        && form
            .iter()
            .zip(bytes)
            .all(|(form, byte)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form })
}

/// A number at the start of `text` without its thousands separators, and its length.
fn digits(text: &str) -> (String, usize) {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut number = String::new();
    let mut at = 0;
    while digit(at) {
        number.push(char::from(bytes[at]));
        at += 1;
    }
    let group = |at: usize| bytes.get(at) == Some(&b',') && (1..=3).all(|n| digit(at + n)) && !digit(at + 4);
    if at <= 3 {
        while group(at) {
            number.push_str(&text[at + 1..at + 4]);
            at += 4;
        }
    }
    if bytes.get(at) == Some(&b'.') && digit(at + 1) {
        number.push('.');
        at += 1;
        while digit(at) {
            number.push(char::from(bytes[at]));
            at += 1;
        }
    }
    (number, at)
}

/// "9am", "9:30 pm", "17:30", "9.30am", "17h30", with its length.
fn time(text: &str) -> Option<(Clock, usize)> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=2).contains(&count) {
        return None;
    }
    let mut hour: u8 = text[..count].parse().ok()?;
    let mut at = count;
    let mut minute = 0;
    let mut has_minute = false;
    let two = |at: usize| text.get(at..at + 2).filter(|m| m.bytes().all(|b| b.is_ascii_digit()));
    if text[at..].starts_with([':', '.', 'h'])
        && let Some(minutes) =
            two(at + 1).filter(|_| !text[at + 3..].starts_with(|c: char| c.is_ascii_digit()))
    {
        minute = minutes.parse().ok()?;
        has_minute = true;
        at += 3;
    }
    let dotted = has_minute && text[count..].starts_with('.');
    let tail = text[at..].trim_start_matches(' ');
    let gap = text[at..].len() - tail.len();
    let lower: String = tail.chars().take(4).flat_map(char::to_lowercase).collect();
    for (mark, afternoon) in [("a.m.", false), ("p.m.", true), ("am", false), ("pm", true)] {
        let ends =
            lower.starts_with(mark) && !tail.get(mark.len()..)?.starts_with(|c: char| c.is_alphanumeric());
        if gap <= 1 && ends && (1..=12).contains(&hour) && minute < 60 {
            hour = hour % 12 + if afternoon { 12 } else { 0 };
            return Some((Clock { hour, minute, exact: true }, at + gap + mark.len()));
        }
    }
    let separate = !text[at..].starts_with(|c: char| c.is_alphanumeric() || c == ':');
    (has_minute && !dotted && hour < 24 && minute < 60 && separate)
        .then_some((Clock { hour, minute, exact: count == 2 }, at))
}
