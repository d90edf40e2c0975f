//! What the house is made of: who may ask for what, and where people log in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use cardea_access::{
    BoundTo, Entitlement, Justification, Kind, Need, Pattern, Requesters, Resource, ResourceKind,
    Stage,
};
use cardea_domain::{Clock, EntitlementId};
use cardea_identity::{
    Algorithm, AuthorizationServer, Dpop, DpopSettings,
    server::{Certificates, ServerSettings, State},
};

use super::house::{ORIGIN, subject, tenant};
use crate::People;

pub(super) fn people(subjects: &[&str], groups: &[&str]) -> People {
    People {
        subjects: subjects.iter().map(|id| subject(id)).collect(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    }
}

pub(super) fn any() -> Pattern {
    Pattern::parse("*").unwrap()
}

pub(super) fn entitlement(id: &str) -> Entitlement {
    Entitlement {
        id: EntitlementId::parse(id).unwrap(),
        description: Some("Write what was asked for".into()),
        requesters: Requesters {
            subjects: vec![any()],
            ..Requesters::default()
        },
        resources: vec![Resource {
            upstream: Pattern::parse("files").unwrap(),
            kind: ResourceKind::Tool,
            name: Pattern::parse("write*").unwrap(),
        }],
        constraint: None,
        kinds: vec![Kind::Once, Kind::Time, Kind::Calls],
        duration_max: Duration::from_secs(600),
        calls_max: Some(20),
        bytes_max: None,
        rate: None,
        stages: vec![Stage {
            need: Need::Any,
            users: vec![subject("ben")],
            groups: vec!["approvers".into()],
        }],
        second_person: true,
        bound_to: BoundTo::Agent,
        hidden: false,
        justification: Justification::default(),
        hold: None,
    }
}

/// What Ben has nothing to do with.
pub(super) fn other() -> Entitlement {
    let mut other = entitlement("reading");
    other.resources[0].name = Pattern::parse("read*").unwrap();
    other.stages[0] = Stage {
        need: Need::Any,
        users: vec![subject("bea")],
        groups: Vec::new(),
    };
    other
}

pub(super) fn authorization(state: Arc<State>, clock: &Clock) -> AuthorizationServer {
    let settings = ServerSettings {
        origin: ORIGIN.into(),
        tenants: BTreeSet::from([tenant("acme"), tenant("globex")]),
        access_token_s: 600,
        grant_s: 86_400,
        clients: Vec::new(),
        documents: false,
        private_hosts: BTreeMap::new(),
        certificates: Certificates::Never,
        registration: false,
        local_accounts: true,
        login: Vec::new(),
    };
    let proofs = DpopSettings {
        require_nonce: false,
        iat_window: Duration::from_secs(60),
        algorithms: vec![Algorithm::ES256],
    };
    let dpop = Arc::new(Dpop::new(proofs, &[7; 32], "token", clock.clone()));
    AuthorizationServer::new(settings, dpop, state).unwrap()
}
