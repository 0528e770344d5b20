//! What stands on `/docs/api`: every operation and schema, as markup.
//!
//! It is the same for the life of a process and takes long to make, so it is made once, on a thread where nobody waits for it but those
//! who want the page. What is held from then on is that markup packed by gzip, exactly as long as it is: some hundred kilobytes (a test
//! says when it is half a megabyte), of some megabytes unpacked. While it is made there are, one after the other, the description as a
//! value, what is read of it, and the markup; each goes when the next one is there. The text that the description is read from stays
//! anyway, as `/openapi.json`.

use std::{
    io::{self, Read as _},
    sync::Arc,
};

use flate2::{Compression, read::GzDecoder};
use maud::{Markup, html};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::api::{self, Body, Member, Operation, Reference, Schema};
use crate::{
    App, Problem, openapi,
    pages::{
        components::{
            code::{Language, code_block, with_code},
            icon::icon,
        },
        gzipped,
    },
};

/// Packed; empty until somebody wants the page.
#[derive(Debug, Default)]
struct Kept(OnceCell<Arc<[u8]>>);

/// The markup. Cancel safe: who comes next begins again, or waits for who has begun.
///
/// # Errors
/// When it cannot be made, which nobody can cause from outside.
pub(super) async fn body(app: &App) -> Result<String, Problem> {
    let kept = app.memory(|_| Kept::default());
    let packed = kept
        .0
        .get_or_try_init(|| async {
            let public_url = app.settings.public_url.clone();
            let made = tokio::task::spawn_blocking(move || pack(&markup(&public_url).into_string())).await;
            made.map_err(Problem::internal)?
                .ok_or_else(|| Problem::broken("the API reference could not be packed"))
        })
        .await?;
    let packed = Arc::clone(packed);
    let unpacked = tokio::task::spawn_blocking(move || unpack(&packed)).await;
    unpacked.map_err(Problem::internal)?.map_err(Problem::internal)
}

/// In as many bytes as it takes and no more.
fn pack(markup: &str) -> Option<Arc<[u8]>> {
    gzipped(markup.as_bytes(), Compression::best()).map(|packed| Arc::from(&packed[..]))
}

fn unpack(packed: &[u8]) -> io::Result<String> {
    let mut markup = String::new();
    GzDecoder::new(packed).read_to_string(&mut markup)?;
    Ok(markup)
}

fn markup(public_url: &str) -> Markup {
    let Reference { groups, schemas } = {
        // Many times as large as its text; it goes before anything is rendered.
        let document: Value = serde_json::from_str(openapi::text()).unwrap_or_default();
        api::read(&document, public_url)
    };
    html! {
        @for group in &groups {
            section.band aria-labelledby={ "group-" (group.name) } {
                h2 id={ "group-" (group.name) } { (heading(&group.name)) }
                p.quiet { (with_code(&group.description)) }
                br;
                @for operation in &group.operations { (operation_card(operation)) }
            }
        }
        section.band aria-labelledby="schemas" {
            h2 id="schemas" { "Schemas" }
            br;
            @for schema in &schemas { (schema_card(schema)) }
        }
    }
}

fn operation_card(operation: &Operation) -> Markup {
    html! {
        details.operation id=(operation.anchor) {
            summary {
                span class={ "method " (operation.method.to_lowercase()) } { (operation.method) }
                code { (operation.path) }
                span.quiet { (with_code(&operation.summary)) }
            }
            div.body {
                @if operation.description != operation.summary && !operation.description.is_empty() { p { (with_code(&operation.description)) } }
                p.small.faint { (icon("key")) " " (operation.access) }
                (member_table("Parameters", &operation.parameters))
                @if let Some(body) = &operation.body { (body_part("Body", body)) }
                @if !operation.answers.is_empty() {
                    div {
                        h3 { "Answers" }
                        ul.answers {
                            @for answer in &operation.answers {
                                li {
                                    strong.nums { (answer.status) } " " (with_code(&answer.description))
                                    @if let Some(body) = &answer.body { " " (kind(&body.kind, body.refers.as_deref())) }
                                }
                            }
                        }
                    }
                }
                (code_block(&format!("{}-curl", operation.anchor), "curl", &operation.curl, Language::Plain))
            }
        }
    }
}

fn body_part(title: &str, body: &Body) -> Markup {
    html! {
        div {
            h3 { (title) ", " code { (body.content_type) } " " (kind(&body.kind, body.refers.as_deref())) }
            (member_rows(&body.members))
        }
    }
}

fn member_table(title: &str, members: &[Member]) -> Markup {
    html! { @if !members.is_empty() { div { h3 { (title) } (member_rows(members)) } } }
}

fn member_rows(members: &[Member]) -> Markup {
    html! {
        @if !members.is_empty() {
            div.table-wrap {
                table.fold {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Type" } th scope="col" { "Meaning" } } }
                    tbody {
                        @for member in members {
                            tr {
                                th scope="row" {
                                    code { (member.name) }
                                    @if !member.place.is_empty() { " " span.small.faint { (member.place) } }
                                }
                                td data-label="Type" { span { (kind(&member.kind, member.refers.as_deref())) @if member.required { " " span.small.faint { "required" } } } }
                                td data-label="Meaning" { span { (with_code(&member.description)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn kind(name: &str, refers: Option<&str>) -> Markup {
    html! {
        @match refers {
            Some(schema) => a href={ "#schema-" (schema) } { (name) },
            None => span.quiet { (name) },
        }
    }
}

fn schema_card(schema: &Schema) -> Markup {
    html! {
        details.operation id={ "schema-" (schema.name) } {
            summary { code { (schema.name) } span.quiet { (with_code(&schema.description)) } }
            div.body {
                @if schema.members.is_empty() { p.quiet { (schema.kind) } } @else { (member_rows(&schema.members)) }
            }
        }
    }
}

/// The name of a group as a heading.
fn heading(name: &str) -> String {
    match name {
        "ai" => "AI".to_owned(),
        name => {
            let mut chars = name.chars();
            chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Held for the life of a process.
    const HELD_BYTES_MAX: usize = 500_000;

    #[test]
    fn names_of_groups_become_headings() {
        assert_eq!(["ai", "runs", ""].map(heading), ["AI", "Runs", ""]);
    }

    #[test]
    fn what_is_held_is_small_and_all_of_it() {
        let whole = markup("https://levqor.example").into_string();
        let packed = pack(&whole).unwrap();
        assert!(packed.len() < HELD_BYTES_MAX, "{} bytes are held", packed.len());
        assert_eq!(unpack(&packed).unwrap(), whole);
        for part in [
            "id=\"group-workflows\"",
            "id=\"get-health\"",
            "curl https://levqor.example/health",
            "id=\"schemas\"",
        ] {
            assert!(whole.contains(part), "{part}");
        }
        assert!(unpack(&packed[..packed.len() / 2]).is_err(), "half of it is no page");
    }
}
