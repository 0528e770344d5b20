//! Tables that become lists on a phone, and the links between pages of a long list.

use maud::{Markup, html};

/// A table in a frame that scrolls by itself. `caption` is for those who hear the page.
pub fn table(caption: &str, heads: &[(&str, bool)], rows: &Markup) -> Markup {
    html! {
        div.table-wrap {
            table.fold {
                caption.visually-hidden { (caption) }
                thead { tr { @for (head, number) in heads { th.num[*number] scope="col" { (head) } } } }
                tbody { (rows) }
            }
        }
    }
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
