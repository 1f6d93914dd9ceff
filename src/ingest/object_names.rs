//! Names of objects that contain events. They have the format of the objects that Firehose delivers.

/// The folder of the records whose processing failed, named as Firehose names it.
pub(crate) const FAILED_FOLDER: &str = "processing-failed";

/// Start of every name: the stream, and the version of its configuration.
const STREAM: &str = "velodrome-1-";

/// The constant end of the uuids in names of segments: version 8 and the variant of RFC 9562, then
/// `velodr` in ASCII.
const UUID_END: &str = "8000-8000-76656c6f6472";

/// The greatest sequence of a segment: a uuid has 48 bits for it.
const SEQUENCE_MAX: u64 = (1 << 48) - 1;

/// The key of an object below the stream's prefix, from the time of its oldest record in UTC. Firehose
/// documents the format as "S3 object name format".
pub(crate) fn object_key(oldest_ms: u64, uuid: &str) -> String {
    let time = format_time(oldest_ms);
    format!("{}/{STREAM}{time}-{uuid}.gz", folder(&time))
}

/// The key of a segment of a log, from the time of its oldest event and its sequence.
///
/// Keys sort in the order of the log. The uuid has 48 bits of the sequence, enough for one segment per
/// minute for 500 million years.
pub(crate) fn segment_key(oldest_ms: u64, sequence: u64) -> String {
    object_key(oldest_ms, &segment_uuid(sequence))
}

fn segment_uuid(sequence: u64) -> String {
    let (high, low) = (sequence >> 16, sequence & 0xffff);
    format!("{high:08x}-{low:04x}-{UUID_END}")
}

/// The parts of a segment's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentKey<'a> {
    /// The folder of the archive, without those of the time. Empty, or ends with a slash.
    pub(crate) archive: &'a str,
    /// The second of its oldest event, in the format of [`format_time`].
    pub(crate) time: &'a str,
    pub(crate) sequence: u64,
}

/// Parses the key of a segment, or a path that ends with one. Returns `None` for any other text.
pub(crate) fn parse_segment_key(key: &str) -> Option<SegmentKey<'_>> {
    let name_start = key.rfind('/').map_or(0, |slash| slash + 1);
    let (folders, name) = key.split_at_checked(name_start)?;
    let name = name.strip_prefix(STREAM)?.strip_suffix(".gz")?;
    let (time, uuid) = name.split_at_checked("YYYY-MM-DD-HH-MM-SS".len())?;
    let uuid = uuid.strip_prefix('-')?;
    let digits = uuid.strip_suffix(UUID_END)?.replace('-', "");
    let sequence = u64::from_str_radix(&digits, 16).ok()?;
    let is_time = time.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    if !is_time || sequence > SEQUENCE_MAX || uuid != segment_uuid(sequence) {
        return None;
    }
    let archive = folders.strip_suffix(&format!("{}/", folder(time))).unwrap_or(folders);
    Some(SegmentKey { archive, time, sequence })
}

/// The folder of the segments in a data directory.
pub const LOG_FOLDER: &str = "log/";

/// The name of the file of a segment that is not in the archive yet.
pub(crate) fn segment_file(sequence: u64) -> String {
    format!("{sequence:020}.jsonl")
}

/// Parses the name of a segment's file, or a path that ends with one, to its sequence.
pub(crate) fn parse_segment_file(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?;
    let sequence = name.strip_suffix(".jsonl")?.parse().ok()?;
    (sequence <= SEQUENCE_MAX && segment_file(sequence) == name).then_some(sequence)
}

/// The name, without folders, of an object of records whose processing failed, from the time of its
/// oldest record.
///
/// [`failed_object_key`] adds the folders.
pub(crate) fn failed_object_name(oldest_ms: u64, uuid: &str) -> String {
    format!("{STREAM}{}-{uuid}", format_time(oldest_ms))
}

/// The key below the stream's prefix of an object named by [`failed_object_name`]. `None` for any other
/// text.
pub(crate) fn failed_object_key(name: &str) -> Option<String> {
    let (time, uuid) = name.strip_prefix(STREAM)?.split_at_checked("YYYY-MM-DD-HH-MM-SS-".len())?;
    let is_ours = time.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit())
        && uuid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    is_ours.then(|| format!("{FAILED_FOLDER}/{}/{name}", folder(time)))
}

/// The folders of an object, from its time: year, month, day and hour.
fn folder(time: &str) -> String {
    time.split('-').take(4).collect::<Vec<_>>().join("/")
}

/// Formats a time in UTC as in object names, `YYYY-MM-DD-HH-MM-SS`. Up to the year 9999, the texts sort
/// by time.
pub(crate) fn format_time(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}-{hour:02}-{minute:02}-{second:02}")
}

/// Year, month and day of the day `days` after 1970-01-01: Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>), without days before the epoch.
fn civil(days: u64) -> (u64, u64, u64) {
    // Eras of 400 years begin on March 1, so that a leap day is the last day of a year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_an_object_by_its_oldest_record_in_utc() {
        assert_eq!(
            object_key(1_620_240_001_000, "01234567-89ab-4def-8fed-cba987654320"),
            "2021/05/05/18/velodrome-1-2021-05-05-18-40-01-01234567-89ab-4def-8fed-cba987654320.gz"
        );
    }

    #[test]
    fn a_segment_has_a_uuid_of_version_8_and_its_key_can_be_parsed() {
        let sequence = 0x1234_5678_9abc;
        let key = segment_key(1_620_240_001_000, sequence);
        assert_eq!(
            key,
            "2021/05/05/18/velodrome-1-2021-05-05-18-40-01-12345678-9abc-8000-8000-76656c6f6472.gz"
        );
        let time = "2021-05-05-18-40-01";
        for archive in ["", "/data/archive/"] {
            let expected = SegmentKey { archive, time, sequence };
            assert_eq!(parse_segment_key(&format!("{archive}{key}")), Some(expected));
        }
        let moved = format!("a/{}", key.rsplit('/').next().unwrap());
        assert_eq!(parse_segment_key(&moved).unwrap().archive, "a/");
        for other in [
            "",
            "velodrome-1-other.gz",
            &key[..key.len() - 1],
            "velodrome-1-2021-05-05-18-40-01--ffffffffffffffff-8000-8000-76656c6f6472.gz",
            "velodrome-1-2021-05-05-18-40-01-+2345678-9abc-8000-8000-76656c6f6472.gz",
            "velodrome-1-2021-05-05-18-40-01-1234-8000-8000-76656c6f6472.gz",
            "velodrome-1-2021-05-05-18-40-0x-12345678-9abc-8000-8000-76656c6f6472.gz",
        ] {
            assert_eq!(parse_segment_key(other), None, "{other}");
        }
    }

    #[test]
    fn keys_of_one_second_sort_by_sequence() {
        let keys = [1, 2, 9, 10, 255, 65_535, 65_536, 1 << 40];
        let keys = keys.map(|sequence| segment_key(1_620_240_001_000, sequence));
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn objects_of_failed_records_have_their_own_folder() {
        let uuid = "01234567-89ab-4def-8fed-cba987654320";
        let name = failed_object_name(1_620_240_001_000, uuid);
        assert_eq!(
            failed_object_key(&name).unwrap(),
            format!("processing-failed/2021/05/05/18/velodrome-1-2021-05-05-18-40-01-{uuid}")
        );
        for other in ["", "velodrome-1-", "velodrome-1-2021-05-05-18-40-01-../a", &name[1..]] {
            assert_eq!(failed_object_key(other), None, "{other}");
        }
    }

    #[test]
    fn dates_follow_the_calendar_over_leap_days_and_centuries() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (11_015, (2000, 2, 28)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (18_752, (2021, 5, 5)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
            (2_932_896, (9999, 12, 31)),
        ] {
            assert_eq!(civil(days), date, "{days}");
        }
    }
}
