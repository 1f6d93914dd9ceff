//! Topics: their names, and who may subscribe to them.

use std::fmt;

use compact_str::CompactString;
use hashbrown::HashSet;
use velodrome_dataflows::ClassId;

use crate::serve::error::ApiError;
use crate::serve::excerpt::excerpt;
use crate::serve::firebase_tree::TreePath;
use crate::serve::permissions::Permissions;

/// The maximum number of topics of one stream: the boards and standings of eight classes.
const TOPICS_PER_STREAM_MAX: usize = 16;

/// The maximum length of a project id in bytes. Events have no longer ids.
const PROJECT_BYTES_MAX: usize = 128;

/// Stands for all projects. A project with this id is written as `%2A`.
const ALL_PROJECTS: &str = "*";

/// What a client can subscribe to. [`fmt::Display`] writes the name as in a request, with as few escapes
/// as possible.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::serve) enum Topic {
    /// The standings of a class's running race.
    Standings(ClassId),
    /// The board of a class at the second that its running race has reached.
    Board(ClassId),
    /// The view counts of one project, or of all projects.
    Views(Option<CompactString>),
    /// The races of one class, or of all classes.
    Races(Option<ClassId>),
    /// The service's own metrics.
    Stats,
    /// A path of the Firebase tree. Only the Firebase endpoints subscribe to it; it has no name in
    /// requests.
    Tree(TreePath),
}

impl Topic {
    /// Parses 1 to 16 topic names, separated by commas. In a name, `%` starts an escape of two
    /// hexadecimal digits, so that a project id can contain a comma.
    ///
    /// # Errors
    /// 400 `bad_parameter` for a name that is unknown or repeated, and for too many names. The message
    /// quotes the name.
    pub(in crate::serve) fn parse_list(text: &str) -> Result<Vec<Self>, ApiError> {
        let mut topics = Vec::new();
        let mut seen = HashSet::new();
        for name in text.split(',') {
            let topic = Self::parse(name).ok_or_else(|| unknown_topic(name))?;
            if !seen.insert(topic.clone()) {
                let message = format!("topics has '{}' more than once", excerpt(name));
                return Err(ApiError::bad_parameter(message));
            }
            if topics.len() == TOPICS_PER_STREAM_MAX {
                let name = excerpt(name);
                let message = format!(
                    "topics has more than {TOPICS_PER_STREAM_MAX} topics; omit '{name}' and all after it"
                );
                return Err(ApiError::bad_parameter(message));
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
            ("views", Some(ALL_PROJECTS)) => Self::Views(None),
            ("views", Some(project)) => Self::Views(Some(project_id(project)?)),
            ("races", None) => Self::Races(None),
            ("races", Some(class)) => Self::Races(Some(class_id(class)?)),
            ("stats", None) => Self::Stats,
            _ => return None,
        })
    }

    /// 403 `forbidden` unless `permissions` include this topic.
    pub(super) fn authorize(&self, permissions: &Permissions) -> Result<(), ApiError> {
        match self {
            Self::Standings(class) | Self::Board(class) | Self::Races(Some(class)) => {
                permissions.require_class(*class)
            }
            Self::Views(Some(project)) => permissions.require_project(project),
            // The service's metrics are for its operator only.
            Self::Views(None) | Self::Races(None) | Self::Stats => permissions.require_all(),
            Self::Tree(path) => path.authorize(permissions),
        }
    }

    /// Whether its snapshot has all projects.
    pub(super) fn has_all_projects(&self) -> bool {
        match self {
            Self::Views(project) => project.is_none(),
            Self::Tree(path) => path.has_all_projects(),
            _ => false,
        }
    }

    /// Whether its frames have ids, so that clients can resume. Firebase streams have none, and always
    /// start with the complete data.
    pub(super) fn has_ids(&self) -> bool {
        !matches!(self, Self::Tree(_))
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standings(class) => write!(f, "standings:{class}"),
            Self::Board(class) => write!(f, "board:{class}"),
            Self::Views(None) => write!(f, "views:{ALL_PROJECTS}"),
            Self::Views(Some(project)) if project == ALL_PROJECTS => f.write_str("views:%2A"),
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

/// Parses a class id in the form that [`fmt::Display`] writes. Rust's parser also accepts `+1` and `01`.
fn class_id(text: &str) -> Option<ClassId> {
    text.parse().ok().filter(|class: &ClassId| class.to_string() == text)
}

/// Decodes the escapes of a project id.
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

fn unknown_topic(name: &str) -> ApiError {
    let name = excerpt(name);
    let topics = "standings:1, board:1, views:PROJECT, views:*, races, races:1 or stats";
    ApiError::bad_parameter(format!("topics has '{name}', which is not a topic; use {topics}"))
}
