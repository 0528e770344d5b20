//! What was acknowledged by a primary is there after it is lost.

use levqor_lab::Pair;
use postgres::{Client, NoTls, config::TargetSessionAttrs};

/// To whichever of the two takes writes.
fn writer(pair: &Pair) -> Client {
    let mut config: postgres::Config = pair.url().parse().unwrap();
    config.target_session_attrs(TargetSessionAttrs::ReadWrite).connect(NoTls).unwrap()
}

fn numbers(client: &mut Client) -> i64 {
    client.query_one("SELECT count(*) FROM numbers", &[]).unwrap().get(0)
}

#[test]
fn a_pair_survives_the_loss_of_its_primary_again_and_again() {
    let mut pair = Pair::start(&["fsync=off"]).unwrap();
    let addresses = pair.addresses();
    writer(&pair).batch_execute("CREATE TABLE numbers (n bigint PRIMARY KEY)").unwrap();
    let refused = pair.fail_over().unwrap_err().to_string();
    assert!(refused.contains("the primary lives"), "{refused}");
    for round in 0..2_i64 {
        let primary = pair.primary().address();
        let mut client = writer(&pair);
        for n in 0..100 {
            client.execute("INSERT INTO numbers VALUES ($1)", &[&(100 * round + n)]).unwrap();
        }
        pair.kill_primary().unwrap();
        assert!(client.execute("INSERT INTO numbers VALUES (-1)", &[]).is_err());
        pair.fail_over().unwrap();
        assert_ne!(pair.primary().address(), primary);
        let mut client = writer(&pair);
        assert_eq!(numbers(&mut client), 100 * (round + 1));
        pair.restore().unwrap();
        assert_eq!(pair.addresses(), addresses);
    }
}

#[test]
fn a_primary_that_stands_still_is_replaced() {
    let mut pair = Pair::start(&["fsync=off"]).unwrap();
    writer(&pair).batch_execute("CREATE TABLE numbers (n bigint PRIMARY KEY)").unwrap();
    let old = pair.primary().address();
    pair.freeze_primary().unwrap();
    let refused = pair.kill_primary().unwrap_err().to_string();
    assert!(refused.contains("lost already"), "{refused}");
    pair.fail_over().unwrap();
    let new = pair.primary().address();
    assert_ne!(new, old);
    // The machine answers for the old one, so only the new one is asked.
    let url = format!("postgres://levqor@{new}/{}", pair.database());
    let mut client = Client::connect(&url, NoTls).unwrap();
    client.execute("INSERT INTO numbers VALUES (1)", &[]).unwrap();
    pair.restore().unwrap();
    client.execute("INSERT INTO numbers VALUES (2)", &[]).unwrap();
    assert_eq!(numbers(&mut client), 2);
}

#[test]
fn a_primary_that_stands_still_goes_with_its_pair() {
    let mut pair = Pair::start(&["fsync=off"]).unwrap();
    let address = pair.primary().address();
    pair.freeze_primary().unwrap();
    drop(pair);
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens there any more");
}

#[test]
fn a_pair_with_a_password_lets_nobody_in_without_it() {
    let mut pair = Pair::start_guarded(&["fsync=off"], "4f1c2b7e90aa").unwrap();
    writer(&pair).batch_execute("CREATE TABLE numbers (n bigint PRIMARY KEY)").unwrap();
    let nobody_comes_in = |pair: &Pair| {
        for address in pair.addresses() {
            for who in ["levqor", "levqor:wrong"] {
                let url = format!("postgres://{who}@{address}/{}", pair.database());
                let refused = Client::connect(&url, NoTls).err().unwrap();
                assert!(format!("{refused:?}").contains("password"), "{who}: {refused:?}");
            }
        }
    };
    nobody_comes_in(&pair);
    assert!(!format!("{pair:?}").contains("4f1c2b7e90aa"), "it shows in no message");
    // The standby was let in to copy, and is again, whoever is the primary.
    pair.kill_primary().unwrap();
    pair.fail_over().unwrap();
    pair.restore().unwrap();
    let mut client = writer(&pair);
    client.execute("INSERT INTO numbers VALUES (1)", &[]).unwrap();
    assert_eq!(numbers(&mut client), 1);
    nobody_comes_in(&pair);
}
