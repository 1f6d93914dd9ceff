//! Writes rides, leaderboard and views as JSON.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use velodrome_dataflows::{BestFinal, ClassId, Output, RaceId, RacerId, RideResult, ViewCount};

use super::error::WriteError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RideRow<'a> {
    class_id: ClassId,
    race_id: RaceId,
    racer_id: RacerId,
    name: Option<&'a str>,
    r#final: Option<Output>,
    best: Output,
    total: Output,
    seconds: u16,
}

pub(super) fn write_rides(
    path: &Path,
    rides: &[((ClassId, RaceId, RacerId), RideResult)],
) -> Result<(), WriteError> {
    write_file(path, |out| {
        for ((class_id, race_id, racer_id), ride) in rides {
            let row = RideRow {
                class_id: *class_id,
                race_id: *race_id,
                racer_id: *racer_id,
                name: ride.name.as_deref(),
                r#final: ride.final_output,
                best: ride.best,
                total: ride.total,
                seconds: ride.seconds,
            };
            serde_json::to_writer(&mut *out, &row)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BestRow {
    output: Output,
    race_id: RaceId,
}

pub(super) fn write_leaderboard(
    path: &Path,
    leaderboard: &BTreeMap<ClassId, BTreeMap<RacerId, BestFinal>>,
) -> Result<(), WriteError> {
    let classes = leaderboard.iter().map(|(class, bests)| {
        let rows =
            bests.iter().map(|(racer, b)| (racer, BestRow { output: b.output, race_id: b.race }));
        (format!("class-{class}"), Rows(rows))
    });
    write_file(path, |out| Ok(serde_json::to_writer(out, &Rows(classes))?))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ViewRow {
    views: u64,
    duration_ms: u64,
}

pub(super) fn write_views(
    path: &Path,
    views: &BTreeMap<String, ViewCount>,
) -> Result<(), WriteError> {
    let rows = views
        .iter()
        .map(|(project, v)| (project, ViewRow { views: v.views, duration_ms: v.duration_ms }));
    write_file(path, |out| Ok(serde_json::to_writer(out, &Rows(rows))?))
}

/// A JSON object of rows, in the order of the iterator.
struct Rows<I>(I);

impl<K: Serialize, V: Serialize, I: Iterator<Item = (K, V)> + Clone> Serialize for Rows<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, row) in self.0.clone() {
            map.serialize_entry(&key, &row)?;
        }
        map.end()
    }
}

/// Creates the file `path` and fills it with `write`.
fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), WriteError> {
    let attempt = || {
        let mut out = BufWriter::with_capacity(1 << 18, File::create(path)?);
        write(&mut out)?;
        out.flush()
    };
    attempt().map_err(|e| WriteError::new(path, e))
}
