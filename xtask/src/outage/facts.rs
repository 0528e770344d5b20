//! What is read out of answers. Pure.

use serde_json::Value;

/// The alert of a node that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub id: String,
    /// The node that it is about.
    pub node: String,
    pub summary: String,
}

/// A member of each element of a list; those that do not have it as a text are left out.
pub fn parts<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    list.as_array().into_iter().flatten().filter_map(|one| one[name].as_str()).collect()
}

/// Whether somebody looks for alerts, by what operators are told.
pub fn is_looked_for(overview: &Value) -> bool {
    overview["alerts"]["looked_for"] == true
}

/// Whether the regions' own looks at each other are on the page, and find this one well.
pub fn is_probed(status: &Value, region: &str) -> bool {
    let components = of_region(status, region).and_then(|there| there["components"].as_array());
    components
        .into_iter()
        .flatten()
        .any(|component| component["name"] == "network" && component["status"] == "operational")
}

fn of_region<'a>(status: &'a Value, region: &str) -> Option<&'a Value> {
    status["regions"].as_array()?.iter().find(|there| there["code"] == region)
}

/// Whether the edge knows the region, and none of its origins is up.
pub fn is_turned_away(health: &Value, region: &str) -> bool {
    let origins: Vec<_> =
        health["origins"].as_array().into_iter().flatten().filter(|one| one["region"] == region).collect();
    !origins.is_empty() && origins.iter().all(|origin| origin["verdict"] != "up")
}

/// What is not well on the page, in a line.
pub fn words(status: &Value) -> String {
    let mut ill = Vec::new();
    for region in status["regions"].as_array().into_iter().flatten() {
        for component in region["components"].as_array().into_iter().flatten() {
            if let (Some(code), Some(name), Some(state)) =
                (region["code"].as_str(), component["name"].as_str(), component["status"].as_str())
                && state != "operational"
            {
                ill.push(format!("{code}/{name} is {state}"));
            }
        }
    }
    format!("/status is {}: {}", status["status"].as_str().unwrap_or("not there"), ill.join(", "))
}

/// The alert about a node of the region, among those that fire.
pub fn fired(alerts: &Value, region: &str) -> Option<Alert> {
    let is_it = |alert: &&Value| {
        alert["rule"] == "nodes.lost" && alert["state"] == "firing" && alert["details"]["region"] == region
    };
    let alert = alerts["alerts"].as_array()?.iter().find(is_it)?;
    let text = |name: &str| alert[name].as_str().map(ToOwned::to_owned);
    Some(Alert { id: text("id")?, node: text("subject")?, summary: text("summary")? })
}

/// Whether a message, as Standard Webhooks has it, is of this type and names the alert.
pub fn names(message: &Value, kind: &str, alert: &str) -> bool {
    message["type"] == kind && parts(&message["data"]["details"]["alerts"], "id").contains(&alert)
}

/// Whether there are alerts, and each is over.
pub fn is_over(alerts: &Value) -> bool {
    let all = alerts.as_array().map_or(&[][..], Vec::as_slice);
    !all.is_empty() && all.iter().all(|alert| alert["ended_at"].is_string())
}

/// What a postmortem of it must have and does not.
pub fn missing(text: &str, region: &str) -> Vec<String> {
    let wanted = [
        "# ",
        "## Summary",
        "## Root cause",
        "## Timeline",
        "## Impact",
        "## Resolution",
        "## Action items",
        "nodes.lost",
        "Time to detect",
        "Time to resolve",
        region,
    ];
    wanted.into_iter().filter(|part| !text.contains(part)).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(network: &str) -> Value {
        json!({ "status": "degraded", "regions": [
            { "code": "eu-west", "components": [{ "name": "api", "status": "operational" }] },
            { "code": "us-east", "components": [
                { "name": "api", "status": "unknown" }, { "name": "network", "status": network },
            ] },
        ] })
    }

    #[test]
    fn the_page_is_read() {
        assert!(is_probed(&status("operational"), "us-east"));
        for (status, region) in
            [(status("down"), "us-east"), (status("operational"), "eu-west"), (Value::Null, "us-east")]
        {
            assert!(!is_probed(&status, region), "{region}: {status}");
        }
        assert_eq!(
            words(&status("down")),
            "/status is degraded: us-east/api is unknown, us-east/network is down"
        );
        assert_eq!(words(&Value::Null), "/status is not there: ");
        for (overview, looked) in [
            (json!({ "alerts": { "looked_for": true } }), true),
            (json!({ "alerts": { "looked_for": false } }), false),
            (json!({}), false),
        ] {
            assert_eq!(is_looked_for(&overview), looked, "{overview}");
        }
    }

    #[test]
    fn an_edge_that_knows_nothing_of_a_region_has_not_turned_away_from_it() {
        let health = |verdicts: &[&str]| {
            let origins: Vec<_> =
                verdicts.iter().map(|verdict| json!({ "region": "us-east", "verdict": verdict })).collect();
            json!({ "origins": origins })
        };
        let rows: [(&[&str], bool); 5] = [
            (&["down"], true),
            (&["up"], false),
            (&["down", "up"], false),
            (&["down", "down"], true),
            (&[], false),
        ];
        for (verdicts, turned) in rows {
            assert_eq!(is_turned_away(&health(verdicts), "us-east"), turned, "{verdicts:?}");
        }
        assert!(!is_turned_away(&health(&["down"]), "eu-west"));
    }

    #[test]
    fn an_alert_is_known_by_its_rule_and_region_and_found_in_messages() {
        let alert = |region: &str, state: &str| {
            json!({
                "id": "alr_1", "rule": "nodes.lost", "subject": "node_1", "state": state,
                "summary": "it is lost", "details": { "region": region },
            })
        };
        let alerts = json!({ "alerts": [alert("eu-west", "firing"), alert("us-east", "firing")] });
        let found = fired(&alerts, "us-east").unwrap();
        assert_eq!((found.id.as_str(), found.node.as_str()), ("alr_1", "node_1"));
        for alerts in [
            json!({ "alerts": [alert("eu-west", "firing"), alert("us-east", "pending")] }),
            json!({ "alerts": [] }),
            Value::Null,
        ] {
            assert_eq!(fired(&alerts, "us-east"), None, "{alerts}");
        }
        let message =
            json!({ "type": "alert.firing", "data": { "details": { "alerts": [{ "id": "alr_1" }] } } });
        assert!(names(&message, "alert.firing", "alr_1"));
        assert!(!names(&message, "alert.resolved", "alr_1") && !names(&message, "alert.firing", "alr_2"));
    }

    #[test]
    fn without_alerts_nothing_is_over() {
        let rows = [
            (json!([]), false),
            (Value::Null, false),
            (json!([{ "ended_at": "2026-11-24T12:00:00Z" }]), true),
            (json!([{ "ended_at": "2026-11-24T12:00:00Z" }, {}]), false),
        ];
        for (alerts, over) in rows {
            assert_eq!(is_over(&alerts), over, "{alerts}");
        }
    }

    #[test]
    fn a_postmortem_that_leaves_something_out_is_told() {
        let whole = "# us-east is disturbed\n## Summary\n## Root cause\n## Timeline\n## Impact\n## Resolution\n## Action items\n\
                     nodes.lost Time to detect Time to resolve";
        assert_eq!(missing(whole, "us-east"), Vec::<String>::new());
        assert_eq!(missing(&whole.replace("## Timeline", ""), "ap-south"), ["## Timeline", "ap-south"]);
    }
}
