//! The files of changes, written as the changes come: they may be some ten million rows.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use velodrome_dataflows::{Board, ClassId, Difference, Output, RaceId, RacerId, RideResult, Row};

use super::counts::Counts;
use super::{CHANGES, LEADERBOARD_CHANGES, RESULTS_CHANGES};
use crate::results::WriteError;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 1 << 18;

/// Writes changes in the order that they come, which is that of the files, and counts them.
///
/// A failed write ends the writing, not the run: `finish` tells of it.
#[derive(Debug)]
pub struct Changes {
    records: Table,
    leaderboard: Table,
    results: Table,
    /// The class whose leaderboard is being written.
    class: Option<ClassId>,
    counts: Counts,
    failed: Option<WriteError>,
}

#[derive(Debug)]
struct Table {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Table {
    fn create(path: PathBuf) -> Result<Self, WriteError> {
        let file = File::create(&path).map_err(|e| WriteError::new(&path, e))?;
        Ok(Self { path, out: BufWriter::with_capacity(BUFFER_BYTES, file) })
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        write(&mut self.out).map_err(|e| WriteError::new(&self.path, e))
    }
}

impl Changes {
    /// Begins the files in `out`.
    ///
    /// # Errors
    /// A file that cannot be made.
    pub fn create(out: &Path) -> Result<Self, WriteError> {
        Ok(Self {
            records: Table::create(out.join(CHANGES))?,
            leaderboard: Table::create(out.join(LEADERBOARD_CHANGES))?,
            results: Table::create(out.join(RESULTS_CHANGES))?,
            class: None,
            counts: Counts::default(),
            failed: None,
        })
    }

    /// Takes the next change.
    pub fn take(&mut self, difference: &Difference) {
        self.counts.take(difference);
        if self.failed.is_none() {
            self.failed = self.write(difference).err();
        }
    }

    /// Ends the files; what was counted of the changes.
    ///
    /// # Errors
    /// The first write that failed.
    pub fn finish(mut self) -> Result<Counts, WriteError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let end = if self.class.is_some() { "}}" } else { "{}" };
        self.leaderboard.write(|out| out.write_all(end.as_bytes()))?;
        for table in [&mut self.records, &mut self.leaderboard, &mut self.results] {
            table.write(Write::flush)?;
        }
        Ok(self.counts)
    }

    fn write(&mut self, difference: &Difference) -> Result<(), WriteError> {
        let Difference { board, racer, old, new } = difference;
        let sides = [old.as_ref(), new.as_ref()];
        match *board {
            Board::Second(class, second) => {
                let change = [class.into(), second.into(), *racer];
                self.records.write(|out| write_record(out, change, sides))
            }
            Board::Leaderboard(class) => {
                let start = match self.class.replace(class) {
                    Some(last) if last == class => ",".to_owned(),
                    Some(_) => format!("}},\"class-{class}\":{{"),
                    None => format!("{{\"class-{class}\":{{"),
                };
                let [old, new] = sides.map(|side| side.and_then(best));
                self.leaderboard.write(|out| {
                    write!(out, "{start}\"{racer}\":")?;
                    Ok(serde_json::to_writer(out, &Change { old, new })?)
                })
            }
            Board::Race(class_id, race_id) => {
                let [old, new] = sides.map(|side| side.and_then(result));
                let change = Change { old, new };
                let ride = RideChange { class_id, race_id, racer_id: *racer, change };
                self.results.write(|out| {
                    serde_json::to_writer(&mut *out, &ride)?;
                    out.write_all(b"\n")
                })
            }
        }
    }
}

type Side<'a> = Option<&'a (Row, Option<u32>)>;

/// By hand, as there may be as many as there are records.
fn write_record(
    out: &mut BufWriter<File>,
    [class, second, racer]: [u32; 3],
    sides: [Side<'_>; 2],
) -> io::Result<()> {
    let (mut integer, mut number) = (itoa::Buffer::new(), zmij::Buffer::new());
    out.write_all(b"{\"classId\":")?;
    out.write_all(integer.format(class).as_bytes())?;
    out.write_all(b",\"second\":")?;
    out.write_all(integer.format(second).as_bytes())?;
    out.write_all(b",\"racerId\":")?;
    out.write_all(integer.format(racer).as_bytes())?;
    for (key, side) in [",\"oldOutput\":", ",\"newOutput\":"].into_iter().zip(sides) {
        out.write_all(key.as_bytes())?;
        let output = side.and_then(|(row, _)| row.output());
        let text = output.map_or("null", |output| number.format_finite(output.0));
        out.write_all(text.as_bytes())?;
    }
    for (key, side) in [",\"oldRank\":", ",\"newRank\":"].into_iter().zip(sides) {
        out.write_all(key.as_bytes())?;
        let rank = side.and_then(|(_, rank)| *rank);
        let text = rank.map_or("null", |rank| integer.format(rank));
        out.write_all(text.as_bytes())?;
    }
    out.write_all(b"}\n")
}

#[derive(Serialize)]
struct Change<T> {
    old: Option<T>,
    new: Option<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BestRow {
    output: Output,
    race_id: RaceId,
    rank: Option<u32>,
}

fn best((row, rank): &(Row, Option<u32>)) -> Option<BestRow> {
    match row {
        Row::Best(output, race_id) => {
            Some(BestRow { output: *output, race_id: *race_id, rank: *rank })
        }
        _ => None,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RideChange<'a> {
    class_id: ClassId,
    race_id: RaceId,
    racer_id: RacerId,
    #[serde(flatten)]
    change: Change<ResultRow<'a>>,
}

#[derive(Serialize)]
struct ResultRow<'a> {
    name: Option<&'a str>,
    r#final: Option<Output>,
    best: Output,
    total: Output,
    seconds: u16,
    rank: Option<u32>,
}

fn result((row, rank): &(Row, Option<u32>)) -> Option<ResultRow<'_>> {
    let Row::Result(result) = row else { return None };
    let RideResult { name, final_output, best, total, seconds } = result.as_ref();
    Some(ResultRow {
        name: name.as_deref(),
        r#final: *final_output,
        best: *best,
        total: *total,
        seconds: *seconds,
        rank: *rank,
    })
}
