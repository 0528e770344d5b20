//! Markdown as HTML: headings with anchors, links between guides, coloured code, and nothing that a page must not have.

use std::{
    collections::{BTreeSet, HashSet},
    sync::LazyLock,
};

use ammonia::Builder;
use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use crate::pages::components::code::{Language, paint};

/// Ids that the shell of every page has, so that no heading may have them.
const TAKEN: &[&str] = &["main"];

/// A page made of Markdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Safe to be put into a page as it is.
    pub html: String,
    /// The second-level headings: anchor and text.
    pub headings: Vec<(String, String)>,
}

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = Builder::default();
    for heading in ["h1", "h2", "h3", "h4", "h5", "h6"] {
        cleaner.add_tag_attributes(heading, &["id"]);
    }
    cleaner
        .add_allowed_classes("span", &["k", "s", "n", "b", "c", "p"])
        .add_allowed_classes("div", &["table-wrap"])
        .add_tag_attribute_values("div", "tabindex", &["0"])
        .add_tag_attribute_values("pre", "tabindex", &["0"])
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .link_rel(Some("noopener"));
    cleaner
});

/// Renders Markdown. `base` is the folder that links to other `.md` files lead to, such as `/docs/`.
pub fn render(markdown: &str, base: &str) -> Rendered {
    let mut events: Vec<Event<'_>> =
        Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).collect();
    let headings = name_headings(&mut events);
    for event in &mut events {
        if let Event::Start(Tag::Link { dest_url, .. }) = event
            && let Some(path) = page_of(dest_url, base)
        {
            *dest_url = CowStr::from(path);
        }
    }
    let mut out = String::new();
    html::push_html(&mut out, frame_tables(paint_code(events)).into_iter());
    Rendered { html: CLEANER.clean(&out).to_string(), headings }
}

/// The fragment that a heading gets: its letters and digits, joined by dashes.
pub fn anchor(heading: &str) -> String {
    let mut anchor = String::new();
    for letter in heading.to_lowercase().chars() {
        if letter.is_alphanumeric() {
            anchor.push(letter);
        } else if !anchor.is_empty() && !anchor.ends_with('-') {
            anchor.push('-');
        }
    }
    anchor.trim_end_matches('-').to_owned()
}

fn name_headings(events: &mut [Event<'_>]) -> Vec<(String, String)> {
    let mut headings = Vec::new();
    let mut taken: BTreeSet<String> = TAKEN.iter().map(ToString::to_string).collect();
    for place in 0..events.len() {
        let Event::Start(Tag::Heading { level, .. }) = &events[place] else { continue };
        let level = *level;
        let text: String = events[place..]
            .iter()
            .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))
            .filter_map(|event| match event {
                Event::Text(text) | Event::Code(text) => Some(text.to_string()),
                _ => None,
            })
            .collect();
        let name = free(anchor(&text), &mut taken);
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[place] {
            *id = Some(CowStr::from(name.clone()));
        }
        if level == HeadingLevel::H2 {
            headings.push((name, text));
        }
    }
    headings
}

/// The name, with a number behind it when another heading has it.
fn free(name: String, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.unwrap_or(name);
    taken.insert(free.clone());
    free
}

/// `runs.md#retry` in a guide is `/docs/runs#retry` on the site.
fn page_of(link: &str, base: &str) -> Option<String> {
    let (file, fragment) =
        link.split_once('#').map_or((link, None), |(file, fragment)| (file, Some(fragment)));
    let slug = file.strip_suffix(".md")?;
    if link.contains("://") {
        return None;
    }
    let slug = slug.trim_start_matches("./").trim_start_matches("../guide/");
    let (base, slug) =
        slug.strip_prefix("../problems/").map_or((base, slug), |slug| ("/docs/problems/", slug));
    Some(match fragment {
        Some(fragment) => format!("{base}{slug}#{fragment}"),
        None => format!("{base}{slug}"),
    })
}

/// Puts each table into a frame that scrolls, also by keyboard.
fn frame_tables(events: Vec<Event<'_>>) -> Vec<Event<'_>> {
    let mut out = Vec::with_capacity(events.len());
    for event in events {
        match event {
            Event::Start(Tag::Table(_)) => {
                out.push(Event::Html(CowStr::Borrowed("<div class=\"table-wrap\" tabindex=\"0\">")));
                out.push(event);
            }
            Event::End(TagEnd::Table) => {
                out.push(event);
                out.push(Event::Html(CowStr::Borrowed("</div>\n")));
            }
            event => out.push(event),
        }
    }
    out
}

/// Replaces blocks of code by coloured ones. They scroll, also by keyboard.
fn paint_code(events: Vec<Event<'_>>) -> Vec<Event<'_>> {
    let mut out = Vec::with_capacity(events.len());
    let mut block: Option<(Language, String)> = None;
    for event in events {
        match (event, &mut block) {
            (Event::Start(Tag::CodeBlock(kind)), _) => block = Some((language(&kind), String::new())),
            (Event::End(TagEnd::CodeBlock), Some((language, text))) => {
                let painted = paint(text, *language).into_string();
                out.push(Event::Html(CowStr::from(format!(
                    "<pre tabindex=\"0\"><code>{painted}</code></pre>\n"
                ))));
                block = None;
            }
            (Event::Text(text), Some((_, code))) => code.push_str(&text),
            (event, _) => out.push(event),
        }
    }
    out
}

fn language(kind: &CodeBlockKind<'_>) -> Language {
    match kind {
        CodeBlockKind::Fenced(name) if matches!(&**name, "yaml" | "yml") => Language::Yaml,
        CodeBlockKind::Fenced(name) if &**name == "json" => Language::Json,
        CodeBlockKind::Fenced(_) | CodeBlockKind::Indented => Language::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guide_keeps_its_structure() {
        let shown = render(
            "# Runs\n\nSee [retry](calls.md#the-retry) and [this](https://example.org/x.md).\n\n## Retry `now`\n\n```json\n{\"a\": 1}\n```\n",
            "/docs/",
        );
        insta::assert_snapshot!(shown.html, @r##"
        <h1 id="runs">Runs</h1>
        <p>See <a href="/docs/calls#the-retry" rel="noopener">retry</a> and <a href="https://example.org/x.md" rel="noopener">this</a>.</p>
        <h2 id="retry-now">Retry <code>now</code></h2>
        <pre tabindex="0"><code>{<span class="k">"a"</span>: <span class="n">1</span>}
        </code></pre>
        "##);
        assert_eq!(shown.headings, [("retry-now".to_owned(), "Retry now".to_owned())]);
    }

    #[test]
    fn no_two_headings_have_the_same_anchor() {
        let shown = render("# Main\n\n## Stop\n\n## Stop\n\n### Stop\n", "/docs/");
        let ids: Vec<_> =
            shown.html.split("id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(ids, ["main-2", "stop", "stop-2", "stop-3"]);
        assert_eq!(shown.headings.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["stop", "stop-2"]);
    }

    #[test]
    fn nothing_active_gets_through() {
        for text in [
            "<script>alert(1)</script>",
            "[x](javascript:alert(1))",
            "<img src=x onerror=alert(1)>",
            "<a href=\"data:text/html,x\" style=\"color:red\" onclick=\"x()\">y</a>",
            "```html\n<script>alert(1)</script>\n```",
            "<span class=\"skip\">y</span>",
        ] {
            let shown = render(text, "/docs/").html;
            for bad in ["<script", "javascript:", "onerror", "onclick", "style=", "data:", "class=\"skip"] {
                assert!(!shown.contains(bad), "{text}: {shown}");
            }
        }
    }

    #[test]
    fn links_between_files_become_links_between_pages() {
        for (link, page) in [
            ("runs.md", Some("/docs/runs")),
            ("./runs.md#a", Some("/docs/runs#a")),
            ("../problems/not-found.md", Some("/docs/problems/not-found")),
            ("https://a.example/x.md", None),
            ("/docs/runs", None),
        ] {
            assert_eq!(page_of(link, "/docs/").as_deref(), page, "{link}");
        }
    }
}
