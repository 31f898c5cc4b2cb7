//! As much of Protocol Buffers' wire format as an ONNX file takes: fields are numbers, texts, bytes and
//! messages (protobuf.dev, "Encoding").

/// A message that is being written.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn number(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    pub(super) fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(super) fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn message(self, field: u32, message: Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// A field that is given once for each message.
    pub(super) fn messages(self, field: u32, messages: impl IntoIterator<Item = Self>) -> Self {
        let add = |all: Self, message| all.message(field, message);
        messages.into_iter().fold(self, add)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Protocol Buffers' own documentation.
    #[test]
    fn fields_as_documented() {
        let bytes = |message: Message| message.into_bytes();
        assert_eq!(bytes(Message::default().number(1, 150)), [0x08, 0x96, 0x01]);
        let testing = b"\x12\x07testing";
        assert_eq!(bytes(Message::default().text(2, "testing")), testing);
        let inner = Message::default().number(1, 150);
        let outer = Message::default().message(3, inner);
        assert_eq!(bytes(outer), [0x1a, 0x03, 0x08, 0x96, 0x01]);
    }
}
