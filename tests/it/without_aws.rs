//! A build without the feature `aws`: what needs AWS is refused in one line.

use crate::run::Workplace;
use crate::serving::refusal;

#[test]
fn what_needs_aws_is_refused_with_how_to_build_it_in() {
    let place = Workplace::new();
    let is_told = |told: &str, name: &str| {
        assert!(told.starts_with(&format!("velodrome: cannot use '{name}")), "{told}");
        assert!(told.ends_with("; build it with --features aws\n"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    };
    for (arguments, name) in [
        ("replay kinesis:races --out out", "kinesis:races"),
        ("replay s3://races/archive --out out", "s3://races/"),
        ("batch s3://races/archive --out out", "s3://races/"),
        ("simulate --to kinesis:races", "kinesis:races"),
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.code, 2, "{arguments}");
        is_told(&ended.stderr, name);
    }
    for (arguments, name) in [
        ("--source kinesis:races", "kinesis:races"),
        ("--archive s3://races/archive", "s3://races/archive"),
        ("--history s3://races/history", "s3://races/history"),
    ] {
        is_told(&refusal(&place.path("data"), arguments), name);
    }
}
