//! How is an initramfs packed? As an archive in the format "newc" of cpio(5): for each file a header
//! of numbers in hexadecimal text, its name and its bytes, each padded to a multiple of four.

/// An archive that grows.
pub(crate) struct Archive {
    bytes: Vec<u8>,
    /// Every file needs a number of its own, or the kernel takes two for hard links of one.
    inode: u32,
}

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

impl Archive {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), inode: 0 }
    }

    /// Adds a directory; those above it must have been added before.
    pub(crate) fn directory(&mut self, name: &str) {
        self.entry(name, DIRECTORY, &[]);
    }

    /// Adds an executable file.
    pub(crate) fn program(&mut self, name: &str, content: &[u8]) {
        self.entry(name, PROGRAM, content);
    }

    /// The finished archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.inode += 1;
        // inode, mode, uid, gid, links, time, size, device (two), special device (two),
        // length of the name with its NUL, checksum (none).
        let length = name.len() as u32 + 1;
        let size = content.len() as u32;
        let header = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, length, 0];
        self.bytes.extend(b"070701");
        for number in header {
            self.bytes.extend(format!("{number:08X}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_headers_of_110_bytes_and_a_trailer() {
        let mut archive = Archive::new();
        archive.directory("bin");
        archive.program("bin/x", b"hello");
        let bytes = archive.finish();
        assert!(bytes.starts_with(b"07070100000001000041ED"));
        // 110 + "bin\0" = 114, padded to 116: there the second header starts.
        assert_eq!(&bytes[116..122], b"070701");
        // The second header, its name and its content: 110 + 6 = 116, then 5 padded to 8.
        assert_eq!(&bytes[232..237], b"hello");
        assert_eq!(&bytes[240..246], b"070701");
        assert!(bytes[350..].starts_with(b"TRAILER!!!\0"));
        assert_eq!(bytes.len() % 4, 0);
    }
}
