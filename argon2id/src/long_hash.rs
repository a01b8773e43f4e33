//! H', the hash function of any length (RFC 9106 section 3.3).

use blake2::digest::block_api::{UpdateCore, VariableOutputCore};
use blake2::digest::block_buffer::LazyBuffer;
use blake2::{Blake2b512, Blake2bVarCore, Digest};
use zeroize::{Zeroize, Zeroizing};

use crate::Error;

/// Fill `out` with the hash of the parts, one behind the other.
///
/// # Errors
/// There is no such length.
pub(crate) fn long_hash(parts: &[&[u8]], out: &mut [u8]) -> Result<(), Error> {
    let length = u32::try_from(out.len()).map_err(|_| Error::Length)?.to_le_bytes();
    if out.len() <= 64 {
        return short_hash(&length, parts, out);
    }
    // V1 is the hash of everything, each further V that of the one before; the first half of each
    // goes out, and of the last one as much as is missing.
    let mut v = Zeroizing::new([0; 64]);
    let mut hasher = Blake2b512::new();
    hasher.update(length);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize_into((&mut *v).into());
    let mut rest = out;
    loop {
        let (half, _) = v.split_first_chunk::<32>().ok_or(Error::Fault)?;
        let (here, behind) = rest.split_first_chunk_mut::<32>().ok_or(Error::Fault)?;
        *here = *half;
        rest = behind;
        if rest.len() <= 64 {
            break;
        }
        let next = Blake2b512::new_with_prefix(v.as_slice());
        next.finalize_into((&mut *v).into());
    }
    short_hash(&*v, &[], rest)
}

/// H^T: BLAKE2b with as many bytes as `out` has, 1 to 64.
fn short_hash(first: &[u8], parts: &[&[u8]], out: &mut [u8]) -> Result<(), Error> {
    let mut core = Blake2bVarCore::new(out.len()).map_err(|_| Error::Length)?;
    let mut buffer = LazyBuffer::default();
    for part in [first].iter().chain(parts) {
        buffer.digest_blocks(part, |blocks| core.update_blocks(blocks));
    }
    let mut whole = Default::default();
    core.finalize_variable_core(&mut buffer, &mut whole);
    for (out, byte) in out.iter_mut().zip(&whole) {
        *out = *byte;
    }
    whole.as_mut_slice().zeroize();
    Ok(())
}
