//! The system calls of a process in their order, from the output of `strace`.

use std::collections::BTreeMap;

use super::calls::Call;

/// The system calls of a process that has ended.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Those that succeeded, in an order in which they can have taken effect.
    ///
    /// A call of one thread overlaps with those of others. A call takes effect at its end. Only a sync takes effect
    /// at its begin, because it need not make durable what is written meanwhile; and so does a close, because
    /// another thread can get the same descriptor meanwhile.
    pub(super) finished: Vec<Call>,
    /// Those that the end of the process interrupted.
    pub(super) interrupted: Vec<Call>,
}

impl Trace {
    /// Whether the process `id` has ended in the trace `text`.
    pub(super) fn is_complete(text: &str, id: u32) -> bool {
        let last = text.lines().next_back().and_then(|line| line.split_once(' '));
        text.ends_with('\n')
            && last.is_some_and(|(thread, end)| {
                thread == id.to_string() && end.trim_start().starts_with("+++")
            })
    }

    pub(super) fn parse(text: &str) -> Self {
        let (mut finished, mut interrupted) = (BTreeMap::new(), Vec::new());
        // The calls that have begun, by their thread.
        let mut begun = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let (thread, event) = line.split_once(' ').unwrap_or_else(|| panic!("'{line}'"));
            let event = event.trim_start();
            if event.starts_with("+++") || event.starts_with("---") {
                continue;
            }
            if let Some(beginning) = event.strip_suffix(" <unfinished ...>") {
                begun.insert(thread, (number, beginning));
                continue;
            }
            let (begin, text) = match event.strip_prefix("<... ") {
                Some(resumed) => {
                    let (begin, beginning) = begun.remove(thread).unwrap();
                    let (_, rest) = resumed.split_once(" resumed>").unwrap();
                    (begin, beginning.to_owned() + rest)
                }
                None => (number, event.to_owned()),
            };
            match Call::parse(&text) {
                Some(call) if call.result.is_none() => interrupted.push(call),
                Some(call) => {
                    let is_early = matches!(&call.name[..], "fsync" | "fdatasync" | "close");
                    finished.insert(if is_early { begin } else { number }, call);
                }
                None => (),
            }
        }
        interrupted.extend(begun.into_values().filter_map(|(_, text)| Call::parse(text)));
        Self { finished: finished.into_values().collect(), interrupted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(calls: &[Call]) -> Vec<&str> {
        calls.iter().map(|call| &call.name[..]).collect()
    }

    #[test]
    fn overlapping_calls_are_ordered_by_their_effects() {
        let text = r#"
7  fsync(3 <unfinished ...>
8  write(3, "\x61", 1) = 1
7  <... fsync resumed>)              = 0
8  close(3 <unfinished ...>
7  openat(AT_FDCWD, "\x2f\x61", O_RDONLY) = 3
8  <... close resumed>)              = 0
9  unlink("\x2f\x62") = -1 ENOENT (No such file or directory)
8  pwrite64(3, "\x61", 1, 0 <unfinished ...>
7  rename("\x2f\x61", "\x2f\x62" <unfinished ...>
9  fdatasync(3 <unfinished ...>
7  <... rename resumed>)             = ?
9  +++ killed by SIGKILL +++
8  +++ killed by SIGKILL +++
7  +++ killed by SIGKILL +++
"#;
        let text = text.strip_prefix('\n').unwrap();
        let trace = Trace::parse(text);
        assert_eq!(names(&trace.finished), ["fsync", "write", "close", "openat"]);
        assert_eq!(names(&trace.interrupted), ["rename", "pwrite64", "fdatasync"]);
        assert!(Trace::is_complete(text, 7));
        assert!(!Trace::is_complete(text, 8));
        assert!(!Trace::is_complete(text.trim_end(), 7));
        assert!(!Trace::is_complete("", 7));
    }
}
