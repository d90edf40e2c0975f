//! Every bound of the gateway, with its default, its range and its reason.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    check::Checker,
    quantity::{
        ByteSize, Count, Quantity, Timespan, bytes, count, gib, hours, kib, mib, mins, ms, secs,
    },
    yaml::At,
};

/// One row per limit: reason, name, unit and checked type, default, range. The row makes a key of the file, its
/// schema, its range check and a field of the checked type, so that none of them can be forgotten.
macro_rules! limits {
    ($(
        $(#[doc = $reason:literal])+
        $name:ident: $unit:ty => $checked:ty = $default:expr, $min:expr => $max:expr;
    )+) => {
        /// What one request, connection or upstream may cost at most.
        #[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        #[schemars(rename = "Limits")]
        pub(crate) struct RawLimits {
            $(
                $(#[doc = $reason])+
                #[schemars(extend("x-minimum" = $min.bound(), "x-maximum" = $max.bound()))]
                pub(crate) $name: $unit,
            )+
        }

        impl Default for RawLimits {
            fn default() -> Self {
                Self { $($name: $default),+ }
            }
        }

        impl RawLimits {
            /// Reports each limit of the file at `at` that is out of its range.
            pub(crate) fn check(&self, at: &At, checker: &mut Checker<'_>) -> Limits {
                $(checker.range(&at.key(stringify!($name)), self.$name, $min, $max);)+
                self.checked()
            }

            /// The same in the units of the checked configuration.
            pub(crate) fn checked(&self) -> Limits {
                Limits { $($name: self.$name.checked()),+ }
            }
        }

        /// What one request, connection or upstream may cost at most. Sizes are in bytes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Limits {
            $(
                $(#[doc = $reason])+
                pub $name: $checked,
            )+
        }
    };
}

limits! {
    /// The body of one request. A body is held in memory as a whole, so this times the requests in
    /// flight is what clients can make the gateway hold; large content belongs into resources.
    body_bytes_max: ByteSize => u64 = mib(4), bytes(256) => mib(256);

    /// Levels of nesting in a message. Each level costs stack when it is read; real messages stay
    /// below 20.
    json_depth_max: Count => usize = count(64), count(8) => count(512);

    /// Headers of one request. Browsers and proxies send about 30.
    header_count_max: Count => usize = count(64), count(16) => count(1_000);

    /// The headers of one request together. Room for two large tokens, and little to hold per
    /// connection while they arrive.
    header_bytes_max: ByteSize => u64 = kib(32), kib(8) => mib(1);

    /// From the opening of a connection, or the answer before, to the end of the next headers: so
    /// also how long a connection may stay idle. Longer than the pauses in which clients keep a
    /// connection for their next call, short for headers that trickle.
    header_timeout: Timespan => Duration = secs(60), ms(10) => mins(10);

    /// From the end of the headers to the end of the body. Enough for the largest body on a slow
    /// line; a body that trickles must not hold memory for longer.
    body_timeout: Timespan => Duration = secs(30), ms(10) => mins(60);

    /// Connections of clients at a time. Each costs a file descriptor and some tens of kilobytes.
    connections_max: Count => usize = count(10_000), count(1) => count(1_000_000);

    /// Streams that one principal may have open at a time, so that one agent cannot use up the
    /// connections of all.
    streams_per_principal_max: Count => usize = count(64), count(1) => count(100_000);

    /// Calls of one tenant under way at a time, streams among them, so that one tenant cannot use up
    /// the connections of all: half of them. A tenant's `limits.calls_max` says it for that tenant.
    calls_per_tenant_max: Count => usize = count(5_000), count(1) => count(1_000_000);

    /// Streams that one tenant may have open at a time, so that they leave room for its calls. A
    /// tenant's `limits.streams_max` says it for that tenant.
    streams_per_tenant_max: Count => usize = count(2_500), count(1) => count(1_000_000);

    /// One message of an upstream. It is held in memory as a whole while it is checked.
    answer_bytes_max: ByteSize => u64 = mib(16), bytes(256) => gib(1);

    /// From the request to the end of the answer, whatever progress is reported: the time for which
    /// one decision of a policy holds.
    call_timeout: Timespan => Duration = mins(5), ms(10) => hours(24);

    /// A stream on which neither side sends anything. Longer than the pauses of a person at work;
    /// what is dead is found sooner by keep-alives.
    stream_idle_timeout: Timespan => Duration = mins(30), ms(10) => hours(24);

    /// From asking for a connection to an upstream to having it, TLS included. An upstream that
    /// takes longer is down for everybody who waits.
    connect_timeout: Timespan => Duration = secs(5), ms(10) => mins(5);

    /// Child processes of one upstream for one tenant at a time: sessions of different principals never
    /// share one, and each costs the memory of an interpreter.
    sessions_stdio_max: Count => usize = count(64), count(1) => count(10_000);

    /// Of these, child processes of one principal, so that one agent cannot use up those of all.
    /// Agents hold one session, or one for each run that is under way.
    sessions_stdio_per_principal_max: Count => usize = count(8), count(1) => count(10_000);

    /// A session that nobody uses. Ending it frees its child process; clients open a new one
    /// without being told to.
    session_idle_timeout: Timespan => Duration = mins(30), ms(10) => hours(24);

    /// How long grants hold while the store of requests, grants and locks cannot be written: nobody could take them
    /// back in a way that lasts. Calls that rest on one are then refused, and cut. Longer than a store is
    /// busy with others.
    max_staleness: Timespan => Duration = secs(10), secs(2) => mins(5);

    /// From the order to stop to the end of the calls in flight. Below the 30 seconds after which
    /// Kubernetes kills.
    drain_timeout: Timespan => Duration = secs(20), ms(0) => mins(60);

    /// Refusals of one address for one reason in a second that are recorded one by one, where nobody was
    /// proven to have made the request: otherwise anybody could fill the disk. All addresses together have ten
    /// times as many. The rest is counted, and recorded as one event, `refusals_counted`. Behind a proxy
    /// that is not one of `trusted_proxies` all clients are one address.
    refusals_recorded_per_address_max: Count => usize = count(10), count(1) => count(100_000);
}

/// Limits of one upstream; what is not given is as in `limits`.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "UpstreamLimits")]
pub(crate) struct RawUpstreamLimits {
    /// One message of this upstream.
    pub(crate) answer_bytes_max: Option<ByteSize>,
    /// From the request to the end of the answer.
    pub(crate) call_timeout: Option<Timespan>,
    /// A stream on which neither side sends anything.
    pub(crate) stream_idle_timeout: Option<Timespan>,
    /// From asking for a connection to having it.
    pub(crate) connect_timeout: Option<Timespan>,
    /// Child processes at a time.
    pub(crate) sessions_stdio_max: Option<Count>,
    /// Child processes of one principal at a time.
    pub(crate) sessions_stdio_per_principal_max: Option<Count>,
    /// A session that nobody uses.
    pub(crate) session_idle_timeout: Option<Timespan>,
}

impl RawUpstreamLimits {
    /// The limits of the whole gateway with those of one upstream laid over them.
    pub(crate) fn over(&self, all: &RawLimits) -> RawLimits {
        RawLimits {
            answer_bytes_max: self.answer_bytes_max.unwrap_or(all.answer_bytes_max),
            call_timeout: self.call_timeout.unwrap_or(all.call_timeout),
            stream_idle_timeout: self.stream_idle_timeout.unwrap_or(all.stream_idle_timeout),
            connect_timeout: self.connect_timeout.unwrap_or(all.connect_timeout),
            sessions_stdio_max: self.sessions_stdio_max.unwrap_or(all.sessions_stdio_max),
            sessions_stdio_per_principal_max: self
                .sessions_stdio_per_principal_max
                .unwrap_or(all.sessions_stdio_per_principal_max),
            session_idle_timeout: self
                .session_idle_timeout
                .unwrap_or(all.session_idle_timeout),
            ..*all
        }
    }
}

/// Limits of one tenant; what is not given is as in `limits`. An upstream's own limits come before
/// these.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "TenantLimits")]
pub(crate) struct RawTenantLimits {
    /// Calls under way at a time, streams among them. A call more is refused.
    #[schemars(extend("x-default" = "`limits.calls_per_tenant_max`"))]
    pub(crate) calls_max: Option<Count>,
    /// Streams open at a time. A stream more is refused.
    #[schemars(extend("x-default" = "`limits.streams_per_tenant_max`"))]
    pub(crate) streams_max: Option<Count>,
    /// Streams of one principal.
    pub(crate) streams_per_principal_max: Option<Count>,
    /// One message of an upstream.
    pub(crate) answer_bytes_max: Option<ByteSize>,
    /// From the request to the end of the answer.
    pub(crate) call_timeout: Option<Timespan>,
    /// A stream on which neither side sends anything.
    pub(crate) stream_idle_timeout: Option<Timespan>,
    /// From asking for a connection to an upstream to having it.
    pub(crate) connect_timeout: Option<Timespan>,
    /// Child processes of one upstream at a time.
    pub(crate) sessions_stdio_max: Option<Count>,
    /// A session that nobody uses.
    pub(crate) session_idle_timeout: Option<Timespan>,
}

impl RawTenantLimits {
    /// The limits of the whole gateway with those of one tenant laid over them.
    pub(crate) fn over(&self, all: &RawLimits) -> RawLimits {
        RawLimits {
            calls_per_tenant_max: self.calls_max.unwrap_or(all.calls_per_tenant_max),
            streams_per_tenant_max: self.streams_max.unwrap_or(all.streams_per_tenant_max),
            streams_per_principal_max: self
                .streams_per_principal_max
                .unwrap_or(all.streams_per_principal_max),
            answer_bytes_max: self.answer_bytes_max.unwrap_or(all.answer_bytes_max),
            call_timeout: self.call_timeout.unwrap_or(all.call_timeout),
            stream_idle_timeout: self.stream_idle_timeout.unwrap_or(all.stream_idle_timeout),
            connect_timeout: self.connect_timeout.unwrap_or(all.connect_timeout),
            sessions_stdio_max: self.sessions_stdio_max.unwrap_or(all.sessions_stdio_max),
            session_idle_timeout: self
                .session_idle_timeout
                .unwrap_or(all.session_idle_timeout),
            ..*all
        }
    }

    /// Reports each limit at `at` that is out of its range; gives all limits of the tenant, laid
    /// over those of the gateway.
    pub(crate) fn check(&self, all: &RawLimits, at: &At, checker: &mut Checker<'_>) -> Limits {
        let limits = self.over(all);
        // Two have shorter names here than in the limits of the gateway.
        let (min, max) = (count(1), count(1_000_000));
        checker.range(&at.key("calls_max"), limits.calls_per_tenant_max, min, max);
        checker.range(
            &at.key("streams_max"),
            limits.streams_per_tenant_max,
            min,
            max,
        );
        limits.check(at, checker)
    }
}
