//! Fields of protocol buffers, written one after the other.
//!
//! Source: protobuf.dev, "Encoding".

use levqor_model::put_varint;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;

/// A message as it is written.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn bytes(&mut self, field: u64, value: &[u8]) {
        self.head(field, BYTES);
        put_varint(value.len() as u64, &mut self.0);
        self.0.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, field: u64, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    pub(super) fn message(&mut self, field: u64, write: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    pub(super) fn number(&mut self, field: u64, value: u64) {
        self.head(field, VARINT);
        put_varint(value, &mut self.0);
    }

    pub(super) fn fixed64(&mut self, field: u64, value: u64) {
        self.head(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn double(&mut self, field: u64, value: f64) {
        self.fixed64(field, value.to_bits());
    }

    /// Repeated numbers of eight bytes, packed.
    pub(super) fn all_fixed64(&mut self, field: u64, values: impl ExactSizeIterator<Item = u64>) {
        self.head(field, BYTES);
        put_varint(values.len() as u64 * 8, &mut self.0);
        values.for_each(|value| self.0.extend_from_slice(&value.to_le_bytes()));
    }

    fn head(&mut self, field: u64, kind: u64) {
        put_varint((field << 3) | kind, &mut self.0);
    }
}
