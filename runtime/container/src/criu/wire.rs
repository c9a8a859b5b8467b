//! What do criu's words look like on the wire?
//!
//! They are protobuf, of which two rules are needed: a number has seven bits in each byte, the lowest
//! first, and a text or an inner message has its length before it. Before each stands a number that says
//! which field it is, and of which of the two kinds. The fields are those of criu's `images/rpc.proto`.
//!
//! Forty lines, and no library: `prost` would bring five crates into a runtime that shall be small, for
//! four messages whose fields never change their numbers.

/// A message as it is sent, with the same in words for the trace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    words: Vec<String>,
}

const NUMBER: u64 = 0;
const LENGTH: u64 = 2;

impl Message {
    /// Adds a number.
    pub(crate) fn number(&mut self, name: &str, field: u64, value: i64) {
        // Negative numbers of protobuf's int32 are written as what they are in 64 bits.
        self.key(field, NUMBER);
        self.varint(value.cast_unsigned());
        self.words.push(format!("{name}={value}"));
    }

    /// Adds a yes; a no is what is not said.
    pub(crate) fn flag(&mut self, name: &str, field: u64, value: bool) {
        if value {
            self.key(field, NUMBER);
            self.varint(1);
            self.words.push(name.to_string());
        }
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, name: &str, field: u64, value: &str) {
        self.bytes(field, value.as_bytes());
        self.words.push(format!("{name}={value}"));
    }

    /// Adds a message in this one.
    pub(crate) fn message(&mut self, name: &str, field: u64, value: &Message) {
        self.bytes(field, &value.bytes);
        self.words.push(format!("{name}={{{}}}", value.words()));
    }

    /// What is sent.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same for people.
    pub(crate) fn words(&self) -> String {
        self.words.join(" ")
    }

    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, LENGTH);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(0x80 | (value & 0x7f) as u8);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

/// What a field of a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number.
    Number(u64),
    /// A text, or a message.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// It as a number of 32 bits.
    pub(crate) fn int(self) -> Option<i32> {
        match self {
            // An int32 that is negative comes with its upper half full of ones.
            Value::Number(number) => i32::try_from(number.cast_signed()).ok(),
            Value::Bytes(_) => None,
        }
    }

    /// It as bytes.
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::Number(_) => None,
        }
    }
}

/// The fields of a message that was received, in its order; none when it is no message.
pub(crate) fn read(mut bytes: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        let value = match key & 7 {
            NUMBER => Value::Number(take_varint(&mut bytes)?),
            LENGTH => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Value::Bytes(value)
            }
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Message, Value, read};

    #[test]
    fn what_is_written_can_be_read() {
        let mut inner = Message::default();
        inner.text("key", 1, "/data");
        let mut message = Message::default();
        message.number("type", 1, 300);
        message.number("fd", 2, -1);
        message.flag("leave_running", 3, true);
        message.flag("shell_job", 7, false);
        message.message("ext_mnt", 23, &inner);
        assert_eq!(message.words(), "type=300 fd=-1 leave_running ext_mnt={key=/data}");
        let fields = read(message.as_bytes()).unwrap();
        assert_eq!(fields[0], (1, Value::Number(300)));
        assert_eq!(fields[1].1.int(), Some(-1));
        assert_eq!(fields[2], (3, Value::Number(1)));
        let inner = fields[3].1.bytes().unwrap();
        assert_eq!(read(inner).unwrap(), [(1, Value::Bytes(b"/data"))]);
    }

    /// As protoc writes it: the examples of protobuf.dev, "Encoding".
    #[test]
    fn the_bytes_are_those_of_protobuf() {
        let mut message = Message::default();
        message.number("a", 1, 150);
        message.text("b", 2, "testing");
        assert_eq!(message.as_bytes(), b"\x08\x96\x01\x12\x07testing");
    }

    #[test]
    fn what_is_cut_off_is_no_message() {
        for bytes in [
            &b"\x08"[..],
            b"\x12\x07test",
            b"\x0b",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
        assert_eq!(read(b""), Some(Vec::new()));
    }
}
