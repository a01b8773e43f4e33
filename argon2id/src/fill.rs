//! Filling the memory: which block is made of which (RFC 9106 sections 3.2 and 3.4).

use zeroize::{Zeroize, Zeroizing};

use crate::block::{Block, Memory, Place, SIZE};
use crate::long_hash::long_hash;
use crate::pairs::{Scratch, compress};
use crate::{Cost, Error};

/// Slices of a pass: within one, no lane looks at what another lane makes.
const SLICES: usize = 4;
/// Places that one block of addresses holds.
const ADDRESSES: usize = 128;
/// The most lanes (RFC 9106 section 3.1).
const MOST_LANES: u32 = (1 << 24) - 1;

/// How the memory is divided: lanes of four segments each.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    passes: u32,
    lanes: usize,
    segment: usize,
}

impl Shape {
    /// None if the cost is out of bounds. Memory is rounded down to whole segments.
    pub(crate) fn new(cost: Cost) -> Option<Self> {
        let allowed = cost.passes >= 1
            && (1..=MOST_LANES).contains(&cost.lanes)
            && cost.memory >= cost.lanes * 8;
        let lanes = usize::try_from(cost.lanes).ok()?;
        let memory = usize::try_from(cost.memory).ok()?;
        allowed.then(|| Self { passes: cost.passes, lanes, segment: memory / (lanes * SLICES) })
    }

    pub(crate) fn blocks(self) -> usize {
        self.lanes * self.lane()
    }

    fn lane(self) -> usize {
        self.segment * SLICES
    }
}

/// Where the filling is: one segment of one pass.
#[derive(Clone, Copy)]
struct Segment {
    pass: u32,
    slice: usize,
    lane: usize,
}

impl Segment {
    /// Whether the places of earlier blocks come from a counter instead of the data: argon2id does
    /// so in the first half of the first pass (RFC 9106 section 3.4.1.3).
    fn is_independent(self) -> bool {
        self.pass == 0 && self.slice < SLICES / 2
    }

    /// The block that the next one is made of, beside the one before it (RFC 9106 section 3.4.2).
    /// `block` counts within the segment.
    fn reference(self, shape: Shape, block: usize, word: u64) -> usize {
        let (first, second) = (word & u64::from(u32::MAX), word >> 32);
        let lane = if self.pass == 0 && self.slice == 0 {
            self.lane
        } else {
            (second % shape.lanes as u64) as usize
        };
        // Everything that is finished: in the first pass the slices before this one, later the
        // three others; and in the lane itself what this segment has, without the last block.
        let finished = if self.pass == 0 { self.slice } else { SLICES - 1 } * shape.segment;
        let area = if lane == self.lane {
            finished + block - 1
        } else {
            finished - usize::from(block == 0)
        };
        let x = (first * first) >> 32;
        let back = ((area as u64 * x) >> 32) as usize;
        let start = if self.pass == 0 { 0 } else { (self.slice + 1) * shape.segment };
        let mut position = start + area - 1 - back;
        // Less than twice around.
        while position >= shape.lane() {
            position -= shape.lane();
        }
        lane * shape.lane() + position
    }
}

/// The blocks of addresses of one segment (RFC 9106 section 3.4.1.2).
struct Addresses {
    input: [u64; 8],
    words: [u64; ADDRESSES],
}

impl Addresses {
    fn new(here: Segment, shape: Shape) -> Self {
        let numbers = [here.lane, here.slice, shape.blocks()].map(|number| number as u64);
        let [lane, slice, blocks] = numbers;
        let (pass, passes) = (u64::from(here.pass), u64::from(shape.passes));
        Self {
            input: [pass, lane, slice, blocks, passes, u64::from(crate::VARIANT), 0, 0],
            words: [0; ADDRESSES],
        }
    }

    /// The word for a block of the segment. Blocks must be asked for in order.
    fn word(&mut self, block: usize, scratch: &mut Scratch) -> u64 {
        let at = block % ADDRESSES;
        if at == 0 || self.input[6] == 0 {
            self.input[6] += 1;
            let zero = Block::default();
            let half = made_of(&zero, &Block::beginning(self.input), scratch);
            let whole = made_of(&zero, &half, scratch);
            for (word, made) in self.words.iter_mut().zip(whole.words()) {
                *word = made;
            }
        }
        self.words.get(at).copied().unwrap_or_default()
    }
}

/// G(x, y) by itself.
fn made_of(x: &Block, y: &Block, scratch: &mut Scratch) -> Block {
    let mut to = Place::uninit();
    // SAFETY: nothing is asked of the place, and afterwards there is a block.
    unsafe {
        compress::<false>(x, y, &mut to, scratch);
        to.assume_init()
    }
}

/// Fill the memory from H0.
///
/// # Errors
/// None that an input could cause: the places that RFC 9106 gives lie in the memory, and apart.
pub(crate) fn fill(memory: &mut Memory, shape: Shape, first: &[u8; 64]) -> Result<(), Error> {
    let mut bytes = Zeroizing::new([0; SIZE]);
    for (number, lane) in (0_u32..).zip(0..shape.lanes) {
        for (column, block) in (0_u32..).zip(0..2) {
            let parts: [&[u8]; 3] = [first, &column.to_le_bytes(), &number.to_le_bytes()];
            long_hash(&parts, &mut *bytes)?;
            let made = memory.put(lane * shape.lane() + block, Block::from_bytes(&bytes));
            made.ok_or(Error::Fault)?;
        }
    }
    let mut scratch = Scratch::default();
    let filled = (0..shape.passes).try_for_each(|pass| {
        (0..SLICES).try_for_each(|slice| {
            (0..shape.lanes).try_for_each(|lane| {
                fill_segment(memory, shape, Segment { pass, slice, lane }, &mut scratch)
            })
        })
    });
    scratch.zeroize();
    filled
}

fn fill_segment(
    memory: &mut Memory,
    shape: Shape,
    here: Segment,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let mut addresses = here.is_independent().then(|| Addresses::new(here, shape));
    // The first two blocks of a lane are there.
    let begin = if here.pass == 0 && here.slice == 0 { 2 } else { 0 };
    let lane = here.lane * shape.lane();
    let segment = lane + here.slice * shape.segment;
    for block in begin..shape.segment {
        let current = segment + block;
        let before = if current == lane { lane + shape.lane() } else { current } - 1;
        let word = match &mut addresses {
            Some(addresses) => addresses.word(block, scratch),
            None => memory.get(before).ok_or(Error::Fault)?.first_word(),
        };
        let reference = here.reference(shape, block, word);
        let later = here.pass > 0;
        // SAFETY: either way `compress` fills the place, and asks for the block in it only where
        // `make` was told that there must be one.
        let made = unsafe {
            memory.make(current, [before, reference], later, |x, y, to| match later {
                false => compress::<false>(x, y, to, scratch),
                true => compress::<true>(x, y, to, scratch),
            })
        };
        made.ok_or(Error::Fault)?;
    }
    Ok(())
}

/// The last blocks of all lanes in one, as the tag is made of it (RFC 9106 section 3.2, step 7).
///
/// # Errors
/// As [`fill`].
pub(crate) fn last(memory: &Memory, shape: Shape) -> Result<Zeroizing<[u8; SIZE]>, Error> {
    let mut whole = Zeroizing::new(Block::default());
    for lane in 1..=shape.lanes {
        whole.xor_with(memory.get(lane * shape.lane() - 1).ok_or(Error::Fault)?);
    }
    Ok(whole.to_bytes())
}
