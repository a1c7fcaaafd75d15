//! Field names as people write them in `pipeline.toml`, and the JSON pointers (RFC 6901) that they stand for.

/// The pointer of a field that is written as a name (`id`) or as a pointer already (`/location/city`).
pub fn to_pointer(field: &str) -> Result<String, String> {
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

/// The last name in a field that is written as a name or as a pointer: `city` for `/location/city`.
pub fn field_name(field: &str) -> String {
    match field.strip_prefix('/') {
        Some(pointer) => pointer.rsplit('/').next().unwrap_or(pointer).replace("~1", "/").replace("~0", "~"),
        None => field.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_and_pointers_name_the_same_field() {
        assert_eq!(to_pointer("id").unwrap(), "/id");
        assert_eq!(to_pointer("/location/city").unwrap(), "/location/city");
        assert_eq!(to_pointer("a/b~c").unwrap(), "/a~1b~0c");
        assert_eq!(field_name("a/b~c"), "a/b~c");
        assert_eq!(field_name("/x/a~1b~0c"), "a/b~c");
        assert_eq!(field_name("/location/city"), "city");
    }

    #[test]
    fn an_empty_name_and_a_bad_escape_are_refused() {
        assert!(to_pointer("").is_err());
        assert!(to_pointer("/a~2").is_err());
        assert!(to_pointer("/a~").is_err());
    }
}
