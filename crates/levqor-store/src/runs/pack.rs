//! How what is kept but seldom read is packed: lengths and bytes, compressed as one block.
//!
//! A block begins with a byte that says how it is packed, so that later builds can pack otherwise and still read it:
//! `0` as it is, `1` LZ4 with the first dictionary. The dictionary holds the words that all journals have in common; without it
//! the block of a short run would hardly be smaller than the run.

use std::borrow::Cow;

use lz4_flex::block;

const PLAIN: u8 = 0;
const LZ4_1: u8 = 1;

/// LZ4 never makes a block smaller than this share of its contents: more is damage, and must not cost memory.
const RATIO_MAX: usize = 256;

/// Part of the stored form: never edited; a better one is a new kind of block.
const DICTIONARY_1: &[u8] = include_bytes!("dictionary_1.txt");

/// Makes a block.
pub(super) fn pack(contents: &[u8]) -> Vec<u8> {
    let packed = block::compress_with_dict(contents, DICTIONARY_1);
    if packed.len() + 5 > contents.len() {
        return [&[PLAIN], contents].concat();
    }
    let mut out = Vec::with_capacity(packed.len() + 5);
    out.push(LZ4_1);
    put_number(&mut out, contents.len() as u64);
    out.extend_from_slice(&packed);
    out
}

/// The contents of a block, or what is wrong with it.
pub(super) fn unpack(packed: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    match packed.split_first() {
        Some((&PLAIN, contents)) => Ok(Cow::Borrowed(contents)),
        Some((&LZ4_1, rest)) => {
            let mut reader = Reader(rest);
            let length = reader.length()?;
            if length > reader.0.len().saturating_mul(RATIO_MAX) {
                return Err("it claims to hold more than it can".to_owned());
            }
            block::decompress_with_dict(reader.0, length, DICTIONARY_1)
                .map(Cow::Owned)
                .map_err(|error| error.to_string())
        }
        Some((kind, _)) => Err(format!("blocks of kind {kind} are unknown to this build")),
        None => Err("it is empty".to_owned()),
    }
}

/// Seven bits to a byte, the lowest first.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Small ones of either sign stay short.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads what was put, in order.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn number(&mut self) -> Result<u64, String> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or("it ends too early")?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number in it has no end".to_owned())
    }

    pub(super) fn signed(&mut self) -> Result<i64, String> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn text(&mut self) -> Result<&'a str, String> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at_checked(length).ok_or("it ends too early")?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| "a text in it is not UTF-8".to_owned())
    }

    fn length(&mut self) -> Result<usize, String> {
        usize::try_from(self.number()?).map_err(|_| "a length in it is out of range".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_journal_becomes_much_shorter() {
        let entry = concat!(
            r#"[{"event":"started","at":"2026-11-24T06:48:21.000001Z","run":"run_01KATJ3GWF0000000000000000","#,
            r#""input":{"order":7},"seed":81985529216486895},{"event":"effect_ended","#,
            r#""at":"2026-11-24T06:48:21.000009Z","effect":1,"outcome":{"output":{"ok":true}}}]"#
        );
        let packed = pack(entry.as_bytes());
        assert_eq!(unpack(&packed).unwrap(), entry.as_bytes());
        assert!(packed.len() * 2 < entry.len(), "{} of {}", packed.len(), entry.len());
    }

    #[test]
    fn damage_is_an_error_and_costs_no_memory() {
        let mut huge = vec![LZ4_1];
        put_number(&mut huge, u64::MAX / 2);
        huge.extend([0; 16]);
        let mut cut = pack("the same again, ".repeat(100).as_bytes());
        cut.truncate(cut.len() - 3);
        for block in [&[][..], &[9, 1, 2], &[LZ4_1], &huge, &cut] {
            assert!(unpack(block).is_err(), "{block:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(contents in proptest::collection::vec(any::<u8>(), 0..2_000), times in 1..20_usize) {
            let contents = contents.repeat(times);
            prop_assert_eq!(unpack(&pack(&contents)).unwrap().into_owned(), contents);
        }

        #[test]
        fn nothing_that_is_unpacked_panics(block in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&block);
        }

        #[test]
        fn numbers_and_texts_are_read_back(number: u64, signed: i64, text: String) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            put_signed(&mut out, signed);
            put_text(&mut out, &text);
            let mut reader = Reader(&out);
            prop_assert_eq!(reader.number(), Ok(number));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.text(), Ok(text.as_str()));
            prop_assert!(reader.is_at_end());
        }
    }
}
