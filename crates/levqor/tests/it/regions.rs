//! Three regions on one machine, whole: nodes on PostgreSQL with a standby, an edge in front, and the loss of the primary.

use levqor_lab::{Directory, Edge, EdgeSetup, Node, NodeSetup, Origin, Pair};
use levqor_testkit::{Client, wait_for};
use serde_json::{Value, json};

const REGIONS: [&str; 3] = ["eu-west", "us-east", "ap-south"];

async fn ended(client: &Client, run: &str) -> Value {
    wait_for("the run to end", || async {
        let answer = client.get(&format!("/api/runs/{run}")).await.ok()?;
        (answer.body["status"] == "completed").then_some(answer.body)
    })
    .await
}

#[tokio::test]
async fn a_lost_primary_loses_nothing_and_callers_of_the_edge_go_on() {
    let directory = Directory::new().unwrap();
    let mut pair = Pair::start(&["fsync=off"]).unwrap();
    let mut nodes = Vec::new();
    for region in REGIONS {
        let setup = NodeSetup {
            binary: env!("CARGO_BIN_EXE_levqor").into(),
            directory: directory.path().to_owned(),
            region: region.to_owned(),
            database_url: pair.url(),
            secret: "a secret that all nodes of this test have".to_owned(),
            environment: vec![("LEVQOR_LOG".to_owned(), "warn".to_owned())],
        };
        nodes.push(Node::start(&setup).await.unwrap());
    }
    let key = nodes[0].owner_key().await.unwrap();
    let edge = Edge::start(&EdgeSetup {
        binary: env!("CARGO_BIN_EXE_levqor").into(),
        directory: directory.path().to_owned(),
        name: "edge".to_owned(),
        origins: nodes
            .iter()
            .map(|node| Origin { region: node.region().to_owned(), address: node.address() })
            .collect(),
        more: String::new(),
    })
    .await
    .unwrap();
    let client = Client::new(edge.address(), &key);
    let definition = json!({
        "document": { "dsl": "1.0.3", "namespace": "test", "name": "waits", "version": "1.0.0" },
        "do": [
            { "pause": { "wait": { "seconds": 2 } } },
            { "done": { "set": { "n": "${ $workflow.input.n }" } } },
        ],
    });
    let created = client.post("/api/workflows", &json!({ "definition": definition })).await.unwrap();
    let path = format!("/api/workflows/{}/runs", created.body["id"].as_str().unwrap_or_default());
    let mut acknowledged = Vec::new();
    for n in 0..20 {
        let answer = client.post(&path, &json!({ "input": { "n": n } })).await.unwrap();
        assert!(matches!(answer.status, 200 | 202), "{}", answer.body);
        acknowledged.push(answer.body["run_id"].as_str().unwrap().to_owned());
    }

    pair.kill_primary().unwrap();
    pair.fail_over().unwrap();
    let after = wait_for("a start to be acknowledged again", || async {
        let answer =
            client.post_once(&path, &json!({ "input": { "n": 20 } }), "after-the-loss").await.ok()?;
        matches!(answer.status, 200 | 202).then(|| answer.body["run_id"].as_str().unwrap().to_owned())
    })
    .await;
    acknowledged.push(after);
    for (n, run) in acknowledged.iter().enumerate() {
        assert_eq!(ended(&client, run).await["output"], json!({ "n": n }));
    }
    pair.restore().unwrap();
}
