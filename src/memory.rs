//! The memory of this process, from `/proc`.

use std::fs;

/// The bytes that are resident now; 0 on systems without `/proc`.
pub fn resident_bytes() -> u64 {
    status("VmRSS:")
}

/// The peak of resident bytes; 0 on systems without `/proc`.
pub fn peak_resident_bytes() -> u64 {
    status("VmHWM:")
}

/// A size in bytes from `/proc/self/status` (proc_pid_status(5)).
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = size.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn used_memory_is_resident_and_included_in_the_peak() {
        let used = vec![1u8; 64 << 20];
        let resident = resident_bytes();
        assert!(resident > 64 << 20, "{resident}");
        assert!(peak_resident_bytes() >= used.len() as u64);
    }
}
