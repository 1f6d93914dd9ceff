//! The memory of this process, and how much it can have, from `/proc` and `/sys`.

use std::fs;
use std::path::Path;

/// The bytes that are resident now; 0 on systems without `/proc`.
pub fn resident_bytes() -> u64 {
    status("VmRSS:")
}

/// The peak of resident bytes; 0 on systems without `/proc`.
pub fn peak_resident_bytes() -> u64 {
    status("VmHWM:")
}

/// The bytes that this process can have before the kernel ends it: the memory of the machine, or the
/// limit of its control groups if that is lower. `None` on systems without `/proc`.
pub fn available_bytes() -> Option<u64> {
    available_below(Path::new("/"))
}

/// The default bound on the memory of a service: three quarters of what is available.
pub fn default_max_bytes() -> u64 {
    available_bytes().map_or(u64::MAX, |bytes| bytes / 4 * 3)
}

/// The memory of the machine and the limits of all control groups that contain this process, in version 2
/// (kernel documentation, "Control Group v2", `memory.max`) and version 1 (`memory.limit_in_bytes`).
fn available_below(root: &Path) -> Option<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let mut available = size(&read("proc/meminfo"), "MemTotal:")?;
    for line in read("proc/self/cgroup").lines() {
        // `0::/path` in version 2, `4:memory:/path` in version 1.
        let Some((_, line)) = line.split_once(':') else { continue };
        let Some((controllers, path)) = line.split_once(':') else { continue };
        let (folder, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let limit = fs::read_to_string(root.join(folder).join(group).join(file));
            let limit = limit.ok().and_then(|limit| limit.trim().parse().ok());
            available = available.min(limit.unwrap_or(u64::MAX));
        }
    }
    Some(available)
}

/// A size in bytes from `/proc/self/status` (proc_pid_status(5)).
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    size(&status, name).unwrap_or(0)
}

/// The size in bytes of the line `name` of a file in `/proc`.
fn size(text: &str, name: &str) -> Option<u64> {
    let size = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = size.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
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

    #[test]
    fn the_lowest_limit_of_the_machine_and_its_groups_is_available() {
        let root = tempfile::tempdir().unwrap();
        let available = || available_below(root.path());
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(available(), None);
        write("proc/meminfo", "MemFree: 3 kB\nMemTotal:       8000 kB\n");
        assert_eq!(available(), Some(8_192_000));
        write("proc/self/cgroup", "0::/system.slice/velodrome.service\n");
        write("sys/fs/cgroup/system.slice/velodrome.service/memory.max", "max\n");
        assert_eq!(available(), Some(8_192_000));
        write("sys/fs/cgroup/system.slice/memory.max", "5000000\n");
        assert_eq!(available(), Some(5_000_000));
        write("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/a\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "4000000\n");
        assert_eq!(available(), Some(4_000_000));
        assert!(available_bytes().unwrap() > 64 << 20);
    }
}
