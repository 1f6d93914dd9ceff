//! Segments of a log that are missing among the inputs of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;

use serde::{Deserialize, Serialize};

use super::inputs::Input;
use super::object_names::{SegmentKey, parse_segment_file, parse_segment_key};

/// Segments of a service's log that are missing between two inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSegments {
    /// The sequence of the first missing segment.
    pub first: u64,
    /// The sequence of the last missing segment.
    pub last: u64,
    /// The name of the input before them.
    pub after: String,
    /// The name of the input after them.
    pub before: String,
}

impl fmt::Display for MissingSegments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, after, before } = self;
        write!(f, "segments {first} to {last}, between '{after}' and '{before}'")
    }
}

/// The sequences that are missing between ascending `sequences`, as pairs of the first and the last.
pub(crate) fn gaps(sequences: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    let pairs = sequences.iter().zip(sequences.iter().skip(1));
    pairs
        .filter(|(before, after)| *after - *before > 1)
        .map(|(before, after)| (before + 1, after - 1))
}

/// The segments that are missing among the inputs of `paths`.
///
/// Only segments of one log are compared: the objects of one archive that are given by one path, because
/// a user may give two separate days by two paths, and the segments in files of a log that follow them.
pub(super) fn missing_segments(paths: &[Vec<Input>]) -> Vec<MissingSegments> {
    let mut missing = Vec::new();
    let (mut log, mut segments) = (None, BTreeMap::new());
    for (path, inputs) in paths.iter().enumerate() {
        for input in inputs {
            let name = input.name();
            if let Some(SegmentKey { archive, sequence, .. }) = parse_segment_key(&name) {
                let archive = Some((path, archive.to_owned()));
                if log != archive {
                    add_missing(&mem::take(&mut segments), &mut missing);
                    log = archive;
                }
                segments.insert(sequence, name.into_owned());
            } else if let Some(sequence) = parse_segment_file(&name) {
                segments.insert(sequence, name.into_owned());
            }
        }
    }
    add_missing(&segments, &mut missing);
    missing
}

/// Adds the gaps between the `segments` of one log, which have their names by their sequences.
fn add_missing(segments: &BTreeMap<u64, String>, missing: &mut Vec<MissingSegments>) {
    let sequences: Vec<_> = segments.keys().copied().collect();
    let name = |sequence| segments.get(&sequence).cloned().unwrap_or_default();
    missing.extend(gaps(&sequences).map(|(first, last)| {
        let (after, before) = (name(first - 1), name(last + 1));
        MissingSegments { first, last, after, before }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::inputs::{InputKind, Origin};
    use crate::ingest::object_names::{segment_file, segment_key};

    /// The missing segments of paths, each with the names of its files.
    fn missing(paths: &[&[String]]) -> Vec<(u64, u64)> {
        let input = |name: &String| {
            let origin = Origin::File(name.into());
            Input { origin, kind: InputKind::Detect, bytes: 0 }
        };
        let paths: Vec<Vec<_>> =
            paths.iter().map(|names| names.iter().map(input).collect()).collect();
        missing_segments(&paths).iter().map(|gap| (gap.first, gap.last)).collect()
    }

    #[test]
    fn only_gaps_in_one_archive_of_one_path_and_its_log_are_missing() {
        let object = |archive: &str, sequence| format!("{archive}/{}", segment_key(0, sequence));
        let days = [1, 2, 5, 7].map(|sequence| object("a", sequence));
        assert_eq!(missing(&[&days]), [(3, 4), (6, 6)]);
        assert_eq!(missing(&[&days[..2], &days[2..3], &days[3..]]), []);
        let nodes = [object("a", 1), object("b", 9), "b/other.gz".to_owned(), object("b", 10)];
        assert_eq!(missing(&[&nodes]), []);
        let log = |sequence| format!("log/{}", segment_file(sequence));
        assert_eq!(missing(&[&days[..2], &[log(3), log(5)]]), [(4, 4)]);
        assert_eq!(missing(&[&days[..2], &[log(4)]]), [(3, 3)]);
        assert_eq!(missing(&[&[log(4)], &days[..2]]), []);
    }
}
