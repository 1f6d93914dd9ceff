use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::ingest::objects::objects;
use crate::log::ARRIVAL_BYTES;
use crate::serve::body::BodySyntax;

fn view(more: &str) -> String {
    format!(r#"{{"event":"view","uuid":"u","projectId":"p","deviceTimestamp":1{more}}}"#)
}

#[test]
fn accepts_only_events_whose_line_in_the_log_can_be_read_again() {
    let longest = LINE_BYTES_MAX - ARRIVAL_BYTES;
    let long =
        |bytes: usize| view(&format!(r#","x":"{}""#, "x".repeat(bytes - view(r#","x":"""#).len())));
    let counts = |line: &str| {
        let batch = Batch::decode(
            line.as_bytes(),
            BodySyntax::Lines,
            Permissions::default(),
            300,
            NonZeroU32::MAX,
        )
        .unwrap();
        (batch.lines.len(), batch.events.tracking.len(), batch.rejected.len())
    };
    assert_eq!(counts(&long(longest)), (1, 1, 0));
    assert_eq!(counts(&format!(" {}\t", long(longest))), (1, 1, 0));
    assert_eq!(counts(&long(longest + 1)), (0, 0, 1));
    assert_eq!(counts(&long(LINE_BYTES_MAX + 1)), (0, 0, 1));
}

proptest! {
    #[test]
    fn no_body_panics_and_every_event_gets_one_verdict(
        lines in prop::collection::vec(
            prop_oneof!["[ -~]{0,30}", Just(view("")), Just(view(r#","arrivalTimestamp":1"#))],
            1..20,
        ),
        cut in any::<prop::sample::Index>(),
    ) {
        let body = lines.join("\n");
        if let Ok(batch) = Batch::decode(body.as_bytes(), BodySyntax::Lines, Permissions::default(), 300, NonZeroU32::MAX) {
            let sent = lines.iter().flat_map(|line| objects(line.as_bytes())).count();
            prop_assert_eq!(batch.count(), sent);
            prop_assert_eq!(batch.lines.len() + batch.rejected.len(), sent);
            prop_assert_eq!(batch.lines.len(), batch.events.tracking.len());
            prop_assert!(batch.rejected.iter().is_sorted_by_key(|rejected| rejected.index));
        }
        let array = format!("[{}]", lines.join(","));
        let cut = cut.index(array.len());
        for body in [array.as_bytes(), &array.as_bytes()[..cut]] {
            _ = Batch::decode(body, BodySyntax::Json, Permissions::default(), 300, NonZeroU32::MAX);
        }
    }
}
