//! What a process started ends with it, also when it has no time to see to that.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use levqor_lab::{Directory, Postgres, Server, ServerSetup, until};

const PATIENCE: Duration = Duration::from_secs(60);

/// The process that this test starts, which is this program once more.
const VICTIM: &str = "LEVQOR_LAB_VICTIM";

/// Starts one of each, tells what and where, and dies.
fn victim() {
    let directory = Directory::new().unwrap();
    let mut setup = ServerSetup::new(Path::new("/bin/sleep"), directory.path()).unwrap();
    setup.arguments = vec!["600".to_owned()];
    let server = Server::spawn(&setup).unwrap();
    let gone = Server::spawn(&setup).unwrap().id();
    let standing = Server::spawn(&setup).unwrap();
    standing.signal(levqor_lab::Signal::STOP).unwrap();
    let database = Postgres::start(&["fsync=off"], &[]).unwrap();
    println!(
        "told {} {} {gone} {} {}",
        server.id(),
        standing.id(),
        database.address(),
        directory.path().display()
    );
    std::process::abort();
}

fn runs(id: &str) -> bool {
    // A process that nobody has asked about its end yet has no command line any more.
    std::fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[tokio::test]
async fn what_a_process_started_ends_with_it() {
    const NAME: &str = "warden::what_a_process_started_ends_with_it";
    if std::env::var_os(VICTIM).is_some() {
        return victim();
    }
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(VICTIM, "1")
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let told = said.lines().find_map(|line| line.split_once("told ")).unwrap_or_else(|| panic!("{said}")).1;
    let [server, standing, gone, database, directory] =
        told.split(' ').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{told}"));
    assert!(!ran.status.success() && !runs(gone));
    until("all to be gone", PATIENCE, || {
        let none_runs = !runs(server) && !runs(standing);
        let is_gone = !Path::new(directory).exists() && std::net::TcpStream::connect(database).is_err();
        std::future::ready((none_runs && is_gone).then_some(()))
    })
    .await
    .unwrap();
}
