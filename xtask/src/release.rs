//! What a release has: the program, built twice in two folders and compared, a bill of materials, the sources, and the
//! checksums of all of them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{Step, cargo, root};

/// Where everything is put.
const DIST: &str = "target/dist";

/// The release that the bill of materials was last made with.
const CARGO_CYCLONEDX: &str = "0.5.9";

/// Name of the program, and the start of the other names.
const NAME: &str = "trigsieve";

/// Exports the last commit twice, to folders whose names differ in length, builds both and compares the programs byte by
/// byte; then the bill of materials, and the checksums.
pub fn run() -> Result<()> {
    let dist = root().join(DIST);
    if dist.exists() {
        std::fs::remove_dir_all(&dist).context(DIST)?;
    }
    std::fs::create_dir_all(&dist).context(DIST)?;
    let archive = dist.join(format!("{NAME}.tar"));
    Step::new("git").args(&["archive", "--format=tar", "--output", text(&archive)?, "HEAD"]).run()?;
    let [one, other] = ["one", "another-folder"].map(|name| root().join("target/builds").join(name));
    let programs = [build(&one, &archive)?, build(&other, &archive)?];
    let [first, second] = [read(&programs[0])?, read(&programs[1])?];
    if first != second {
        let (one, other) = (programs[0].display(), programs[1].display());
        bail!("{}\n  {one}\n  {other}", difference(&first, &second));
    }
    println!("\nboth builds gave the same {} bytes", first.len());
    std::fs::write(dist.join(NAME), first).context(DIST)?;
    bill_of_materials(&one, &dist)?;
    std::fs::copy(one.join("Cargo.lock"), dist.join("Cargo.lock")).context("Cargo.lock")?;
    let names = [NAME, "Cargo.lock", "trigsieve.cdx.json", "trigsieve.tar"];
    Step::new("sha256sum").args(&names).folder(&dist).run()
}

/// Unpacks the sources into an empty `folder` and builds the program there.
fn build(folder: &Path, archive: &Path) -> Result<PathBuf> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    Step::new("tar").args(&["-xf", text(archive)?, "-C", text(folder)?]).run()?;
    let target = folder.join("target");
    cargo(&["build", "--release", "--locked", "--package", NAME])
        .folder(folder)
        .env("CARGO_ENCODED_RUSTFLAGS", &remapped(folder)?)
        .env("CARGO_TARGET_DIR", text(&target)?)
        .run()?;
    Ok(target.join("release").join(NAME))
}

/// Flags that put the same names in the place of the folders of this machine.
fn remapped(folder: &Path) -> Result<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home =
        home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))).context("no home folder")?;
    let flag =
        |from: &Path, to: &str| Ok::<_, anyhow::Error>(format!("--remap-path-prefix={}={to}", text(from)?));
    Ok([flag(&home, "/cargo")?, flag(folder, "/trigsieve")?].join("\u{1f}"))
}

/// `trigsieve.cdx.json`: every crate that the program is made of, with version, licence and checksum.
fn bill_of_materials(sources: &Path, dist: &Path) -> Result<()> {
    cargo(&["install", "--quiet", "--locked", "--version", CARGO_CYCLONEDX, "cargo-cyclonedx"]).run()?;
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cargo(&["cyclonedx", "--format", "json", "--no-build-deps", "--target", &target, "--quiet"])
        .folder(sources)
        .run()?;
    let name = format!("{NAME}.cdx.json");
    std::fs::copy(sources.join(&name), dist.join(&name)).context(name)?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Where two programs differ, in words.
fn difference(one: &[u8], other: &[u8]) -> String {
    let bytes = one.iter().zip(other).filter(|(a, b)| a != b).count();
    let first = one.iter().zip(other).position(|(a, b)| a != b).unwrap_or(one.len().min(other.len()));
    format!(
        "the two builds differ: {} and {} bytes, {bytes} of the common ones are others, the first at {first:#x}",
        one.len(),
        other.len()
    )
}
