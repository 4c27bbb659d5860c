//! What the fuzzers hold of any input, held of those that they found worth keeping. How to look
//! for more stands in `fuzz/README.md`.

use std::path::Path;

#[path = "../../fuzz/checks/envelope.rs"]
mod envelope;
#[path = "../../fuzz/checks/signature.rs"]
mod signature;

/// Each file of the folder through the check; the last one printed is the one that failed.
fn check_all(folder: &str, at_least: usize, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files: Vec<_> = folder.read_dir().expect("the folder").map(|file| file.expect("a file").path()).collect();
    assert!(files.len() >= at_least, "{} files in {}", files.len(), folder.display());
    for file in files {
        println!("{}", file.display());
        check(&std::fs::read(&file).expect("a file that can be read"));
    }
}

#[test]
fn what_holds_of_any_signature_holds_of_the_corpus() {
    check_all("fuzz/corpus/signature", 20, signature::check);
}

#[test]
fn what_holds_of_any_envelope_holds_of_the_corpus() {
    check_all("fuzz/corpus/envelope", 20, envelope::check);
    check_all("tests/fixtures", 17, envelope::check);
}
