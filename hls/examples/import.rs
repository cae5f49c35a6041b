//! Prints what is recognised in a project: `cargo run --release -p trigsieve-hls --example import PROJECT`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut failed = false;
    for project in std::env::args().skip(1) {
        match trigsieve_hls::import(Path::new(&project), &trigsieve_hls::Options::default()) {
            Ok(imported) => println!("{}", imported.report),
            Err(error) => {
                println!("{error}");
                failed = true;
            }
        }
    }
    ExitCode::from(u8::from(failed))
}
