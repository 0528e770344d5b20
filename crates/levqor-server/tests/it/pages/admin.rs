//! The pages of operators.

use super::*;
use crate::{
    audit::{give_up, signed_by_another},
    support::sign_in_operator,
};

const PAGES: [&str; 14] = [
    "/admin",
    "/admin/accounts",
    "/admin/alerts",
    "/admin/audit",
    "/admin/customers",
    "/admin/drift",
    "/admin/incidents",
    "/admin/jobs",
    "/admin/keys",
    "/admin/notifications",
    "/admin/probes",
    "/admin/slos",
    "/admin/status",
    "/admin/tamper",
];

/// A browser of an operator who is signed in.
struct Operator {
    app: TestApp,
    cookie: String,
}

impl Operator {
    async fn new() -> Self {
        // As the blueprint says.
        let app = TestApp::with(|settings| settings.account_requests_per_minute = None).await;
        let cookie = sign_in_operator(&app.app, app.account).await;
        Self { app, cookie }
    }

    async fn see(&self, path: &str) -> String {
        let page = self.app.page(path).header("cookie", &self.cookie).send().await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
        assert_sound(path, &page);
        page.text()
    }

    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.app.page("/admin/keys").header("cookie", &self.cookie).send().await;
        let token = csrf(&page);
        let all: Vec<_> = [("csrf", token.as_str())].into_iter().chain(fields.iter().copied()).collect();
        self.app.form(path, &all).header("cookie", &self.cookie).send().await
    }
}

#[tokio::test]
async fn operators_see_them_and_others_are_not_shown_the_way() {
    let operator = Operator::new().await;
    for path in PAGES {
        let text = operator.see(path).await;
        for other in PAGES {
            assert!(text.contains(&format!("href=\"{other}\"")), "{path} does not lead to {other}");
        }
    }
    let app = &operator.app;
    let owner = app.page("/dashboard").header("cookie", &app.cookie).send().await;
    assert!(!owner.text().contains("/admin"), "{}", owner.text());
    for path in PAGES {
        let refused = app.page(path).header("cookie", &app.cookie).send().await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.text().contains("nly operators of the platform"), "{}", refused.text());
        let stranger = app.page(path).send().await;
        assert_eq!(stranger.status, StatusCode::TEMPORARY_REDIRECT, "{path}");
    }
}

#[tokio::test]
async fn what_they_watch_stays_new_and_what_they_type_is_not_lost() {
    let operator = Operator::new().await;
    operator.app.app.run_due_jobs().await.unwrap();
    let body = [("title", "Hooks fail"), ("level", "l2"), ("components", ""), ("text", ""), ("began_at", "")];
    let opened = operator.send("/admin/incidents", &body).await;
    let incident = opened.header("location").unwrap().split('?').next().unwrap().to_owned();
    let watched = [
        ("/admin", "id=\"overview\" data-live=\"on\""),
        ("/admin/alerts", "id=\"alerts-now\" data-live=\"on\""),
        ("/admin/incidents", "id=\"incidents\" data-live=\"on\""),
        (incident.as_str(), "id=\"what-happened\" data-live=\"on\""),
        ("/admin/jobs", "id=\"jobs\" data-live=\"on\""),
        ("/admin/jobs/kv_costs", "id=\"job\" data-live=\"on\""),
        ("/admin/notifications", "id=\"messages\" data-live=\"on\""),
        ("/admin/probes", "id=\"targets\" data-live=\"on\""),
        ("/admin/slos", "id=\"objectives\" data-live=\"on\""),
    ];
    for (path, part) in watched {
        let text = operator.see(path).await;
        assert!(text.contains(part), "{path} has no {part}: {text}");
        let types = text.contains("<textarea") || text.contains("type=\"text\"");
        let loads_again = text.contains("http-equiv=\"refresh\"");
        assert_ne!(
            types, loads_again,
            "{path}: without scripts it is loaded again, unless somebody types there"
        );
        assert_eq!(types, text.contains("<noscript><p class=\"small quiet\">As it was at "), "{path}");
    }
}

#[tokio::test]
async fn their_forms_want_a_token() {
    let operator = Operator::new().await;
    let before = operator.app.store.keyring_history().await.unwrap();
    let active = before[0].id;
    for path in [
        "/admin/alerts/alr_01ARZ3NDEKTSV4RRFFQ69G5FAV/acknowledge".to_owned(),
        "/admin/alerts/silences".to_owned(),
        "/admin/alerts/silences/sil_01ARZ3NDEKTSV4RRFFQ69G5FAV/end".to_owned(),
        "/admin/notifications/ntf_01ARZ3NDEKTSV4RRFFQ69G5FAV/dismiss".to_owned(),
        "/admin/notifications/ntf_01ARZ3NDEKTSV4RRFFQ69G5FAV/retry".to_owned(),
        "/admin/audit/accept".to_owned(),
        "/admin/audit/verify".to_owned(),
        "/admin/drift/check".to_owned(),
        "/admin/jobs/kv_costs/run".to_owned(),
        "/admin/jobs/kv_costs/pause".to_owned(),
        "/admin/jobs/kv_costs/resume".to_owned(),
        "/admin/heartbeats".to_owned(),
        "/admin/heartbeats/job/delete".to_owned(),
        "/admin/probes/database/run".to_owned(),
        "/admin/status/declarations".to_owned(),
        "/admin/status/maintenance".to_owned(),
        "/admin/tamper/accept".to_owned(),
        "/admin/tamper/verify".to_owned(),
        "/admin/keys/rotate".to_owned(),
        "/admin/keys/verify".to_owned(),
        format!("/admin/keys/{active}/revoke"),
    ] {
        for fields in [&[("purpose", "signing")][..], &[("csrf", "wrong"), ("purpose", "signing")][..]] {
            let answer = operator.app.form(&path, fields).header("cookie", &operator.cookie).send().await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {}", answer.text());
        }
    }
    assert_eq!(operator.app.store.keyring_history().await.unwrap(), before);
}

#[tokio::test]
async fn the_evidence_log_is_looked_through_and_verified() {
    let operator = Operator::new().await;
    for n in 0..60 {
        operator.app.save(&format!("flow-{n}"), GREET).await;
    }
    let first = operator.see("/admin/audit?kind=workflow").await;
    assert_eq!(first.matches("<code>workflow.created</code>").count(), 50, "{first}");
    let next = first
        .split("href=\"/admin/audit?")
        .find(|part| part.starts_with("kind=workflow&amp;cursor="))
        .unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&");
    let second = operator.see(&format!("/admin/audit?{next}")).await;
    assert!(second.matches("<code>workflow.created</code>").count() >= 10, "{second}");
    let nothing = operator.see("/admin/audit?author=nobody").await;
    assert!(nothing.contains("No record matches"), "{nothing}");
    let wrong =
        operator.app.page("/admin/audit?from=yesterday").header("cookie", &operator.cookie).send().await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text().contains("RFC 3339"), "{}", wrong.text());

    let verified = operator.send("/admin/audit/verify", &[]).await;
    assert_eq!(verified.status, StatusCode::OK);
    let text = verified.text();
    assert!(text.contains("<strong>Whole.</strong>") && text.contains("This node has no witness"), "{text}");
}

#[tokio::test]
async fn what_an_abandoned_key_signed_is_agreed_to_where_it_is_shown() {
    let operator = Operator::new().await;
    let key = signed_by_another(&operator.app).await;
    give_up(&operator.app).await;
    let text = operator.send("/admin/audit/verify", &[]).await.text();
    assert!(text.contains("1 finding") && text.contains("1 checkpoint by another key"), "{text}");
    let seen = text.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields = [("key", key.as_str()), ("seen", seen), ("reason", "the secret was lost")];
    let agreed = operator.send("/admin/audit/accept", &fields).await;
    assert_eq!(agreed.header("location"), Some("/admin/audit?kind=audit.key_accepted"), "{}", agreed.text());
    assert!(operator.see("/admin/audit?kind=audit.key_accepted").await.contains("the secret was lost"));
    let text = operator.send("/admin/audit/verify", &[]).await.text();
    assert!(text.contains("<strong>Whole.</strong>") && text.contains("which was agreed to"), "{text}");
}

#[tokio::test]
async fn server_keys_are_rotated_verified_and_revoked() {
    let operator = Operator::new().await;
    let text = operator.see("/admin/keys").await;
    for part in ["Signing", "Sealing", "Webhooks", ">active<"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let wrong = operator.send("/admin/keys/rotate", &[("purpose", "cooking")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", wrong.text());
    let rotated = operator.send("/admin/keys/rotate", &[("purpose", "webhooks")]).await;
    assert_eq!(rotated.header("location"), Some("/admin/keys?done=published"), "{}", rotated.text());
    let again = operator.send("/admin/keys/rotate", &[("purpose", "webhooks")]).await;
    assert_eq!(again.header("location"), Some("/admin/keys?done=already"));
    let text = operator.see("/admin/keys?done=published").await;
    assert!(text.contains(">published<") && text.contains("A new key is published."), "{text}");

    let verified = operator.send("/admin/keys/verify", &[]).await.text();
    assert!(verified.contains("Everything opens and holds."), "{verified}");

    let published = operator.app.store.keyring_history().await.unwrap();
    let published = published.iter().find(|key| key.state == levqor_model::KeyState::Published).unwrap();
    let revoked = operator.send(&format!("/admin/keys/{}/revoke", published.id), &[]).await;
    assert_eq!(revoked.header("location"), Some("/admin/keys?done=revoked"), "{}", revoked.text());
    assert!(operator.see("/admin/keys").await.contains(">revoked<"));
}

#[tokio::test]
async fn accounts_are_listed_with_what_they_have() {
    let operator = Operator::new().await;
    operator.app.save("one", GREET).await;
    let text = operator.see("/admin/accounts").await;
    let row = text.split("<tr>").find(|row| row.contains(&operator.app.account.to_string())).unwrap();
    assert!(row.contains("data-label=\"Workflows\">1<"), "{row}");
    assert!(row.contains(&format!("/admin/audit?account={}", operator.app.account)), "{row}");
    let wrong = operator.app.page("/admin/accounts?before=x").header("cookie", &operator.cookie).send().await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn somebody_and_everybody_is_signed_out_on_the_page() {
    let operator = Operator::new().await;
    let reads = async |cookie: &str| {
        operator.app.page("/dashboard").header("cookie", cookie).send().await.status == StatusCode::OK
    };
    let path = "/admin/accounts/sign-out";
    let wrong = operator.send(path, &[("email", "nobody@example.org")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", wrong.text());
    assert!(reads(&operator.app.cookie).await);
    let out = operator.send(path, &[("email", "ada@example.com")]).await;
    assert_eq!(out.header("location"), Some("/admin/accounts?done=signed-out"), "{}", out.text());
    assert!(!reads(&operator.app.cookie).await);
    assert!(operator.see("/admin/accounts?done=signed-out").await.contains("They are signed out"));
    let all = operator.send(path, &[("everybody", "yes")]).await;
    assert_eq!(all.header("location"), Some("/admin/accounts?done=nobody"), "the operator stays");
}

#[tokio::test]
async fn jobs_are_listed_run_and_paused() {
    let operator = Operator::new().await;
    operator.app.app.run_due_jobs().await.unwrap();
    let text = operator.see("/admin/jobs").await;
    assert!(text.contains("all 20 active") && text.contains("every day at 09:00 Europe/London"), "{text}");
    assert!(operator.see("/admin/jobs/sentry_test").await.contains("Nothing yet"));
    let asked = operator.send("/admin/jobs/sentry_test/run", &[]).await;
    assert_eq!(asked.header("location"), Some("/admin/jobs/sentry_test"), "{}", asked.text());
    assert!(operator.see("/admin/jobs/sentry_test").await.contains(">waiting<"));
    operator.app.app.run_due_jobs().await.unwrap();
    let text = operator.see("/admin/jobs/sentry_test").await;
    assert!(text.contains("No DSN is configured") && text.contains("configured&quot;: false"), "{text}");
    operator.send("/admin/jobs/sentry_test/pause", &[]).await;
    let text = operator.see("/admin/jobs/sentry_test").await;
    assert!(text.contains(">paused<") && text.contains("none is made up for later"), "{text}");
    assert!(operator.see("/admin/jobs").await.contains("19 of 20 active"));
    operator.send("/admin/jobs/sentry_test/resume", &[]).await;
    assert!(operator.see("/admin/jobs").await.contains("all 20 active"));
    let wrong = operator.app.page("/admin/jobs/cooking").header("cookie", &operator.cookie).send().await;
    assert_eq!(wrong.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn drift_is_looked_for_and_shown() {
    let operator = Operator::new().await;
    assert!(operator.see("/admin/drift").await.contains("No node has looked yet"));
    let looked = operator.send("/admin/drift/check", &[]).await;
    assert_eq!(looked.header("location"), Some("/admin/drift"), "{}", looked.text());
    let text = operator.see("/admin/drift").await;
    for part in [">pass<", "Promises on pages", "Prices at Stripe", "not configured", "Held against lock"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What a node said hours ago is no verdict, of no part of the page.
    operator.app.advance(3 * 60 * 60);
    let text = operator.see("/admin/drift").await;
    assert!(text.contains(">unknown<") && !text.contains(">pass<"), "{text}");
}

#[tokio::test]
async fn a_server_that_guards_nothing_says_so() {
    let operator = Operator::new().await;
    let text = operator.see("/admin/tamper").await;
    assert!(text.contains(">unknown<") && text.contains("Nothing is known yet"), "{text}");
    let refused = operator.send("/admin/tamper/verify", &[]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text());
    let refused = operator.send("/admin/tamper/accept", &[("path", "/etc/x"), ("reason", "because")]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text());
}

#[tokio::test]
async fn probes_are_looked_at_and_heartbeats_are_made() {
    let operator = Operator::new().await;
    let page = operator.see("/admin/probes").await;
    assert!(
        page.contains("No heartbeats yet") && page.contains("No region has said where it is reached"),
        "{page}"
    );
    let looked = operator.send("/admin/probes/database/run", &[]).await;
    assert_eq!(looked.header("location"), Some("/admin/probes?done=good"), "{}", looked.text());
    assert!(operator.see("/admin/probes?done=good").await.contains("all of it is well"));
    let nowhere = operator.send("/admin/probes/reach/run", &[]).await;
    assert_eq!(nowhere.header("location"), Some("/admin/probes?done=bad"), "{}", nowhere.text());

    let made = operator.send("/admin/heartbeats", &[("name", "backup"), ("period", "3600")]).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_sound("/admin/heartbeats", &made);
    assert!(made.text().contains("/ping/"), "{}", made.text());
    let page = operator.see("/admin/probes").await;
    assert!(page.contains("backup") && !page.contains("/ping/"), "the address is shown once: {page}");
    let number = "must be a whole number of seconds from 10 to";
    let rows = [
        ("often", "60", "period-error", format!("{number} 31622400, and is &quot;often&quot;")),
        ("1.5", "60", "period-error", format!("{number} 31622400, and is &quot;1.5&quot;")),
        ("", "60", "period-error", format!("{number} 31622400, and is empty")),
        ("9", "60", "period-error", "must be from 10 to 31622400 seconds, and is 9".to_owned()),
        ("60", "-1", "grace-error", format!("{number} 604800, and is &quot;-1&quot;")),
    ];
    for (period, grace, place, problem) in rows {
        let typed = [("name", "other"), ("period", period), ("grace", grace)];
        let wrong = operator.send("/admin/heartbeats", &typed).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_sound("/admin/heartbeats", &wrong);
        let text = wrong.text();
        for part in [place, problem.as_str(), "value=\"other\""] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for typed in [period, grace] {
            assert!(
                text.contains(&format!("value=\"{typed}\"")),
                "what was typed is kept, {typed:?}: {text}"
            );
        }
    }
    let taken = operator.send("/admin/heartbeats", &[("name", "backup"), ("period", "60")]).await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    let deleted = operator.send("/admin/heartbeats/backup/delete", &[]).await;
    assert_eq!(deleted.header("location"), Some("/admin/probes?done=deleted"), "{}", deleted.text());
    assert!(operator.see("/admin/probes?done=deleted").await.contains("No heartbeats yet"));
}

#[tokio::test]
async fn a_silence_that_is_refused_comes_back_as_it_was_typed() {
    let operator = Operator::new().await;
    let good =
        [("rule", "slo.*"), ("subject", "<b>requests</b>"), ("hours", "2"), ("reason", "work on the rack")];
    let rows = [
        (0, "", "rule-error", "takes 1 to"),
        (2, "soon", "hours-error", "is no whole number from 1 to 720"),
        (3, " ", "reason-error", "is empty"),
    ];
    for (field, value, place, problem) in rows {
        let mut typed = good;
        typed[field].1 = value;
        let refused = operator.send("/admin/alerts/silences", &typed).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
        assert_sound("/admin/alerts/silences", &refused);
        let text = refused.text();
        for part in ["nothing is silenced", "value=\"&lt;b&gt;requests&lt;/b&gt;\"", place, problem] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for (_, value) in typed.iter().skip(2) {
            assert!(text.contains(&format!("value=\"{value}\"")), "{value}: {text}");
        }
    }
    assert!(operator.app.store.silences(operator.app.app.now()).await.unwrap().is_empty());
    let made = operator.send("/admin/alerts/silences", &good).await;
    assert_eq!(made.header("location"), Some("/admin/alerts"), "{}", made.text());
    assert!(operator.see("/admin/alerts").await.contains("work on the rack"));
}

#[tokio::test]
async fn an_incident_is_led_from_its_page() {
    let operator = Operator::new().await;
    let empty = operator.see("/admin/incidents").await;
    assert!(empty.contains("No incident is open"), "{empty}");
    let fields = [
        ("title", "Hooks <b>fail</b>"),
        ("level", "l3"),
        ("components", "eu-west/hooks, us-east"),
        ("text", "We look."),
        ("public", "yes"),
        ("began_at", ""),
    ];
    // A form that is refused comes back as it was.
    let mut wrong = fields;
    wrong[5] = ("began_at", "yesterday");
    let refused = operator.send("/admin/incidents", &wrong).await;
    assert!(matches!(refused.status.as_u16(), 400 | 422), "{}", refused.text());
    assert_sound("/admin/incidents", &refused);
    let text = refused.text();
    for part in [
        "no incident was opened",
        "value=\"Hooks &lt;b&gt;fail&lt;/b&gt;\"",
        "We look.</textarea>",
        "value=\"yesterday\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let opened = operator.send("/admin/incidents", &fields).await;
    let to = opened.header("location").unwrap_or_else(|| panic!("{}", opened.text())).to_owned();
    let path = to.split('?').next().unwrap();
    let text = operator.see(&to).await;
    for part in [
        "Hooks &lt;b&gt;fail&lt;/b&gt;",
        "I deal with it",
        "Nobody has said yet",
        "eu-west/hooks, us-east",
        "opened: We look.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    operator.send(&format!("{path}/acknowledge"), &[]).await;
    let update = [("version", "2"), ("text", "A disk."), ("state", "identified"), ("level", "l4")];
    let updated = operator.send(&format!("{path}/update"), &update).await;
    assert_eq!(
        updated.header("location"),
        Some(format!("{path}?done=updated").as_str()),
        "{}",
        updated.text()
    );
    // Somebody else was first: the page says so, as it stands by now, and no word is lost.
    let mine = [
        ("version", "2"),
        ("text", "It is <i>sda</i>."),
        ("state", "monitoring"),
        ("level", "l4"),
        ("public", "yes"),
    ];
    let again = operator.send(&format!("{path}/update"), &mine).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text());
    assert_sound(path, &again);
    let text = again.text();
    for part in [
        "It is &lt;i&gt;sda&lt;/i&gt;.</textarea>",
        "was not kept",
        "The form had the state monitoring;",
        "name=\"version\" value=\"3\"",
        "id=\"say-public\" type=\"checkbox\" name=\"public\" value=\"yes\" checked",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    operator.send(&format!("{path}/note"), &[("text", "sda")]).await;
    let role = [("version", "4"), ("role", "operations"), ("user", "operator@example.com")];
    operator.send(&format!("{path}/assign"), &role).await;
    let item = [("text", "Watch the disk"), ("owner", ""), ("due", "2026-12-24")];
    operator.send(&format!("{path}/action-items"), &item).await;
    let text = operator.see(path).await;
    for part in
        ["L4 critical", "identified: A disk.", "sda", "operations: operator@example.com", "Watch the disk"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let resolved = operator.send(&format!("{path}/resolve"), &[("version", "5"), ("text", "Emptied.")]).await;
    assert_eq!(
        resolved.header("location"),
        Some(format!("{path}?done=resolved").as_str()),
        "{}",
        resolved.text()
    );

    // The form is not there any more; its words are.
    let late =
        operator.send(&format!("{path}/update"), &[("version", "3"), ("text", "One more word.")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    let text = late.text();
    assert!(text.contains("One more word.</textarea>") && text.contains("id=\"note-text\""), "{text}");

    let postmortem = format!("{path}/postmortem");
    let text = operator.see(&postmortem).await;
    for part in ["To be written by people", "<h2 id=\"root-cause\">", "Watch the disk", "Emptied."] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let added = operator
        .send(
            &format!("{postmortem}/append"),
            &[("part", "root_cause"), ("text", "<script>x</script>Nobody.")],
        )
        .await;
    assert_eq!(
        added.header("location"),
        Some(format!("{postmortem}?done=written").as_str()),
        "{}",
        added.text()
    );
    let text = operator.see(&postmortem).await;
    assert!(text.contains("Nobody.") && !text.contains("<script>x"), "{text}");
    let long = "x".repeat(5_001);
    let refused =
        operator.send(&format!("{postmortem}/append"), &[("part", "lessons"), ("text", long.as_str())]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains(&long) && refused.text().contains("was not kept"));
    // Nobody's words are lost when somebody else was first.
    let stale = operator.send(&postmortem, &[("version", "1"), ("text", "# Mine\n\nWords.\n")]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    assert_sound(&postmortem, &stale);
    assert!(stale.text().contains("# Mine") && stale.text().contains("was not kept"), "{}", stale.text());
    let file =
        operator.app.page(&format!("{postmortem}/file")).header("cookie", &operator.cookie).send().await;
    assert_eq!(file.header("content-type"), Some("text/markdown; charset=utf-8"));
    let name = file.header("content-disposition").unwrap();
    assert_eq!(name, "attachment; filename=\"2026-11-24-hooks-b-fail-b.md\"");
    assert!(file.text().starts_with("# Hooks &lt;b>fail&lt;/b>\n"), "{}", file.text());
    let over = operator.see("/admin/incidents?all=yes").await;
    assert!(over.contains("resolved") && over.contains("Watch the disk"), "{over}");
    operator.send(&format!("{path}/reopen"), &[("version", "6"), ("text", "No.")]).await;
    assert!(operator.see(path).await.contains("investigating"));
}
