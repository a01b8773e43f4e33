//! What this machine can hash at most: the same hash, natively, by the same crate.

use std::hint::black_box;
use std::time::{Duration, Instant};

use argon2::Argon2;

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The median of what one hash takes while nothing else runs.
pub fn alone() -> Duration {
    let mut times: Vec<Duration> = (0..25)
        .map(|_| {
            let begun = Instant::now();
            hash();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Hashes a second with one thread for each core: less than the cores' times one, where they share
/// the memory's bandwidth.
pub fn together() -> f64 {
    const TIME: Duration = Duration::from_secs(2);
    let begun = Instant::now();
    let done: u32 = std::thread::scope(|scope| {
        let work = || (0..).take_while(|_| begun.elapsed() < TIME).map(|_| hash()).count() as u32;
        let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    f64::from(done) / begun.elapsed().as_secs_f64()
}

/// argon2id, 19 MiB, 2 passes, 1 lane: the crate's default and the program's.
fn hash() {
    let mut output = [0; 32];
    let argon2 = Argon2::default();
    argon2
        .hash_password_into(black_box(b"correct horse"), b"0123456789abcdef", &mut output)
        .unwrap();
    black_box(output);
}
