//! Lists that a server answers page by page: read to their end, or until there is enough for a terminal, and then it is said.

use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::client::send;
use crate::{Exit, cli::ClientArgs, console::say};

/// Entries that one command shows at most, when it is not said otherwise.
pub(super) const LISTED_MAX: usize = 1_000;
/// What a server gives at once.
const PAGE: usize = 200;

/// What the server has at that path, with all entries of `member` up to `most`. When there are more, `more` is the address with which
/// they go on.
pub(super) async fn listed(
    client: &ClientArgs,
    path: &str,
    member: &str,
    most: usize,
) -> Result<Value, (Exit, String)> {
    let mut found = send(client, &page(path, most.min(PAGE), None), None).await?;
    loop {
        let count = entries(&found, member);
        let Some(cursor) = found["next_cursor"].as_str().map(str::to_owned) else { break };
        let wanted = most.saturating_sub(count).min(PAGE);
        let mut next = match wanted {
            0 => Value::Null,
            wanted => send(client, &page(path, wanted, Some(&cursor)), None).await?,
        };
        let Some(Value::Array(further)) = next.get_mut(member).map(Value::take).filter(has_some) else {
            // Enough; or a page of nothing, after which it would go on for ever.
            found["more"] = Value::from(format!("/{}", page(path, PAGE, Some(&cursor))));
            return Ok(found);
        };
        if let Some(list) = found[member].as_array_mut() {
            list.extend(further);
        }
        found["next_cursor"] = next["next_cursor"].take();
    }
    if let Some(members) = found.as_object_mut() {
        members.remove("next_cursor");
    }
    Ok(found)
}

/// The line under a table when there are more entries of `member`; nothing when that is all.
pub(super) fn say_more(found: &Value, member: &str) {
    if let Some(line) = more(found, member) {
        say(line);
    }
}

fn more(found: &Value, member: &str) -> Option<String> {
    let next = found["more"].as_str()?;
    Some(format!("{} are shown, and there are more: GET {next}", entries(found, member)))
}

fn entries(found: &Value, member: &str) -> usize {
    found[member].as_array().map_or(0, Vec::len)
}

fn has_some(list: &Value) -> bool {
    list.as_array().is_some_and(|list| !list.is_empty())
}

fn page(path: &str, limit: usize, cursor: Option<&str>) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("limit", &limit.to_string());
    if let Some(cursor) = cursor {
        query.append_pair("cursor", cursor);
    }
    let join = if path.contains('?') { '&' } else { '?' };
    format!("{path}{join}{}", query.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_said_how_a_list_goes_on() {
        assert_eq!(page("api/x", 200, None), "api/x?limit=200");
        assert_eq!(page("api/x?all=true", 7, Some("a b")), "api/x?all=true&limit=7&cursor=a+b");
        let found = json!({ "x": [1, 2], "more": "/api/x?limit=200&cursor=c" });
        let line = "2 are shown, and there are more: GET /api/x?limit=200&cursor=c";
        assert_eq!(more(&found, "x").as_deref(), Some(line));
        assert_eq!(more(&json!({ "x": [1, 2] }), "x"), None);
    }
}
