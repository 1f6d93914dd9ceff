//! The files of changes. They may have tens of millions of rows, so they are written incrementally.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use velodrome_dataflows::{
    Board, BoardDifferences, ClassId, Output, RaceId, RacerId, RankedRow, RideResult, Row,
    RowDifference,
};

use super::counts::is_rescored;
use super::ranks::Ranks;
use crate::results::WriteError;

/// File of the changed records: one JSON object per record, by class, second and racer.
pub const CHANGES: &str = "changes.jsonl";
/// File of the changed rows of the leaderboards, by class and racer.
pub const LEADERBOARD_CHANGES: &str = "leaderboard-changes.json";
/// File of the changed race results: one JSON object per ride.
pub const RESULTS_CHANGES: &str = "results-changes.jsonl";
/// File of the old rules in their canonical form. The new rules are in `rules.json`.
pub const AGAINST: &str = "against.json";

/// Approximate length of a row, in bytes.
const ROW_BYTES: usize = 128;

/// Writes the files of changes from boards encoded by [`encode_board`].
///
/// After a write fails, later ones are dropped and the run continues. `finish` returns the error.
#[derive(Debug)]
pub struct ChangeFiles {
    records: Table,
    leaderboard: Table,
    results: Table,
    /// Whether a class was already written to the file of leaderboards.
    is_begun: bool,
    failed: Option<WriteError>,
}

#[derive(Debug)]
struct Table {
    path: PathBuf,
    file: File,
}

impl Table {
    fn create(path: PathBuf) -> Result<Self, WriteError> {
        let file = File::create(&path).map_err(|e| WriteError::new(&path, e))?;
        Ok(Self { path, file })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.file.write_all(bytes).map_err(|e| WriteError::new(&self.path, e))
    }
}

impl ChangeFiles {
    /// Creates the files in `out`.
    ///
    /// # Errors
    /// If a file cannot be created.
    pub fn create(out: &Path) -> Result<Self, WriteError> {
        Ok(Self {
            records: Table::create(out.join(CHANGES))?,
            leaderboard: Table::create(out.join(LEADERBOARD_CHANGES))?,
            results: Table::create(out.join(RESULTS_CHANGES))?,
            is_begun: false,
            failed: None,
        })
    }

    /// Writes the encoded changes of the next board. Boards must be in the order of the files.
    pub fn push(&mut self, board: Board, rows: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.write(board, rows).err();
        }
    }

    /// Completes the files.
    ///
    /// # Errors
    /// The error of the first write that failed.
    pub fn finish(mut self) -> Result<(), WriteError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let end = if self.is_begun { "}" } else { "{}" };
        self.leaderboard.write(end.as_bytes())
    }

    fn write(&mut self, board: Board, rows: &[u8]) -> Result<(), WriteError> {
        match board {
            Board::Second(..) => self.records.write(rows),
            Board::Race(..) => self.results.write(rows),
            Board::Leaderboard(class) => {
                let start = if self.is_begun { "," } else { "{" };
                self.is_begun = true;
                self.leaderboard.write(format!("{start}\"class-{class}\":").as_bytes())?;
                self.leaderboard.write(rows)
            }
        }
    }
}

/// Encodes the differences of a board for its file: as JSON lines, or as the JSON object of a
/// leaderboard. `ranks` selects the records.
pub fn encode_board(board: BoardDifferences<'_>, ranks: Ranks) -> Vec<u8> {
    let is_written = |row: &&RowDifference| match board.board {
        Board::Second(..) => ranks == Ranks::All || is_rescored(row),
        Board::Leaderboard(_) | Board::Race(..) => true,
    };
    let rows: Vec<_> = board.rows.iter().filter(is_written).collect();
    let mut out = Vec::with_capacity(rows.len() * ROW_BYTES);
    // Writing to memory never fails.
    write_board(&mut out, board.board, &rows).unwrap_or_default();
    out
}

fn write_board(out: &mut Vec<u8>, board: Board, rows: &[&RowDifference]) -> io::Result<()> {
    let rows = rows.iter().map(|row| (row.racer, [row.old.as_ref(), row.new.as_ref()]));
    match board {
        Board::Second(class, second) => {
            for (racer, sides) in rows {
                write_record(out, [class.into(), second.into(), racer], sides)?;
            }
        }
        Board::Leaderboard(_) => {
            for (racer, sides) in rows {
                let [old, new] = sides.map(|side| side.and_then(best));
                let start = if out.is_empty() { '{' } else { ',' };
                write!(out, "{start}\"{racer}\":")?;
                serde_json::to_writer(&mut *out, &Change { old, new })?;
            }
            out.push(b'}');
        }
        Board::Race(class_id, race_id) => {
            for (racer_id, sides) in rows {
                let [old, new] = sides.map(|side| side.and_then(result));
                let change = Change { old, new };
                serde_json::to_writer(
                    &mut *out,
                    &RideChange { class_id, race_id, racer_id, change },
                )?;
                out.push(b'\n');
            }
        }
    }
    Ok(())
}

type Side<'a> = Option<&'a RankedRow>;

/// Formats a changed record without serde, for speed: every record may have changed.
fn write_record(
    out: &mut Vec<u8>,
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

fn best((row, rank): &RankedRow) -> Option<BestRow> {
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

fn result((row, rank): &RankedRow) -> Option<ResultRow<'_>> {
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
