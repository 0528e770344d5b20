//! From a host to a connection, past the guard of addresses.

use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{Arc, LazyLock},
};

use levqor_engine::egress::{Network, refusal};
use tokio::{net::TcpStream, sync::Semaphore};

/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Questions to the system's resolver at once: one that hangs keeps a thread for longer than any look waits.
static LOOK_UPS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(16)));

/// What may be reached.
#[derive(Debug)]
pub(super) struct Reach {
    /// The host and port where it may go whatever the address is.
    place: Option<(String, u16)>,
    allow: Vec<Network>,
}

impl Reach {
    /// What an operator wrote: an address is what it says; what a name leads to is somebody else's word. So is another port of that
    /// address, to which a redirect may lead: other services of the machine are there.
    pub(super) fn written(host: &str, port: u16, allow: &[Network]) -> Self {
        let plain = bare(host);
        let literal = plain.parse::<IpAddr>().is_ok() || plain.eq_ignore_ascii_case("localhost");
        Self { place: literal.then(|| (plain.to_owned(), port)), allow: allow.to_vec() }
    }

    /// A node of the platform, which told the others where it is.
    pub(super) fn node(host: &str, port: u16, allow: &[Network]) -> Self {
        Self { place: Some((bare(host).to_owned(), port)), allow: allow.to_vec() }
    }

    fn check(&self, host: &str, port: u16, address: IpAddr) -> Result<(), String> {
        if self.place.as_ref().is_some_and(|(written, at)| written == host && *at == port) {
            return Ok(());
        }
        let Some(why) = refusal(address, &self.allow) else { return Ok(()) };
        let what = if host == address.to_string() {
            format!("{address} is {why}")
        } else {
            format!("{host} is {address}, {why}")
        };
        Err(format!("{what}; add it to the probe's allow"))
    }
}

/// A host of an address without brackets.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

/// The addresses of a name, as the system knows them.
pub(super) async fn look_up(name: &str) -> Result<Vec<IpAddr>, String> {
    let asked = name.to_owned();
    let found = in_turn(&LOOK_UPS, move || (asked.as_str(), 0).to_socket_addrs()).await?;
    let found = found.map_err(|error| format!("the name {name} has no address: {error}"))?;
    Ok(found.map(|address| address.ip()).collect())
}

/// Does what keeps a thread, when it is its turn. The turn is over when the work is: whoever waits no longer for it does not end it.
async fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let turn = Arc::clone(turns).acquire_owned().await.map_err(|error| error.to_string())?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    });
    done.await.map_err(|error| error.to_string())
}

/// A connection to one of the host's addresses.
pub(super) async fn connect(reach: &Reach, host: &str, port: u16) -> Result<TcpStream, String> {
    let host = bare(host);
    let found = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => look_up(host).await?,
    };
    let mut problem = format!("the name {host} has no address");
    let mut tried = 0;
    for address in found {
        if let Err(refused) = reach.check(host, port, address) {
            problem = refused;
            continue;
        }
        tried += 1;
        if tried > ADDRESSES_MAX {
            break;
        }
        match TcpStream::connect(SocketAddr::new(address, port)).await {
            Ok(stream) => {
                // Only makes requests faster.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => problem = format!("no connection to {}: {error}", SocketAddr::new(address, port)),
        }
    }
    Err(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_that_nobody_waits_for_still_has_its_turn() {
        let turns = Arc::new(Semaphore::new(1));
        let (answer, resolver) = std::sync::mpsc::sync_channel::<u8>(1);
        // The resolver hangs, and the look's time is over.
        let hung = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { in_turn(&turns, move || resolver.recv().ok()).await }
        });
        while turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        hung.abort();
        assert!(hung.await.unwrap_err().is_cancelled());
        assert_eq!(turns.available_permits(), 0, "its thread is still taken");
        // It answers in the end.
        answer.send(7).unwrap();
        assert_eq!(in_turn(&turns, || 8).await, Ok(8));
    }

    #[test]
    fn what_is_written_may_be_reached_and_what_it_leads_to_only_where_it_is_public() {
        let networks = |text: &str| -> Vec<Network> {
            text.split_whitespace().map(|network| network.parse().unwrap()).collect()
        };
        // Written (at port 80), allowed, then what is reached: host and address.
        let rows = [
            ("127.0.0.1", "", "127.0.0.1", "127.0.0.1", true),
            ("[::1]", "", "::1", "::1", true),
            ("localhost", "", "localhost", "127.0.0.1", true),
            ("169.254.169.254", "", "169.254.169.254", "169.254.169.254", true),
            ("127.0.0.1", "", "10.0.0.1", "10.0.0.1", false),
            ("shop.example", "", "shop.example", "93.184.216.34", true),
            ("shop.example", "", "shop.example", "10.0.0.7", false),
            ("shop.example", "", "shop.example", "169.254.169.254", false),
            ("shop.example", "10.0.0.0/8", "shop.example", "10.0.0.7", true),
            ("shop.example", "10.0.0.0/8", "shop.example", "192.168.0.7", false),
            ("shop.example", "", "other.example", "127.0.0.1", false),
        ];
        for (written, allow, host, address, good) in rows {
            let reach = Reach::written(written, 80, &networks(allow));
            let outcome = reach.check(host, 80, address.parse().unwrap());
            assert_eq!(outcome.is_ok(), good, "{written} {allow} {host} {address}: {outcome:?}");
        }
        let node = Reach::node("node.internal", 8_000, &[]);
        assert!(node.check("node.internal", 8_000, "10.0.0.7".parse().unwrap()).is_ok());
        let refused = node.check("db.internal", 8_000, "10.0.0.7".parse().unwrap()).unwrap_err();
        assert_eq!(refused, "db.internal is 10.0.0.7, a private address; add it to the probe's allow");
        // What listens beside it was not written.
        let written = Reach::written("127.0.0.1", 9_000, &[]);
        assert!(written.check("127.0.0.1", 9_000, "127.0.0.1".parse().unwrap()).is_ok());
        assert!(written.check("127.0.0.1", 6_379, "127.0.0.1".parse().unwrap()).is_err());
        assert!(node.check("node.internal", 6_379, "10.0.0.7".parse().unwrap()).is_err());
    }
}
