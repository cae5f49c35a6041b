use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_ipc::reader::FileReader;

use super::ServeError;
use super::files::{KEY_FRAMES, is_file_name};
use crate::contain::contain;

/// A frame's name: run, source, first event id.
pub(super) type FrameName = (u32, u32, u64);

/// The frames whose events are in the completed files of a folder, whoever wrote them. Looks only when it is asked, and then only
/// at the footers of files that it has not seen.
pub(super) struct Written {
    folder: PathBuf,
    seen: HashSet<OsString>,
    frames: HashSet<FrameName>,
}

impl Written {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), seen: HashSet::new(), frames: HashSet::new() }
    }

    /// Whether a completed file has events of the frame.
    pub(super) fn contains(&mut self, frame: &FrameName) -> Result<bool, ServeError> {
        self.look()?;
        Ok(self.frames.contains(frame))
    }

    fn look(&mut self) -> Result<(), ServeError> {
        let failed = |source| ServeError::Folder { path: self.folder.clone(), source };
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if !is_file_name(&name) || self.seen.contains(&name) {
                continue;
            }
            let path = self.folder.join(&name);
            match frames_in(&path) {
                Ok(frames) => self.frames.extend(frames),
                // Somebody moves the files on: what is gone is not in the folder.
                Err(_) if !path.exists() => {}
                Err(reason) => return Err(ServeError::Outlet(format!("{}: {reason}", path.display()))),
            }
            self.seen.insert(name);
        }
        Ok(())
    }
}

fn frames_in(path: &Path) -> Result<Vec<FrameName>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let reader = contain(|| FileReader::try_new(file, None))?;
    let reader = reader.map_err(|error| error.to_string())?;
    let text = reader.custom_metadata().get(KEY_FRAMES).ok_or("the footer does not name its frames")?;
    serde_json::from_str(text).map_err(|error| format!("{KEY_FRAMES} in the footer: {error}"))
}
