//! A drawing of a run and its journal, for pages that explain.

use maud::{Markup, html};

/// A bar of the drawing: lane, begin, width, class.
type Bar = (usize, u32, u32, &'static str);

/// A run over the death of its process: what is in the journal is not done again.
pub fn journal() -> Markup {
    let names = ["fetch", "any late?", "wait 1 h", "post"];
    let bars: [Bar; 4] =
        [(0, 110, 100, "good"), (1, 212, 24, "good"), (2, 238, 210, "warn"), (3, 450, 86, "good")];
    let entries = [110, 211, 237, 449, 537];
    html! {
        svg.graph viewBox="0 0 560 250" width="560" height="250" role="img"
            aria-label="A time line of four tasks. During the wait the process stops and a new one begins; the tasks before it are not repeated and the wait ends on time." {
            g.lane {
                @for (place, name) in names.iter().enumerate() {
                    @let y = 34 + place * 36;
                    text.name x="16" y=(y + 15) { (name) }
                    path.edge d={ "M110 " (y + 11) "H540" } stroke-opacity="0.25" {}
                }
                @for (lane, x, width, class) in bars {
                    rect class=(class) x=(x) y=(34 + lane * 36) width=(width) height="22" rx="5" {}
                }
            }
            g {
                path.edge.error d="M320 16V196" {}
                path.edge.error d="M380 16V196" {}
                text.kind x="316" y="14" text-anchor="end" { "process stops" }
                text.kind x="384" y="14" { "a new one goes on" }
            }
            path.edge d="M110 218H540" {}
            text.name x="16" y="222" { "journal" }
            @for x in entries { rect.spine x=(x - 3) y="212" width="7" height="12" rx="2" {} }
            text.detail x="540" y="243" text-anchor="end" { "each mark: on disk before the run goes on" }
        }
    }
}
