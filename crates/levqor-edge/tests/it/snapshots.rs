use std::{sync::Arc, time::Duration};

use http::Response;
use http_body_util::Full;
use hyper::{body::Bytes, service::service_fn};
use hyper_util::rt::TokioIo;
use levqor_edge::metrics::Count;
use levqor_model::{
    Clock, RegionSnapshot, SignedSnapshot, SigningKey, SnapshotOrigin, SnapshotRegion, SystemClock,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    origin::Origin,
    world::{ROUTE, World, file},
};

const HOUR: Duration = Duration::from_secs(3_600);

fn signer() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

fn document(sequence: u64, origins: &[(&str, &str, &Origin)]) -> RegionSnapshot {
    let now = SystemClock.now();
    RegionSnapshot {
        sequence,
        issued_at: now,
        expires_at: now + HOUR,
        regions: origins
            .iter()
            .map(|(name, region, origin)| SnapshotRegion {
                code: region.parse().unwrap(),
                status: None,
                origins: vec![SnapshotOrigin { name: (*name).to_owned(), url: origin.url() }],
            })
            .collect(),
        preference: origins.iter().map(|(_, region, _)| region.parse().unwrap()).collect(),
    }
}

/// A control plane that serves the newest document, and is ready.
async fn control(first: SignedSnapshot) -> (String, watch::Sender<SignedSnapshot>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, served) = watch::channel(first);
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let served = served.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let text = match request.uri().path() {
                        "/api/regions/snapshot" => serde_json::to_string(&*served.borrow()).unwrap(),
                        _ => "control".to_owned(),
                    };
                    async move { Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(text)))) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (url, sender, task)
}

#[tokio::test]
async fn the_control_planes_word_is_followed_kept_and_survives_it() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let sign = |document: &RegionSnapshot| document.sign(&signer()).unwrap();
    let (url, serve, task) = control(sign(&document(1, &[("eu-1", "eu-west", &europe)]))).await;
    let key = signer().public_key();
    let section = format!("{ROUTE}[snapshot]\npublic_key = \"{key}\"\nfile = \"regions.json\"\n");
    let text = file(&[("bootstrap", "eu-west", url)], "", &section);
    let world = World::of(&text).await;
    assert_eq!(world.edge.health()["snapshot"]["state"], "none yet");
    let ask = async || world.edge.ask_for_snapshot("/api/regions/snapshot").await;
    let stats = || world.edge.stats();

    assert!(ask().await);
    world.settled().await;
    assert_eq!(world.get("/").await.body, "eu");
    assert!(!ask().await, "nothing new");
    // The newest document moves everything, and its preference counts.
    let both = document(2, &[("us-1", "us-east", &america), ("eu-1", "eu-west", &europe)]);
    serve.send_replace(sign(&both));
    assert!(ask().await);
    world.settled().await;
    assert_eq!(world.get("/").await.body, "us");
    // Lies and old stories are refused and counted.
    let forged = SigningKey::from_seed(&[8; 32]).unwrap();
    serve.send_replace(document(9, &[("evil", "eu-west", &europe)]).sign(&forged).unwrap());
    assert!(!ask().await);
    serve.send_replace(sign(&document(1, &[("eu-1", "eu-west", &europe)])));
    assert!(!ask().await);
    let future = SystemClock.now() + HOUR;
    let future = RegionSnapshot {
        issued_at: future,
        expires_at: future + HOUR,
        ..document(3, &[("eu-1", "eu-west", &europe)])
    };
    serve.send_replace(sign(&future));
    assert!(!ask().await);
    for kind in ["forged", "older", "future"] {
        assert_eq!(stats().snapshots_refused(kind), 1, "{kind}");
    }
    assert_eq!(stats().of(Count::SnapshotsTaken), 3);
    assert_eq!(world.get("/").await.body, "us");
    assert_eq!(world.edge.health()["snapshot"]["sequence"], 2);

    // Every control plane is gone; a new edge starts from the file.
    task.abort();
    let folder = Arc::clone(&world.folder);
    world.stop().await;
    let world = World::within(folder, &text).await;
    world.settled().await;
    assert_eq!(world.get("/").await.body, "us");
    assert_eq!(world.edge.health()["snapshot"]["state"], "fresh");
    assert!(!world.edge.ask_for_snapshot("/api/regions/snapshot").await);
}

#[tokio::test]
async fn an_edge_that_follows_asks_by_itself() {
    let europe = Origin::start("eu").await;
    let first = document(1, &[("eu-1", "eu-west", &europe)]).sign(&signer()).unwrap();
    let (url, _serve, _task) = control(first).await;
    let key = signer().public_key();
    let section = format!("{ROUTE}[snapshot]\npublic_key = \"{key}\"\nfile = \"r.json\"\npoll_seconds = 1\n");
    let world = World::of(&file(&[("bootstrap", "eu-west", url)], "", &section)).await;
    tokio::spawn(Arc::clone(&world.edge).follow_snapshots());
    // It is known a moment before it is routed by.
    crate::world::wait_for("the snapshot", || {
        let health = world.edge.health();
        health["snapshot"]["sequence"] == 1 && health["origins"][0]["name"] == "eu-1"
    })
    .await;
    world.settled().await;
    assert_eq!(world.get("/").await.body, "eu");
}
