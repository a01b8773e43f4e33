//! Blocks of 1 KiB and the memory that is made of them.

use core::mem::MaybeUninit;

use zeroize::{DefaultIsZeroes, Zeroize, Zeroizing};

use crate::pairs::{Pair, pair, words, xor};

/// Bytes of a block.
pub(crate) const SIZE: usize = 1024;

/// A block: 128 words, two by two. A matrix of 8 by 8 pairs to the compression function.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(crate) [Pair; 64]);

impl Default for Block {
    fn default() -> Self {
        Self([pair([0, 0]); 64])
    }
}

impl DefaultIsZeroes for Block {}

impl Block {
    /// A block that begins with these words and is zero behind them.
    pub(crate) fn beginning(start: [u64; 8]) -> Self {
        let mut block = Self::default();
        for (pair_, words) in block.0.iter_mut().zip(start.as_chunks::<2>().0) {
            *pair_ = pair(*words);
        }
        block
    }

    pub(crate) fn from_bytes(bytes: &[u8; SIZE]) -> Self {
        let mut block = Self::default();
        let numbers = bytes.as_chunks::<8>().0;
        for (pair_, [one, two]) in block.0.iter_mut().zip(numbers.as_chunks::<2>().0) {
            *pair_ = pair([u64::from_le_bytes(*one), u64::from_le_bytes(*two)]);
        }
        block
    }

    pub(crate) fn to_bytes(self) -> Zeroizing<[u8; SIZE]> {
        let mut bytes = Zeroizing::new([0; SIZE]);
        for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.words()) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }

    pub(crate) fn words(&self) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(|pair| words(*pair))
    }

    /// The word that says, where data decides, which block comes next.
    pub(crate) fn first_word(&self) -> u64 {
        let [first, _] = words(self.0[0]);
        first
    }

    pub(crate) fn xor_with(&mut self, other: &Self) {
        for (here, there) in self.0.iter_mut().zip(&other.0) {
            *here = xor(*here, *there);
        }
    }
}

/// A place for a block, and perhaps one in it.
pub(crate) type Place = MaybeUninit<Block>;

/// All blocks, in one piece, wiped when dropped.
///
/// The memory is not cleared before its blocks are made: that would take a twentieth of the time of
/// all the rest. Which of them are made is kept beside it, and nobody can read another.
pub(crate) struct Memory {
    places: Vec<Place>,
    made: Vec<bool>,
}

impl Memory {
    /// Places for that many blocks, or none if there is no room.
    pub(crate) fn new(blocks: usize) -> Option<Self> {
        let mut places = Vec::new();
        places.try_reserve_exact(blocks).ok()?;
        places.resize_with(blocks, Place::uninit);
        let mut made = Vec::new();
        made.try_reserve_exact(blocks).ok()?;
        made.resize(blocks, false);
        Some(Self { places, made })
    }

    /// The block at this place, if it is made.
    pub(crate) fn get(&self, at: usize) -> Option<&Block> {
        // SAFETY: it is made, so there is one.
        self.is_made(at).then(|| Some(unsafe { self.places.get(at)?.assume_init_ref() }))?
    }

    /// Make the block at this place.
    pub(crate) fn put(&mut self, at: usize, block: Block) -> Option<()> {
        self.places.get_mut(at)?.write(block);
        *self.made.get_mut(at)? = true;
        Some(())
    }

    /// Make a block of two others; of itself, too, if that is `anew`.
    ///
    /// None, and nothing is done, if two of the three are the same or one is not made that must be.
    ///
    /// # Safety
    /// `make` must fill its place.
    pub(crate) unsafe fn make(
        &mut self,
        at: usize,
        of: [usize; 2],
        anew: bool,
        make: impl FnOnce(&Block, &Block, &mut Place),
    ) -> Option<()> {
        let [x, y] = of;
        if !self.is_made(x) || !self.is_made(y) || (anew && !self.is_made(at)) {
            return None;
        }
        let [place, x, y] = self.places.get_disjoint_mut([at, x, y]).ok()?;
        // SAFETY: they are made, as was seen above.
        let (x, y) = unsafe { (x.assume_init_ref(), y.assume_init_ref()) };
        make(x, y, place);
        *self.made.get_mut(at)? = true;
        Some(())
    }

    fn is_made(&self, at: usize) -> bool {
        self.made.get(at).is_some_and(|made| *made)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for (place, made) in self.places.iter_mut().zip(&self.made) {
            if *made {
                // SAFETY: it is made.
                unsafe { place.assume_init_mut() }.zeroize();
            }
        }
    }
}
