//! What looks like an address of a person or like a secret is taken out of what is told to others.
//!
//! The log says neither on purpose. But it quotes what databases, mail servers and other systems say, and these quote what they were
//! given.

use levqor_model::audit::masked_email;

const HIDDEN: &str = "…";
/// How secrets begin, ours and those that are often set beside them.
const BEGINNINGS: [&str; 6] = ["lvq_", "whsec_", "sk_live_", "sk_test_", "rk_live_", "sk-"];
/// Names of values that are secrets.
const NAMES: [&str; 5] = ["password", "passwd", "secret", "token", "key"];

/// The text with e-mail addresses as far as they may be shown, and without secrets.
pub(super) fn scrubbed(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let (mut rest, mut is_secret) = (text, false);
    while let Some(first) = rest.chars().next() {
        if is_between(first) {
            told.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(rest.find(is_between).unwrap_or(rest.len()));
        rest = after;
        // Quotes within quotes are escaped.
        let bare = word.trim_end_matches('\\');
        if is_secret && matches!(bare, "" | ":") {
            // What JSON has between a name and its value.
            told.push_str(word);
            continue;
        }
        told.push_str(&if is_secret { HIDDEN.to_owned() } else { shown(word) });
        let names_what_follows = after.starts_with('=') || after.starts_with("\":");
        is_secret = word.eq_ignore_ascii_case("bearer") || (names_what_follows && is_name_of_secret(bare));
    }
    told
}

/// What stands between words.
fn is_between(c: char) -> bool {
    c.is_whitespace() || "\"'`<>()[]{},;=|&".contains(c)
}

fn is_name_of_secret(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    NAMES.iter().any(|name| word.ends_with(name))
}

fn shown(word: &str) -> String {
    if let Some(beginning) = BEGINNINGS.iter().find(|beginning| word.starts_with(**beginning)) {
        return format!("{beginning}{HIDDEN}");
    }
    match word.split_once("://") {
        Some((scheme, address)) => {
            let (authority, path) = address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
            match authority.rsplit_once('@') {
                Some((_, host)) => format!("{scheme}://{HIDDEN}@{host}{path}"),
                None => word.to_owned(),
            }
        }
        None if word.contains('@') => masked_email(word),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_masked_and_secrets_are_gone() {
        for (text, told) in [
            ("it broke: connection refused (os error 111)", "it broke: connection refused (os error 111)"),
            ("no mailbox: ada.lovelace@example.com", "no mailbox: a…@example.com"),
            ("Key (email)=(ada@example.com) already exists", "Key (email)=(a…@example.com) already exists"),
            ("<ada@example.com>,\"bob@example.org\"", "<a…@example.com>,\"b…@example.org\""),
            ("postgres://levqor:hunter2@db.example:5432/levqor", "postgres://…@db.example:5432/levqor"),
            ("see https://example.com/a?b=c", "see https://example.com/a?b=c"),
            ("key lvq_0123456789abcdef was refused", "key lvq_… was refused"),
            ("Authorization: Bearer eyJhbGciOi.x.y", "Authorization: Bearer …"),
            ("password=hunter2&user=ada", "password=…&user=ada"),
            ("SMTP_PASSWORD='hunter2'", "SMTP_PASSWORD='…'"),
            ("a key = 5", "a key = 5"),
            (r#"{"password":"hunter2","user":"ada"}"#, r#"{"password":"…","user":"ada"}"#),
            (r#"{"api_key": "hunter2"}"#, r#"{"api_key": "…"}"#),
            (r#"{\"token\": \"hunter2\"}"#, r#"{\"token\": \"…"}"#),
            ("a configuration key: limits.effects", "a configuration key: limits.effects"),
        ] {
            assert_eq!(scrubbed(text), told);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_shows_an_address(before in ".{0,20}", after in ".{0,20}") {
            let told = scrubbed(&format!("{before} ada.lovelace@example.com {after}"));
            prop_assert!(!told.contains("lovelace"), "{}", told);
        }
    }
}
