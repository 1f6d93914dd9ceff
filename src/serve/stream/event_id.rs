//! Event ids: what a client has received, so that it can resume.

use velodrome_dataflows::EventTime;
use xxhash_rust::xxh3::xxh3_64;

use super::topic::Topic;

/// The ids of a stream: the run of the service, the topics, and a position.
///
/// An id proves that its client has received all frames of these topics up to the position. It proves nothing
/// for other topics, so a client that resumes with other topics starts with snapshots.
#[derive(Debug)]
pub(super) struct EventIds {
    /// All but the position.
    prefix: String,
}

impl EventIds {
    /// The ids of streams of `topics`, in any order. `epoch` is different in each run of the service.
    pub(super) fn new(epoch: u64, topics: &[Topic]) -> Self {
        let mut names: Vec<_> = topics.iter().map(Topic::to_string).collect();
        names.sort_unstable();
        // No name contains a comma.
        let topics = xxh3_64(names.join(",").as_bytes());
        Self { prefix: format!("{epoch:x}-{topics:x}-") }
    }

    /// The id of the frames at `position`.
    pub(super) fn at(&self, position: EventTime) -> String {
        format!("{}{position}", self.prefix)
    }

    /// The position of an id of these streams. `published` is the newest position of any topic.
    pub(super) fn parse(&self, id: &str, published: EventTime) -> Option<EventTime> {
        let position = id.strip_prefix(&self.prefix)?.parse().ok()?;
        // Rust's parser also accepts `+1` and `01`.
        (position <= published && self.at(position) == id).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(epoch: u64, topics: &str) -> EventIds {
        EventIds::new(epoch, &Topic::parse_list(topics).unwrap())
    }

    #[test]
    fn an_id_is_of_its_run_and_its_topics_in_any_order() {
        let id = ids(7, "races,views:a").at(20);
        assert_eq!(ids(7, "views:a,races").parse(&id, 20), Some(20));
        for (epoch, topics, published) in [
            (8, "races,views:a", 20),
            (7, "races,views:a", 19),
            (7, "races", 20),
            (7, "views:a", 20),
            (7, "races,views:a,stats", 20),
            (7, "races,views:b", 20),
            (7, "races:1,views:a", 20),
        ] {
            assert_eq!(
                ids(epoch, topics).parse(&id, published),
                None,
                "{epoch} {topics} {published}"
            );
        }
        for other in [
            "",
            "20",
            "7-20",
            &id.replace("-20", "-020"),
            &id.replace("-20", "-+20"),
            &format!("{id} "),
        ] {
            assert_eq!(ids(7, "races,views:a").parse(other, 20), None, "{other}");
        }
    }

    #[test]
    fn topics_whose_escaped_names_would_look_alike_have_other_ids() {
        let id = ids(7, "views:a%2Cviews:b").at(1);
        assert_eq!(ids(7, "views:a,views:b").parse(&id, 1), None);
    }
}
