//! Arbitrary bytes as the checkpoint of a replay and, after a zero byte, the file of tagged events that it is of. A
//! checkpoint without the checksum around it is given one.

use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use arrow_ipc::reader::StreamReader;
use arrow_schema::SchemaRef;
use serde_json::json;
use trigsieve::event::{EventWriter, STREAM_OFFSET};
use trigsieve::model::sha256_hex;
use trigsieve::pipeline::PipelineError;
use trigsieve::sink::{CHECKPOINT, Checkpoint};

use crate::{Scratch, is_told};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// A run that was stopped, as the target takes it.
const SEED: &[u8] = include_bytes!("../../seeds/checkpoint/stopped");

/// The columns of that run, as a run that goes on would write them.
static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let (_, tagged) = SEED.split_at(SEED.iter().position(|byte| *byte == 0).expect("two parts") + 1);
    let mut stream = Cursor::new(tagged);
    stream.set_position(STREAM_OFFSET);
    StreamReader::try_new(stream, None).expect("a stream").schema()
});

/// Runs the target on `bytes`; whether the run could go on.
///
/// # Panics
/// When a checkpoint leads out of its folder, or other events are copied than it counts.
pub fn run(bytes: &[u8]) -> bool {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let [text, tagged] = [(); 2].map(|()| parts.next().unwrap_or_default());
    let sealed = sealed(text).unwrap_or_else(|| text.to_vec());
    let path = SCRATCH.put(CHECKPOINT, &sealed);
    let folder = path.parent().expect("a file is in a folder");
    let checkpoint = match Checkpoint::read(folder) {
        Ok(Some(checkpoint)) => checkpoint,
        Ok(None) => panic!("the checkpoint is there"),
        Err(error) => return is_told(&error, &path),
    };
    let file = SCRATCH.put("tagged.arrow", tagged);
    let found = checkpoint.file_in(folder);
    assert_eq!(found.parent(), Some(folder));
    // What is read otherwise may be the checkpoint itself, or what is written.
    if found != file {
        return false;
    }
    let mut to =
        EventWriter::create(&SCRATCH.path("copy.arrow"), Arc::clone(&SCHEMA)).expect("a file in memory");
    match checkpoint.copy_events(&file, &mut to) {
        Ok(census) => {
            assert_eq!(census, checkpoint.handed);
            true
        }
        Err(PipelineError::Output(reason)) => {
            assert!(reason.contains("tagged.arrow"), "{reason}");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// The checkpoint with its checksum, if the text is one without.
fn sealed(text: &[u8]) -> Option<Vec<u8>> {
    let checkpoint: Checkpoint = serde_json::from_slice(text).ok()?;
    let compact = serde_json::to_vec(&checkpoint).expect("it came from JSON");
    let sealed = json!({ "checkpoint": checkpoint, "sha256": sha256_hex(&compact) });
    Some(serde_json::to_vec(&sealed).expect("it came from JSON"))
}
