//! JSON text and BSON values.
//!
//! Into BSON everything is taken literally (`{"$date": …}` is an object with an odd name); integers
//! become the smaller of the two integer types that holds them, all other numbers doubles, and the
//! order of names stays. Out of BSON, values for which JSON has no word (dates, object ids, decimal
//! numbers …) become relaxed extended JSON; they are given out and never read back.

use std::fmt;

use bson::{Bson, Document};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A value from its JSON text; `None` when it is not JSON, or holds a number beyond both a 64-bit
/// integer and a double, or a NUL in a name, which BSON cannot say.
pub(super) fn from_json(text: &str) -> Option<Bson> {
    struct Literal(Bson);
    struct Reader;

    impl<'de> Deserialize<'de> for Literal {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Reader)
        }
    }

    impl<'de> Visitor<'de> for Reader {
        type Value = Literal;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a JSON value")
        }
        fn visit_unit<E>(self) -> Result<Literal, E> {
            Ok(Literal(Bson::Null))
        }
        fn visit_bool<E>(self, value: bool) -> Result<Literal, E> {
            Ok(Literal(Bson::Boolean(value)))
        }
        fn visit_i64<E>(self, value: i64) -> Result<Literal, E> {
            Ok(Literal(i32::try_from(value).map_or(Bson::Int64(value), Bson::Int32)))
        }
        fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Literal, E> {
            match i64::try_from(value) {
                Ok(value) => self.visit_i64(value),
                Err(_) => Ok(Literal(Bson::Double(value as f64))),
            }
        }
        fn visit_f64<E>(self, value: f64) -> Result<Literal, E> {
            Ok(Literal(Bson::Double(value)))
        }
        fn visit_str<E>(self, value: &str) -> Result<Literal, E> {
            Ok(Literal(Bson::String(value.to_owned())))
        }
        fn visit_string<E>(self, value: String) -> Result<Literal, E> {
            Ok(Literal(Bson::String(value)))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Literal, A::Error> {
            let mut values = Vec::new();
            while let Some(Literal(value)) = seq.next_element()? {
                values.push(value);
            }
            Ok(Literal(Bson::Array(values)))
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Literal, A::Error> {
            let mut document = Document::new();
            while let Some((name, Literal(value))) = map.next_entry::<String, Literal>()? {
                if name.contains('\0') {
                    return Err(A::Error::custom("a NUL in a name"));
                }
                document.insert(name, value);
            }
            Ok(Literal(Bson::Document(document)))
        }
    }

    serde_json::from_str(text).ok().map(|Literal(value)| value)
}

/// A document as JSON text, without the fields that `hidden` names.
///
/// # Errors
/// None that a document can cause; the serializer's own.
pub(super) fn to_json(document: &Document, hidden: &[&str]) -> serde_json::Result<String> {
    struct Fields<'a>(&'a Document, &'a [&'a str]);

    impl Serialize for Fields<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let shown = self.0.iter().filter(|(name, _)| !self.1.contains(&name.as_str()));
            serializer.collect_map(shown.map(|(name, value)| (name, Json(value))))
        }
    }
    serde_json::to_string(&Fields(document, hidden))
}

/// A value on its way out.
struct Json<'a>(&'a Bson);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Bson::Null => serializer.serialize_unit(),
            Bson::Boolean(value) => serializer.serialize_bool(*value),
            Bson::Int32(value) => serializer.serialize_i32(*value),
            Bson::Int64(value) => serializer.serialize_i64(*value),
            Bson::Double(value) if value.is_finite() => serializer.serialize_f64(*value),
            Bson::String(value) => serializer.serialize_str(value),
            Bson::Array(values) => serializer.collect_seq(values.iter().map(Json)),
            Bson::Document(document) => {
                serializer.collect_map(document.iter().map(|(name, value)| (name, Json(value))))
            }
            other => other.clone().into_relaxed_extjson().serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::oid::ObjectId;
    use bson::{DateTime, doc};

    #[test]
    fn literal_json_comes_back_to_the_letter() {
        for text in [
            r#"{"b":1,"a":[1,1.0,-5,9223372036854775807,0.5,"x",null,true,{}]}"#,
            r#"{"$date":"2020-01-01T00:00:00Z","$oid":1,"a.b":{"$set":{}},"":""}"#,
            r#"{"é":"\u0000\n🦀"}"#,
        ] {
            let Some(Bson::Document(document)) = from_json(text) else { panic!("{text}") };
            assert_eq!(to_json(&document, &[]).unwrap(), text);
        }
    }

    #[test]
    fn what_bson_cannot_say_is_refused() {
        for text in ["", "{", "1 2", "nan", "1e400", r#"{"a\u0000b":1}"#] {
            assert!(from_json(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_json_cannot_say_is_given_out_as_extended_json() {
        let id = ObjectId::new();
        let document = doc! {
            "date": DateTime::from_millis(0), "id": id, "infinite": f64::INFINITY, "hidden": 1,
        };
        let expected = format!(
            r#"{{"date":{{"$date":"1970-01-01T00:00:00Z"}},"id":{{"$oid":"{}"}},"infinite":{{"$numberDouble":"Infinity"}}}}"#,
            id.to_hex()
        );
        assert_eq!(to_json(&document, &["hidden"]).unwrap(), expected);
    }
}
