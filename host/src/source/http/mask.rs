//! An address as it may stand in a message: without what looks like a secret.

use reqwest::Url;

const SECRET_WORDS: [&str; 7] = ["key", "token", "secret", "password", "passwd", "signature", "auth"];
const MASK: &str = "***";

/// The address with user, password and suspicious query values masked. An address that cannot be taken apart is not
/// shown at all.
pub(super) fn mask(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else { return MASK.to_owned() };
    // Both fail only for addresses that cannot have a user, and then there is none.
    if !url.username().is_empty() && url.set_username(MASK).is_err() {
        return MASK.to_owned();
    }
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    let Some(query) = url.query() else { return url.into() };
    let masked: Vec<String> = query.split('&').map(masked_pair).collect();
    url.set_query(Some(&masked.join("&")));
    url.into()
}

fn masked_pair(pair: &str) -> String {
    let Some((name, _)) = pair.split_once('=') else { return pair.to_owned() };
    let lower = name.to_ascii_lowercase();
    if SECRET_WORDS.iter().any(|word| lower.contains(word)) { format!("{name}={MASK}") } else { pair.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_the_rest_is_kept() {
        assert_eq!(mask("https://host/api/?results=10&nat=de"), "https://host/api/?results=10&nat=de");
        assert_eq!(
            mask("https://h/a?API_Key=abc&n=1&access_token=x#f"),
            "https://h/a?API_Key=***&n=1&access_token=***#f"
        );
        assert_eq!(mask("https://me:hush@h/a"), "https://***:***@h/a");
        assert_eq!(mask("no address"), "***");
    }
}
