//! The random cases of the tests as a wasm module, so that a host can hash them there.
#![allow(missing_docs)]

#[path = "../tests/cases/mod.rs"]
mod cases;
#[path = "../tests/cases/computed.rs"]
mod computed;

use std::sync::Mutex;

use cases::{Case, LONGEST_TAG};
use computed::computed;

static TAG: Mutex<[u8; LONGEST_TAG]> = Mutex::new([0; LONGEST_TAG]);

/// Where the tag of the case is, padded with zeros; null if there is none.
// SAFETY: nothing else in the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn tag(number: u64) -> *const u8 {
    let (Ok(tag), Ok(mut place)) = (computed(&Case::new(number)), TAG.lock()) else {
        return core::ptr::null();
    };
    let tag = tag.into_iter().chain(core::iter::repeat(0));
    place.iter_mut().zip(tag).for_each(|(place, byte)| *place = byte);
    place.as_ptr()
}
