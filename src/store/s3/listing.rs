//! Listings of the bucket: complete, in order, and each key once.
//!
//! S3 lists keys in the order of their bytes. Its directory buckets and some compatible stores do not, so
//! the listing is sorted here. A listing that could be incomplete is an error.

use std::borrow::Cow;
use std::io;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;

use super::bucket::S3;
use crate::store::interface::{Listing, Object, StoreError};

impl S3 {
    /// Lists the keys that begin with `prefix`. With a `delimiter`, keys that continue after it are
    /// folded into folders.
    pub(super) fn list_keys(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
    ) -> Result<Listing, StoreError> {
        let invalid = |reason: String| StoreError {
            action: "list",
            name: self.full_name(prefix),
            reason: io::Error::other(format!("the store sent an invalid listing: {reason}")),
        };
        let (mut listing, mut token) = (Listing::default(), None);
        loop {
            let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.key(prefix));
            // Without an encoding, XML cannot contain keys with control characters.
            let list = list.encoding_type(EncodingType::Url).set_continuation_token(token.clone());
            let call = list.set_delimiter(delimiter.map(str::to_owned)).send();
            let page = self.runtime.block_on(self.report_silence("list", prefix, call));
            let page = page.map_err(|error| self.failed("list", prefix, &error))?;
            self.add_page(&page, &mut listing).map_err(invalid)?;
            match page.next_continuation_token.filter(|next| !next.is_empty()) {
                None if page.is_truncated == Some(true) => {
                    return Err(invalid(
                        "more keys follow, but it has no token for them".to_owned(),
                    ));
                }
                None => break,
                next if next == token => {
                    return Err(invalid("its token leads to the same page again".to_owned()));
                }
                next => token = next,
            }
        }
        listing.folders.sort();
        listing.folders.dedup();
        listing.objects.sort_by(|one, other| one.key.cmp(&other.key));
        listing.objects.dedup_by(|one, other| one.key == other.key);
        Ok(listing)
    }

    /// Adds a page to a listing.
    fn add_page(&self, page: &ListObjectsV2Output, listing: &mut Listing) -> Result<(), String> {
        let is_encoded = page.encoding_type == Some(EncodingType::Url);
        for folder in page.common_prefixes().iter().filter_map(|folded| folded.prefix()) {
            let folder = decode(folder, is_encoded)?;
            listing.folders.extend(folder.strip_prefix(&self.prefix).map(str::to_owned));
        }
        for object in page.contents() {
            let key = decode(object.key().unwrap_or_default(), is_encoded)?;
            let Some(key) = key.strip_prefix(&self.prefix) else { continue };
            let bytes = object.size().and_then(|bytes| u64::try_from(bytes).ok());
            let bytes = bytes.ok_or_else(|| format!("the object {key:?} has no size"))?;
            // Consoles create empty objects with such keys to show folders.
            if bytes > 0 || !(key.is_empty() || key.ends_with('/')) {
                let etag = object.e_tag().map(unquoted);
                listing.objects.push(Object { key: key.to_owned(), bytes, etag });
            }
        }
        Ok(())
    }
}

/// A key in a listing. The encoding is that of HTML forms, in which a plus stands for a space.
pub(super) fn decode(key: &str, is_encoded: bool) -> Result<Cow<'_, str>, String> {
    if !is_encoded {
        return Ok(key.into());
    }
    let with_spaces = key.replace('+', " ");
    let decoded = percent_decode_str(&with_spaces).decode_utf8();
    let decoded = decoded.map_err(|_| format!("the key '{key}' is not UTF-8"))?;
    Ok(decoded.into_owned().into())
}

/// An ETag without its quotes, which some stores omit in listings.
pub(super) fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}
