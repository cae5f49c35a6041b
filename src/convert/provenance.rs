use std::path::Path;

use super::ConvertError;
use crate::event::Source;
use crate::model::sha256_of_file;

/// The provenance entry of an input: its name, sha256 and number of events. The file is read once, in pieces.
pub(super) fn source_of(path: &Path, events: u64) -> Result<Source, ConvertError> {
    let name = path.file_name().unwrap_or(path.as_os_str());
    Ok(Source {
        file: name.to_string_lossy().into_owned(),
        converter: concat!("trigsieve convert ", env!("CARGO_PKG_VERSION")).to_owned(),
        sha256: sha256_of_file(path).map_err(|source| ConvertError::Io { path: path.to_owned(), source })?,
        events,
    })
}
