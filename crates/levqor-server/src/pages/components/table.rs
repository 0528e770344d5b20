//! Tables that become lists on a phone, and the links between pages of a long list.

use maud::{Markup, html};

/// A table in a frame that scrolls by itself. `caption` is for those who hear the page, as is the name of a column without one, which
/// holds what can be done with a row.
pub fn table(caption: &str, heads: &[(&str, bool)], rows: &Markup) -> Markup {
    html! {
        div.table-wrap {
            table.fold {
                caption.visually-hidden { (caption) }
                thead { tr { @for (head, number) in heads { th.num[*number] scope="col" { (column(head)) } } } }
                tbody { (rows) }
            }
        }
    }
}

fn column(head: &str) -> Markup {
    html! { @if head.is_empty() { span.visually-hidden { "Actions" } } @else { (head) } }
}

/// `first` leads back to the newest items when the page is not the first; `next` to older ones.
pub fn pager(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav.pager aria-label="Pages" {
                @if let Some(path) = first { a.button.slim href=(path) { "Newest" } } @else { span {} }
                @if let Some(path) = next { a.button.slim href=(path) rel="next" { "Older" } }
            }
        }
    }
}
