//! `[host]`: settings of the process, and what must hold before others may reach its admin address.

use std::net::SocketAddr;

use super::{
    context::{Context, Text},
    defaults,
    fault::Fault,
    model::{Durability, HostConfig, Secret},
    setting::Place,
    tree::Section,
};

/// What the table says; every fault is noted.
pub(super) fn host(cx: &mut Context<'_>, file: &Section<'_>) -> HostConfig {
    let mut data_dir = None;
    let mut durability = Durability::Commit;
    let mut admin = None;
    let mut admin_token = None;
    let mut stack = None;
    let mut fuel = None;
    if let Some(mut section) = file.section(cx, "host", Place::Host) {
        section.check_names(cx, None);
        data_dir = section.text(cx, "data_dir");
        stack = section.bytes(cx, "stack");
        fuel = section.flag(cx, "fuel");
        let address = section.text(cx, "admin");
        let token = section.text(cx, "admin_token");
        if let Some(address) = address {
            admin = self::admin(cx, &address, section.has("admin_token"));
        }
        admin_token = token.and_then(|token| self::token(cx, token));
        if section.choice(cx, "durability") == Some("os") {
            durability = Durability::Os;
        }
    }
    if let Some(empty) = data_dir.take_if(|folder| folder.value.is_empty()) {
        let fault = Fault::new("bad-value", empty.span, "`data_dir` is empty");
        cx.fault(fault.hint(format!("name a folder; the default is `\"{}\"`", defaults::DATA_DIR)));
    }
    let data_dir = data_dir.map_or_else(|| defaults::DATA_DIR.to_owned(), |folder| folder.value);
    let stack = stack.unwrap_or(defaults::STACK);
    HostConfig { data_dir: cx.in_folder(&data_dir), admin, admin_token, durability, stack, fuel: fuel.unwrap_or(false) }
}

/// An address that only this machine reaches, or one with a token.
fn admin(cx: &mut Context<'_>, address: &Text, has_token: bool) -> Option<SocketAddr> {
    let Ok(parsed) = address.value.parse::<SocketAddr>() else {
        let message = format!("{} is no address to listen on", address.quoted());
        let fault = Fault::new("bad-value", address.span.clone(), message);
        cx.fault(fault.hint("write it like `\"127.0.0.1:8642\"`; port 0 takes a free one"));
        return None;
    };
    if !parsed.ip().is_loopback() && !has_token {
        let message = format!("others can reach {}, so it needs an `admin_token`", address.quoted());
        let fault = Fault::new("open-admin", address.span.clone(), message);
        let hint = "add `admin_token = \"${MILLSTREAM_ADMIN_TOKEN}\"`, or listen on `127.0.0.1`";
        cx.fault(fault.hint(hint).label("not only this machine"));
    }
    Some(parsed)
}

fn token(cx: &mut Context<'_>, token: Text) -> Option<Secret> {
    if token.value.chars().count() >= defaults::MIN_TOKEN_CHARS && token.value.chars().all(|c| c.is_ascii_graphic()) {
        return Some(Secret::new(token.value));
    }
    let min = defaults::MIN_TOKEN_CHARS;
    let message = format!("`admin_token` is too easy to guess: it needs at least {min} letters, digits or signs");
    let fault = Fault::new("bad-value", token.span, message);
    cx.fault(fault.hint("make one with `openssl rand -hex 16`, and keep it in the environment"));
    None
}
