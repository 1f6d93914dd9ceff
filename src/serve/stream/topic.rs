//! Topics: what a client can follow, their names, and the permissions they require.

use std::fmt;

use compact_str::CompactString;
use hashbrown::HashSet;
use velodrome_dataflows::ClassId;

use crate::serve::error::ApiError;
use crate::serve::excerpt::excerpt;
use crate::serve::firebase::Path;
use crate::serve::permissions::Permissions;

/// Maximum number of topics per client: the boards and standings of eight classes.
const TOPICS_MAX: usize = 16;

/// Maximum length of a project id in bytes; no event has a longer one.
const PROJECT_BYTES_MAX: usize = 128;

/// Stands for all projects. A project with this id is written `%2A`.
const ALL: &str = "*";

/// What a client can follow. It displays as its name in a request, with as few escapes as possible.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::serve) enum Topic {
    /// The standings of the running race of a class.
    Standings(ClassId),
    /// The board of a class at the second that its running race has reached.
    Board(ClassId),
    /// The views of one project, or of all.
    Views(Option<CompactString>),
    /// The races of one class, or of all.
    Races(Option<ClassId>),
    /// The service's own figures.
    Stats,
    /// A path in the Firebase tree. Only Firebase clients follow it, and they follow nothing else.
    Tree(Path),
}

impl Topic {
    /// Parses a comma-separated list of 1 to 16 names. In a name `%` begins an escape of two hexadecimal
    /// digits, so that a project id can contain a comma.
    ///
    /// # Errors
    /// 400 `bad_parameter` quotes the first name that is no topic, is given twice, or is over the limit.
    pub(super) fn list(text: &str) -> Result<Vec<Self>, ApiError> {
        let mut topics = Vec::new();
        let mut seen = HashSet::new();
        for name in text.split(',') {
            let topic = Self::parse(name).ok_or_else(|| {
                rejected(
                    name,
                    "standings:1, board:1, views:PROJECT, views:*, races, races:1 or stats",
                )
            })?;
            if !seen.insert(topic.clone()) {
                return Err(rejected(name, "given once"));
            }
            if topics.len() == TOPICS_MAX {
                return Err(rejected(name, "left out, as 16 are followed at most"));
            }
            topics.push(topic);
        }
        Ok(topics)
    }

    fn parse(name: &str) -> Option<Self> {
        let (kind, object) = match name.split_once(':') {
            Some((kind, object)) => (kind, Some(object)),
            None => (name, None),
        };
        Some(match (kind, object) {
            ("standings", Some(class)) => Self::Standings(class_id(class)?),
            ("board", Some(class)) => Self::Board(class_id(class)?),
            ("views", Some(ALL)) => Self::Views(None),
            ("views", Some(project)) => Self::Views(Some(project_id(project)?)),
            ("races", None) => Self::Races(None),
            ("races", Some(class)) => Self::Races(Some(class_id(class)?)),
            ("stats", None) => Self::Stats,
            _ => return None,
        })
    }

    /// Returns 403 `forbidden` if `permissions` do not cover the topic.
    pub(super) fn check(&self, permissions: &Permissions) -> Result<(), ApiError> {
        match self {
            Self::Standings(class) | Self::Board(class) | Self::Races(Some(class)) => {
                permissions.require_class(*class)
            }
            Self::Views(Some(project)) => permissions.require_project(project),
            // The service's figures are for its operator, as its metrics are.
            Self::Views(None) | Self::Races(None) | Self::Stats => permissions.require_all(),
            Self::Tree(path) => path.check(permissions),
        }
    }

    /// Whether its frames have ids after which a client can resume. Frames of the Firebase tree have none;
    /// those clients start again with all data.
    pub(super) fn has_ids(&self) -> bool {
        !matches!(self, Self::Tree(_))
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standings(class) => write!(f, "standings:{class}"),
            Self::Board(class) => write!(f, "board:{class}"),
            Self::Views(None) => write!(f, "views:{ALL}"),
            Self::Views(Some(project)) if project == ALL => f.write_str("views:%2A"),
            Self::Views(Some(project)) => {
                let escaped = project.replace('%', "%25").replace(',', "%2C");
                write!(f, "views:{escaped}")
            }
            Self::Races(None) => f.write_str("races"),
            Self::Races(Some(class)) => write!(f, "races:{class}"),
            Self::Stats => f.write_str("stats"),
            Self::Tree(path) => write!(f, "{path:?}"),
        }
    }
}

/// Parses a class exactly as [`fmt::Display`] writes it: Rust's parser also accepts `+1` and `01`.
fn class_id(text: &str) -> Option<ClassId> {
    text.parse().ok().filter(|class: &ClassId| class.to_string() == text)
}

fn project_id(text: &str) -> Option<CompactString> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    let is_id = (1..=PROJECT_BYTES_MAX).contains(&bytes.len());
    CompactString::from_utf8(bytes).ok().filter(|_| is_id)
}

fn rejected(name: &str, must_be: &str) -> ApiError {
    let name = excerpt(name);
    ApiError::bad_parameter(format!("topics has '{name}'; it must be {must_be}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::serve::permissions::AllowedObjects;

    fn rejection(text: &str) -> String {
        format!("{:?}", Topic::list(text).unwrap_err())
    }

    #[test]
    fn parses_a_list_of_topics() {
        let list =
            "standings:1,board:65535,views:a/é,views:*,views:%2a,views:a%2Cb,races,races:0,stats";
        let project = |id: &str| Topic::Views(Some(id.into()));
        let expected = vec![
            Topic::Standings(1),
            Topic::Board(65535),
            project("a/é"),
            Topic::Views(None),
            project("*"),
            project("a,b"),
            Topic::Races(None),
            Topic::Races(Some(0)),
            Topic::Stats,
        ];
        assert_eq!(Topic::list(list), Ok(expected));
    }

    #[test]
    fn rejects_and_quotes_an_unknown_topic() {
        let long = format!("views:{}", "x".repeat(129));
        for name in [
            "",
            "standings",
            "standings:",
            "standings:65536",
            "standings:+1",
            "board:01",
            "board:x",
            "views",
            "views:",
            "views:%",
            "views:%2",
            "views:%+1",
            "views:%ff",
            "races:",
            "stats:",
            "stats:1",
            "Races",
            " races",
            &long,
        ] {
            let rejection = rejection(&format!("races:9,{name}"));
            assert!(rejection.contains("bad_parameter"), "{rejection}");
            assert!(
                rejection.contains(&format!("'{}", &name[..name.len().min(30)])),
                "{rejection}"
            );
        }
    }

    #[test]
    fn rejects_duplicates_and_more_than_sixteen_topics() {
        assert!(
            rejection("views:a,stats,views:%61").contains("'views:%61'; it must be given once")
        );
        let names: Vec<_> = (0..17).map(|class| format!("board:{class}")).collect();
        assert_eq!(Topic::list(&names[..16].join(",")).map(|topics| topics.len()), Ok(16));
        assert!(rejection(&names.join(",")).contains("'board:16'"));
    }

    #[test]
    fn a_topic_requires_permission_for_its_class_or_project() {
        let objects = AllowedObjects { classes: [1].into(), projects: ["p".to_owned()].into() };
        let some = Permissions::new(Some(objects), None);
        for (name, is_ours) in [
            ("standings:1", true),
            ("standings:2", false),
            ("board:1", true),
            ("board:2", false),
            ("races:1", true),
            ("races:2", false),
            ("races", false),
            ("views:p", true),
            ("views:q", false),
            ("views:*", false),
            ("stats", false),
        ] {
            let topic = Topic::parse(name).unwrap();
            assert_eq!(topic.check(&some).is_ok(), is_ours, "{name}");
            assert!(topic.check(&Permissions::default()).is_ok());
        }
    }

    proptest! {
        #[test]
        fn a_displayed_topic_parses_to_itself(ids in prop::collection::hash_set("\\PC{1,30}|[%,*]{1,3}", 1..9)) {
            let topics: Vec<_> = ids.iter().map(|id| Topic::Views(Some(id.into()))).collect();
            let names: Vec<_> = topics.iter().map(Topic::to_string).collect();
            prop_assert_eq!(Topic::list(&names.join(",")), Ok(topics));
        }

        #[test]
        fn parsing_never_panics(text in ".{0,60}|(views|board):[%0-9a-f,é]{0,9}") {
            _ = Topic::list(&text);
        }
    }
}
