//! Where in the document are we, and what stands here?
//!
//! `oci-spec` has a type for the whole of config.json, but reading into it stops at the first value
//! that does not fit, takes a missing number for 0, and refuses the whole over one capability that it
//! does not know. So the document is read piece by piece: each piece into its `oci-spec` type, each
//! mistake into the notes, and what is required is looked for here.

use std::fmt::Display;
use std::rc::Rc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::complaints::{Complaint, Notes, Remark};

/// A value of the document, its place, and where notes about it are taken.
#[derive(Clone)]
pub(crate) struct At<'a> {
    value: &'a Value,
    /// None for the document itself.
    place: Option<Rc<Place<'a>>>,
    notes: &'a Notes,
}

/// The way to a value. It is put into words only for a note, and most documents need none.
struct Place<'a> {
    above: Option<Rc<Place<'a>>>,
    last: Last<'a>,
}

enum Last<'a> {
    Field(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    /// The document itself.
    pub(crate) fn document(value: &'a Value, notes: &'a Notes) -> At<'a> {
        At { value, place: None, notes }
    }

    fn below(&self, last: Last<'a>, value: &'a Value) -> At<'a> {
        let place = Place { above: self.place.clone(), last };
        At { value, place: Some(Rc::new(place)), notes: self.notes }
    }

    fn path(&self) -> String {
        self.place.as_ref().map_or_else(String::new, |place| place.path())
    }

    /// A field of this object, if it is there. Go's encoders write `null` for what is not set, so
    /// that is the same.
    pub(crate) fn field(&self, name: &str) -> Option<At<'a>> {
        let map = self.value.as_object()?;
        let Some((name, value)) = map.get_key_value(name) else {
            self.look_for_other_case(map, name);
            return None;
        };
        (!value.is_null()).then(|| self.below(Last::Field(name), value))
    }

    /// To runtimes in Go `Seccomp` is `seccomp`. By the specification it is a field that nobody
    /// knows, and who wrote it should hear that it does nothing.
    fn look_for_other_case(&self, map: &Map<String, Value>, name: &str) {
        if let Some(key) = map.keys().find(|key| key.eq_ignore_ascii_case(name)) {
            let path = self.path_of(key);
            let what = format!("is not known and does nothing; is {name:?} meant?");
            self.notes.remark(Remark { path, what });
        }
    }

    /// A field that the specification calls REQUIRED.
    pub(crate) fn required(&self, name: &str) -> Option<At<'a>> {
        let field = self.field(name);
        if field.is_none() {
            self.missing(name);
        }
        field
    }

    /// Complains that a field is not there.
    pub(crate) fn missing(&self, name: &str) {
        let path = self.path_of(name);
        let right = "a value, for the specification requires it".to_string();
        self.notes.complain(Complaint { path, wrong: "is missing".to_string(), right });
    }

    /// A field that holds an object, if it is there.
    pub(crate) fn object(&self, name: &str) -> Option<At<'a>> {
        self.field(name).filter(At::is_object)
    }

    /// Whether this is an object; complains if not.
    pub(crate) fn is_object(&self) -> bool {
        let is = self.value.is_object();
        if !is {
            self.wrong(format!("is {}", kind(self.value)), "an object");
        }
        is
    }

    /// The entries of a list, none if it is not there.
    pub(crate) fn items(&self, name: &str) -> Vec<At<'a>> {
        self.field(name).and_then(|field| field.list()).unwrap_or_default()
    }

    /// The entries of this list; complains if it is none.
    pub(crate) fn list(&self) -> Option<Vec<At<'a>>> {
        if !self.value.is_array() {
            self.wrong(format!("is {}", kind(self.value)), "a list");
            return None;
        }
        Some(self.children())
    }

    /// The entries of a list that are objects; complains about the others.
    pub(crate) fn objects(&self, name: &str) -> Vec<At<'a>> {
        self.items(name).into_iter().filter(At::is_object).collect()
    }

    /// The entries of an object that is a map, in the order of their keys.
    pub(crate) fn entries(&self, name: &str) -> Vec<(&'a str, At<'a>)> {
        let Some(map) = self.object(name) else {
            return Vec::new();
        };
        let entries = map.value.as_object().into_iter().flatten();
        let entry =
            |(key, value): (&'a String, _)| (key.as_str(), map.below(Last::Field(key), value));
        entries.filter(|(_, value)| !value.is_null()).map(entry).collect()
    }

    /// The value as a type; complains where it is none, with the place inside of it.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        match serde_path_to_error::deserialize(self.value) {
            Ok(value) => Some(value),
            Err(error) => {
                let inner = error.path().to_string();
                let path = match inner.as_str() {
                    "." | "" => self.path(),
                    inner => format!("{}.{inner}", self.path()),
                };
                let (wrong, right) = split_message(&error.inner().to_string());
                self.notes.complain(Complaint { path, wrong, right });
                None
            }
        }
    }

    /// A field as a type, if it is there.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.field(name).and_then(|field| field.read())
    }

    /// A required field as a type.
    pub(crate) fn need<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.required(name).and_then(|field| field.read())
    }

    /// A text field; an empty one is none, as for every program in Go that wrote it.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get::<String>(name).filter(|text| !text.is_empty())
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.items(name).iter().filter_map(At::read).collect()
    }

    /// A number with a range; complains when it lies outside.
    pub(crate) fn within(&self, name: &str, low: i64, high: i64) -> Option<i64> {
        let field = self.field(name)?;
        let number: i64 = field.read()?;
        if !(low..=high).contains(&number) {
            field.wrong(format!("{number} is out of range"), format!("{low} to {high}"));
            return None;
        }
        Some(number)
    }

    /// Complains about this value.
    pub(crate) fn wrong(&self, wrong: impl Display, right: impl Display) {
        let complaint =
            Complaint { path: self.path(), wrong: wrong.to_string(), right: right.to_string() };
        self.notes.complain(complaint);
    }

    /// Complains about a field of this object.
    pub(crate) fn wrong_field(&self, name: &str, wrong: impl Display, right: impl Display) {
        let complaint = Complaint {
            path: self.path_of(name),
            wrong: wrong.to_string(),
            right: right.to_string(),
        };
        self.notes.complain(complaint);
    }

    /// Notes something that is tolerated.
    pub(crate) fn odd(&self, what: impl Display) {
        self.notes.remark(Remark { path: self.path(), what: what.to_string() });
    }

    /// Refuses the zero byte in every text below: the kernel would read only what stands before it.
    pub(crate) fn no_zero_bytes(&self) {
        if !has_zero_byte(self.value) {
            return;
        }
        let wrong = |what: &str, text: &str| {
            self.wrong(format!("{what} {text:?} has a zero byte in it"), "text without one");
        };
        match self.value {
            Value::String(text) if text.contains('\0') => wrong("the text", text),
            Value::Object(map) => {
                map.keys().filter(|key| key.contains('\0')).for_each(|key| wrong("the name", key));
            }
            _ => {}
        }
        self.children().iter().for_each(At::no_zero_bytes);
    }

    fn children(&self) -> Vec<At<'a>> {
        match self.value {
            Value::Array(values) => {
                let at = |(index, value)| self.below(Last::Index(index), value);
                values.iter().enumerate().map(at).collect()
            }
            Value::Object(map) => {
                let at = |(key, value): (&'a String, _)| self.below(Last::Field(key), value);
                map.iter().map(at).collect()
            }
            _ => Vec::new(),
        }
    }

    fn path_of(&self, name: &str) -> String {
        with_name(self.path(), name)
    }
}

impl Place<'_> {
    fn path(&self) -> String {
        let above = self.above.as_ref().map_or_else(String::new, |place| place.path());
        match self.last {
            Last::Field(name) => with_name(above, name),
            Last::Index(index) => format!("{above}[{index}]"),
        }
    }
}

fn with_name(path: String, name: &str) -> String {
    let simple = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match (path.as_str(), !name.is_empty() && name.chars().all(simple)) {
        ("", true) => name.to_string(),
        (path, true) => format!("{path}.{name}"),
        (path, false) => format!("{path}[{name:?}]"),
    }
}

fn has_zero_byte(value: &Value) -> bool {
    let has = |text: &String| text.as_bytes().contains(&0);
    match value {
        Value::String(text) => has(text),
        Value::Array(values) => values.iter().any(has_zero_byte),
        Value::Object(map) => map.iter().any(|(key, value)| has(key) || has_zero_byte(value)),
        _ => false,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// serde says both in one sentence, in the words of Rust: "invalid type: string "x", expected u32".
fn split_message(message: &str) -> (String, String) {
    let (wrong, right) = message.split_once(", expected ").unwrap_or((message, ""));
    let wrong = match wrong.split_once(": ").or(wrong.split_once(" variant ")) {
        Some(("invalid type" | "invalid value", what)) => format!("is the {what}"),
        Some(("unknown", what)) => format!("{what} is not known"),
        _ => wrong.to_string(),
    };
    let right = match right {
        "" => "a value as in the specification",
        "a string" | "string or map" => "text",
        "a boolean" => "true or false",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i64" => "a whole number",
        other => other,
    };
    (wrong, right.to_string())
}
