//! How many bytes are copied: this program's `memcpy` and `memmove` count, for all that is linked into it, the runtime of the
//! plugins included. Copies of a size that the compiler knows are instructions of their own, and are not seen here.

use std::sync::atomic::{AtomicU64, Ordering};

static COPIED: AtomicU64 = AtomicU64::new(0);

/// Bytes so far.
pub fn so_far() -> u64 {
    COPIED.load(Ordering::Relaxed)
}

/// Takes the place of the C library's.
///
/// # Safety
///
/// As `memcpy`: `n` bytes can be read at `from` and written at `to`.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    COPIED.fetch_add(n as u64, Ordering::Relaxed);
    // SAFETY: the caller's promise. Written out, as a loop would be compiled to a call of this function.
    unsafe {
        std::arch::asm!("rep movsb", inout("rcx") n => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
    }
    to
}

/// Takes the place of the C library's.
///
/// # Safety
///
/// As `memmove`: `n` bytes can be read at `from` and written at `to`, and the two may overlap.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= n {
        // SAFETY: forwards, no byte is overwritten before it is read.
        return unsafe { memcpy(to, from, n) };
    }
    COPIED.fetch_add(n as u64, Ordering::Relaxed);
    // SAFETY: the caller's promise; `n` is not 0 here, and backwards no byte is overwritten before it is read.
    unsafe {
        let (last_to, last_from) = (to.wrapping_add(n).wrapping_sub(1), from.wrapping_add(n).wrapping_sub(1));
        std::arch::asm!("std", "rep movsb", "cld", inout("rcx") n => _, inout("rdi") last_to => _, inout("rsi") last_from => _, options(nostack));
    }
    to
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn the_copies_that_count_copy() {
    let before = so_far();
    let mut bytes: Vec<u8> = (0..100).collect();
    let (from, to, length) = (std::hint::black_box(10), std::hint::black_box(20), std::hint::black_box(50));
    bytes.copy_within(from..from + length, to);
    assert!((0..50).all(|i| bytes[20 + i] == 10 + i as u8), "to the right, over itself");
    bytes.copy_within(to..to + length, from);
    assert!((0..50).all(|i| bytes[10 + i] == 10 + i as u8), "to the left, over itself");
    assert!(so_far() - before >= 100);
}
