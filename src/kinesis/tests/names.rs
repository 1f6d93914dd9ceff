//! What names a stream.

use super::super::*;

#[test]
fn names_are_those_that_kinesis_takes() {
    let name: StreamName = "kinesis:races-1.of_5".parse().unwrap();
    assert_eq!((name.as_str(), &name.to_string()[..]), ("races-1.of_5", "kinesis:races-1.of_5"));
    let long = format!("kinesis:{}", "x".repeat(129));
    for text in ["kinesis:", "races", "kinesis:a/b", "kinesis:ä", &long] {
        assert_eq!(text.parse::<StreamName>(), Err(StreamNameError(text.to_owned())));
    }
}
