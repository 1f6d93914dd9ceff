//! Groups the operations of the description by what they are about.

use utoipa::openapi::OpenApi;
use utoipa::openapi::tag::TagBuilder;

use super::operations::path_operations;

/// A group of operations.
struct Group {
    tag: &'static str,
    description: &'static str,
    /// The beginnings of its paths.
    paths: &'static [&'static str],
}

const fn group(
    tag: &'static str,
    description: &'static str,
    paths: &'static [&'static str],
) -> Group {
    Group { tag, description, paths }
}

/// The group of health checks and everything else about the service itself.
pub(super) const OPERATIONS: &str = "operations";

/// The group of streams.
pub(super) const STREAM: &str = "stream";

/// The groups of compatible calls. Their operations have names that other groups have too.
const COMPATIBLE: [&str; 2] = ["alleycat", "firebase"];

const GROUPS: [Group; 12] = [
    group("events", "Send events.", &["/v1/events"]),
    group("classes", "Classes and their all-time records.", &["/v1/classes"]),
    group("races", "Races, their standings and results.", &["/v1/races"]),
    group("racers", "Racers, their records and results.", &["/v1/racers"]),
    group("projects", "Projects and their views.", &["/v1/projects"]),
    group(STREAM, "Changes of results as they happen.", &["/v1/stream"]),
    group("bans", "Racers that are hidden.", &["/v1/bans"]),
    group("rules", "How events are scored.", &["/v1/rules"]),
    group("alleycat", "The calls of Alleycat.", &["/getRaces", "/leaderboard", "/history/"]),
    group("firebase", "The REST API of Firebase.", &["/.json", "/project"]),
    group("firehose", "Endpoints for Amazon Data Firehose.", &["/firehose/"]),
    group(
        OPERATIONS,
        "The service itself.",
        &["/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/cluster"],
    ),
];

/// Gives each operation the tag of its group, and an id that no other has.
pub(super) fn add_tags(openapi: &mut OpenApi) {
    let tag = |group: &Group| {
        TagBuilder::new().name(group.tag).description(Some(group.description)).build()
    };
    openapi.tags = Some(GROUPS.iter().map(tag).collect());
    for (path, operation) in path_operations(openapi) {
        let has = |group: &&Group| group.paths.iter().any(|start| path.starts_with(start));
        let Some(Group { tag, .. }) = GROUPS.iter().find(has) else { continue };
        operation.tags = Some(vec![(*tag).to_owned()]);
        if let Some(id) = operation.operation_id.as_mut().filter(|_| COMPATIBLE.contains(tag)) {
            *id = format!("{tag}_{id}");
        }
    }
}
