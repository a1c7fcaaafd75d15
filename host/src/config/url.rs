//! The `url` of a source or a sink, taken apart.
//!
//! Says which kind it names and whether its parts are ones that Kafka, Cassandra and SQL accept. Its messages never
//! quote the part where a password may stand, and it connects to nothing.

use super::defaults as d;

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Http,
    Kafka { brokers: String, topic: String },
    Log { topic: String },
    File { path: String },
    Generator,
    Cassandra { user: Option<(String, Option<String>)>, nodes: Vec<String>, keyspace: String, table: String },
    Sqlite { path: String, table: String },
    Stdout,
    Discard,
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Source,
    Sink,
    DeadLetters,
    State,
}

/// What is wrong with an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UrlFault {
    pub code: &'static str,
    pub message: String,
    pub hint: String,
}

impl UrlFault {
    /// The message without what it quotes, for an address that came from the environment.
    pub fn unquoted(&self) -> String {
        let is_ours = |piece: &str| SCHEMES.iter().any(|scheme| piece.strip_suffix(':') == Some(scheme.name));
        let pieces = self.message.split('`').enumerate();
        let pieces = pieces.map(|(index, piece)| if index % 2 == 0 || is_ours(piece) { piece } else { "…" });
        pieces.collect::<Vec<_>>().join("`")
    }
}

/// A word before the colon, and how such an address is written.
struct Scheme {
    name: &'static str,
    kind: &'static str,
    source: bool,
    sink: bool,
    form: &'static str,
}

#[rustfmt::skip] // a table
const SCHEMES: &[Scheme] = &[
    Scheme { name: "http", kind: "http", source: true, sink: false, form: "http://host/path" },
    Scheme { name: "https", kind: "http", source: true, sink: false, form: "https://host/path" },
    Scheme { name: "kafka", kind: "kafka", source: true, sink: true, form: "kafka://host:port[,host:port]/topic" },
    Scheme { name: "log", kind: "log", source: true, sink: true, form: "log:topic" },
    Scheme { name: "file", kind: "file", source: true, sink: true, form: "file:path" },
    Scheme { name: "generator", kind: "generator", source: true, sink: false, form: "generator:users" },
    Scheme { name: "cassandra", kind: "cassandra", source: false, sink: true, form: "cassandra://[user:password@]host[:port]/keyspace.table" },
    Scheme { name: "sqlite", kind: "sqlite", source: false, sink: true, form: "sqlite:path/table" },
    Scheme { name: "stdout", kind: "stdout", source: false, sink: true, form: "stdout:" },
    Scheme { name: "discard", kind: "discard", source: false, sink: true, form: "discard:" },
];

impl Role {
    fn accepts(self, scheme: &Scheme) -> bool {
        match self {
            Role::Source => scheme.source,
            Role::Sink | Role::DeadLetters => scheme.sink,
            Role::State => scheme.kind == "kafka",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Role::Source => "source",
            Role::Sink => "sink",
            Role::DeadLetters => "sink for dead letters",
            Role::State => "topic for state",
        }
    }
}

/// The words that an address of that role may begin with.
pub(super) fn schemes(role: Role) -> Vec<&'static str> {
    SCHEMES.iter().filter(|scheme| role.accepts(scheme)).map(|scheme| scheme.name).collect()
}

/// How the addresses of that role are written: kind and form.
#[cfg(test)]
pub(super) fn forms(role: Role) -> Vec<(&'static str, &'static str)> {
    SCHEMES.iter().filter(|scheme| role.accepts(scheme)).map(|scheme| (scheme.kind, scheme.form)).collect()
}

/// The kinds that there are in that role, each with the words that its addresses begin with.
pub(super) fn kinds(role: Role) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut kinds: Vec<(&str, Vec<&str>)> = Vec::new();
    for scheme in SCHEMES.iter().filter(|scheme| role.accepts(scheme)) {
        match kinds.iter_mut().find(|(kind, _)| *kind == scheme.kind) {
            Some((_, names)) => names.push(scheme.name),
            None => kinds.push((scheme.kind, vec![scheme.name])),
        }
    }
    kinds
}

fn bad(message: impl Into<String>, hint: impl Into<String>) -> UrlFault {
    UrlFault { code: "bad-url", message: message.into(), hint: hint.into() }
}

/// The kind that an address names, whatever else is wrong with it; `None` where it cannot have that role.
pub(super) fn kind_of(url: &str, role: Role) -> Option<&'static str> {
    let (name, _) = url.split_once(':')?;
    SCHEMES.iter().find(|scheme| scheme.name == name && role.accepts(scheme)).map(|scheme| scheme.kind)
}

/// Any address of that kind: lets the settings beside a faulty one be checked all the same.
pub(super) fn stand_in(kind: &str) -> Option<Address> {
    let text = String::new;
    Some(match kind {
        "http" => Address::Http,
        "kafka" => Address::Kafka { brokers: text(), topic: text() },
        "log" => Address::Log { topic: text() },
        "file" => Address::File { path: text() },
        "generator" => Address::Generator,
        "cassandra" => Address::Cassandra { user: None, nodes: Vec::new(), keyspace: text(), table: text() },
        "sqlite" => Address::Sqlite { path: text(), table: text() },
        "stdout" => Address::Stdout,
        "discard" => Address::Discard,
        _ => return None,
    })
}

/// Takes an address apart.
pub(super) fn parse(url: &str, role: Role) -> Result<Address, UrlFault> {
    let forms = || {
        let forms: Vec<_> =
            SCHEMES.iter().filter(|scheme| role.accepts(scheme)).map(|s| format!("`{}`", s.form)).collect();
        format!("a {} is one of {}", role.noun(), forms.join(", "))
    };
    let Some((name, rest)) = url.split_once(':') else {
        return Err(bad("the address has no scheme", forms()));
    };
    let Some(scheme) = SCHEMES.iter().find(|scheme| scheme.name == name) else {
        // whatever is no plain word may be anything, a secret too
        let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let message = match is_word {
            true => format!("there is no `{name}:` {}", role.noun()),
            false => "the address does not begin with the name of a scheme".to_owned(),
        };
        return Err(UrlFault { code: "unknown-scheme", message, hint: forms() });
    };
    if !role.accepts(scheme) {
        let message = match role {
            Role::Source => format!("`{name}:` is a sink and cannot be read"),
            Role::Sink | Role::DeadLetters => format!("`{name}:` is a source and cannot be written to"),
            Role::State => format!("state cannot be kept in `{name}:`"),
        };
        return Err(UrlFault { code: "wrong-scheme", message, hint: forms() });
    }
    let form = format!("write it as `{}`", scheme.form);
    match scheme.name {
        "http" | "https" => http(url, &form),
        "kafka" => kafka(rest, &form),
        "cassandra" => cassandra(rest, &form),
        "log" => topic(no_slashes(rest, name, &form)?).map(|topic| Address::Log { topic }),
        "file" => match path(rest, &form)? {
            "" => Err(bad("the address lacks the path", form)),
            path => Ok(Address::File { path: path.to_owned() }),
        },
        "sqlite" => sqlite(path(rest, &form)?, &form),
        "generator" if rest == "users" => Ok(Address::Generator),
        "generator" => Err(bad("the generator makes users and nothing else", form)),
        "stdout" if rest.is_empty() => Ok(Address::Stdout),
        "discard" if rest.is_empty() => Ok(Address::Discard),
        _ => Err(bad(format!("nothing may follow `{name}:`"), form)),
    }
}

fn http(url: &str, form: &str) -> Result<Address, UrlFault> {
    match reqwest::Url::parse(url) {
        // `http:host` would be accepted
        Ok(parsed) if parsed.has_host() && url.contains("://") => Ok(Address::Http),
        Ok(_) => Err(bad("the address lacks the host", form)),
        Err(error) => Err(bad(format!("the address is malformed: {error}"), form)),
    }
}

/// `rest` after `//`, split at the first `/` after its user: user, hosts, path.
fn authority<'a>(rest: &'a str, form: &str) -> Result<(Option<&'a str>, &'a str, &'a str), UrlFault> {
    let Some(rest) = rest.strip_prefix("//") else {
        return Err(bad("the address lacks `//` after the colon", form));
    };
    // the last one: a password may hold any character
    let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((user, hosts, path))
}

fn hosts(list: &str, default_port: u16, form: &str) -> Result<Vec<String>, UrlFault> {
    let mut hosts = Vec::new();
    for host in list.split(',') {
        let (name, port) = match host.rsplit_once(':') {
            // a colon within the brackets of an IPv6 address is not the port's
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (host, None),
        };
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let is_fine = match bare {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
        };
        if !is_fine {
            let what =
                if name.is_empty() { "the address lacks a host".to_owned() } else { format!("`{name}` is not a host") };
            return Err(bad(what, form));
        }
        let port = match port {
            None => default_port,
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                // not quoted: where the `@` was forgotten, a password stands here
                bad(format!("the port of `{name}` is not a number from 1 to 65535"), form)
            })?,
        };
        hosts.push(format!("{name}:{port}"));
    }
    Ok(hosts)
}

fn kafka(rest: &str, form: &str) -> Result<Address, UrlFault> {
    let (user, brokers, name) = authority(rest, form)?;
    if user.is_some() {
        let hint = "set `\"sasl.username\"` and `\"sasl.password\"` in `options` instead";
        return Err(bad("an address of Kafka has no user and password", hint));
    }
    let brokers = hosts(brokers, d::KAFKA_PORT, form)?.join(",");
    if name.is_empty() {
        return Err(bad("the address lacks the topic", form));
    }
    topic(name).map(|topic| Address::Kafka { brokers, topic })
}

fn cassandra(rest: &str, form: &str) -> Result<Address, UrlFault> {
    let (user, nodes, path) = authority(rest, form)?;
    let nodes = hosts(nodes, d::CASSANDRA_PORT, form)?;
    let Some((keyspace, table)) = path.split_once('.') else {
        return Err(bad("the address lacks keyspace and table", form));
    };
    identifier(keyspace, "keyspace")?;
    identifier(table, "table")?;
    let user = user.map(|user| match user.split_once(':') {
        Some((user, password)) => (percent_decoded(user), Some(percent_decoded(password))),
        None => (percent_decoded(user), None),
    });
    Ok(Address::Cassandra { user, nodes, keyspace: keyspace.to_owned(), table: table.to_owned() })
}

fn sqlite(rest: &str, form: &str) -> Result<Address, UrlFault> {
    match rest.rsplit_once('/') {
        Some((path, table)) if !path.is_empty() => {
            identifier(table, "table")?;
            Ok(Address::Sqlite { path: path.to_owned(), table: table.to_owned() })
        }
        _ => Err(bad("the address lacks the table", form)),
    }
}

/// `file:///path` is how browsers write `file:/path`; two slashes alone would name a host.
fn path<'a>(rest: &'a str, form: &str) -> Result<&'a str, UrlFault> {
    match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => Ok(path),
        Some(_) => Err(bad("`//` would begin the name of a host, and this is a path", form)),
        None => Ok(rest),
    }
}

fn no_slashes<'a>(rest: &'a str, scheme: &str, form: &str) -> Result<&'a str, UrlFault> {
    match rest.strip_prefix("//") {
        Some(_) => Err(bad(format!("`{scheme}:` has no host and so no `//`"), form)),
        None if rest.is_empty() => Err(bad("the address lacks the topic", form)),
        None => Ok(rest),
    }
}

/// Kafka's rule; the embedded log keeps to it, so that a pipeline can move.
pub(super) fn topic(name: &str) -> Result<String, UrlFault> {
    let is_fine = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !is_fine || !(1..=249).contains(&name.len()) || name == "." || name == ".." {
        return Err(UrlFault {
            code: "bad-name",
            message: format!("`{}` cannot be the name of a topic", name.escape_debug()),
            hint: "use 1 to 249 letters, digits, `.`, `_` and `-`".to_owned(),
        });
    }
    Ok(name.to_owned())
}

/// Cassandra's rule; SQLite's tables and columns keep to it, so that a pipeline can move.
pub(super) fn identifier(name: &str, what: &str) -> Result<(), UrlFault> {
    let is_fine = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_fine || name.len() > 48 || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(UrlFault {
            code: "bad-name",
            message: format!("`{}` cannot be the name of a {what}", name.escape_debug()),
            hint: "begin with a letter and use at most 48 letters, digits and `_`".to_owned(),
        });
    }
    Ok(())
}

/// `%40` is `@`. A `%` that begins no such code stands for itself.
fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn takes_addresses_apart() {
        let kafka = parse("kafka://a:1,b/users.v-1_x", Role::Source).unwrap();
        assert_eq!(kafka, Address::Kafka { brokers: "a:1,b:9092".to_owned(), topic: "users.v-1_x".to_owned() });
        let cassandra = parse("cassandra://me:p%40s/@s%@[::1]:9043,b/ks.t", Role::Sink).unwrap();
        let user = Some(("me".to_owned(), Some("p@s/@s%".to_owned())));
        let nodes = vec!["[::1]:9043".to_owned(), "b:9042".to_owned()];
        let (keyspace, table) = ("ks".to_owned(), "t".to_owned());
        assert_eq!(cassandra, Address::Cassandra { user, nodes, keyspace, table });
        let sqlite = parse("sqlite:some/users.db/created", Role::Sink).unwrap();
        assert_eq!(sqlite, Address::Sqlite { path: "some/users.db".to_owned(), table: "created".to_owned() });
        assert_eq!(parse("file:///tmp/x", Role::Source).unwrap(), Address::File { path: "/tmp/x".to_owned() });
        assert_eq!(parse("https://host/?results=10", Role::Source).unwrap(), Address::Http);
    }

    #[test]
    fn refuses_what_the_engines_would_refuse() {
        for (url, code) in [
            ("kafka://h:x/t", "bad-url"),
            ("kafka://h:0/t", "bad-url"),
            ("kafka://h:65536/t", "bad-url"),
            ("kafka://h:1,/t", "bad-url"),
            ("kafka://h:1", "bad-url"),
            ("kafka:h:1/t", "bad-url"),
            ("kafka://h:1/a/b", "bad-name"),
            ("kafka://u:p@h:1/t", "bad-url"),
            ("kafka://h h:1/t", "bad-url"),
            ("log:", "bad-url"),
            ("log://t", "bad-url"),
            ("log:..", "bad-name"),
            ("log:users created", "bad-name"),
            ("cassandra://h/ks", "bad-url"),
            ("cassandra://h/1ks.t", "bad-name"),
            ("cassandra://h/ks.t;drop", "bad-name"),
            ("sqlite:users.db", "bad-url"),
            ("sqlite:users.db/a b", "bad-name"),
            ("sqlite://users.db/t", "bad-url"),
            ("file:", "bad-url"),
            ("stdout:x", "bad-url"),
            ("http://h/", "wrong-scheme"),
            ("postgres://h/t", "unknown-scheme"),
            ("users", "bad-url"),
        ] {
            assert_eq!(parse(url, Role::Sink).unwrap_err().code, code, "{url}");
        }
        assert_eq!(parse("http://h/", Role::DeadLetters).unwrap_err().code, "wrong-scheme");
        assert_eq!(parse("http:host/x", Role::Source).unwrap_err().code, "bad-url");
        assert_eq!(parse("generator:orders", Role::Source).unwrap_err().code, "bad-url");
        assert!(topic(&"x".repeat(250)).is_err());
    }

    #[test]
    fn never_quotes_a_password() {
        for url in [
            "cassandra://u:hunter2@h:x/ks.t",
            "cassandra:u:hunter2@h/ks.t",
            "cassandra://u:hunter2@/ks.t",
            "cassandra://u:hun/hunter2@h/ks",
            "cassandra://u:hunter2/h/ks.t",
            "kafka://u:hunter2@h/t",
            "hunter2 with spaces://x",
            "https://u:hunter2@h:port/",
            "mysql://u:hunter2@h/t",
        ] {
            for role in [Role::Source, Role::Sink, Role::DeadLetters] {
                let fault = parse(url, role).unwrap_err();
                assert!(!fault.message.contains("hunter2") && !fault.hint.contains("hunter2"), "{url}: {fault:?}");
            }
        }
    }
}
