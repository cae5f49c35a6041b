//! What a release has: the program, built twice in two folders and compared, a bill of materials, the sources, and the
//! checksums of all of them. None of it names a folder of this machine, or the time.

use std::path::{Path, PathBuf};
use std::process::Command;

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
    check_names_no_folder(&first, &one)?;
    std::fs::write(dist.join(NAME), first).context(DIST)?;
    bill_of_materials(&one, &dist)?;
    std::fs::copy(one.join("Cargo.lock"), dist.join("Cargo.lock")).context("Cargo.lock")?;
    checksums(&dist)
}

/// `SHA256SUMS`, for `sha256sum --check`.
fn checksums(dist: &Path) -> Result<()> {
    let command = format!("sha256sum {NAME} Cargo.lock {NAME}.cdx.json {NAME}.tar | tee SHA256SUMS");
    Step::new("sh").args(&["-euc", &command]).folder(dist).run()
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
        .env("CARGO_ENCODED_RUSTFLAGS", &renamed(folder, "--remap-path-prefix", "\u{1f}")?)
        .env("CFLAGS", &renamed(folder, "-ffile-prefix-map", " ")?)
        .env("CARGO_TARGET_DIR", text(&target)?)
        .run()?;
    Ok(target.join("release").join(NAME))
}

/// Folders of this machine that a build may name, and what stands for them.
fn names(folder: &Path) -> Result<[(String, &'static str); 2]> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home =
        home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))).context("no home folder")?;
    Ok([(text(&home)?.to_owned(), "/cargo"), (text(folder)?.to_owned(), "/trigsieve")])
}

/// A compiler's option for each of them.
fn renamed(folder: &Path, option: &str, between: &str) -> Result<String> {
    Ok(names(folder)?.map(|(from, to)| format!("{option}={from}={to}")).join(between))
}

/// What one machine calls its folders is no part of a program that others are to build bit by bit.
fn check_names_no_folder(program: &[u8], folder: &Path) -> Result<()> {
    for (name, _) in names(folder)? {
        if let Some(at) = program.windows(name.len()).position(|bytes| bytes == name.as_bytes()) {
            bail!("the program names {name}, at byte {at:#x}");
        }
    }
    Ok(())
}

/// `trigsieve.cdx.json`: every crate that the program is made of, with version, licence and checksum. Its time is that of
/// the commit.
fn bill_of_materials(sources: &Path, dist: &Path) -> Result<()> {
    cargo(&["install", "--quiet", "--locked", "--version", CARGO_CYCLONEDX, "cargo-cyclonedx"]).run()?;
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let time = Command::new("git").args(["log", "-1", "--format=%ct"]).output().context("git log")?;
    let time = String::from_utf8(time.stdout).context("git log")?;
    cargo(&["cyclonedx", "--format", "json", "--no-build-deps", "--target", &target, "--quiet"])
        .folder(sources)
        .env("SOURCE_DATE_EPOCH", time.trim())
        .run()?;
    let name = format!("{NAME}.cdx.json");
    let bill = std::fs::read_to_string(sources.join(&name)).with_context(|| name.clone())?;
    let bill = names(sources)?.iter().fold(bill, |bill, (from, to)| bill.replace(from, to));
    std::fs::write(dist.join(&name), bill).context(name)
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
