//! Argon2id, version 1.3 (RFC 9106), as the guest computes it.
//!
//! The `argon2` crate has code of its own for AVX2 alone; what the compiler makes of the rest with
//! wasm's 128-bit vectors is slow. Here the compression function is written for these vectors, and
//! a portable one stands in where there are none. Only computing is done here: parameters, strings
//! and comparing stay with their callers.
//!
//! This is a crate of its own, and no module of the guest, because profiles are set for each crate:
//! the guest is made small, this is made fast.

mod block;
mod fill;
mod long_hash;
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[path = "portable.rs"]
mod pairs;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[path = "simd128.rs"]
mod pairs;

use blake2::{Blake2b512, Digest};
use core::fmt;
use zeroize::Zeroizing;

use crate::block::Memory;
use crate::fill::Shape;
use crate::long_hash::long_hash;

/// The version that is computed, 1.3, as it is hashed and as strings have it.
pub const VERSION: u32 = 0x13;
/// The number that stands for argon2id where the variant is hashed (RFC 9106 section 3.2).
const VARIANT: u32 = 2;
/// The fewest bytes of a tag (RFC 9106 section 3.1).
pub const LEAST_TAG: usize = 4;
/// The fewest bytes of a salt that are accepted, as by the `argon2` crate; the RFC asks for 16.
pub const LEAST_SALT: usize = 8;

/// What is hashed.
#[derive(Clone, Copy, Default)]
pub struct Input<'a> {
    /// P.
    pub password: &'a [u8],
    /// S.
    pub salt: &'a [u8],
    /// K, or nothing.
    pub secret: &'a [u8],
    /// X, or nothing.
    pub data: &'a [u8],
}

/// What it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// m: memory in KiB, at least eight for each lane.
    pub memory: u32,
    /// t: passes over that memory, at least one.
    pub passes: u32,
    /// p: lanes, 1 to 2^24 - 1. They are computed one after the other.
    pub lanes: u32,
}

/// Why there is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The cost is none that RFC 9106 section 3.1 allows.
    Cost,
    /// An input, or the tag asked for, is too short or too long.
    Length,
    /// The memory cannot be had.
    Memory,
    /// The computation has gone where it cannot go.
    Fault,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cost => "the parameters are not argon2's",
            Self::Length => "an input or the tag has a length that argon2 does not allow",
            Self::Memory => "the memory cannot be had",
            Self::Fault => "a block outside the memory was asked for",
        })
    }
}

impl core::error::Error for Error {}

/// Fill `tag` with the hash (RFC 9106 section 3.2).
///
/// # Errors
/// A parameter out of bounds, or no memory; nothing of the tag is written then.
pub fn hash(input: Input<'_>, cost: Cost, tag: &mut [u8]) -> Result<(), Error> {
    if tag.len() < LEAST_TAG || input.salt.len() < LEAST_SALT {
        return Err(Error::Length);
    }
    let shape = Shape::new(cost).ok_or(Error::Cost)?;
    let first = first_hash(input, cost, tag.len())?;
    let mut memory = Memory::new(shape.blocks()).ok_or(Error::Memory)?;
    fill::fill(&mut memory, shape, &first)?;
    let last = fill::last(&memory, shape)?;
    long_hash(&[&*last], tag)
}

/// H0: everything that goes in, each part with its length (RFC 9106 section 3.2, step 1).
fn first_hash(input: Input<'_>, cost: Cost, tag: usize) -> Result<Zeroizing<[u8; 64]>, Error> {
    let length =
        |length: usize| u32::try_from(length).map(u32::to_le_bytes).map_err(|_| Error::Length);
    let mut hasher = Blake2b512::new();
    hasher.update(cost.lanes.to_le_bytes());
    hasher.update(length(tag)?);
    for number in [cost.memory, cost.passes, VERSION, VARIANT] {
        hasher.update(number.to_le_bytes());
    }
    for part in [input.password, input.salt, input.secret, input.data] {
        hasher.update(length(part.len())?);
        hasher.update(part);
    }
    let mut hash = Zeroizing::new([0; 64]);
    hasher.finalize_into((&mut *hash).into());
    Ok(hash)
}
