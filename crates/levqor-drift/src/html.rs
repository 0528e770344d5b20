//! A page as the drift monitor reads it: its promises, headings, links and places, and the words around them.
//!
//! The tokens are those of the HTML standard (`html5ever`), without its tree: a tree costs memory that the page decides on, and
//! what is looked for stands in single tags and the text up to their ends.
//!
//! Invariant: whatever the bytes, reading ends, in time about linear to their number, and what is kept is bounded. What was too
//! much is said in [`Page::trouble`]; such a page counts as not read.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use html5ever::{
    TokenizerResult,
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};

/// The largest page that is read.
pub const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes that are given to the tokenizer at once.
const PIECE: usize = 4 * 1024;
/// Pieces that may pass without a token. The tokenizer compares each attribute of a tag with all before it.
const PIECES_SILENT_MAX: usize = 4;
/// Promises, links, places and headings of a page, each.
const LISTED_MAX: usize = 5_000;
/// Promises within each other.
const NESTED_MAX: usize = 16;
/// Text of one promise or heading, in bytes.
const TEXT_BYTES_MAX: usize = 2_048;
/// Text around the promises, in bytes.
const LOOSE_BYTES_MAX: usize = 256 * 1024;
/// An address, in bytes.
const LINK_BYTES_MAX: usize = 2_048;

/// Elements whose text is an example, a picture or a measurement, and no promise.
const OTHER: [&str; 7] = ["code", "pre", "svg", "figure", "time", "textarea", "button"];

/// A promise as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub name: String,
    /// For programs; None: the page leaves it out.
    pub value: Option<String>,
    /// For people, with its white space put together.
    pub text: String,
    /// Whether people do not see it.
    pub hidden: bool,
}

/// What a page holds.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The texts of its first-level headings.
    pub headings: Vec<String>,
    /// The address that it says it has.
    pub canonical: Option<String>,
    pub promises: Vec<Shown>,
    /// Addresses that a browser would ask for, as they are written.
    pub links: BTreeSet<String>,
    pub ids: BTreeSet<String>,
    /// The words of its main part that are in no promise and no example.
    pub loose: String,
    /// What was too much to read.
    pub trouble: Option<&'static str>,
}

/// Reads a page. Never fails: what cannot be read is said in the page.
pub fn read(html: &str) -> Page {
    if html.len() > PAGE_BYTES_MAX {
        return Page { trouble: Some("the page is too large"), ..Page::default() };
    }
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    let (mut rest, mut silent, mut heard) = (html, 0, 0);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE.min(rest.len())));
        rest = after;
        input.push_back(StrTendril::from_slice(piece));
        // A script would stop it, and an encoding is known: it goes on until nothing is left.
        while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
        let tokens = tokenizer.sink.0.borrow().tokens;
        silent = if tokens == heard { silent + 1 } else { 0 };
        heard = tokens;
        if silent > PIECES_SILENT_MAX {
            let page = tokenizer.sink.0.take().page;
            return Page { trouble: Some("a tag or a comment of the page does not end"), ..page };
        }
    }
    tokenizer.end();
    tokenizer.sink.0.take().finish()
}

/// Text with its white space put together, as a browser shows it.
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Default)]
struct Sink(RefCell<Reader>);

/// Text that is being collected until an element ends.
struct Open {
    element: String,
    /// Elements of that name within it.
    depth: usize,
    text: String,
    what: What,
}

enum What {
    Promise { name: String, value: Option<String>, hidden: bool },
    Heading,
}

#[derive(Default)]
struct Reader {
    page: Page,
    tokens: u64,
    open: Vec<Open>,
    /// How deep the page is in elements that matter, by name.
    within: BTreeMap<&'static str, usize>,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut reader = self.0.borrow_mut();
        reader.tokens += 1;
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                reader.begin(&tag);
                return raw(&tag);
            }
            Token::TagToken(tag) => reader.end(&tag.name),
            Token::CharacterTokens(text) => reader.text(&text),
            Token::NullCharacterToken
            | Token::DoctypeToken(_)
            | Token::CommentToken(_)
            | Token::EOFToken
            | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

/// What follows some tags is no markup until their end.
fn raw(tag: &Tag) -> TokenSinkResult<()> {
    match &*tag.name {
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => TokenSinkResult::RawData(RawKind::Rawtext),
        "plaintext" => TokenSinkResult::Plaintext,
        _ => TokenSinkResult::Continue,
    }
}

impl Reader {
    fn begin(&mut self, tag: &Tag) {
        self.gap();
        if let Some(watched) = watched(&tag.name) {
            // Elements of pictures may end in their own tag.
            if !(tag.self_closing && watched == "svg") {
                *self.within.entry(watched).or_default() += 1;
            }
        }
        let nested = self.open.iter_mut().filter(|open| open.element == *tag.name);
        nested.for_each(|open| open.depth += 1);
        // What a template holds is on no page.
        if self.is_within("template") {
            return;
        }
        if let Some(id) = attribute(tag, "id") {
            self.listed(|page| &mut page.ids, id);
        }
        if let Some(link) = link(tag) {
            if link.len() > LINK_BYTES_MAX {
                self.page.trouble = Some("an address on the page is too long");
            } else {
                self.listed(|page| &mut page.links, link);
            }
        }
        if &*tag.name == "link" && attribute(tag, "rel") == Some("canonical") {
            self.page.canonical = attribute(tag, "href").map(|href| cut(href, LINK_BYTES_MAX).to_owned());
        }
        if let Some(name) = attribute(tag, "data-promise") {
            let value = attribute(tag, "value").map(|value| cut(value, TEXT_BYTES_MAX).to_owned());
            let hidden = attribute(tag, "hidden").is_some();
            let name = cut(name, TEXT_BYTES_MAX).to_owned();
            self.open(tag, What::Promise { name, value, hidden });
        }
        if &*tag.name == "h1" {
            self.open(tag, What::Heading);
        }
    }

    fn open(&mut self, tag: &Tag, what: What) {
        let kept = self.page.promises.len() + self.page.headings.len() + self.open.len();
        if self.open.len() >= NESTED_MAX || kept >= LISTED_MAX {
            self.page.trouble = Some("the page has too many promises, or too many within each other");
            return;
        }
        self.open.push(Open { element: tag.name.to_string(), depth: 0, text: String::new(), what });
    }

    fn end(&mut self, name: &str) {
        self.gap();
        if let Some(depth) = watched(name).and_then(|watched| self.within.get_mut(watched)) {
            *depth = depth.saturating_sub(1);
        }
        let mut ended = Vec::new();
        self.open.retain_mut(|open| {
            if open.element != name {
                return true;
            }
            if open.depth > 0 {
                open.depth -= 1;
                return true;
            }
            ended.push((std::mem::take(&mut open.text), std::mem::replace(&mut open.what, What::Heading)));
            false
        });
        for (text, what) in ended {
            self.keep(&text, what);
        }
    }

    fn keep(&mut self, text: &str, what: What) {
        let text = words(text);
        match what {
            What::Promise { name, value, hidden } => {
                self.page.promises.push(Shown { name, value, text, hidden });
            }
            What::Heading => self.page.headings.push(text),
        }
    }

    fn text(&mut self, text: &str) {
        if self.is_within("template") || self.is_within("script") || self.is_within("style") {
            return;
        }
        for open in &mut self.open {
            add(&mut open.text, text, TEXT_BYTES_MAX);
        }
        let promised = self.open.iter().any(|open| matches!(open.what, What::Promise { .. }));
        if promised || !self.is_within("main") || OTHER.iter().any(|name| self.is_within(name)) {
            return;
        }
        if !add(&mut self.page.loose, text, LOOSE_BYTES_MAX) {
            self.page.trouble = Some("the page has too many words");
        }
    }

    /// What tags part is not one word.
    fn gap(&mut self) {
        if !self.page.loose.ends_with(' ') {
            add(&mut self.page.loose, " ", LOOSE_BYTES_MAX);
        }
    }

    fn is_within(&self, name: &str) -> bool {
        self.within.get(name).is_some_and(|depth| *depth > 0)
    }

    fn listed(&mut self, list: impl FnOnce(&mut Page) -> &mut BTreeSet<String>, text: &str) {
        let list = list(&mut self.page);
        if list.len() >= LISTED_MAX {
            self.page.trouble = Some("the page has too many links or places");
        } else {
            list.insert(cut(text, LINK_BYTES_MAX).to_owned());
        }
    }

    fn finish(mut self) -> Page {
        // What does not end, ends with the page.
        for open in std::mem::take(&mut self.open) {
            self.keep(&open.text, open.what);
        }
        self.page
    }
}

/// Elements that it matters to be in.
fn watched(name: &str) -> Option<&'static str> {
    let own = ["main", "template", "script", "style"];
    own.into_iter().chain(OTHER).find(|watched| *watched == name)
}

/// Whether all of it had room.
fn add(to: &mut String, text: &str, bytes_max: usize) -> bool {
    let room = bytes_max.saturating_sub(to.len());
    let fitting = cut(text, room);
    to.push_str(fitting);
    fitting.len() == text.len()
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max.min(text.len()))]
}

fn attribute<'a>(tag: &'a Tag, name: &str) -> Option<&'a str> {
    tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|attribute| &*attribute.value)
}

/// The address in a tag, when there is one that a browser goes to or asks for by itself.
fn link(tag: &Tag) -> Option<&str> {
    match &*tag.name {
        "a" | "link" | "use" => attribute(tag, "href"),
        "img" | "script" | "source" | "iframe" => attribute(tag, "src"),
        // Forms of other methods are sent, which changes things.
        "form" if attribute(tag, "method").is_none_or(|method| method.eq_ignore_ascii_case("get")) => {
            attribute(tag, "action")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(name: &str, value: Option<&str>, text: &str) -> Shown {
        Shown { name: name.to_owned(), value: value.map(str::to_owned), text: text.to_owned(), hidden: false }
    }

    #[test]
    fn a_page_is_read_as_browsers_read_it() {
        let page = read(
            "<!doctype html><html><head><title>A &lt;data data-promise=x></title><link rel=canonical href='https://a.example/p'>\
             <script src=/s.js>if (a<b) document.write('<data data-promise=\"y\">')</script></head><body><nav>£1</nav><main id=main>\
             <H1>Pricing &amp;\n more</H1><p id=p>From <DATA value='900' data-promise=\"plan.a.price\">£<b>9</b></DATA> a month, \
             <data data-promise=z>z</data><!-- <data data-promise=c>c</data> --><code>£7</code> <a href='/x?a=1&amp;b=2#c'>x</a>\
             <template><data data-promise=t value=1>1</data></template><svg><use href=\"/i.svg#a\"/></svg>\
             <form action=/f></form><form action=/g method=POST></form></main>",
        );
        assert_eq!(page.trouble, None);
        assert_eq!(page.headings, ["Pricing & more"]);
        assert_eq!(page.canonical.as_deref(), Some("https://a.example/p"));
        assert_eq!(page.promises, [shown("plan.a.price", Some("900"), "£9"), shown("z", None, "z")]);
        let links: Vec<_> = page.links.iter().map(String::as_str).collect();
        assert_eq!(links, ["/f", "/i.svg#a", "/s.js", "/x?a=1&b=2#c", "https://a.example/p"]);
        assert_eq!(page.ids.iter().map(String::as_str).collect::<Vec<_>>(), ["main", "p"]);
        assert_eq!(words(&page.loose), "Pricing & more From a month, x");
    }

    #[test]
    fn promises_within_each_other_and_without_an_end_are_kept() {
        let page =
            read("<main><span data-promise=a value=1>one <span>two</span> <b data-promise=b value=2>three");
        assert_eq!(page.promises, [shown("a", Some("1"), "one two three"), shown("b", Some("2"), "three")]);
        let hidden = read("<data hidden value=1 data-promise=a>1</data>").promises;
        assert!(hidden[0].hidden);
    }

    #[test]
    fn what_is_too_much_is_said_and_costs_little() {
        let attributes: String = (0..100_000).map(|number| format!(" a{number}")).collect();
        let rows = [
            ("a".repeat(PAGE_BYTES_MAX + 1), "too large"),
            (format!("<main>{}", "a ".repeat(LOOSE_BYTES_MAX)), "too many words"),
            (format!("<p{attributes}>"), "does not end"),
            (format!("<p x='>'{attributes}>"), "does not end"),
            (format!("<!-- {}", "-".repeat(100_000)), "does not end"),
            ("<b data-promise=a>".repeat(1_000), "too many promises"),
            ("<b data-promise=a></b>".repeat(LISTED_MAX + 1), "too many promises"),
            ((0..=LISTED_MAX).map(|number| format!("<p id=a{number}>")).collect(), "too many links"),
            (format!("<a href='/{}'>", "a".repeat(LINK_BYTES_MAX)), "too long"),
        ];
        for (html, trouble) in rows {
            let page = read(&html);
            assert!(
                page.trouble.is_some_and(|found| found.contains(trouble)),
                "{trouble}: {:?}",
                page.trouble
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_grow(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just("<main>".to_owned()), Just("</main>".to_owned()), Just("<data data-promise=\"".to_owned()),
                    Just("\" value='".to_owned()), Just("'>".to_owned()), Just("</data>".to_owned()), Just("<h1>".to_owned()),
                    Just("<script>".to_owned()), Just("</script>".to_owned()), Just("<plaintext>".to_owned()), Just("<!--".to_owned()),
                    Just("<![CDATA[".to_owned()), Just("&#x110000;".to_owned()), Just("\0".to_owned()), Just("<template>".to_owned()),
                    Just("<textarea>".to_owned()), "\\PC{0,20}", "[<>/&\"'= a-z]{0,20}",
                ],
                0..200,
            )
        ) {
            let page = read(&pieces.concat());
            prop_assert!(page.promises.len() + page.headings.len() <= LISTED_MAX);
            prop_assert!(page.loose.len() <= LOOSE_BYTES_MAX);
            for shown in page.promises {
                prop_assert!(shown.text.len() <= TEXT_BYTES_MAX && shown.name.len() <= TEXT_BYTES_MAX);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            read(&String::from_utf8_lossy(&bytes));
        }

        /// Wherever a promise stands and whatever is in it, it is read as it was written.
        #[test]
        fn a_promise_is_read_as_it_was_written(before in "[a-z <>]{0,40}", value in "[^\\p{C}\"&]{0,30}", text in "[^\\p{C}<&]{1,30}") {
            let html = format!("<p>{}</p><data value=\"{value}\" data-promise=\"a.b\">{text}</data>", before.replace('<', "&lt;"));
            prop_assert_eq!(read(&html).promises, [Shown { text: words(&text), ..shown("a.b", Some(&value), "") }]);
        }
    }
}
