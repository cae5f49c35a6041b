use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::jetstream::object_store::{self, GetErrorKind, InfoErrorKind, ObjectStore};
use crossbeam_channel as channel;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use super::NatsAddress;
use super::link::{Link, chain};
use crate::model::{
    CARD_FILE, Card, MAX_CARD_BYTES, MAX_SIGNATURE_BYTES, ModelBundle, SIGNATURE_FILE, sha256_hex,
};
use crate::serve::ServeError;

/// How often the bucket is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Most bytes of a file, as in a folder.
const MAX_FILE_BYTES: usize = trigsieve_onnx::MAX_MODEL_BYTES;
/// Most files of a bundle.
const MAX_FILES: usize = 64;

/// A model bundle of a JetStream object store, in a private folder. The bucket has the card as `NAME/model.toml`, a signature by
/// the card that it is of, `NAME/HEX.minisig`, and every other file by its content, `sha256-HEX`: the card is replaced last, and a
/// bundle is old or new, never a mixture.
pub struct NatsModel {
    store: ObjectStore,
    name: String,
    folder: TempDir,
    /// What is in place: the card's SHA-256, and its signature.
    version: (String, Option<Vec<u8>>),
    versions: u64,
    link: Link,
}

impl NatsModel {
    /// Downloads the bundle of `nats://HOST:PORT/BUCKET/NAME`.
    ///
    /// # Errors
    /// When the server cannot be reached, or the bucket has no such bundle, or not all of it.
    pub fn open(address: &NatsAddress) -> Result<Self, ServeError> {
        let [bucket, name] = &address.names[..] else {
            let reason = "a model is nats://HOST:PORT/BUCKET/NAME".to_owned();
            return Err(ServeError::Source { address: address.servers(), reason });
        };
        let link = Link::connect(address, "models")?;
        let store = link.block_on(link.context().get_object_store(bucket));
        let store = store.map_err(|error| link.error(format!("bucket `{bucket}`: {}", chain(&error))))?;
        // Only this user can look into it.
        let folder = tempfile::Builder::new().prefix("trigsieve-model-").tempdir();
        let folder = folder.map_err(|error| link.error(format!("no folder for a model: {error}")))?;
        let mut model =
            Self { store, name: name.clone(), folder, version: (String::new(), None), versions: 0, link };
        model.renew()?;
        Ok(model)
    }

    /// The bundle's folder. What is in it changes with the bucket.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// Looks at the bucket until nobody listens; says so when another bundle is in place.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn watch(mut self, changed: channel::Sender<String>) -> Result<(), ServeError> {
        let failed = |error| ServeError::Outlet(format!("no thread for a model: {error}"));
        let work = move || {
            let mut said = String::new();
            loop {
                std::thread::sleep(LOOK_EVERY);
                match self.renew() {
                    Ok(true) if changed.send(self.name.clone()).is_err() => return,
                    Ok(_) => said.clear(),
                    // The same trouble is told once.
                    Err(error) if error.to_string() != said => {
                        said = error.to_string();
                        tracing::error!("model `{}` stays as it is: {said}", self.name);
                    }
                    Err(_) => {}
                }
            }
        };
        std::thread::Builder::new().name("models".to_owned()).spawn(work).map(|_| ()).map_err(failed)
    }

    /// Puts another bundle in place, if the bucket has one.
    fn renew(&mut self) -> Result<bool, ServeError> {
        let (card, signature) = self.link.block_on(self.look()).map_err(|reason| self.link.error(reason))?;
        let found = (sha256_hex(&card), signature);
        if found == self.version {
            return Ok(false);
        }
        self.versions += 1;
        let version = self.folder.path().join(format!("version-{}", self.versions));
        if let Err(reason) = self.download(&card, found.1.as_deref(), &version) {
            // It is looked at again, and again downloaded.
            let _ = std::fs::remove_dir_all(&version);
            return Err(self.link.error(reason));
        }
        let old = std::fs::read_link(self.folder());
        self.point_to(&version).map_err(|error| self.link.error(error.to_string()))?;
        if let Ok(old) = old {
            // What reads the old one still finds that files are missing, and is told to read anew.
            let _ = std::fs::remove_dir_all(old);
        }
        self.version = found;
        Ok(true)
    }

    /// The card, and its signature if it has one.
    async fn look(&self) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
        let object = format!("{}/{CARD_FILE}", self.name);
        let card = get(&self.store, &object, MAX_CARD_BYTES as usize).await?;
        let card = card.ok_or_else(|| format!("object `{object}`: object not found"))?;
        let signature = signature_of(&self.name, &sha256_hex(&card));
        let signature = get(&self.store, &signature, MAX_SIGNATURE_BYTES as usize).await?;
        Ok((card, signature))
    }

    /// Whether the signature is the card's is found out by who loads the bundle, from wherever that comes.
    fn download(&self, card: &[u8], signature: Option<&[u8]>, version: &Path) -> Result<(), String> {
        let text = std::str::from_utf8(card).map_err(|error| format!("the card: {error}"))?;
        let parsed: Card = toml::from_str(text).map_err(|error| format!("the card: {error}"))?;
        if parsed.files.len() > MAX_FILES {
            return Err(format!("the card names {} files, {MAX_FILES} are the limit", parsed.files.len()));
        }
        let io = |error: std::io::Error| format!("{}: {error}", version.display());
        std::fs::create_dir(version).map_err(io)?;
        for (name, sha256) in &parsed.files {
            if !is_plain(name) || !sha256.chars().all(|c| c.is_ascii_hexdigit()) {
                return Err(format!("the card names the file `{name}`, sha256 `{sha256}`"));
            }
            let object = format!("sha256-{sha256}");
            let bytes = self.link.block_on(get(&self.store, &object, MAX_FILE_BYTES))?;
            let bytes = bytes.ok_or_else(|| format!("object `{object}`: object not found"))?;
            if sha256_hex(&bytes) != *sha256 {
                return Err(format!("`{object}` is something else"));
            }
            std::fs::write(version.join(name), bytes).map_err(io)?;
        }
        std::fs::write(version.join(CARD_FILE), card).map_err(io)?;
        signature.map_or(Ok(()), |bytes| std::fs::write(version.join(SIGNATURE_FILE), bytes)).map_err(io)?;
        ModelBundle::open(version).map(|_| ()).map_err(|error| error.to_string())
    }

    /// Swaps what the folder's name stands for, in one step.
    fn point_to(&self, version: &Path) -> std::io::Result<()> {
        let link = self.folder.path().join("next");
        std::os::unix::fs::symlink(version, &link)?;
        std::fs::rename(link, self.folder())
    }
}

/// Puts a bundle into the bucket of `nats://HOST:PORT/BUCKET/NAME`, its signature if it has one, and the card last. The bucket is
/// made if it is missing and `create` says so. Gives the sha256 of the card.
///
/// # Errors
/// When a file is not what the card says, or the server does not take one.
pub fn publish_model(bundle: &Path, address: &NatsAddress, create: bool) -> Result<String, ServeError> {
    let [bucket, name] = &address.names[..] else {
        let reason = "a model goes to nats://HOST:PORT/BUCKET/NAME".to_owned();
        return Err(ServeError::Source { address: address.servers(), reason });
    };
    let opened = ModelBundle::open(bundle)?;
    if let Some(file) = opened.files().iter().find(|file| !file.is_intact()) {
        let reason = format!("{}: not the file that its card names", bundle.join(&file.name).display());
        return Err(ServeError::Deployment(reason));
    }
    let link = Link::connect(address, "models")?;
    let store = match link.block_on(link.context().get_object_store(bucket)) {
        Ok(store) => store,
        Err(_) if create => {
            let config = object_store::Config {
                bucket: bucket.clone(),
                num_replicas: address.create.replicas,
                ..object_store::Config::default()
            };
            let made = link.block_on(link.context().create_object_store(config));
            made.map_err(|error| link.error(format!("bucket `{bucket}`: {}", chain(&error))))?
        }
        Err(error) => {
            let reason = format!("bucket `{bucket}`: {}; --create makes one that is missing", chain(&error));
            return Err(link.error(reason));
        }
    };
    let read = |file: &str| {
        let path = bundle.join(file);
        std::fs::read(&path).map_err(|source| ServeError::Folder { path, source })
    };
    for (file, sha256) in &opened.card().files {
        put(&link, &store, &format!("sha256-{sha256}"), &read(file)?)?;
    }
    let card = read(CARD_FILE)?;
    let sha256 = sha256_hex(&card);
    if bundle.join(SIGNATURE_FILE).exists() {
        put(&link, &store, &signature_of(name, &sha256), &read(SIGNATURE_FILE)?)?;
    }
    put(&link, &store, &format!("{name}/{CARD_FILE}"), &card)?;
    Ok(sha256)
}

fn put(link: &Link, store: &ObjectStore, object: &str, bytes: &[u8]) -> Result<(), ServeError> {
    let stored = link.block_on(store.put(object, &mut &bytes[..]));
    stored.map(|_| ()).map_err(|error| link.error(format!("object `{object}`: {}", chain(&error))))
}

/// The object with the signature of the card of this hash.
fn signature_of(name: &str, card: &str) -> String {
    format!("{name}/{card}.minisig")
}

/// An object, if it is there. One that stands for another is none of ours, and could stand for itself.
async fn get(store: &ObjectStore, name: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
    let failed = |error: &dyn std::error::Error| format!("object `{name}`: {}", chain(error));
    let is_link = match store.info(name).await {
        Ok(info) => info.options.is_some_and(|options| options.link.is_some()),
        Err(error) if error.kind() == InfoErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    if is_link {
        return Err(format!("object `{name}` is a link, which is not followed"));
    }
    let object = match store.get(name).await {
        Ok(object) => object,
        Err(error) if error.kind() == GetErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let size = object.info().size;
    if size > limit {
        return Err(format!("object `{name}` has {size} bytes, {limit} are the limit"));
    }
    let mut bytes = Vec::with_capacity(size);
    // Not more than it said, whatever comes.
    object.take(limit as u64).read_to_end(&mut bytes).await.map_err(|error| failed(&error))?;
    Ok(Some(bytes))
}

/// A file of the bundle's own folder.
fn is_plain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.starts_with('.') && name.chars().all(fits) && ![CARD_FILE, SIGNATURE_FILE].contains(&name)
}
