//! Devices without a browser, and the people who let them in (RFC 8628).

use crate::{SecretHash, Store, StoreError, seconds, unsigned};

/// A device that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The client's id.
    pub client: String,
    /// What it asked for, as the caller wrote it.
    pub request: String,
    /// When it gives up.
    pub expires_s: u64,
}

/// What became of a device's wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody has decided.
    Pending,
    /// Somebody said yes: what was approved, as the caller wrote it.
    Approved(String),
    /// Somebody said no.
    Denied,
}

/// What a device that asks for its token finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// It asked sooner than it was told to, and has to wait longer from now on.
    TooSoon,
    /// In time; an approval or a denial is told once and then gone.
    State(DeviceState),
    /// There is no such device.
    Unknown,
}

/// RFC 8628 section 3.5: `slow_down` adds five seconds.
const SLOWER_S: i64 = 5;

impl Store {
    /// Remembers a device; `false` when as many wait as may, or its user code is taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_device(
        &self,
        hash: &SecretHash,
        user: &SecretHash,
        device: &Device,
        interval_s: u64,
        waiting_max: u32,
    ) -> Result<bool, StoreError> {
        let made = sqlx::query(
            "INSERT INTO device
                 (device_hash, user_hash, client, request, state, polled_s, interval_s, expires_s)
             SELECT $1, $2, $3, $4, 'pending', 0, $5, $6
             WHERE (SELECT COUNT(*) FROM device) < $7
             ON CONFLICT DO NOTHING",
        )
        .bind(hash.as_slice())
        .bind(user.as_slice())
        .bind(&device.client)
        .bind(&device.request)
        .bind(seconds(interval_s))
        .bind(seconds(device.expires_s))
        .bind(i64::from(waiting_max))
        .execute(&self.pool)
        .await?;
        Ok(made.rows_affected() == 1)
    }

    /// The device that shows this user code and still waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn device(
        &self,
        user: &SecretHash,
        now_s: u64,
    ) -> Result<Option<Device>, StoreError> {
        let row: Option<(String, String, i64)> = sqlx::query_as(
            "SELECT client, request, expires_s FROM device
             WHERE user_hash = $1 AND state = 'pending' AND expires_s > $2",
        )
        .bind(user.as_slice())
        .bind(seconds(now_s))
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(client, request, expires_s)| Device {
            client,
            request,
            expires_s: unsigned(expires_s),
        }))
    }

    /// Decides once; `false` when it was decided or has ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn decide_device(
        &self,
        user: &SecretHash,
        approval: Option<&str>,
        now_s: u64,
    ) -> Result<bool, StoreError> {
        let decided = sqlx::query(
            "UPDATE device SET approval = $2, state = $3
             WHERE user_hash = $1 AND state = 'pending' AND expires_s > $4",
        )
        .bind(user.as_slice())
        .bind(approval)
        .bind(if approval.is_some() {
            "approved"
        } else {
            "denied"
        })
        .bind(seconds(now_s))
        .execute(&self.pool)
        .await?;
        Ok(decided.rows_affected() == 1)
    }

    /// A device of this client asks what became of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn poll_device(
        &self,
        hash: &SecretHash,
        client: &str,
        now_s: u64,
    ) -> Result<Poll, StoreError> {
        let decided: Option<(String, Option<String>)> = sqlx::query_as(
            "DELETE FROM device WHERE device_hash = $1 AND client = $2 AND expires_s > $3
             AND state <> 'pending' RETURNING state, approval",
        )
        .bind(hash.as_slice())
        .bind(client)
        .bind(seconds(now_s))
        .fetch_optional(&self.pool)
        .await?;
        if let Some((_, approval)) = decided {
            let state = approval.map_or(DeviceState::Denied, DeviceState::Approved);
            return Ok(Poll::State(state));
        }
        let in_time = sqlx::query(
            "UPDATE device SET polled_s = $3 WHERE device_hash = $1 AND client = $2
             AND expires_s > $3 AND polled_s + interval_s <= $3",
        )
        .bind(hash.as_slice())
        .bind(client)
        .bind(seconds(now_s))
        .execute(&self.pool)
        .await?;
        if in_time.rows_affected() == 1 {
            return Ok(Poll::State(DeviceState::Pending));
        }
        let slower = sqlx::query(
            "UPDATE device SET polled_s = $3, interval_s = interval_s + $4
             WHERE device_hash = $1 AND client = $2 AND expires_s > $3",
        )
        .bind(hash.as_slice())
        .bind(client)
        .bind(seconds(now_s))
        .bind(SLOWER_S)
        .execute(&self.pool)
        .await?;
        Ok(if slower.rows_affected() == 1 {
            Poll::TooSoon
        } else {
            Poll::Unknown
        })
    }
}
