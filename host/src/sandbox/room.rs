//! Room for compiled code, which is shared by all components.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of compiled code that are there now.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms(Arc<AtomicU64>);

/// The room of one component. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    all: Rooms,
    bytes: u64,
}

impl Rooms {
    /// Takes so many bytes, of so many that there are for all. None: there are not as many left.
    pub(super) fn take(&self, bytes: u64, of: u64) -> Option<Room> {
        let all = &self.0;
        let taken = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= of);
        all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .ok()?;
        Some(Room {
            all: self.clone(),
            bytes,
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
