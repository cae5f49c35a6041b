//! What happens when a mapped file shrinks under its readers.
//!
//! The kernel answers a read past the end of a mapped file with SIGBUS, and by default that is the end of the process:
//! no counters, no closed output. Here a handler puts a page of zeros in the place of the missing one and raises the
//! map's flag; whoever read the zeros looks at the flag before it lets anything of them out.

use std::ffi::c_void;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Maps that can be watched at once.
const SLOTS: usize = 4096;

/// One watched map. `start` 0: free.
struct Slot {
    claimed: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
    faulted: AtomicBool,
}

static WATCHED: [Slot; SLOTS] = [const {
    Slot {
        claimed: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        faulted: AtomicBool::new(false),
    }
}; SLOTS];
static PAGE: AtomicUsize = AtomicUsize::new(0);
static INSTALL: Once = Once::new();

/// Watches the map that begins at `start` until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    slot: usize,
}

impl Watch {
    /// Watches `bytes` bytes from `start`, which must be a map of whole pages.
    ///
    /// # Errors
    /// When the handler can't be installed or too many maps are watched.
    pub(super) fn new(start: *const u8, bytes: usize) -> std::io::Result<Self> {
        install()?;
        let slot = WATCHED
            .iter()
            .position(|slot| {
                // Acquire pairs with the Release in `drop`: the slot's last owner is done with it.
                slot.claimed.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
            })
            .ok_or_else(|| {
                std::io::Error::other(format!("more than {SLOTS} event files are mapped at once"))
            })?;
        let watched = &WATCHED[slot];
        watched.faulted.store(false, Ordering::Relaxed);
        watched.end.store(start as usize + bytes, Ordering::Relaxed);
        // Release pairs with the Acquire in `missing_page`: who sees the start sees the end.
        watched.start.store(start as usize, Ordering::Release);
        Ok(Self { slot })
    }

    /// Whether every page that was read was there.
    pub(super) fn is_intact(&self) -> bool {
        // Relaxed: the handler runs on the reading thread; a reader that hands its results to another thread
        // has synchronised with it by that.
        !WATCHED[self.slot].faulted.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let slot = &WATCHED[self.slot];
        slot.start.store(0, Ordering::Release);
        slot.claimed.store(false, Ordering::Release);
    }
}

fn install() -> std::io::Result<()> {
    let mut outcome = Ok(());
    INSTALL.call_once(|| outcome = install_once());
    match (outcome, PAGE.load(Ordering::Relaxed)) {
        (Err(error), _) => Err(error),
        (Ok(()), 0) => Err(std::io::Error::other("the handler for shrinking files could not be installed")),
        (Ok(()), _) => Ok(()),
    }
}

fn install_once() -> std::io::Result<()> {
    // SAFETY: `sysconf` has no preconditions. An all-zero `sigaction` is a valid value of that C struct, the mask is
    // emptied before use, and the handler does only what is safe in a signal handler: atomics and two system calls.
    unsafe {
        let page = libc::sysconf(libc::_SC_PAGESIZE);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_bus_error as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        if libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        PAGE.store(usize::try_from(page).unwrap_or(4096), Ordering::Relaxed);
    }
    Ok(())
}

extern "C" fn on_bus_error(signal: i32, info: *mut libc::siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO a valid `siginfo_t`, whose address field is set for SIGBUS.
    let address = unsafe { (*info).si_addr() } as usize;
    if missing_page(address) {
        return;
    }
    // Not one of our maps: the default action, which ends the process when the read is tried again.
    // SAFETY: setting a signal's default action is safe in a signal handler.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Puts zeros where `address` is, if it is in a watched map.
fn missing_page(address: usize) -> bool {
    for slot in &WATCHED {
        let start = slot.start.load(Ordering::Acquire);
        if start == 0 || address < start || address >= slot.end.load(Ordering::Relaxed) {
            continue;
        }
        slot.faulted.store(true, Ordering::Relaxed);
        let page = PAGE.load(Ordering::Relaxed);
        let (protection, flags) =
            (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED);
        // SAFETY: the page lies in a map of ours that is alive, since the thread that faulted is reading it. Nothing
        // but a file's bytes is replaced, and all-zero bytes are as valid as any other content of a file.
        let zeros =
            unsafe { libc::mmap((address & !(page - 1)) as *mut c_void, page, protection, flags, -1, 0) };
        return zeros != libc::MAP_FAILED;
    }
    false
}
