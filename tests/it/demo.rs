//! `velodrome demo`: every URL that it prints answers.

use std::io::{BufRead, BufReader};

use crate::run::Workplace;
use crate::serving::{agent, get, terminate};

#[test]
fn the_demo_races_and_every_url_that_it_prints_answers() {
    let place = Workplace::new();
    let mut child = place.spawn("demo --port 0 --data data --log warn");
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut tour: Vec<_> = Vec::new();
    for line in lines {
        tour.push(line);
        if tour.last().unwrap().contains("Ctrl-C") {
            break;
        }
    }
    let words = tour.iter().flat_map(|line| line.split([' ', '\'']));
    let urls: Vec<_> = words.filter(|word| word.starts_with("http://")).collect();
    assert!(urls.len() > 8 && urls[0].ends_with(|end: char| end.is_ascii_digit()), "{tour:?}");
    assert_eq!(urls[1], format!("{}/", urls[0]), "{tour:?}");
    let page = agent().get(urls[1]).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(page.contains("<html"), "{page}");
    let (streams, answers): (Vec<&str>, Vec<&str>) =
        urls[2..].iter().partition(|url| url.contains("stream?"));
    for url in streams {
        let mut answer = agent().get(url).call().unwrap();
        let lines = BufReader::new(answer.body_mut().as_reader()).lines().map(Result::unwrap);
        let mut snapshots = lines.filter(|line| line == "event: snapshot");
        assert!(snapshots.next().is_some(), "{url}");
    }
    for url in answers {
        let (status, body) = get(url);
        assert_eq!(status, 200, "{url}: {body}");
        let is_empty = body["rows"].as_array().is_some_and(Vec::is_empty);
        assert!(!is_empty, "{url}: {body}");
    }
    assert_eq!(terminate(&mut child, "-TERM"), 0);
}
