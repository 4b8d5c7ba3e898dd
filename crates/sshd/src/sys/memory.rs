//! Memory that is not needed goes back to the system.

/// Stack below the caller that is given back: as deep as any call here goes.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
const STACK_BYTES: usize = 256 * 1024;
/// Left alone below the stack pointer: frames of what is called, and the red zone.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
const KEPT_BYTES: usize = 16 * 1024;

/// How long nothing happens before a process gives memory back.
pub const QUIET: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };

/// Lets the heap give memory back early: buffers by themselves when they are
/// freed, and the heap's end when little of it is in use. For processes that
/// are idle for most of their lives, and of which there are many.
pub fn be_frugal() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes two numbers; at worst it knows them not and changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 16 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 16 * 1024);
    }
}

/// Gives free memory of the heap, the unused part of the main thread's stack
/// and the program's own pages back. An idle connection keeps its processes for hours, and what its
/// beginning needed would stay with them.
pub fn release() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes a number, locks the heap itself, and moves nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    release_stack();
    #[cfg(target_os = "linux")]
    release_program();
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn release_stack() {
    // Threads have small stacks with other mappings right below them.
    if rustix::thread::gettid() != rustix::process::getpid() {
        return;
    }
    // SAFETY: sysconf only looks the number up.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(65536);
    let end = (stack_pointer() - KEPT_BYTES) & !(page - 1);
    let begin = (end - STACK_BYTES) & !(page - 1);
    // SAFETY: the range lies below the stack pointer, and so below every live frame of the main
    // thread's stack, which grows downwards; what is called from here needs far less than what is
    // left alone. So nothing in it will be read before it is
    // written again. No other mapping is in it: the kernel keeps 1 MiB below the stack free. Where
    // the stack does not reach down so far yet, the call says so and changes nothing there.
    unsafe {
        libc::madvise(std::ptr::without_provenance_mut(begin), end - begin, libc::MADV_DONTNEED);
    }
}

/// The register itself: where this is compiled into a caller with large variables, the address of a
/// variable can be far above it.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn stack_pointer() -> usize {
    let pointer: usize;
    // SAFETY: copies one register and touches neither memory, stack nor flags.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    pointer
}

/// Unmaps the program's pages: most of them were for the login, and those that are wanted again
/// come from the page cache by themselves.
#[cfg(target_os = "linux")]
fn release_program() {
    unsafe extern "C" {
        // The linker's: the first byte of the program and the first after its code.
        #[link_name = "__executable_start"]
        static START: u8;
        #[link_name = "etext"]
        static END: u8;
    }
    let begin = (&raw const START).addr();
    let Some(length) = (&raw const END).addr().checked_sub(begin) else { return };
    // SAFETY: between the two symbols lie headers, constants and code, mapped from the file and
    // never written: what the loader relocates comes after the code. Such a page that is dropped
    // is read from the file again, with the same content, when it is next touched.
    unsafe {
        libc::madvise(std::ptr::without_provenance_mut(begin), length, libc::MADV_DONTNEED);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_in_use_stays() {
        let kept: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        let local = [7u8; 512];
        super::release();
        assert!(kept.iter().enumerate().all(|(i, byte)| *byte == i as u8));
        assert_eq!(local, [7; 512]);
    }

    /// Callers with large variables, at every place of a page that a stack pointer can have. An
    /// error ends the whole program, and shows only where the compiler optimizes.
    #[test]
    #[expect(clippy::large_stack_arrays, reason = "that is what is tried")]
    fn large_callers_at_any_depth() {
        #[inline(never)]
        fn at_depth(left: usize, sum: &mut usize) {
            let here = std::hint::black_box([left; 2]);
            if left > 0 {
                at_depth(left - 1, sum);
            } else {
                with_large_variable(sum);
            }
            *sum += here[0];
        }
        #[inline(never)]
        fn with_large_variable(sum: &mut usize) {
            let large = std::hint::black_box([1u8; 40_000]);
            super::release();
            *sum += large.iter().map(|byte| usize::from(*byte)).sum::<usize>();
        }
        // Tests run in threads, which `release` leaves alone; a child's only thread is its main one.
        // SAFETY: the child only touches its own stack, and ends without running anything else.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let mut sum = 0;
            (0..512).for_each(|depth| at_depth(depth, &mut sum));
            let expected =
                512 * 40_000 + (0..512usize).map(|top| top * (top + 1) / 2).sum::<usize>();
            // SAFETY: ends this process at once.
            unsafe { libc::_exit(i32::from(sum != expected)) };
        }
        let mut status = 0;
        // SAFETY: waits for the child above, and writes into the variable.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child ended otherwise");
    }
}
