//! A build without the feature `aws`: every use of AWS fails with a one-line error.

use crate::run::Workplace;
use crate::serving::startup_error;

#[test]
fn whatever_needs_aws_fails_with_instructions_to_build_it_in() {
    let place = Workplace::new();
    let check = |error: &str, name: &str| {
        assert!(error.starts_with(&format!("velodrome: cannot use '{name}")), "{error}");
        assert!(error.ends_with("; build it with --features aws\n"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    };
    for (arguments, name) in [
        ("replay kinesis:races --out out", "kinesis:races"),
        ("replay s3://races/archive --out out", "s3://races/"),
        ("batch s3://races/archive --out out", "s3://races/"),
        ("simulate --to kinesis:races", "kinesis:races"),
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.code, 2, "{arguments}");
        check(&ended.stderr, name);
    }
    for (arguments, name) in [
        ("--source kinesis:races", "kinesis:races"),
        ("--archive s3://races/archive", "s3://races/archive"),
        ("--history s3://races/history", "s3://races/history"),
    ] {
        check(&startup_error(&place.path("data"), arguments), name);
    }
}
