//! Names that nobody else in this process uses.

use std::sync::atomic::{AtomicU32, Ordering};

/// A number that this process gets once. The first 90,000 have five digits: no name that ends in
/// one is the beginning of another.
pub fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(10_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
