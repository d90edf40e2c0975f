//! Deciding: approving, rejecting, taking back.

use std::time::Duration;

use cardea_config::{PinRule, Upstream};
use cardea_domain::{
    Clock,
    text::{Breaks, visible},
};
use cardea_registry::{Choice, Quarantined, RegistrarError, State, Weight};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::office::{Office, failed, named, typed};
use crate::{
    cli::server::{ApproveArgs, DecideArgs},
    command::failure::{Failure, Status},
};

/// A failure is told by its beginning: the end of it is in the gateway's log.
const WHY_CHARS_MAX: usize = 2000;

/// Between two looks at whether the gateway has looked.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A gateway that runs takes over what was decided every two seconds, where the machine lets it.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(30);

/// One that runs on this machine accepts connections at once.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(1);

pub(super) async fn approve(office: &Office, args: &ApproveArgs) -> Result<(), Failure> {
    let (servers, items): (Vec<_>, &[String]) = match (args.names.as_slice(), args.all) {
        (names, true) => (names.iter().collect(), &[]),
        ([alone], false) if waits(office, alone) => (vec![alone], &[]),
        ([_], false) => {
            let text = "say what to approve, or `--all`; `cardea server diff` shows what waits";
            return Err(Failure::new(Status::WrongUse, text));
        }
        ([server, items @ ..], false) => (vec![server], items),
        ([], false) => return Err(Failure::new(Status::WrongUse, "say which server")),
    };
    let servers = servers.into_iter().map(|name| office.server(name));
    let servers: Vec<_> = servers.collect::<Result<_, _>>()?;
    let deadline = Instant::now() + args.wait;
    let began_ms = Clock::system().unix_ms();
    let mut documents = Vec::new();
    let mut texts = Vec::new();
    let mut alarming = Vec::new();
    // All of them first: the gateway looks at one while another is looked at here.
    for server in &servers {
        if let Some(added) = office.added(server.id.as_str())
            && added.approved.is_none()
        {
            let (tenant, by) = (&office.tenant, &office.by);
            let approving = office
                .registrar
                .approve_server(tenant, added, by, &args.reason);
            approving.await.map_err(failed)?;
            texts.push(format!("approved `{}`: {}", server.id, added.record.spec));
            if !args.all && items.is_empty() {
                texts.push(format!(
                    "the gateway starts it to look at it; then: cardea server diff {}",
                    server.id
                ));
                let document = json!({ "server": server.id.as_str(), "items": [] });
                return office.tell(&json!({ "approved": [document] }), &texts.join("\n"));
            }
        }
    }
    for server in servers {
        let approving = async {
            let held = looked_at(office, server, deadline, began_ms).await?;
            let choices = match args.all {
                true => {
                    let (alarms, calm): (Vec<_>, Vec<_>) = held.into_iter().partition(is_alarming);
                    alarming.extend(
                        waiting(&alarms)
                            .iter()
                            .map(|choice| (server, alarm_of(&alarms, choice))),
                    );
                    waiting(&calm)
                }
                false => chosen(server, &held, items)?,
            };
            let (tenant, by) = (&office.tenant, &office.by);
            let approving =
                office
                    .registrar
                    .approve(tenant, &server.id, &choices, by, &args.reason);
            approving.await.map_err(failed)?;
            Ok(choices)
        };
        let choices = approving
            .await
            .map_err(|failure: Failure| failure.after(&texts))?;
        texts.push(said(server, "approved", &choices));
        documents.push(document(server, &choices));
    }
    decided(office, "approved", json!(documents), texts).await?;
    match alarming.is_empty() {
        true => Ok(()),
        false => Err(held_back(&alarming)),
    }
}

fn is_alarming(held: &Quarantined) -> bool {
    held.flags.iter().any(|flag| flag.weight == Weight::Alarm)
}

/// The name of something, as it would be typed, and its alarms.
fn alarm_of(held: &[Quarantined], choice: &Choice) -> (String, String) {
    let of = held
        .iter()
        .find(|held| held.kind == choice.kind && held.name == choice.name);
    let flags = of.map_or(&[][..], |held| &held.flags);
    let alarms = flags.iter().filter(|flag| flag.weight == Weight::Alarm);
    let alarms: Vec<&str> = alarms.map(|flag| flag.text.as_str()).collect();
    (typed(choice.kind, &choice.name), alarms.join("; "))
}

/// What raises an alarm is approved by whoever has looked at it, and names it.
fn held_back(alarming: &[(&Upstream, (String, String))]) -> Failure {
    let lines = alarming.iter().map(|(server, (name, alarms))| {
        let shown = |text: &str| visible(text, WHY_CHARS_MAX, Breaks::Shown);
        format!("  ! {} `{}`: {}", server.id, shown(name), shown(alarms))
    });
    let lines: Vec<String> = lines.collect();
    Failure::new(
        Status::Refused,
        format!(
            "not approved, since an alarm is raised; look at it with `cardea server diff`, then approve it by its name:\n{}",
            lines.join("\n")
        ),
    )
}

/// Tells what was decided, as soon as it holds in the gateway: what comes next may be a call.
async fn decided(
    office: &Office,
    what: &str,
    document: Value,
    mut texts: Vec<String>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + TAKEN_OVER_WITHIN;
    let is_taken_over = loop {
        let looked = office.registrar.is_taken_over(&office.tenant).await;
        let is_taken_over = looked.map_err(|error| failed(RegistrarError::Store(error)))?;
        if is_taken_over || Instant::now() >= deadline || !runs(office).await {
            break is_taken_over;
        }
        sleep(LOOK_EVERY).await;
    };
    if !is_taken_over {
        texts.push("it is written down, and holds as soon as the gateway runs".to_owned());
    }
    let document = json!({ what: document, "taken_over": is_taken_over });
    office.tell(&document, &texts.join("\n"))
}

/// Whether a gateway of this configuration runs.
async fn runs(office: &Office) -> bool {
    let config = &office.config;
    let connecting = TcpStream::connect(config.admin_listen.unwrap_or(config.listen));
    matches!(timeout(ACCEPTED_WITHIN, connecting).await, Ok(Ok(_)))
}

/// Whether it is a server that was added and is not approved.
fn waits(office: &Office, name: &str) -> bool {
    let added = office.added(name);
    added.is_some_and(|added| added.approved.is_none())
}

pub(super) async fn reject(office: &Office, args: &DecideArgs) -> Result<(), Failure> {
    let server = office.server(&args.server)?;
    let held = held(office, server).await?;
    let choices = chosen(server, &held, &args.items)?;
    let (tenant, id) = (&office.tenant, &server.id);
    let rejecting = office
        .registrar
        .reject(tenant, id, &choices, &office.by, &args.reason);
    rejecting.await.map_err(failed)?;
    let document = json!([document(server, &choices)]);
    let texts = vec![said(server, "rejected", &choices)];
    decided(office, "rejected", document, texts).await
}

pub(super) async fn withdraw(office: &Office, args: &DecideArgs) -> Result<(), Failure> {
    let server = office.server(&args.server)?;
    let (tenant, id) = (&office.tenant, &server.id);
    for item in &args.items {
        let (kind, name) = named(item);
        let withdrawing =
            office
                .registrar
                .withdraw(tenant, id, kind, name, &office.by, &args.reason);
        withdrawing.await.map_err(failed)?;
    }
    let document = json!([{ "server": id.as_str(), "items": args.items }]);
    let texts = vec![format!("withdrawn of `{id}`: {}", args.items.join(", "))];
    decided(office, "withdrawn", document, texts).await
}

/// What is in quarantine of a server that the gateway has looked at; waits for that, and no longer when it failed since
/// the command began.
async fn looked_at(
    office: &Office,
    server: &Upstream,
    deadline: Instant,
    began_ms: u64,
) -> Result<Vec<Quarantined>, Failure> {
    if server.pins == PinRule::Off {
        let text = format!(
            "nothing of `{}` needs approval: its `pins` are off in the configuration",
            server.id
        );
        return Err(Failure::new(Status::WrongUse, text));
    }
    loop {
        let view = office.view().await?;
        if view.surveyed.contains(&server.id) {
            return held(office, server).await;
        }
        let failed = view.failed_look(&server.id);
        if let Some(failed) = failed.filter(|failed| failed.failed_ms >= began_ms) {
            let why = visible(&failed.why, WHY_CHARS_MAX, Breaks::Shown);
            let text = format!("the gateway could not look at `{}`: {why}", server.id);
            return Err(Failure::new(Status::Failed, text));
        }
        if Instant::now() >= deadline {
            let before = match failed {
                Some(failed) => visible(&failed.why, WHY_CHARS_MAX, Breaks::Shown),
                None => "start it, and see its log where it runs already".to_owned(),
            };
            let text = format!(
                "the gateway has not looked at `{}` yet: {before}",
                server.id
            );
            return Err(Failure::new(Status::Timeout, text));
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn held(office: &Office, server: &Upstream) -> Result<Vec<Quarantined>, Failure> {
    let mut held = office.view().await?.quarantined;
    held.retain(|held| held.upstream == server.id);
    Ok(held)
}

/// What waits and can be approved. What nobody could approve stays, and is shown by `diff`.
fn waiting(held: &[Quarantined]) -> Vec<Choice> {
    let waiting = held.iter().filter(|held| held.state == State::Waiting);
    waiting.filter_map(Quarantined::choice).collect()
}

fn chosen(
    server: &Upstream,
    held: &[Quarantined],
    items: &[String],
) -> Result<Vec<Choice>, Failure> {
    let of = |item: &String| {
        let found = held
            .iter()
            .find(|held| (held.kind, held.name.as_str()) == named(item));
        let Some(found) = found else {
            let text = format!(
                "`{item}` of `{}` does not wait for approval; `cardea server show {0}` lists what there is",
                server.id
            );
            return Err(Failure::new(Status::Unknown, text));
        };
        found.choice().ok_or_else(|| {
            let text = format!(
                "`{item}` of `{}` cannot be approved: its definition has no canonical form, or is too long",
                server.id
            );
            Failure::new(Status::Refused, text)
        })
    };
    items.iter().map(of).collect()
}

fn said(server: &Upstream, what: &str, choices: &[Choice]) -> String {
    if choices.is_empty() {
        return format!("`{}`: nothing waits", server.id);
    }
    let names: Vec<_> = choices.iter().map(|c| typed(c.kind, &c.name)).collect();
    let names = visible(&names.join(", "), 4000, Breaks::Shown);
    format!("{what} {} of `{}`: {names}", choices.len(), server.id)
}

fn document(server: &Upstream, choices: &[Choice]) -> Value {
    let items = choices.iter().map(|choice| {
        json!({
            "what": typed(choice.kind, &choice.name),
            "digest": cardea_registry::digest_text(&choice.digest),
        })
    });
    json!({ "server": server.id.as_str(), "items": items.collect::<Vec<_>>() })
}
