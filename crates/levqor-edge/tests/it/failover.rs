use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Request;
use levqor_edge::{Verdict, metrics::Count};

use crate::{
    origin::{Mood, Origin},
    world::{Client, PREFER, ROUTE, World, wait_for},
};

#[tokio::test]
async fn a_refused_connection_goes_to_the_next_region_whatever_the_method() {
    let (mut europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let world = World::before(&[&europe, &america]).await;
    assert_eq!(world.get("/").await.body, "eu");
    europe.kill().await;
    // Before any check has seen it.
    let answer = world.post("/echo", "once").await;
    assert_eq!((answer.status, answer.header("x-levqor-region")), (200, "us-east"));
    assert_eq!(america.seen().iter().filter(|seen| seen.method == "POST").count(), 1);
    world.until(0, Verdict::Suspect).await;
    assert_eq!(world.get("/").await.body, "us");
    europe.revive().await;
    world.until(0, Verdict::Up).await;
    assert_eq!(world.get("/").await.body, "eu");
}

#[tokio::test]
async fn a_crashed_origin_is_suspect_at_once() {
    let (mut europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let world = World::before(&[&europe, &america]).await;
    for _ in 0..5 {
        world.until(0, Verdict::Up).await;
        europe.kill().await;
        let took = world.until(0, Verdict::Suspect).await;
        assert!(took < Duration::from_millis(500), "{took:?}");
        europe.revive().await;
    }
    assert_eq!(world.verdict(1), Verdict::Up);
}

#[tokio::test]
async fn a_black_hole_is_suspect_soon_and_its_requests_move() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let world = World::before(&[&europe, &america]).await;
    assert_eq!(world.get("/").await.body, "eu");
    europe.mood(Mood::Mute);
    // The request waits in the hole until the checks find out; then it is done elsewhere.
    let (answer, took) = tokio::join!(world.get("/"), world.until(0, Verdict::Suspect));
    assert_eq!((answer.status, answer.body.as_str()), (200, "us"));
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    assert!(world.edge.stats().of(Count::Retries) >= 1);
    europe.mood(Mood::Well);
    world.until(0, Verdict::Up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotent_requests_do_not_notice_that_regions_die() {
    let (mut europe, mut america) = (Origin::start("eu").await, Origin::start("us").await);
    let world = World::with(&[&europe, &america], "", &format!("{ROUTE}{PREFER}")).await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..16)
        .map(|number| {
            let (stop, done, address) = (Arc::clone(&stop), Arc::clone(&done), world.address);
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let (request, body) = match number % 3 {
                        0 => (Request::get("/"), ""),
                        1 => (Request::put("/echo"), "body"),
                        _ => (Request::post("/echo").header("idempotency-key", "k"), "body"),
                    };
                    match client.try_send(request.header("host", "a"), body.into()).await {
                        Ok(answer) if answer.status == 200 => {
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        other => failures.push(format!("{other:?}")),
                    }
                }
                failures
            })
        })
        .collect();
    for round in 0..6 {
        let victim = if round % 2 == 0 { &mut europe } else { &mut america };
        let place = round % 2;
        world.until(place, Verdict::Up).await;
        world.until(1 - place, Verdict::Up).await;
        let before = done.load(Ordering::Relaxed);
        wait_for("traffic", || done.load(Ordering::Relaxed) > before + 50).await;
        victim.kill().await;
        let before = done.load(Ordering::Relaxed);
        wait_for("traffic meanwhile", || done.load(Ordering::Relaxed) > before + 200).await;
        world.until(place, Verdict::Suspect).await;
        victim.revive().await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let failures = client.await.unwrap();
        assert!(failures.is_empty(), "{}: {:?}", failures.len(), failures.first());
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_repeated_only_when_that_does_no_harm() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let world = World::before(&[&europe, &america]).await;
    let ask = async |method: &str, key: bool| {
        europe.break_next();
        let mut request = Request::builder().method(method).uri("/flaky").header("host", "a");
        if key {
            request = request.header("idempotency-key", "k");
        }
        world.client().await.send_body(request, "body".into()).await
    };
    for (method, key, status) in [
        ("GET", false, 200),
        ("PUT", false, 200),
        ("DELETE", false, 200),
        ("POST", true, 200),
        ("POST", false, 502),
        ("PATCH", false, 502),
    ] {
        let before = europe.seen().len() + america.seen().len();
        let answer = ask(method, key).await;
        assert_eq!(answer.status, status, "{method} {key}: {}", answer.body);
        let came = europe.seen().len() + america.seen().len() - before;
        assert_eq!(came, if status == 200 { 2 } else { 1 }, "{method} {key}");
        if status == 502 {
            assert_eq!(answer.problem(), "origin-failed");
            assert!(answer.body.contains("Idempotency-Key"), "{}", answer.body);
        }
        world.until(0, Verdict::Up).await;
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_to_keep_is_sent_once() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let rows = format!("{ROUTE}{PREFER}[retries]\nbody_bytes = 1000\n");
    let world = World::with(&[&europe, &america], "", &rows).await;
    for (bytes, status) in [(1_000, 200), (1_001, 502)] {
        europe.break_next();
        let request = Request::put("/flaky").header("host", "a");
        let answer = world.client().await.send_body(request, vec![b'x'; bytes].into()).await;
        assert_eq!(answer.status, status, "{bytes}: {}", answer.body);
        world.until(0, Verdict::Up).await;
    }
    assert_eq!(america.seen().iter().map(|seen| seen.body.len()).collect::<Vec<_>>(), [1_000]);
}

#[tokio::test]
async fn an_origin_in_trouble_is_passed_over_while_another_is_up() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let world = World::before(&[&europe, &america]).await;
    // Both are busy: the last answer is passed on as it is.
    let answer = world.get("/busy").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "us is busy"));
    // A write is not repeated; its answer is the origin's.
    let answer = world.post("/busy", "x").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "eu is busy"));
}

#[tokio::test]
async fn retries_are_bounded_by_the_budget() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let rows = format!("{ROUTE}{PREFER}[retries]\nbudget_burst = 3\nbudget_percent = 0\n");
    let world = World::with(&[&europe, &america], "", &rows).await;
    for _ in 0..10 {
        world.get("/busy").await;
    }
    let count = |origin: &Origin| origin.seen().iter().filter(|seen| seen.target == "/busy").count();
    assert_eq!((count(&europe), count(&america)), (10, 3));
    assert_eq!(world.edge.stats().of(Count::RetriesDenied), 7);
}

#[tokio::test]
async fn a_draining_origin_gets_nothing_new_and_ends_what_it_has() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let world = World::before(&[&europe, &america]).await;
    let mut client = world.client().await;
    let old = tokio::spawn(async move { client.send(Request::get("/gate").header("host", "a")).await });
    wait_for("the request", || europe.waiting() == 1).await;
    europe.mood(Mood::Draining);
    let took = world.until(0, Verdict::Draining).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    for _ in 0..20 {
        assert_eq!(world.get("/").await.body, "us");
    }
    europe.open_gate();
    let old = old.await.unwrap();
    assert_eq!((old.status, old.body.as_str()), (200, "eu"));
    europe.mood(Mood::Well);
    world.until(0, Verdict::Up).await;
    assert_eq!(world.get("/").await.body, "eu");
}

#[tokio::test]
async fn an_origin_that_says_in_its_answer_that_it_drains_has_not_begun() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let rows = format!("{}{PREFER}", ROUTE.replace("1500", "0"));
    let world = World::with(&[&europe, &america], "", &rows).await;
    // A write without a key may still move on, since the origin says that it did not begin.
    let answer = world.post("/draining", "x").await;
    assert_eq!(europe.seen().len(), 1);
    assert_eq!(america.seen().len(), 1);
    // The other one says the same; then nobody is left.
    assert_eq!((answer.status, answer.problem().as_str()), (503, "no-origin"));
}

#[tokio::test]
async fn an_origin_that_cannot_be_reached_at_the_start_is_no_obstacle() {
    let (mut europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    europe.kill().await;
    let world = World::before(&[&europe, &america]).await;
    assert_eq!(world.get("/").await.body, "us");
    assert_eq!(world.verdict(0), Verdict::Suspect);
    let health = world.edge.health();
    assert!(health["origins"][0]["last_error"].as_str().unwrap().contains("refused"), "{health}");
}

#[tokio::test]
async fn an_origin_that_closes_after_each_answer_is_not_asked_all_the_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let checks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&checks);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4_096]).await;
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
        }
    });
    let world = World::of(&crate::world::file(&[("eu-1", "eu-west", url)], "", ROUTE)).await;
    world.until(0, Verdict::Up).await;
    let began = tokio::time::Instant::now();
    wait_for("six checks", || checks.load(Ordering::SeqCst) >= 6).await;
    assert!(began.elapsed() > Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(world.verdict(0), Verdict::Up);
}
