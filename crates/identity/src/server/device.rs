//! Devices without a browser: they show a code, a person types it elsewhere (RFC 8628).

use ::http::StatusCode;
use cardea_store::{Device, SecretHash};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Desk,
    approval::Approval,
    error::Refusal,
    http::{Reply, json as json_reply, page as page_reply},
    next::{DeviceWish, NEXT_S, Next},
    pages, secret,
    throttle::{Counted, peer_name},
    token,
};

/// Long enough to find another device and log in there.
const DEVICE_S: u64 = 600;

/// RFC 8628 section 3.2: the default.
const INTERVAL_S: u64 = 5;

/// Devices that wait at once, over all clients.
const WAITING_MAX: u32 = 1000;

/// RFC 8628 section 6.1: no vowels, so that no words come of it; 20 letters, 8 of them.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_LETTERS: usize = 8;

/// What a device asked for.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    resource: String,
    scope: String,
}

/// The device authorization endpoint.
pub(super) async fn authorize(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let (state, now_s) = (desk.state(), desk.now_s());
    state
        .throttles
        .take(Counted::Device, desk.ask.peer, now_s)?;
    let client = token::authenticated(desk, "/device_authorization").await?;
    if !client.grants.device {
        return Err(Refusal::new(
            "unauthorized_client",
            "the client does not use the device grant",
        ));
    }
    let params = &desk.ask.params;
    let resources = &desk.server.resources;
    let resource = resources.asked(params.find("resource"))?;
    let asked = Asked {
        scope: resources.scope(&resource, params.find("scope")),
        resource,
    };
    let (device_code, user_code) = (secret::random()?, user_code()?);
    let device = Device {
        client: client.id.to_string(),
        request: serde_json::to_string(&asked).map_err(|_| Refusal::unavailable())?,
        expires_s: now_s + DEVICE_S,
    };
    let (device_hash, user_hash) = (hash(&device_code), hash(&user_code));
    let is_added =
        state
            .store
            .add_device(&device_hash, &user_hash, &device, INTERVAL_S, WAITING_MAX);
    if !is_added.await? {
        return Err(Refusal::slow_down("too many devices wait already"));
    }
    let page = format!("{}/device", desk.server.settings.origin);
    let document = json!({
        "device_code": device_code,
        "user_code": shown(&user_code),
        "verification_uri": page,
        "expires_in": DEVICE_S,
        "interval": INTERVAL_S,
    });
    Ok(json_reply(StatusCode::OK, &document))
}

/// The page on which the code is typed. It takes none from its address, so that a link that
/// somebody sent does not do the typing (RFC 8628 section 5.4).
pub(super) fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    show(desk, None, StatusCode::OK)
}

pub(super) async fn submit(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    desk.check_form("device", "")?;
    let (state, now_s) = (desk.state(), desk.now_s());
    let peer = peer_name(desk.ask.peer);
    state.throttles.attempt(Counted::UserCode, &peer, now_s)?;
    let typed = normalised(desk.ask.params.find("user_code").unwrap_or_default());
    if state.store.device(&hash(&typed), now_s).await?.is_none() {
        let mistake = "No device shows this code, or it has ended.";
        return show(desk, Some(mistake), StatusCode::BAD_REQUEST);
    }
    state.throttles.give_back(Counted::UserCode, &peer);
    let wish = DeviceWish {
        id: secret::random()?,
        user_code: typed,
        login_since_s: 0,
        ends_s: now_s + NEXT_S,
    };
    let next = desk.seal(&Next::Device(wish))?;
    Ok(desk.onward("/consent", &next))
}

/// The client, resource and scope that a device asked for.
pub(super) async fn asked(
    desk: &Desk<'_>,
    wish: &DeviceWish,
) -> Result<(String, String, String), Refusal> {
    let store = &desk.state().store;
    let device = store.device(&hash(&wish.user_code), desk.now_s()).await?;
    let device = device.ok_or_else(ended)?;
    let asked: Asked = serde_json::from_str(&device.request).map_err(|_| Refusal::unavailable())?;
    Ok((device.client, asked.resource, asked.scope))
}

/// Lets the device in, or not.
pub(super) async fn decide(
    desk: &Desk<'_>,
    wish: &DeviceWish,
    approval: Option<&Approval>,
) -> Result<(), Refusal> {
    let text = approval
        .map(serde_json::to_string)
        .transpose()
        .map_err(|_| Refusal::unavailable())?;
    let store = &desk.state().store;
    let hash = hash(&wish.user_code);
    match store
        .decide_device(&hash, text.as_deref(), desk.now_s())
        .await?
    {
        true => Ok(()),
        false => Err(ended()),
    }
}

fn ended() -> Refusal {
    Refusal::invalid_request("the device's code has ended; begin again on the device")
}

fn show(desk: &Desk<'_>, mistake: Option<&str>, status: StatusCode) -> Result<Reply, Refusal> {
    let browser = desk.browser()?;
    let shown = pages::Device {
        mistake,
        tag: &desk.form_tag(&browser, "device", ""),
        host: &desk.server.settings.origin,
    };
    let mut reply = page_reply(status, &shown, None);
    browser.remember(&mut reply);
    Ok(reply)
}

fn user_code() -> Result<String, Refusal> {
    let mut code = String::new();
    while code.len() < CODE_LETTERS {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Refusal::unavailable())?;
        // Bytes from 240 on would make the first letters likelier.
        let fair = bytes.iter().filter(|b| **b < 240);
        let letters = fair.filter_map(|b| LETTERS.get(usize::from(*b) % LETTERS.len()));
        code.extend(
            letters
                .take(CODE_LETTERS - code.len())
                .map(|b| char::from(*b)),
        );
    }
    Ok(code)
}

fn shown(code: &str) -> String {
    match code.split_at_checked(CODE_LETTERS / 2) {
        Some((first, second)) => format!("{first}-{second}"),
        None => code.to_owned(),
    }
}

/// As people type it: in any case, with or without the dash.
fn normalised(typed: &str) -> String {
    let letters = typed.chars().filter(char::is_ascii_alphabetic);
    letters
        .take(CODE_LETTERS + 1)
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

fn hash(code: &str) -> SecretHash {
    secret::hash(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = user_code().unwrap();
        assert_eq!(code.len(), CODE_LETTERS);
        assert_eq!(normalised(&shown(&code)), code);
        assert_eq!(normalised(&format!(" {} ", code.to_lowercase())), code);
        assert_ne!(normalised(&format!("{code}B")), code);
    }
}
