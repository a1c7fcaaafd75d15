//! Names of fields as they stand in records, and the JSON pointers (RFC 6901) that they stand for.

/// How the names of a struct's fields are turned into those of records, as serde does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Case {
    #[default]
    AsWritten,
    Camel,
    Pascal,
    Kebab,
    Screaming,
}

impl Case {
    /// Their names in an attribute.
    pub(crate) const WORDS: &str = "`camelCase`, `PascalCase`, `kebab-case` and `SCREAMING_SNAKE_CASE`";

    pub(crate) fn of(word: &str) -> Option<Self> {
        match word {
            "camelCase" => Some(Self::Camel),
            "PascalCase" => Some(Self::Pascal),
            "kebab-case" => Some(Self::Kebab),
            "SCREAMING_SNAKE_CASE" => Some(Self::Screaming),
            _ => None,
        }
    }

    /// The name of a field that is called `name` in Rust.
    pub(crate) fn apply(self, name: &str) -> String {
        let capital = |word: &str| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
        };
        match self {
            Self::AsWritten => name.to_owned(),
            Self::Pascal => name.split('_').map(capital).collect(),
            Self::Camel => {
                let mut words = name.split('_');
                words.next().unwrap_or_default().to_owned() + &words.map(capital).collect::<String>()
            }
            Self::Kebab => name.replace('_', "-"),
            Self::Screaming => name.to_ascii_uppercase(),
        }
    }
}

/// The pointer of a name (`id`), or of what is a pointer already (`/location/city`); an error says what is wrong with it.
pub(crate) fn to_pointer(field: &str) -> Result<String, String> {
    if field.is_empty() {
        return Err("a field's name is empty; write a name (`id`) or a JSON pointer (`/location/city`)".to_owned());
    }
    if !field.starts_with('/') {
        return Ok(format!("/{}", field.replace('~', "~0").replace('/', "~1")));
    }
    if field.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
        return Err(format!("`{field}` is no JSON pointer: write `~0` for `~` and `~1` for `/` in a name"));
    }
    Ok(field.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_turned_as_serde_turns_them() {
        let all = |name| {
            [Case::AsWritten, Case::Camel, Case::Pascal, Case::Kebab, Case::Screaming].map(|case| case.apply(name))
        };
        assert_eq!(all("post_code"), ["post_code", "postCode", "PostCode", "post-code", "POST_CODE"]);
        assert_eq!(all("id"), ["id", "id", "Id", "id", "ID"]);
    }

    #[test]
    fn names_and_pointers_name_the_same_field() {
        assert_eq!(to_pointer("a/b~c"), Ok("/a~1b~0c".to_owned()));
        assert_eq!(to_pointer("/location/city"), Ok("/location/city".to_owned()));
        assert!(to_pointer("").is_err() && to_pointer("/a~2").is_err());
    }
}
