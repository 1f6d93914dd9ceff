//! Reads the files of a result directory into ordered rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Lines, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use velodrome_dataflows::{ClassId, RacerId, RideKey};

use super::change_rows::{self, BestRow, Change, RecordRow};
use super::error::VerifyError;
use super::rows::{Best, Count, RejectedRow, Ride, RideRow};
use super::unique_map::{UniqueMap, insert_once};
use crate::compare::Ranks;
use crate::results::history::class_of_object;

/// Reads `file` in both directories.
pub(super) fn read_both<T>(
    left: &Path,
    right: &Path,
    file: &str,
    read: impl Fn(&Path) -> Result<T, VerifyError>,
) -> Result<(T, T), VerifyError> {
    Ok((read(&left.join(file))?, read(&right.join(file))?))
}

/// The classes that have a history object in `directory`.
pub(super) fn classes(directory: &Path) -> Result<BTreeSet<ClassId>, VerifyError> {
    let failed = |e| VerifyError::Read(directory.to_owned(), e);
    let mut classes = BTreeSet::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != "gz") {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match class_of_object(name) {
            Some(class) => classes.insert(class),
            None => return Err(VerifyError::parse(&path, "its name is not class-<classId>.gz")),
        };
    }
    Ok(classes)
}

/// The records of one history object by second and racer.
pub(super) fn history(path: &Path) -> Result<BTreeMap<(u16, RacerId), f64>, VerifyError> {
    let mut text = Vec::new();
    let file = open(path)?;
    MultiGzDecoder::new(file).read_to_end(&mut text).map_err(|e| VerifyError::parse(path, e))?;
    let seconds: UniqueMap<u16, UniqueMap<RacerId, f64>> = from_slice(path, &text)?;
    drop(text);
    let rows = seconds.0.into_iter().flat_map(|(second, UniqueMap(racers))| {
        racers.into_iter().map(move |(racer, output)| ((second, racer), output))
    });
    Ok(rows.collect())
}

/// The rides of `results.jsonl` by class, race and racer.
pub(super) fn rides(path: &Path) -> Result<BTreeMap<RideKey, Ride>, VerifyError> {
    let mut rides = BTreeMap::new();
    each_line(path, |row: RideRow| {
        insert_once(&mut rides, (row.class_id, row.race_id, row.racer_id), row.into_ride())
    })?;
    Ok(rides)
}

/// The best final outputs by class, such as "class-1", and racer.
pub(super) fn leaderboard(path: &Path) -> Result<BTreeMap<(String, RacerId), Best>, VerifyError> {
    let classes: UniqueMap<String, UniqueMap<RacerId, Best>> = object(path)?;
    let rows = classes.0.into_iter().flat_map(|(class, UniqueMap(racers))| {
        racers.into_iter().map(move |(racer, best)| ((class.clone(), racer), best))
    });
    Ok(rows.collect())
}

/// The counts by project.
pub(super) fn views(path: &Path) -> Result<BTreeMap<String, Count>, VerifyError> {
    Ok(object::<UniqueMap<String, Count>>(path)?.0)
}

/// The rejected lines by file, line number and occurrence: a run can list the same file twice.
pub(super) fn rejected(path: &Path) -> Result<BTreeMap<(String, u64, usize), String>, VerifyError> {
    let mut lines = BTreeMap::new();
    each_line(path, |row: RejectedRow| {
        let shown = row.shown();
        let mut key = (row.file, row.line, 0);
        while lines.contains_key(&key) {
            key.2 += 1;
        }
        lines.insert(key, shown);
        Ok(())
    })?;
    Ok(lines)
}

/// The changed rows of the leaderboards by class, such as "class-1", and racer.
pub(super) fn leaderboard_changes(
    path: &Path,
) -> Result<BTreeMap<(String, RacerId), Change<Best>>, VerifyError> {
    let classes: UniqueMap<String, UniqueMap<RacerId, BestRow>> = object(path)?;
    let rows = classes.0.into_iter().flat_map(|(class, UniqueMap(racers))| {
        racers.into_iter().map(move |(racer, row)| ((class.clone(), racer), row.into_change()))
    });
    Ok(rows.collect())
}

/// Which records a comparison lists, by its summary.
pub(super) fn listed_records(path: &Path) -> Result<Ranks, VerifyError> {
    #[derive(Deserialize)]
    struct Summary {
        ranks: Ranks,
    }
    Ok(object::<Summary>(path)?.ranks)
}

/// The changed rides by class, race and racer.
pub(super) fn ride_changes(path: &Path) -> Result<BTreeMap<RideKey, Change<Ride>>, VerifyError> {
    let mut rides = BTreeMap::new();
    each_line(path, |row: change_rows::RideRow| {
        insert_once(&mut rides, (row.class_id, row.race_id, row.racer_id), row.into_change())
    })?;
    Ok(rides)
}

/// The changed records of a file, read class by class. Classes must be in ascending order.
pub(super) struct RecordChanges {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    number: u64,
    /// The first row of the next class.
    next: Option<RecordRow>,
}

impl RecordChanges {
    pub(super) fn open(path: &Path) -> Result<Self, VerifyError> {
        let lines = BufReader::new(open(path)?).lines();
        let mut rows = Self { path: path.to_owned(), lines, number: 0, next: None };
        rows.next = rows.read()?;
        Ok(rows)
    }

    /// The next class in the file.
    pub(super) fn class(&self) -> Option<ClassId> {
        self.next.as_ref().map(|row| row.class_id)
    }

    /// Reads the rows of `class` by second and racer. There are none if another class is next.
    pub(super) fn read_class(
        &mut self,
        class: ClassId,
    ) -> Result<BTreeMap<(u16, RacerId), Change<f64>>, VerifyError> {
        let mut rows = BTreeMap::new();
        while let Some(row) = self.next.take_if(|row| row.class_id == class) {
            let inserted = insert_once(&mut rows, (row.second, row.racer_id), row.into_change());
            inserted.map_err(|e| self.error(e))?;
            self.next = self.read()?;
            if self.class().is_some_and(|next| next < class) {
                return Err(self.error("its class comes before that of the line above"));
            }
        }
        Ok(rows)
    }

    fn read(&mut self) -> Result<Option<RecordRow>, VerifyError> {
        let Some(line) = self.lines.next() else { return Ok(None) };
        self.number += 1;
        let line = line.map_err(|e| VerifyError::Read(self.path.clone(), e))?;
        serde_json::from_str(&line).map(Some).map_err(|e| self.error(e))
    }

    fn error(&self, reason: impl ToString) -> VerifyError {
        VerifyError::parse(&self.path, format!("line {}: {}", self.number, reason.to_string()))
    }
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String, VerifyError> {
    fs::read_to_string(path).map_err(|e| VerifyError::Read(path.to_owned(), e))
}

fn object<T: DeserializeOwned>(path: &Path) -> Result<T, VerifyError> {
    let text = fs::read(path).map_err(|e| VerifyError::Read(path.to_owned(), e))?;
    from_slice(path, &text)
}

fn each_line<T: DeserializeOwned>(
    path: &Path,
    mut add: impl FnMut(T) -> Result<(), String>,
) -> Result<(), VerifyError> {
    for (number, line) in (1u64..).zip(BufReader::new(open(path)?).lines()) {
        let line = line.map_err(|e| VerifyError::Read(path.to_owned(), e))?;
        let row = serde_json::from_str(&line).map_err(|e| e.to_string());
        row.and_then(&mut add)
            .map_err(|e| VerifyError::parse(path, format!("line {number}: {e}")))?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<File, VerifyError> {
    File::open(path).map_err(|e: io::Error| VerifyError::Read(path.to_owned(), e))
}

fn from_slice<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, VerifyError> {
    serde_json::from_slice(text).map_err(|e| VerifyError::parse(path, e))
}
