//! Which rows of a list a client reads: a page, or the rows around a racer.

use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use velodrome_dataflows::RacerId;

use super::cursor;
use super::ranking::{self, Part, Position, Ranked};
use crate::live_state::StandingsRows;
use crate::serve::error::ApiError;
use crate::serve::params::number_within;

/// The maximum number of rows of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(minimum = 1, maximum = 1000, default = 100)]
pub(super) struct Limit(u16);

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_within(deserializer, 1..=1000).map(Self)
    }
}

impl Limit {
    pub(super) fn rows(self) -> usize {
        self.0.into()
    }
}

/// The number of rows before and after the row of a racer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(minimum = 0, maximum = 100, default = 5)]
pub(super) struct Window(u16);

impl Default for Window {
    fn default() -> Self {
        Self(5)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_within(deserializer, 0..=100).map(Self)
    }
}

/// The requested part of a ranking.
#[derive(Clone, Copy, Debug)]
pub(super) enum Selection {
    /// `limit` rows after the position `last`, or the first ones.
    Page { last: Option<Position>, limit: Limit },
    /// The row of `racer`, and `window` rows before and after it.
    Around { racer: RacerId, window: Window },
}

impl Selection {
    /// A page of the list `list`.
    ///
    /// # Errors
    /// 400 `bad_cursor`.
    pub(super) fn page(
        list: &str,
        limit: Option<Limit>,
        cursor: Option<&str>,
    ) -> Result<Self, ApiError> {
        let last = cursor::decode(list, cursor)?;
        Ok(Self::Page { last, limit: limit.unwrap_or_default() })
    }

    /// The rows around the racer `around`, or a page if it is `None`.
    ///
    /// Clients that are generated from the description send defaults, so a default can be combined with everything.
    ///
    /// # Errors
    /// 400 `bad_parameter` if parameters of a page are combined with those of `around`, 400
    /// `bad_cursor`.
    pub(super) fn new(
        list: &str,
        limit: Option<Limit>,
        cursor: Option<&str>,
        around: Option<RacerId>,
        window: Option<Window>,
    ) -> Result<Self, ApiError> {
        let rejected = |message| Err(ApiError::bad_parameter(message));
        match around {
            Some(_) if cursor.is_some() => {
                rejected("around and cursor cannot be combined; remove one")
            }
            Some(_) if limit.is_some_and(|limit| limit != Limit::default()) => {
                rejected("around and limit cannot be combined; use window instead of limit")
            }
            Some(racer) => Ok(Self::Around { racer, window: window.unwrap_or_default() }),
            None if window.is_some_and(|window| window != Window::default()) => {
                rejected("window needs around; set around to the id of a racer")
            }
            None => Self::page(list, limit, cursor),
        }
    }

    /// The same selection of the live standings.
    pub(super) fn of_standings(self) -> StandingsRows {
        match self {
            Self::Page { last, limit } => {
                StandingsRows::Page { last: last.and_then(Position::row), limit: limit.rows() }
            }
            Self::Around { racer, window } => {
                StandingsRows::Around { racer, window: window.0.into() }
            }
        }
    }

    /// The selected part of `rows`, which must be sorted by position.
    pub(super) fn select<T: Ranked>(self, rows: &[T]) -> Part<'_, T> {
        match self {
            Self::Page { last, limit } => ranking::page(rows, last, limit.rows()),
            Self::Around { racer, window } => ranking::around(rows, racer, window.0.into()),
        }
    }
}

/// Truncates `rows` to `limit`. Returns the last row if there were more, to continue after it. A caller
/// queries one row more than `limit`.
pub(super) fn truncate_page<T>(rows: &mut Vec<T>, limit: Limit) -> Option<&T> {
    let has_more = rows.len() > limit.rows();
    rows.truncate(limit.rows());
    rows.last().filter(|_| has_more)
}
