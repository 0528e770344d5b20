//! A request's way through the edge: whose it is, who may answer, one attempt after the other, and what comes back.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use levqor_model::{ProblemCode, RegionCode, RequestId};
use tokio::time::{Instant, timeout};
use tracing::{debug, info, warn};

use crate::{
    affinity::{self, Pin},
    answer::AnswerBody,
    asked::{self, Host},
    attempt::{Failure, FailureKind, Head, attempt},
    body::{BodyError, Replay},
    config::OWN_PATH,
    crowd::Seat,
    edge::Edge,
    forward::{self, Client},
    hold::{Place, pause},
    live::{Live, LiveRoute},
    metrics::{self, Count},
    origin::Origin,
    problem::Problem,
    retry::{Attempted, Final, is_idempotent, may_repeat},
    status,
    steering::{self, Asked},
    tunnel,
    verdict::Verdict,
};

/// A request that fails everywhere may be what makes origins fail: it is sent so many times `retries.attempts` in all.
const ROUNDS_MAX: u32 = 3;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: SocketAddr,
    pub tls: bool,
    /// A request of this connection can be read in two ways.
    pub ambiguous: Arc<AtomicBool>,
    /// Given back when the connection has ended, and what it became.
    pub seat: Arc<Seat>,
}

/// Answers a request.
///
/// Cancel safe: when dropped, the request ends at the origin too.
pub async fn handle(edge: Arc<Edge>, peer: Peer, request: Request<Incoming>) -> Response<AnswerBody> {
    let began = Instant::now();
    let live = edge.live();
    let path = request.uri().path().to_owned();
    let (method, version) = (request.method().clone(), request.version());
    let wants_tunnel = wanted_tunnel(&request).is_some();
    let answered = serve(&edge, &live, &peer, request).await;
    metrics::began(&edge, began);
    let mut response = match answered {
        Ok(response) => {
            debug!(http.method = %method, http.status = response.status().as_u16(), "{method} answered");
            response
        }
        Err(problem) => {
            let id = RequestId::new(edge.clock.now(), &*edge.random);
            let status = problem.code.status();
            if status >= 500 {
                warn!(request.id = %id, http.method = %method, http.status = status, "{method} not answered: {}", problem.detail);
            } else {
                debug!(request.id = %id, http.method = %method, http.status = status, "{method} refused: {}", problem.detail);
            }
            let region = live.config.region.as_ref().map(RegionCode::as_str);
            problem.answer(&path, id, version, &live.config.name, region)
        }
    };
    if wants_tunnel && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // Bytes that follow were not read along; no further request may come on this connection.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The protocol that a tunnel would be of. None for a request with a body, which is passed on as an ordinary one.
fn wanted_tunnel(request: &Request<Incoming>) -> Option<HeaderValue> {
    forward::wanted_upgrade(request.headers(), request.version()).filter(|_| request.body().is_end_stream())
}

async fn serve(
    edge: &Arc<Edge>,
    live: &Arc<Live>,
    peer: &Peer,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Problem> {
    if peer.ambiguous.load(Ordering::Acquire) {
        edge.stats.count(Count::AmbiguousRequests);
        let detail = "the request's end can be read in two ways; send one Content-Length or one Transfer-Encoding: chunked, and no folded header lines";
        return Err(Problem::new(ProblemCode::BadRequest, detail).and_close());
    }
    let host = asked::host(&request).inspect_err(|_| edge.stats.count(Count::BadRequests))?;
    if let Some(own) = own_answer(edge, live, peer, &request)? {
        return Ok(own);
    }
    let route = live.route(&host.name, request.uri().path()).map_err(|_| {
        edge.stats.count(Count::UnknownHosts);
        Problem::new(
            ProblemCode::UnknownHost,
            format!(
                "no route takes the host {:?}; check the address, or add the host to the edge's routes",
                host.name
            ),
        )
    })?;
    let route =
        route.ok_or_else(|| Problem::new(ProblemCode::NotFound, "no route of the edge takes this path"))?;
    edge.stats.count(Count::Requests);
    let retries = &live.config.retries;
    edge.budget.refill(retries.budget_percent, retries.budget_burst);
    Passage::begin(edge, live, route, peer, host, request).run().await
}

/// `/edge/health` and `/edge/metrics`, for those who may see them; others learn nothing.
fn own_answer(
    edge: &Edge,
    live: &Live,
    peer: &Peer,
    request: &Request<Incoming>,
) -> Result<Option<Response<AnswerBody>>, Problem> {
    let Some(name) = request.uri().path().strip_prefix(OWN_PATH) else { return Ok(None) };
    let may = live.config.admin.iter().any(|network| network.contains(&peer.address.ip().to_canonical()));
    let (text, kind) = match name {
        "health" if may => (status::health(edge).to_string(), "application/json"),
        "metrics" if may => (metrics::exposition(edge), metrics::CONTENT_TYPE),
        _ => return Err(Problem::new(ProblemCode::NotFound, "there is nothing at this address")),
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::new(ProblemCode::MethodNotAllowed, "use GET"));
    }
    let mut response = Response::new(AnswerBody::full(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Some(response))
}

/// The caller's country: as a trusted proxy says, else where its address is.
fn country<'a>(live: &'a Live, headers: &'a HeaderMap, peer: IpAddr, trusted: bool) -> Option<&'a str> {
    let config = &live.config;
    forward::country(headers, config.country_header.as_ref(), trusted).or_else(|| {
        let caller = || forward::caller(headers, peer, |address| config.trusts(address));
        live.countries.as_ref()?.of(caller())
    })
}

/// One request on its way.
struct Passage<'a> {
    edge: &'a Arc<Edge>,
    live: Arc<Live>,
    route: Arc<LiveRoute>,
    host: String,
    head: Head,
    body: Option<Replay>,
    country: Option<String>,
    pin: Pin,
    /// The client's half of a tunnel.
    upgrade: Option<OnUpgrade>,
    /// Of the connection, for a tunnel that it becomes.
    seat: Arc<Seat>,
    secure: bool,
    idempotent: bool,
    /// Since it was held last.
    attempts: u32,
    /// Times that it was sent in all.
    sent: u32,
    /// The next attempt wants a new connection.
    fresh: bool,
}

/// What became of one attempt.
enum Step {
    Answer(Response<AnswerBody>),
    Next,
    /// Nobody, for so long at least, or until a verdict changes.
    Wait(Duration),
    /// The same origin, on a new connection.
    Same,
}

impl<'a> Passage<'a> {
    fn begin(
        edge: &'a Arc<Edge>,
        live: &Arc<Live>,
        route: &Arc<LiveRoute>,
        peer: &Peer,
        host: Host,
        mut request: Request<Incoming>,
    ) -> Self {
        let config = &live.config;
        let wanted = wanted_tunnel(&request);
        let upgrade = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        let trusted = config.trusts(peer.address.ip());
        if forward::claims_region(&parts.headers) {
            edge.stats.count(Count::ForgedRegions);
        }
        let country = country(live, &parts.headers, peer.address.ip(), trusted).map(str::to_owned);
        let secure = peer.tls
            || (trusted && parts.headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https"));
        let pin = pin(edge, live, &mut parts.headers, secure);
        let client = Client {
            address: peer.address.ip(),
            trusted,
            tls: peer.tls,
            host: &host.written,
            country: country.as_deref(),
            version: parts.version,
        };
        forward::to_origin(&mut parts.headers, &client, &config.name);
        if let Some(protocol) = wanted {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(header::UPGRADE, protocol);
        }
        let idempotent = is_idempotent(&parts.method, &parts.headers);
        let stall = Duration::from_secs(config.limits.stall_seconds);
        let body = (!body.is_end_stream()).then(|| Replay::new(body, config.retries.body_bytes, stall));
        let head = Head {
            target: asked::target(&parts.uri),
            method: parts.method,
            headers: parts.headers,
            repeatable: idempotent,
        };
        Self {
            edge,
            live: Arc::clone(live),
            route: Arc::clone(route),
            host: host.name,
            head,
            body,
            country,
            pin,
            upgrade,
            seat: Arc::clone(&peer.seat),
            secure,
            idempotent,
            attempts: 0,
            sent: 0,
            fresh: false,
        }
    }

    async fn run(mut self) -> Result<Response<AnswerBody>, Problem> {
        let deadline = Instant::now() + self.route.route.hold;
        let mut tried: Vec<usize> = Vec::new();
        let mut tries = 0;
        let mut rest = Duration::ZERO;
        let mut place = None;
        loop {
            if let Some(number) = self.next(&tried) {
                match self.send(number, &tried, deadline).await? {
                    Step::Answer(response) => return Ok(response),
                    Step::Same => {}
                    Step::Next => tried.push(number),
                    Step::Wait(span) => {
                        tried = (0..self.route.origins.len()).collect();
                        rest = span;
                    }
                }
                continue;
            }
            let now = Instant::now();
            if now >= deadline {
                return self.last_resort(tries > 0).await;
            }
            if place.is_none() {
                place = Some(self.enter()?);
            }
            // Whatever changed: everybody may be asked again.
            let mut changes = self.edge.changes.subscribe();
            if self.next(&[]).is_none() || !tried.is_empty() {
                let _ = timeout(pause(tries).max(rest).min(deadline - now), changes.changed()).await;
            }
            tries += 1;
            rest = Duration::ZERO;
            tried.clear();
            self.attempts = 0;
            self.look_again();
        }
    }

    /// While a request waits, the table may become another one.
    fn look_again(&mut self) {
        let live = self.edge.live();
        if Arc::ptr_eq(&live, &self.live) {
            return;
        }
        if let Ok(Some(route)) = live.route(&self.host, self.head.target.path()) {
            self.route = Arc::clone(route);
            self.live = live;
        }
    }

    /// The best origin that was not tried yet.
    fn next(&self, tried: &[usize]) -> Option<usize> {
        let origins = &self.route.origins;
        if let [only] = origins.as_slice() {
            let may = matches!(only.verdict(), Verdict::Up | Verdict::Unknown);
            return (may && tried.is_empty()).then_some(0);
        }
        let candidates: Vec<_> = origins.iter().map(|origin| origin.candidate()).collect();
        let pinned = match &self.pin {
            Pin::Valid { region, .. } => Some(region),
            Pin::None | Pin::Expired | Pin::Forged => None,
        };
        let asked = Asked { country: self.country.as_deref(), pinned };
        let order = steering::order(&candidates, asked, &self.live.preferences);
        order.into_iter().find(|number| !tried.contains(number))
    }

    /// Takes a place among those that wait.
    fn enter(&self) -> Result<Place<'a>, Problem> {
        let hold = &self.live.config.hold;
        let bytes = self.body.as_ref().map_or(0, Replay::kept_bytes);
        self.edge.stats.count(Count::Held);
        self.edge.waiting.enter(bytes, hold.requests, hold.bytes).ok_or_else(|| {
            self.edge.stats.count(Count::HeldRefused);
            self.no_origin("no region can answer now, and as many requests wait for one as may")
        })
    }

    /// Nobody came up in time. An origin that is not ready but answers can at least say why itself.
    async fn last_resort(&mut self, held: bool) -> Result<Response<AnswerBody>, Problem> {
        if held {
            self.edge.stats.count(Count::HeldInVain);
        }
        let origins = &self.route.origins;
        let able = origins
            .iter()
            .position(|origin| origin.can_say_why())
            .or_else(|| origins.iter().position(|origin| held && origin.verdict() == Verdict::Up));
        if let Some(number) = able
            && let Step::Answer(response) = self.send(number, &[], Instant::now()).await?
        {
            return Ok(response);
        }
        Err(self.no_origin("no region can answer now; try again soon"))
    }

    fn no_origin(&self, detail: &str) -> Problem {
        self.edge.stats.count(Count::NoOrigin);
        Problem::new(ProblemCode::NoOrigin, detail).retry_after(1)
    }

    async fn send(&mut self, number: usize, tried: &[usize], deadline: Instant) -> Result<Step, Problem> {
        let (live, route) = (Arc::clone(&self.live), Arc::clone(&self.route));
        let origin = &route.origins[number];
        self.attempts += 1;
        self.sent += 1;
        if self.sent > 1 {
            self.edge.stats.count(Count::Retries);
        }
        let fresh = std::mem::take(&mut self.fresh);
        let answered = attempt(self.edge, &live, &route, origin, &self.head, self.body.as_ref(), fresh).await;
        let answered = match answered {
            Ok(answered) => answered,
            Err(failure) => return self.after(&failure, origin, deadline),
        };
        let status = answered.response_status();
        if let Some(client) = self.upgrade.take() {
            if status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Step::Answer(self.become_tunnel(client, answered, origin)));
            }
            self.upgrade = Some(client);
        }
        if self.gateway_trouble(status) && self.other_is_up(number, tried) && self.may_spend() {
            debug!("{} answered {status}; the next origin is asked", origin.spec.name);
            return Ok(Step::Next);
        }
        if let Some(span) = self.will_pass(&answered.response, deadline)
            && self.may_spend()
        {
            debug!("{} answered {status} and that it will pass; the request waits", origin.spec.name);
            return Ok(Step::Wait(span));
        }
        match answered.into_answer(self.edge, &live, &route, origin, &self.head).await {
            Ok(response) => Ok(Step::Answer(self.finish(response, origin))),
            Err(failure) => self.after(&failure, origin, deadline),
        }
    }

    /// Sending it again does no harm, and it can be sent again.
    fn is_repeatable(&self) -> bool {
        self.idempotent && self.body.as_ref().is_none_or(Replay::replayable)
    }

    /// The origin cannot now, as when its database is being replaced, and names a time within which the request may be held
    /// (`Retry-After` in seconds; RFC 9110, section 10.2.3).
    fn will_pass(&self, response: &Response<Incoming>, deadline: Instant) -> Option<Duration> {
        if !self.is_repeatable() || response.status() != StatusCode::SERVICE_UNAVAILABLE {
            return None;
        }
        let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        let span = Duration::from_secs(seconds);
        Instant::now().checked_add(span).filter(|then| *then <= deadline).map(|_| span)
    }

    /// The origin's own trouble, which another one need not have.
    fn gateway_trouble(&self, status: StatusCode) -> bool {
        self.is_repeatable()
            && self.attempts < self.live.config.retries.attempts
            && matches!(
                status,
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
            )
    }

    fn other_is_up(&self, number: usize, tried: &[usize]) -> bool {
        self.route.origins.iter().enumerate().any(|(other, origin)| {
            other != number && !tried.contains(&other) && origin.verdict() == Verdict::Up
        })
    }

    fn may_spend(&self) -> bool {
        let may = self.edge.budget.spend();
        if !may {
            self.edge.stats.count(Count::RetriesDenied);
        }
        may
    }

    /// What follows a failed attempt.
    fn after(&mut self, failure: &Failure, origin: &Origin, deadline: Instant) -> Result<Step, Problem> {
        if let Some(error) = self.body.as_ref().and_then(Replay::failed) {
            self.edge.stats.count(Count::ClientFailures);
            let code = match error {
                BodyError::Stalled => ProblemCode::RequestTimeout,
                BodyError::Client | BodyError::Superseded => ProblemCode::BadRequest,
            };
            return Err(Problem::new(code, error.to_string()).and_close());
        }
        let name = &origin.spec.name;
        let attempted = Attempted {
            idempotent: self.idempotent && failure.kind != FailureKind::Timeout,
            sent: failure.sent,
            replayable: self.body.as_ref().is_none_or(Replay::replayable),
            answered: false,
            attempts: self.attempts,
        };
        let allowed = may_repeat(attempted, self.live.config.retries.attempts);
        if allowed.is_ok() && (!failure.sent || self.may_spend()) {
            info!(origin = %name, "a request to {name} failed ({}) and is sent once more", failure.detail);
            self.fresh = failure.kind == FailureKind::Stale;
            return Ok(if self.fresh { Step::Same } else { Step::Next });
        }
        // All origins in trouble at once, as when their database is being replaced: better late than never.
        let sent_max = ROUNDS_MAX.saturating_mul(self.live.config.retries.attempts);
        if allowed == Err(Final::Attempts)
            && self.sent < sent_max
            && Instant::now() < deadline
            && self.may_spend()
        {
            info!(origin = %name, "a request to {name} failed ({}) and waits", failure.detail);
            return Ok(Step::Wait(Duration::ZERO));
        }
        let why = match allowed {
            Err(Final::NotIdempotent) if failure.kind == FailureKind::Timeout => "",
            Err(Final::NotIdempotent) => {
                "; it may have been done, and is not repeated without an Idempotency-Key"
            }
            Err(Final::BodyGone) => "; its body is too large to be sent again",
            Err(Final::Attempts) => "; it was sent as often as may be",
            Err(Final::Answered) => "",
            Ok(()) => "; too many requests are repeated already",
        };
        warn!(origin = %name, "a request to {name} failed ({}){why}", failure.detail);
        Err(if failure.kind == FailureKind::Timeout {
            self.edge.stats.count(Count::OriginTimeout);
            Problem::new(ProblemCode::OriginTimeout, format!("the origin did not answer in time{why}"))
        } else {
            self.edge.stats.count(Count::OriginFailed);
            Problem::new(ProblemCode::OriginFailed, format!("the origin broke off before it answered{why}"))
        })
    }

    /// Makes an origin's answer the edge's.
    fn finish(&self, mut response: Response<AnswerBody>, origin: &Origin) -> Response<AnswerBody> {
        let version = response.version();
        *response.version_mut() = Version::default();
        let headers = response.headers_mut();
        forward::to_client(headers, version, &origin.region, &self.live.config.name);
        if self.route.route.affinity
            && let Some(affinity) = &self.live.affinity
        {
            let (now, region) = (self.edge.clock.now(), &origin.spec.region);
            if affinity.wants_cookie(&self.pin, region, now)
                && let Some(cookie) = affinity.set_cookie(region, now, self.secure)
            {
                headers.append(header::SET_COOKIE, cookie);
            }
        }
        response
    }

    fn become_tunnel(
        &self,
        client: OnUpgrade,
        answered: crate::attempt::Answered,
        origin: &Arc<Origin>,
    ) -> Response<AnswerBody> {
        self.edge.stats.count(Count::Tunnels);
        let (mut response, in_flight) = answered.into_upgrade();
        let protocol = response.headers().get(header::UPGRADE).cloned();
        let far = hyper::upgrade::on(&mut response);
        self.edge.tasks.spawn(tunnel::run(
            client,
            far,
            (in_flight, Arc::clone(&self.seat)),
            self.edge.stop.clone(),
        ));
        let mut response = self.finish(response.map(|_| AnswerBody::empty()), origin);
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            headers.insert(header::UPGRADE, protocol);
        }
        response
    }
}

/// Takes the affinity cookie out of the request, and judges it.
fn pin(edge: &Edge, live: &Live, headers: &mut HeaderMap, secure: bool) -> Pin {
    let Some(value) = affinity::take_cookie(headers, secure) else { return Pin::None };
    let Some(affinity) = &live.affinity else { return Pin::None };
    let pin = affinity.read(&value, edge.clock.now());
    match pin {
        Pin::Forged => edge.stats.count(Count::ForgedCookies),
        Pin::Expired => edge.stats.count(Count::ExpiredCookies),
        Pin::None | Pin::Valid { .. } => {}
    }
    pin
}
