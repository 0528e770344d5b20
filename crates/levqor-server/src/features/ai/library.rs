//! What the built-in backend knows: the shipped guides and the blueprint, as short sections with addresses.

use levqor_model::Blueprint;

use crate::{features::docs::service::GUIDES, pages::markdown::anchor};

/// A piece of documentation that can be quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// `Runs: Retry`.
    pub title: String,
    /// Where to read it, from the server's root.
    pub url: String,
    pub sentences: Vec<String>,
}

/// All sections, in reading order.
pub fn sections(blueprint: &Blueprint) -> Vec<Section> {
    let mut all: Vec<Section> =
        GUIDES.iter().flat_map(|guide| guide_sections(guide.slug, guide.markdown)).collect();
    all.extend(blueprint_sections(blueprint));
    all
}

/// The sections of a guide; each `##` heading begins one.
fn guide_sections(slug: &str, markdown: &str) -> Vec<Section> {
    let page = markdown.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(slug);
    let mut sections = Vec::new();
    for part in markdown.split("\n## ").skip(1) {
        let (heading, body) = part.split_once('\n').unwrap_or((part, ""));
        sections.push(Section {
            title: format!("{page}: {heading}"),
            url: format!("/docs/{slug}#{}", anchor(heading)),
            sentences: sentences(body),
        });
    }
    sections
}

/// Splits Markdown into sentences. A code block is one piece of its own, kept as it is.
fn sentences(body: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, block) in body.split("```").enumerate() {
        if place % 2 == 1 {
            let code = block.split_once('\n').map_or(block, |(_, code)| code).trim_end();
            found.push(format!("```\n{code}\n```"));
            continue;
        }
        for paragraph in block.split("\n\n") {
            let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
            let mut rest = text.as_str();
            while let Some(end) = sentence_end(rest) {
                found.push(rest[..end].trim().to_owned());
                rest = &rest[end..];
            }
            if !rest.trim().is_empty() {
                found.push(rest.trim().to_owned());
            }
        }
    }
    found
}

/// Where the first sentence of `text` ends: after a full stop that a space and a capital (or a backtick) follow.
fn sentence_end(text: &str) -> Option<usize> {
    text.match_indices(['.', '!', '?']).map(|(place, _)| place + 1).find(|end| {
        let mut after = text[*end..].chars();
        after.next() == Some(' ') && after.next().is_some_and(|letter| letter.is_uppercase() || letter == '`')
    })
}

fn blueprint_sections(blueprint: &Blueprint) -> Vec<Section> {
    let section = |title: &str, url: &str, sentences: Vec<String>| Section {
        title: title.to_owned(),
        url: url.to_owned(),
        sentences,
    };
    let plans = blueprint.plans.iter().map(|plan| {
        format!(
            "The {} plan costs {} a month or {} a year, with {} workflows, {} runs a month, {} AI credits and a first \
             support response within {} hours.",
            plan.name,
            blueprint.money(plan.month_price),
            blueprint.money(plan.year_price),
            plan.workflows,
            plan.runs_per_month,
            plan.ai_credits,
            plan.first_response_hours
        )
    });
    let packages = blueprint
        .packages
        .iter()
        .map(|package| {
            format!("The done-for-you package {} costs {}.", package.name, blueprint.money(package.price))
        })
        .chain([format!("Each package includes {} revision rounds.", blueprint.package_revision_rounds)]);
    let credits = blueprint.uptime.credits.iter().map(|credit| {
        format!("When a month's uptime is {}, {} % of its price comes back.", credit.band, credit.percent)
    });
    let uptime = std::iter::once(format!(
        "The promised uptime is {} %.",
        f64::from(blueprint.uptime.promise_ppm) / 10_000.0
    ))
    .chain(credits);
    let addons = blueprint.addons.iter().map(|addon| {
        format!("The add-on {} costs {} a month.", addon.name, blueprint.money(addon.month_price))
    });
    vec![
        section("Plans and prices: cost of each plan", "/pricing#plans", plans.collect()),
        section("Done-for-you packages: prices", "/pricing#done-for-you", packages.collect()),
        section(
            "Free trial and refunds: money back",
            "/guarantee",
            vec![
                format!("{} on all plans.", blueprint.trial.headline),
                format!("{}.", blueprint.trial.card_note),
                format!("There is a {}-day money-back guarantee (refund).", blueprint.money_back_days),
            ],
        ),
        section("Uptime promise (SLA) and service credits", "/sla", uptime.collect()),
        section("Add-ons: prices", "/pricing#add-ons", addons.collect()),
        section(
            "Fair use: request limits",
            "/fair-use",
            vec![format!(
                "Fair use is {} requests a minute and {} concurrent runs for each account.",
                blueprint.fair_use.requests_per_minute, blueprint.fair_use.concurrent_runs
            )],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guide_becomes_sections_with_sentences_and_code() {
        let markdown = "# Runs\n\n## Start a run\n\nSend it. It answers 202.0 at once.\n\n```\ncurl x\n```\n\n## Stop\n\nNo.\n";
        let sections = guide_sections("runs", markdown);
        assert_eq!(sections.len(), 2);
        assert_eq!(sections[0].title, "Runs: Start a run");
        assert_eq!(sections[0].url, "/docs/runs#start-a-run");
        assert_eq!(sections[0].sentences, ["Send it.", "It answers 202.0 at once.", "```\ncurl x\n```"]);
    }
}
