//! Walks the tables of the file: takes known settings out of them by name and type, and finds the unknown ones.
//!
//! Names, types and limits come from the table of settings; every mistake becomes a fault at its place and reading goes
//! on without the value. Nothing here knows what a setting is for.

use std::{borrow::Cow, ops::Range, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    context::{Context, Text},
    fault::Fault,
    quantity,
    secret::looks_secret,
    setting::{self, Place, Setting, Type},
    suggest::nearest,
};

/// One table of the file whose settings are ours.
pub(super) struct Section<'a> {
    /// Which one.
    pub place: Place,
    /// As it is written in the file: `[pipeline.source]`.
    pub header: Cow<'static, str>,
    /// Where it begins.
    pub span: Range<usize>,
    table: &'a DeTable<'a>,
    /// Known settings that a misspelt one was taken for: they are not missed as well.
    misspelt: Vec<&'static str>,
}

/// Words for what stands in the file.
fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => "a list of tables",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl<'a> Section<'a> {
    pub fn new(place: Place, table: &'a DeTable<'a>, span: Range<usize>) -> Self {
        Self { place, header: Cow::Borrowed(place.header()), span, table, misspelt: Vec::new() }
    }

    /// The header of a table in this one, without brackets.
    fn path_of(&self, name: &str) -> String {
        match self.place {
            Place::File => name.to_owned(),
            _ => format!("{}.{name}", self.header.trim_matches(['[', ']'])),
        }
    }

    /// The text of a setting as it stands in the file, if it is one.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.table.get(name)?.get_ref().as_str()
    }

    /// Whether the file has that setting, whatever its value.
    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Where the value of a setting stands, or else the table.
    pub fn value_span(&self, name: &str) -> Range<usize> {
        self.table.get(name).map_or(self.span.clone(), Spanned::span)
    }

    /// Finds what is no setting of this table, or one of another kind of source or sink. Without a kind (because the
    /// address is faulty), what any kind has is accepted.
    pub fn check_names(&mut self, cx: &mut Context<'_>, kind: Option<&str>) {
        for (key, value) in self.table {
            let name: &str = key.get_ref();
            if matches!(name, "headers" | "options") || looks_secret(name) {
                // whatever is wrong with them or with the address
                cx.hide(value);
            }
            match setting::find(self.place, name) {
                Some(setting) if setting.is_for(kind) => {}
                Some(setting) => cx.fault(self.of_another_kind(setting, kind.unwrap_or_default(), key.span())),
                None => self.unknown(cx, kind, key, value),
            }
        }
    }

    fn of_another_kind(&self, setting: &Setting, kind: &str, span: Range<usize>) -> Fault {
        let noun = self.place.noun();
        let message =
            format!("`{}` is a setting of {} {noun}s; this one is {kind}", setting.name, setting.kinds.join(" and "));
        Fault::new("misplaced-setting", span, message).hint("remove it, or change the `url`").label("not for this kind")
    }

    fn unknown(
        &mut self,
        cx: &mut Context<'_>,
        kind: Option<&str>,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let name: &str = key.get_ref();
        let known: Vec<_> = setting::of(self.place, kind).map(|setting| setting.name).collect();
        let elsewhere =
            [Place::File, Place::Host, Place::Pipeline, Place::Source, Place::Stage, Place::Sink, Place::Create]
                .into_iter()
                .find(|place| *place != self.place && setting::find(*place, name).is_some());
        let meant = nearest(name, known.iter().copied());
        if looks_secret(name) || matches!(meant, Some("headers" | "options")) {
            cx.hide(value);
        }
        let shown = name.escape_debug();
        let fault = match (meant, elsewhere) {
            (None, Some(place)) => {
                let message = format!("`{shown}` is a setting of {}, not of {}", place.header(), self.header);
                Fault::new("misplaced-setting", key.span(), message).hint("move it there")
            }
            (meant, _) => {
                self.misspelt.extend(known.iter().copied().filter(|known| Some(*known) == meant));
                let hint = match meant {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("there are {}", quote_all(&known)),
                };
                let message = format!("`{shown}` is not a setting of {}", self.header);
                Fault::new("unknown-setting", key.span(), message).hint(hint)
            }
        };
        cx.fault(fault.label("unknown here"));
    }

    /// Notes that a required setting is missing, unless it is there or was misspelt.
    pub fn require(&self, cx: &mut Context<'_>, name: &'static str, hint: &str) {
        if self.has(name) || self.misspelt.contains(&name) {
            return;
        }
        let message = format!("{} lacks `{name}`", self.header);
        cx.fault(Fault::new("missing-setting", self.span.clone(), message).hint(hint).label("not in here"));
    }

    pub(super) fn get(&self, name: &str) -> Option<(&'static Setting, &'a Spanned<DeValue<'a>>)> {
        debug_assert!(setting::find(self.place, name).is_some(), "`{name}` is not in the table of settings");
        Some((setting::find(self.place, name)?, self.table.get(name)?))
    }

    pub(super) fn wrong_type(
        &self,
        cx: &mut Context<'_>,
        setting: &Setting,
        value: &Spanned<DeValue<'_>>,
        example: &str,
    ) {
        let kind = &setting.kind_of_value;
        let message = format!("`{}` is {kind}, found {}", setting.name, found(value.get_ref()));
        let fault = Fault::new("wrong-type", value.span(), message).label(found(value.get_ref()));
        cx.fault(if example.is_empty() { fault } else { fault.hint(example) });
    }

    /// A text.
    pub fn text(&self, cx: &mut Context<'_>, name: &str) -> Option<Text> {
        let (setting, value) = self.get(name)?;
        match value.get_ref() {
            DeValue::String(text) => cx.substitute(text, value.span()),
            _ => {
                self.wrong_type(cx, setting, value, "write it in quotes");
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn flag(&self, cx: &mut Context<'_>, name: &str) -> Option<bool> {
        let (setting, value) = self.get(name)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => return Some(*flag),
            DeValue::String(text) => {
                let text = cx.substitute(text, value.span())?;
                if let (true, Ok(flag)) = (text.from_variable, text.value.parse()) {
                    return Some(flag);
                }
            }
            _ => {}
        }
        self.wrong_type(cx, setting, value, "write `true` or `false`, without quotes");
        None
    }

    /// A number within its limits. A variable may hold it, as TOML has no other way to take a number from one.
    pub fn count(&self, cx: &mut Context<'_>, name: &str) -> Option<u64> {
        let (setting, value) = self.get(name)?;
        let Type::Count(_, least, most) = &setting.kind_of_value else { return None };
        let number = match value.get_ref() {
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).ok(),
            DeValue::String(text) => {
                let text = cx.substitute(text, value.span())?;
                text.value.parse().ok().filter(|_| text.from_variable)
            }
            _ => None,
        };
        let Some(number) = number else {
            self.wrong_type(cx, setting, value, "write a number, without quotes");
            return None;
        };
        let count = u64::try_from(number).ok().filter(|count| (*least..=*most).contains(count));
        if count.is_none() {
            let message = format!("`{name}` is {number}; it may be {least} to {most}");
            let hint = setting.default.in_words(|| format!("choose {} in between", setting.kind_of_value));
            cx.fault(Fault::new("out-of-range", value.span(), message).hint(hint));
        }
        count
    }

    /// A size in bytes within its limits.
    pub fn bytes(&self, cx: &mut Context<'_>, name: &str) -> Option<usize> {
        let (setting, value) = self.get(name)?;
        let Type::Bytes(least, most) = &setting.kind_of_value else { return None };
        let bytes = match value.get_ref() {
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).ok(),
            DeValue::String(text) => {
                let text = cx.substitute(text, value.span())?;
                let Some(bytes) = quantity::parse_bytes(&text.value) else {
                    let message = format!("`{name}` is a size in bytes, not {}", text.quoted());
                    let hint = "write it like `\"64MiB\"`, `\"1 MB\"` or `1048576`";
                    cx.fault(Fault::new("bad-value", text.span, message).hint(hint));
                    return None;
                };
                Some(i128::from(bytes))
            }
            _ => None,
        };
        let Some(bytes) = bytes else {
            self.wrong_type(cx, setting, value, "write it like `\"64MiB\"`, `\"1 MB\"` or `1048576`");
            return None;
        };
        let size = u64::try_from(bytes).ok().filter(|bytes| (*least..=*most).contains(bytes));
        if size.is_none() {
            let (least, most) = (quantity::show_bytes(*least), quantity::show_bytes(*most));
            let bytes = u64::try_from(bytes).map_or(bytes.to_string(), quantity::show_bytes);
            let message = format!("`{name}` is {bytes}; it may be {least} to {most}");
            let hint = setting.default.in_words(|| "choose a size in between".to_owned());
            cx.fault(Fault::new("out-of-range", value.span(), message).hint(hint));
        }
        size.and_then(|size| usize::try_from(size).ok())
    }

    /// A duration within its limits.
    pub fn time(&self, cx: &mut Context<'_>, name: &str) -> Option<Duration> {
        let (setting, value) = self.get(name)?;
        let Type::Time(least, most) = &setting.kind_of_value else { return None };
        let DeValue::String(text) = value.get_ref() else {
            self.wrong_type(cx, setting, value, "write it with a unit, in quotes: `\"10s\"`, `\"5ms\"`, `\"1h 30m\"`");
            return None;
        };
        let text = cx.substitute(text, value.span())?;
        let time = match quantity::parse_time(&text.value) {
            Ok(time) => time,
            Err(reason) => {
                // the reason may quote the value
                let reason = if text.from_variable { "it is not one" } else { &reason };
                let message = format!("`{name}` is a duration, not {}: {reason}", text.quoted());
                let hint = "write it like `\"10s\"`, `\"5ms\"` or `\"1h 30m\"`";
                cx.fault(Fault::new("bad-value", text.span, message).hint(hint));
                return None;
            }
        };
        if !(*least..=*most).contains(&time) {
            let show = |time: &Duration| humantime::format_duration(*time).to_string();
            let message = format!("`{name}` is {}; it may be {} to {}", show(&time), show(least), show(most));
            let hint = setting.default.in_words(|| "choose a time in between".to_owned());
            cx.fault(Fault::new("out-of-range", text.span, message).hint(hint));
            return None;
        }
        Some(time)
    }

    /// A table with settings of ours.
    pub fn section(&self, cx: &mut Context<'_>, name: &str, place: Place) -> Option<Section<'a>> {
        let (setting, value) = self.get(name)?;
        match value.get_ref() {
            DeValue::Table(table) => {
                let header = Cow::Owned(format!("[{}]", self.path_of(name)));
                Some(Section { header, ..Section::new(place, table, value.span()) })
            }
            _ => {
                self.wrong_type(cx, setting, value, &format!("write it as `[{}]`", self.path_of(name)));
                None
            }
        }
    }

    /// A list of tables with settings of ours.
    pub fn sections(&self, cx: &mut Context<'_>, name: &str, place: Place) -> Vec<Section<'a>> {
        let Some((setting, value)) = self.get(name) else { return Vec::new() };
        let hint = format!("write each as `{}`", place.header());
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(cx, setting, value, &hint);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Section::new(place, table, item.span())),
                _ => self.wrong_type(cx, setting, item, &hint),
            }
        }
        sections
    }

    /// A value of any content that must be a table.
    pub fn table(&self, cx: &mut Context<'_>, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let (setting, value) = self.get(name)?;
        if !value.get_ref().is_table() {
            self.wrong_type(cx, setting, value, "write it as a table");
            return None;
        }
        Some(value)
    }

    /// A table whose keys are the user's own and whose values are texts (numbers and flags are taken as they are
    /// written), in the order of the file.
    pub fn texts(&self, cx: &mut Context<'_>, name: &str) -> Vec<(Text, Text)> {
        let Some(value) = self.table(cx, name) else { return Vec::new() };
        let mut entries: Vec<_> = value.get_ref().as_table().into_iter().flatten().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut texts = Vec::new();
        for (key, value) in entries {
            let plain = |text: &str| Text { value: text.to_owned(), span: value.span(), from_variable: false };
            let text = match value.get_ref() {
                DeValue::String(text) => cx.substitute(text, value.span()),
                DeValue::Integer(number) if number.radix() == 10 => Some(plain(number.as_str())),
                DeValue::Float(number) => Some(plain(number.as_str())),
                DeValue::Boolean(flag) => Some(plain(if *flag { "true" } else { "false" })),
                _ => {
                    let key = key.get_ref().escape_debug();
                    let message = format!("`{key}` in `{name}` is a text, found {}", found(value.get_ref()));
                    cx.fault(Fault::new("wrong-type", value.span(), message).hint("write it in quotes"));
                    None
                }
            };
            let key = Text { value: key.get_ref().to_string(), span: key.span(), from_variable: false };
            texts.extend(text.map(|text| (key, text)));
        }
        texts
    }
}

impl setting::Default {
    /// "the default is …", where there is one that can be said.
    fn in_words(&self, otherwise: impl FnOnce() -> String) -> String {
        match self {
            setting::Default::Required | setting::Default::Words(_) => otherwise(),
            default => format!("the default is {default}"),
        }
    }
}

/// "`a`, `b` and `c`"
pub(super) fn quote_all(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}
