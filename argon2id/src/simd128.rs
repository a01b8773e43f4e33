//! The compression function with wasm's 128-bit vectors (RFC 9106 sections 3.5 and 3.6).
//!
//! Three things make this fast once Cranelift has compiled it for x86-64:
//!
//! - the lower halves of two vectors are multiplied by packing them once for each operand, and two
//!   extending multiplications. Masked and multiplied as 64-bit words they would take three times
//!   the instructions;
//! - turning by 24 and 16 bits is one `pshufb`: a swizzle with a mask that the optimiser cannot
//!   see. One that it sees becomes a shuffle of two vectors, for which Cranelift needs three
//!   instructions;
//! - two rows are computed together, and [`Scratch::pin`] keeps them so. Cranelift computes what is
//!   pure where a store asks for it, depth first. Without stores between the steps one row would
//!   be finished before the other begins, each step of it waiting for the one before.

use core::arch::wasm32::{
    i8x16_swizzle, i32x4_shuffle, i64x2_add, i64x2_extmul_high_u32x4, i64x2_extmul_low_u32x4,
    i64x2_shuffle, u8x16, u64x2, u64x2_extract_lane, u64x2_shr, v128, v128_or, v128_xor,
};
use core::hint::black_box;
use core::mem::MaybeUninit;
use core::ptr;

use zeroize::Zeroize;

use crate::block::{Block, Place};

/// Two words.
pub(crate) type Pair = v128;

pub(crate) fn pair([one, two]: [u64; 2]) -> Pair {
    u64x2(one, two)
}

pub(crate) fn words(pair: Pair) -> [u64; 2] {
    [u64x2_extract_lane::<0>(pair), u64x2_extract_lane::<1>(pair)]
}

pub(crate) fn xor(one: Pair, two: Pair) -> Pair {
    v128_xor(one, two)
}

/// What [`compress`] works on. Made once, because clearing it for every block would cost time.
#[derive(Default)]
pub(crate) struct Scratch {
    q: Block,
    pins: Block,
}

impl Scratch {
    /// Ask for these two vectors now.
    #[inline(always)]
    fn pin(pins: &mut [v128; 64], [one, two]: [v128; 2]) {
        // SAFETY: a reference may be written through. Volatile, because nobody reads it.
        unsafe { ptr::write_volatile(&mut pins[0], one) };
        // SAFETY: as above.
        unsafe { ptr::write_volatile(&mut pins[1], two) };
    }
}

impl Zeroize for Scratch {
    fn zeroize(&mut self) {
        self.q.zeroize();
        self.pins.zeroize();
    }
}

/// How bytes move when both words of a vector are turned right.
#[derive(Clone, Copy)]
struct Masks {
    by_24: v128,
    by_16: v128,
}

impl Masks {
    #[inline(always)]
    fn new() -> Self {
        Self {
            by_24: black_box(u8x16(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10)),
            by_16: black_box(u8x16(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9)),
        }
    }
}

/// `to = G(x, y)`; with `XOR` `to ^= G(x, y)`, as later passes want it, of the block that is there.
/// Fills the place.
///
/// # Safety
/// With `XOR` there must be one.
#[inline(never)]
pub(crate) unsafe fn compress<const XOR: bool>(
    x: &Block,
    y: &Block,
    to: &mut Place,
    scratch: &mut Scratch,
) {
    let masks = Masks::new();
    let Scratch { q, pins } = scratch;
    let pins = &mut pins.0;
    let inputs = x.0.as_chunks::<16>().0.iter().zip(y.0.as_chunks::<16>().0);
    // SAFETY: a block is 64 vectors and nothing else, and whatever is in them is none yet.
    let vectors = unsafe { &mut *to.as_mut_ptr().cast::<[MaybeUninit<v128>; 64]>() };
    let outputs = vectors.as_chunks_mut::<16>().0.iter_mut().zip(q.0.as_chunks_mut::<16>().0);
    for ((x, y), (to, q)) in inputs.zip(outputs) {
        // R = x ^ y goes out, for the end, and on into P.
        macro_rules! r {
            ($($i:literal)*) => {
                [$({
                    let r = v128_xor(x[$i], y[$i]);
                    // SAFETY: whoever says XOR has a block there.
                    let out = if XOR { v128_xor(unsafe { to[$i].assume_init() }, r) } else { r };
                    to[$i].write(out);
                    r
                }),*]
            };
        }
        let (s, t) = (Row::new(r!(0 1 2 3 4 5 6 7)), Row::new(r!(8 9 10 11 12 13 14 15)));
        let (s, t) = permute(s, t, masks, pins);
        let [a, b, c, d, e, f, g, h] = s.pairs();
        let [i, j, k, l, m, n, o, p] = t.pairs();
        *q = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
    }

    // SAFETY: all vectors of it were written.
    let to = unsafe { to.assume_init_mut() };
    let ([q0, q1, q2, q3, q4, q5, q6, q7], []) = q.0.as_chunks::<8>() else { return };
    let ([t0, t1, t2, t3, t4, t5, t6, t7], []) = to.0.as_chunks_mut::<8>() else { return };
    for column in [0, 2, 4, 6] {
        let two = |row: &[v128; 8]| {
            let at = |i: usize| row.get(i).copied().unwrap_or(u64x2(0, 0));
            [at(column), at(column + 1)]
        };
        let rows = [two(q0), two(q1), two(q2), two(q3), two(q4), two(q5), two(q6), two(q7)];
        let (s, t) = (rows.map(|[s, _]| s), rows.map(|[_, t]| t));
        let (s, t) = permute(Row::new(s), Row::new(t), masks, pins);
        let out = [&mut *t0, t1, t2, t3, t4, t5, t6, t7];
        for ((row, s), t) in out.into_iter().zip(s.pairs()).zip(t.pairs()) {
            if let Some([one, two]) = row.get_mut(column..column + 2) {
                *one = v128_xor(*one, s);
                *two = v128_xor(*two, t);
            }
        }
    }
}

/// Sixteen words as P takes them, four of each letter.
#[derive(Clone, Copy)]
struct Row {
    a: [v128; 2],
    b: [v128; 2],
    c: [v128; 2],
    d: [v128; 2],
}

/// P on two rows that do not depend on each other.
#[inline(always)]
fn permute(mut s: Row, mut t: Row, masks: Masks, pins: &mut [v128; 64]) -> (Row, Row) {
    let mut mix = |s: &mut Row, t: &mut Row| {
        for row in [&mut *s, &mut *t] {
            *row = row.first(masks);
            Scratch::pin(pins, row.b);
        }
        for row in [s, t] {
            *row = row.second(masks);
            Scratch::pin(pins, row.b);
        }
    };
    mix(&mut s, &mut t);
    (s, t) = (s.to_diagonals(), t.to_diagonals());
    mix(&mut s, &mut t);
    (s.to_columns(), t.to_columns())
}

impl Row {
    #[inline(always)]
    fn new([a, b, c, d, e, f, g, h]: [v128; 8]) -> Self {
        Self { a: [a, b], b: [c, d], c: [e, f], d: [g, h] }
    }

    #[inline(always)]
    fn pairs(self) -> [v128; 8] {
        let Self { a, b, c, d } = self;
        [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]]
    }

    /// The first half of GB.
    #[inline(always)]
    fn first(self, masks: Masks) -> Self {
        let a = add(self.a, self.b);
        let d = both(self.d, a).map(|x| i32x4_shuffle::<1, 0, 3, 2>(x, x));
        let c = add(self.c, d);
        let b = both(self.b, c).map(|x| i8x16_swizzle(x, masks.by_24));
        Self { a, b, c, d }
    }

    /// The second half of GB.
    #[inline(always)]
    fn second(self, masks: Masks) -> Self {
        let a = add(self.a, self.b);
        let d = both(self.d, a).map(|x| i8x16_swizzle(x, masks.by_16));
        let c = add(self.c, d);
        let b = both(self.b, c).map(|x| v128_or(i64x2_add(x, x), u64x2_shr(x, 63)));
        Self { a, b, c, d }
    }

    #[inline(always)]
    fn to_diagonals(self) -> Self {
        let Self { a, b, c, d } = self;
        let (b, d) = ([next(b[0], b[1]), next(b[1], b[0])], [next(d[1], d[0]), next(d[0], d[1])]);
        Self { a, b, c: [c[1], c[0]], d }
    }

    #[inline(always)]
    fn to_columns(self) -> Self {
        let Self { a, b, c, d } = self;
        let (b, d) = ([next(b[1], b[0]), next(b[0], b[1])], [next(d[0], d[1]), next(d[1], d[0])]);
        Self { a, b, c: [c[1], c[0]], d }
    }
}

/// The second word of one and the first of the other.
#[inline(always)]
fn next(one: v128, other: v128) -> v128 {
    i64x2_shuffle::<1, 2>(one, other)
}

#[inline(always)]
fn both(x: [v128; 2], y: [v128; 2]) -> [v128; 2] {
    [v128_xor(x[0], y[0]), v128_xor(x[1], y[1])]
}

/// x + y + 2 * low(x) * low(y), low being the lower 32 bits of a word.
#[inline(always)]
fn add(x: [v128; 2], y: [v128; 2]) -> [v128; 2] {
    let low_x = i32x4_shuffle::<0, 2, 4, 6>(x[0], x[1]);
    let low_y = i32x4_shuffle::<0, 2, 4, 6>(y[0], y[1]);
    let sum = |x, y, product| i64x2_add(i64x2_add(x, y), i64x2_add(product, product));
    [
        sum(x[0], y[0], i64x2_extmul_low_u32x4(low_x, low_y)),
        sum(x[1], y[1], i64x2_extmul_high_u32x4(low_x, low_y)),
    ]
}
