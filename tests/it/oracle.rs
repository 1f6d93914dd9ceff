//! Random inputs: `batch` and `replay` equal an oracle that was written independently, in Python.

use std::path::Path;
use std::process::Command;

#[test]
fn results_of_random_inputs_equal_those_of_the_python_oracle() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/run.py");
    let binary = env!("CARGO_BIN_EXE_velodrome");
    let mut python = Command::new("python3");
    let python = python.arg(script).args(["--seeds", "1..5", "--binary", binary]);
    let output = python.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.matches(": equal").count(), 5, "{text}");
}
