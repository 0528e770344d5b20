//! The shell around every page.

use std::borrow::Cow;

use axum::response::Response;
use levqor_model::Role;
use maud::{Markup, PreEscaped, html};

use super::{
    View,
    components::icon::icon,
    footer::footer,
    head::{Head, document},
    kept,
};

/// Where in the site a page stands; its entry in the navigation is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Home,
    HowItWorks,
    Pricing,
    Status,
    Docs,
    SignIn,
    Overview,
    Workflows,
    Runs,
    Keys,
    Secrets,
    Approvals,
    Admin,
    Alerts,
    Notifications,
    Slos,
    Audit,
    ServerKeys,
    Accounts,
    Customers,
    Tamper,
    Drift,
    Jobs,
    Probes,
    Incidents,
    StatusPage,
    Members,
    Account,
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
                | Section::Admin
                | Section::Alerts
                | Section::Notifications
                | Section::Slos
                | Section::Audit
                | Section::ServerKeys
                | Section::Accounts
                | Section::Customers
                | Section::Tamper
                | Section::Drift
                | Section::Jobs
                | Section::Probes
                | Section::Incidents
                | Section::StatusPage
                | Section::Members
                | Section::Account
        )
    }
}

/// A page before it has its shell.
#[derive(Debug)]
pub struct Page {
    pub title: String,
    pub description: Option<Cow<'static, str>>,
    /// The path of a page that search engines may know.
    pub path: Option<Cow<'static, str>>,
    pub section: Section,
    /// Seconds after which a browser without scripts loads the page again.
    pub refresh: Option<u32>,
    pub body: Markup,
}

impl Page {
    pub fn new(title: impl Into<String>, section: Section, body: Markup) -> Self {
        Self { title: title.into(), description: None, path: None, section, refresh: None, body }
    }

    pub fn describe(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Its one address on this site.
    pub fn at(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub fn refresh_every(mut self, seconds: Option<u32>) -> Self {
        self.refresh = seconds;
        self
    }

    /// The page as an answer that may be kept. For pages that are the same until something in them changes.
    pub fn answer(self, view: &View) -> Response {
        kept::answer(self.render(view), view)
    }

    /// The whole document, for this reader.
    pub fn render(self, view: &View) -> Markup {
        let console = self.section.is_console() && view.reader.is_some();
        // Pages for everyone are counted by the script; nothing of who looks is.
        let counted = self.path.as_deref();
        let main = html! { main id="main" tabindex="-1" data-page=[counted] { (self.body) } };
        let address = self.path.map(|path| format!("{}{path}", view.public_url));
        let head = Head {
            title: &self.title,
            description: self.description.as_deref(),
            address: address.as_deref(),
            refresh: self.refresh,
        };
        let body = html! {
            (header(view, self.section))
            @if console {
                div.console { (side(view, self.section)) (main) }
            } @else {
                (main)
                (footer(view))
            }
        };
        document(head, view.theme, &body)
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
            (link("/how-it-works", "How it works", section == Section::HowItWorks, optional))
            (link("/pricing", "Pricing", section == Section::Pricing, optional))
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
        ("/dashboard/members", "Members", "people", Section::Members),
        ("/dashboard/account", "Account", "shield", Section::Account),
    ];
    let operator = view.reader.as_ref().is_some_and(|reader| reader.actor.operator);
    let operations = [
        ("/admin", "Operations", "shield", Section::Admin),
        ("/admin/incidents", "Incidents", "people", Section::Incidents),
        ("/admin/alerts", "Alerts", "alert", Section::Alerts),
        ("/admin/slos", "Objectives", "check-ring", Section::Slos),
        ("/admin/probes", "Probes", "globe", Section::Probes),
        ("/admin/jobs", "Jobs", "clock", Section::Jobs),
        ("/admin/notifications", "Messages", "mail", Section::Notifications),
        ("/admin/status", "Status page", "pulse", Section::StatusPage),
        ("/admin/audit", "Evidence log", "book", Section::Audit),
        ("/admin/tamper", "Tamper detection", "lock", Section::Tamper),
        ("/admin/drift", "Drift", "turn", Section::Drift),
        ("/admin/keys", "Server keys", "key", Section::ServerKeys),
        ("/admin/accounts", "Accounts", "layers", Section::Accounts),
        ("/admin/customers", "Customers", "question", Section::Customers),
    ];
    html! {
        div.side {
            nav aria-label="Console" {
                ul {
                    @for (path, name, picture, entry) in entries.into_iter().filter(|(.., entry)| admin || *entry != Section::Keys) {
                        li { a href=(path) aria-current=[(entry == section).then_some("page")] { (icon(picture)) (name) } }
                    }
                }
                @if operator {
                    ul {
                        @for (path, name, picture, entry) in operations {
                            li { a href=(path) aria-current=[(entry == section).then_some("page")] { (icon(picture)) (name) } }
                        }
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
