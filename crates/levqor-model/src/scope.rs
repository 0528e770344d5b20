//! What an API key may be limited to.

use std::{fmt, str::FromStr};

/// A part of the API. A key with scopes opens these and nothing else; its role bounds it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Workflows, their versions and triggers: look.
    WorkflowsRead,
    /// Make, change and delete them.
    WorkflowsWrite,
    /// Runs, their tasks and the decisions that they wait for: look.
    RunsRead,
    /// Start, stop, retry and delete runs, and decide.
    RunsWrite,
    /// Publish events.
    Events,
    /// Ask AI.
    Ai,
    /// Names of secrets.
    SecretsRead,
    /// Set and delete secrets.
    SecretsWrite,
    /// What the account is, who belongs to it, and what it has used.
    AccountRead,
    /// The account, its members, invitations and keys: change them.
    Admin,
    /// What operators of the platform do; only keys of operators have use for it.
    Operate,
}

/// Scopes of one key: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u16);

/// A text that names no scope, or none at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoScope {
    #[error("{0:?} is no scope; there are {list}", list = Scope::list())]
    Unknown(String),
    #[error("names no scope; leave it out for a key that may all that its role may")]
    Empty,
}

impl Scope {
    pub const ALL: [Scope; 11] = [
        Scope::WorkflowsRead,
        Scope::WorkflowsWrite,
        Scope::RunsRead,
        Scope::RunsWrite,
        Scope::Events,
        Scope::Ai,
        Scope::SecretsRead,
        Scope::SecretsWrite,
        Scope::AccountRead,
        Scope::Admin,
        Scope::Operate,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::WorkflowsRead => "workflows:read",
            Scope::WorkflowsWrite => "workflows:write",
            Scope::RunsRead => "runs:read",
            Scope::RunsWrite => "runs:write",
            Scope::Events => "events",
            Scope::Ai => "ai",
            Scope::SecretsRead => "secrets:read",
            Scope::SecretsWrite => "secrets:write",
            Scope::AccountRead => "account:read",
            Scope::Admin => "admin",
            Scope::Operate => "operate",
        }
    }

    pub fn parse(text: &str) -> Option<Scope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Whoever may change something may look at it.
    const fn bits(self) -> u16 {
        match self {
            Scope::WorkflowsWrite => self.bit() | Scope::WorkflowsRead.bit(),
            Scope::RunsWrite => self.bit() | Scope::RunsRead.bit(),
            Scope::SecretsWrite => self.bit() | Scope::SecretsRead.bit(),
            Scope::Admin => self.bit() | Scope::AccountRead.bit(),
            _ => self.bit(),
        }
    }

    fn list() -> String {
        Self::ALL.map(Scope::as_str).join(", ")
    }
}

impl Scopes {
    /// # Errors
    /// [`NoScope::Empty`].
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, NoScope> {
        let bits = scopes.into_iter().fold(0, |bits, scope| bits | scope.bits());
        if bits == 0 { Err(NoScope::Empty) } else { Ok(Self(bits)) }
    }

    /// # Errors
    /// [`NoScope`] names the text that is none.
    pub fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, NoScope> {
        let read =
            |text: &str| Scope::parse(text).ok_or_else(|| NoScope::Unknown(text.chars().take(64).collect()));
        Self::of(texts.into_iter().map(read).collect::<Result<Vec<_>, _>>()?)
    }

    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all of these are among the others.
    pub const fn within(self, others: Scopes) -> bool {
        self.0 & !others.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }

    /// Their names, in the order of [`Scope::ALL`].
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Scope::as_str).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(" "))
    }
}

impl FromStr for Scopes {
    type Err = NoScope;

    /// Reads what [`Scopes`] shows.
    fn from_str(text: &str) -> Result<Self, NoScope> {
        Self::parse_all(text.split_ascii_whitespace())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_survive_their_text_and_whoever_writes_reads() {
        for scope in Scope::ALL {
            let one = Scopes::of([scope]).unwrap();
            assert_eq!(one.to_string().parse(), Ok(one));
            assert!(one.contains(scope));
        }
        let writer = Scopes::parse_all(["runs:write"]).unwrap();
        assert_eq!(writer.to_string(), "runs:read runs:write");
        assert!(!writer.contains(Scope::WorkflowsRead));
        let all = Scopes::of(Scope::ALL).unwrap();
        assert!(writer.within(all) && !all.within(writer));
        assert_eq!(Scopes::parse_all([]), Err(NoScope::Empty));
        let unknown = Scopes::parse_all(["runs:read", "king"]).unwrap_err().to_string();
        assert!(unknown.starts_with("\"king\" is no scope; there are workflows:read, "), "{unknown}");
    }
}
