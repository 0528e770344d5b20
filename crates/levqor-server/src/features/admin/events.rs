//! `GET /admin/events`: says when the picture of everything has changed, so that the page is drawn again.
//!
//! ```text
//! session ─► begun ─► changed … ─► the session ends, the node stops, or the reader is gone
//! ```
//!
//! Everything is asked once a second for all who watch. Streams have places like all others of the node and of an account; who gets none
//! has a page that looks by itself every few seconds.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, State},
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, Request};
use serde_json::json;
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tracing::Instrument;

use super::{facts::Overview, service};
use crate::{App, Problem, gateway::PageActor};

/// A comment this often keeps connections through proxies alive, and finds readers who are gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Events that wait for one reader. One that says "changed" is as good as many: while it waits, no other is made.
const QUEUE: usize = 1;

/// The reader is gone.
struct Over;

pub(super) async fn stream(
    State(app): State<App>,
    page: PageActor,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = app.bounds.stream(page.actor.account_id)?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let feeding = async move {
        // Nobody acts on a reader that is gone.
        let _ = feed(&app, &headers, &sender).await;
        drop(place);
    };
    tokio::spawn(feeding.in_current_span());
    Ok(Sse::new(ReceiverStream::new(receiver).map(Ok)).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// Ok when the session is over, or the node stops.
async fn feed(app: &App, headers: &HeaderMap, sender: &mpsc::Sender<Event>) -> Result<(), Over> {
    let mut told: Option<Arc<Overview>> = None;
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! { biased;
            () = app.stopping.cancelled() => return Ok(()),
            () = sender.closed() => return Err(Over),
            _ = ticks.tick() => {}
        }
        if !is_operator(app, headers).await {
            return Ok(());
        }
        let now = service::look_together(app).await;
        let name = match &told {
            None => "begun",
            Some(before) if is_other(before, &now) => "changed",
            Some(_) => continue,
        };
        let data =
            json!({ "at": now.at, "standing": now.verdict.standing, "sentence": now.verdict.sentence });
        sender.send(Event::default().event(name).data(data.to_string())).await.map_err(|_| Over)?;
        told = Some(now);
    }
}

/// Whether a reader would see something else than ages and numbers that never stand still.
fn is_other(before: &Overview, now: &Overview) -> bool {
    before.verdict != now.verdict
        || before.parts != now.parts
        || before.alerts != now.alerts
        || before.incidents != now.incidents
        || before.jobs != now.jobs
}

/// Whether the session goes on, and still is an operator's: as if the page were asked for again.
async fn is_operator(app: &App, headers: &HeaderMap) -> bool {
    let mut request = Request::new(());
    *request.headers_mut() = headers.clone();
    let (mut parts, ()) = request.into_parts();
    match PageActor::from_request_parts(&mut parts, app).await {
        Ok(page) => page.actor.operator,
        Err(_) => false,
    }
}
