//! What is said when the process cannot go on: after a panic, and after an abort, which is how Rust ends a process that
//! gets no memory, and ONNX Runtime one whose own checks fail.

use std::any::Any;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

/// Has a panic logged, where `-v` shows it, and an abort end in a line and exit code 1.
pub fn arrange() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| tracing::info!("{info}")));
    let handler: extern "C" fn(libc::c_int) = aborted;
    // SAFETY: `aborted` calls only functions that POSIX lists as async-signal-safe, and never returns; the process is
    // still single-threaded here, so nobody else is setting a handler.
    unsafe {
        libc::signal(libc::SIGABRT, handler as libc::sighandler_t);
    }
}

extern "C" fn aborted(_signal: libc::c_int) {
    const WORDS: &[u8] =
        b"error: aborted: out of memory, or a library failed; nothing is left half-written\n";
    // SAFETY: the bytes are static, and both functions are async-signal-safe (POSIX.1-2017, 2.4.3). What else the
    // process has open is left as a kill would leave it.
    unsafe {
        libc::write(libc::STDERR_FILENO, WORDS.as_ptr().cast(), WORDS.len());
        libc::_exit(1);
    }
}

/// Reports a panic of the main thread.
pub fn of_panic(payload: &(dyn Any + Send)) -> ExitCode {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let message = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
    eprintln!(
        "error: a defect of trigsieve, please report it: {} (-v says where)",
        message.replace('\n', "; ")
    );
    ExitCode::FAILURE
}
