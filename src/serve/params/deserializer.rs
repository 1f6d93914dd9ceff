//! Deserializes named text values. A value that does not parse is reported with the allowed range.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::slice;
use std::str::FromStr;

use serde::de::value::StrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::ParamError;

/// Names and values, as a map; a type that is neither a map nor a struct gets the first value.
pub(super) struct Pairs<'a, T>(pub(super) &'a [(T, T)]);

/// One value and the name of its parameter.
#[derive(Clone, Copy)]
struct Value<'a> {
    name: &'a str,
    text: &'a str,
}

/// Iterates over pairs; `value` belongs to the name that was returned most recently.
struct Entries<'a, T> {
    rest: slice::Iter<'a, (T, T)>,
    value: Option<Value<'a>>,
}

/// Deserializes a whole number within `range`. The error states the range, even if the text is not a
/// number.
pub(in crate::serve) fn number_within<'de, D: Deserializer<'de>>(
    deserializer: D,
    range: RangeInclusive<u16>,
) -> Result<u16, D::Error> {
    let number = u16::deserialize(deserializer).ok().filter(|number| range.contains(number));
    number.ok_or_else(|| D::Error::custom(whole_number(range.start(), range.end())))
}

fn whole_number(min: impl Display, max: impl Display) -> String {
    format!("a whole number from {min} to {max}")
}

impl<'a, T: AsRef<str>> Pairs<'a, T> {
    /// The value of the only parameter.
    fn only(&self) -> Result<Value<'a>, ParamError> {
        let (name, text) = self.0.first().ok_or_else(|| ParamError::custom("one value"))?;
        Ok(Value { name: name.as_ref(), text: text.as_ref() })
    }
}

/// Deserializes the first value, and adds the name of its parameter to an error.
macro_rules! deserialize_only {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
            let value = self.only()?;
            value.$method(visitor).map_err(|error| error.of(value.name, value.text))
        }
    )*};
}

impl<'de, T: AsRef<str>> Deserializer<'de> for Pairs<'_, T> {
    type Error = ParamError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_map(Entries { rest: self.0.iter(), value: None })
    }

    deserialize_only! {
        deserialize_bool deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_str deserialize_string
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, T: AsRef<str>> MapAccess<'de> for Entries<'_, T> {
    type Error = ParamError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ParamError> {
        let Some((name, text)) = self.rest.next() else { return Ok(None) };
        let (name, text) = (name.as_ref(), text.as_ref());
        self.value = Some(Value { name, text });
        let name: StrDeserializer<'_, ParamError> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ParamError> {
        let value = self.value.take().ok_or_else(|| ParamError::custom("one value"))?;
        seed.deserialize(value).map_err(|error| error.of(value.name, value.text))
    }
}

impl Value<'_> {
    fn number<T: FromStr>(self, min: impl Display, max: impl Display) -> Result<T, ParamError> {
        self.text.parse().map_err(|_| ParamError::custom(whole_number(min, max)))
    }
}

/// Parses an unsigned number; the error states the range of its type.
macro_rules! deserialize_numbers {
    ($($method:ident $visit:ident $type:ty)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
            visitor.$visit(self.number(<$type>::MIN, <$type>::MAX)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = ParamError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_str(self.text)
    }

    deserialize_numbers! {
        deserialize_u8 visit_u8 u8
        deserialize_u16 visit_u16 u16
        deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        let parsed = self.text.parse().map_err(|_| ParamError::custom("true or false"));
        visitor.visit_bool(parsed?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        let variant: StrDeserializer<'_, ParamError> = self.text.into_deserializer();
        visitor.visit_enum(variant)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}
