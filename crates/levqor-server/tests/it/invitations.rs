//! Invitations: who is let in by them, and what they tell of whom.

use http::{Method, StatusCode};
use levqor_model::Role;
use levqor_testkit::{ReceivedMail, SmtpStub};
use serde_json::{Value, json};

use crate::{
    members::{own, user},
    pages::Browser,
    support::{Answer, TestApp, sign_in_as},
};

async fn invite(test: &TestApp, by: &str, email: &str, role: &str) -> Answer {
    let body = json!({ "email": email, "role": role });
    test.post("/api/members/invitations").key(by).json(&body).send().await
}

async fn open(test: &TestApp) -> Vec<Value> {
    let answer = test.get("/api/members/invitations").key(&test.keys.admin).send().await;
    answer.json()["invitations"].as_array().unwrap().clone()
}

/// The path of the link, on this server.
fn path(link: &str) -> String {
    link.strip_prefix("http://127.0.0.1:8000").unwrap_or_else(|| panic!("{link}")).to_owned()
}

fn link_in(mail: &ReceivedMail) -> String {
    // Mail breaks long lines with a `=`, and writes that itself as `=3D`.
    let text = mail.data.replace('\r', "").replace("=\n", "").replace("=3D", "=");
    let start = text.find("http://127.0.0.1:8000/").unwrap_or_else(|| panic!("{text}"));
    path(text[start..].split_whitespace().next().unwrap())
}

fn cookie(answer: &Answer) -> Option<String> {
    Some(answer.header("set-cookie")?.split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn a_link_by_mail_makes_a_member_once_and_signs_them_in() {
    let test = TestApp::new().await;
    let stub = SmtpStub::start().await;
    let test = test.mailing(&stub.url()).await;
    let made = invite(&test, &test.keys.admin, " Grace@Example.com ", "editor").await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let made = made.json();
    assert_eq!(
        (&made["email"], &made["role"], &made["mailed"]),
        (&json!("grace@example.com"), &json!("editor"), &json!(true))
    );
    assert!(made.get("link").is_none(), "it went to the mailbox and to nobody else");
    let mails = stub.mails();
    assert_eq!((mails.len(), mails[0].to.as_slice()), (1, &["grace@example.com".to_owned()][..]));
    let link = link_in(&mails[0]);
    let listed = open(&test).await;
    assert_eq!(listed.len(), 1);
    assert!(!listed[0].to_string().contains(link.rsplit('/').next().unwrap()), "the list has no link");
    for _ in 0..2 {
        let page = test.page(&link).send().await;
        assert_eq!(page.status, StatusCode::OK, "looking at it spends nothing");
        assert!(page.text().contains("Join “Test”") && page.text().contains("grace@example.com"));
        assert_eq!((page.header("cache-control"), page.header("set-cookie")), (Some("no-store"), None));
    }
    let foreign = test.form(&link, &[]).header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let accepted = test.form(&link, &[]).send().await;
    assert_eq!(accepted.status, StatusCode::SEE_OTHER, "{}", accepted.text());
    let grace = cookie(&accepted).unwrap();
    let account = own(test.get("/api/account"), &grace).send().await.json();
    assert_eq!((&account["id"], &account["role"]), (&json!(test.account), &json!("editor")));
    assert!(open(&test).await.is_empty());
    assert_eq!(test.form(&link, &[]).send().await.status, StatusCode::GONE, "a second time");
    assert_eq!(test.page(&link).send().await.status, StatusCode::GONE);
    let records = test.store.audit_records(Default::default(), None, 100).await.unwrap();
    for kind in ["invitation.created", "invitation.accepted", "member.added", "user.created"] {
        let record = records.iter().find(|record| record.kind == kind).unwrap_or_else(|| panic!("{kind}"));
        assert!(!record.details.contains("grace@example.com"), "{}", record.details);
    }
}

#[tokio::test]
async fn a_link_by_hand_makes_a_member_and_signs_nobody_in() {
    let test = TestApp::new().await;
    let made = invite(&test, &test.keys.admin, "grace@example.com", "viewer").await.json();
    let link = path(made["link"].as_str().unwrap());
    let accepted = test.form(&link, &[]).send().await;
    assert_eq!((accepted.status, cookie(&accepted)), (StatusCode::OK, None), "{}", accepted.text());
    assert!(accepted.text().contains("Sign in"));
    let grace = user(&test, "grace@example.com").await;
    assert_eq!(test.store.member(test.account, grace).await.unwrap().unwrap().role, Role::Viewer);
    assert_eq!(
        test.store
            .sessions_of(grace, test.app.now(), test.app.now() - std::time::Duration::from_secs(9))
            .await,
        Ok(vec![])
    );
    // Who is signed in as the one who is invited goes on in the account, with another token and no longer than before.
    let elsewhere = levqor_model::AccountId::new(test.app.now(), &*test.random);
    let account = levqor_store::accounts::Account {
        id: elsewhere,
        name: "Elsewhere".to_owned(),
        plan: "growth".to_owned(),
        created_at: test.app.now(),
    };
    test.store.create_account(account).await.unwrap();
    let bob = sign_in_as(&test.app, elsewhere, "bob@example.com", Role::Owner).await;
    let made = invite(&test, &test.keys.admin, "bob@example.com", "editor").await.json();
    let link = path(made["link"].as_str().unwrap());
    let accepted = test.form(&link, &[]).header("cookie", &bob).send().await;
    assert_eq!(accepted.status, StatusCode::SEE_OTHER, "{}", accepted.text());
    let renewed = cookie(&accepted).unwrap();
    assert_eq!(own(test.get("/api/account"), &renewed).send().await.json()["name"], "Test");
    assert_eq!(own(test.get("/api/account"), &bob).send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn who_invites_learns_nothing_of_whom_they_invite() {
    let test = TestApp::new().await;
    // Known here, but not in this account.
    let elsewhere = levqor_model::AccountId::new(test.app.now(), &*test.random);
    let account = levqor_store::accounts::Account {
        id: elsewhere,
        name: "Elsewhere".to_owned(),
        plan: "growth".to_owned(),
        created_at: test.app.now(),
    };
    test.store.create_account(account).await.unwrap();
    sign_in_as(&test.app, elsewhere, "known@example.com", Role::Owner).await;
    let mut shown = Vec::new();
    for email in ["known@example.com", "nobody@example.com"] {
        let made = invite(&test, &test.keys.admin, email, "viewer").await;
        let mut json = made.json();
        let link = path(json["link"].as_str().unwrap());
        json["id"] = json!("");
        json["link"] = json!("");
        json["email"] = json!("");
        let mut pages = Vec::new();
        for page in [
            test.page(&link).send().await,
            test.form(&link, &[]).send().await,
            test.form(&link, &[]).send().await,
        ] {
            let token = link.rsplit('/').next().unwrap();
            let encoded = token.replace('_', "%5F").replace('-', "%2D");
            pages
                .push((page.status, page.text().replace(email, "").replace(token, "").replace(&encoded, "")));
        }
        shown.push((made.status, json, pages));
    }
    assert_eq!(shown[0], shown[1]);
}

#[tokio::test]
async fn invitations_that_are_not_made() {
    let test = TestApp::new().await;
    let rows = [
        (&test.keys.admin, "nobody", "viewer", "invalid-fields"),
        (&test.keys.admin, "a@b.example\r\nBcc: c@d.example", "viewer", "invalid-fields"),
        (&test.keys.admin, "ada@example.com", "viewer", "invalid-fields"),
        (&test.keys.admin, "a@b.example", "owner", "forbidden"),
        (&test.keys.admin, "a@b.example", "king", "bad-request"),
        (&test.keys.editor, "a@b.example", "viewer", "forbidden"),
    ];
    for (by, email, role, slug) in rows {
        let answer = invite(&test, by, email, role).await;
        assert_eq!(answer.problem(), slug, "{email} {role}");
    }
    assert!(open(&test).await.is_empty());
    for number in 0..50 {
        let made = invite(&test, &test.keys.admin, &format!("p{number}@b.example"), "viewer").await;
        assert_eq!(made.status, StatusCode::CREATED);
    }
    let full = invite(&test, &test.keys.admin, "one-more@b.example", "viewer").await;
    assert_eq!(full.problem(), "plan-limit");
    // One to the same address takes the place of the one before.
    for _ in 0..50 {
        assert_eq!(
            invite(&test, &test.keys.admin, "p0@b.example", "viewer").await.status,
            StatusCode::CREATED
        );
    }
    assert_eq!(invite(&test, &test.keys.admin, "p0@b.example", "viewer").await.problem(), "rate-limited");
}

#[tokio::test]
async fn what_a_key_sent_is_taken_back_when_it_is_revoked() {
    let test = TestApp::new().await;
    let body = json!({ "name": "stolen", "role": "admin" });
    let made = test.post("/api/keys").key(&test.keys.admin).json(&body).send().await.json();
    let invited = invite(&test, made["key"].as_str().unwrap(), "a@b.example", "admin").await.json();
    let link = path(invited["link"].as_str().unwrap());
    assert_eq!(test.page(&link).send().await.status, StatusCode::OK);
    let key = format!("/api/keys/{}", made["id"].as_str().unwrap());
    let revoked = test.call(Method::DELETE, &key).key(&test.keys.admin).send().await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT, "{}", revoked.text());
    assert!(open(&test).await.is_empty());
    assert_eq!(test.form(&link, &[]).send().await.status, StatusCode::GONE);
}

#[tokio::test]
async fn links_end_are_taken_back_and_cannot_be_guessed() {
    let test = TestApp::new().await;
    let link = async |email: &str| {
        let made = invite(&test, &test.keys.admin, email, "viewer").await.json();
        (made["id"].as_str().unwrap().to_owned(), path(made["link"].as_str().unwrap()))
    };
    let (id, first) = link("a@b.example").await;
    let (_, second) = link("a@b.example").await;
    assert_eq!(test.form(&first, &[]).send().await.status, StatusCode::GONE, "a newer one took its place");
    let revoke = async |id: &str, key: &str| {
        test.call(Method::DELETE, &format!("/api/members/invitations/{id}")).key(key).send().await
    };
    assert_eq!(revoke(&id, &test.keys.admin).await.problem(), "not-found");
    let (third, taken) = link("c@b.example").await;
    assert_eq!(revoke(&third, &test.keys.other).await.problem(), "not-found", "of another account");
    assert_eq!(revoke(&third, &test.keys.admin).await.status, StatusCode::NO_CONTENT);
    assert_eq!(test.form(&taken, &[]).send().await.status, StatusCode::GONE);
    for guess in ["x".to_owned(), "A".repeat(43), second[..second.len() - 1].to_owned(), format!("{second}A")]
    {
        let guess = guess.rsplit('/').next().unwrap().to_owned();
        let answer = test.form(&format!("/invitations/{guess}"), &[]).send().await;
        assert_eq!((answer.status, cookie(&answer)), (StatusCode::GONE, None), "{guess}");
    }
    test.advance(7 * 24 * 60 * 60);
    assert_eq!(test.form(&second, &[]).send().await.status, StatusCode::GONE, "seven days");
}

#[tokio::test]
async fn mail_that_is_not_taken_leaves_no_invitation() {
    let test = TestApp::new().await;
    let stub = SmtpStub::start().await;
    let test = test.mailing(&stub.url()).await;
    stub.refuse_next("550 no such person");
    let refused = invite(&test, &test.keys.admin, "gone@b.example", "viewer").await;
    assert_eq!(
        (refused.problem(), &refused.json()["errors"][0]["pointer"]),
        ("invalid-fields".to_owned(), &json!("/email"))
    );
    stub.refuse_next("451 come back later");
    let later = invite(&test, &test.keys.admin, "later@b.example", "viewer").await;
    assert_eq!(later.problem(), "mail-not-sent");
    assert!(later.header("retry-after").is_some());
    assert!(open(&test).await.is_empty());
}

#[tokio::test]
async fn a_link_to_sign_in_goes_by_mail() {
    let test = TestApp::new().await;
    let stub = SmtpStub::start().await;
    let test = test.mailing(&stub.url()).await;
    let asked =
        test.form("/signin", &[("email", "ada@example.com"), ("next", "/dashboard/runs")]).send().await;
    assert!(asked.text().contains("Look at your mail"), "{}", asked.text());
    let mail = levqor_testkit::wait_for("the mail", || async { stub.mails().pop() }).await;
    assert_eq!(mail.to, ["ada@example.com"]);
    let link = link_in(&mail);
    let (link, next) = link.split_once('?').unwrap();
    assert_eq!(next, "next=%2Fdashboard%2Fruns");
    assert_eq!(test.form(link, &[]).send().await.status, StatusCode::SEE_OTHER);
    let unknown = test.form("/signin", &[("email", "eve@example.com")]).send().await;
    assert_eq!(unknown.text().replace("eve@", "ada@"), asked.text());
    assert!(stub.mails().iter().all(|mail| mail.to == ["ada@example.com"]));
}
