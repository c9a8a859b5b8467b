//! Does a layer become what it says, and never a file somewhere else?
//!
//! Archives are written here byte by byte, because the programs that write them refuse to write most
//! of what has to be refused. Next to the directory that is unpacked into lies a canary: whatever a
//! layer says, the canary is the same afterwards.
#![expect(clippy::disallowed_methods, reason = "what a test prepares is not what it looks at")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod archive;
mod bed;
mod bombs;
mod bundle;
mod dialects;
mod faults;
mod hostile;
mod image;
mod mutations;
mod oracle;
mod ordinary;
mod real;
mod whiteouts;
