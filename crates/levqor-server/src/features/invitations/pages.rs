//! The page behind an invitation's link. Looking at it spends nothing: programs that scan mail follow links, but press no buttons.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;

use super::service::{self, Error};
use crate::{
    App, Problem,
    features::{
        sessions::service::{self as sessions, Seat},
        sign_in::{
            pages::{require_own_form, sign_in_page, uncached, welcome},
            service::is_elsewhere_only,
        },
    },
    gateway::{ClientAddress, PageActor, log_refused},
    pages::{
        FormData, View,
        components::{badge::Tone, icon::icon, note::note},
    },
};

/// What the log calls coming in by an invitation.
const WAY: &str = "invitation";
/// Where people begin who have just joined.
const START: &str = "/dashboard/account?done=joined";

pub(super) async fn show(
    State(app): State<App>,
    client: ClientAddress,
    view: View,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let (invitation, account) = match service::look(&app, &token).await {
        Ok(found) => found,
        Err(error) => return refused(client, &view, error),
    };
    let name = account.map(|account| account.name).unwrap_or_default();
    let encoded = percent_encoding::utf8_percent_encode(&token, percent_encoding::NON_ALPHANUMERIC);
    let card = html! {
        div.body.stack {
            h1 { "Join “" (name) "”" }
            p { strong { (invitation.email) } " is invited to this account as " strong { (invitation.role.as_str()) } "." }
            p.quiet { "The link works once, for 7 days after it was made." }
            form method="post" action={ "/invitations/" (encoded) } {
                button.button.primary type="submit" { "Accept the invitation" (icon("arrow")) }
            }
        }
    };
    Ok(uncached(sign_in_page(&view, card)))
}

/// Nothing: the link says it all.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn accept(
    State(app): State<App>,
    client: ClientAddress,
    view: View,
    Path(token): Path<String>,
    headers: HeaderMap,
    FormData(Nothing {}): FormData<Nothing>,
) -> Result<Response, Problem> {
    require_own_form(&headers)?;
    let (user, invitation) = match service::accept(&app, &token).await {
        Ok(accepted) => accepted,
        Err(error) => return refused(client, &view, error),
    };
    let reader = view.reader.as_ref();
    // Where people sign in by another system only, a mailbox says nothing about who they are.
    let by_mailbox = invitation.mailed && !is_elsewhere_only(&app);
    if by_mailbox {
        let seat = Seat::new(client.0, &headers, reader.map(PageActor::session));
        let entered = sessions::begin(&app, user.id, invitation.account_id, seat).await?;
        return Ok(welcome(&app, &entered, WAY, START));
    }
    if let Some(reader) = reader.filter(|reader| reader.email == user.email) {
        let entered = sessions::renew(&app, reader.session(), invitation.account_id).await?;
        return Ok(welcome(&app, &entered, WAY, START));
    }
    let card = html! {
        div.body.stack {
            h1 { "You belong to the account" }
            p { strong { (user.email) } " is a member of it now." }
            @if invitation.mailed {
                (note(Tone::Idle, &html! { p { "People sign in by another system here. Do so now, with this address." } }))
            } @else {
                (note(Tone::Idle, &html! { p { "This link came by hand, so it says nothing about whose mailbox that is. Sign in once more to show it." } }))
            }
            a.button.primary href="/signin" { "Sign in" }
        }
    };
    Ok(uncached(sign_in_page(&view, card)))
}

fn refused(client: ClientAddress, view: &View, error: Error) -> Result<Response, Problem> {
    let why = error.to_string();
    let status = match error {
        Error::Spent => StatusCode::GONE,
        Error::Full => StatusCode::CONFLICT,
        Error::Store(error) => return Err(error.into()),
    };
    log_refused(WAY, &why, client.0);
    let card: Markup = html! {
        div.body.stack {
            h1 { "That did not work" }
            (note(Tone::Bad, &html! { p { (why) "." } }))
            a.button.primary href="/signin" { "Sign in" }
        }
    };
    Ok((status, uncached(sign_in_page(view, card))).into_response())
}
