//! The one conversation with the host before records flow: settings in, needs out.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{Fields, Store, Typed, bindings};

/// A declared field of which only the kind is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field(pub(crate) u16);

/// A declared field that comes with its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextField(pub(crate) u16);

impl From<TextField> for Field {
    fn from(field: TextField) -> Self {
        Self(field.0)
    }
}

/// Reads a plugin's settings and takes down what it needs. Whatever is not declared does not reach the plugin, and
/// what does not reach it costs nothing.
pub struct Setup {
    config: String,
    config_read: bool,
    descriptor: bindings::Descriptor,
}

/// What the declarations mean for reading a batch.
#[derive(Default)]
pub(crate) struct Plan {
    /// By field: its place among those with text.
    text_columns: Vec<usize>,
}

impl Plan {
    pub(crate) fn text_column(&self, field: TextField) -> usize {
        self.text_columns.get(usize::from(field.0)).copied().unwrap_or(usize::MAX)
    }
}

impl Setup {
    pub(crate) fn new(config: &str, name: &str, version: &str) -> Self {
        Self {
            config: config.to_owned(),
            config_read: false,
            descriptor: bindings::Descriptor {
                name: name.to_owned(),
                version: version.to_owned(),
                state_version: 1,
                fields: Vec::new(),
                stores: Vec::new(),
                wants_values: false,
                wants_keys: false,
                wants_timestamps: false,
                wants_seeds: false,
            },
        }
    }

    /// The stage's settings. Put `#[serde(deny_unknown_fields)]` on `T`, so that a misspelt one is refused.
    /// A plugin that never calls this has no settings, and any that it is given are refused.
    pub fn config<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        self.config_read = true;
        let json = if self.config_is_empty() { "{}" } else { &self.config };
        serde_json::from_str(json).map_err(|error| {
            let message = error.to_string();
            // the place is one in the JSON that the host made of the settings: it would only mislead
            message.split(" at line ").next().unwrap_or(&message).to_owned()
        })
    }

    /// Declares a field, named by a JSON pointer, of which only the kind is needed.
    pub fn field(&mut self, pointer: &str) -> Field {
        Field(self.declare(pointer, false))
    }

    /// Declares a field, named by a JSON pointer, with its text.
    pub fn text(&mut self, pointer: &str) -> TextField {
        TextField(self.declare(pointer, true))
    }

    /// Declares the fields of a struct that [derives](derive@crate::Fields) [`Fields`].
    pub fn fields<T: Fields>(&mut self) -> Typed<T> {
        Typed::declare(self)
    }

    /// Declares a store, whose entries are forgotten after `ttl`, or never.
    pub fn store(&mut self, name: &str, ttl: Option<Duration>) -> Store {
        // less than a millisecond must not become zero, which means for ever
        let ttl_ms = ttl.map_or(0, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1));
        self.descriptor.stores.push(bindings::Store { name: name.to_owned(), ttl_ms });
        Store::new((self.descriptor.stores.len() - 1) as u32)
    }

    /// Raise it (from 1) whenever what the plugin keeps in its stores changes its meaning, and take over what is there in
    /// [`migrate`](crate::Plugin::migrate).
    pub fn state_version(&mut self, version: u32) {
        self.descriptor.state_version = version;
    }

    /// Asks for the records' bytes.
    pub fn want_values(&mut self) {
        self.descriptor.wants_values = true;
    }

    /// Asks for the records' keys.
    pub fn want_keys(&mut self) {
        self.descriptor.wants_keys = true;
    }

    /// Asks for the records' timestamps.
    pub fn want_timestamps(&mut self) {
        self.descriptor.wants_timestamps = true;
    }

    /// Asks for the records' random bits.
    pub fn want_seeds(&mut self) {
        self.descriptor.wants_seeds = true;
    }

    pub(crate) fn finish(self) -> Result<(bindings::Descriptor, Plan), String> {
        if !self.config_read && !self.config_is_empty() {
            let name = &self.descriptor.name;
            return Err(format!("`{name}` has no settings; remove the stage's `config`"));
        }
        let mut texts = 0;
        let text_columns = self.descriptor.fields.iter().map(|field| {
            texts += usize::from(field.text);
            if field.text { texts - 1 } else { usize::MAX }
        });
        let plan = Plan { text_columns: text_columns.collect() };
        Ok((self.descriptor, plan))
    }

    fn config_is_empty(&self) -> bool {
        matches!(self.config.trim(), "" | "null" | "{}")
    }

    fn declare(&mut self, pointer: &str, text: bool) -> u16 {
        let fields = &mut self.descriptor.fields;
        let place = fields.iter().position(|field| field.pointer == pointer).unwrap_or_else(|| {
            fields.push(bindings::Field { pointer: pointer.to_owned(), text: false });
            fields.len() - 1
        });
        if let Some(field) = fields.get_mut(place) {
            field.text |= text;
        }
        place as u16
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[allow(dead_code)]
        #[serde(default)]
        limit: u32,
    }

    #[test]
    fn a_field_declared_twice_is_one_field_and_gains_its_text() {
        let mut setup = Setup::new("", "p", "1");
        let kind = setup.field("/a");
        let b = setup.text("/b");
        let a = setup.text("/a");
        assert_eq!(kind, a.into());
        let (descriptor, plan) = setup.finish().unwrap();
        assert_eq!(descriptor.fields.len(), 2);
        assert_eq!((plan.text_column(a), plan.text_column(b)), (0, 1));
    }

    #[test]
    fn settings_of_a_plugin_without_settings_are_refused() {
        let message = Setup::new(r#"{"limit":1}"#, "p", "1").finish().err().unwrap();
        assert_eq!(message, "`p` has no settings; remove the stage's `config`");
        assert!(Setup::new("null", "p", "1").finish().is_ok());
    }

    #[test]
    fn a_misspelt_setting_is_named_without_a_place_in_the_json() {
        let message = Setup::new(r#"{"limits":1}"#, "p", "1").config::<Config>().unwrap_err();
        assert_eq!(message, "unknown field `limits`, expected `limit`");
    }

    #[test]
    fn a_short_ttl_never_becomes_for_ever() {
        let mut setup = Setup::new("", "p", "1");
        setup.store("a", Some(Duration::from_nanos(1)));
        setup.store("b", None);
        let stores = setup.finish().unwrap().0.stores;
        assert_eq!((stores[0].ttl_ms, stores[1].ttl_ms), (1, 0));
    }
}
