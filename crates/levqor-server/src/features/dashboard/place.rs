//! From a JSON Pointer to the line of the text that it means, so that an error can be shown where it is.
//!
//! A best effort over block YAML and JSON: the line of the deepest part of the pointer that was found. It never parses;
//! the reader of documents has done that.

/// The line, from 1. An empty pointer is the whole document: no line.
pub(super) fn line_of(text: &str, pointer: &str) -> Option<usize> {
    let segments: Vec<String> =
        pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect();
    if segments.is_empty() {
        return None;
    }
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if text.trim_start().starts_with(['{', '[']) {
        return by_words(&lines, 0, &segments);
    }
    by_indentation(lines, &segments)
}

/// The line that a message of the reader names: `line 3, column 5: …`.
pub(super) fn line_in(message: &str) -> Option<usize> {
    let rest = message.strip_prefix("line ")?;
    rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse().ok()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#') && line != "---"
}

fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    line == "-" || line.starts_with("- ")
}

/// The key of `key: value`, without quotes, and what follows the colon.
fn key(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    if let Some(quote) = line.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let end = line[1..].find(quote)? + 1;
        return Some((&line[1..end], line[end + 1..].strip_prefix(':')?));
    }
    let end = line.find(": ").or_else(|| line.strip_suffix(':').map(str::len))?;
    Some((&line[..end], &line[end + 1..]))
}

fn by_indentation(mut lines: Vec<String>, segments: &[String]) -> Option<usize> {
    let (mut from, mut until) = (0, lines.len());
    let mut found = None;
    for (depth, segment) in segments.iter().enumerate() {
        let first = (from..until).find(|at| is_content(&lines[*at]))?;
        let column = indent(&lines[first]);
        let at_column = |at: &usize| is_content(&lines[*at]) && indent(&lines[*at]) == column;
        let (at, end) = if is_item(&lines[first]) {
            let Ok(number) = segment.parse::<usize>() else { break };
            let mut items = (first..until).filter(at_column).filter(|at| is_item(&lines[*at]));
            let Some(at) = items.nth(number) else { break };
            (at, items.next().unwrap_or(until))
        } else {
            let named =
                |at: &usize| at_column(at) && key(&lines[*at]).is_some_and(|(name, _)| name == segment);
            let Some(at) = (first..until).find(named) else { break };
            // A list may stand under its key without being moved in.
            let end = (at + 1..until)
                .find(|at| {
                    is_content(&lines[*at])
                        && indent(&lines[*at]) <= column
                        && !(is_item(&lines[*at]) && indent(&lines[*at]) == column)
                })
                .unwrap_or(until);
            (at, end)
        };
        found = Some(at + 1);
        if is_item(&lines[at]) {
            // What follows the dash is the item's own first line.
            lines[at] = lines[at].replacen('-', " ", 1);
            (from, until) = (at, end);
        } else {
            let inline = key(&lines[at]).is_some_and(|(_, value)| value.trim_start().starts_with(['{', '[']));
            if inline {
                return by_words(&lines[..end], at, &segments[depth + 1..]).or(found);
            }
            (from, until) = (at + 1, end);
        }
    }
    found
}

/// Looks for the names of the pointer one after the other.
fn by_words(lines: &[String], from: usize, segments: &[String]) -> Option<usize> {
    let (mut line, mut column) = (from, 0);
    let mut found = None;
    for segment in segments.iter().filter(|segment| segment.parse::<usize>().is_err()) {
        let hit = (line..lines.len()).find_map(|at| {
            let start = if at == line { column } else { 0 };
            let rest = lines[at].get(start..)?;
            let place = [format!("\"{segment}\""), format!("{segment}:")]
                .iter()
                .find_map(|word| rest.find(word.as_str()))?;
            Some((at, start + place + 1))
        });
        let Some(hit) = hit else { break };
        (line, column) = hit;
        found = Some(line + 1);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const YAML: &str = "# a workflow
document:
  dsl: '1.0.1'
  version: '0.1.0'
do:
  - fetch:
      call: http
      with:
        method: get
  # a comment
  - 'say/it':
      set: { text: hello, inner: { deep: 1 } }
  - loop:
      for:
        each: x
      do:
      - one:
          wait: {}
      - two:
          wait: {}
";

    #[test]
    fn pointers_find_their_lines() {
        let rows = [
            ("", None),
            ("/document/version", Some(4)),
            ("/do", Some(5)),
            ("/do/0", Some(6)),
            ("/do/0/fetch", Some(6)),
            ("/do/0/fetch/with/method", Some(9)),
            ("/do/1/say~1it/set", Some(12)),
            ("/do/1/say~1it/set/inner/deep", Some(12)),
            ("/do/2/loop/do/1/two/wait", Some(20)),
            // What is missing is shown at what should hold it.
            ("/do/0/fetch/with/endpoint", Some(8)),
            ("/do/9/x", Some(5)),
            ("/nothing", None),
        ];
        for (pointer, line) in rows {
            assert_eq!(line_of(YAML, pointer), line, "{pointer}");
        }
    }

    #[test]
    fn json_is_searched_by_names() {
        let json = "{\n  \"document\": {\n    \"version\": \"1\"\n  },\n  \"do\": [\n    { \"a\": { \"set\": 1 } }\n  ]\n}";
        for (pointer, line) in [("/document/version", Some(3)), ("/do/0/a/set", Some(6)), ("/none", None)] {
            assert_eq!(line_of(json, pointer), line, "{pointer}");
        }
    }

    #[test]
    fn messages_name_lines() {
        assert_eq!(line_in("line 12, column 3: this is not YAML"), Some(12));
        assert_eq!(line_in("line up"), None);
        assert_eq!(line_in("line 7"), None);
        assert_eq!(line_in("outline 1, x"), None);
    }

    proptest! {
        #[test]
        fn no_text_and_pointer_make_it_panic(text in "[ a-c:'\"\\[{#\n-]{0,80}", pointer in "[/a-c0-2~]{0,12}", other in ".{0,20}") {
            let _ = (line_of(&text, &pointer), line_of(&other, &pointer), line_in(&other));
        }
    }
}
