use http::Request;
use levqor_edge::{Verdict, apply, follow, load, metrics::Count};

use crate::{
    origin::Origin,
    world::{PREFER, ROUTE, World, file, wait_for},
};

#[tokio::test]
async fn a_changed_file_takes_effect_and_no_connection_is_dropped() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let rows = format!("{ROUTE}{PREFER}");
    let first = file(&[("eu-1", "eu-west", europe.url())], "", &rows);
    let world = World::of(&first).await;
    world.settled().await;
    let following = tokio::spawn(follow(world.edge.clone(), world.path(), load(&world.path()).unwrap()));
    let mut kept = world.client().await;
    assert_eq!(kept.send(Request::get("/").header("host", "a")).await.body, "eu");
    let mut busy = world.client().await;
    let under_way = tokio::spawn(async move { busy.send(Request::get("/gate").header("host", "a")).await });
    wait_for("the request", || europe.waiting() == 1).await;

    let second = file(
        &[("eu-1", "eu-west", europe.url()), ("us-1", "us-east", america.url())],
        "",
        &rows.replace("eu-west", "us-east"),
    );
    std::fs::write(world.path(), second).unwrap();
    wait_for("the new table", || world.edge.live().origins.len() == 2).await;
    assert_eq!(world.verdict(0), Verdict::Up, "what is known of an origin that stays is kept");
    world.settled().await;
    assert_eq!(kept.send(Request::get("/").header("host", "a")).await.body, "us");
    europe.open_gate();
    assert_eq!(under_way.await.unwrap().body, "eu");

    // A bad file changes nothing, and is told of.
    std::fs::write(world.path(), format!("{first}\n[nonsense]\n")).unwrap();
    wait_for("the refusal", || world.edge.stats().of(Count::ReloadsFailed) == 1).await;
    let error = world.edge.health()["config"]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("edge.toml: line") && error.contains("nonsense"), "{error}");
    assert_eq!(kept.send(Request::get("/").header("host", "a")).await.body, "us");

    std::fs::write(world.path(), first).unwrap();
    wait_for("the old table", || world.edge.live().origins.len() == 1).await;
    assert!(world.edge.health()["config"]["error"].is_null());
    assert_eq!(kept.send(Request::get("/").header("host", "a")).await.body, "eu");
    world.stop().await;
    following.await.unwrap();
}

#[tokio::test]
async fn an_origin_that_is_taken_out_ends_what_it_has() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let world = World::before(&[&europe, &america]).await;
    let mut busy = world.client().await;
    let under_way = tokio::spawn(async move { busy.send(Request::get("/gate").header("host", "a")).await });
    wait_for("the request", || europe.waiting() == 1).await;
    std::fs::write(world.path(), file(&[("us-1", "us-east", america.url())], "", ROUTE)).unwrap();
    apply(&world.edge, load(&world.path()).unwrap());
    assert_eq!(world.get("/").await.body, "us");
    europe.open_gate();
    assert_eq!(under_way.await.unwrap().body, "eu");
}

#[tokio::test]
async fn a_request_that_waits_is_sent_by_the_new_table() {
    let (mut europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let rows = "[[routes]]\nhosts = [\"*\"]\n[hold]\nms = 20000\n";
    let world = World::with(&[&europe], "", rows).await;
    europe.kill().await;
    world.until(0, Verdict::Suspect).await;
    let mut client = world.client().await;
    let held = tokio::spawn(async move { client.send(Request::get("/").header("host", "a")).await });
    wait_for("a held request", || world.edge.health()["waiting"] == 1).await;
    std::fs::write(world.path(), file(&[("us-1", "us-east", america.url())], "", rows)).unwrap();
    apply(&world.edge, load(&world.path()).unwrap());
    assert_eq!(held.await.unwrap().body, "us");
}
