//! The settings of a run, which must be equal in all its processes.

use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

/// The name of the setting that stands for the inputs.
pub(super) const INPUTS: &str = "list of inputs";

/// What must be equal in all processes of a run: names and values, in the order in which differences are
/// reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings(Vec<(String, String)>);

impl Settings {
    /// The settings of `command` in this build. The build is a hash of the sources, because what
    /// processes send each other has no format that is stable between builds.
    pub fn new(command: &str) -> Self {
        Self(Vec::new())
            .with("version", env!("CARGO_PKG_VERSION"))
            .with("build", env!("VELODROME_BUILD"))
            .with("command", command)
    }

    /// Adds a setting. Its name is what users know it by, such as "rules (--rules)".
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds the fingerprint of the inputs.
    pub(super) fn with_inputs(self, inputs: &[String]) -> Self {
        let mut hasher = DefaultHasher::new();
        inputs.hash(&mut hasher);
        self.with(
            INPUTS,
            format_args!("{} with fingerprint {:016x}", inputs.len(), hasher.finish()),
        )
    }

    /// The first setting that differs in `other`: its name, its value in `other`, and its value here.
    pub fn difference<'a>(&'a self, other: &'a Self) -> Option<[&'a str; 3]> {
        self.0.iter().find_map(|(name, value)| {
            let others = other.0.iter().find(|(others, _)| others == name);
            let theirs = others.map_or("none", |(_, value)| value);
            (theirs != value).then_some([name, theirs, value])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_the_first_setting_that_differs() {
        let settings =
            |workers, rules| Settings::new("replay").with("-w", workers).with("rules", rules);
        let ours = settings(2, "a");
        assert_eq!(ours.difference(&settings(2, "a")), None);
        assert_eq!(ours.difference(&settings(3, "b")), Some(["-w", "3", "2"]));
        assert_eq!(ours.difference(&settings(2, "b")), Some(["rules", "b", "a"]));
        let theirs = Settings::new("compare");
        assert_eq!(ours.difference(&theirs), Some(["command", "compare", "replay"]));
        assert_eq!(ours.difference(&Settings::new("replay")), Some(["-w", "none", "2"]));
    }
}
