//! What was used, and by whom.

use serde_json::json;

use crate::support::{GREET, TestApp};

#[tokio::test]
async fn an_account_sees_its_own_and_strangers_the_sum() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    test.start(&workflow, 0, &json!({ "name": "Ada" })).await;
    test.start(&workflow, 0, &json!({ "name": "Bob" })).await;
    test.store.add_ai_credits(Some(test.account), test.app.now().date(), 7).await.unwrap();
    let period = json!({ "from": "2026-11-01", "to": "2026-11-24" });
    let mine = test.read("/api/usage/summary").await;
    let limits = json!({ "workflows": 500, "runs_per_month": 250_000, "ai_credits": 100_000 });
    let expected = json!({
        "status": "ok", "workflows": 1, "runs": 2, "ai_credits": 7, "source": "database", "period": period,
        "plan": { "code": "agency", "name": "Agency", "limits": limits },
        // The tests have no limit of requests.
        "fair_use": { "requests_per_minute": null, "concurrent_runs": 50 },
    });
    assert_eq!(mine, expected);
    let others = test.get("/api/usage/summary").key(&test.keys.other).send().await.json();
    assert_eq!((&others["workflows"], &others["runs"]), (&json!(0), &json!(0)));
    let all = test.get("/api/usage/summary").send().await.json();
    assert_eq!(
        all,
        json!({ "status": "ok", "workflows": 1, "runs": 2, "ai_credits": 7, "source": "database", "period": period })
    );
}

#[tokio::test]
async fn the_export_has_a_row_a_day() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    test.start(&workflow, 0, &json!({ "name": "Ada" })).await;
    test.advance(2 * 24 * 60 * 60);
    let answer = test.get("/api/usage/export?from=2026-11-23").key(&test.keys.viewer).send().await;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(
        answer.text(),
        "date,workflows,runs,ai_credits\r\n2026-11-23,0,0,0\r\n2026-11-24,1,1,0\r\n2026-11-25,1,0,0\r\n2026-11-26,1,0,0\r\n"
    );
    let whole = test.get("/api/usage/export").key(&test.keys.viewer).send().await.text();
    assert_eq!(whole.lines().count(), 31);
    assert!(whole.contains("\r\n2026-10-28,0,0,0\r\n"));
}

#[tokio::test]
async fn odd_periods_are_refused() {
    let test = TestApp::new().await;
    let rows = [
        ("from=2026-11-25&to=2026-11-24", "from"),
        ("from=2020-01-01&to=2026-11-24", "from"),
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("since=2026-11-01", "since"),
    ];
    for (query, name) in rows {
        let answer = test.get(&format!("/api/usage/export?{query}")).send().await;
        assert_eq!(answer.problem(), "bad-parameter", "{query}");
        assert_eq!(answer.json()["errors"][0]["pointer"], name, "{}", answer.text());
    }
}

#[tokio::test]
async fn plans_are_those_of_the_blueprint() {
    let test = TestApp::new().await;
    let body = test.get("/api/plans").send().await.json();
    assert_eq!(body["currency"], "GBP");
    let plans: Vec<_> = body["plans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plan| {
            (
                plan["code"].as_str().unwrap(),
                plan["month_price"].as_i64().unwrap(),
                plan["month_price_text"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        plans,
        [
            ("starter", 900, "£9"),
            ("growth", 2_900, "£29"),
            ("business", 5_900, "£59"),
            ("agency", 14_900, "£149")
        ]
    );
}
