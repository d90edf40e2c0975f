//! The console by its configuration.

use std::sync::Arc;

use cardea_config::{self as config, Config};
use cardea_console::{Console, ConsoleSettings, LOGIN_AGE_MAX_S, People, Roles};
use cardea_domain::Clock;
use cardea_identity::AuthorizationServer;

pub(super) fn build(
    config: &Config,
    authorization: Arc<AuthorizationServer>,
    clock: &Clock,
) -> Arc<Console> {
    let roles = config.tenants.iter();
    let settings = ConsoleSettings {
        origin: config.public_origin(),
        roles: roles
            .map(|(id, tenant)| (id.clone(), self::roles(&tenant.roles)))
            .collect(),
        login_age_max_s: LOGIN_AGE_MAX_S,
    };
    Arc::new(Console::new(settings, authorization, clock.clone()))
}

fn roles(roles: &config::Roles) -> Roles {
    Roles {
        administrators: people(&roles.administrators),
        auditors: people(&roles.auditors),
    }
}

fn people(people: &config::People) -> People {
    People {
        subjects: people.subjects.clone(),
        groups: people.groups.clone(),
    }
}
