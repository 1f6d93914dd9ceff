//! Files that are not JSON lines: objects one after another, arrays, compression, marks and padding.

use std::io::Write;

use crate::run::{Workplace, gzip, sample, view};

/// A zstd frame of one uncompressed block (RFC 8878, 3.1.1).
fn zstd(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap();
    let header = [&[0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000][..], &length.to_le_bytes()].concat();
    [&header, &(length << 3 | 1).to_le_bytes()[..3], text].concat()
}

/// The samples of racers 1 to `count`.
fn samples(count: u32) -> Vec<String> {
    (1..=count).map(|racer| sample(9, racer, 1, 2.0)).collect()
}

/// Runs `batch` and `replay` on one file, and returns the numbers of events and of rejected ones.
fn counts(name: &str, bytes: impl AsRef<[u8]>) -> (u64, u64) {
    let place = Workplace::new();
    place.write(name, bytes);
    let ended = place.run_both(&format!("{name} --out out"), &[], b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let summary = place.json("out/summary.json");
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(place.json_lines("out/results.jsonl").len() as u64, count("events"), "{name}");
    (count("events"), count("rejected"))
}

#[test]
fn every_object_of_a_line_is_an_event_with_its_own_verdict() {
    let objects = samples(4);
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| objects[i].as_str());
    let torn = &b[..b.len() / 2];
    for (text, expected) in [
        (objects.concat(), (4, 0)),
        (objects.join(" "), (4, 0)),
        (objects.join("\0"), (4, 0)),
        (objects.join("\u{feff}"), (4, 0)),
        (format!("{a}{torn}{c}\n{d}"), (3, 1)),
        (format!("{a}{torn}\n{c}{d}"), (3, 1)),
        (format!("{a}{{\"event\":\"view\"}}{c}garbage\n{d}"), (3, 2)),
        (objects.join(","), (4, 3)),
        (format!("garbage{a}more{b}"), (2, 2)),
    ] {
        assert_eq!(counts("in.jsonl", &text), expected, "{text}");
        assert_eq!(counts("in.jsonl.gz", gzip(text.as_bytes())), expected, "{text}");
    }
    // Firehose objects have no newline at all; this one is longer than a line may be.
    assert_eq!(counts("long", samples(20_000).concat()), (20_000, 0));
}

#[test]
fn a_gzip_member_without_a_newline_at_its_end_joins_no_events() {
    let [a, b] = [1, 2].map(|racer| sample(9, racer, 1, 2.0));
    let members = [gzip(a.as_bytes()), gzip(b.as_bytes())].concat();
    assert_eq!(counts("in.gz", members), (2, 0));
}

#[test]
fn marks_and_padding_around_lines_are_passed_over() {
    let lines = samples(3).join("\n");
    assert_eq!(counts("in.jsonl", format!("\u{feff}{lines}")), (3, 0));
    assert_eq!(counts("in.jsonl", format!("{lines}\n{}", "\0".repeat(5000))), (3, 0));
    assert_eq!(counts("in.jsonl", format!("{}{lines}", "\0".repeat(5000))), (3, 0));
    assert_eq!(counts("in.gz", [gzip(lines.as_bytes()), vec![0; 700]].concat()), (3, 0));
    assert_eq!(counts("in.jsonl", "\u{feff}"), (0, 0));
    assert_eq!(counts("in.jsonl", format!("\0{lines}")), (3, 0));
    assert_eq!(counts("in.jsonl", format!("\0\0[{}]", samples(3).join(","))), (3, 0));
    assert_eq!(counts("in.jsonl", format!("{lines}\x0c\n")), (3, 1));
}

#[test]
fn a_lone_surrogate_in_a_name_becomes_a_replacement_character() {
    let place = Workplace::new();
    let named =
        |name: &str| sample(9, 5, 1, 2.0).replacen('{', &format!(r#"{{"name":"{name}","#), 1);
    for (name, shown) in [
        (r"a\ud800b", "a\u{fffd}b"),
        (r"\udc00", "\u{fffd}"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
        (r"\ud83d\u0041", "\u{fffd}A"),
    ] {
        let summary = place.results(&[named(name)]);
        assert_eq!((&summary["events"], &summary["rejected"]), (&1.into(), &0.into()), "{name}");
        assert_eq!(place.json_lines("out/results.jsonl")[0]["name"], shown, "{name}");
    }
}

#[test]
fn compression_and_arrays_are_recognized_whatever_the_name_says() {
    let objects = samples(3);
    let lines = objects.join("\n").into_bytes();
    let array = format!("[{}]", objects.join(",\n ")).into_bytes();
    for name in ["in", "in.jsonl", "in.gz", "in.zst"] {
        for bytes in [
            lines.clone(),
            gzip(&lines),
            gzip(&gzip(&lines)),
            zstd(&lines),
            gzip(&zstd(&lines)),
            array.clone(),
            gzip(&array),
        ] {
            assert_eq!(counts(name, bytes), (3, 0), "{name}");
        }
    }
}

#[test]
fn other_formats_are_damaged_inputs_and_named() {
    let line = sample(9, 5, 1, 2.0);
    let utf16: Vec<_> =
        format!("\u{feff}{line}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, format) in [(utf16, "UTF-16"), (vec![0x78, 0x9c, 1, 2], "zlib")] {
        let place = Workplace::new();
        place.write("odd", &bytes);
        place.write("good", view(9, "u"));
        let ended = place.run_both("odd good --out out", &[], b"");
        assert_eq!(ended.code, 1);
        let reason = place.json_lines("out/rejected.jsonl")[0]["reason"].to_string();
        assert!(reason.contains(&format!("looks like {format}")), "{reason}");
        let summary = place.json("out/summary.json");
        assert_eq!((&summary["events"], &summary["damaged"]), (&1.into(), &1.into()));
    }
}

#[test]
fn an_array_that_is_cut_off_is_damaged_after_its_elements() {
    let place = Workplace::new();
    place.write("in", format!("[{}", samples(3).join(",\n")));
    let ended = place.run_both("in --out out", &[], b"");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stdout.contains("the JSON array is truncated"), "{}", ended.stdout);
    assert_eq!(place.json("out/summary.json")["damaged"], 1);
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_damaged_and_one_that_grows_is_not() {
    let lines = samples(1000).join("\n") + "\n";
    for (bytes, status) in [(lines.len() / 2, 1), (2 * lines.len(), 0)] {
        for command in ["replay -w 1", "batch"] {
            let place = Workplace::new();
            place.write("in", &lines);
            let mut child = place.spawn(&format!("{command} - in --out out"));
            // The command has listed the file when it reads standard input.
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all((view(9, "u") + "\n").repeat(10_000).as_bytes()).unwrap();
            let file = std::fs::OpenOptions::new().write(true).open(place.path("in")).unwrap();
            file.set_len(bytes as u64).unwrap();
            drop(stdin);
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(status), "{command} {text}");
            assert_eq!(text.contains("has become shorter"), status == 1, "{command} {text}");
        }
    }
}
