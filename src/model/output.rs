use std::io;
use std::path::{Path, PathBuf};

use trigsieve_files::checksum::sha256_hex;
use trigsieve_files::durable::{AtomicFolder, write_atomically};

use super::{CARD_FILE, Card, ModelBundle, ModelError, Precision};

/// Where a bundle goes, and whether it may replace one.
#[derive(Clone, Debug)]
pub struct BundleOutput {
    folder: PathBuf,
    replace: bool,
}

/// A bundle that is being filled; it gets its name when it is complete.
#[derive(Debug)]
pub struct BundleDraft {
    folder: AtomicFolder,
    output: PathBuf,
}

impl BundleOutput {
    /// Checks, before any work, that a bundle can be put at `folder`.
    ///
    /// # Errors
    /// [`ModelError::OutputExists`] for something that is no bundle, or is one and `replace` is not set.
    pub fn new(folder: &Path, replace: bool) -> Result<Self, ModelError> {
        let refuse = |reason| Err(ModelError::OutputExists { path: folder.to_owned(), reason });
        if folder.symlink_metadata().is_ok() {
            if !folder.join(CARD_FILE).is_file() {
                return refuse("exists and is no model bundle; choose another output");
            }
            if !replace {
                return refuse("holds a model bundle; pass --force to replace it");
            }
        }
        Ok(Self { folder: folder.to_owned(), replace })
    }

    /// The bundle's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether what is there may be replaced.
    #[must_use]
    pub fn replaces(&self) -> bool {
        self.replace
    }

    /// A folder beside the output, to be filled.
    ///
    /// # Errors
    /// [`ModelError::Io`] when it cannot be made.
    pub fn draft(&self) -> Result<BundleDraft, ModelError> {
        let folder = AtomicFolder::create(&self.folder).map_err(io_error(&self.folder))?;
        Ok(BundleDraft { folder, output: self.folder.clone() })
    }
}

impl BundleDraft {
    /// Writes a graph or program, and its sha256 into `card`.
    ///
    /// # Errors
    /// [`ModelError::Io`].
    pub fn put(&self, card: &mut Card, precision: Precision, bytes: &[u8]) -> Result<(), ModelError> {
        self.write(precision.file(), bytes)?;
        card.files.insert(precision.file().to_owned(), sha256_hex(bytes));
        Ok(())
    }

    /// Writes the card; an earlier one is replaced.
    ///
    /// # Errors
    /// [`ModelError::Io`], also for a card that TOML cannot hold.
    pub fn put_card(&self, card: &Card) -> Result<(), ModelError> {
        let path = self.folder.staging().join(CARD_FILE);
        let text = toml::to_string(card).map_err(|error| io_error(&path)(io::Error::other(error)))?;
        self.write(CARD_FILE, text.as_bytes())
    }

    /// Opens what is there so far, as any reader would.
    ///
    /// # Errors
    /// As [`ModelBundle::open`].
    pub fn open(&self) -> Result<ModelBundle, ModelError> {
        ModelBundle::open(self.folder.staging())
    }

    /// Gives the bundle its name; an older bundle is replaced.
    ///
    /// # Errors
    /// [`ModelError::Io`]; the older bundle is then still there.
    pub fn commit(self) -> Result<(), ModelError> {
        self.folder.commit().map_err(io_error(&self.output))
    }

    fn write(&self, file: &str, bytes: &[u8]) -> Result<(), ModelError> {
        let path = self.folder.staging().join(file);
        write_atomically(&path, bytes).map_err(io_error(&path))
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ModelError + use<> {
    let path = path.to_owned();
    move |source| ModelError::Io { path, source }
}
