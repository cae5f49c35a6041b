//! The README's first command: the bundled sample through a mock trigger, from nothing.

use anyhow::Result;

use crate::shell::{cargo, trigsieve};
use crate::venv;

const MODEL: &str = "models/l1_ae";
const BACKGROUND: &str = "out/demo/background.arrow";
const SIGNALS: [&str; 4] = ["a_to_4l", "leptoquark", "h0_to_tautau", "hch_to_taunu"];

/// Builds the engine and makes the event tables of the sample.
pub fn prepare() -> Result<()> {
    std::fs::create_dir_all("out/demo")?;
    convert("samples/background.h5", BACKGROUND, "0")?;
    SIGNALS
        .iter()
        .try_for_each(|signal| convert(&format!("samples/signal_{signal}.h5"), &signal_table(signal), "1"))
}

/// [`prepare`], and the event tables that it made.
pub fn tables() -> Result<Vec<String>> {
    prepare()?;
    let signals = SIGNALS.iter().map(|signal| signal_table(signal));
    Ok(std::iter::once(BACKGROUND.to_owned()).chain(signals).collect())
}

/// Converts, calibrates, evaluates, and replays the mixture of background and signals on a clock.
pub fn run() -> Result<()> {
    venv::runtime()?;
    cargo(&["build", "--release"]).run()?;
    prepare()?;
    let signals: Vec<String> = SIGNALS.iter().map(|signal| signal_table(signal)).collect();
    let signals: Vec<&str> = signals.iter().map(String::as_str).collect();

    trigsieve(&["inspect", MODEL]).run()?;
    trigsieve(&[
        "calibrate",
        BACKGROUND,
        "--model",
        MODEL,
        "--target-rate",
        "40kHz",
        "--input-rate",
        "40MHz",
    ])
    .args(&["-o", "out/demo/menu.toml", "--force"])
    .run()?;
    trigsieve(&["evaluate", "--background", BACKGROUND, "--signal"])
        .args(&signals)
        .args(&["--model", MODEL, "-o", "out/demo/evaluation", "--force"])
        .run()?;
    trigsieve(&["replay", BACKGROUND])
        .args(&signals)
        .args(&["--model", MODEL, "--menu", "out/demo/menu.toml", "--rate", "1MHz", "--overload", "drop"])
        .args(&["--repeat", "50", "-o", "out/demo/run", "--force"])
        .run()?;
    println!(
        "\nout/demo/run has the tagged events, run.json and the latency files; out/demo/evaluation the plots."
    );
    Ok(())
}

fn signal_table(signal: &str) -> String {
    format!("out/demo/signal_{signal}.arrow")
}

fn convert(from: &str, to: &str, label: &str) -> Result<()> {
    trigsieve(&["convert", from, "--from", "adc2021", "--label", label, "-o", to, "--force"]).run()
}
