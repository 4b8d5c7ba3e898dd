//! Many short connections at once, with every failure told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many at once. A connection mostly waits for processes to start.
const WORKERS: usize = 4;

/// Runs `check` on every item.
///
/// # Panics
/// At the end, with what went wrong for each item that failed, so that one
/// broken algorithm does not hide another.
pub fn for_each<T: Sync>(what: &str, items: &[T], check: impl Fn(&T) -> Result<(), String> + Sync) {
    assert!(!items.is_empty(), "{what}: nothing to check");
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = catch_unwind(AssertUnwindSafe(|| check(item)));
                    let failure = match outcome {
                        Ok(Ok(())) => continue,
                        Ok(Err(reason)) => reason,
                        Err(_) => "panicked; the message is above".to_owned(),
                    };
                    if let Ok(mut failures) = failures.lock() {
                        failures.push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_default();
    assert!(
        failures.is_empty(),
        "{what}: {} of {} failed\n\n{}",
        failures.len(),
        items.len(),
        failures.join("\n\n")
    );
}
