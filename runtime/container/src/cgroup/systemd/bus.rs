//! A word with systemd: as much of D-Bus as one call and its answer need.
//!
//! The libraries for D-Bus that are kept well bring threads, or wait asynchronously; a process with two
//! threads cannot be forked. What is needed here is in the specification's chapters on marshalling and
//! on authentication, and goes to systemd's own socket, with no bus in between.

use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use primitives::{Error, Result, connect_unix, own_ids, send_bytes};

/// systemd itself gives up on a job after 90 seconds; nothing is started here that takes any time.
const PATIENCE: Duration = Duration::from_secs(30);

const CALL: u8 = 1;
const ANSWER: u8 = 2;
const REFUSAL: u8 = 3;
const SIGNAL: u8 = 4;

/// The numbers of the fields in the head of a message.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A connection.
#[derive(Debug)]
pub(super) struct Bus {
    socket: UnixStream,
    serial: u32,
    /// Signals that came before anybody waited for them.
    signals: Vec<Message>,
}

/// What is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub(super) interface: &'static str,
    pub(super) name: &'static str,
    pub(super) signature: &'static str,
}

/// What came in.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    kind: u8,
    reply_to: u32,
    member: String,
    error: String,
    body: Vec<u8>,
}

impl Bus {
    /// Connects, and says who we are: the kernel vouches for it.
    pub(super) fn connect(path: &Path) -> Result<Bus> {
        let socket = UnixStream::from(connect_unix(path, "have a word with systemd")?);
        let patient = socket.set_read_timeout(Some(PATIENCE));
        patient.map_err(|error| silent(&error))?;
        let mut bus = Bus { socket, serial: 0, signals: Vec::new() };
        let uid = own_ids().0.to_string();
        let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        // In one piece, as systemd's own programs do: a message that it reads together with the BEGIN is
        // left lying until the next one comes.
        let hello = format!("\0AUTH EXTERNAL {hex}\r\nBEGIN\r\n");
        send_bytes(bus.socket.as_fd(), hello.as_bytes(), "AUTH EXTERNAL", "say who asks")?;
        let answer = bus.line()?;
        if !answer.starts_with("OK ") {
            return Err(Error::Unusable(format!("systemd does not talk to user {uid}: {answer}")));
        }
        Ok(bus)
    }

    /// Calls a method of systemd's manager, and waits for the answer.
    pub(super) fn call(
        &mut self,
        method: Method,
        body: Writer,
        why: &'static str,
    ) -> Result<Message> {
        self.serial += 1;
        let message = head(method, self.serial, &body.0);
        send_bytes(self.socket.as_fd(), &message, method.name, why)?;
        loop {
            let message = self.message()?;
            match message.kind {
                SIGNAL => self.signals.push(message),
                ANSWER if message.reply_to == self.serial => return Ok(message),
                REFUSAL if message.reply_to == self.serial => {
                    let text = Reader::new(&message.body).text().unwrap_or_default();
                    let (name, error) = (method.name, message.error);
                    return Err(Error::Unusable(format!("systemd: {name}: {text} ({error})")));
                }
                _ => {}
            }
        }
    }

    /// Waits until a job of systemd is over, and says how it went.
    pub(super) fn job(&mut self, path: &str) -> Result<String> {
        let result = |message: &Message| {
            let mut body = Reader::new(&message.body);
            let _number = body.number()?;
            let job = body.text()?;
            let _unit = body.text()?;
            let result = body.text()?;
            (message.member == "JobRemoved" && job == path).then_some(result)
        };
        if let Some(result) = self.signals.iter().find_map(result) {
            return Ok(result);
        }
        loop {
            let message = self.message()?;
            if message.kind == SIGNAL
                && let Some(result) = result(&message)
            {
                return Ok(result);
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") && line.len() < 1000 {
            self.fill(&mut byte)?;
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim().to_string())
    }

    fn message(&mut self) -> Result<Message> {
        const LARGEST: usize = 1 << 20;
        let mut start = [0; 16];
        self.fill(&mut start)?;
        let number = |at: usize| {
            let bytes = start[at..at + 4].try_into().expect("four bytes");
            usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
        };
        let (body, fields) = (number(4), number(12));
        if start[0] != b'l' || body > LARGEST || fields > LARGEST {
            return Err(Error::Unusable("systemd says what is no D-Bus".to_string()));
        }
        let mut rest = vec![0; fields.next_multiple_of(8) + body];
        self.fill(&mut rest)?;
        let body = rest.split_off(fields.next_multiple_of(8));
        rest.truncate(fields);
        let mut message = Message { kind: start[1], body, ..Message::default() };
        let mut reader = Reader::new(&rest);
        while let Some((field, value)) = reader.field() {
            match (field, value) {
                (MEMBER, Value::Text(text)) => message.member = text,
                (ERROR_NAME, Value::Text(text)) => message.error = text,
                (REPLY_SERIAL, Value::Number(number)) => message.reply_to = number,
                _ => {}
            }
        }
        Ok(message)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.socket.read_exact(bytes).map_err(|error| silent(&error))
    }
}

fn silent(error: &std::io::Error) -> Error {
    Error::Unusable(match error.kind() {
        ErrorKind::WouldBlock => "systemd does not answer within 30 seconds".to_string(),
        ErrorKind::UnexpectedEof => "systemd has hung up".to_string(),
        _ => format!("systemd cannot be heard: {error}"),
    })
}

impl Message {
    /// The text that the answer consists of, in a variant or without.
    pub(super) fn text(&self) -> Option<String> {
        let mut reader = Reader::new(&self.body);
        match self.body.get(..3) {
            Some([1, b's', 0]) => {
                reader.at = 3;
                reader.text()
            }
            _ => reader.text(),
        }
    }
}

fn head(method: Method, serial: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a call is short");
    let mut head = Writer(vec![b'l', CALL, 0, 1]);
    head.number(length);
    head.number(serial);
    head.array(8, |fields| {
        for (field, kind, text) in [
            (PATH, "o", "/org/freedesktop/systemd1"),
            (INTERFACE, "s", method.interface),
            (MEMBER, "s", method.name),
            (DESTINATION, "s", "org.freedesktop.systemd1"),
        ] {
            fields.align(8);
            fields.0.push(field);
            fields.signature(kind);
            fields.text(text);
        }
        fields.align(8);
        fields.0.push(SIGNATURE);
        fields.signature("g");
        fields.signature(method.signature);
    });
    head.align(8);
    head.0.extend_from_slice(body);
    head.0
}

/// Values as D-Bus lays them out: each at a multiple of its own size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn align(&mut self, size: usize) {
        self.0.resize(self.0.len().next_multiple_of(size), 0);
    }

    pub(super) fn number(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_le_bytes());
    }

    pub(super) fn large(&mut self, number: u64) {
        self.align(8);
        self.0.extend(number.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(u32::try_from(text.len()).expect("a name is short"));
        self.0.extend(text.bytes().chain([0]));
    }

    pub(super) fn signature(&mut self, text: &str) {
        self.0.push(u8::try_from(text.len()).expect("a signature is short"));
        self.0.extend(text.bytes().chain([0]));
    }

    /// The length in bytes, without the gap before the first item.
    pub(super) fn array(&mut self, item_size: usize, items: impl FnOnce(&mut Writer)) {
        self.number(0);
        let length_at = self.0.len() - 4;
        self.align(item_size);
        let start = self.0.len();
        items(self);
        let length = u32::try_from(self.0.len() - start).expect("a call is short");
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }
}

enum Value {
    Text(String),
    Number(u32),
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.at = self.at.next_multiple_of(4);
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let text = self.take(length)?;
        self.take(1)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// A field of a head; of other types than these there are none.
    fn field(&mut self) -> Option<(u8, Value)> {
        self.at = self.at.next_multiple_of(8);
        let field = self.take(1)?[0];
        let [_, kind, _] = self.take(3)? else { return None };
        let value = match kind {
            b's' | b'o' => Value::Text(self.text()?),
            b'u' => Value::Number(self.number()?),
            _ => {
                let length = usize::from(self.take(1)?[0]);
                let text = self.take(length + 1)?;
                Value::Text(String::from_utf8_lossy(&text[..length]).into_owned())
            }
        };
        Some((field, value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, Writer};

    #[test]
    fn values_lie_at_multiples_of_their_size() {
        let mut body = Writer::default();
        body.text("ab");
        body.large(7);
        body.array(8, |items| items.large(1));
        let expected = [
            2, 0, 0, 0, b'a', b'b', 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
            0, 0, 0, 0, 0,
        ];
        assert_eq!(body.0, expected);
        assert_eq!(Reader::new(&body.0).text().as_deref(), Some("ab"));
        // What is cut off is nothing, and no panic.
        assert_eq!(Reader::new(&body.0[..5]).text(), None);
        assert_eq!(Reader::new(&[255; 4]).text(), None);
    }
}
