//! The documents name files that exist.

use std::path::Path;

/// First folders of the paths that are checked; what a run or a build makes is not among them.
const FOLDERS: [&str; 16] = [
    "src/",
    "arena/",
    "docs/",
    "export/",
    "files/",
    "fixed/",
    "hls/",
    "onnx/",
    "ring/",
    "training/",
    "models/",
    "samples/",
    "tests/",
    "benches/",
    "xtask/",
    "fuzz/",
];

#[test]
fn documents_name_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "samples/README.md"] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let mut checked = 0;
        for name in text.split('`').skip(1).step_by(2) {
            if !FOLDERS.iter().any(|folder| name.starts_with(folder)) || name.contains(['<', '*', ' ', '{']) {
                continue;
            }
            assert!(root.join(name).exists(), "{document} names `{name}`, which does not exist");
            checked += 1;
        }
        assert!(checked > 0 || document.starts_with("samples"), "{document} names no file at all");
    }
}

#[test]
fn every_module_has_its_line_in_the_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    for entry in std::fs::read_dir(root.join("src")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            assert!(text.contains(&format!("`src/{name}/`")), "ARCHITECTURE.md has no line on `src/{name}/`");
        }
    }
}
