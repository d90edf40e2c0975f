//! Who is told, by the configuration.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::Context as _;
use cardea_access::Access;
use cardea_config::{self as config, Config, Notification, NotifiedOf};
use cardea_domain::{Clock, TenantId};
use cardea_gateway::{Gateway, Herald, NoticeWatch};
use cardea_notify::{Pace, Receiver, SigningSecret, Sink, SinkSettings, Topic};
use parking_lot::Mutex;
use rustls::ClientConfig;

/// The receivers of each tenant, ready to be started.
pub(crate) type Receivers = BTreeMap<TenantId, Vec<Ready>>;

/// One receiver, checked and not started.
pub(crate) struct Ready {
    id: String,
    wanted: Notification,
    receiver: Receiver,
    tls: ClientConfig,
}

/// Those who tell, for as long as the process lives.
#[derive(Default)]
pub(super) struct Heralds(Mutex<BTreeMap<TenantId, Telling>>);

struct Telling {
    herald: Herald,
    sinks: BTreeMap<String, (Notification, Arc<Sink>)>,
}

/// What a configuration wants; nothing is started.
///
/// # Errors
/// A secret or a file of certificates that is no good, by its place.
pub(crate) fn receivers(config: &Config) -> anyhow::Result<Receivers> {
    let mut all = Receivers::new();
    for (tenant, settings) in &config.tenants {
        for (id, wanted) in &settings.notifications {
            let ready = ready(id, wanted);
            let ready = ready.with_context(|| format!("tenants.{tenant}.notifications.{id}"))?;
            all.entry(tenant.clone()).or_default().push(ready);
        }
    }
    Ok(all)
}

fn ready(id: &str, wanted: &Notification) -> anyhow::Result<Ready> {
    let (receiver, ca_file) = match &wanted.receiver {
        config::Receiver::Webhook {
            url,
            secret,
            ca_file,
        } => {
            let secret = SigningSecret::parse(secret.expose()).context("`secret`")?;
            (Receiver::Webhook(url.clone(), secret), ca_file.as_deref())
        }
        config::Receiver::Slack(url) => (Receiver::Slack(url.clone()), None),
        config::Receiver::Teams(url) => (Receiver::Teams(url.clone()), None),
    };
    Ok(Ready {
        id: id.to_owned(),
        wanted: wanted.clone(),
        receiver,
        tls: cardea_identity::client_tls(ca_file)?,
    })
}

impl Heralds {
    /// Starts and stops what a new world wants. A receiver whose settings are the same goes on with what it has.
    pub(super) fn follow(&self, gateway: &Arc<Gateway>, receivers: Receivers, clock: &Clock) {
        let mut telling = self.0.lock();
        telling.retain(|tenant, _| receivers.contains_key(tenant));
        let world = gateway.world();
        for (tenant, wanted) in receivers {
            let access = world.tenants.get(&tenant).and_then(|t| t.access.as_ref());
            // A world that is to have an authorization server has it after a restart.
            let Some(access) = access.map(|access| &access.access) else {
                continue;
            };
            let of_tenant = telling.entry(tenant).or_insert_with(|| Telling {
                herald: Herald::start(gateway, access),
                sinks: BTreeMap::new(),
            });
            let mut before = std::mem::take(&mut of_tenant.sinks);
            for ready in wanted {
                let kept = before.remove(&ready.id);
                let kept = kept.filter(|(was, _)| *was == ready.wanted);
                let (id, next) = (ready.id.clone(), ready.wanted.clone());
                let sink = match kept {
                    Some((_, sink)) => sink,
                    None => Arc::new(start(ready, gateway, access, clock)),
                };
                of_tenant.sinks.insert(id, (next, sink));
            }
            let sinks = of_tenant.sinks.values();
            of_tenant
                .herald
                .set(sinks.map(|(_, sink)| Arc::clone(sink)).collect());
        }
    }
}

fn start(ready: Ready, gateway: &Arc<Gateway>, access: &Arc<Access>, clock: &Clock) -> Sink {
    let watcher = NoticeWatch {
        gateway: Arc::clone(gateway),
        access: Arc::clone(access),
    };
    let settings = SinkSettings {
        name: ready.id,
        receiver: ready.receiver,
        topics: topics(&ready.wanted),
        tls: ready.tls,
        pace: Pace::default(),
        clock: clock.clone(),
    };
    Sink::start(settings, Arc::new(watcher))
}

fn topics(wanted: &Notification) -> BTreeSet<Topic> {
    let events = wanted.events.iter();
    events
        .map(|event| match event {
            NotifiedOf::Requests => Topic::Requests,
            NotifiedOf::Decisions => Topic::Decisions,
            NotifiedOf::Grants => Topic::Grants,
            NotifiedOf::Locks => Topic::Locks,
        })
        .collect()
}
