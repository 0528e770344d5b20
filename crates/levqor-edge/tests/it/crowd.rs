//! One address does not take the places of all others.

use http::Request;
use levqor_edge::{apply, load, metrics::Count};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    origin::Origin,
    world::{Client, PATIENCE, ROUTE, World},
};

const GOOD: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn world_with(origin: &Origin, limit: usize, more: &str) -> World {
    let rows = format!("{ROUTE}[limits]\nconnections_per_address = {limit}\n{more}");
    World::with(&[origin], "", &rows).await
}

async fn answered(client: &mut Client) {
    assert_eq!(client.send(Request::get("/").header("host", "a")).await.status, 200);
}

/// What the edge says to a connection that says nothing itself.
async fn unasked(world: &World) -> String {
    world.raw("").await
}

/// Until a connection is served again.
async fn served(world: &World) {
    let until = Instant::now() + PATIENCE;
    while !world.raw(GOOD).await.starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < until, "no place became free");
    }
}

#[tokio::test]
async fn one_address_has_only_so_many_connections() {
    let origin = Origin::start("eu").await;
    let world = world_with(&origin, 2, "").await;
    let (mut first, mut second) = (world.client().await, world.client().await);
    for client in [&mut first, &mut second] {
        answered(client).await;
    }
    let answer = unasked(&world).await;
    assert!(
        answer.starts_with("HTTP/1.1 429 ") && answer.ends_with("use those that you have\r\n"),
        "{answer}"
    );
    assert_eq!(world.edge.stats().of(Count::ConnectionsRefused), 1);
    answered(&mut first).await;
    drop(second);
    served(&world).await;
    let metrics = first.send(Request::get("/edge/metrics").header("host", "a")).await.body;
    let refused = world.edge.stats().of(Count::ConnectionsRefused);
    assert!(metrics.contains(&format!("levqor_edge_connections_refused_total {refused}\n")), "{metrics}");
}

#[tokio::test]
async fn a_proxy_that_is_trusted_has_any_number() {
    let origin = Origin::start("eu").await;
    let world = world_with(&origin, 1, "[trust]\nproxies = [\"127.0.0.0/8\"]\n").await;
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut client = world.client().await;
        answered(&mut client).await;
        held.push(client);
    }
    assert_eq!(world.edge.stats().of(Count::ConnectionsRefused), 0);
}

#[tokio::test]
async fn a_tunnel_is_a_connection_for_as_long_as_it_is_there() {
    let origin = Origin::start("eu").await;
    let world = world_with(&origin, 1, "").await;
    let mut tunnel = TcpStream::connect(world.address).await.unwrap();
    tunnel
        .write_all(b"GET /tunnel HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\nearly")
        .await
        .unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"EARLY") {
        said.push(timeout(PATIENCE, tunnel.read_u8()).await.unwrap().unwrap());
    }
    assert!(unasked(&world).await.starts_with("HTTP/1.1 429 "));
    drop(tunnel);
    served(&world).await;
}

#[tokio::test]
async fn a_changed_bound_holds_for_the_next_connection() {
    let origin = Origin::start("eu").await;
    let world = world_with(&origin, 1, "").await;
    let mut first = world.client().await;
    answered(&mut first).await;
    assert!(unasked(&world).await.starts_with("HTTP/1.1 429 "));
    let text = std::fs::read_to_string(world.path()).unwrap();
    std::fs::write(world.path(), text.replace("connections_per_address = 1", "connections_per_address = 2"))
        .unwrap();
    apply(&world.edge, load(&world.path()).unwrap());
    served(&world).await;
}
