//! Makes the real image that tests and benches share, if it is not there, and prints where it is.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(what) = tests::images::missing() {
        eprintln!("error: the real image cannot be made here: it needs {what}");
        return ExitCode::FAILURE;
    }
    println!("oci:{}:{}", tests::images::layout().display(), tests::images::NAME);
    ExitCode::SUCCESS
}
