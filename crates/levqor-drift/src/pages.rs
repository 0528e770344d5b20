//! The pages: whether each is there, begins as it should, and shows the promises as they are; and whether its links lead somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use http::StatusCode;
use levqor_model::{Deviation, Severity};
use regex::Regex;

use crate::{
    agreed::Expected,
    catalogue::{self, Heading, PLACES, Place, SIGN_IN, SIGNED_IN},
    found::Found,
    html::{self, Page, Shown, words},
    look::{Answer, Caller, Look},
    report::{Outcome, Part},
    severity,
};

/// Addresses that are followed.
const LINKS_MAX: usize = 1_000;

/// Words about price, trial, money back and uptime, with a number. Digits and letters are those of English: with all of Unicode's the
/// expression alone holds 2 MB.
static SAID_BY_HAND: LazyLock<Regex> = LazyLock::new(|| {
    let parts = [
        r"[£€$]\s?[0-9][0-9.,]*",
        r"(?-u:\b)[0-9][0-9.,]*\s?(?:€|GBP|EUR|USD)",
        r"(?i)(?-u:\b)[0-9]+[ -]days?[ -](?:free|trial|money|refund)[0-9a-z_ -]{0,20}",
        r"(?i)(?-u:\b)[0-9][0-9.,]*\s?%[^.]{0,20}(?-u:\b)(?:uptime|availab[a-z]+)",
    ];
    Regex::new(&parts.join("|")).expect("an expression that is written here")
});

/// Why a page is not as it should be, when it is about the page as a whole.
fn missing(place: impl Into<String>, expected: &str, found: impl Into<Option<String>>) -> Deviation {
    Deviation {
        severity: Severity::Major,
        place: place.into(),
        expected: Some(expected.to_owned()),
        found: found.into(),
    }
}

pub(crate) async fn look(site: &impl Look, expected: Option<&BTreeMap<String, Expected>>, found: &mut Found) {
    let mut read = BTreeMap::new();
    let mut shown = 0;
    for place in PLACES {
        let page = match page(site, place.path).await {
            Ok(page) => page,
            Err(problem) => {
                found.add(missing(place.path, "a page for everybody", problem));
                continue;
            }
        };
        begins(place, &page, expected, found);
        if let Some(expected) = expected {
            shown += page.promises.len() as u64;
            promises(place, &page, expected, found);
        }
        if place.promises_only {
            by_hand(place, &page, found);
        }
        read.insert(place.path.to_owned(), page);
    }
    let outcome = match expected {
        Some(_) => Outcome::Compared(shown),
        None => Outcome::Unknown("there is nothing to compare them with".to_owned()),
    };
    found.part(Part::Pages, outcome);
    for path in SIGNED_IN {
        signed_in(site, path, found).await;
    }
    links(site, read, found).await;
}

async fn page(site: &impl Look, path: &str) -> Result<Page, String> {
    let answer = site.get(path, Caller::Browser).await?;
    let page = html::read(answer.html()?);
    match page.trouble {
        Some(trouble) => Err(trouble.to_owned()),
        None => Ok(page),
    }
}

/// The heading, and the address that the page says it has.
fn begins(place: &Place, page: &Page, expected: Option<&BTreeMap<String, Expected>>, found: &mut Found) {
    let wanted = match place.heading {
        Heading::Is(text) => Some(text.to_owned()),
        Heading::Promise(name) => {
            expected.and_then(|all| all.get(name)?.text.clone()).map(|text| words(&text))
        }
        Heading::Some => None,
    };
    let place_of = |what: &str| format!("{what} of {}", place.path);
    let heading = match page.headings.as_slice() {
        [one] if !one.is_empty() => Some(one),
        _ => None,
    };
    match (heading, wanted) {
        (None, wanted) => {
            let expected = wanted.unwrap_or_else(|| "one first-level heading".to_owned());
            found.add(missing(place_of("the heading"), &expected, several(page)));
        }
        (Some(heading), Some(wanted)) if *heading != wanted => {
            let severity = match place.heading {
                Heading::Promise(name) => severity::of(name),
                _ => Severity::Major,
            };
            let deviation = missing(place_of("the heading"), &wanted, heading.clone());
            found.add(Deviation { severity, ..deviation });
        }
        _ => {}
    }
    // Otherwise it is another page, shown under this address.
    let own = page.canonical.as_deref().map(path_of);
    if own.as_deref() != Some(place.path) {
        found.add(missing(place_of("the canonical address"), place.path, page.canonical.clone()));
    }
}

fn several(page: &Page) -> Option<String> {
    (!page.headings.is_empty()).then(|| page.headings.join(" | "))
}

/// The path of an address.
fn path_of(address: &str) -> String {
    url::Url::parse(address).map_or_else(|_| address.to_owned(), |url| url.path().to_owned())
}

fn promises(place: &Place, page: &Page, expected: &BTreeMap<String, Expected>, found: &mut Found) {
    let mut told = BTreeSet::new();
    for shown in &page.promises {
        let deviation = match expected.get(&shown.name) {
            None => Some((None, Some(seen(shown)))),
            Some(wanted) => differs(wanted, shown),
        };
        let Some((wanted, seen)) = deviation else { continue };
        let deviation = Deviation {
            severity: severity::of(&shown.name),
            place: format!("{} on {}", shown.name, place.path),
            expected: wanted,
            found: seen,
        };
        // The same mistake at several places of a page is one.
        if told.insert(deviation.to_string()) {
            found.add(deviation);
        }
    }
    let visible: BTreeSet<_> =
        page.promises.iter().filter(|shown| !shown.hidden).map(|shown| shown.name.as_str()).collect();
    for (name, wanted) in expected {
        if catalogue::meant_by(place.shows, name) && !visible.contains(name.as_str()) {
            found.add(Deviation {
                severity: severity::of(name),
                place: format!("{name} on {}", place.path),
                expected: Some(wanted.text.clone().unwrap_or_else(|| wanted.value.clone())),
                found: None,
            });
        }
    }
}

fn seen(shown: &Shown) -> String {
    shown.value.as_ref().map_or_else(|| shown.text.clone(), |value| format!("{} ({value})", shown.text))
}

/// What is wrong with a promise on a page: with its value for programs, or with its words for people.
fn differs(wanted: &Expected, shown: &Shown) -> Option<(Option<String>, Option<String>)> {
    if shown.value.as_ref() != Some(&wanted.value) {
        // Where the words hold, the value alone is told.
        return Some((Some(wanted.value.clone()), Some(shown.value.clone().unwrap_or_else(|| seen(shown)))));
    }
    let text = words(wanted.text.as_ref()?);
    (text != shown.text).then(|| (Some(text), Some(shown.text.clone())))
}

/// What is said about price, trial and uptime without being a promise.
fn by_hand(place: &Place, page: &Page, found: &mut Found) {
    let said: BTreeSet<String> =
        SAID_BY_HAND.find_iter(&words(&page.loose)).map(|said| said.as_str().to_owned()).collect();
    for said in said {
        found.add(Deviation {
            severity: Severity::Critical,
            place: format!("{said:?} on {}", place.path),
            expected: None,
            found: Some("words that are in no blueprint".to_owned()),
        });
    }
}

/// What is not for everybody leads to the page for signing in.
async fn signed_in(site: &impl Look, path: &str, found: &mut Found) {
    let expected = "a way to the page for signing in";
    match site.get(path, Caller::Browser).await {
        Err(problem) => found.add(missing(path, expected, problem)),
        Ok(answer) if leads_to_sign_in(&answer) => {}
        Ok(answer) => found.add(missing(path, expected, format!("the status {}", answer.status.as_u16()))),
    }
}

fn leads_to_sign_in(answer: &Answer) -> bool {
    let to = answer.header("location").map(path_of);
    let to = to.as_deref().map(|to| to.split('?').next().unwrap_or_default());
    answer.status == StatusCode::TEMPORARY_REDIRECT && to == Some(SIGN_IN)
}

/// Every address of this site that a page leads to, once.
async fn links(site: &impl Look, mut read: BTreeMap<String, Page>, found: &mut Found) {
    let (wanted, strange) = targets(&read);
    for (from, to) in strange {
        found.add(missing(format!("{from} links to {to}"), "an address of this site, or a whole one", None));
    }
    let mut followed = 0;
    for (target, places) in &wanted {
        if followed >= LINKS_MAX {
            let problem = format!("more than {LINKS_MAX} addresses");
            found.add(missing("links", "as many as can be followed", problem));
            break;
        }
        followed += 1;
        let page = match read.remove(target) {
            Some(page) => Ok(Some(page)),
            None => follow(site, target).await,
        };
        let from = places.values().flatten().next().map_or("", String::as_str);
        match page {
            Err(problem) => {
                found.add(missing(format!("{from} links to {target}"), "something that is there", problem));
            }
            Ok(None) => {}
            Ok(Some(page)) => {
                for (fragment, from) in places.iter().filter(|(fragment, _)| !fragment.is_empty()) {
                    if !page.ids.contains(fragment) {
                        let from = from.iter().next().map_or("", String::as_str);
                        let place = format!("{from} links to {target}#{fragment}");
                        found.add(missing(place, "a place on that page", None));
                    }
                }
            }
        }
    }
    found.part(Part::Links, Outcome::Compared(followed as u64));
}

/// By address: places on that page, and the pages that lead there. The second: links that lead nowhere on this site.
type Targets = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn targets(read: &BTreeMap<String, Page>) -> (Targets, BTreeSet<(String, String)>) {
    let (mut wanted, mut strange) = (Targets::new(), BTreeSet::new());
    for (from, page) in read {
        // Links with a host are written with the one that the site says it has.
        let own = page.canonical.as_deref().and_then(|canonical| canonical.strip_suffix(from.as_str()));
        for link in &page.links {
            let link = own
                .and_then(|own| link.strip_prefix(own))
                .filter(|rest| rest.starts_with('/'))
                .unwrap_or(link);
            if ["https://", "http://", "mailto:", "data:"].iter().any(|start| link.starts_with(start)) {
                continue;
            }
            let (target, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if target.is_empty() { from } else { target };
            if !target.starts_with('/') || target.starts_with("//") {
                strange.insert((from.clone(), link.to_owned()));
                continue;
            }
            let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy().into_owned();
            wanted.entry(target.to_owned()).or_default().entry(fragment).or_default().insert(from.clone());
        }
    }
    (wanted, strange)
}

/// None: there is something, and it is no page.
async fn follow(site: &impl Look, target: &str) -> Result<Option<Page>, String> {
    let answer = site.get(target, Caller::Browser).await?;
    if SIGNED_IN.iter().any(|path| target.starts_with(path)) && leads_to_sign_in(&answer) {
        return Ok(None);
    }
    // It is there, and asks for a key.
    if answer.status == StatusCode::UNAUTHORIZED && (target.starts_with("/api/") || target == "/metrics") {
        return Ok(None);
    }
    if answer.status != StatusCode::OK {
        return Err(format!("the status {}", answer.status.as_u16()));
    }
    if answer.media_type() != "text/html" {
        return Ok(None);
    }
    let page = html::read(answer.html()?);
    match page.trouble {
        Some(trouble) => Err(trouble.to_owned()),
        None => Ok(Some(page)),
    }
}
