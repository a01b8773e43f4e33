//! Custom data: any JSON value (RFC 8259), kept to the letter.
//!
//! Refused is what some store could not keep as it is: a name given twice, a NUL in a name, a
//! number that neither a 64-bit integer nor a double holds, more than [`MOST_LEVELS`] levels.

use core::fmt;
use std::collections::BTreeSet;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::outcome::{Code, Refusal};

/// The most levels of arrays and objects inside each other; MongoDB takes 100, of which some are
/// ours.
pub const MOST_LEVELS: usize = 64;

/// Whether the text is JSON that every store can keep, in at most `limit` bytes.
///
/// # Errors
/// 400, with what is wrong.
pub fn check(text: &str, limit: u64) -> Result<(), Refusal> {
    let refuse = |why: String| Refusal::because(Code::Error, format!("custom_data: {why}"));
    if text.len() as u64 > limit {
        return Err(refuse(format!("has {} bytes, more than {limit}", text.len())));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    Level(0)
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|error| refuse(error.to_string()))?;
    match oversized_integer(text) {
        None => Ok(()),
        Some(digits) => {
            Err(refuse(format!("the number {digits} fits neither a 64-bit integer nor a double")))
        }
    }
}

/// The fields of an object, each value as it was written; `None` when the text is no object.
#[must_use]
pub fn fields(text: &str) -> Option<Fields<'_>> {
    serde_json::from_str(text).ok()
}

/// The top level of an object, in the order in which it was written.
pub struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Every field with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get()))
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.get())
    }
}

impl<'de> serde::Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TopLevel;
        impl<'de> Visitor<'de> for TopLevel {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(TopLevel)
    }
}

/// Walks through a value and keeps nothing, at so many levels below the top.
struct Level(usize);

impl Level {
    fn deeper<E: serde::de::Error>(&self) -> Result<usize, E> {
        match self.0 + 1 {
            level if level > MOST_LEVELS => {
                Err(E::custom(format!("has more than {MOST_LEVELS} levels")))
            }
            level => Ok(level),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    // How large integers were written is seen by `oversized_integer`.
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let level = self.deeper()?;
        while seq.next_element_seed(Level(level))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let level = self.deeper()?;
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.contains('\0') {
                return Err(A::Error::custom("has a NUL in the name of a field"));
            }
            if !names.insert(name) {
                return Err(A::Error::custom("has a field twice"));
            }
            map.next_value_seed(Level(level))?;
        }
        Ok(())
    }
}

/// The first integer of a valid JSON text that no signed 64-bit integer and no double is equal to.
fn oversized_integer(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = rest.get(start..)?;
        if rest.starts_with('"') {
            rest = after_string(rest)?;
            continue;
        }
        let in_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let end = rest.find(|c| !in_number(c)).unwrap_or(rest.len());
        let (number, tail) = rest.split_at_checked(end)?;
        rest = tail;
        let integer = !number.contains(['.', 'e', 'E']);
        if integer && number.parse::<i64>().is_err() && !exact_double(number) {
            return Some(number);
        }
    }
    None
}

fn after_string(quoted: &str) -> Option<&str> {
    let mut escaped = true; // passes the opening quote
    for (at, byte) in quoted.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return quoted.get(at + 1..),
            _ => {}
        }
    }
    None
}

/// Whether the double nearest to the integer is equal to it.
fn exact_double(integer: &str) -> bool {
    let digits = integer.strip_prefix('-').unwrap_or(integer);
    match digits.parse::<f64>() {
        // Beyond 64 bits a double is a whole number of 53 bits, shifted to the left.
        Ok(double) if double.is_finite() && double >= 9e18 => {
            let bits = double.to_bits();
            let mantissa = (bits & ((1 << 52) - 1)) | 1 << 52;
            let shift = (bits >> 52).saturating_sub(1075);
            shifted(mantissa, shift) == digits
        }
        _ => false,
    }
}

/// `mantissa` × 2^`shift` in decimal digits. The formatting of floats in the standard library would
/// say it too, with fifteen times the code.
fn shifted(mantissa: u64, shift: u64) -> String {
    const BASE: u64 = 1_000_000_000;
    let mut limbs = vec![mantissa % BASE, mantissa / BASE];
    let mut left = shift;
    while left > 0 {
        let step = left.min(29);
        let mut carry = 0;
        for limb in &mut limbs {
            let value = (*limb << step) + carry;
            *limb = value % BASE;
            carry = value / BASE;
        }
        if carry > 0 {
            limbs.push(carry);
        }
        left -= step;
    }
    let digits: String = limbs.iter().rev().map(|limb| format!("{limb:09}")).collect();
    digits.trim_start_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdict(text: &str) -> Result<(), String> {
        check(text, 1000).map_err(|refusal| refusal.detail.unwrap())
    }

    #[test]
    fn any_json_value_is_taken() {
        for text in [
            "null",
            "true",
            "0",
            "-0",
            "1.5",
            "1e300",
            "\"\"",
            "[]",
            "{}",
            " {\"a\": [1, {\"b\": null}]} ",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "18446744073709551616",
            "\"\\\\\"",
            "\"\\\" 99999999999999999999\"",
            "{\"a.b\":1,\"$set\":2,\"\":3}",
            "\"\\ud83d\\ude00\"",
            "\"\\u0000\"",
            "0.1234567890123456789012345",
        ] {
            assert_eq!(verdict(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_or_cannot_be_kept_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "EOF"),
            ("{", "EOF"),
            ("{} x", "trailing"),
            ("NaN", "expected"),
            ("'a'", "expected"),
            ("{\"a\":1,\"a\":2}", "twice"),
            ("{\"a\\u0000\":1}", "NUL"),
            ("[{\"a\":1,\"\\u0061\":2}]", "twice"),
            ("1e400", "out of range"),
            ("18446744073709551617", "double"),
            ("-9223372036854775809", "double"),
            ("[1,99999999999999999999999]", "double"),
            ("\"\\ud800\"", ""),
            ("\"a\nb\"", "control"),
            ("01", ""),
        ] {
            let told = verdict(text).unwrap_err();
            assert!(told.contains(reason), "{text}: {told}");
        }
    }

    #[test]
    fn a_large_integer_is_taken_when_a_double_is_equal_to_it() {
        for shift in [11u32, 12, 40, 63, 74] {
            let exact = u128::from(u64::pow(2, 53) - 1) << shift;
            assert_eq!(verdict(&exact.to_string()), Ok(()), "{exact}");
            assert_eq!(verdict(&format!("-{exact}")), Ok(()), "-{exact}");
            assert!(verdict(&(exact + 1).to_string()).is_err(), "{exact} + 1");
        }
        assert_eq!(verdict(&format!("{:.0}", 2f64.powi(1000))), Ok(()));
    }

    #[test]
    fn sixty_four_levels_are_the_most() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(verdict(&nested(64)), Ok(()));
        assert!(verdict(&nested(65)).unwrap_err().contains("levels"));
        assert!(verdict(&nested(400)).unwrap_err().contains("levels"));
        assert!(check(&"[".repeat(60_000), 65_536).is_err());
    }

    #[test]
    fn the_limit_counts_bytes() {
        assert!(check("\"ää\"", 6).is_ok());
        assert!(check("\"ää\"", 5).is_err());
    }

    #[test]
    fn a_field_is_found_by_its_literal_name() {
        let fields = fields(r#"{"a.b": 1.0, "$set": {"x": 1}}"#).unwrap();
        assert_eq!(fields.get("a.b"), Some("1.0"));
        assert_eq!(fields.get("$set"), Some(r#"{"x": 1}"#));
        assert_eq!(fields.get("a"), None);
        assert!(super::fields("[1]").is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}|[\\[\\]{}\",:0-9eE.\\\\+-]{0,60}") {
            let _ = verdict(&text);
        }
    }
}
