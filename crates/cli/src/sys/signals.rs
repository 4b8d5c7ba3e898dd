//! Signals that must wait a moment.

/// Holds back the signals that end a program, until it is dropped: for writing a file and renaming
/// it, so that nothing half done stays behind.
pub struct HeldSignals {
    before: libc::sigset_t,
}

/// Begins to hold them back.
pub fn hold() -> HeldSignals {
    // SAFETY: signal sets are plain memory that sigemptyset and pthread_sigmask fill; all pointers
    // are to locals, and the signal numbers are valid.
    unsafe {
        let mut held: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut held);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP] {
            libc::sigaddset(&raw mut held, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const held, &raw mut before);
        HeldSignals { before }
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        // SAFETY: `before` was filled when the signals were held back; null asks for nothing.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut());
        }
    }
}
