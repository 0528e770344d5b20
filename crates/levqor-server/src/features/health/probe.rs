//! Asks this node for `/health` over its own socket, as a client would.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// From connecting to the first line of the answer.
const PATIENCE: Duration = Duration::from_secs(2);
const EXPECTED: &[u8] = b"HTTP/1.1 200";

/// How long the answer took, or why there was none.
pub(super) async fn probe(address: SocketAddr) -> Result<Duration, String> {
    let began = Instant::now();
    match tokio::time::timeout(PATIENCE, ask(reachable(address))).await {
        Ok(Ok(true)) => Ok(began.elapsed()),
        Ok(Ok(false)) => Err("/health did not answer 200".to_owned()),
        Ok(Err(error)) => Err(format!("/health could not be asked: {error}")),
        Err(_) => Err(format!("/health did not answer within {} s", PATIENCE.as_secs())),
    }
}

/// A listener on "any address" is reached over the loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn ask(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut first = [0; EXPECTED.len()];
    stream.read_exact(&mut first).await?;
    Ok(first == EXPECTED)
}
