//! Walls between the parts that the compiler can't keep, checked as text.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// Longest source file; past it, a file has more than one subject.
const LINES_MAX: usize = 800;

/// A wall: which files it concerns, and what a line must not hold.
struct Wall {
    concerns: fn(&Path) -> bool,
    forbids: fn(&str) -> bool,
    why: &'static str,
}

const WALLS: &[Wall] = &[
    Wall {
        concerns: |path| path.ends_with("service.rs"),
        forbids: |line| line.contains("axum::") || line.contains("use axum"),
        why: "service.rs holds rules; HTTP belongs in routes.rs or pages.rs",
    },
    // Benchmarks measure plain SQL beside ours, and tests damage databases from outside.
    Wall {
        concerns: |path| {
            !within(path, "crates/levqor-store")
                && !within(path, "xtask")
                && !path
                    .components()
                    .any(|part| ["benches", "tests"].iter().any(|folder| part.as_os_str() == *folder))
        },
        forbids: |line| SQL.iter().any(|words| line.contains(words)),
        why: "all SQL lives in levqor-store",
    },
    Wall {
        concerns: |path| within(path, "crates/levqor-server/src/features"),
        forbids: |line| {
            line.contains("features::")
                && ["::routes::", "::pages::", "::jobs::"].iter().any(|part| line.contains(part))
        },
        why: "features call each other through service only",
    },
    Wall {
        concerns: |path| within(path, "crates/levqor-flow/src"),
        forbids: |line| {
            ["tokio::", "reqwest::", "std::fs", "std::net::Tcp", "std::thread::sleep"]
                .iter()
                .any(|word| line.contains(word))
        },
        why: "levqor-flow does no I/O",
    },
    Wall {
        concerns: |path| !within(path, "xtask"),
        forbids: |line| {
            line.trim_start().starts_with("#[allow(") || line.trim_start().starts_with("#![allow(")
        },
        why: "silence a lint with #[expect(lint, reason = \"…\")]",
    },
    Wall {
        concerns: |path| !within(path, "xtask"),
        forbids: |line| line.contains("FIXME") || line.contains("todo!("),
        why: "finish it, or write a TODO of a named kind with its reason",
    },
    Wall {
        concerns: |path| !within(path, "xtask"),
        forbids: |line| line.contains("#[ignore"),
        why: "a test that does not run proves nothing",
    },
    Wall {
        concerns: |path| !within(path, "xtask"),
        forbids: |line| line.contains("thread::sleep("),
        why: "wait for a condition, not for a time",
    },
];

const SQL: &[&str] = &["SELECT ", "INSERT INTO", "DELETE FROM", "CREATE TABLE", "UPDATE runs"];

/// Checks all Rust sources.
///
/// # Errors
/// Lists every line that breaks a wall.
pub fn tidy(root: &Path) -> anyhow::Result<()> {
    let mut broken = Vec::new();
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        collect(&root.join(folder), &mut files)?;
    }
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let path = file.strip_prefix(root).unwrap_or(file);
        check(path, &text, &mut broken);
    }
    if !broken.is_empty() {
        bail!("{} lines break a wall:\n{}", broken.len(), broken.join("\n"));
    }
    println!("{} files are tidy", files.len());
    Ok(())
}

fn check(path: &Path, text: &str, broken: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > LINES_MAX {
        broken.push(format!("{}: {lines} lines; split files above {LINES_MAX} by subject", path.display()));
    }
    for wall in WALLS.iter().filter(|wall| (wall.concerns)(path)) {
        for (number, line) in text.lines().enumerate() {
            let comment = line.trim_start().starts_with("//");
            if !comment && (wall.forbids)(line) {
                broken.push(format!("{}:{}: {}", path.display(), number + 1, wall.why));
            }
        }
    }
}

fn within(path: &Path, folder: &str) -> bool {
    path.starts_with(folder)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wall_catches_what_it_is_for() {
        let rows = [
            ("crates/levqor-server/src/features/runs/service.rs", "use axum::Json;", 1),
            ("crates/levqor-server/src/features/runs/routes.rs", "use axum::Json;", 0),
            ("crates/levqor-engine/src/a.rs", "let q = \"SELECT 1\";", 1),
            ("crates/levqor-store/src/a.rs", "let q = \"SELECT 1\";", 0),
            ("crates/levqor-server/src/features/runs/pages.rs", "use crate::features::keys::routes::x;", 1),
            ("crates/levqor-flow/src/a.rs", "tokio::spawn(x);", 1),
            ("crates/levqor-flow/src/a.rs", "// tokio::spawn is not for us", 0),
            ("crates/levqor/src/a.rs", "#[allow(dead_code)]", 1),
        ];
        for (path, line, expected) in rows {
            let mut broken = Vec::new();
            check(Path::new(path), line, &mut broken);
            assert_eq!(broken.len(), expected, "{path}: {line}: {broken:?}");
        }
    }

    #[test]
    fn a_long_file_is_named() {
        let mut broken = Vec::new();
        check(Path::new("crates/levqor/src/a.rs"), &"\n".repeat(LINES_MAX + 1), &mut broken);
        assert!(broken[0].contains("split files above"), "{broken:?}");
    }
}
