//! Whole numbers in few bytes: seven bits in each, the lowest first (LEB128).

/// Bytes of the longest one.
const BYTES_MAX: usize = 10;

pub fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes one from the front. None: there is none, or it is longer than a number can be.
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in 0..BYTES_MAX {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        let shifted = bits << (7 * place);
        if shifted >> (7 * place) != bits {
            return None;
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_survives(number in any::<u64>(), rest in prop::collection::vec(any::<u8>(), 0..4)) {
            let mut bytes = Vec::new();
            put_varint(number, &mut bytes);
            prop_assert!(bytes.len() <= BYTES_MAX);
            bytes.extend(&rest);
            let mut left = bytes.as_slice();
            prop_assert_eq!(take_varint(&mut left), Some(number));
            prop_assert_eq!(left, rest.as_slice());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..16)) {
            let mut left = bytes.as_slice();
            while take_varint(&mut left).is_some() {}
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for bytes in [&[][..], &[0x80], &[0xff; 10], &[0xff; 11]] {
            assert_eq!(take_varint(&mut &*bytes), None, "{bytes:?}");
        }
    }
}
