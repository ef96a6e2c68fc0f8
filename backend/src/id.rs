//! New ids: UUIDv7, so that rows made together lie together.

use std::sync::Mutex;

use jalon_shared::Timestamp;
use uuid::{ContextV7, Uuid};

/// Counts within a millisecond, so that ids made in order sort in order.
static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());

/// A new id of this moment, e.g. `EventId(id::new_v7(now))`. Ids of one process sort in the order
/// they were made as long as the clock does not go back.
pub fn new_v7(now: Timestamp) -> Uuid {
    let milliseconds = u64::try_from(now.0).unwrap_or(0);
    let nanos = u32::try_from(milliseconds % 1000).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(&CONTEXT, milliseconds / 1000, nanos))
}

/// A random id in the shape of a `UUIDv7`: of this moment, but in no order among its like, because the
/// order of ids must not tell the order of answers (S4).
pub fn unordered(now: Timestamp) -> Uuid {
    let random = new_v7(now).into_bytes();
    let mut bytes = [0; 10];
    // Every v7 of one process counts up in its first bits; hashing keeps them apart and unordered.
    let hash = {
        use sha2::{Digest, Sha256};
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).unwrap_or_default();
        Sha256::new().chain_update(random).chain_update(salt).finalize()
    };
    bytes.copy_from_slice(&hash[..10]);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.0).unwrap_or(0), &bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_in_the_order_they_were_made() {
        let now = Timestamp(1_763_640_000_123);
        let ids: Vec<_> = (0..1000).map(|_| new_v7(now)).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids[0].get_version_num(), 7);
    }
}
