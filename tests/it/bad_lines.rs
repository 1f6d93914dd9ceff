//! Invalid lines: each is rejected with a reason, and the lines around it are accepted.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::run::{Workplace, sample, view};

/// Edits that make a race event invalid: the first text is replaced by the second.
const CHANGED_RACE: &[(&str, &str)] = &[
    (r#""update""#, r#""updated""#),
    (r#""update""#, "1"),
    (r#""update""#, "null"),
    (r#""event":"update","#, ""),
    (r#""raceId":7"#, r#""raceId":-1"#),
    (r#""raceId":7"#, r#""raceId":-0"#),
    (r#""raceId":7"#, r#""raceId":7.0"#),
    (r#""raceId":7"#, r#""raceId":7e0"#),
    (r#""raceId":7"#, r#""raceId":07"#),
    (r#""raceId":7"#, r#""raceId":"7""#),
    (r#""raceId":7"#, r#""raceId":9007199254740992"#),
    (r#""raceId":7"#, r#""raceId":18446744073709551616"#),
    (r#""raceId":7"#, r#""raceId":7,"raceId":7"#),
    (r#""raceId":7"#, r#""raceId":7,"race\u0049d":7"#),
    (r#""raceId":7"#, r#""raceId":7,"name":null,"name":"a""#),
    (r#""raceId":7,"#, ""),
    (r#""raceId":7"#, r#""raceId":null"#),
    (r#""raceId":7"#, r#""raceID":7"#),
    (r#""classId":1"#, r#""classId":0"#),
    (r#""classId":1"#, r#""classId":65536"#),
    (r#""racerId":5"#, r#""racerId":4294967296"#),
    (r#""second":1"#, r#""second":0"#),
    (r#""second":1"#, r#""second":301"#),
    (r#""second":1"#, r#""second":1e0"#),
    (r#""cadence":65"#, r#""cadence":-0.001"#),
    (r#""cadence":65"#, r#""cadence":1000.1"#),
    (r#""cadence":65"#, r#""cadence":1e400"#),
    (r#""cadence":65"#, r#""cadence":"65""#),
    (r#""cadence":65"#, r#""cadence":NaN"#),
    (r#""cadence":65"#, r#""cadence":.5"#),
    (r#""cadence":65,"#, ""),
    (r#""resistance":2"#, r#""resistance":-1"#),
    (r#""resistance":2"#, r#""resistance":true"#),
    (r#""deviceTimestamp":9,"#, ""),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9.0"#),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9007199254740992"#),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9,"arrivalTimestamp":"9""#),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9,"arrivalTimestamp":-1"#),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9,"arrivalTimestamp":9007199254740992"#),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9,"name":5"#),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9,"uuid":{}"#),
    (r#""deviceTimestamp":9"#, "\"deviceTimestamp\":9,\"name\":\"\u{1}\""),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9,"x":[1 2]"#),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9,"x":"\q""#),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9,"x":"\u12g4""#),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9,"x":tru"#),
    ("}", ""),
    ("}", ",}"),
];

/// Edits that make a tracking event invalid.
const CHANGED_VIEW: &[(&str, &str)] = &[
    (r#""uuid":"u","#, ""),
    (r#""uuid":"u""#, r#""uuid":"""#),
    (r#""uuid":"u""#, r#""uuid":5"#),
    (r#""uuid":"u""#, r#""uuid":null"#),
    (r#""projectId":"p","#, ""),
    (r#""projectId":"p""#, r#""projectId":"""#),
    (r#""projectId":"p""#, r#""projectId":["p"]"#),
    (r#""projectId":"p""#, r#""projectId":"p","viewerId":5"#),
    (r#""durationMs":10"#, r#""durationMs":86400001"#),
    (r#""durationMs":10"#, r#""durationMs":-1"#),
    (r#""durationMs":10"#, r#""durationMs":1.5"#),
    (r#""deviceTimestamp":9,"#, ""),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":null"#),
    (r#""deviceTimestamp":9"#, r#""deviceTimestamp":9,"arrivalTimestamp":1.0"#),
];

/// All invalid lines.
fn bad_lines() -> Vec<Vec<u8>> {
    let changed = |line: String, (from, to): &(&str, &str)| {
        assert!(line.contains(from), "{line} has no {from}");
        line.replacen(from, to, 1).into_bytes()
    };
    let race = CHANGED_RACE.iter().map(|change| changed(sample(9, 5, 1, 2.0), change));
    let tracking = CHANGED_VIEW.iter().map(|change| changed(view(9, "u"), change));
    let long = |from: &str, field: &str, bytes: usize| {
        let to = format!(r#""{field}":"{}""#, "ä".repeat(bytes / 2) + &"a".repeat(bytes % 2));
        changed(view(9, "u"), &(from, &to))
    };
    let race_as_array =
        r#"["update",9,null,null,7,1,5,1,65,2,null,null,null,null]"#.as_bytes().to_vec();
    let others = [
        long(r#""uuid":"u""#, "uuid", 65),
        long(r#""projectId":"p""#, "projectId", 129),
        long(r#""durationMs":10"#, "viewerId", 129),
        race_as_array,
        b"5".to_vec(),
        b"null".to_vec(),
        b"{}".to_vec(),
        b"not json".to_vec(),
        b"\x0b".to_vec(),
        b"{\"x\":\"\xff\"}".to_vec(),
        sample(9, 5, 1, 2.0).replace('7', "\u{a0}7").into_bytes(),
        [b"[".repeat(129), b"]".repeat(129)].concat(),
        changed(
            sample(9, 5, 1, 2.0),
            &(r#""second""#, &format!(r#""x":{}{},"second""#, "[".repeat(128), "]".repeat(128))),
        ),
    ];
    race.chain(tracking).chain(others).collect()
}

#[test]
fn an_invalid_line_is_rejected_and_the_lines_around_it_are_accepted() {
    let (place, bad) = (Workplace::new(), bad_lines());
    let good = |i: usize| sample(9, 1000 + i as u32, 1, 0.0).into_bytes();
    let mut lines: Vec<_> =
        bad.iter().enumerate().flat_map(|(i, b)| [good(i), b.clone()]).collect();
    lines.push(good(bad.len()));
    place.write("in.jsonl", lines.join(&b'\n'));
    let ended = place.run_both("in.jsonl --out out", &[], b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);

    let rejected = place.json_lines("out/rejected.jsonl");
    for (dead_letter, (i, line)) in rejected.iter().zip(bad.iter().enumerate()) {
        let shown = String::from_utf8_lossy(line);
        assert_eq!(
            (&dead_letter["file"], &dead_letter["line"]),
            (&"in.jsonl".into(), &(2 * i + 2).into()),
            "{shown}"
        );
        match std::str::from_utf8(line) {
            Ok(text) => assert_eq!(dead_letter["text"], text),
            Err(_) => assert_eq!(dead_letter["textBase64"], BASE64_STANDARD.encode(line)),
        }
        assert!(!dead_letter["reason"].as_str().unwrap().is_empty());
    }
    assert_eq!(rejected.len(), bad.len());
    let summary = place.json("out/summary.json");
    assert_eq!(
        (&summary["events"], &summary["rejected"]),
        (&(bad.len() + 1).into(), &bad.len().into())
    );
    assert_eq!(place.json_lines("out/results.jsonl").len(), bad.len() + 1);
}

#[test]
fn a_dead_letter_has_the_first_4_kib_of_a_longer_line() {
    let (place, longest) = (Workplace::new(), 1 << 20);
    let pad = |line: String, bytes: usize| {
        line.replacen('{', &("{".to_owned() + &" ".repeat(bytes - line.len())), 1)
    };
    let (fits, over) = (pad(sample(9, 1, 1, 0.0), longest), pad(sample(9, 2, 1, 0.0), longest + 1));
    let far_over = "x".repeat(3 * longest);
    let summary = place.results(&[fits, over.clone(), far_over.clone(), sample(9, 3, 1, 0.0)]);
    assert_eq!((&summary["events"], &summary["rejected"]), (&2.into(), &2.into()));
    let dead_letters = place.json_lines("out/rejected.jsonl");
    for (dead_letter, (line, text)) in dead_letters.iter().zip([(2, over), (3, far_over)]) {
        assert_eq!(dead_letter["line"], line);
        assert_eq!(dead_letter["text"], text[..4096]);
        assert_eq!(dead_letter["bytes"], longest);
    }
}

#[test]
fn a_blank_line_is_neither_accepted_nor_rejected_but_is_numbered() {
    let place = Workplace::new();
    let good = sample(9, 1, 1, 0.0);
    let lines = ["", " \t\r", &(good.clone() + "\r"), "bad", &good].map(str::to_owned);
    let summary = place.results(&lines);
    assert_eq!((&summary["events"], &summary["rejected"]), (&2.into(), &1.into()));
    assert_eq!(place.json_lines("out/rejected.jsonl")[0]["line"], 4);
}
