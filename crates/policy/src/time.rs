//! What policies can read of the time: `context.time`.

use cedar_policy::RestrictedExpression;

use crate::arguments::Wanted;

/// One moment, as policies see it. It comes from the gateway's clock, never from a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    /// Seconds since the Unix epoch.
    pub unix_s: u64,
    /// Hour (0 to 23) and weekday (1 is Monday, 7 is Sunday) in UTC.
    pub utc: (i8, i8),
    /// The same where the tenant is.
    pub local: (i8, i8),
}

impl Moment {
    pub(crate) fn expression(&self, wanted: &Wanted) -> Result<RestrictedExpression, String> {
        let all = [
            ("unix_s", i64::try_from(self.unix_s).unwrap_or(i64::MAX)),
            ("hour_utc", self.utc.0.into()),
            ("weekday_utc", self.utc.1.into()),
            ("hour_local", self.local.0.into()),
            ("weekday_local", self.local.1.into()),
        ];
        let wanted = all.into_iter().filter(|(name, _)| wanted.holds(name));
        let pairs = wanted.map(|(name, n)| (name.to_owned(), RestrictedExpression::new_long(n)));
        RestrictedExpression::new_record(pairs).map_err(|e| e.to_string())
    }
}
