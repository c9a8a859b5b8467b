//! Commands that remember who you are.

use std::io::{BufRead, IsTerminal, Read, Write};

use image::registry::Registry;
use image::registry::credentials::{Credentials, Keys};
use primitives::{Error, Result, Status};

use super::{Login, nobody};
use crate::cli::printing::print;

/// The longest password or token.
const LONGEST: u64 = 64 << 10;

/// Sees whether the registry believes it, and remembers it.
pub(super) fn login(login: &Login) -> Result<Status> {
    let registry = name(&login.registry);
    let settings = login.towards.settings(&nobody())?;
    let user = match &login.username {
        Some(user) => user.clone(),
        None => asked("Name: ")?,
    };
    let password = password(login.password_stdin)?;
    let credentials = Credentials::Password { user, password };
    let mut keys = settings.keys.clone();
    let opened = Registry::open_as(registry, Some(credentials.clone()), &settings)?;
    // Who keeps the secret may be another program, which is not started beside threads.
    opened.check()?;
    drop(opened);
    let place = keys.keep(registry, &credentials)?;
    print(&format!("{registry} knows you; that is kept by {place}\n"))
}

/// Forgets it.
pub(super) fn logout(registry: &str) -> Result<Status> {
    let registry = name(registry);
    match Keys::read()?.forget(registry)? {
        true => print(&format!("who you are to {registry} is forgotten\n")),
        false => print(&format!("nothing was known of who you are to {registry}\n")),
    }
}

/// People write what they see in a browser.
fn name(registry: &str) -> &str {
    let name = registry.strip_prefix("https://").unwrap_or(registry);
    match name.trim_end_matches('/') {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        name => name,
    }
}

fn password(from_input: bool) -> Result<String> {
    let mut input = std::io::stdin();
    let unusable = |error: std::io::Error| Error::Unusable(format!("standard input: {error}"));
    if from_input || !input.is_terminal() {
        let mut text = String::new();
        input.lock().take(LONGEST).read_to_string(&mut text).map_err(unusable)?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    say("Password: ");
    let raw = primitives::raw_mode("let nobody read the password over your shoulder")?;
    let mut text = Vec::new();
    let mut key = [0];
    while (text.len() as u64) < LONGEST && input.read(&mut key).map_err(unusable)? > 0 {
        match key[0] {
            b'\r' | b'\n' => break,
            // Ctrl-C and Ctrl-D are keys as others are, in this mode.
            3 | 4 => return Err(Error::Unusable("no password".into())),
            8 | 127 => drop(text.pop()),
            key => text.push(key),
        }
    }
    drop(raw);
    say("\n");
    String::from_utf8(text).map_err(|_| Error::Unusable("the password is no text".into()))
}

fn asked(question: &str) -> Result<String> {
    say(question);
    let mut line = String::new();
    let read = std::io::stdin().lock().take(LONGEST).read_line(&mut line);
    read.map_err(|error| Error::Unusable(format!("standard input: {error}")))?;
    Ok(line.trim().to_owned())
}

fn say(text: &str) {
    let mut out = std::io::stderr();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
