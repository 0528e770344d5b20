//! The vocabulary of the grammar: tables of words, and what English does to them (endings, numbers in letters, units).

/// Words that carry no instruction of their own, so that leaving one unread loses nothing: articles, auxiliaries,
/// plain prepositions, pronouns and politeness. Negations, quantities and conditions are not among them.
pub const FUNCTION_WORDS: &[&str] = &[
    "a", "also", "am", "an", "and", "are", "as", "at", "be", "been", "being", "by", "can", "could", "d",
    "dear", "did", "do", "does", "for", "from", "had", "has", "have", "he", "hello", "her", "here", "hey",
    "hi", "him", "his", "i", "in", "into", "is", "it", "its", "itself", "just", "kindly", "let", "like",
    "ll", "may", "me", "might", "must", "my", "of", "ok", "okay", "on", "onto", "our", "ours", "please",
    "re", "shall", "she", "should", "simply", "so", "some", "thank", "thanks", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "to", "too", "us", "ve", "want", "was", "we",
    "were", "which", "who", "will", "with", "would", "you", "your",
];

/// Written as one word, meant as several.
pub const CONTRACTIONS: &[(&str, &[&str])] = &[
    ("don't", &["do", "not"]),
    ("dont", &["do", "not"]),
    ("doesn't", &["does", "not"]),
    ("doesnt", &["does", "not"]),
    ("didn't", &["did", "not"]),
    ("isn't", &["is", "not"]),
    ("isnt", &["is", "not"]),
    ("aren't", &["are", "not"]),
    ("wasn't", &["was", "not"]),
    ("weren't", &["were", "not"]),
    ("won't", &["will", "not"]),
    ("wouldn't", &["would", "not"]),
    ("shouldn't", &["should", "not"]),
    ("mustn't", &["must", "not"]),
    ("can't", &["can", "not"]),
    ("cannot", &["can", "not"]),
    ("couldn't", &["could", "not"]),
    ("hasn't", &["has", "not"]),
    ("haven't", &["have", "not"]),
    ("it's", &["it", "is"]),
    ("that's", &["that", "is"]),
    ("there's", &["there", "is"]),
    ("what's", &["what", "is"]),
    ("let's", &["let", "us"]),
    ("they're", &["they", "are"]),
    ("i'd", &["i", "would"]),
    ("i'm", &["i", "am"]),
    ("i'll", &["i", "will"]),
    ("we'd", &["we", "would"]),
    ("we'll", &["we", "will"]),
    ("you'd", &["you", "would"]),
];

/// Endings that tell an address without a scheme from a name with a dot in it.
pub const TOP_LEVEL_DOMAINS: &[&str] = &[
    "ai",
    "app",
    "at",
    "au",
    "be",
    "biz",
    "br",
    "ca",
    "cc",
    "ch",
    "cloud",
    "cn",
    "co",
    "com",
    "cz",
    "de",
    "dev",
    "dk",
    "edu",
    "es",
    "eu",
    "example",
    "fi",
    "fr",
    "gov",
    "ie",
    "in",
    "invalid",
    "io",
    "it",
    "jp",
    "kr",
    "local",
    "localhost",
    "me",
    "mx",
    "net",
    "nl",
    "no",
    "nz",
    "online",
    "org",
    "pl",
    "pt",
    "ru",
    "se",
    "sh",
    "shop",
    "site",
    "test",
    "tech",
    "tv",
    "uk",
    "us",
    "xyz",
    "za",
];

/// What a clause asks for, by its verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reads an address.
    Get,
    /// Sends to an address with this method.
    Send(&'static str),
    /// "make a POST request to …": the method is in the object.
    Request,
    Delete,
    Notify,
    Email,
    Wait,
    Retry,
    Repeat,
    GiveUp,
    Stop,
    Fail,
    Set,
    Save,
    Keep,
    Remove,
    Count,
    Sum,
    Average,
    Greatest,
    Sort,
    Take,
    Reverse,
    /// Needs a model.
    Ai,
    /// Needs a person.
    Approve,
    Ask,
}

const VERBS: &[(Verb, &[&str])] = &[
    (
        Verb::Get,
        &[
            "fetch", "get", "read", "download", "pull", "load", "retrieve", "query", "grab", "check", "ping",
            "poll", "call", "hit", "visit", "request", "monitor", "watch", "test", "look", "import",
            "collect", "access",
        ],
    ),
    (
        Verb::Send("post"),
        &[
            "post", "send", "submit", "push", "forward", "upload", "report", "deliver", "publish", "pass",
            "write", "export", "copy", "relay", "transmit", "transfer",
        ],
    ),
    (Verb::Send("put"), &["put"]),
    (Verb::Send("patch"), &["patch"]),
    (Verb::Request, &["make", "do", "issue", "perform", "invoke"]),
    (Verb::Delete, &["delete"]),
    (Verb::Notify, &["notify", "alert", "tell", "inform", "warn", "message", "announce"]),
    (Verb::Email, &["email", "e-mail", "mail"]),
    (Verb::Wait, &["wait", "pause", "sleep", "delay"]),
    (Verb::Retry, &["retry", "re-try"]),
    (Verb::Repeat, &["try", "attempt"]),
    (Verb::GiveUp, &["give", "time", "timeout", "abandon"]),
    (Verb::Stop, &["stop", "end", "finish", "exit", "quit", "halt"]),
    (Verb::Fail, &["fail", "raise", "throw", "abort", "error"]),
    (Verb::Set, &["set"]),
    (Verb::Save, &["save", "remember", "store", "name"]),
    (Verb::Keep, &["keep", "filter", "select", "pick", "leave"]),
    (Verb::Remove, &["remove", "drop", "exclude", "discard", "dedupe", "deduplicate"]),
    (Verb::Count, &["count"]),
    (Verb::Sum, &["sum", "add", "total"]),
    (Verb::Average, &["average"]),
    (Verb::Greatest, &["find"]),
    (Verb::Sort, &["sort", "order"]),
    (Verb::Take, &["take", "limit"]),
    (Verb::Reverse, &["reverse"]),
    (
        Verb::Ai,
        &[
            "summarise",
            "summarize",
            "classify",
            "translate",
            "extract",
            "generate",
            "analyse",
            "analyze",
            "categorise",
            "categorize",
            "rewrite",
            "draft",
            "compose",
            "rate",
            "tag",
            "label",
            "suggest",
            "explain",
            "describe",
        ],
    ),
    (Verb::Approve, &["approve"]),
    (Verb::Ask, &["ask"]),
];

/// The verb that `word` is a form of: fetch, fetches, fetching.
pub fn verb(word: &str) -> Option<Verb> {
    let exact = |stem: &str| VERBS.iter().find(|(_, words)| words.contains(&stem)).map(|(verb, _)| *verb);
    if let Some(verb) = exact(word) {
        return Some(verb);
    }
    let third = word.strip_suffix("es").and_then(exact).or_else(|| word.strip_suffix('s').and_then(exact));
    let third = third.or_else(|| word.strip_suffix("ies").and_then(|stem| exact(&format!("{stem}y"))));
    let ing = word.strip_suffix("ing").and_then(|stem| {
        exact(stem).or_else(|| exact(&format!("{stem}e"))).or_else(|| {
            let mut chars = stem.chars().rev();
            let doubled = chars.next().is_some_and(|last| chars.next() == Some(last));
            doubled.then(|| exact(&stem[..stem.len() - 1])).flatten()
        })
    });
    third.or(ing)
}

/// Verbs that are as often nouns; alone at the start of a line or after "and" they need more to be believed.
pub fn is_noun_too(word: &str) -> bool {
    const NOUNS: &[&str] = &[
        "order", "orders", "total", "totals", "count", "counts", "name", "names", "email", "emails", "mail",
        "e-mail", "time", "times", "timeout", "message", "messages", "alert", "alerts", "report", "reports",
        "requests", "error", "errors", "label", "labels", "tag", "tags", "rate", "rates", "average", "end",
        "ends", "posts", "store", "stores", "set", "sets", "test", "tests", "calls", "average", "delay",
        "delays", "limit", "limits", "draft", "drafts", "address", "test", "sum", "sums", "attempts",
        "tries", "do", "does", "doing",
    ];
    NOUNS.contains(&word)
}

/// Whether a clause can begin with this word.
pub fn opens_clause(word: &str) -> bool {
    const OPENERS: &[&str] = &[
        "if",
        "when",
        "whenever",
        "unless",
        "otherwise",
        "else",
        "then",
        "finally",
        "afterwards",
        "once",
        "meanwhile",
        "simultaneously",
        "loop",
        "every",
        "never",
    ];
    OPENERS.contains(&word) || (verb(word).is_some() && !is_noun_too(word))
}

pub fn is_function_word(word: &str) -> bool {
    FUNCTION_WORDS.contains(&word)
}

/// A number in letters, up to a hundred.
pub fn number(word: &str) -> Option<u64> {
    const SMALL: &[&str] = &[
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    const TENS: &[(&str, u64)] = &[
        ("twenty", 20),
        ("thirty", 30),
        ("forty", 40),
        ("fifty", 50),
        ("sixty", 60),
        ("seventy", 70),
        ("eighty", 80),
        ("ninety", 90),
        ("hundred", 100),
        ("thousand", 1000),
    ];
    if let Some(at) = SMALL.iter().position(|small| *small == word) {
        return u64::try_from(at).ok();
    }
    if let Some((_, value)) = TENS.iter().find(|(tens, _)| *tens == word) {
        return Some(*value);
    }
    let (tens, ones) = word.split_once('-')?;
    let tens = TENS.iter().find(|(word, value)| *word == tens && *value < 100)?.1;
    let ones = SMALL.iter().position(|small| *small == ones).filter(|ones| (1..10).contains(ones))?;
    Some(tens + u64::try_from(ones).ok()?)
}

/// first, second … in letters.
pub fn ordinal(word: &str) -> Option<u32> {
    const WORDS: &[&str] = &[
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
    ];
    WORDS.iter().position(|ordinal| *ordinal == word).and_then(|at| u32::try_from(at + 1).ok())
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    /// None for units whose length varies.
    pub fn ms(self) -> Option<u64> {
        Some(match self {
            Self::Millisecond => 1,
            Self::Second => 1_000,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Week => 604_800_000,
            Self::Month | Self::Quarter | Self::Year => return None,
        })
    }
}

pub fn unit(word: &str) -> Option<Unit> {
    Some(match word {
        "millisecond" | "milliseconds" | "ms" => Unit::Millisecond,
        "second" | "seconds" | "sec" | "secs" => Unit::Second,
        "minute" | "minutes" | "min" | "mins" => Unit::Minute,
        "hour" | "hours" | "hr" | "hrs" => Unit::Hour,
        "day" | "days" => Unit::Day,
        "week" | "weeks" => Unit::Week,
        "month" | "months" => Unit::Month,
        "quarter" | "quarters" => Unit::Quarter,
        "year" | "years" => Unit::Year,
        _ => return None,
    })
}

/// Units that stand right behind their number: 30s, 5m, 2h.
pub fn short_unit_ms(word: &str) -> Option<u64> {
    match word {
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => unit(word).and_then(Unit::ms),
    }
}

/// 0 for Sunday, as cron counts.
pub fn weekday(word: &str) -> Option<u8> {
    const DAYS: &[&[&str]] = &[
        &["sunday", "sundays", "sun"],
        &["monday", "mondays", "mon"],
        &["tuesday", "tuesdays", "tue", "tues"],
        &["wednesday", "wednesdays", "wed"],
        &["thursday", "thursdays", "thu", "thur", "thurs"],
        &["friday", "fridays", "fri"],
        &["saturday", "saturdays", "sat"],
    ];
    DAYS.iter().position(|names| names.contains(&word)).and_then(|at| u8::try_from(at).ok())
}

/// 1 for January.
pub fn month(word: &str) -> Option<u8> {
    const MONTHS: &[&[&str]] = &[
        &["january", "jan"],
        &["february", "feb"],
        &["march", "mar"],
        &["april", "apr"],
        &["may"],
        &["june", "jun"],
        &["july", "jul"],
        &["august", "aug"],
        &["september", "sep", "sept"],
        &["october", "oct"],
        &["november", "nov"],
        &["december", "dec"],
    ];
    MONTHS.iter().position(|names| names.contains(&word)).and_then(|at| u8::try_from(at + 1).ok())
}

pub const DAY_NAMES: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub const MONTH_NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Whether the noun looks like several of its kind.
pub fn is_plural(word: &str) -> bool {
    const OTHERS: &[&str] = &["people", "children", "data", "entries", "ids"];
    const SINGULAR: &[&str] = &["news", "series", "always", "sms", "dns", "https"];
    OTHERS.contains(&word)
        || (word.len() > 3
            && word.ends_with('s')
            && !word.ends_with("ss")
            && !word.ends_with("us")
            && !word.ends_with("is")
            && !SINGULAR.contains(&word))
}

/// "order" → "orders".
pub fn plural(noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if is_plural(noun) => noun.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if noun.ends_with(['s', 'x']) || noun.ends_with("ch") || noun.ends_with("sh") => {
            format!("{noun}es")
        }
        _ => format!("{noun}s"),
    }
}

/// "orders" → "order", "entries" → "entry", "boxes" → "box"; others stay.
pub fn singular(word: &str) -> String {
    if word == "people" {
        return "person".into();
    }
    if word == "children" {
        return "child".into();
    }
    if !is_plural(word) || word == "data" {
        return word.to_owned();
    }
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    for ending in ["sses", "xes", "ches", "shes", "zes"] {
        if word.ends_with(ending) {
            return word[..word.len() - 2].to_owned();
        }
    }
    word[..word.len() - 1].to_owned()
}
