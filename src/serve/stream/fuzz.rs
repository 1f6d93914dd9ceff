//! Fuzz targets of topics and event ids.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::event_id::EventIds;
use super::topic::Topic;
use crate::serve::permissions::Permissions;

/// Topics that are parsed have names that are parsed as the same topics.
pub(crate) fn topics(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(topics) = Topic::parse_list(text) {
        let names: Vec<_> = topics.iter().map(Topic::to_string).collect();
        for topic in &topics {
            assert!(topic.authorize(&Permissions::default()).is_ok());
        }
        assert_eq!(Topic::parse_list(&names.join(",")), Ok(topics));
    }
}

/// Only ids that a service has sent are positions.
pub(crate) fn event_id(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let ids = EventIds::new(7, &[Topic::Stats]);
    if let Some(position) = ids.parse(text, 1_000) {
        assert!(position <= 1_000);
        assert_eq!(ids.at(position), text);
    }
}
