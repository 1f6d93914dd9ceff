//! Control connections notice silence, deliver what was queued, and end at what is no message.

use std::io::Write;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::certificates::Ca;
use super::{PATIENCE, pair};
use crate::mesh::{Connection, Control, Heartbeats, Received, WireMessage};

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Note {
    Heartbeat,
    Text(String),
}

impl WireMessage for Note {
    const BYTES_MAX: u64 = 1_000;
}

const HEARTBEATS: Heartbeats =
    Heartbeats { interval: Duration::from_millis(100), silence_max: Duration::from_secs(1) };

/// Starts a control connection that sends what it receives to `received`, except heartbeats.
fn start(number: u8, connection: Connection, received: &Sender<(u8, String)>) -> Control<Note> {
    let received = received.clone();
    let receive = move |event| {
        let text = match event {
            Received::Message(Note::Heartbeat) => return,
            Received::Message(Note::Text(text)) => text,
            Received::Closed(reason) => format!("closed: {reason}"),
        };
        received.send((number, text)).unwrap_or_default();
    };
    Control::start(connection, HEARTBEATS, || Note::Heartbeat, receive).unwrap()
}

#[test]
fn a_peer_that_sends_nothing_is_lost_and_one_with_heartbeats_is_not() {
    let (sender, received) = mpsc::channel();
    let [[silent, _stopped], [here, there]] = [pair(1, None, None), pair(1, None, None)];
    let _controls = [start(1, here, &sender), start(2, there, &sender), start(3, silent, &sender)];
    let lost = received.recv_timeout(PATIENCE).unwrap();
    assert_eq!(lost, (3, "closed: it sent nothing for 1 s".to_owned()));
    assert!(received.recv_timeout(HEARTBEATS.silence_max).is_err());
}

#[test]
fn queued_messages_arrive_before_the_end() {
    let ca = Ca::new();
    for identities in [None, Some([ca.identity(0), ca.identity(1)])] {
        let [zero, one] =
            identities.as_ref().map_or([None, None], |[zero, one]| [Some(zero), Some(one)]);
        let [here, there] = pair(1, one, zero);
        let (sender, received) = mpsc::channel();
        let _there = start(2, there, &sender);
        let control = start(1, here, &sender);
        let texts: Vec<_> = (0..1_000).map(|number| number.to_string()).collect();
        texts.iter().for_each(|text| control.send(Note::Text(text.clone())));
        control.close();
        for text in texts {
            assert_eq!(received.recv_timeout(PATIENCE).unwrap(), (2, text));
        }
        let mut closed = [(); 2].map(|()| received.recv_timeout(PATIENCE).unwrap());
        closed.sort();
        let closed_by_peer = |number| (number, "closed: its connection was closed".to_owned());
        assert_eq!(closed, [1, 2].map(closed_by_peer));
    }
}

#[test]
fn what_is_no_message_ends_the_connection() {
    let long = format!("{{\"text\":\"{}\"}}\n", "x".repeat(1_000));
    for bytes in ["{}\n", "GET / HTTP/1.1\r\n\r\n", "\"heartbeat\"\n{", &long] {
        let (sender, received) = mpsc::channel();
        let [here, there] = pair(1, None, None);
        let _control = start(1, here, &sender);
        (&there).write_all(bytes.as_bytes()).unwrap();
        there.shutdown_write();
        let (_, text) = received.recv_timeout(PATIENCE).unwrap();
        assert!(text.starts_with("closed: "), "{bytes}: {text}");
        assert!(!text.contains("its connection was closed"), "{bytes}: {text}");
    }
}
