//! How it stands with all objectives, for whoever only reports it.

use levqor_store::Error;

use super::{report::Standing, service};
use crate::App;

/// The window whose burn is told.
const HOUR: u64 = 60 * 60;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Glance {
    pub(crate) name: String,
    pub(crate) title: String,
    /// `met`, `quiet`, `slow`, `burning`, `exhausted` or `unknown`.
    pub(crate) status: &'static str,
    /// Why nothing is known.
    pub(crate) unknown: Option<String>,
    pub(crate) target_percent: f64,
    /// What is left of the budget; None: there were no events.
    pub(crate) left_percent: Option<f64>,
    /// How many times as fast as allowed the budget was spent in the last hour.
    pub(crate) burn_of_hour: Option<f64>,
}

/// Whether somebody judges objectives, and with them everything that alerts are about. None: there are no objectives, so it cannot be
/// seen by them.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn judged_lately(app: &App) -> Result<Option<bool>, Error> {
    if app.settings.slos.objectives.is_empty() {
        return Ok(None);
    }
    let now = app.now();
    let states = app.store.views().slo_states().await?;
    Ok(Some(states.iter().any(|state| now.since(state.at) <= service::FRESH)))
}

/// All objectives, by name.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn glance(app: &App) -> Result<Vec<Glance>, Error> {
    let reports = service::reports(app).await?.into_iter();
    Ok(reports
        .map(|report| {
            let hour = report.windows.iter().find(|window| window.seconds == HOUR);
            let unknown = report.status == Standing::Unknown;
            Glance {
                status: report.status.as_str(),
                unknown: unknown
                    .then(|| report.unknown.unwrap_or_else(|| "there is no fresh evidence".to_owned())),
                burn_of_hour: hour.and_then(|window| window.burn),
                left_percent: report.budget.left_percent,
                name: report.name,
                title: report.title,
                target_percent: report.target_percent,
            }
        })
        .collect())
}
