//! Settings whose values are words of ours: one of them, or a list of some.

use toml::de::DeValue;

use super::{
    context::{Context, Text},
    fault::Fault,
    setting::Type,
    suggest::nearest,
    tree::Section,
};

impl Section<'_> {
    /// One of a few words.
    pub fn choice(&self, cx: &mut Context<'_>, name: &str) -> Option<&'static str> {
        let (setting, _) = self.get(name)?;
        let text = self.text(cx, name)?;
        let Type::OneOf(words) = &setting.kind_of_value else { return None };
        choose(cx, name, words, &setting.kind_of_value, text)
    }

    /// A list of some of a few words; what is none of them is a fault and left out.
    pub fn choices(&self, cx: &mut Context<'_>, name: &str) -> Vec<&'static str> {
        let Some((setting, value)) = self.get(name) else { return Vec::new() };
        let Type::AnyOf(words) = &setting.kind_of_value else { return Vec::new() };
        let hint = "write it as a list of words in quotes";
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(cx, setting, value, hint);
            return Vec::new();
        };
        let mut chosen = Vec::new();
        for item in items {
            let DeValue::String(text) = item.get_ref() else {
                self.wrong_type(cx, setting, item, hint);
                continue;
            };
            let Some(text) = cx.substitute(text, item.span()) else { continue };
            chosen.extend(choose(cx, name, words, &setting.kind_of_value, text));
        }
        chosen
    }
}

/// The word that was meant; a fault where it is none of them.
fn choose(
    cx: &mut Context<'_>,
    name: &str,
    words: &[&'static str],
    kind_of_value: &Type,
    text: Text,
) -> Option<&'static str> {
    let chosen = words.iter().find(|word| **word == text.value);
    if chosen.is_none() {
        let message = format!("`{name}` is {kind_of_value}, not {}", text.quoted());
        let hint = match nearest(&text.value, words.iter().copied()) {
            Some(meant) => format!("did you mean `\"{meant}\"`?"),
            None => format!("write {kind_of_value}"),
        };
        cx.fault(Fault::new("bad-value", text.span, message).hint(hint));
    }
    chosen.copied()
}
