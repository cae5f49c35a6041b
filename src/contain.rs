//! Panics of other people's parsers, turned into errors at the boundary.
//!
//! The Arrow and HDF5 readers are meant to return errors on damaged bytes and nearly always do; fuzzing either
//! finds an index or a capacity that was not checked. Such a panic is a fact about the file, so the caller
//! reports it as one instead of dying. Both libraries are memory-safe Rust on this path, which is what makes
//! it sound to go on: whatever was half-built is dropped with the failed call and never looked at again.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

thread_local! {
    static CONTAINING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and gives the message of its panic, if any, as the error; nothing is printed.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let before = CONTAINING.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CONTAINING.set(before);
    outcome
        .map_err(|payload| format!("the reader failed on damaged bytes ({})", message_of(payload.as_ref())))
}

/// Silences the panic message on threads that contain, and leaves all others to the hook that was there.
fn install_hook() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !CONTAINING.get() {
                previous(info);
            }
        }));
    });
}

fn message_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::contain;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(contain(|| 7), Ok(7));
        let error = contain(|| panic!("index {}", 9)).unwrap_err();
        assert!(error.contains("index 9"), "{error}");
    }
}
