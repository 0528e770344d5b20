//! A reader of our own pages: enough of HTML for pages whose every attribute stands in double quotes.

/// A tag that opens: its name and its attributes.
#[derive(Debug, Clone)]
pub struct Tag {
    pub name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// All tags that open, in order.
pub fn tags(html: &str) -> Vec<Tag> {
    pieces(html).filter_map(|(tag, _)| read_tag(tag)).collect()
}

/// Each `<…>` without its brackets, and the text after it.
fn pieces(html: &str) -> impl Iterator<Item = (&str, &str)> {
    html.split('<').skip(1).map(|piece| piece.split_once('>').unwrap_or((piece, "")))
}

fn read_tag(tag: &str) -> Option<Tag> {
    let end = tag.find(|letter: char| letter.is_whitespace() || letter == '/').unwrap_or(tag.len());
    let name = tag[..end].to_owned();
    if name.is_empty() || name.starts_with(['!', '?']) {
        return None;
    }
    let mut attributes = Vec::new();
    let mut rest = tag[end..].trim_start();
    while !rest.is_empty() {
        let (key, after) =
            rest.split_at(rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len()));
        if key.is_empty() {
            // Not an attribute: a script that compares, say.
            rest = rest[1..].trim_start();
            continue;
        }
        let quoted = after.strip_prefix("=\"").and_then(|after| after.split_once('"'));
        let (value, after) = quoted.unwrap_or(("", after));
        attributes.push((key.to_owned(), unescaped(value)));
        rest = after.trim_start();
    }
    Some(Tag { name, attributes })
}

/// The text of a page that its readers read: that of `<main>`, without the elements `without`.
pub fn main_text(html: &str, without: &[&str]) -> String {
    let start = html.find("<main").unwrap();
    let main = &html[start..html.find("</main>").unwrap()];
    let mut text = String::new();
    let mut inside: Vec<&str> = Vec::new();
    for (tag, after) in pieces(main) {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if let Some(skipped) = without.iter().find(|skipped| **skipped == name) {
            if tag.starts_with('/') {
                assert_eq!(inside.pop(), Some(*skipped), "elements are nested as they should be: <{tag}>");
            } else {
                inside.push(skipped);
            }
        }
        if inside.is_empty() {
            text.push_str(after);
            text.push(' ');
        }
    }
    unescaped(&text)
}

/// The promises on a page: name, value, text.
pub fn promises(html: &str) -> Vec<(String, String, String)> {
    pieces(html)
        .filter(|(tag, _)| tag.starts_with("data "))
        .map(|(tag, text)| {
            let tag = read_tag(tag).unwrap();
            let of = |name: &str| tag.get(name).unwrap().to_owned();
            (of("data-promise"), of("value"), unescaped(text))
        })
        .collect()
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

#[test]
fn tags_attributes_and_texts_are_read() {
    let html = "<main id=\"a\" hidden><p class=\"x y\">One <data value=\"2\" data-promise=\"b.c\">two &amp; 3</data></p><br/></main>";
    let read = tags(html);
    assert_eq!(read.iter().map(|tag| tag.name.as_str()).collect::<Vec<_>>(), ["main", "p", "data", "br"]);
    assert_eq!(
        (read[0].get("id"), read[0].get("hidden"), read[1].get("class")),
        (Some("a"), Some(""), Some("x y"))
    );
    assert_eq!(main_text(html, &["data"]).split_whitespace().collect::<Vec<_>>(), ["One"]);
    assert_eq!(promises(html), [("b.c".to_owned(), "2".to_owned(), "two & 3".to_owned())]);
}
