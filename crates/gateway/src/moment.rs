//! The time as policies and rules see it.

use cardea_policy::Moment;
use jiff::{Timestamp, tz::TimeZone};

/// A moment, in UTC and where the tenant is.
///
/// # Errors
/// When the clock is so far off that there is no date for it.
pub fn moment(unix_ms: u64, zone: &TimeZone) -> Result<Moment, String> {
    let ms = i64::try_from(unix_ms).map_err(|e| e.to_string())?;
    let now = Timestamp::from_millisecond(ms).map_err(|e| e.to_string())?;
    let hour_and_weekday = |zone: TimeZone| {
        let there = now.to_zoned_datetime(zone);
        (there.hour(), there.weekday().to_monday_one_offset())
    };
    Ok(Moment {
        unix_s: unix_ms / 1000,
        utc: hour_and_weekday(TimeZone::UTC),
        local: hour_and_weekday(zone.clone()),
    })
}
