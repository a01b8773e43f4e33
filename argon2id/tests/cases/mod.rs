//! Inputs and parameters at random, the same for the same number wherever they are made.

use portcullis_argon2id::Cost;

/// One thing to hash.
pub(crate) struct Case {
    pub(crate) password: Vec<u8>,
    pub(crate) salt: Vec<u8>,
    pub(crate) secret: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) cost: Cost,
    pub(crate) tag: usize,
}

/// The longest tag of a case.
pub(crate) const LONGEST_TAG: usize = 128;

impl Case {
    pub(crate) fn new(number: u64) -> Self {
        let mut random = Random(number);
        let lanes = random.within(1, 4);
        // Mostly small, so that there can be many; now and then up to 256 KiB.
        let most = if random.within(0, 15) == 0 { 256 } else { 64 };
        let memory = random.within(8 * lanes, most);
        let password = match random.within(0, 7) {
            0 => 0,
            1 => random.within(129, 1500),
            _ => random.within(1, 128),
        };
        let salt = random.within(8, 64);
        // The guest gives neither of these; associated data is in strings of other programs.
        let secret = if random.within(0, 3) == 0 { random.within(1, 40) } else { 0 };
        let data = if random.within(0, 3) == 0 { random.within(1, 32) } else { 0 };
        Self {
            password: random.bytes(password),
            salt: random.bytes(salt),
            secret: random.bytes(secret),
            data: random.bytes(data),
            cost: Cost { memory, passes: random.within(1, 4), lanes },
            tag: random.within(4, LONGEST_TAG as u32) as usize,
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn within(&mut self, least: u32, most: u32) -> u32 {
        least + (self.next() % u64::from(most - least + 1)) as u32
    }

    fn bytes(&mut self, count: u32) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}
