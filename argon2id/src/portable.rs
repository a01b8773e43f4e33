//! The compression function in plain words (RFC 9106 sections 3.5 and 3.6).

use zeroize::Zeroize;

use crate::block::{Block, Place};

/// Two words.
pub(crate) type Pair = [u64; 2];

pub(crate) fn pair(words: [u64; 2]) -> Pair {
    words
}

pub(crate) fn words(pair: Pair) -> [u64; 2] {
    pair
}

pub(crate) fn xor([a, b]: Pair, [c, d]: Pair) -> Pair {
    [a ^ c, b ^ d]
}

/// What [`compress`] works on. Made once, because clearing it for every block would cost time.
#[derive(Default)]
pub(crate) struct Scratch(Block);

impl Zeroize for Scratch {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// `to = G(x, y)`; with `XOR` `to ^= G(x, y)`, as later passes want it, of the block that is there.
/// Fills the place.
///
/// # Safety
/// With `XOR` there must be one.
pub(crate) unsafe fn compress<const XOR: bool>(
    x: &Block,
    y: &Block,
    to: &mut Place,
    Scratch(q): &mut Scratch,
) {
    if !XOR {
        to.write(Block::default());
    }
    // SAFETY: there is one, or was written just now.
    let to = unsafe { to.assume_init_mut() };
    // R = x ^ y goes out, for the end, and on into P.
    for (((x, y), to), q) in x.0.iter().zip(&y.0).zip(&mut to.0).zip(&mut q.0) {
        *q = xor(*x, *y);
        *to = xor(*to, *q);
    }
    for row in q.0.as_chunks_mut::<8>().0 {
        *row = permute(*row);
    }
    let rows = q.0.as_chunks::<8>().0;
    for column in 0..8 {
        let mut pairs = [[0; 2]; 8];
        for (pair, row) in pairs.iter_mut().zip(rows) {
            *pair = row.get(column).copied().unwrap_or_default();
        }
        let to = to.0.as_chunks_mut::<8>().0;
        for (pair, row) in permute(pairs).into_iter().zip(to) {
            if let Some(to) = row.get_mut(column) {
                *to = xor(*to, pair);
            }
        }
    }
}

/// P.
#[inline(always)]
fn permute(pairs: [Pair; 8]) -> [Pair; 8] {
    let [[v0, v1], [v2, v3], [v4, v5], [v6, v7], [v8, v9], [v10, v11], [v12, v13], [v14, v15]] =
        pairs;
    let [v0, v4, v8, v12] = mix([v0, v4, v8, v12]);
    let [v1, v5, v9, v13] = mix([v1, v5, v9, v13]);
    let [v2, v6, v10, v14] = mix([v2, v6, v10, v14]);
    let [v3, v7, v11, v15] = mix([v3, v7, v11, v15]);
    let [v0, v5, v10, v15] = mix([v0, v5, v10, v15]);
    let [v1, v6, v11, v12] = mix([v1, v6, v11, v12]);
    let [v2, v7, v8, v13] = mix([v2, v7, v8, v13]);
    let [v3, v4, v9, v14] = mix([v3, v4, v9, v14]);
    [[v0, v1], [v2, v3], [v4, v5], [v6, v7], [v8, v9], [v10, v11], [v12, v13], [v14, v15]]
}

/// GB.
#[inline(always)]
fn mix([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = add(a, b);
    d = (d ^ a).rotate_right(32);
    c = add(c, d);
    b = (b ^ c).rotate_right(24);
    a = add(a, b);
    d = (d ^ a).rotate_right(16);
    c = add(c, d);
    b = (b ^ c).rotate_right(63);
    [a, b, c, d]
}

/// x + y + 2 * low(x) * low(y), low being the lower 32 bits.
#[inline(always)]
fn add(x: u64, y: u64) -> u64 {
    let low = u64::from(u32::MAX);
    let product = (x & low).wrapping_mul(y & low);
    x.wrapping_add(y).wrapping_add(product.wrapping_mul(2))
}
