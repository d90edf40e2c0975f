//! JSON text by hand: a record is written on the way of every call.
//!
//! What is written holds no control character, neither C0 nor DEL nor C1: one record stays on one
//! line, and showing a log in a terminal runs nothing that an attacker put into a call.

use serde::de::IgnoredAny;

/// Appends `text` as a JSON string, cut to `bytes_max` with a note of its length.
pub(crate) fn push_str(out: &mut Vec<u8>, text: &str, bytes_max: usize) {
    out.push(b'"');
    if text.len() <= bytes_max {
        push_escaped(out, text.as_bytes());
    } else {
        let end = (0..=bytes_max)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        push_escaped(out, text.get(..end).unwrap_or_default().as_bytes());
        out.extend_from_slice("… (".as_bytes());
        push_u64(out, len_u64(text.len()));
        out.extend_from_slice(b" bytes)");
    }
    out.push(b'"');
}

/// Appends text that is JSON already, on one line: control characters between its tokens become
/// spaces, those inside its strings become escapes, so it means what it meant.
///
/// The caller has asked [`is_json`].
pub(crate) fn push_raw(out: &mut Vec<u8>, json: &str) {
    let mut rest = json.as_bytes();
    while let Some(at) = rest.iter().position(|b| is_control_lead(*b)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = match special {
            [0xc2, c1 @ 0x80..=0x9f, tail @ ..] => {
                push_unicode_escape(out, *c1);
                tail
            }
            [0xc2, tail @ ..] => {
                out.push(0xc2);
                tail
            }
            [0x7f, tail @ ..] => {
                push_unicode_escape(out, 0x7f);
                tail
            }
            // Within strings JSON allows no raw C0, so it is whitespace.
            [_, tail @ ..] => {
                out.push(b' ');
                tail
            }
            [] => &[],
        };
    }
    out.extend_from_slice(rest);
}

/// Whether the text is one whole JSON value.
///
/// The protocol room has seen to it already; asked again because text that is not would let a
/// caller write members of its own choice into the record.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Appends a number in decimal.
pub(crate) fn push_u64(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + low_byte(number % 10);
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    let unused = digits.len() - used;
    out.extend_from_slice(digits.get(unused..).unwrap_or_default());
}

/// Appends a number in decimal, with its sign.
pub(crate) fn push_i64(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    push_u64(out, number.unsigned_abs());
}

/// Appends microseconds since the Unix epoch as an RFC 3339 time in UTC.
pub(crate) fn push_time(out: &mut Vec<u8>, unix_us: u64) {
    let seconds = unix_us / 1_000_000;
    let (year, month, day) = civil(seconds / 86_400);
    let of_day = seconds % 86_400;
    push_padded(out, year, 4);
    out.push(b'-');
    push_padded(out, month, 2);
    out.push(b'-');
    push_padded(out, day, 2);
    out.push(b'T');
    push_padded(out, of_day / 3600, 2);
    out.push(b':');
    push_padded(out, of_day / 60 % 60, 2);
    out.push(b':');
    push_padded(out, of_day % 60, 2);
    out.push(b'.');
    push_padded(out, unix_us % 1_000_000, 6);
    out.push(b'Z');
}

/// Appends bytes as lower-case hex.
pub(crate) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 0xf)]);
    }
}

/// The hex digit of a number below 16.
pub(crate) fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' - 10 + nibble
    }
}

/// A length as the integer that records use.
pub(crate) fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = rest
        .iter()
        .position(|b| matches!(b, b'"' | b'\\') || is_control_lead(*b))
    {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = match special {
            [quote @ (b'"' | b'\\'), tail @ ..] => {
                out.extend_from_slice(&[b'\\', *quote]);
                tail
            }
            [0xc2, c1 @ 0x80..=0x9f, tail @ ..] => {
                push_unicode_escape(out, *c1);
                tail
            }
            [0xc2, tail @ ..] => {
                out.push(0xc2);
                tail
            }
            [b'\n', tail @ ..] => {
                out.extend_from_slice(b"\\n");
                tail
            }
            [control, tail @ ..] => {
                push_unicode_escape(out, *control);
                tail
            }
            [] => &[],
        };
    }
    out.extend_from_slice(rest);
}

/// C0, DEL, and the byte that every C1 begins with in UTF-8.
fn is_control_lead(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f || byte == 0xc2
}

fn push_unicode_escape(out: &mut Vec<u8>, code: u8) {
    out.extend_from_slice(b"\\u00");
    push_hex(out, &[code]);
}

fn push_padded(out: &mut Vec<u8>, number: u64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + low_byte(number / 10_u64.pow(place) % 10));
    }
}

/// Year, month and day of a day since 1970-01-01.
///
/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`, for days
/// that are not negative.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months counted from March, so that the leap day is the year's last.
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

fn low_byte(number: u64) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn a_string_comes_back_as_it_was(text in any::<String>()) {
            let json = written(|out| push_str(out, &text, usize::MAX));
            prop_assert!(!json.chars().any(char::is_control), "{json:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn a_time_is_what_jiff_says(us in 0..253_402_207_200_000_000_u64) {
            let theirs = jiff::Timestamp::from_microsecond(i64::try_from(us).unwrap()).unwrap();
            prop_assert_eq!(written(|out| push_time(out, us)), format!("{theirs:.6}"));
        }

        #[test]
        fn numbers_are_what_display_says(unsigned: u64, signed: i64) {
            prop_assert_eq!(written(|out| push_u64(out, unsigned)), unsigned.to_string());
            prop_assert_eq!(written(|out| push_i64(out, signed)), signed.to_string());
        }
    }

    #[test]
    fn the_ends_of_the_number_range_are_written() {
        assert_eq!(written(|out| push_u64(out, 0)), "0");
        assert_eq!(written(|out| push_u64(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(written(|out| push_i64(out, i64::MIN)), i64::MIN.to_string());
    }

    #[test]
    fn raw_json_stays_on_one_line_and_means_the_same() {
        let json = "{\r\n\t\"a\": \"é\u{7f}\u{9b}31m\u{a0}\",\n\"b\": [1,\n2]}";
        let line = written(|out| push_raw(out, json));
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&line), value(json));
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(written(|out| push_str(out, "aéé", 2)), "\"a… (5 bytes)\"");
    }

    #[test]
    fn only_one_whole_value_is_json() {
        assert!(is_json("{\"a\":[1,{}]}"));
        for bad in ["", "{", "1}", "1,\"x\":2", "{} {}", "\"a\nb\"", "{a:1}"] {
            assert!(!is_json(bad), "{bad:?}");
        }
    }
}
