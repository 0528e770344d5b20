//! What `SECURITY_HMAC_SECRET` must be where it matters.
//!
//! Nobody can tell a random text from one that is not. What is refused here is what is certainly none: too short, made of few
//! characters, one piece again and again, or a word that examples show.

use std::collections::BTreeSet;

use levqor_engine::keyring::{ROOT_BYTES_MIN, Roots};
use levqor_model::Secret;
use levqor_server::Environment;

use super::Reader;

/// Fewer different bytes than this are in no random text of that length.
const DIFFERENT_MIN: usize = 10;
/// A text that is one piece of at most this many bytes again and again has no more in it than the piece.
const PIECE_BYTES_MAX: usize = 16;
/// What examples show and people leave as it is: letters and digits only, in lower case.
const EXAMPLES: [&str; 14] = [
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "example",
    "yoursecret",
    "secretkey",
    "supersecret",
    "password",
    "placeholder",
    "development",
    "correcthorsebatterystaple",
    "0123456789abcdef0123456789abcdef",
    "abcdefghijklmnopqrstuvwxyz",
];

const REMEDY: &str =
    "set SECURITY_HMAC_SECRET to at least 32 random bytes, such as the output of `openssl rand -base64 48`";

impl Reader<'_> {
    pub(super) fn secret(&mut self, environment: Environment) -> Option<Secret> {
        let text = Secret::new(self.text("security.hmac_secret"));
        if environment == Environment::Production {
            // The others only open what is there already.
            if let Err(weakness) = judge(Roots::first(&text).expose()) {
                self.complain("security.hmac_secret", weakness, REMEDY);
            }
        }
        if let Err(problem) = Roots::parse(&text) {
            self.complain(
                "security.hmac_secret",
                problem,
                "list the new secret and those that it replaces, with commas between them",
            );
        }
        (!text.expose().is_empty()).then_some(text)
    }
}

/// What is certainly wrong with a secret; never shows any of it.
fn judge(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("production needs a secret".to_owned());
    }
    let different = text.bytes().collect::<BTreeSet<_>>().len();
    let plain: String =
        text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    let why = if text.len() < ROOT_BYTES_MIN {
        format!("it has {} bytes", text.len())
    } else if different < DIFFERENT_MIN {
        format!("it is made of {different} different characters")
    } else if is_one_piece_repeated(text.as_bytes()) {
        "it is one piece again and again".to_owned()
    } else if EXAMPLES.iter().any(|example| plain.contains(example)) {
        "it has words in it that examples show".to_owned()
    } else {
        return Ok(());
    };
    Err(format!("the secret is too weak: {why}"))
}

fn is_one_piece_repeated(text: &[u8]) -> bool {
    (1..=PIECE_BYTES_MAX.min(text.len() / 2)).any(|length| {
        let piece = &text[..length];
        text.chunks(length).all(|chunk| piece.starts_with(chunk))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_certainly_no_random_text_is_refused() {
        let rows = [
            (String::new(), "production needs a secret"),
            ("short".to_owned(), "it has 5 bytes"),
            ("k3J9sPq0Zr7LmX2vBn8TfW4cYd6HgQ1".to_owned(), "it has 31 bytes"),
            ("a".repeat(64), "1 different"),
            ("abcabcabc-abcabcabc-abcabcabc-abcabcabc".to_owned(), "4 different"),
            ("k3J9sPq0Zr7L".repeat(4), "one piece"),
            (format!("{}k3J", "k3J9sPq0Zr7L".repeat(4)), "one piece"),
            ("Please-change-me-before-you-run-this-0815".to_owned(), "examples show"),
            ("your_secret_key_of_at_least_32_characters".to_owned(), "examples show"),
            ("0123456789abcdef0123456789abcdef01".to_owned(), "one piece"),
            ("this is an example of a secret, 4711".to_owned(), "examples show"),
        ];
        for (text, expected) in rows {
            let weakness = judge(&text).unwrap_err();
            assert!(weakness.contains(expected), "{text}: {weakness}");
        }
    }

    #[test]
    fn what_generators_give_is_taken() {
        for text in [
            "k3J9sPq0Zr7LmX2vBn8TfW4cYd6HgQ1u",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "0c5dd0ee-7d4c-4f58-9a3e-6f1f3e0b2a77",
            "qV1ZtPpX0e2m6bq3y8Yh6WJ0lT9C7n4o5r1s2u3v4w5x6y7z8A9B0C1D2E3F4G5H",
        ] {
            assert_eq!(judge(text), Ok(()), "{text}");
        }
    }
}
