//! What servers show, held against what was approved: the data plane's side of the registry.
//!
//! What it is: whatever lists are read by, they are learnt here, so that on every way the same happens to a definition
//! that changed: grants for it end, it goes to quarantine, and an event says so.
//! What it is not: no decision about what is approved. That is the registry's room.

use cardea_audit::{Entry, Kind};
use cardea_domain::{Code, Denial, PromptName, ResourceUri, Target, ToolName};
use cardea_mcp::{Kind as MessageKind, Message, method::List, param_header::InvalidAnnotation};
use cardea_registry::{
    DefinitionKind, Held, Known, PinRule, Sighting, Standing, Weight, digest_of, digest_text,
};

use crate::{Tenant, way::Ask};

/// The definitions of one list, as far as they were read.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    known: &'a Known,
    /// Tools that had another definition before.
    changed: Vec<ToolName>,
    /// What nobody has approved.
    unapproved: Vec<Sighting>,
}

/// One definition that was read.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Whether somebody has approved exactly this.
    pub(crate) is_approved: bool,
    /// Why a tool must not be listed in the modern era.
    pub(crate) invalid: Option<InvalidAnnotation>,
}

/// The kind of definitions that a list has; `None` for resources, which are content.
pub(crate) fn kind_of(list: List) -> Option<DefinitionKind> {
    match list {
        List::Tools => Some(DefinitionKind::Tool),
        List::Prompts => Some(DefinitionKind::Prompt),
        List::Templates => Some(DefinitionKind::Template),
        List::Resources => None,
    }
}

impl<'a> Shown<'a> {
    pub(crate) fn by(known: &'a Known) -> Self {
        Self {
            known,
            changed: Vec::new(),
            unapproved: Vec::new(),
        }
    }

    /// Learns one definition.
    pub(crate) fn take(&mut self, kind: DefinitionKind, name: &str, raw: &str) -> Taken {
        // What no call can name is neither learnt nor kept.
        if target(kind, name).is_none() {
            return Taken {
                is_approved: false,
                invalid: None,
            };
        }
        let definitions = self.known.definitions();
        let learnt = definitions.learn(kind, name, raw);
        if learnt.is_changed
            && kind == DefinitionKind::Tool
            && let Ok(tool) = ToolName::parse(name)
        {
            self.changed.push(tool);
        }
        if self.known.entry().pin_rule() == PinRule::Off {
            return Taken {
                is_approved: true,
                invalid: learnt.invalid,
            };
        }
        let sighting = match definitions.definition(kind, name) {
            Some(definition) if &*definition.raw == raw => Sighting::of(kind, name, &definition),
            // It is not learnt: invalid, or one too many.
            _ => Sighting {
                kind,
                name: name.to_owned(),
                raw: raw.into(),
                digest: digest_of(raw),
            },
        };
        let is_approved = self.known.entry().approves(kind, name, sighting.digest);
        let is_held = || (self.known.entry().pins()).holds(kind, name, sighting.digest);
        if !is_approved && !is_held() {
            self.unapproved.push(sighting);
        }
        Taken {
            is_approved,
            invalid: learnt.invalid,
        }
    }

    /// Ends what was granted for tools that changed, and puts into quarantine what nobody has approved.
    pub(crate) async fn tell(self, tenant: Option<&Tenant>) {
        let Some(tenant) = tenant else {
            return;
        };
        self.void(tenant).await;
        let Some(registrar) = tenant.registrar.as_ref() else {
            return;
        };
        if self.unapproved.is_empty() {
            return;
        }
        let (of, upstream) = (self.known.tenant(), self.known.id());
        match registrar.saw(self.known.entry(), self.unapproved).await {
            Ok(news) => quarantined(tenant, self.known, &news),
            Err(error) => {
                tracing::error!(tenant = %of, %upstream, %error, "what the server shows anew cannot be kept; it is hidden all the same");
            }
        }
    }

    async fn void(&self, tenant: &Tenant) {
        let Some(access) = &tenant.access else {
            return;
        };
        let counts = access.access.counts();
        if counts.active == 0 && counts.pending == 0 {
            return;
        }
        for tool in &self.changed {
            let definition = self.known.definitions().tool(tool.as_str());
            // No grant is for a definition without a digest: whatever differs from this ends.
            let digest = definition.and_then(|d| d.digest).unwrap_or_default();
            let ended = access.access.void_tool(self.known.id(), tool, digest).await;
            if let Err(error) = ended {
                tracing::error!(tenant = %self.known.tenant(), upstream = %self.known.id(), %tool, %error, "the end of grants for a changed tool is not in the store; none of them is good any more");
            }
        }
    }
}

/// Says in the tenant's log what went to quarantine.
pub(crate) fn quarantined(tenant: &Tenant, known: &Known, news: &[Held]) {
    for Held { sighting, flags } in news {
        let (kind, name) = (sighting.kind, sighting.name.as_str());
        let before = known.entry().pins().approved(kind, name);
        let now = match &sighting.digest {
            Some(digest) => digest_text(digest),
            None => "without a canonical form".to_owned(),
        };
        let detail = match before {
            Some(before) => {
                format!(
                    "{kind} `{name}` changed: approved {}, shown {now}",
                    digest_text(&before)
                )
            }
            None => format!("{kind} `{name}` is new: {now}"),
        };
        let alarms = flags.iter().filter(|flag| flag.weight == Weight::Alarm);
        let detail = alarms.fold(detail, |detail, alarm| format!("{detail}; {}", alarm.text));
        tracing::warn!(tenant = %known.tenant(), upstream = %known.id(), "quarantined: {}", detail.escape_debug());
        let target = target(kind, name);
        let entry = Entry {
            kind: Kind::Event,
            event: Some("definition_quarantined"),
            upstream: Some(known.id()),
            target: target.as_ref(),
            detail: Some(&detail),
            ..Entry::default()
        };
        if tenant.ledger.append(&entry).is_err() {
            tracing::error!(tenant = %known.tenant(), upstream = %known.id(), "that it was quarantined cannot be recorded");
        }
    }
}

fn target(kind: DefinitionKind, name: &str) -> Option<Target> {
    match kind {
        DefinitionKind::Tool => ToolName::parse(name).ok().map(Target::Tool),
        DefinitionKind::Prompt => PromptName::parse(name).ok().map(Target::Prompt),
        DefinitionKind::Template => ResourceUri::parse(name).ok().map(Target::Template),
        DefinitionKind::Instructions => Some(Target::Upstream),
    }
}

/// The definition that a call is by: that of a tool or a prompt.
pub(crate) fn called(ask: &Ask) -> Option<(DefinitionKind, String)> {
    let Ask::Message(message) = ask else {
        return None;
    };
    if message.kind() != MessageKind::Request {
        return None;
    }
    let kind = match message.method() {
        "tools/call" => DefinitionKind::Tool,
        "prompts/get" => DefinitionKind::Prompt,
        _ => return None,
    };
    let name = message.body_str("name").unwrap_or_default();
    Some((kind, name.into_owned()))
}

/// The list in which a definition of this kind stands.
pub(crate) fn list_of(kind: DefinitionKind) -> List {
    match kind {
        DefinitionKind::Prompt => List::Prompts,
        DefinitionKind::Template => List::Templates,
        DefinitionKind::Tool | DefinitionKind::Instructions => List::Tools,
    }
}

/// How what a call is by stands.
pub(crate) fn standing(known: &Known, ask: &Ask) -> Standing {
    match called(ask) {
        Some((kind, name)) => known.entry().standing(kind, &name),
        None => Standing::Approved,
    }
}

/// The refusal of what nobody has approved; only for who was permitted to call it.
pub(crate) fn unapproved(detail: &str) -> Denial {
    Denial::new(
        Code::DefinitionUnapproved,
        "what the server says of this is new or has changed, and nobody has approved it",
    )
    .help("ask whoever runs the gateway to look at it: `cardea server approve`")
    .detail(detail)
}

/// Notes that a list is another one by now, where a server says so.
pub(crate) fn doubt(known: &Known, message: &Message) {
    let kind = match message.method() {
        "notifications/tools/list_changed" => DefinitionKind::Tool,
        "notifications/prompts/list_changed" => DefinitionKind::Prompt,
        _ => return,
    };
    if known.entry().pin_rule() != PinRule::Off {
        known.definitions().doubt(kind);
    }
}
