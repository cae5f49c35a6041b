//! Arbitrary bytes as the Arrow IPC stream that the service reads from its standard input.

use trigsieve::serve::{ArrowStream, FrameBuffer};

/// Runs the target on `bytes`; whether there was a frame in them, and nothing else.
///
/// # Panics
/// When an error is not one line.
pub fn run(bytes: &[u8]) -> bool {
    let told = |text: String| {
        assert!(text.starts_with("stdin") && !text.contains('\n'), "{text}");
        false
    };
    let mut stream = match ArrowStream::open(bytes) {
        Ok(stream) => stream,
        Err(error) => return told(trigsieve::message::one_line(&error)),
    };
    let mut frames = 0;
    loop {
        match stream.next_frame(FrameBuffer::default()) {
            Ok(Some(frame)) => {
                assert!(frame.header().events > 0 && frame.header().sequence == frames);
                frames += 1;
            }
            Ok(None) => return frames > 0,
            Err(error) => return told(trigsieve::message::one_line(&error)),
        }
    }
}
