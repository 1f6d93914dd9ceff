//! Which records a comparison lists.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Which records `changes.jsonl` lists.
///
/// One excluded racer moves every other racer of the class up, at every second. Such a record did not
/// change, and there are hundreds of them for each one that did. So they are not listed by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Ranks {
    /// Records whose output changes, with their ranks
    #[default]
    Records,
    /// Also records whose rank changes only because others change
    All,
}

impl fmt::Display for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Records => "records",
            Self::All => "all",
        })
    }
}
