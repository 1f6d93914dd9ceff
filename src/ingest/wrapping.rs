//! Detects how the lines of an input are wrapped, from its first bytes, and unwraps them.

use std::io::{self, BufReader, Cursor, Read};

use super::array_lines::ArrayLines;
use super::gunzip::Gunzip;
use super::unzstd::Unzstd;

/// Bytes per read of a wrapped input.
const BUFFER_BYTES: usize = 64 << 10;
/// How many bytes decide the wrapping.
const START_BYTES: usize = 16;
/// Compression in compression is unwrapped up to this depth.
const LAYERS_MAX: usize = 4;

/// How lines are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapping {
    /// Not at all.
    Lines,
    /// In gzip members (RFC 1952).
    Gzip,
    /// In zstd frames (RFC 8878).
    Zstd,
    /// As the elements of a JSON array.
    Array,
    /// In a format that is not unwrapped: its name, and how to convert it.
    Other(&'static str, &'static str),
}

impl Wrapping {
    /// The wrapping of an input that starts with `start`.
    pub(super) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xff, 0xfe, ..]
            | [0xfe, 0xff, ..]
            | [b'{' | b'[', 0, ..]
            | [0, b'{' | b'[', 0, ..] => {
                Self::Other("UTF-16", "convert it with: iconv -f UTF-16 -t UTF-8")
            }
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
                Self::Other("zlib", "compress it with gzip instead")
            }
            [b'P', b'K', 3, 4, ..] => Self::Other("a zip archive", "unpack it first"),
            [b'B', b'Z', b'h', ..] => Self::Other("bzip2", "unpack it with bunzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Other("xz", "unpack it with unxz"),
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Other("lz4", "unpack it with unlz4"),
            [b'P', b'A', b'R', b'1', ..] => {
                Self::Other("Parquet", "export its rows as JSON lines first")
            }
            _ => match start.iter().find(|byte| !b" \t\r\n\0\xef\xbb\xbf".contains(byte)) {
                Some(b'[') => Self::Array,
                _ => Self::Lines,
            },
        }
    }

    /// The wrapping of `stream`, and all of its bytes again.
    ///
    /// # Errors
    /// If the first bytes cannot be read.
    pub(super) fn detect(mut stream: impl Read + 'static) -> io::Result<(Self, Box<dyn Read>)> {
        let mut start = Vec::with_capacity(START_BYTES);
        stream.by_ref().take(START_BYTES as u64).read_to_end(&mut start)?;
        Ok((Self::of(&start), Box::new(Cursor::new(start).chain(stream))))
    }
}

/// The lines of `stream`, without any wrapping. `is_named_gzip` means that its name ends with `.gz`:
/// then it is damaged gzip if it looks like nothing else.
///
/// The elements of an array become one line each.
///
/// # Errors
/// If the first bytes cannot be read, or if they are those of a format that is not supported. Damage
/// further on is an error of reading.
pub(crate) fn unwrap(
    stream: impl Read + 'static,
    is_named_gzip: bool,
) -> io::Result<Box<dyn Read>> {
    let mut stream: Box<dyn Read> = Box::new(stream);
    for layer in 0..=LAYERS_MAX {
        let (wrapping, all) = Wrapping::detect(stream)?;
        if layer == LAYERS_MAX && matches!(wrapping, Wrapping::Gzip | Wrapping::Zstd) {
            break;
        }
        let buffered = |all| BufReader::with_capacity(BUFFER_BYTES, all);
        stream = match wrapping {
            Wrapping::Lines if layer == 0 && is_named_gzip => {
                let mut all = buffered(all);
                match looks_like_text(&mut all)? {
                    true => return Ok(Box::new(all)),
                    false => Box::new(Gunzip::new(all)),
                }
            }
            Wrapping::Lines => return Ok(all),
            Wrapping::Array => return Ok(Box::new(ArrayLines::new(buffered(all)))),
            Wrapping::Gzip => Box::new(Gunzip::new(buffered(all))),
            Wrapping::Zstd => Box::new(Unzstd::new(buffered(all))),
            Wrapping::Other(format, remedy) => {
                let message = format!("the input looks like {format}; {remedy}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        };
    }
    let message = format!("the input is compressed more than {LAYERS_MAX} times; unpack it first");
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

/// Whether the first bytes can be those of JSON lines.
fn looks_like_text(stream: &mut impl io::BufRead) -> io::Result<bool> {
    let first = stream.fill_buf()?.first().copied();
    Ok(first.is_none_or(|byte| b"{ \t\r\n\xef\0".contains(&byte)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// `text` as a zstd frame of one uncompressed block (RFC 8878, 3.1.1).
    fn zstd(text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap();
        let header = [&[0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000][..], &length.to_le_bytes()].concat();
        let block = (length << 3 | 1).to_le_bytes();
        [&header[..], &block[..3], text].concat()
    }

    fn read(bytes: Vec<u8>, is_named_gzip: bool) -> io::Result<String> {
        let mut text = String::new();
        unwrap(Cursor::new(bytes), is_named_gzip)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn unwraps_whatever_the_name_says() {
        let lines = b"{\"a\":1}\n{\"b\":2}\n";
        for is_named_gzip in [false, true] {
            for bytes in [
                lines.to_vec(),
                gzip(lines),
                gzip(&gzip(lines)),
                [gzip(&lines[..5]), gzip(&lines[5..])].concat(),
                [&gzip(lines)[..], &[0; 1000]].concat(),
                zstd(lines),
                [zstd(&lines[..5]), zstd(&lines[5..])].concat(),
                zstd(&gzip(lines)),
                b"[{\"a\":1},\n {\"b\":2}]".to_vec(),
                gzip(b" [ {\"a\":1} , {\"b\":2} ] \n"),
            ] {
                let text = read(bytes, is_named_gzip).unwrap();
                let trimmed: Vec<_> =
                    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
                assert_eq!(trimmed, [r#"{"a":1}"#, r#"{"b":2}"#]);
            }
        }
        assert_eq!(read(Vec::new(), true).unwrap(), "");
    }

    #[test]
    fn names_formats_that_it_does_not_unwrap() {
        let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, name) in [
            (utf16, "UTF-16"),
            (b"\0{\0}".to_vec(), "UTF-16"),
            (vec![0x78, 0x9c, 1, 2], "zlib"),
            (b"PK\x03\x04rest".to_vec(), "zip"),
            (b"PAR1rest".to_vec(), "Parquet"),
        ] {
            for bytes in [gzip(&bytes), bytes] {
                let error = read(bytes, false).unwrap_err().to_string();
                assert!(
                    error.starts_with(&format!("the input looks like {name}")) || name == "zip",
                    "{error}"
                );
                assert!(error.contains(name), "{error}");
            }
        }
        let deep = |layers| (0..layers).fold(b"{}".to_vec(), |bytes, _| gzip(&bytes));
        assert_eq!(read(deep(4), false).unwrap(), "{}");
        let deep = deep(5);
        assert!(read(deep, false).unwrap_err().to_string().contains("more than 4 times"));
    }

    #[test]
    fn a_damaged_start_of_a_gzip_file_is_damage() {
        let mut bytes = gzip(b"{}\n");
        bytes[0] = 0x20 ^ 0xff;
        assert!(read(bytes, true).unwrap_err().to_string().contains("gzip"));
    }
}
