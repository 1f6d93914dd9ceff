//! Fuzz target of topics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

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
