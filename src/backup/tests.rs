//! The order of a backup, while a service archives segments.

use std::fs;
use std::io::Write;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::ingest::object_names::{LOG_FOLDER, segment_file, segment_key};
use crate::store::{Directory, Hooked};

const ARRIVAL_MS: u64 = 1_620_240_001_000;

#[test]
fn a_segment_that_is_archived_before_the_log_is_copied_is_in_the_backup() {
    let root = tempfile::tempdir().unwrap();
    let [data, archive, backup] = ["data", "archive", "backup"].map(|name| root.path().join(name));
    let line = format!("{{\"number\":1,\"arrivalTimestamp\":{ARRIVAL_MS}}}\n");
    let (segment, key) = (data.join("log").join(segment_file(1)), segment_key(ARRIVAL_MS, 1));
    let (object, copied) = (archive.join(&key), backup.join("archive").join(&key));
    for file in [&segment, &object] {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
    }
    fs::write(&segment, &line).unwrap();
    let seal = move || {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(line.as_bytes()).unwrap();
        fs::write(object, gzip.finish().unwrap()).unwrap();
        fs::remove_file(segment).unwrap();
    };
    let seal = Mutex::new(Some(seal));
    let before_listing = move |folder: &str| {
        if folder == LOG_FOLDER {
            seal.lock().unwrap().take().into_iter().for_each(|seal| seal());
        }
    };

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lazy_aws = LazyAws::new(None, runtime.handle().clone());
    let making = Backup {
        data: Arc::new(Hooked::new(Directory::new(data), before_listing)),
        archive: Arc::new(Directory::new(archive.clone())),
        archive_copy: Some(Arc::new(Directory::new(backup.join("archive")))),
        to: DataPlace::new(&Location::Directory(backup), &lazy_aws).unwrap(),
    };
    let location = Location::Directory(archive);
    let outcome = making.run(BackupManifest::default(), &location, &mut Vec::new()).unwrap();
    assert_eq!(outcome, Outcome::Undamaged);
    assert!(copied.exists());
}
