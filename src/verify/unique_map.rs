//! A JSON object as an ordered table. Duplicate keys are an error.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// The entries of one JSON object. Serde's own maps keep the last of two equal keys, which would hide a
/// duplicate row of a file.
#[derive(Debug)]
pub(super) struct UniqueMap<K, V>(pub(super) BTreeMap<K, V>);

impl<'de, K, V> Deserialize<'de> for UniqueMap<K, V>
where
    K: Deserialize<'de> + Ord + Debug,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Entries<K, V>
where
    K: Deserialize<'de> + Ord + Debug,
    V: Deserialize<'de>,
{
    type Value = UniqueMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, value)) = object.next_entry::<K, V>()? {
            insert_once(&mut entries, key, value).map_err(A::Error::custom)?;
        }
        Ok(UniqueMap(entries))
    }
}

/// Inserts a row. Fails if the key already exists.
pub(super) fn insert_once<K: Ord + Debug, V>(
    rows: &mut BTreeMap<K, V>,
    key: K,
    value: V,
) -> Result<(), String> {
    if rows.contains_key(&key) {
        return Err(format!("duplicate key {key:?}"));
    }
    rows.insert(key, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_integer_keys_and_rejects_duplicates() {
        let UniqueMap(rows): UniqueMap<u32, f64> =
            serde_json::from_str(r#"{"4":1,"3":2.5}"#).unwrap();
        assert_eq!(rows.into_iter().collect::<Vec<_>>(), [(3, 2.5), (4, 1.0)]);
        let error = serde_json::from_str::<UniqueMap<u32, f64>>(r#"{"4":1,"4":1}"#).unwrap_err();
        assert!(error.to_string().contains("duplicate key 4"), "{error}");
    }
}
