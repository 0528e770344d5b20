//! `levqor validate`: what is wrong with workflow files, and where.

use std::{
    io::{Read, stderr, stdout},
    path::Path,
};

use levqor_flow::document::{self, Checked, Fetched, Host, Issue};
use levqor_model::limits::DOCUMENT_BYTES_MAX;
use serde_json::json;

use crate::{
    Exit,
    cli::ValidateArgs,
    console::{Tone, paint, say},
};

pub fn validate(args: &ValidateArgs, as_json: bool) -> Exit {
    let mut reports = Vec::new();
    let mut all_valid = true;
    let mut all_read = true;
    for file in &args.files {
        let text = match read(file) {
            Ok(text) => text,
            Err(problem) => {
                // The other files still get their verdicts.
                all_read = false;
                eprintln!("{} {problem}", paint("error:", Tone::Bad, &stderr()));
                reports.push(json!({
                    "file": file.display().to_string(),
                    "valid": false,
                    "errors": [{ "pointer": "", "message": problem }],
                    "warnings": [],
                }));
                continue;
            }
        };
        let checked = check(&text);
        let valid = checked.errors.is_empty();
        all_valid &= valid;
        if as_json {
            reports.push(json!({
                "file": file.display().to_string(),
                "valid": valid,
                "errors": checked.errors,
                "warnings": checked.warnings,
            }));
        } else {
            show(file, &checked);
        }
    }
    if as_json {
        say(format_args!("{:#}", json!({ "valid": all_valid && all_read, "files": reports })));
    }
    match (all_read, all_valid) {
        (false, _) => Exit::WrongUse,
        (true, false) => Exit::Failed,
        (true, true) => Exit::Done,
    }
}

/// Fetches nothing: what functions of catalogs are is seen when they are.
fn check(text: &str) -> Checked {
    let document = match document::read(text) {
        Ok(document) => document,
        Err(_) => return document::parse(text),
    };
    let mut checked = document::check_with(&document, &Host::default(), &Fetched::default());
    checked.warnings.extend(checked.wanted.drain(..).map(|wanted| Issue {
        message: format!("the function at {} was not looked at; `levqor run` fetches it", wanted.uri),
        pointer: wanted.pointer,
    }));
    checked
}

fn show(file: &Path, checked: &Checked) {
    for (issues, word, tone) in
        [(&checked.errors, "error", Tone::Bad), (&checked.warnings, "warning", Tone::Warning)]
    {
        for issue in issues {
            let place = if issue.pointer.is_empty() { "/" } else { &issue.pointer };
            eprintln!("{}: {} at {place}: {}", file.display(), paint(word, tone, &stderr()), issue.message);
        }
    }
    if let Some(workflow) = &checked.workflow {
        say(format_args!(
            "{}: {} {}/{} {}",
            file.display(),
            paint("valid", Tone::Good, &stdout()),
            workflow.namespace,
            workflow.name,
            workflow.version
        ));
    } else if checked.errors.is_empty() {
        say(format_args!(
            "{}: {} apart from the functions of catalogs",
            file.display(),
            paint("valid", Tone::Good, &stdout())
        ));
    }
}

/// Reads a workflow file, or standard input for `-`.
///
/// # Errors
/// A sentence that names the file, the problem and the remedy; also for files over the size that a document may have.
pub fn read(file: &Path) -> Result<String, String> {
    text_of(file, "workflow", "a workflow document may have; split it into several workflows")
}

/// Reads a file that is handed over beside a workflow, an `input` or a `secret`, within the same bound.
///
/// # Errors
/// As [`read`].
pub fn read_beside(file: &Path, what: &str) -> Result<String, String> {
    text_of(file, what, &format!("is taken as {what}; hand over less"))
}

fn text_of(file: &Path, what: &str, most: &str) -> Result<String, String> {
    // One byte more than allowed shows that there is more, without reading all of it.
    let limit = DOCUMENT_BYTES_MAX as u64 + 1;
    let mut text = Vec::new();
    let outcome = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(limit).read_to_end(&mut text))
    };
    outcome.map_err(|error| format!("{}: {error}; name a readable {what} file", file.display()))?;
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(format!("{}: larger than 1 MiB, the most that {most}", file.display()));
    }
    String::from_utf8(text).map_err(|_| format!("{}: not UTF-8 text; save the file as UTF-8", file.display()))
}
