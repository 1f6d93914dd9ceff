//! History objects: `class-<classId>.gz`, gzip of `{"<second>": {"<racerId>": output, ...}, ...}`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use flate2::{Compression, GzBuilder};
use velodrome_dataflows::{ClassId, Curve, RacerId};

use super::WriteError;

/// Most of an output's digits are noise that no level compresses; the fastest wins.
const LEVEL: Compression = Compression::new(1);

/// Writes one object a class into `directory`, on up to `threads` threads.
pub(super) fn write(
    directory: &Path,
    records: &BTreeMap<ClassId, Vec<(RacerId, Curve)>>,
    threads: usize,
) -> Result<(), WriteError> {
    let classes = Mutex::new(records.iter());
    let next = || classes.lock().unwrap_or_else(|e| e.into_inner()).next();
    let work = || {
        while let Some((class, curves)) = next() {
            let path = directory.join(format!("class-{class}.gz"));
            object(curves)
                .and_then(|bytes| fs::write(&path, bytes))
                .map_err(|e| WriteError::new(&path, e))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        others.into_iter().filter_map(|other| other.join().ok()).fold(own, Result::and)
    })
}

/// One class's history object: seconds ascending, racers ascending, no key without a record.
fn object(curves: &[(RacerId, Curve)]) -> io::Result<Vec<u8>> {
    // No name and no time in the header, so that equal records are equal bytes.
    let mut gzip = GzBuilder::new().write(Vec::new(), LEVEL);
    let mut json = Vec::with_capacity(1 << 16);
    let (mut integers, mut floats) = (itoa::Buffer::new(), zmij::Buffer::new());
    let seconds = curves.iter().map(|(_, curve)| curve.seconds()).max().unwrap_or(0);
    let mut open = b'{';
    for second in 1..=seconds {
        let mut separator = None;
        for (racer, curve) in curves {
            let Some(output) = curve.get(second) else { continue };
            if separator.is_none() {
                json.extend([open, b'"']);
                json.extend(integers.format(second).bytes());
                json.extend(b"\":");
            }
            json.push(separator.unwrap_or(b'{'));
            json.push(b'"');
            json.extend(integers.format(*racer).bytes());
            json.extend(b"\":");
            json.extend(floats.format_finite(output).bytes());
            separator = Some(b',');
            if json.len() > (1 << 16) - 64 {
                gzip.write_all(&json)?;
                json.clear();
            }
        }
        if separator.is_some() {
            json.push(b'}');
            open = b',';
        }
    }
    json.extend(if open == b'{' { &b"{}"[..] } else { b"}" });
    gzip.write_all(&json)?;
    gzip.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn text(curves: &[(RacerId, Curve)]) -> String {
        let mut text = String::new();
        GzDecoder::new(&object(curves).unwrap()[..]).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn holds_only_seconds_and_racers_that_have_a_record() {
        let (mut first, mut second) = (Curve::default(), Curve::default());
        first.raise(2, 161.59953333333334);
        first.raise(4, 0.0);
        second.raise(2, 100.0);
        let json = text(&[(0, first), (4294967295, second)]);
        assert_eq!(json, r#"{"2":{"0":161.59953333333334,"4294967295":100.0},"4":{"0":0.0}}"#);
    }

    #[test]
    fn of_no_records_is_an_empty_object() {
        assert_eq!(text(&[]), "{}");
    }
}
