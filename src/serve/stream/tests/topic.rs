//! Names of topics, and who may subscribe to them.

use proptest::prelude::*;

use super::super::topic::Topic;
use crate::serve::permissions::{AllowedObjects, Permissions};

fn parse_error(list: &str) -> String {
    format!("{:?}", Topic::parse_list(list).unwrap_err())
}

fn project(id: &str) -> Topic {
    Topic::Views(Some(id.into()))
}

#[test]
fn parses_a_list_of_topics() {
    let list =
        "standings:1,board:65535,views:a/é,views:*,views:%2a,views:a%2Cb,races,races:0,stats";
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
    assert_eq!(Topic::parse_list(list), Ok(expected));
}

#[test]
fn rejects_and_quotes_unknown_topics() {
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
        let error = parse_error(&format!("races:9,{name}"));
        assert!(error.contains("bad_parameter"), "{error}");
        assert!(error.contains(&format!("'{}", &name[..name.len().min(30)])), "{error}");
    }
}

#[test]
fn rejects_duplicates_and_more_than_16_topics() {
    let error = parse_error("views:a,stats,views:%61");
    assert!(error.contains("'views:%61' more than once"), "{error}");
    let names: Vec<_> = (0..17).map(|class| format!("board:{class}")).collect();
    assert_eq!(Topic::parse_list(&names[..16].join(",")).map(|topics| topics.len()), Ok(16));
    let error = parse_error(&names.join(","));
    assert!(error.contains("more than 16 topics; omit 'board:16'"), "{error}");
}

#[test]
fn a_restricted_token_permits_topics_of_its_classes_and_projects() {
    let objects = AllowedObjects { classes: [1].into(), projects: ["p".to_owned()].into() };
    let restricted = Permissions::new(Some(objects), None);
    for (name, is_permitted) in [
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
        let topic = Topic::parse_list(name).unwrap().remove(0);
        assert_eq!(topic.authorize(&restricted).is_ok(), is_permitted, "{name}");
        assert!(topic.authorize(&Permissions::default()).is_ok());
    }
}

proptest! {
    #[test]
    fn every_project_has_a_name(ids in prop::collection::hash_set("\\PC{1,30}|[%,*]{1,3}", 1..9)) {
        let topics: Vec<_> = ids.iter().map(|id| project(id)).collect();
        let names: Vec<_> = topics.iter().map(Topic::to_string).collect();
        prop_assert_eq!(Topic::parse_list(&names.join(",")), Ok(topics));
    }

    #[test]
    fn parsing_never_panics(text in ".{0,60}|(views|board):[%0-9a-f,é]{0,9}") {
        _ = Topic::parse_list(&text);
    }
}
