//! Every method x every kind of token, in both eras: status, error, record.
//!
//! The rows are in `table/rows.rs`. What a token that is no good means does not depend on the row; what a policy that
//! says no means depends on the row's shape alone; so a cell's expectation is made from its row and its column.

mod cell;
mod rows;

pub(crate) use rows::{ROWS, Shape};

use std::collections::BTreeSet;

use cardea_mcp::method::METHODS;

use self::{
    cell::{Cell, Found, Stand},
    rows::OTHERS,
};
use crate::support::*;

/// What the caller comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    None,
    Expired,
    WrongAudience,
    WrongIssuer,
    AlgNone,
    /// Of an issuer whose keys cannot be had.
    IssuerAway,
    /// A good token, of a tenant for which the upstream does not exist.
    OtherTenant,
    /// A good token of a person to whom no policy permits anything.
    NotPermitted,
    Permitted,
    /// Permitted, bound to a key, with a proof by it.
    Bound,
    /// The same token as a plain bearer.
    BoundAsBearer,
    /// The same token with a proof by another key.
    BoundByOther,
}

const TOKENS: [Token; 12] = [
    Token::None,
    Token::Expired,
    Token::WrongAudience,
    Token::WrongIssuer,
    Token::AlgNone,
    Token::IssuerAway,
    Token::OtherTenant,
    Token::NotPermitted,
    Token::Permitted,
    Token::Bound,
    Token::BoundAsBearer,
    Token::BoundByOther,
];

#[test]
fn every_method_of_the_protocol_is_in_the_table_once() {
    let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ROWS.len(), "a row is there twice");
    let methods: BTreeSet<&str> = METHODS.iter().map(|method| method.name).collect();
    let others = BTreeSet::from(OTHERS);
    let missing: Vec<_> = methods.difference(&names).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let unknown: Vec<_> = names
        .iter()
        .filter(|name| !methods.contains(*name) && !others.contains(*name))
        .collect();
    assert!(
        unknown.is_empty(),
        "in the table, but no method: {unknown:?}"
    );
    assert!(
        others.is_subset(&names),
        "GET, DELETE and the like are rows too"
    );
}

#[tokio::test]
async fn every_cell_has_its_status_its_error_and_its_record() {
    let stand = Stand::start().await;
    let mut mistakes = Vec::new();
    let mut cells = 0;
    for row in ROWS {
        for is_modern in [false, true] {
            for token in TOKENS {
                let cell = Cell {
                    row,
                    is_modern,
                    token,
                };
                let found = stand.run(&cell).await;
                mistakes.extend(cell.mistakes(&found));
                cells += 1;
            }
        }
    }
    assert_eq!(cells, (METHODS.len() + OTHERS.len()) * 2 * TOKENS.len());
    let count = mistakes.len();
    assert!(
        mistakes.is_empty(),
        "{count} of {cells} cells:\n{}",
        mistakes.join("\n")
    );
}

#[tokio::test]
async fn only_what_is_permitted_reaches_the_upstream() {
    let stand = Stand::start().await;
    for row in ROWS {
        for is_modern in [false, true] {
            for token in TOKENS {
                let cell = Cell {
                    row,
                    is_modern,
                    token,
                };
                stand.echo.forget();
                stand.run(&cell).await;
                let arrived = stand.echo.seen().len();
                // What is not under way cannot be cancelled: of that the server hears nothing.
                let is_sent = cell.is_served() && row.name != "notifications/cancelled";
                assert_eq!(arrived, usize::from(is_sent), "{cell}");
            }
        }
    }
}

#[tokio::test]
async fn another_tenants_upstream_looks_like_one_without_a_permit() {
    let stand = Stand::start().await;
    let mut differences = Vec::new();
    for row in ROWS {
        for is_modern in [false, true] {
            let as_seen_by = async |token| {
                let cell = Cell {
                    row,
                    is_modern,
                    token,
                };
                stand.run(&cell).await.without_call_id()
            };
            let other = as_seen_by(Token::OtherTenant).await;
            let refused = as_seen_by(Token::NotPermitted).await;
            if other != refused {
                let cell = Cell {
                    row,
                    is_modern,
                    token: Token::OtherTenant,
                };
                differences.push(format!("{cell}: {other:?} is not {refused:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn an_upstream_that_does_not_exist_looks_like_one_without_a_permit() {
    let stand = Stand::start().await;
    let mut differences = Vec::new();
    for row in ROWS {
        for is_modern in [false, true] {
            let cell = Cell {
                row,
                is_modern,
                token: Token::NotPermitted,
            };
            let there = stand.run(&cell).await.without_call_id();
            let nowhere = stand.run_at(&cell, "/mcp/nowhere").await.without_call_id();
            if there != nowhere {
                differences.push(format!("{cell}: {there:?} is not {nowhere:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// MCP 2025-11-25, basic/transports, Sending Messages to the Server: what is not accepted has an error status.
#[tokio::test]
async fn a_notification_that_cannot_be_delivered_has_an_error_status_and_no_id() {
    let stage = Stage::with(|setup| {
        setup
            .policy(PERMIT_ALL)
            .http_upstream("gone", "http://127.0.0.1:9/mcp")
    })
    .await;
    let mut message = legacy(1, "notifications/initialized", json!({}));
    message.as_object_mut().unwrap().remove("id");
    let answer = Ask::message("/mcp/gone", &message)
        .set("mcp-protocol-version", LEGACY)
        .bearer(&stage.token)
        .send(stage.gateway.address())
        .await;
    assert_eq!(
        answer.json()["error"]["data"]["code"],
        "E_UPSTREAM_UNREACHABLE"
    );
    assert!(answer.status >= 400, "{} {}", answer.status, answer.text());
}

impl Found {
    /// What the client sees, apart from the one thing that differs from call to call.
    fn without_call_id(&self) -> (u16, String) {
        (
            self.answer.status,
            self.answer.text().replace(&self.call, "CALL"),
        )
    }
}
