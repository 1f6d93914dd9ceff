//! History objects: `class-<classId>.gz`, gzip of `{"<second>": {"<racerId>": output, ...}, ...}`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use flate2::{Compression, GzBuilder};
use velodrome_dataflows::{ClassId, RacerId, Record};

use super::error::WriteError;

/// The fastest level: most digits of an output are noise that no level compresses.
const LEVEL: Compression = Compression::new(1);

/// Bytes of JSON formatted before they are compressed: few enough to stay in a core's cache.
const BLOCK_BYTES: usize = 64 << 10;

/// Creates `directory`, and writes one object per class into it, on up to `threads` threads.
pub(super) fn write(
    directory: &Path,
    records: &BTreeMap<ClassId, Vec<(RacerId, Record)>>,
    threads: usize,
) -> Result<(), WriteError> {
    fs::create_dir(directory).map_err(|e| WriteError::new(directory, e))?;
    let classes = Mutex::new(records.iter());
    let next = || classes.lock().unwrap_or_else(|e| e.into_inner()).next();
    let work = || {
        while let Some((class, curves)) = next() {
            let path = directory.join(object_name(*class));
            File::create(&path)
                .and_then(|file| write_object(curves, file))
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

/// The name of a class's history object.
pub(crate) fn object_name(class: ClassId) -> String {
    format!("class-{class}.gz")
}

/// The class whose history object has this name.
pub(crate) fn class_of_object(name: &str) -> Option<ClassId> {
    let class = name.strip_prefix("class-")?.strip_suffix(".gz")?.parse().ok()?;
    (object_name(class) == name).then_some(class)
}

/// Writes the history object of one class. Seconds and racers ascend; seconds without a record are
/// omitted.
pub(crate) fn write_object(curves: &[(RacerId, Record)], out: impl Write) -> io::Result<()> {
    // The header has no name and no time, so that equal records give equal bytes.
    let mut gzip = GzBuilder::new().write(BufWriter::with_capacity(BLOCK_BYTES, out), LEVEL);
    let racers: Vec<_> = curves.iter().map(|(racer, _)| format!("\"{racer}\":")).collect();
    let seconds = curves.iter().map(|(_, curve)| curve.seconds()).max().unwrap_or(0);
    let (mut json, mut number) = (Vec::with_capacity(2 * BLOCK_BYTES), zmij::Buffer::new());
    json.push(b'{');
    let mut first_second = true;
    for second in 1..=seconds {
        let mut first_racer = true;
        for (racer, (_, curve)) in racers.iter().zip(curves) {
            let Some(output) = curve.get(second) else { continue };
            match (first_racer, first_second) {
                (true, true) => write!(json, "\"{second}\":{{")?,
                (true, false) => write!(json, ",\"{second}\":{{")?,
                (false, _) => json.push(b','),
            }
            (first_racer, first_second) = (false, false);
            json.extend_from_slice(racer.as_bytes());
            json.extend_from_slice(number.format_finite(output).as_bytes());
            if json.len() > BLOCK_BYTES {
                gzip.write_all(&json)?;
                json.clear();
            }
        }
        if !first_racer {
            json.push(b'}');
        }
    }
    json.push(b'}');
    gzip.write_all(&json)?;
    gzip.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use velodrome_dataflows::Curve;

    use super::*;

    fn text(curves: &[(RacerId, Record)]) -> String {
        let mut text = String::new();
        let mut bytes = Vec::new();
        write_object(curves, &mut bytes).unwrap();
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn has_only_seconds_and_racers_with_a_record() {
        let (mut first, mut second) = (Curve::default(), Curve::default());
        first.raise(2, 161.59953333333334);
        first.raise(4, 0.0);
        second.raise(2, 100.0);
        let json = text(&[(0, first.into()), (4294967295, second.into())]);
        assert_eq!(json, r#"{"2":{"0":161.59953333333334,"4294967295":100.0},"4":{"0":0.0}}"#);
    }

    #[test]
    fn every_class_has_exactly_one_name() {
        for class in [0, 1, 65_535] {
            assert_eq!(class_of_object(&object_name(class)), Some(class));
        }
        for other in ["class-.gz", "class-01.gz", "class-+1.gz", "class-65536.gz", "class-1.gz.gz"]
        {
            assert_eq!(class_of_object(other), None, "{other}");
        }
    }

    #[test]
    fn no_records_give_an_empty_object() {
        assert_eq!(text(&[]), "{}");
    }
}
