//! Applying edits to a document that is kept as JSON text.
//!
//! Only the objects that an edit passes through are taken apart; everything else is copied as the
//! text that it was. So fields that the component does not know, the order of names, and numbers
//! that fit no machine type (`1.0`, `12345678901234567890`, `1e2`) stay to the letter. A detour
//! through [`serde_json::Value`] would keep none of them.
//!
//! Should an object name a field twice (RFC 8259, section 4, calls that unpredictable), the last
//! one counts, as for most readers; removing the field removes all of them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::{Edit, Error};

/// The most names in the path of an edit. Bounds the depth of recursion here.
pub const MAX_PATH: usize = 16;

/// The most bytes of a document: below what every engine takes (MongoDB: 16 MiB), far above what
/// the component writes.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The document after the edits, in their order, with `key` in its field `email`. `None` stands
/// for a document that does not exist yet.
///
/// Objects that are missing on the way to a new value are made; removing what is not there is
/// fine.
///
/// # Errors
/// [`Error::Damaged`] when `document` is not a JSON object; [`Error::Other`] when an edit cannot be
/// made: a path without names or with more than [`MAX_PATH`], a path through something that is not
/// an object, a value that is not JSON, or a result larger than [`MAX_BYTES`]. The texts hold
/// nothing of the document.
pub fn apply(document: Option<&str>, edits: &[Edit], key: &str) -> Result<String, Error> {
    let failed = |error: serde_json::Error| Error::Other(format!("no JSON text: {error}"));
    let email = to_raw_value(key).map_err(failed)?;
    let mut root = match document {
        None => Node::Object(vec![("email".to_owned(), Node::Text(&email))]),
        Some(text) => Node::Object(members(text).ok_or_else(not_an_object)?),
    };
    for (number, edit) in edits.iter().enumerate() {
        let refused = |why: &str| Error::Other(format!("edit {}: {why}", number + 1));
        if edit.path.is_empty() || edit.path.len() > MAX_PATH {
            return Err(refused("a path has 1 to 16 names"));
        }
        let value = match &edit.value {
            None => None,
            Some(text) => Some(
                serde_json::from_str::<&RawValue>(text)
                    .map_err(|_| refused("the value is not JSON"))?,
            ),
        };
        change(&mut root, &edit.path, value)
            .map_err(|NotAnObject| refused("the path leads through a value that is no object"))?;
    }
    // Last, so that no edit can give a record an address that it is not found by.
    change(&mut root, &["email".to_owned()], Some(&email))
        .map_err(|NotAnObject| not_an_object())?;
    let text = serde_json::to_string(&root).map_err(failed)?;
    if text.len() > MAX_BYTES {
        return Err(Error::Other(format!("a document of more than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

fn not_an_object() -> Error {
    Error::Damaged("a record is not a JSON object; restore it from a backup or remove it".into())
}

/// A value: as text until an edit leads into it.
enum Node<'a> {
    Text(&'a RawValue),
    Object(Vec<(String, Node<'a>)>),
}

struct NotAnObject;

/// Sets or removes what the path leads to.
fn change<'a>(
    node: &mut Node<'a>,
    path: &[String],
    value: Option<&'a RawValue>,
) -> Result<(), NotAnObject> {
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    let fields = node.open()?;
    if rest.is_empty() && value.is_none() {
        fields.retain(|(other, _)| other != name);
        return Ok(());
    }
    let found = fields.iter_mut().rfind(|(other, _)| other == name).map(|(_, field)| field);
    match (found, value) {
        (Some(field), Some(value)) if rest.is_empty() => *field = Node::Text(value),
        (Some(field), value) => change(field, rest, value)?,
        (None, None) => {}
        (None, Some(value)) if rest.is_empty() => fields.push((name.clone(), Node::Text(value))),
        (None, value) => {
            let mut made = Node::Object(Vec::new());
            change(&mut made, rest, value)?;
            fields.push((name.clone(), made));
        }
    }
    Ok(())
}

impl<'a> Node<'a> {
    fn open(&mut self) -> Result<&mut Vec<(String, Node<'a>)>, NotAnObject> {
        if let Node::Text(text) = self {
            *self = Node::Object(members(text.get()).ok_or(NotAnObject)?);
        }
        match self {
            Node::Object(fields) => Ok(fields),
            Node::Text(_) => Err(NotAnObject),
        }
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Text(text) => text.serialize(serializer),
            Node::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(name, field)| (name, field)))
            }
        }
    }
}

/// The fields of an object in their order, or `None` when the text is something else.
fn members(text: &str) -> Option<Vec<(String, Node<'_>)>> {
    struct Fields<'a>(Vec<(String, Node<'a>)>);
    struct Reader;

    impl<'de> Visitor<'de> for Reader {
        type Value = Fields<'de>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
            let mut fields = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                fields.push((name, Node::Text(value)));
            }
            Ok(Fields(fields))
        }
    }

    impl<'de> Deserialize<'de> for Fields<'de> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Reader)
        }
    }

    serde_json::from_str::<Fields<'_>>(text).ok().map(|Fields(fields)| fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(path: &[&str], value: Option<&str>) -> Edit {
        Edit {
            path: path.iter().map(|name| (*name).to_owned()).collect(),
            value: value.map(str::to_owned),
        }
    }

    fn edited(document: &str, path: &[&str], value: Option<&str>) -> String {
        apply(Some(document), &[edit(path, value)], "k").unwrap()
    }

    #[test]
    fn a_new_document_begins_with_its_key() {
        let made = apply(None, &[edit(&["a"], Some("1"))], "a\"b@c.d").unwrap();
        assert_eq!(made, r#"{"email":"a\"b@c.d","a":1}"#);
    }

    #[test]
    fn what_no_edit_names_stays_to_the_letter() {
        let before = r#"{"z":1.0,"email":"k","a":[ 1e2, 12345678901234567890 ],"é":{"x" : -0}}"#;
        let after = edited(before, &["b"], Some("1E+2"));
        assert_eq!(
            after,
            r#"{"z":1.0,"email":"k","a":[ 1e2, 12345678901234567890 ],"é":{"x" : -0},"b":1E+2}"#
        );
    }

    #[test]
    fn an_opened_object_keeps_its_other_fields_and_their_order() {
        let before = r#"{"email":"k","c":{"z":1.0,"y":{"n":1e400},"x":null}}"#;
        assert_eq!(
            edited(before, &["c", "y", "m"], Some("true")),
            r#"{"email":"k","c":{"z":1.0,"y":{"n":1e400,"m":true},"x":null}}"#
        );
        assert_eq!(
            edited(before, &["c", "z"], Some("2")),
            r#"{"email":"k","c":{"z":2,"y":{"n":1e400},"x":null}}"#
        );
    }

    #[test]
    fn missing_objects_are_made_for_a_value_and_not_for_a_removal() {
        let before = r#"{"email":"k"}"#;
        assert_eq!(edited(before, &["a", "b"], Some("1")), r#"{"email":"k","a":{"b":1}}"#);
        assert_eq!(edited(before, &["a", "b"], None), before);
    }

    #[test]
    fn names_are_literal() {
        let after = edited(r#"{"email":"k","a":{"b":1}}"#, &["a.b"], Some("2"));
        assert_eq!(after, r#"{"email":"k","a":{"b":1},"a.b":2}"#);
        for name in ["$set", "", "🦀", "\"", "\\", "a\nb"] {
            let after = edited("{}", &[name, "inner"], Some("1"));
            let read: serde_json::Value = serde_json::from_str(&after).unwrap();
            assert_eq!(read[name]["inner"], 1, "{name:?}");
            assert_eq!(edited(&after, &[name], None), r#"{"email":"k"}"#, "{name:?}");
        }
    }

    #[test]
    fn an_escaped_name_is_found_by_what_it_says() {
        let after = edited(r#"{"\u0061":1,"email":"k"}"#, &["a"], Some("2"));
        assert_eq!(after, r#"{"a":2,"email":"k"}"#);
    }

    #[test]
    fn the_last_of_two_fields_of_one_name_counts_and_a_removal_takes_both() {
        let before = r#"{"a":1,"a":2,"email":"k"}"#;
        assert_eq!(edited(before, &["a"], Some("3")), r#"{"a":1,"a":3,"email":"k"}"#);
        assert_eq!(edited(before, &["a"], None), r#"{"email":"k"}"#);
    }

    #[test]
    fn edits_are_applied_in_order_and_the_key_comes_last() {
        let edits = [
            edit(&["a"], Some("{}")),
            edit(&["a", "b"], Some("1")),
            edit(&["email"], Some("\"other\"")),
        ];
        let after = apply(Some("{}"), &edits, "k").unwrap();
        assert_eq!(after, r#"{"a":{"b":1},"email":"k"}"#);
    }

    #[test]
    fn an_edit_that_cannot_be_made_is_an_error_without_data() {
        let document = r#"{"secret":"hunter2","list":[1]}"#;
        let long: Vec<&str> = vec!["a"; MAX_PATH + 1];
        for bad in [
            edit(&[], Some("1")),
            edit(&long, Some("1")),
            edit(&["secret", "b"], Some("1")),
            edit(&["secret", "b"], None),
            edit(&["list", "0"], Some("1")),
            edit(&["a"], Some("hunter2")),
            edit(&["a"], Some("1 2")),
            edit(&["a"], Some("")),
            edit(&["a"], Some("NaN")),
        ] {
            let error = apply(Some(document), std::slice::from_ref(&bad), "k").unwrap_err();
            assert!(matches!(error, Error::Other(_)), "{bad:?}: {error:?}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        apply(None, &[edit(&long[1..], Some("1"))], "k").expect("16 names are allowed");
    }

    #[test]
    fn a_record_that_is_no_object_is_damaged() {
        for bad in ["", "[]", "null", "{", "{\"a\":1}}", "1"] {
            let error = apply(Some(bad), &[], "k").unwrap_err();
            assert!(matches!(error, Error::Damaged(_)), "{bad:?}: {error:?}");
        }
    }

    #[test]
    fn a_document_that_is_too_large_is_refused() {
        let large = format!("\"{}\"", "x".repeat(MAX_BYTES));
        let error = apply(None, &[edit(&["a"], Some(&large))], "k").unwrap_err();
        assert!(matches!(error, Error::Other(_)));
    }

    #[test]
    fn deep_values_do_not_exhaust_the_stack() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let document = apply(None, &[edit(&["a"], Some(&deep))], "k").unwrap();
        edited(&document, &["b"], Some("1"));
    }
}
