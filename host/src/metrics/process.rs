//! The process itself.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Bytes of memory in use, where the system tells.
#[cfg(target_os = "linux")]
pub(super) fn memory() -> Option<u64> {
    // In pages; the second number is what is in memory (proc_pid_statm(5)).
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    pages.checked_mul(page)
}

/// Bytes of memory in use, where the system tells.
#[cfg(not(target_os = "linux"))]
pub(super) fn memory() -> Option<u64> {
    None
}
