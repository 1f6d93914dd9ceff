//! A client that builds the state of its topics from frames.

use super::*;

pub(super) struct Client {
    topics: &'static str,
    subscription: Subscription,
    last_id: Option<String>,
    state: Topics,
}

impl Client {
    pub(super) fn new(bench: &Bench, topics: &'static str) -> Self {
        let subscription = bench.subscribe(topics, None);
        Self { topics, subscription, last_id: None, state: Topics::new() }
    }

    /// Replaces the connection. The client forgets its state unless it resumes after its last id.
    pub(super) fn reconnect(&mut self, bench: &Bench, with_id: bool) {
        let last_id = self.last_id.take().filter(|_| with_id);
        if last_id.is_none() {
            self.state.clear();
        }
        self.subscription = bench.subscribe(self.topics, last_id.as_deref());
        self.last_id = last_id;
    }

    /// Reads one chunk, and returns whether there was one. Checks the state at each id.
    pub(super) fn read(&mut self, expected: &BTreeMap<EventTime, Topics>) -> bool {
        let Some(received) = receive_one(&mut self.subscription) else { return false };
        let Received::Event { id, event, data } = received else { return true };
        self.apply(&event, data);
        if let Some(id) = id {
            self.last_id = Some(id);
            self.check(expected);
        }
        true
    }

    fn apply(&mut self, event: &str, mut data: Value) {
        let topic = data["topic"].as_str().unwrap().to_owned();
        let fields = data.as_object_mut().unwrap();
        let rows = fields.remove("rows").unwrap_or_default();
        let gone = fields.remove("gone").unwrap_or_default();
        let (topic_fields, rows_by_key) = self.state.entry(topic.clone()).or_default();
        *topic_fields = data;
        if event == "snapshot" {
            rows_by_key.clear();
        }
        for row in rows.as_array().into_iter().flatten() {
            rows_by_key.insert(key(&topic, row), row.clone());
        }
        for row in gone.as_array().into_iter().flatten() {
            let key = if row.is_object() { key(&topic, row) } else { row.to_string() };
            rows_by_key.remove(&key);
        }
    }

    /// Compares each topic with the expected state at its `asOf`.
    pub(super) fn check(&self, expected: &BTreeMap<EventTime, Topics>) {
        assert_eq!(self.state.len(), self.topics.split(',').count());
        for (topic, (fields, rows)) in &self.state {
            let as_of = fields["asOf"].as_u64().unwrap();
            let (_, expected) = expected.range(..=as_of).next_back().unwrap();
            let Some((expected, expected_rows)) = expected.get(topic) else { continue };
            assert_eq!(rows, expected_rows, "{topic} at {as_of}");
            for (name, value) in expected.as_object().unwrap() {
                assert_eq!(&fields[name], value, "{name} of {topic} at {as_of}");
            }
        }
    }

    /// Compares the rows of each topic with those of the newest time.
    pub(super) fn check_rows(&self, newest: &Topics) {
        for (topic, (_, rows)) in &self.state {
            let Some((_, expected)) = newest.get(topic) else { continue };
            assert_eq!(rows, expected, "{topic} at the end");
        }
    }
}
