//! A system call, as `strace` prints it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The system calls that change files or their names, and those that concern open files.
pub(super) const TRACED: &str = "open,openat,openat2,creat,close,dup,dup2,dup3,fcntl,lseek,write,writev,pwrite64,\
    pwritev,pwritev2,truncate,ftruncate,fallocate,copy_file_range,sendfile,splice,fsync,fdatasync,rename,renameat,\
    renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat";

/// A system call that succeeded, or that a crash interrupted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    /// The text between the parentheses. All strings are hexadecimal.
    arguments: String,
    /// `None` if it was interrupted.
    pub(super) result: Option<u64>,
}

impl Call {
    /// Parses `name(arguments) = result`, or its beginning if the call was interrupted. `None` if the call
    /// failed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('(').unwrap_or_else(|| panic!("not a call: {text}"));
        let (arguments, result) = match rest.rsplit_once(" = ") {
            Some((arguments, result)) => {
                let arguments = arguments.trim_end().strip_suffix(')');
                (arguments.unwrap(), result.split(' ').next().unwrap())
            }
            None => (rest, "?"),
        };
        let result = match (result, result.strip_prefix("0x")) {
            ("?", _) => None,
            (_, Some(digits)) => Some(u64::from_str_radix(digits, 16).unwrap()),
            (decimal, None) => Some(decimal.parse().ok()?),
        };
        Some(Self { name: name.to_owned(), arguments: arguments.to_owned(), result })
    }

    /// Whether it is about files that are given by path.
    pub(super) fn is_about_paths(&self) -> bool {
        let begins =
            ["open", "creat", "truncate", "rename", "link", "symlink", "unlink", "rmdir", "mkdir"];
        begins.iter().any(|begin| self.name.starts_with(begin))
    }

    /// The argument at `index` that is a number.
    pub(super) fn number(&self, index: usize) -> Option<u64> {
        self.arguments.split(", ").nth(index)?.parse().ok()
    }

    /// Whether the arguments contain the constant `flag`.
    pub(super) fn has_flag(&self, flag: &str) -> bool {
        self.arguments.split([',', '|', ' ']).any(|word| word == flag)
    }

    /// The arguments that are paths.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.strings().map(|bytes| OsString::from_vec(bytes).into()).collect()
    }

    /// The bytes to write: those of a call that was interrupted may not all be written.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<_> = self.strings().flatten().collect();
        if let Some(written) = self.result {
            assert!(bytes.len() as u64 >= written, "the trace of a write is incomplete");
            bytes.truncate(written as usize);
        }
        bytes
    }

    /// All strings in the arguments.
    fn strings(&self) -> impl Iterator<Item = Vec<u8>> {
        let quoted = self.arguments.split('"').skip(1).step_by(2);
        quoted.map(|text| text.split("\\x").skip(1).map(byte).collect())
    }
}

fn byte(digits: &str) -> u8 {
    u8::from_str_radix(digits, 16).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_parsed() {
        let open = r#"openat(AT_FDCWD, "\x2f\x61", O_RDWR|O_CREAT|O_CLOEXEC, 0666) = 12"#;
        let open = Call::parse(open).unwrap();
        assert_eq!((&open.name[..], open.result), ("openat", Some(12)));
        assert_eq!(open.paths(), [PathBuf::from("/a")]);
        assert!(open.has_flag("O_CREAT") && !open.has_flag("O_TRUNC"));
        let write = Call::parse(r#"pwrite64(3, "\x61\x62", 2, 4096)        = 1"#).unwrap();
        assert_eq!((write.number(0), write.number(3)), (Some(3), Some(4096)));
        assert_eq!(write.bytes(), b"a");
        let parts =
            r#"writev(3, [{iov_base="\x61", iov_len=1}, {iov_base="\x62", iov_len=1}], 2) = 2"#;
        assert_eq!(Call::parse(parts).unwrap().bytes(), b"ab");
        let failed = r#"unlink("\x2f\x61") = -1 ENOENT (No such file or directory)"#;
        assert_eq!(Call::parse(failed), None);
        let flags = Call::parse("fcntl(5, F_GETFD) = 0x1 (flags FD_CLOEXEC)").unwrap();
        assert_eq!(flags.result, Some(1));
        for interrupted in [r#"write(3, "\x61\x62", 2"#, r#"write(3, "\x61\x62", 2) = ?"#] {
            let call = Call::parse(interrupted).unwrap();
            assert_eq!((call.result, &call.bytes()[..]), (None, &b"ab"[..]));
        }
    }
}
