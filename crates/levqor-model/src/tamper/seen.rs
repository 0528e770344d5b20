//! What is at a path.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    Severity,
    run_status::{UnknownWord, words},
};

words!(
    /// What a file is to the server.
    Subject, "binary, baseline, blueprint, configuration, regions, runbooks, policies, named" {
        /// The program that runs.
        Binary = "binary",
        /// The signed list of what was agreed.
        Baseline = "baseline",
        /// The promises to customers, and what was agreed of them.
        Blueprint = "blueprint",
        Configuration = "configuration",
        /// The registry of regions as it is in force.
        Regions = "regions",
        Runbooks = "runbooks",
        /// Texts that replace the shipped policies.
        Policies = "policies",
        /// What the operator named besides.
        Named = "named",
    }
);

impl Subject {
    /// How bad it is when it is not as agreed.
    pub const fn severity(self) -> Severity {
        match self {
            // Whoever changes these runs the platform, or hides that he does, or changes what customers are told.
            Subject::Binary | Subject::Baseline | Subject::Blueprint => Severity::Critical,
            Subject::Configuration
            | Subject::Regions
            | Subject::Runbooks
            | Subject::Policies
            | Subject::Named => Severity::Major,
        }
    }
}

/// What was seen at a path. Two that are equal have the same content, the same permissions and the same owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Seen {
    Nothing,
    File {
        /// 64 hexadecimal digits.
        sha256: String,
        bytes: u64,
        /// Permissions, in octal digits.
        mode: String,
        /// Numbers of user and group.
        owner: String,
    },
    /// What is in it has entries of its own.
    Folder {
        mode: String,
        owner: String,
    },
    /// A symbolic link: where it points, and what is there.
    Link {
        target: String,
        behind: Box<Seen>,
    },
    /// A device, a socket or a pipe, which is never opened.
    Special {
        mode: String,
        owner: String,
    },
    /// No file, but a value of the server's own.
    Value {
        sha256: String,
        bytes: u64,
    },
    /// It is there, and could not be looked at.
    Unreadable {
        problem: String,
    },
}

impl Seen {
    /// Whether it is known what is there.
    pub(super) fn is_readable(&self) -> bool {
        match self {
            Seen::Unreadable { .. } => false,
            Seen::Link { behind, .. } => behind.is_readable(),
            _ => true,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Nothing => f.write_str("nothing"),
            Seen::File { sha256, bytes, mode, owner } => {
                write!(f, "sha256:{sha256}, {bytes} bytes, mode {mode}, owner {owner}")
            }
            Seen::Folder { mode, owner } => write!(f, "a folder, mode {mode}, owner {owner}"),
            Seen::Link { target, behind } => write!(f, "a link to {target:?}: {behind}"),
            Seen::Special { mode, owner } => write!(f, "no regular file, mode {mode}, owner {owner}"),
            Seen::Value { sha256, bytes } => write!(f, "sha256:{sha256}, {bytes} bytes"),
            Seen::Unreadable { problem } => write!(f, "unreadable: {problem}"),
        }
    }
}

/// A path as a text that no other path has. What is no UTF-8, or would disturb a terminal, is written with a backslash.
pub fn shown(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => text.push_str("\\\\"),
                char if char.is_control() => text.push_str(&format!("\\u{{{:x}}}", u32::from(char))),
                char => text.push(char),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// What was seen at a path that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub subject: Subject,
    pub seen: Seen,
}

impl Entry {
    /// None: there is nothing, which is the same as no entry.
    pub(super) fn something(&self) -> Option<&Seen> {
        (self.seen != Seen::Nothing).then_some(&self.seen)
    }
}
