//! Splits a body into events.

use std::fmt;
use std::num::NonZeroU32;

use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Batch;
use crate::ingest::objects::objects;
use crate::serve::body::{BodySyntax, bad_body};
use crate::serve::error::ApiError;
use crate::serve::limiter::too_many_events;
use crate::serve::permissions::Permissions;

impl Batch {
    /// Decodes `body`. Events that are invalid, or that `permissions` do not include, are rejected.
    ///
    /// # Errors
    /// 400 `bad_body` if the body cannot be divided into events, 413 `too_many_events`.
    pub(in crate::serve) fn decode(
        body: &[u8],
        syntax: BodySyntax,
        permissions: Permissions,
        race_seconds: u16,
        events_max: NonZeroU32,
    ) -> Result<Self, ApiError> {
        let mut batch = Self::new(permissions, race_seconds);
        if body.trim_ascii().is_empty() {
            return Err(bad_body("the body is empty; send at least one event"));
        }
        match syntax {
            BodySyntax::Lines => batch.push_lines(body, events_max)?,
            BodySyntax::Json => batch.push_json(body, events_max)?,
            BodySyntax::Text if is_json(body) => batch.push_json(body, events_max)?,
            BodySyntax::Text => batch.push_lines(body, events_max)?,
        }
        Ok(batch)
    }

    fn push_lines(&mut self, body: &[u8], events_max: NonZeroU32) -> Result<(), ApiError> {
        for event in body.split(|byte| *byte == b'\n').flat_map(objects) {
            self.push(self.count, event);
            self.check_count(events_max)?;
        }
        Ok(())
    }

    fn push_json(&mut self, body: &[u8], events_max: NonZeroU32) -> Result<(), ApiError> {
        let text = str::from_utf8(body).map_err(|error| {
            let at = error.valid_up_to();
            bad_body(format!("byte {at} of the body is not valid UTF-8; encode it as UTF-8"))
        })?;
        let invalid = |e: serde_json::Error| bad_body(format!("the body is not valid JSON: {e}"));
        match text.trim_ascii_start().as_bytes().first() {
            Some(b'[') => {
                let mut deserializer = serde_json::Deserializer::from_str(text);
                let pushed = deserializer.deserialize_seq(Elements(self, events_max));
                // The visitor stops early if there are too many events; that is not an error of JSON.
                self.check_count(events_max)?;
                pushed.and_then(|()| deserializer.end()).map_err(invalid)
            }
            Some(b'{') => {
                let event: &RawValue = serde_json::from_str(text).map_err(invalid)?;
                self.push(0, event.get().as_bytes());
                Ok(())
            }
            _ => Err(bad_body("the body is not an event; send a JSON object or an array of them")),
        }
    }

    fn check_count(&self, events_max: NonZeroU32) -> Result<(), ApiError> {
        match u32::try_from(self.count).is_ok_and(|count| count <= events_max.get()) {
            true => Ok(()),
            false => Err(too_many_events(events_max)),
        }
    }
}

/// Whether text is one JSON value: an array, or an object that may have several lines.
fn is_json(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"[") || serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// Pushes each element of an array as an event.
struct Elements<'b>(&'b mut Batch, NonZeroU32);

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            self.0.push(self.0.count, element.get().as_bytes());
            self.0.check_count(self.1).map_err(|_| A::Error::custom("too many events"))?;
        }
        Ok(())
    }
}
