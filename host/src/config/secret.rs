//! What must not be shown, and how it is hidden: passwords in addresses, values of `headers` and `options`, and
//! whatever has a name like a secret's.
//!
//! Rather hides too much than too little, as what it hides is only ever looked at by people.

use std::ops::Range;

/// Stands for a secret in messages.
const STARS: &str = "***";

/// Names of parameters that hold secrets though the name alone does not say so.
const SECRET_PARAMETERS: &[&str] = &["key", "sig", "signature", "auth", "code"];

/// An address without its secrets.
pub fn mask_url(url: &str) -> String {
    let mut masked = String::with_capacity(url.len());
    let mut end = 0;
    for range in secrets_of_url(url) {
        masked.push_str(url.get(end..range.start).unwrap_or_default());
        masked.push_str(STARS);
        end = range.end;
    }
    masked.push_str(url.get(end..).unwrap_or_default());
    masked
}

/// Whether a setting of that name is likely to hold a secret.
pub(super) fn looks_secret(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "apikey",
        "accesskey",
        "privatekey",
        "credential",
        "authorization",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// Where the secrets of an address are, in order. The address may be malformed, or stand among other text.
pub(super) fn secrets_of_url(url: &str) -> Vec<Range<usize>> {
    let (scheme, begin) = match (url.find("://"), url.find(':')) {
        (Some(colon), _) => (url.get(..colon).unwrap_or_default(), colon + "://".len()),
        (None, Some(colon)) => (url.get(..colon).unwrap_or_default(), colon + 1),
        (None, None) => return Vec::new(),
    };
    if ["file", "sqlite", "log", "generator", "stdout", "discard"].iter().any(|other| scheme.ends_with(other)) {
        return Vec::new();
    }
    let is_http = scheme.ends_with("http") || scheme.ends_with("https");
    let rest = url.get(begin..).unwrap_or_default();
    let mut secrets = Vec::new();
    let user_end = end_of_user(rest, is_http);
    if let Some(user_end) = user_end {
        let user = rest.get(..user_end).unwrap_or_default();
        match user.find(':') {
            Some(colon) => secrets.push(begin + colon + 1..begin + user_end),
            // a lone user of an HTTP address is a token as a rule
            None if is_http => secrets.push(begin..begin + user_end),
            None => {}
        }
    }
    let hosts_begin = begin + user_end.map_or(0, |end| end + 1);
    secrets.extend(words_for_ports(url, hosts_begin));
    if is_http && let Some(query) = rest.find('?') {
        secrets.extend(secrets_of_query(url, begin + query + 1));
    }
    secrets
}

/// Where `user:password` ends. Passwords may hold any character, written as it should be or not, so this is the last
/// `@`; only an address whose host is complete before its path may have one in the path.
fn end_of_user(rest: &str, is_http: bool) -> Option<usize> {
    if is_http {
        let authority = rest.get(..rest.find(['/', '?', '#']).unwrap_or(rest.len())).unwrap_or_default();
        if let Some(at) = authority.rfind('@') {
            return Some(at);
        }
        let port = authority.rsplit_once(':').map(|(_, port)| port);
        if port.is_none_or(|port| port.chars().all(|c| c.is_ascii_digit())) {
            return None;
        }
    }
    rest.rfind('@')
}

/// `user:password/host`, with the `@` forgotten, puts the password where the port should be.
fn words_for_ports(url: &str, begin: usize) -> Vec<Range<usize>> {
    let rest = url.get(begin..).unwrap_or_default();
    let end = rest.find(|c: char| "/?#\"'".contains(c) || c.is_whitespace()).unwrap_or(rest.len());
    let hosts = rest.get(..end).unwrap_or_default();
    // the colons of `${HOST:-localhost}` are not those of ports
    if hosts.contains("${") {
        return Vec::new();
    }
    let mut words = Vec::new();
    let mut at = begin;
    for host in hosts.split(',') {
        if let Some((name, port)) = host.split_once(':')
            && !host.starts_with('[')
            && !port.is_empty()
            && !port.chars().all(|c| c.is_ascii_digit())
        {
            words.push(at + name.len() + 1..at + host.len());
        }
        at += host.len() + 1;
    }
    words
}

fn secrets_of_query(url: &str, begin: usize) -> Vec<Range<usize>> {
    let query = url.get(begin..).unwrap_or_default();
    let query = query.get(..query.find(['#', '"', '\'']).unwrap_or(query.len())).unwrap_or_default();
    let mut secrets = Vec::new();
    let mut at = begin;
    for parameter in query.split('&') {
        if let Some((name, value)) = parameter.split_once('=')
            && (looks_secret(name) || SECRET_PARAMETERS.contains(&name.to_lowercase().as_str()))
            && !value.is_empty()
        {
            secrets.push(at + name.len() + 1..at + parameter.len());
        }
        at += parameter.len() + 1;
    }
    secrets
}

/// The text with every secret covered, character by character: all offsets, lines and columns stay.
pub(super) fn cover(text: &str, secrets: &[Range<usize>]) -> String {
    let is_secret = |at: usize| secrets.iter().any(|secret| secret.contains(&at));
    let cover = |(at, c): (usize, char)| match c {
        '\n' | '\r' => c,
        _ if !is_secret(at) => c,
        // a sign of the same length in UTF-8
        _ => match c.len_utf8() {
            1 => '*',
            2 => '·',
            3 => '•',
            _ => '𝄪',
        },
    };
    text.char_indices().map(cover).collect()
}

/// Secrets of a file that is not TOML, found line by line: whatever is assigned in or below `headers` and `options` or
/// to a name like a secret's, and the passwords of addresses.
pub(super) fn secrets_of_broken_text(text: &str) -> Vec<Range<usize>> {
    let mut secrets = Vec::new();
    let mut begin = 0;
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let (name, value_at) = match line.find('=') {
            Some(equals) => (line.get(..equals).unwrap_or_default(), equals + 1),
            None => (line, 0),
        };
        let is_header = line.trim_start().starts_with('[');
        let opens = name.contains("headers") || name.contains("options");
        inside = opens || (inside && !is_header);
        if (inside || looks_secret(name)) && !is_header {
            secrets.push(begin + value_at..begin + line.len());
        }
        secrets.extend(secrets_of_url(line).into_iter().map(|range| begin + range.start..begin + range.end));
        begin += line.len();
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_passwords_and_tokens() {
        for (url, masked) in [
            ("cassandra://user:hunter2@host:9042/ks.t", "cassandra://user:***@host:9042/ks.t"),
            ("cassandra://user:hun/t@er:2@host/ks.t", "cassandra://user:***@host/ks.t"),
            ("cassandra:user:hunter2@host/ks.t", "cassandra:user:***@host/ks.t"),
            ("kafka://me:hunter2@host:9092/t", "kafka://me:***@host:9092/t"),
            ("unknown://me:hunter2@host", "unknown://me:***@host"),
            ("https://u:hunter2@host/a?b=c", "https://u:***@host/a?b=c"),
            ("https://u:hun/ter2@host/", "https://u:***@host/"),
            ("https://ghp_hunter2@host/", "https://***@host/"),
            ("https://host/?results=10&api_key=hunter2&x=1#f", "https://host/?results=10&api_key=***&x=1#f"),
            ("cassandra://user:hunter2/host/ks.t", "cassandra://user:***/host/ks.t"),
            ("https://host/?token=hunter2", "https://host/?token=***"),
        ] {
            assert_eq!(mask_url(url), masked);
        }
    }

    #[test]
    fn leaves_addresses_without_secrets_as_they_are() {
        for url in [
            "https://host:8080/@user?results=10",
            "https://host/a@b",
            "kafka://[::1]:9092,b:2/t",
            "kafka://${HOST:-localhost}:${PORT:-9092}/t",
            "cassandra://user@host/ks.t",
            "kafka://a:1,b:2/t",
            "file:a:b@c",
            "log:users",
            "nothing",
            "",
        ] {
            assert_eq!(mask_url(url), url);
        }
    }

    #[test]
    fn covers_without_moving_anything() {
        let text = "a = \"ü€𝄞x\"\nb";
        let covered = cover(text, std::slice::from_ref(&(5..15)));
        assert_eq!(covered, "a = \"·•𝄪*\"\nb");
        assert_eq!(covered.len(), text.len());
    }

    #[test]
    fn finds_secrets_of_files_that_are_not_toml() {
        let text = "url = \"cassandra://u:hunter2@h/k.t\n[x.headers]\nA = \"hunter2\nB = { \"hunter2\"\n[y]\nlinger = 1\npassword = hunter2\nheaders = {\n a = 'hunter2'\n";
        let covered = cover(text, &secrets_of_broken_text(text));
        assert!(!covered.contains("hunter2"), "{covered}");
        assert!(covered.contains("linger = 1"), "{covered}");
        assert!(covered.contains("[x.headers]"), "{covered}");
    }
}
