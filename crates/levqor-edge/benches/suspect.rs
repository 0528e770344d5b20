//! How soon the edge suspects an origin that crashed, and one that became a black hole, over many faults; and how soon a
//! request that was sent into the fault is answered elsewhere.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]
#![expect(dead_code, reason = "the stand-ins of the tests can do more than is measured here")]

#[path = "../tests/it/origin.rs"]
mod origin;
#[path = "../tests/it/world.rs"]
mod world;

use std::time::{Duration, Instant};

use levqor_edge::Verdict;
use origin::{Mood, Origin};
use world::World;

fn main() {
    let faults = if std::env::args().any(|arg| arg == "--bench") { 100 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut crashed, mut crashed_answers) = (Vec::new(), Vec::new());
        let (mut holes, mut hole_answers) = (Vec::new(), Vec::new());
        for fault in 0..faults {
            // A new edge each time, so that the damping of flapping does not count.
            let (mut europe, america) = (Origin::start("eu").await, Origin::start("us").await);
            let world = World::before(&[&europe, &america]).await;
            // Faults come at any moment between two checks.
            tokio::time::sleep(Duration::from_micros(fault * 251_000 / faults)).await;
            europe.kill().await;
            let began = Instant::now();
            let (answer, took) = tokio::join!(answered(&world, began), world.until(0, Verdict::Suspect));
            crashed.push(took);
            crashed_answers.push(answer);

            let europe = Origin::start("eu").await;
            let world = World::before(&[&europe, &america]).await;
            tokio::time::sleep(Duration::from_micros(fault * 251_000 / faults)).await;
            europe.mood(Mood::Mute);
            let began = Instant::now();
            let (answer, took) = tokio::join!(answered(&world, began), world.until(0, Verdict::Suspect));
            holes.push(took);
            hole_answers.push(answer);
        }
        println!("{faults} faults each                p50       max");
        tell("crashed: suspect", crashed);
        tell("crashed: answered elsewhere", crashed_answers);
        tell("black hole: suspect", holes);
        tell("black hole: answered elsewhere", hole_answers);
    });
}

async fn answered(world: &World, began: Instant) -> Duration {
    let answer = world.get("/").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "us"));
    began.elapsed()
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!("{what:<32} {:>6.1} ms {:>6.1} ms", ms(times[times.len() / 2]), ms(times[times.len() - 1]));
}
