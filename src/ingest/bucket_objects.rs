//! Lists the objects of a bucket as inputs.

use std::io::ErrorKind::{NotFound, StaleNetworkFileHandle};
use std::sync::Arc;

use super::input::{Input, InputKind, Origin};
use super::object_names::FAILED_FOLDER;
use super::units::CHUNK_BYTES;
use crate::store::{Object, Store, StoreError};

/// The object `name` and the objects below `folder`. If there are none, `name` is a prefix: the objects
/// whose keys begin with it.
///
/// # Errors
/// The store cannot be listed, or an object cannot be read.
pub(super) fn list(
    store: &Arc<dyn Store>,
    folder: &str,
    name: Option<&str>,
) -> Result<Vec<Input>, StoreError> {
    let mut prefix = folder;
    let mut objects = store.walk(prefix)?;
    let named = name.map(|name| store.find(name)).transpose()?.flatten();
    if let Some(name) = name.filter(|_| named.is_none() && objects.is_empty()) {
        prefix = name;
        objects = store.walk(prefix)?;
    }
    let mut hidden = Vec::new();
    objects.retain(|object| {
        let below = object.key.strip_prefix(prefix).unwrap_or_default();
        let is_hidden = below.split('/').any(|name| name.starts_with('.'));
        hidden.extend(is_hidden.then(|| object.key.clone()));
        !is_hidden && !below.rsplit('/').skip(1).any(|folder| folder == FAILED_FOLDER)
    });
    if let Some(first) = hidden.first() {
        tracing::warn!(
            "skipped {} objects because a part of their name begins with a dot, such as '{}'; give the \
             name of such a folder or object to read it",
            hidden.len(),
            store.name(first)
        );
    }
    named.into_iter().chain(objects).map(|object| input(store, object)).collect()
}

/// Converts an object to an input. Only a large object is read to detect its kind, because a plain one
/// is split into chunks.
fn input(store: &Arc<dyn Store>, object: Object) -> Result<Input, StoreError> {
    let kind = if object.key.ends_with(".gz")
        || object.bytes <= CHUNK_BYTES
        || object.etag.is_none()
    {
        // Without an ETag, only the ranges of a single reader are from one version.
        InputKind::Detect
    } else {
        match store.read(&object, 0).map_err(|error| error.reason).and_then(InputKind::of_content) {
            Ok(kind) => kind,
            // An object that was removed or replaced is one damaged input.
            Err(error) if matches!(error.kind(), NotFound | StaleNetworkFileHandle) => {
                InputKind::Detect
            }
            Err(reason) => {
                return Err(StoreError { action: "read", name: store.name(&object.key), reason });
            }
        }
    };
    let bytes = object.bytes;
    Ok(Input { origin: Origin::Object(Arc::clone(store), object), kind, bytes })
}
