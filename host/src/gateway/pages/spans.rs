//! Times in the words of people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// The last second that has four digits for its year.
const LAST: u64 = 253_402_300_799;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A length of time, in its largest fitting unit and rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Span {
    number: u64,
    unit: &'static str,
}

impl Span {
    pub(super) fn of(seconds: u64) -> Self {
        let (length, unit) = unit(seconds);
        Self { number: seconds.max(1).div_ceil(length), unit }
    }
}

fn unit(seconds: u64) -> (u64, &'static str) {
    match seconds {
        0..60 => (1, "second"),
        60..3_600 => (60, "minute"),
        3_600..86_400 => (3_600, "hour"),
        _ => (86_400, "day"),
    }
}

/// A point in time, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Moment {
    /// As RFC 3339 writes it.
    iso: String,
    /// In English.
    text: String,
}

impl Moment {
    /// With its date.
    pub(super) fn dated(seconds: u64) -> Self {
        let iso = iso(seconds);
        // 2026-11-25T14:03:00Z
        let part = |range: std::ops::Range<usize>| iso.get(range).unwrap_or_default();
        let number = |range| part(range).parse().unwrap_or(0_usize);
        let month = MONTHS.get(number(5..7).wrapping_sub(1)).copied().unwrap_or_default();
        let text = format!("{} {month} {}, {} UTC", number(8..10), part(0..4), part(11..16));
        Self { iso, text }
    }

    /// By how long ago it was.
    pub(super) fn ago(seconds: u64, now: u64) -> Self {
        let past = now.saturating_sub(seconds);
        let text = match unit(past) {
            (1, _) => "just now".to_owned(),
            (length, unit) => {
                let number = past / length;
                format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" })
            }
        };
        Self { iso: iso(seconds), text }
    }
}

fn iso(seconds: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_secs(seconds.min(LAST));
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_its_largest_unit_and_never_too_short() {
        for (seconds, number, unit) in [
            (0, 1, "second"),
            (59, 59, "second"),
            (60, 1, "minute"),
            (61, 2, "minute"),
            (3_601, 2, "hour"),
            (86_400, 1, "day"),
        ] {
            assert_eq!(Span::of(seconds), Span { number, unit });
        }
    }

    #[test]
    fn a_moment_has_a_form_for_programs_and_one_for_people() {
        let moment = Moment::dated(1_795_615_380);
        assert_eq!(moment.iso, "2026-11-25T14:03:00Z");
        assert_eq!(moment.text, "25 Nov 2026, 14:03 UTC");
        assert_eq!(Moment::dated(u64::MAX).text, "31 Dec 9999, 23:59 UTC");
        let ago = |past: u64| Moment::ago(1_000_000 - past, 1_000_000).text;
        assert_eq!(ago(5), "just now");
        assert_eq!(ago(119), "1 minute ago");
        assert_eq!(ago(7_300), "2 hours ago");
        assert_eq!(Moment::ago(20, 10).text, "just now");
    }
}
