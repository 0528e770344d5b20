//! What is taken of strangers, and how much of it.

use std::time::Duration;

use levqor_model::{Date, LeadId, ProblemCode};
use levqor_store::page_events::{PageEvents, PageSums, SourceSums};

use crate::{
    App, Problem,
    features::{metrics::Counter, sign_in},
    gateway::{Allowance, ClientAddress, Mailboxes},
    problem::FieldError,
};

/// Characters of the name of a source, a target and a page.
const NAME_CHARS_MAX: usize = 64;
const PAGE_CHARS_MAX: usize = 200;
/// Leads that one network may leave at once, and how long it takes to earn another; the same for one address.
const PER_NETWORK: Allowance = (10, Duration::from_secs(60));
const PER_EMAIL: Allowance = (3, Duration::from_secs(600));
/// Where prices are clicked.
const PRICES: &str = "/pricing";

/// How often leads came.
struct Leads(Mailboxes);

/// What happened on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    PageView,
    CtaClick,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Kind::PageView => "page_view",
            Kind::CtaClick => "cta_click",
        }
    }
}

/// The name of a campaign, a button or the like: lower case letters, digits, and a few marks between them.
fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    (1..=NAME_CHARS_MAX).contains(&text.len()) && text.chars().all(allowed)
}

fn name(pointer: &str, text: &str) -> Result<String, FieldError> {
    let text = text.trim().to_lowercase();
    if is_name(&text) {
        return Ok(text);
    }
    Err(FieldError::new(
        pointer,
        format!(
            "must have 1 to {NAME_CHARS_MAX} letters, digits, points, dashes or underscores, such as newsletter-may"
        ),
    ))
}

/// Fields for people are filled in by programs; this one must not be.
pub(in crate::features) fn refuse_programs(trap: Option<&str>) -> Result<(), Problem> {
    match trap {
        None | Some("") => Ok(()),
        Some(_) => Err(Problem::field(
            "/website",
            "must be left empty: it is there to catch programs that fill in every field",
        )),
    }
}

/// Keeps an address that somebody left. The answer is the same for one that is known.
///
/// # Errors
/// 422 for an address that is none or a source that is no name; 429 when too many came from the network or for the address.
pub(super) async fn keep_lead(
    app: &App,
    client: ClientAddress,
    email: &str,
    source: &str,
    consent: bool,
) -> Result<(), Problem> {
    let email = sign_in::service::email(email);
    let source = name("/source", source);
    let (email, source) = match (email, source) {
        (Ok(email), Ok(source)) => (email, source),
        (email, source) => {
            let email = email.err().map(|error| FieldError::new("/email", error.to_string()));
            let errors: Vec<_> = email.into_iter().chain(source.err()).collect();
            let detail = errors.iter().map(|one| format!("{}: {}", one.pointer, one.message));
            let detail = detail.collect::<Vec<_>>().join("; ");
            return Err(Problem::new(ProblemCode::InvalidFields, detail).with_errors(errors));
        }
    };
    let leads = app.memory(|_| Leads(Mailboxes::new(PER_NETWORK, PER_EMAIL)));
    leads.0.take(client.network(), &email).map_err(too_often)?;
    app.store.keep_lead(LeadId::new(app.now(), &*app.random), email, source, consent, app.now()).await?;
    Ok(())
}

/// `wait`: until one more may be asked for.
pub(in crate::features) fn too_often(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + 1;
    Problem::new(
        ProblemCode::RateLimited,
        format!("too much was sent from your network or for this address; try again in {seconds} s"),
    )
    .retry_after(seconds)
}

/// What a page tells of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) kind: Kind,
    pub(super) page: &'a str,
    pub(super) target: Option<&'a str>,
    pub(super) source: Option<&'a str>,
    /// Whether the visitor agreed to say by which campaign they came.
    pub(super) consent: bool,
}

/// Counts what a page tells.
///
/// # Errors
/// 422 for a page that is no path of this site, a click without a target, and names that are none.
pub(super) async fn count(app: &App, told: Told<'_>) -> Result<(), Problem> {
    let one = counted(told, app.now().date())?;
    let is_price = told.kind == Kind::CtaClick && one.page == PRICES;
    app.store.add_page_events(vec![one]).await?;
    if is_price {
        app.count(Counter::PricingCtaClicks);
    }
    Ok(())
}

/// What of it is counted on that day: by which campaign a visitor came is not, unless they agreed.
fn counted(told: Told<'_>, day: Date) -> Result<PageEvents, Problem> {
    let page = path(told.page)?;
    let target = match (told.kind, told.target) {
        (Kind::PageView, None) => String::new(),
        (Kind::PageView, Some(_)) => {
            return Err(Problem::field("/target", "belongs to cta_click only; leave it out"));
        }
        (Kind::CtaClick, Some(target)) => name("/target", target).map_err(of_one)?,
        (Kind::CtaClick, None) => {
            return Err(Problem::field("/target", "is missing: name what was clicked, such as start-trial"));
        }
    };
    let source = told.source.map(|source| name("/source", source)).transpose().map_err(of_one)?;
    let source = source.filter(|_| told.consent).unwrap_or_default();
    Ok(PageEvents { day, kind: told.kind.as_str().to_owned(), page, target, source, events: 1 })
}

fn of_one(error: FieldError) -> Problem {
    Problem::field(error.pointer, error.message)
}

/// The path without a slash at its end, as it is counted.
fn path(text: &str) -> Result<String, Problem> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let fits = text.len() <= PAGE_CHARS_MAX && text.starts_with('/') && text.chars().all(allowed);
    if !fits || text.contains("//") {
        return Err(Problem::field(
            "/page",
            format!(
                "must be the path of a page of this site without a query, such as /pricing, of {PAGE_CHARS_MAX} characters at most"
            ),
        ));
    }
    let trimmed = text.trim_end_matches('/');
    Ok(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() })
}

/// What came of all that in some days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Funnel {
    pub(crate) all_views: i64,
    /// Views of each page, most first.
    pub(crate) views: Vec<(String, i64)>,
    /// Clicks of each target, most first.
    pub(crate) clicks: Vec<(String, i64)>,
    /// What visitors did who agreed to say by which campaign they came, most views first.
    pub(crate) campaigns: Vec<SourceSums>,
    /// New leads by source, most first.
    pub(crate) leads: Vec<(String, i64)>,
}

/// Days are in UTC, both included.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn funnel(app: &App, from: Date, to: Date) -> Result<Funnel, levqor_store::Error> {
    let store = app.store.views();
    let PageSums { all_views, views, clicks, sources } = store.page_sums(from, to).await?;
    let leads = store.lead_sources(from.start(), to.plus_days(1).start()).await?;
    Ok(Funnel { all_views, views, clicks, campaigns: sources, leads })
}

#[cfg(test)]
mod tests {
    use levqor_model::Timestamp;

    use super::*;

    #[test]
    fn only_paths_of_this_site_are_pages() {
        let rows = [
            ("/pricing", Some("/pricing")),
            ("/pricing/", Some("/pricing")),
            ("/", Some("/")),
            ("", None),
            ("pricing", None),
            ("//evil.example", None),
            ("/a?b=c", None),
            ("/a#b", None),
            ("/<script>", None),
            ("https://levqor.example/", None),
        ];
        for (text, expected) in rows {
            assert_eq!(path(text).ok().as_deref(), expected, "{text}");
        }
        assert!(path(&format!("/{}", "a".repeat(PAGE_CHARS_MAX))).is_err());
    }

    #[test]
    fn a_source_is_counted_only_with_consent() {
        let day = Timestamp::from_seconds(1_795_502_901).date();
        for (consent, source) in [(true, "may"), (false, "")] {
            let told =
                Told { kind: Kind::PageView, page: "/pricing/", target: None, source: Some("May"), consent };
            let one = counted(told, day).unwrap();
            assert_eq!((one.page.as_str(), one.source.as_str(), one.events), ("/pricing", source, 1));
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        let rows =
            [("newsletter-may", true), ("a.b_c-9", true), ("", false), ("a b", false), ("=cmd()", false)];
        for (text, fits) in rows {
            assert_eq!(is_name(text), fits, "{text}");
        }
        assert!(!is_name(&"a".repeat(NAME_CHARS_MAX + 1)));
    }
}
