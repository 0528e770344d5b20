use std::time::Duration;

use http::Request;
use levqor_edge::{Verdict, metrics::Count};

use crate::{
    origin::{Mood, Origin},
    world::{PREFER, ROUTE, World, wait_for},
};

const LONG: &str = "[[routes]]\nhosts = [\"*\"]\n[hold]\nms = 20000\n";

#[tokio::test]
async fn requests_wait_for_a_region_to_come_up() {
    let mut origin = Origin::start("eu").await;
    let world = World::with(&[&origin], "", LONG).await;
    origin.kill().await;
    world.until(0, Verdict::Suspect).await;
    let held: Vec<_> = (0..5)
        .map(|number| {
            let address = world.address;
            tokio::spawn(async move {
                let mut client = crate::world::Client::connect(address).await;
                let request = if number == 0 { Request::get("/") } else { Request::post("/echo") };
                client.send_body(request.header("host", "a"), "body".into()).await
            })
        })
        .collect();
    wait_for("held requests", || world.edge.health()["waiting"] == 5).await;
    origin.revive().await;
    for request in held {
        assert_eq!(request.await.unwrap().status, 200);
    }
    assert_eq!(world.edge.health()["waiting"], 0);
    assert_eq!(origin.seen().len(), 5, "each was done once");
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let mut origin = Origin::start("eu").await;
    let world = World::with(&[&origin], "", &ROUTE.replace("1500", "200")).await;
    origin.kill().await;
    world.until(0, Verdict::Suspect).await;
    let answer = world.get("/").await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "no-origin"));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(world.edge.stats().of(Count::HeldInVain), 1);
}

#[tokio::test]
async fn a_route_may_wait_differently() {
    let mut origin = Origin::start("eu").await;
    let rows = format!("{LONG}[[routes]]\nhosts = [\"*\"]\npath = \"/now\"\nhold_ms = 0\n");
    let world = World::with(&[&origin], "", &rows).await;
    origin.kill().await;
    world.until(0, Verdict::Suspect).await;
    let began = tokio::time::Instant::now();
    assert_eq!(world.get("/now").await.problem(), "no-origin");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(world.edge.stats().of(Count::Held), 0);
}

#[tokio::test]
async fn only_so_many_wait() {
    let mut origin = Origin::start("eu").await;
    let world = World::with(&[&origin], "", &format!("{LONG}requests = 1\n")).await;
    origin.kill().await;
    world.until(0, Verdict::Suspect).await;
    let mut client = world.client().await;
    let first = tokio::spawn(async move { client.send(Request::get("/").header("host", "a")).await });
    wait_for("a held request", || world.edge.health()["waiting"] == 1).await;
    assert_eq!(world.get("/").await.problem(), "no-origin");
    assert_eq!(world.edge.stats().of(Count::HeldRefused), 1);
    origin.revive().await;
    assert_eq!(first.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_wait_on() {
    let mut origin = Origin::start("eu").await;
    let world = World::with(&[&origin], "", LONG).await;
    origin.kill().await;
    world.until(0, Verdict::Suspect).await;
    let mut client = world.client().await;
    let held = tokio::spawn(async move { client.send(Request::get("/").header("host", "a")).await });
    wait_for("a held request", || world.edge.health()["waiting"] == 1).await;
    held.abort();
    wait_for("its place", || world.edge.health()["waiting"] == 0).await;
}

#[tokio::test]
async fn when_nobody_is_ready_an_origin_says_why_itself() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let rows = format!("{}{PREFER}", ROUTE.replace("1500", "100"));
    let world = World::with(&[&europe, &america], "", &rows).await;
    europe.mood(Mood::NotReady);
    america.mood(Mood::NotReady);
    world.until(0, Verdict::Suspect).await;
    world.until(1, Verdict::Suspect).await;
    assert_eq!(world.get("/").await.body, "eu");
}

#[tokio::test]
async fn a_request_that_was_sent_as_often_as_may_be_waits_before_it_is_sent_again() {
    let origin = Origin::start("eu").await;
    let world = World::with(&[&origin], "", &format!("{LONG}[retries]\nattempts = 1\n")).await;
    origin.break_next();
    assert_eq!(world.get("/flaky").await.body, "eu");
    assert_eq!(origin.seen().iter().filter(|seen| seen.target == "/flaky").count(), 2);
    // What is not safe to repeat is not.
    origin.break_next();
    assert_eq!(world.post("/flaky", "x").await.problem(), "origin-failed");
}

#[tokio::test]
async fn a_request_waits_while_all_origins_say_that_it_will_pass() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let world = World::with(&[&europe, &america], "", &format!("{LONG}{PREFER}")).await;
    let both = |seconds| [&europe, &america].iter().for_each(|origin| origin.pause(seconds));
    both(60);
    assert_eq!(world.get("/pausing").await.status, 503, "it will not pass in time");
    both(2);
    assert_eq!(world.post("/pausing", "x").await.status, 503, "it is not safe to repeat");
    let mut client = world.client().await;
    let held = tokio::spawn(async move { client.send(Request::get("/pausing").header("host", "a")).await });
    wait_for("a held request", || world.edge.health()["waiting"] == 1).await;
    america.pause(0);
    assert_eq!(held.await.unwrap().body, "us");
}
