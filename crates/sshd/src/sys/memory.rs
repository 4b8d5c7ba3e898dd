//! Memory that is not needed goes back to the system.

/// Gives free memory of the heap back. An idle connection keeps its processes
/// for hours, and what its beginning needed would stay with them.
pub fn release() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes a number, locks the heap itself, and moves nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
