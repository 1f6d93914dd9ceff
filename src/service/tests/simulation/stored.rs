//! What is in a data directory: the lines of the log, and the dead letters.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use serde_json::Value;

use super::model::Line;

/// The text before the digits of an arrival.
const ARRIVAL: &str = r#","arrivalTimestamp":"#;

/// The files below `directory` whose names end with `ending`, in the order of their paths.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let is_hidden = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with('.');
    let below = |path: PathBuf| match path.is_dir() {
        true => files(&path, ending),
        false if is_hidden(&path) || !path.to_str().unwrap().ends_with(ending) => Vec::new(),
        false => vec![path],
    };
    paths.into_iter().flat_map(below).collect()
}

/// The number of segments with events that are not sealed.
pub(super) fn segments(data: &Path) -> usize {
    let segments = files(&data.join("log"), ".jsonl");
    // The sealer can remove one at any time.
    segments.iter().filter(|path| fs::metadata(path).is_ok_and(|file| file.len() > 0)).count()
}

/// The complete lines of the log. A segment that is being sealed counts once.
pub(super) fn lines(data: &Path) -> Vec<Line> {
    let (archive, mut text) = (data.join("archive"), Vec::new());
    let objects = files(&archive, ".gz").into_iter();
    for path in objects.filter(|path| !path.starts_with(archive.join("processing-failed"))) {
        GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut text).unwrap();
    }
    for path in files(&data.join("log"), ".jsonl") {
        text.extend(fs::read(path).unwrap());
    }
    // A poisoned log can have a torn end. Nothing follows it before a restart cuts it off.
    let lines = text.split_inclusive(|byte| *byte == b'\n').map_while(|line| {
        let (event, digits) =
            str::from_utf8(line).ok()?.strip_suffix("}\n")?.rsplit_once(ARRIVAL)?;
        Some(Line { text: format!("{event}}}"), arrival_ms: digits.parse().ok()? })
    });
    lines.collect()
}

/// The texts of the dead letters in the archive, and in the spool.
pub(super) fn dead_letters(data: &Path) -> (Vec<String>, Vec<String>) {
    let read = |directory: PathBuf| {
        let texts = files(&directory, "").into_iter().map(|path| fs::read(path).unwrap());
        let text: Vec<u8> = texts.flatten().collect();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let letters = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let raw = letters.map(|letter| BASE64_STANDARD.decode(letter["rawData"].as_str().unwrap()));
        raw.map(|raw| String::from_utf8(raw.unwrap()).unwrap()).collect()
    };
    (read(data.join("archive/processing-failed")), read(data.join("rejected")))
}
