//! The header: who made the file, who owns it now, and how much of it is complete.
//!
//! ```text
//!   0  u8   version, 3          v1 readers want 1 here and refuse the file
//!   1  [u8] magic "mmstats"
//!   8  u32  header length       the first record begins here; a multiple of 8
//!  12  u32  flags; bit 0: a mapping keeps the lock (`LockToken::pinned`)
//!  16  u64  incompatible features: an unknown bit means: do not read
//!  24  u64  compatible features:   an unknown bit means: go on
//!  32  u64  committed length    atomic; grows by whole records
//!  40  u64  owner               atomic; tid (32 bits), state (8), adoptions (24)
//!  48  u64  creation time, nanoseconds since 1970-01-01 UTC
//!  56  u32  pid of the creator
//!  60  u32  tid of the creator
//!  64  u32  uid
//!  68  u32  gid
//!  72  u64  start time of the process, clock ticks since boot
//!  80  [u8; 16] boot id
//!  96  u64  pid namespace (inode), 0: not known
//! 104  u64  lock token: the byte of `.lock` that the process holds, 0: no lock
//! 112  u64  device of `.lock`
//! 120  u64  inode of `.lock`
//! 128  [u8; 16] machine id
//! 144  u16  length of the model's name
//! 146  u16  length of the executable's path
//! 148  u16  offset of the strings: 160; 152 in files of earlier versions, which end here; more in
//!           those of later versions, which put something before them
//! 150  u16  zero
//! 152  u64  time namespace (inode), 0: not known
//! 160  model's name, executable's path, zeros up to the header length
//! ```

use super::bytes::{Bytes, Malformed, cut, pad};
use super::round_up;

/// The first eight bytes of every file.
pub const MAGIC: [u8; 8] = *b"\x03mmstats";
/// Offset of the committed length.
pub const COMMITTED: usize = 32;
/// Offset of the owner word.
pub const OWNER: usize = 40;
/// Bytes before the strings in files of this version.
pub const FIXED: usize = 160;
/// Bytes before the strings in the first files of this format.
const LEAST: usize = 152;
/// Flag: the lock is pinned; see [`LockToken::pinned`].
const PINNED: u32 = 1;
/// The flags that this version knows.
pub const FLAGS_KNOWN: u32 = PINNED;
/// The longest header that a reader accepts: two strings of full length that begin at the greatest offset
/// possible, rounded up.
pub const MOST: usize = round_up(3 * u16::MAX as usize, 64);
/// The longest model name, in bytes. It is the limit for the name of a directory.
pub const NAME_MOST: usize = 255;
/// The longest executable path that is stored, in bytes (PATH_MAX).
const EXE_MOST: usize = 4096;
/// Incompatible features that this version understands: none exist yet.
pub const INCOMPATIBLE_KNOWN: u64 = 0;

/// The decoded header.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Header {
    /// Bytes of the header; the first record begins here.
    pub len: usize,
    /// Name of the model, and of its directory.
    pub model: String,
    /// Path of the executable; empty if not known.
    pub exe: String,
    /// Creation time, nanoseconds since 1970-01-01 UTC.
    pub created: u64,
    /// Process that created the file.
    pub pid: u32,
    /// Thread that created the file.
    pub tid: u32,
    /// User of that process.
    pub uid: u32,
    /// Group of that process.
    pub gid: u32,
    /// Clock ticks from boot to the start of that process, by the clock of its time namespace; 0 if not
    /// known.
    pub start_time: u64,
    /// Identifies the boot and the machine; zeros if not known.
    pub boot_id: [u8; 16],
    /// Inode of the pid namespace in which `pid` means that process; 0 if not known.
    pub pid_namespace: u64,
    /// The lock by which the kernel tells whether the process lives.
    pub lock: LockToken,
    /// Identifies the machine, whatever the boot; zeros if not known.
    pub machine_id: [u8; 16],
    /// Inode of the time namespace whose clocks give the start time and the times of windows; 0 if not known.
    pub time_namespace: u64,
}

/// The byte of a `.lock` file that a living process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct LockToken {
    /// Offset of the byte; 0 if there is no lock.
    pub token: u64,
    /// Device of the `.lock` file.
    pub device: u64,
    /// Inode of the `.lock` file.
    pub inode: u64,
    /// Whether the lock is held as long as the process has its mappings, whatever it does to its descriptors,
    /// and is managed by the kernel of its machine. Only then does a free lock mean that the process has
    /// ended.
    pub pinned: bool,
}

/// The owner word: everything that changes when a file changes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The thread that writes the file, or wrote it last.
    pub tid: u32,
    /// Whether that thread still writes it.
    pub state: OwnerState,
    /// How often the file was adopted, modulo 2²⁴.
    pub adoptions: u32,
}

/// The state that the writer states. (Only the kernel knows whether its process lives.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerState {
    /// A thread writes the file.
    Live,
    /// Its thread has ended; its counts remain valid.
    Orphan,
    /// The process exited cleanly and kept the file.
    Ended,
    /// The process ended by a panic in its main thread.
    Panicked,
}

impl Owner {
    /// The tid of a file that all threads of its process write.
    pub const OF_PROCESS: u32 = 0;

    /// Encodes the word as it is stored.
    pub fn pack(self) -> u64 {
        let state = match self.state {
            OwnerState::Live => 0u64,
            OwnerState::Orphan => 1,
            OwnerState::Ended => 2,
            OwnerState::Panicked => 3,
        };
        u64::from(self.tid) | state << 32 | u64::from(self.adoptions & 0xff_ffff) << 40
    }

    /// Decodes a stored word. A state of a later version becomes `Live`.
    pub fn unpack(word: u64) -> Owner {
        Owner {
            tid: word as u32,
            state: match (word >> 32) as u8 {
                1 => OwnerState::Orphan,
                2 => OwnerState::Ended,
                3 => OwnerState::Panicked,
                _ => OwnerState::Live,
            },
            adoptions: (word >> 40) as u32,
        }
    }
}

/// Identifies the process that made a file, among all that ever existed.
pub type ProcessId = (u32, u64, [u8; 16], u64, u64);

impl Header {
    /// Identifies the process that made the file by pid, start time, boot, pid namespace and lock token.
    pub fn process(&self) -> ProcessId {
        (
            self.pid,
            self.start_time,
            self.boot_id,
            self.pid_namespace,
            self.lock.token,
        )
    }

    /// The bytes of the header, with nothing committed after it.
    pub fn encode(&self) -> Vec<u8> {
        let model = cut(&self.model, NAME_MOST);
        let exe = cut(&self.exe, EXE_MOST);
        let len = round_up(FIXED + model.len() + exe.len(), 64);
        let owner = Owner {
            tid: self.tid,
            state: OwnerState::Live,
            adoptions: 0,
        };
        let mut out = Vec::with_capacity(len);
        out.extend(MAGIC);
        out.extend((len as u32).to_le_bytes());
        let flags = if self.lock.pinned { PINNED } else { 0 };
        out.extend(flags.to_le_bytes());
        out.extend(0u64.to_le_bytes());
        out.extend(0u64.to_le_bytes());
        out.extend((len as u64).to_le_bytes());
        out.extend(owner.pack().to_le_bytes());
        out.extend(self.created.to_le_bytes());
        for id in [self.pid, self.tid, self.uid, self.gid] {
            out.extend(id.to_le_bytes());
        }
        out.extend(self.start_time.to_le_bytes());
        out.extend(self.boot_id);
        for word in [
            self.pid_namespace,
            self.lock.token,
            self.lock.device,
            self.lock.inode,
        ] {
            out.extend(word.to_le_bytes());
        }
        out.extend(self.machine_id);
        out.extend((model.len() as u16).to_le_bytes());
        out.extend((exe.len() as u16).to_le_bytes());
        out.extend((FIXED as u16).to_le_bytes());
        out.extend(0u16.to_le_bytes());
        out.extend(self.time_namespace.to_le_bytes());
        debug_assert_eq!(out.len(), FIXED);
        out.extend(model.as_bytes());
        out.extend(exe.as_bytes());
        pad(&mut out, 64);
        debug_assert_eq!(out.len(), len);
        out
    }

    /// Returns the length of the header that begins with these bytes, or why this is not a stats file that
    /// this version can read. Needs at least 32 bytes.
    pub fn length(start: &[u8]) -> Result<usize, Malformed> {
        let mut bytes = Bytes::new(start, 0);
        let magic = bytes.take(MAGIC.len(), "the magic")?;
        if magic != MAGIC {
            return Err(Malformed {
                offset: 0,
                what: match magic[0] {
                    1 => "a python-mmstats file (format 1); this reader needs format 3".into(),
                    n if magic[1..] == MAGIC[1..] => {
                        format!("format {n}; this reader needs 3: read it with a newer mmstats")
                    }
                    _ => "not a stats file: it does not begin with 03 and \"mmstats\"".into(),
                },
            });
        }
        let len = bytes.u32("the header length")? as usize;
        if !(LEAST..=MOST).contains(&len) || !len.is_multiple_of(8) {
            return Err(Malformed {
                offset: 8,
                what: format!("header length {len}, not a multiple of 8 in {LEAST}..={MOST}"),
            });
        }
        bytes.u32("the flags")?;
        let unknown = bytes.u64("the incompatible features")? & !INCOMPATIBLE_KNOWN;
        if unknown != 0 {
            return Err(Malformed {
                offset: 16,
                what: format!(
                    "unknown incompatible features {unknown:#x}: read it with a newer mmstats"
                ),
            });
        }
        Ok(len)
    }

    /// Decodes a whole header with the length that [`Header::length`] returned. If these bytes state another
    /// length, someone has overwritten the file meanwhile.
    pub fn decode(header: &[u8]) -> Result<Header, Malformed> {
        let len = Header::length(header)?;
        if len != header.len() {
            return Err(Malformed {
                offset: 8,
                what: format!(
                    "header length {len}, {} when it was first read",
                    header.len()
                ),
            });
        }
        let mut bytes = Bytes::new(header, 0);
        bytes.take(12, "the start of the header")?;
        let flags = bytes.u32("the flags")?;
        bytes.take(32, "the features, the committed length and the owner")?;
        let mut decoded = Header {
            len,
            created: bytes.u64("the creation time")?,
            pid: bytes.u32("the pid")?,
            tid: bytes.u32("the tid")?,
            uid: bytes.u32("the uid")?,
            gid: bytes.u32("the gid")?,
            start_time: bytes.u64("the start time")?,
            boot_id: bytes.take(16, "the boot id")?.try_into().expect("16 bytes"),
            pid_namespace: bytes.u64("the pid namespace")?,
            lock: LockToken {
                token: bytes.u64("the lock token")?,
                device: bytes.u64("the lock's device")?,
                inode: bytes.u64("the lock's inode")?,
                pinned: flags & PINNED != 0,
            },
            machine_id: (bytes.take(16, "the machine id")?)
                .try_into()
                .expect("16 bytes"),
            ..Header::default()
        };
        let model = bytes.u16("the name's length")?;
        let exe = bytes.u16("the executable's length")?;
        let strings = usize::from(bytes.u16("the strings' offset")?);
        bytes.u16("zero")?;
        let Some(more) = strings.checked_sub(LEAST) else {
            return Err(bytes.error(format!("strings at byte {strings}, before byte {LEAST}")));
        };
        let more = bytes.take(more, "what is before the strings")?;
        // Files of earlier versions do not have it.
        let time_namespace = more.first_chunk().copied().unwrap_or_default();
        decoded.time_namespace = u64::from_le_bytes(time_namespace);
        decoded.model = bytes.text(model.into(), "the model's name")?;
        decoded.exe = bytes.text(exe.into(), "the executable's path")?;
        Ok(decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_encoding() {
        let header = Header {
            len: 192,
            model: "my-app".into(),
            exe: "/usr/bin/app-é".into(),
            created: 1_795_214_569_920_000_000,
            pid: 812,
            tid: 815,
            uid: 1000,
            gid: 100,
            start_time: 4711,
            boot_id: [7; 16],
            pid_namespace: 4_026_531_836,
            lock: LockToken {
                token: 99,
                device: 5,
                inode: 6,
                pinned: true,
            },
            machine_id: [8; 16],
            time_namespace: 4_026_531_834,
        };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes).unwrap(), header);
        assert_eq!(bytes[COMMITTED..COMMITTED + 8], 192u64.to_le_bytes());
        assert_eq!(
            Owner::unpack(u64::from_le_bytes(
                bytes[OWNER..OWNER + 8].try_into().unwrap()
            )),
            Owner {
                tid: 815,
                state: OwnerState::Live,
                adoptions: 0
            }
        );
    }

    #[test]
    fn strings_are_where_the_header_says() {
        let header = Header {
            model: "my-app".into(),
            exe: "/bin/app".into(),
            ..Header::default()
        };
        let mut bytes = header.encode();
        // A later version may have 24 more bytes before them.
        let len = bytes.len() + 64;
        bytes.splice(FIXED..FIXED, [0xee; 24]);
        bytes.resize(len, 0);
        bytes[8..12].copy_from_slice(&(len as u32).to_le_bytes());
        bytes[148] += 24;
        let read = Header::decode(&bytes).unwrap();
        assert_eq!(read, Header { len, ..header });
        for wrong in [0, LEAST - 1, len - 13, len + 1, 0xffff] {
            bytes[148..150].copy_from_slice(&(wrong as u16).to_le_bytes());
            assert!(Header::decode(&bytes).is_err(), "{wrong}");
        }
    }

    #[test]
    fn files_of_earlier_versions_do_not_say_their_time_namespace() {
        let header = Header {
            model: "my-app".into(),
            exe: "/bin/app".into(),
            time_namespace: 4_026_531_834,
            ..Header::default()
        };
        let mut bytes = header.encode();
        let len = bytes.len();
        bytes.drain(LEAST..FIXED);
        bytes.resize(len, 0);
        bytes[148] = LEAST as u8;
        let time_namespace = 0;
        assert_eq!(
            Header::decode(&bytes).unwrap(),
            Header {
                len,
                time_namespace,
                ..header
            }
        );
    }

    #[test]
    fn a_length_that_has_changed_is_refused() {
        let bytes = Header::default().encode();
        let mut shorter = bytes.clone();
        shorter[8] -= 8;
        let mut longer = bytes.clone();
        longer[8..12].copy_from_slice(&(MOST as u32).to_le_bytes());
        assert!(Header::decode(&bytes).is_ok());
        for changed in [shorter, longer] {
            let error = Header::decode(&changed).unwrap_err().to_string();
            assert!(error.contains("192 when it was first read"), "{error}");
        }
    }

    #[test]
    fn foreign_bytes_are_named() {
        let refuse = |bytes: &[u8], part: &str| {
            let error = Header::length(bytes).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        let mut good = Header {
            model: "m".into(),
            ..Header::default()
        }
        .encode();
        refuse(&[], "0 are left");
        refuse(&[1; 40], "python-mmstats");
        refuse(b"#!/bin/sh and so on, at some length", "not a stats file");
        good[0] = 4;
        refuse(&good, "format 4");
        good[0] = 3;
        good[16] = 1;
        refuse(&good, "incompatible features 0x1");
        good[16] = 0;
        good[8] = 255;
        refuse(&good, "header length");
    }

    #[test]
    fn the_owner_word_packs_all_of_its_parts() {
        for state in [
            OwnerState::Live,
            OwnerState::Orphan,
            OwnerState::Ended,
            OwnerState::Panicked,
        ] {
            let owner = Owner {
                tid: u32::MAX,
                state,
                adoptions: 0xff_fffe,
            };
            assert_eq!(Owner::unpack(owner.pack()), owner);
        }
    }
}
