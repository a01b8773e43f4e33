//! Times taken in turns, and how they are told.

use std::time::{Duration, Instant};

/// The median of each, all of them taken in turns: a ratio of two of them then holds on a machine
/// that is not quiet. The first tenth is for warming up and is not counted.
pub fn interleaved<'n>(
    rounds: usize,
    subjects: &mut [(&'n str, &mut dyn FnMut())],
) -> Vec<(&'n str, Duration)> {
    let mut took = vec![Vec::with_capacity(rounds); subjects.len()];
    let warming = rounds.div_ceil(10);
    for round in 0..rounds + warming {
        for ((_, subject), took) in subjects.iter_mut().zip(&mut took) {
            let ((), time) = timed(&mut **subject);
            if round >= warming {
                took.push(time);
            }
        }
    }
    subjects.iter().map(|(name, _)| *name).zip(took.into_iter().map(median)).collect()
}

/// The median.
pub fn median(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() / 2]
}

/// Prints each with its ratio to the first.
pub fn table(title: &str, rows: &[(&str, Duration)]) {
    println!("{title}");
    let first = rows[0].1;
    for (name, time) in rows {
        let ratio = time.as_secs_f64() / first.as_secs_f64();
        println!("  {name:<24} {:>10.1} µs   ratio {ratio:.2}", time.as_secs_f64() * 1e6);
    }
    println!();
}

/// What the work gives, and how long it takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed())
}

/// KiB of this process that are in memory.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
