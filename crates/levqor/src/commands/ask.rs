//! `levqor ask`: a workflow from a sentence, or an answer from the documentation; by the built-in backend, offline.

use std::io::{stderr, stdout};

use levqor_model::Blueprint;
use levqor_server::{
    features::ai::{
        language::Language,
        service::{self, Answer, Drafted, QUESTION_CHARS, REQUEST_CHARS},
    },
    pages::yaml::to_yaml,
};
use serde_json::json;

use super::blueprint;
use crate::{
    Exit,
    cli::AskArgs,
    config::{self, Flags},
    console::{Tone, paint, say},
};

pub fn ask(flags: &Flags, args: &AskArgs, as_json: bool) -> Exit {
    let blueprint = config::promised(flags).map_err(|complaints| complaints.to_string());
    let blueprint = match blueprint.and_then(|promised| blueprint::read(&promised.blueprint)) {
        Ok(blueprint) => blueprint,
        Err(problem) => return wrong_use(&problem),
    };
    let words = args.words.join(" ");
    if is_question(&words) && args.save.is_none() {
        return answer(&words, &blueprint, as_json);
    }
    let request = match service::checked(&words, &REQUEST_CHARS) {
        Ok(request) => request,
        Err(error) => return wrong_use(&error.to_string()),
    };
    let drafted = service::drafted(request);
    // What is not understood as an automation may still be something that the documentation knows.
    if drafted.workflow.is_none() && args.save.is_none() {
        let answered = service::checked(&words, &QUESTION_CHARS).is_ok_and(|_| known(&words, &blueprint));
        if answered {
            return answer(&words, &blueprint, as_json);
        }
    }
    draft(args, drafted, as_json)
}

/// Questions begin with a question word or end with a question mark; requests begin with what to do or when.
fn is_question(words: &str) -> bool {
    const BEGINNINGS: &[&str] =
        &["what", "how", "why", "who", "where", "which", "can", "does", "is", "are", "do", "will", "should"];
    let first = words.split_whitespace().next().unwrap_or_default().to_lowercase();
    words.trim_end().ends_with('?') || BEGINNINGS.contains(&first.as_str())
}

fn known(question: &str, blueprint: &Blueprint) -> bool {
    service::answer(question, Language::En, blueprint).known
}

fn answer(words: &str, blueprint: &Blueprint, as_json: bool) -> Exit {
    let question = match service::checked(words, &QUESTION_CHARS) {
        Ok(question) => question,
        Err(error) => return wrong_use(&error.to_string()),
    };
    let answer: Answer = service::answer(question, Language::En, blueprint);
    if as_json {
        say(format_args!(
            "{:#}",
            json!({ "success": true, "answer": answer.answer, "steps": answer.steps, "sources": answer.sources })
        ));
    } else {
        say(format_args!("{}", answer.answer));
    }
    if answer.known { Exit::Done } else { Exit::Failed }
}

fn draft(args: &AskArgs, drafted: Drafted, as_json: bool) -> Exit {
    let valid = drafted.workflow.is_some();
    let text = drafted.workflow.as_ref().map(to_yaml);
    if let (Some(path), Some(text)) = (&args.save, &text)
        && let Err(error) = std::fs::write(path, text)
    {
        return wrong_use(&format!("--save {}: {error}; name a file that can be written", path.display()));
    }
    if as_json {
        say(format_args!(
            "{:#}",
            json!({
                "success": valid, "workflow": drafted.workflow, "steps": drafted.steps,
                "warnings": drafted.warnings, "questions": drafted.questions,
            })
        ));
        return if valid { Exit::Done } else { Exit::Failed };
    }
    for step in &drafted.steps {
        eprintln!("{} {step}", paint("•", Tone::Good, &stderr()));
    }
    for warning in &drafted.warnings {
        eprintln!("{} {warning}", paint("warning:", Tone::Warning, &stderr()));
    }
    for question in &drafted.questions {
        eprintln!("{} {question}", paint("question:", Tone::Strong, &stderr()));
    }
    match (&args.save, text) {
        (Some(path), Some(_)) => {
            say(format_args!("{} {}", paint("wrote", Tone::Good, &stdout()), path.display()))
        }
        (None, Some(text)) => say(text.trim_end()),
        (_, None) => eprintln!(
            "{} no step was understood; say what to do and with which address, such as \"every day at 9am fetch https://example.com/orders\"",
            paint("error:", Tone::Bad, &stderr())
        ),
    }
    if valid { Exit::Done } else { Exit::Failed }
}

fn wrong_use(problem: &str) -> Exit {
    eprintln!("{} {problem}", paint("error:", Tone::Bad, &stderr()));
    Exit::WrongUse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_requests_are_told_apart() {
        for (words, question) in [
            ("How do I retry a run", true),
            ("retries work how?", true),
            ("every day at 9 fetch https://a.example", false),
            ("if any total is over 100 post it to https://a.example", false),
        ] {
            assert_eq!(is_question(words), question, "{words}");
        }
    }
}
