//! The reason of a failed operation on a file, with its remedy where the system's message implies one.

use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind};

/// The numbers of the errors for too many open files, in the process and in the system. They are the same
/// on Linux and macOS, and have no error kind yet.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// An error of the system, followed by its remedy.
///
/// Messages about files use it instead of a remedy for damage: a file that cannot be opened for lack of
/// permission, of descriptors or of space is not damaged, and must not be removed.
#[derive(Debug)]
pub struct IoReason<'a>(pub &'a io::Error);

impl Display for IoReason<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        write!(out, "{error}")?;
        remedy(error).map_or(Ok(()), |remedy| write!(out, "; {remedy}"))
    }
}

/// The remedy for an error that the system returned, if there is one.
pub fn remedy(error: &io::Error) -> Option<&'static str> {
    match (error.raw_os_error()?, error.kind()) {
        (EMFILE, _) => Some("raise the limit of open files (ulimit -n)"),
        (ENFILE, _) => Some("raise the system's limit of open files (fs.file-max)"),
        (_, ErrorKind::PermissionDenied) => Some("permit it to the user of this process"),
        (_, ErrorKind::ReadOnlyFilesystem) => {
            Some("mount the file system so that it can be written")
        }
        (_, ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => Some("free space on the disk"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_the_system_has_its_remedy_and_others_have_none() {
        let denied = IoReason(&io::Error::from_raw_os_error(13)).to_string();
        assert!(denied.ends_with("; permit it to the user of this process"), "{denied}");
        let files = IoReason(&io::Error::from_raw_os_error(EMFILE)).to_string();
        assert!(files.ends_with("; raise the limit of open files (ulimit -n)"), "{files}");
        let other = io::Error::new(ErrorKind::PermissionDenied, "the bucket denies access");
        assert_eq!(IoReason(&other).to_string(), "the bucket denies access");
    }
}
