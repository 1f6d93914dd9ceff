//! How objects of events are named, as Firehose names those that it delivers.

/// An object's name below the stream's prefix, by the time of its oldest record in UTC (see
/// Firehose's "S3 object name format").
pub(crate) fn name(oldest_ms: u64, uuid: &str) -> String {
    let time = time(oldest_ms);
    let folder: Vec<_> = time.split('-').take(4).collect();
    format!("{}/velodrome-1-{time}-{uuid}.gz", folder.join("/"))
}

/// A time in UTC as it stands in names, `YYYY-MM-DD-HH-MM-SS`, which sorts as times do up to the
/// year 9999.
pub(crate) fn time(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}-{hour:02}-{minute:02}-{second:02}")
}

/// Year, month and day of the day `days` after 1970-01-01: Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>), for days from the epoch on.
fn civil(days: u64) -> (u64, u64, u64) {
    // Eras of 400 years that begin on a first of March, so that a leap day is the last of a year.
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
    fn are_named_by_their_oldest_record_in_utc() {
        assert_eq!(
            name(1_620_240_001_000, "01234567-89ab-4def-8fed-cba987654320"),
            "2021/05/05/18/velodrome-1-2021-05-05-18-40-01-01234567-89ab-4def-8fed-cba987654320.gz"
        );
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
