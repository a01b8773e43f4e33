//! Typed values out of a layer, each with its place.

use std::ops::RangeInclusive;

use zeroize::Zeroizing;

use super::layer::{Entry, Found, Layer};
use super::origin::{Origin, wrong};
use crate::error::SetupError;

/// Takes typed values out of a layer.
pub(super) struct Taker<'a> {
    pub(super) tenant: &'a str,
    pub(super) entries: &'a mut Layer,
    taken: Vec<(String, Origin)>,
}

impl<'a> Taker<'a> {
    /// Of a tenant's layer.
    pub(super) fn new(tenant: &'a str, entries: &'a mut Layer) -> Self {
        Self { tenant, entries, taken: Vec::new() }
    }

    /// Every key that was taken, and where it had been given.
    pub(super) fn taken(self) -> Vec<(String, Origin)> {
        self.taken
    }

    fn take(&mut self, key: &str) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.taken.push((key.to_owned(), entry.origin.clone()));
        Some(entry)
    }

    /// Where a key that was taken had been given.
    pub(super) fn origin(&self, key: &str) -> Option<&Origin> {
        self.taken.iter().find(|(taken, _)| taken == key).map(|(_, origin)| origin)
    }

    /// A text that is not empty.
    pub(super) fn text(
        &mut self,
        key: &str,
    ) -> Result<Option<(Zeroizing<String>, Origin)>, SetupError> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        let text = match (entry.value, entry.raw) {
            (Found::Text(text), _) | (_, Some(text)) => text,
            _ => return Err(wrong(self.tenant, key, "must be a text", &entry.origin)),
        };
        if text.is_empty() {
            return Err(wrong(self.tenant, key, "is empty", &entry.origin));
        }
        Ok(Some((text, entry.origin)))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str) -> Result<Option<bool>, SetupError> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        match entry.value {
            Found::Boolean(value) => Ok(Some(value)),
            _ => Err(wrong(self.tenant, key, "must be true or false", &entry.origin)),
        }
    }

    /// An integer of a range that the target type holds.
    pub(super) fn integer<T: TryFrom<i64>>(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<T>, SetupError> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        let value = match entry.value {
            Found::Integer(value) if range.contains(&value) => T::try_from(value).ok(),
            _ => None,
        };
        if value.is_none() {
            let problem = format!("must be an integer from {} to {}", range.start(), range.end());
            return Err(wrong(self.tenant, key, &problem, &entry.origin));
        }
        Ok(value)
    }

    /// A list of texts, or one text with white space between them.
    pub(super) fn list(
        &mut self,
        key: &str,
    ) -> Result<Vec<(Zeroizing<String>, Origin)>, SetupError> {
        let Some(entry) = self.take(key) else { return Ok(Vec::new()) };
        let texts = match entry.value {
            Found::List(texts) => texts,
            Found::Text(text) => {
                text.split_whitespace().map(|text| Zeroizing::new(text.to_owned())).collect()
            }
            _ => return Err(wrong(self.tenant, key, "must be a list of texts", &entry.origin)),
        };
        Ok(texts.into_iter().map(|text| (text, entry.origin.clone())).collect())
    }
}
