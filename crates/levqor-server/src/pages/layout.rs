//! The shell around every page.

use levqor_model::Role;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Theme, View, assets, components::icon::icon};

/// Where in the site a page stands; its entry in the navigation is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Home,
    Status,
    Docs,
    SignIn,
    Overview,
    Workflows,
    Runs,
    Keys,
    Secrets,
    Approvals,
    Other,
}

impl Section {
    fn is_console(self) -> bool {
        matches!(
            self,
            Section::Overview
                | Section::Workflows
                | Section::Runs
                | Section::Approvals
                | Section::Secrets
                | Section::Keys
        )
    }
}

/// A page before it has its shell.
#[derive(Debug)]
pub struct Page {
    pub title: String,
    pub description: Option<&'static str>,
    pub section: Section,
    /// Seconds after which a browser without scripts loads the page again.
    pub refresh: Option<u32>,
    pub body: Markup,
}

impl Page {
    pub fn new(title: impl Into<String>, section: Section, body: Markup) -> Self {
        Self { title: title.into(), description: None, section, refresh: None, body }
    }

    pub fn describe(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    pub fn refresh_every(mut self, seconds: Option<u32>) -> Self {
        self.refresh = seconds;
        self
    }

    /// The whole document, for this reader.
    pub fn render(self, view: &View) -> Markup {
        let console = self.section.is_console() && view.reader.is_some();
        let main = html! { main id="main" tabindex="-1" { (self.body) } };
        document(
            &self.title,
            self.description,
            view.theme,
            self.refresh,
            html! {
                (header(view, self.section))
                @if console {
                    div.console { (side(view, self.section)) (main) }
                } @else {
                    (main)
                    (footer(view))
                }
            },
        )
    }
}

/// `<html>` around a body, without navigation; for pages that must not depend on anything.
pub(super) fn document(
    title: &str,
    description: Option<&str>,
    theme: Theme,
    refresh: Option<u32>,
    body: Markup,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[theme.attribute()] {
            head {
                meta charset="utf-8";
                title { (title) @if title != "Levqor" { " · Levqor" } }
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(description) = description { meta name="description" content=(description); }
                meta name="color-scheme" content="light dark";
                meta name="theme-color" content="#fbfaf7" media="(prefers-color-scheme: light)";
                meta name="theme-color" content="#0e1014" media="(prefers-color-scheme: dark)";
                link rel="icon" type="image/svg+xml" href=(assets::mark());
                link rel="stylesheet" href=(assets::app_css());
                script src=(assets::theme_js()) {}
                script src=(assets::app_js()) defer {}
                @if let Some(seconds) = refresh {
                    noscript { meta http-equiv="refresh" content=(seconds); }
                }
            }
            body {
                a.skip href="#main" { "Skip to content" }
                (body)
            }
        }
    }
}

/// The mark: a lever on its point, made of two steps of a workflow.
pub(super) fn brand() -> Markup {
    html! {
        a.brand href="/" {
            (PreEscaped(concat!(
                r#"<svg viewBox="0 0 32 32" aria-hidden="true"><rect class="tile" width="32" height="32" rx="8"/>"#,
                r#"<path class="beam" d="M7.5 20.5l17-10"/><circle class="solid" cx="7.8" cy="20.3" r="2.6"/>"#,
                r#"<circle class="solid" cx="24" cy="10.8" r="3.6"/><path class="solid" d="M15.9 16.4l4.3 8.1h-8.6z"/></svg>"#
            )))
            "Levqor"
        }
    }
}

fn link(path: &str, name: &str, current: bool, optional: bool) -> Markup {
    html! {
        a.optional[optional] href=(path) aria-current=[current.then_some("page")] { (name) }
    }
}

fn header(view: &View, section: Section) -> Markup {
    let links = |optional| {
        html! {
            (link("/#how", "How it works", false, optional))
            (link("/#plans", "Plans", false, optional))
            (link("/docs", "Docs", section == Section::Docs, optional))
            (link("/status", "Status", section == Section::Status, optional))
        }
    };
    if let Some(reader) = view.reader.as_ref().filter(|_| section.is_console()) {
        return html! {
            header.site-header.of-console {
                div.bar {
                    (brand())
                    div.site-nav {
                        (theme_switch(view))
                        span.account.small.faint { (reader.email) }
                        (sign_out(&reader.csrf))
                    }
                }
            }
        };
    }
    html! {
        header.site-header {
            div.wide.bar {
                (brand())
                nav.site-nav aria-label="Site" {
                    (links(true))
                    (theme_switch(view))
                    @if view.reader.is_some() {
                        a.button.slim href="/dashboard" { "Dashboard" }
                    } @else if section != Section::SignIn {
                        a.button.slim href="/signin" { "Sign in" }
                    }
                    details.menu {
                        summary aria-label="Menu" { (icon("menu")) }
                        div { (links(false)) }
                    }
                }
            }
        }
    }
}

fn theme_switch(view: &View) -> Markup {
    html! {
        form.theme method="post" action="/theme" data-theme-form {
            input type="hidden" name="theme" value=(view.theme.next());
            input type="hidden" name="next" value=(view.path);
            button type="submit" aria-label="Switch between light and dark" title="Light or dark" { (icon("theme")) }
        }
    }
}

fn sign_out(csrf: &str) -> Markup {
    html! {
        form.inline-form method="post" action="/signout" {
            input type="hidden" name="csrf" value=(csrf);
            button.button.plain.slim type="submit" { "Sign out" }
        }
    }
}

fn side(view: &View, section: Section) -> Markup {
    let admin = view.reader.as_ref().is_some_and(|reader| reader.actor.role >= Role::Admin);
    let entries = [
        ("/dashboard", "Overview", "home", Section::Overview),
        ("/dashboard/workflows", "Workflows", "flow", Section::Workflows),
        ("/dashboard/runs", "Runs", "runs", Section::Runs),
        ("/dashboard/approvals", "Approvals", "check-ring", Section::Approvals),
        ("/dashboard/secrets", "Secrets", "lock", Section::Secrets),
        ("/dashboard/keys", "API keys", "key", Section::Keys),
    ];
    html! {
        div.side {
            nav aria-label="Console" {
                ul {
                    @for (path, name, picture, entry) in entries.into_iter().filter(|(.., entry)| admin || *entry != Section::Keys) {
                        li { a href=(path) aria-current=[(entry == section).then_some("page")] { (icon(picture)) (name) } }
                    }
                }
                ul {
                    li { a href="/docs" { (icon("book")) "Docs" } }
                    li { a href="/status" { (icon("pulse")) "Status" } }
                }
            }
        }
    }
}

fn footer(view: &View) -> Markup {
    html! {
        footer.site-footer {
            div.wide.bar {
                p { "Levqor " (view.version) ", answered by " code { (view.region) } }
                nav aria-label="More" {
                    ul {
                        li { a href="/docs" { "Docs" } }
                        li { a href="/docs/api" { "API" } }
                        li { a href="/openapi.json" { "OpenAPI" } }
                        li { a href="/status" { "Status" } }
                        li { a href="/metrics" { "Metrics" } }
                    }
                }
            }
        }
    }
}
