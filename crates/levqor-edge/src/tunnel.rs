//! Tunnels: what a connection becomes when client and origin agreed on another protocol, such as WebSocket.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{crowd::Seat, origin::InFlight};

/// What a tunnel takes from others for as long as it is there: work of the origin, and a place among the connections.
type Held = (InFlight, Arc<Seat>);

/// Passes bytes both ways, with back-pressure, until both sides have ended or the edge stops.
pub async fn run(client: OnUpgrade, origin: OnUpgrade, held: Held, stop: CancellationToken) {
    let pass = async {
        let (client, origin) = match tokio::try_join!(client, origin) {
            Ok(sides) => sides,
            Err(error) => {
                debug!("a connection was not upgraded: {error}");
                return;
            }
        };
        let (mut client, mut origin) = (TokioIo::new(client), TokioIo::new(origin));
        if let Err(error) = copy_bidirectional(&mut client, &mut origin).await {
            debug!("a tunnel ended early: {error}");
        }
    };
    stop.run_until_cancelled(pass).await;
    drop(held);
}
