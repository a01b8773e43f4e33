//! Sealing mails for the time that they stand in a store.
//!
//! XChaCha20-Poly1305 with a random nonce of 24 bytes (draft-irtf-cfrg-xchacha, section 2.1: long
//! enough to be chosen at random). The key is HKDF-SHA-256 (RFC 5869) of the tenant's secret key,
//! without salt, with `portcullis mail queue 1`, a zero byte and the tenant's name as its info.
//!
//! The digests of codes are HMACs under the same secret key itself, of texts of their own. Nothing
//! of one leads to the other: HKDF uses the secret as what is extracted from, not as a key of an
//! HMAC of anything else, and its outputs tell nothing of what they were made from.
//!
//! A sealed mail is bound to its tenant, its record and everything in the record that decides
//! whether it goes out. Whoever can write to the store can lose or delay a mail, but not give it
//! a longer life, another guard or another tenant.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::contract::mailer::Guard;
use crate::contract::settings::SecretKey;
use crate::error::SetupError;
use crate::mail::transport::Outgoing;
use crate::store::Error;

/// What the key is for; a new way of sealing gets another number.
const INFO: &[u8] = b"portcullis mail queue 1\0";

/// Bytes of a nonce.
const NONCE: usize = 24;

/// What a mail is bound to when it is sealed.
pub(super) struct Bound<'a> {
    /// The key of its record.
    pub(super) record: &'a str,
    /// When it was put in.
    pub(super) queued: u64,
    /// When it is worthless.
    pub(super) valid_until: u64,
    /// What must hold for it to go out.
    pub(super) guard: Option<&'a Guard>,
}

/// A sealed mail.
pub(super) struct Sealed {
    /// The id of the secret key.
    pub(super) key: String,
    /// Nonce, ciphertext and tag, as base64.
    pub(super) text: String,
}

/// Why a mail cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// It was sealed with a key that this tenant has not got.
    UnknownKey,
    /// It is not what was sealed.
    Tampered,
}

/// The keys of one tenant. They are overwritten when dropped.
pub(super) struct Keys {
    tenant: String,
    first: (String, XChaCha20Poly1305),
    old: Vec<(String, XChaCha20Poly1305)>,
}

impl Keys {
    /// Keys made from these, the first of which seals.
    ///
    /// # Errors
    /// [`SetupError::Mail`] when there is none.
    pub(super) fn new(tenant: &str, keys: &[SecretKey]) -> Result<Self, SetupError> {
        let mut made = Vec::with_capacity(keys.len());
        for key in keys {
            let mut bytes = Zeroizing::new([0; 32]);
            let cipher = Hkdf::<Sha256>::new(None, &key.secret)
                .expand_multi_info(&[INFO, tenant.as_bytes()], bytes.as_mut_slice())
                .ok()
                .and_then(|()| XChaCha20Poly1305::new_from_slice(bytes.as_slice()).ok())
                .ok_or_else(|| SetupError::Mail("no key for the queue can be made".into()))?;
            made.push((key.id.clone(), cipher));
        }
        let mut made = made.into_iter();
        let first = made.next().ok_or_else(|| {
            SetupError::Mail("the queue needs a secret key to seal mails with".into())
        })?;
        Ok(Self { tenant: tenant.to_owned(), first, old: made.collect() })
    }

    /// Seal a mail.
    ///
    /// # Errors
    /// [`Error::Other`] without randomness.
    pub(super) fn seal(&self, bound: &Bound<'_>, mail: &Outgoing) -> Result<Sealed, Error> {
        let (id, cipher) = &self.first;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)
            .map_err(|error| Error::Other(format!("the system gives no random bytes: {error}")))?;
        let (msg, aad) = (write(mail), self.associated(bound));
        let payload = Payload { msg: &msg, aad: &aad };
        let ciphertext = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::Other("a mail cannot be sealed".into()))?;
        Ok(Sealed { key: id.clone(), text: STANDARD.encode([&nonce[..], &ciphertext].concat()) })
    }

    /// Open a mail that was sealed with the key of this id.
    pub(super) fn open(
        &self,
        bound: &Bound<'_>,
        key: &str,
        text: &str,
    ) -> Result<Outgoing, Unopened> {
        let mut keys = std::iter::once(&self.first).chain(&self.old);
        let (_, cipher) = keys.find(|(id, _)| id == key).ok_or(Unopened::UnknownKey)?;
        let bytes = STANDARD.decode(text).map_err(|_| Unopened::Tampered)?;
        let (nonce, msg) = bytes.split_first_chunk::<NONCE>().ok_or(Unopened::Tampered)?;
        let payload = Payload { msg, aad: &self.associated(bound) };
        let opened = cipher.decrypt(&XNonce::from(*nonce), payload);
        let opened = Zeroizing::new(opened.map_err(|_| Unopened::Tampered)?);
        read(&opened).ok_or(Unopened::Tampered)
    }

    /// What is not secret and must be what it was: each part with its length before it, so that
    /// no two of these are written alike.
    fn associated(&self, bound: &Bound<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        push(&mut bytes, self.tenant.as_bytes());
        push(&mut bytes, bound.record.as_bytes());
        bytes.extend(bound.queued.to_be_bytes());
        bytes.extend(bound.valid_until.to_be_bytes());
        if let Some(guard) = bound.guard {
            push(&mut bytes, guard.collection.as_bytes());
            push(&mut bytes, guard.key.as_bytes());
            push(&mut bytes, guard.value.as_bytes());
            for name in &guard.path {
                push(&mut bytes, name.as_bytes());
            }
        }
        bytes
    }
}

fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u64).to_be_bytes());
    bytes.extend(part);
}

/// The mail in one piece.
fn write(mail: &Outgoing) -> Zeroizing<Vec<u8>> {
    let parts = [mail.from.as_bytes(), mail.to.as_bytes(), &mail.content];
    // As large as it gets: growing would leave copies of the code behind.
    let length = parts.iter().map(|part| 8 + part.len()).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    parts.iter().for_each(|part| push(&mut bytes, part));
    bytes
}

fn read(bytes: &[u8]) -> Option<Outgoing> {
    let (from, rest) = pull(bytes)?;
    let (to, rest) = pull(rest)?;
    let (content, rest) = pull(rest)?;
    let text = |bytes: &[u8]| Some(str::from_utf8(bytes).ok()?.to_owned());
    let content = Zeroizing::new(content.to_vec());
    rest.is_empty().then_some(Outgoing { from: text(from)?, to: text(to)?, content })
}

fn pull(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::secret_key::from_bytes;

    fn guard() -> Guard {
        Guard {
            collection: "users".into(),
            key: "ann@example.com".into(),
            path: vec!["portcullis".into(), "codes".into()],
            value: "\"digest\"".into(),
        }
    }

    fn bound(guard: &Guard) -> Bound<'_> {
        Bound { record: "mail:1", queued: 10, valid_until: 600, guard: Some(guard) }
    }

    fn mail() -> Outgoing {
        Outgoing {
            from: "portcullis@example.com".into(),
            to: "Ann@example.com".into(),
            content: Zeroizing::new(b"Subject: x\r\n\r\n123456\r\n".to_vec()),
        }
    }

    fn keys(tenant: &str, bytes: &[u8]) -> Keys {
        let keys: Vec<_> = bytes.iter().map(|byte| from_bytes(&[*byte; 32])).collect();
        Keys::new(tenant, &keys).unwrap()
    }

    fn opens(keys: &Keys, bound: &Bound<'_>, sealed: &Sealed) -> Result<(), Unopened> {
        let opened = keys.open(bound, &sealed.key, &sealed.text)?;
        let mail = mail();
        assert_eq!((opened.from, opened.to), (mail.from, mail.to));
        assert_eq!(*opened.content, *mail.content);
        Ok(())
    }

    #[test]
    fn a_sealed_mail_opens_and_shows_nothing() {
        let (keys, guard) = (keys("default", &[1]), guard());
        let sealed = keys.seal(&bound(&guard), &mail()).unwrap();
        assert_eq!(opens(&keys, &bound(&guard), &sealed), Ok(()));
        let bytes = STANDARD.decode(&sealed.text).unwrap();
        for part in ["123456", "Ann", "portcullis", "Subject"] {
            assert!(!bytes.windows(part.len()).any(|at| at == part.as_bytes()), "{part}");
        }
        assert_ne!(keys.seal(&bound(&guard), &mail()).unwrap().text, sealed.text);
    }

    #[test]
    fn old_keys_open_and_do_not_seal() {
        let guard = guard();
        let sealed = keys("default", &[1]).seal(&bound(&guard), &mail()).unwrap();
        let rotated = keys("default", &[2, 1]);
        assert_eq!(opens(&rotated, &bound(&guard), &sealed), Ok(()));
        assert_ne!(rotated.seal(&bound(&guard), &mail()).unwrap().key, sealed.key);
        let without = opens(&keys("default", &[2]), &bound(&guard), &sealed);
        assert_eq!(without, Err(Unopened::UnknownKey));
        assert!(Keys::new("default", &[]).is_err());
    }

    #[test]
    fn another_tenant_with_the_same_key_cannot_open_it() {
        let guard = guard();
        let sealed = keys("default", &[1]).seal(&bound(&guard), &mail()).unwrap();
        let other = opens(&keys("other", &[1]), &bound(&guard), &sealed);
        assert_eq!(other, Err(Unopened::Tampered));
    }

    #[test]
    fn whatever_is_changed_around_or_in_it_is_noticed() {
        let (keys, guard) = (keys("default", &[1]), guard());
        let sealed = keys.seal(&bound(&guard), &mail()).unwrap();
        let moved = Guard { key: "eve@example.com".into(), ..guard.clone() };
        let elsewhere = Guard { collection: "blocked".into(), ..guard.clone() };
        let digest = Guard { value: "\"other\"".into(), ..guard.clone() };
        let path = Guard { path: vec!["portcullis".into()], ..guard.clone() };
        for changed in [
            Bound { record: "mail:2", ..bound(&guard) },
            Bound { queued: 11, ..bound(&guard) },
            Bound { valid_until: 601, ..bound(&guard) },
            Bound { guard: None, ..bound(&guard) },
            bound(&moved),
            bound(&elsewhere),
            bound(&digest),
            bound(&path),
        ] {
            assert_eq!(opens(&keys, &changed, &sealed), Err(Unopened::Tampered));
        }
        let bytes = STANDARD.decode(&sealed.text).unwrap();
        for at in [0, 23, 24, bytes.len() - 1] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let sealed = Sealed { key: sealed.key.clone(), text: STANDARD.encode(bytes) };
            assert_eq!(opens(&keys, &bound(&guard), &sealed), Err(Unopened::Tampered));
        }
        for text in ["", "AAAA", "not base64!", &sealed.text[..sealed.text.len() - 4]] {
            let sealed = Sealed { key: sealed.key.clone(), text: text.to_owned() };
            assert_eq!(opens(&keys, &bound(&guard), &sealed), Err(Unopened::Tampered));
        }
    }

    #[test]
    fn the_key_of_the_queue_is_not_the_secret_key() {
        // Fixed: another derivation would orphan what is sealed in the stores.
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, &[7; 32])
            .expand(b"portcullis mail queue 1\0default", &mut key)
            .unwrap();
        assert_ne!(key, [7; 32]);
        let (keys, guard) = (keys("default", &[7]), guard());
        let sealed = keys.seal(&bound(&guard), &mail()).unwrap();
        let bytes = STANDARD.decode(&sealed.text).unwrap();
        let (nonce, msg) = bytes.split_first_chunk::<NONCE>().unwrap();
        let aad = keys.associated(&bound(&guard));
        let open = |key: [u8; 32]| {
            XChaCha20Poly1305::new(&key.into())
                .decrypt(&XNonce::from(*nonce), Payload { msg, aad: &aad })
        };
        assert!(open(key).is_ok());
        assert!(open([7; 32]).is_err());
    }
}
