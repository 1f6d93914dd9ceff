//! Parameters that several reads share.

use serde::Deserialize;
use utoipa::ToSchema;
use velodrome_dataflows::RacerId;

use super::cursor;
use super::ranking::{self, Part, Position, Ranked};
use crate::serve::error::ApiError;

/// How many rows a page has at most (CONTRACTS, section 4).
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(try_from = "u16")]
#[schema(minimum = 1, maximum = 1000, default = 100)]
pub(super) struct Limit(u16);

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<u16> for Limit {
    type Error = &'static str;

    fn try_from(limit: u16) -> Result<Self, Self::Error> {
        let is_valid = (1..=1000).contains(&limit);
        is_valid.then_some(Self(limit)).ok_or("it must be 1 to 1000")
    }
}

impl Limit {
    pub(super) fn rows(self) -> usize {
        self.0.into()
    }
}

/// How many rows are shown before and behind a racer's own.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(try_from = "u16")]
#[schema(minimum = 0, maximum = 100, default = 5)]
pub(super) struct Window(u16);

impl Default for Window {
    fn default() -> Self {
        Self(5)
    }
}

impl TryFrom<u16> for Window {
    type Error = &'static str;

    fn try_from(window: u16) -> Result<Self, Self::Error> {
        (window <= 100).then_some(Self(window)).ok_or("it must be 0 to 100")
    }
}

/// Which part of a ranking is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Selection {
    Page { behind: Option<Position>, limit: Limit },
    Around { racer: RacerId, window: Window },
}

impl Selection {
    /// A page of the list of that name.
    ///
    /// # Errors
    /// 400 `bad_cursor`.
    pub(super) fn page(
        list: &str,
        limit: Option<Limit>,
        cursor: Option<&str>,
    ) -> Result<Self, ApiError> {
        let behind = cursor::decode(list, cursor)?;
        Ok(Self::Page { behind, limit: limit.unwrap_or_default() })
    }

    /// The rows around a racer where one is given, else a page.
    ///
    /// # Errors
    /// 400: parameters of both, or a bad cursor.
    pub(super) fn new(
        list: &str,
        limit: Option<Limit>,
        cursor: Option<&str>,
        around: Option<RacerId>,
        window: Option<Window>,
    ) -> Result<Self, ApiError> {
        let refused = |message| Err(ApiError::bad_parameter(message));
        match around {
            Some(_) if cursor.is_some() => refused("around and cursor exclude each other"),
            Some(_) if limit.is_some() => refused("limit does not go with around; give window"),
            Some(racer) => Ok(Self::Around { racer, window: window.unwrap_or_default() }),
            None if window.is_some() => refused("window goes with around; give a racer's id there"),
            None => Self::page(list, limit, cursor),
        }
    }

    /// That part of `rows`, which are in their order.
    pub(super) fn of<T: Ranked>(self, rows: &[T]) -> Part<'_, T> {
        match self {
            Self::Page { behind, limit } => ranking::page(rows, behind, limit.rows()),
            Self::Around { racer, window } => ranking::around(rows, racer, window.0.into()),
        }
    }
}

/// Cuts a list that was asked for with one row more than `limit`, and gives the last row of the page
/// if there is more behind it.
pub(super) fn cut<T>(rows: &mut Vec<T>, limit: Limit) -> Option<&T> {
    let has_more = rows.len() > limit.rows();
    rows.truncate(limit.rows());
    rows.last().filter(|_| has_more)
}
