//! Why a part is not well: everybody is told of what kind it is, operators what was found.

use http::{Method, StatusCode};
use levqor_store::health::Sample;

use crate::{
    pages::Browser,
    support::{TestApp, sign_in_operator},
};

const FOUND: &str = "db-7.internal (10.1.2.3:5432) did not answer: password of levqor refused";

#[tokio::test]
async fn names_and_addresses_of_machines_are_for_operators() {
    let test = TestApp::new().await;
    let sample = Sample {
        region: "eu-west".parse().unwrap(),
        node: test.app.node,
        component: "database".to_owned(),
        at: test.app.now(),
        good: false,
        latency_us: None,
        reason: Some(FOUND.to_owned()),
    };
    test.store.add_samples(vec![sample]).await.unwrap();
    for path in
        ["/status", "/api/status", "/api/v2/summary.json", "/api/v2/components.json", "/status/history.atom"]
    {
        let told = test.page(path).send().await;
        assert_eq!(told.status, StatusCode::OK, "{path}");
        for secret in ["db-7.internal", "10.1.2.3"] {
            assert!(!told.text().contains(secret), "{path} tells {secret}");
        }
    }
    let part = |report: &serde_json::Value| {
        let parts = report["regions"][0]["components"].as_array().unwrap().clone();
        parts.into_iter().find(|part| part["name"] == "database").unwrap()
    };
    let told = test.get("/api/status").send().await.json();
    assert_eq!(part(&told)["reason"], "does not answer");
    assert!(test.page("/status").send().await.text().contains(": does not answer"));
    let call = async |key: &str| test.call(Method::GET, "/api/ops/status").key(key).send().await;
    let found = call(&test.keys.operator).await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.text());
    assert_eq!(part(&found.json())["reason"], FOUND);
    assert_eq!(call(&test.keys.owner).await.status, StatusCode::FORBIDDEN);
    let cookie = sign_in_operator(&test.app, test.account).await;
    let page = test.page("/admin/status").header("cookie", &cookie).send().await.text();
    assert!(page.contains(FOUND) && page.contains("does not answer"), "{page}");
}
