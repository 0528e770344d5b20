//! Every operation and page by every kind of caller: the answer is what the tables say.

use http::{Method, StatusCode, header};
use levqor_model::Role;
use levqor_server::gateway::{Access, PAGES, RULES};

use crate::support::{TestApp, add_key, sign_in_as, sign_in_operator};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Caller {
    Nobody,
    /// A key that nobody has.
    WrongKey,
    Key {
        role: Role,
        operator: bool,
        key: String,
    },
    Session {
        role: Role,
        operator: bool,
        cookie: String,
    },
}

/// What the gate does.
#[derive(Debug, PartialEq, Eq)]
enum Gate {
    Opens,
    WhoAreYou,
    SignIn,
    Forbids,
}

fn expected(access: Access, caller: &Caller) -> Gate {
    let role = match caller {
        Caller::Nobody | Caller::WrongKey => None,
        Caller::Key { role, .. } | Caller::Session { role, .. } => Some(*role),
    };
    let is_operator =
        matches!(caller, Caller::Key { operator: true, .. } | Caller::Session { operator: true, .. });
    match access {
        Access::Open | Access::Page | Access::Secret | Access::Metrics => Gate::Opens,
        Access::Anyone if *caller == Caller::WrongKey => Gate::WhoAreYou,
        Access::Anyone => Gate::Opens,
        Access::Role(needed) => match role {
            None => Gate::WhoAreYou,
            Some(role) if role >= needed => Gate::Opens,
            Some(_) => Gate::Forbids,
        },
        Access::Operator => match role {
            None => Gate::WhoAreYou,
            Some(_) if is_operator => Gate::Opens,
            Some(_) => Gate::Forbids,
        },
        Access::Reader(needed) => match caller {
            Caller::Session { role, .. } if *role >= needed => Gate::Opens,
            Caller::Session { .. } => Gate::Forbids,
            _ => Gate::SignIn,
        },
        Access::OperatorReader => match caller {
            Caller::Session { operator: true, .. } => Gate::Opens,
            Caller::Session { .. } => Gate::Forbids,
            _ => Gate::SignIn,
        },
        Access::Nothing => panic!("no row says that"),
    }
}

/// A path of the rule that leads to the handler, with ids that nothing has.
pub fn concrete(path: &str) -> String {
    let ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let nouns = [
        "workflows",
        "runs",
        "approvals",
        "invitations",
        "sessions",
        "members",
        "alerts",
        "silences",
        "notifications",
        "incidents",
        "tickets",
        "consultations",
        "leads",
        "admin",
        "keyring",
        "declarations",
        "maintenance",
        "subscriptions",
    ];
    let before_id = path.split("/{id}").next().unwrap();
    let prefix = match before_id.rsplit('/').find(|part| nouns.contains(part)) {
        Some("workflows") => "wf_",
        Some("runs") => "run_",
        Some("approvals") => "apr_",
        Some("incidents") => "inc_",
        Some("invitations") => "inv_",
        Some("sessions") => "ses_",
        Some("members") => "usr_",
        Some("alerts") => "alr_",
        Some("silences") => "sil_",
        Some("notifications") => "ntf_",
        Some("tickets") => "tkt_",
        Some("consultations") => "csl_",
        Some("leads") => "led_",
        Some("admin" | "keyring") => "rky_",
        Some("declarations") => "dcl_",
        Some("maintenance") => "mnt_",
        Some("subscriptions") => "sub_",
        _ => "key_",
    };
    let rows = [
        ("{id}", format!("{prefix}{ulid}")),
        ("{item}", format!("act_{ulid}")),
        ("{webhook}", format!("whk_{ulid}")),
        ("{version}", "0.1.0".to_owned()),
        ("slos/{name}", "slos/requests".to_owned()),
        ("{code}", "eu-west".to_owned()),
        ("{address}", "192.0.2.99".to_owned()),
        ("{slug}", "getting-started".to_owned()),
        ("{what}", "input".to_owned()),
    ];
    let path = rows.into_iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, &value));
    path.replace(['{', '}'], "")
}

/// Sends an empty object, or an empty form: what matters is whether the gate lets it pass.
async fn gate(test: &TestApp, method: &Method, path: &str, is_page: bool, caller: &Caller) -> Gate {
    let wrong = format!("lvq_{}", "z".repeat(43));
    let mut call = test.call(method.clone(), &concrete(path)).header("sec-fetch-site", "same-origin");
    call = match caller {
        Caller::Nobody => call,
        Caller::WrongKey => call.key(&wrong),
        Caller::Key { key, .. } => call.key(key),
        Caller::Session { cookie, .. } => call.header("cookie", cookie),
    };
    if *method != Method::GET {
        let media = if is_page { "application/x-www-form-urlencoded" } else { "application/json" };
        call = call.body(media, if is_page { "" } else { "{}" });
    }
    let answer = call.open().await;
    let (status, to) = (answer.status(), answer.headers().get(header::LOCATION).cloned());
    let problem = answer.extensions().get::<levqor_server::Problem>().map(|problem| problem.detail.clone());
    assert!(problem.is_none(), "the gateway takes it out");
    match status {
        StatusCode::UNAUTHORIZED => Gate::WhoAreYou,
        StatusCode::FORBIDDEN => {
            let body = axum::body::to_bytes(answer.into_body(), 100_000).await.unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            // A handler that refuses a form without its token was reached.
            let by_gate =
                text.contains("this needs the role") || text.contains("only operators of the platform");
            if by_gate { Gate::Forbids } else { Gate::Opens }
        }
        _ if to.is_some_and(|to| to.to_str().unwrap().starts_with("/signin"))
            && !path.starts_with("/signin") =>
        {
            Gate::SignIn
        }
        _ => Gate::Opens,
    }
}

async fn callers(test: &TestApp) -> Vec<Caller> {
    let mut callers = vec![Caller::Nobody, Caller::WrongKey];
    for (role, key) in [
        (Role::Viewer, &test.keys.viewer),
        (Role::Editor, &test.keys.editor),
        (Role::Admin, &test.keys.admin),
        (Role::Owner, &test.keys.owner),
        // Of another account: the gate lets it pass, and it finds nothing (see `access`).
        (Role::Owner, &test.keys.other),
    ] {
        callers.push(Caller::Key { role, operator: false, key: key.clone() });
    }
    for role in [Role::Viewer, Role::Owner] {
        let key = add_key(&test.app, test.account, role, true).await;
        callers.push(Caller::Key { role, operator: true, key });
    }
    for role in [Role::Viewer, Role::Editor, Role::Admin, Role::Owner] {
        let email = format!("{}@example.com", role.as_str());
        let cookie = sign_in_as(&test.app, test.account, &email, role).await;
        callers.push(Caller::Session { role, operator: false, cookie });
    }
    let cookie = sign_in_operator(&test.app, test.account).await;
    callers.push(Caller::Session { role: Role::Viewer, operator: true, cookie });
    callers
}

#[tokio::test]
async fn every_caller_is_answered_as_the_tables_say() {
    let test = TestApp::new().await;
    let (callers, mut asked) = (callers(&test).await, 0);
    let rules = RULES.iter().map(|(method, path, access, _)| (method, path, access, false));
    let pages = PAGES.iter().map(|(method, path, access)| (method, path, access, true));
    for (method, path, access, is_page) in rules.chain(pages) {
        for caller in &callers {
            let is_operator = matches!(caller, Caller::Session { operator: true, .. });
            if is_operator && path.ends_with("/leave") {
                continue;
            }
            let caller = match caller {
                // Who leaves is no member afterwards.
                Caller::Session { role, operator: false, .. } if path.ends_with("/leave") => {
                    let email = format!("{}-leaves-{is_page}@example.com", role.as_str());
                    let cookie = sign_in_as(&test.app, test.account, &email, *role).await;
                    Caller::Session { role: *role, operator: false, cookie }
                }
                other => other.clone(),
            };
            let found = gate(&test, method, path, is_page, &caller).await;
            assert_eq!(found, expected(*access, &caller), "{method} {path} by {caller:?}");
            asked += 1;
        }
    }
    assert!(asked > 1_200, "{asked}");
}

#[tokio::test]
async fn closed_metrics_are_for_accounts() {
    let test = TestApp::with(|settings| settings.metrics_public = false).await;
    assert_eq!(test.get("/metrics").send().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(test.get("/metrics").key(&test.keys.viewer).send().await.status, StatusCode::OK);
}
