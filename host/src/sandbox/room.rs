//! Room for compiled code, which is shared by all components.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmparser::{Parser, Payload};
use wasmtime::component::Component;

/// Bytes that a type, an import or an export of a component, or of a module in it, takes beside the code:
/// as measured, a type of a module takes 1.1 kB, an export of a component 0.5, one of a module 0.1.
const PER_ITEM: u64 = 1 << 10;

/// Bytes of memory that a component takes as long as it is there, roughly.
pub(super) fn needed(component: &Component, bytes: &[u8]) -> u64 {
    let code = component.image_range();
    let code = (code.end.addr() - code.start.addr()) as u64;
    code + PER_ITEM * items(bytes)
}

/// The number of types, imports and exports, those of modules and components inside included.
fn items(bytes: &[u8]) -> u64 {
    let count = |payload| match payload {
        Payload::TypeSection(section) => section.count(),
        Payload::ImportSection(section) => section.count(),
        Payload::ExportSection(section) => section.count(),
        Payload::CoreTypeSection(section) => section.count(),
        Payload::ComponentTypeSection(section) => section.count(),
        Payload::ComponentImportSection(section) => section.count(),
        Payload::ComponentExportSection(section) => section.count(),
        Payload::ComponentAliasSection(section) => section.count(),
        Payload::ComponentInstanceSection(section) => section.count(),
        Payload::InstanceSection(section) => section.count(),
        _ => 0,
    };
    // The compiler has taken it: there is nothing that cannot be read.
    let payloads = Parser::new(0).parse_all(bytes).filter_map(Result::ok);
    payloads.map(|payload| u64::from(count(payload))).sum()
}

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
