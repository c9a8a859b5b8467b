//! A terminal with a test at its keyboard.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use primitives::openpty;

/// No program takes longer to answer what is typed; who does, hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// A pseudo-terminal. What programs write to it is kept, with what was typed, as on a screen.
pub struct Terminal {
    keyboard: File,
    end: OwnedFd,
    screen: Arc<Mutex<Vec<u8>>>,
    /// How much of the screen the test has looked at.
    seen: usize,
}

impl Default for Terminal {
    fn default() -> Terminal {
        let pty = openpty("have a terminal to type on").expect("there is a /dev/ptmx");
        let keyboard = File::from(pty.master);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut output, shown) =
            (keyboard.try_clone().expect("a descriptor can be copied"), Arc::clone(&screen));
        spawn(move || {
            let mut buffer = [0; 4096];
            // EIO when the last program has closed its end.
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                let mut screen = shown.lock().unwrap_or_else(PoisonError::into_inner);
                screen.extend_from_slice(&buffer[..length]);
            }
        });
        Terminal { keyboard, end: pty.slave, screen, seen: 0 }
    }
}

impl Terminal {
    /// The end for a program, as its standard input, output or error.
    pub fn end(&self) -> Stdio {
        self.end.try_clone().expect("a descriptor can be copied").into()
    }

    /// The end of the one at the keyboard, whose size is that of the window.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.keyboard.as_fd()
    }

    /// Types text; `\x03` is Ctrl-C, `\x1a` is Ctrl-Z.
    pub fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("a terminal takes what is typed");
    }

    /// Waits until the screen shows `text`, after what was waited for before.
    ///
    /// # Panics
    /// When it does not come, with all that the screen shows.
    pub fn shows(&mut self, text: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let screen = self.screen();
            if let Some(at) = screen[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            assert!(Instant::now() < deadline, "no {text:?} after byte {}: {screen}", self.seen);
            sleep(Duration::from_millis(2));
        }
    }

    /// All that was shown so far. Bytes that are no ASCII become question marks.
    pub fn screen(&self) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect()
    }
}
