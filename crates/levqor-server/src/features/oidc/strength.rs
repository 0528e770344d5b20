//! How strongly the issuer asked whoever comes: what the operator wants of it, and what its token says.
//!
//! An issuer may let people in by a password at one time and by a key at another. It is asked for what is wanted, but what counts is
//! what its token says, and a token that says nothing is too weak for whoever wants something.

use std::time::Duration;

use levqor_model::Timestamp;

/// How far the issuer's clock may be behind ours.
const SKEW: Duration = Duration::from_secs(60);
/// Characters that are repeated of what a token says.
const REPEATED: usize = 64;

/// What the operator wants. Nothing of it: how people are asked is the issuer's affair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strength {
    /// The token names one of these as its context (`acr`).
    pub contexts: Vec<String>,
    /// The token names one of these among its methods (`amr`, RFC 8176).
    pub methods: Vec<String>,
    /// Somebody showed who they are no longer ago than this (`auth_time`).
    pub max_age: Option<Duration>,
}

/// What a token says of how its person was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct How {
    pub(super) context: Option<String>,
    pub(super) methods: Vec<String>,
    pub(super) at: Option<Timestamp>,
}

impl Strength {
    /// What a token lacks, in words that can be shown to its person.
    pub(super) fn lacks(&self, how: &How, now: Timestamp) -> Option<String> {
        let is_one = |wanted: &[String], said: &str| wanted.iter().any(|one| one == said);
        if !self.contexts.is_empty()
            && !how.context.as_deref().is_some_and(|said| is_one(&self.contexts, said))
        {
            let said = how.context.as_deref().map_or_else(|| "nothing".to_owned(), shortened);
            return Some(format!(
                "of the context (acr) it says {said}, and {} is wanted",
                either(&self.contexts)
            ));
        }
        if !self.methods.is_empty() && !how.methods.iter().any(|said| is_one(&self.methods, said)) {
            let said = if how.methods.is_empty() {
                "nothing".to_owned()
            } else {
                shortened(&how.methods.join(", "))
            };
            return Some(format!(
                "of the methods (amr) it says {said}, and {} is wanted",
                either(&self.methods)
            ));
        }
        let max_age = self.max_age?;
        match how.at {
            None => Some("it does not say when you were asked (auth_time)".to_owned()),
            Some(at) if now.since(at) > max_age + SKEW => {
                let seconds = max_age.as_secs();
                Some(format!(
                    "you were asked too long ago (auth_time), and {seconds} seconds ago at most is wanted"
                ))
            }
            Some(_) => None,
        }
    }
}

fn either(wanted: &[String]) -> String {
    wanted.join(" or ")
}

fn shortened(said: &str) -> String {
    said.chars().take(REPEATED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_503_701);

    fn words(all: &[&str]) -> Vec<String> {
        all.iter().map(|word| (*word).to_owned()).collect()
    }

    fn how(context: Option<&str>, methods: &[&str], seconds_ago: Option<u64>) -> How {
        How {
            context: context.map(str::to_owned),
            methods: words(methods),
            at: seconds_ago.map(|seconds| NOW - Duration::from_secs(seconds)),
        }
    }

    #[test]
    fn a_token_that_says_less_than_is_wanted_is_too_weak() {
        let contexts = Strength { contexts: words(&["gold", "silver"]), ..Strength::default() };
        let methods = Strength { methods: words(&["mfa", "hwk"]), ..Strength::default() };
        let fresh = Strength { max_age: Some(Duration::from_secs(300)), ..Strength::default() };
        let all = Strength {
            contexts: contexts.contexts.clone(),
            methods: methods.methods.clone(),
            max_age: fresh.max_age,
        };
        let rows = [
            (&Strength::default(), how(None, &[], None), true),
            (&contexts, how(Some("silver"), &[], None), true),
            (&contexts, how(Some("bronze"), &["mfa"], Some(0)), false),
            (&contexts, how(Some("Gold"), &[], None), false),
            (&contexts, how(Some("gold silver"), &[], None), false),
            (&contexts, how(None, &["gold"], None), false),
            (&methods, how(None, &["pwd", "mfa"], None), true),
            (&methods, how(Some("mfa"), &["pwd"], None), false),
            (&methods, how(None, &[], None), false),
            (&fresh, how(None, &[], Some(300)), true),
            (&fresh, how(None, &[], Some(360)), true),
            (&fresh, how(None, &[], Some(361)), false),
            (&fresh, how(None, &[], None), false),
            (&all, how(Some("gold"), &["hwk"], Some(1)), true),
            (&all, how(Some("gold"), &["hwk"], Some(4_000)), false),
            (&all, how(Some("gold"), &["sms"], Some(1)), false),
            (&all, how(None, &["hwk"], Some(1)), false),
        ];
        for (wanted, how, enough) in rows {
            let lacks = wanted.lacks(&how, NOW);
            assert_eq!(lacks.is_none(), enough, "{wanted:?} {how:?}: {lacks:?}");
        }
        let said = contexts.lacks(&how(Some(&"x".repeat(500)), &[], None), NOW).unwrap();
        assert!(said.len() < 200 && said.ends_with("gold or silver is wanted"), "{said}");
    }
}
