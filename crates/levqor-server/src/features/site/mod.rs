//! The public pages that tell what Levqor is, what it costs and what is promised, and what robots and researchers look for.
//!
//! Every number that the blueprint owns comes from there, by name. What this version does not have, the pages do not
//! claim; who operates the site comes from the configuration, or is said to be unknown.

mod about;
mod guarantee;
mod how_it_works;
mod integrations;
mod parts;
mod pricing;
mod security;
pub mod service;
mod support;
mod trial;
mod well_known;

use axum::{Router, routing::get};

use crate::App;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/pricing", get(pricing::pricing))
        .route("/trial", get(trial::trial))
        .route("/how-it-works", get(how_it_works::how_it_works))
        .route("/integrations", get(integrations::integrations))
        .route("/about", get(about::about))
        .route("/careers", get(about::careers))
        .route("/guarantee", get(guarantee::guarantee))
        .route("/support", get(support::support))
        .route("/security", get(security::security))
        .route("/.well-known/security.txt", get(well_known::security_txt))
        .route("/robots.txt", get(well_known::robots_txt))
        .route("/sitemap.xml", get(well_known::sitemap_xml))
}
