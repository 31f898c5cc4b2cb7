//! Numbers as bytes.

use half::{bf16, f16};
use std::io::{self, Read, Write};

/// A number that an array can hold.
pub(crate) trait Value: Copy {
    /// Its type as this program writes it.
    const DESCR: &'static str;
    const SIZE: usize;

    /// Its [`SIZE`](Self::SIZE) bytes, the lowest first.
    fn from_le(bytes: &[u8]) -> Self;

    fn write(self, out: &mut impl Write) -> io::Result<()>;
}

macro_rules! values {
    ($($value:ty: $descr:literal),*) => {
        $(impl Value for $value {
            const DESCR: &'static str = $descr;
            const SIZE: usize = size_of::<$value>();

            fn from_le(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<$value>()];
                array.copy_from_slice(bytes);
                Self::from_le_bytes(array)
            }

            fn write(self, out: &mut impl Write) -> io::Result<()> {
                out.write_all(&self.to_le_bytes())
            }
        })*
    };
}

values!(
    i8: "|i1", i16: "<i2", i32: "<i4", i64: "<i8",
    u8: "|u1", u16: "<u2", u32: "<u4", u64: "<u8",
    bf16: "<V2", f16: "<f2", f32: "<f4", f64: "<f8"
);

/// Reads `count` numbers, a buffer at a time. Memory for all of them is asked for at once only where
/// the file is known to hold them.
pub(super) fn read<T: Value>(
    file: &mut impl Read,
    count: usize,
    big_endian: bool,
    is_stored: bool,
) -> io::Result<Vec<T>> {
    const AT_A_TIME: usize = 8192;
    let mut values = Vec::new();
    if is_stored {
        values.try_reserve_exact(count)?;
    }
    let mut buffer = vec![0; T::SIZE * count.min(AT_A_TIME)];
    while values.len() < count {
        let now = (count - values.len()).min(AT_A_TIME);
        let bytes = &mut buffer[..T::SIZE * now];
        file.read_exact(bytes)?;
        if big_endian {
            bytes.chunks_exact_mut(T::SIZE).for_each(<[u8]>::reverse);
        }
        values.try_reserve(now)?;
        values.extend(bytes.chunks_exact(T::SIZE).map(T::from_le));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_either_byte_order_across_buffers() {
        let numbers: Vec<i32> = (0..20_000).map(|i| i * 99_991 - 7).collect();
        for big_endian in [false, true] {
            let bytes: Vec<u8> = numbers
                .iter()
                .flat_map(|n| {
                    if big_endian {
                        n.to_be_bytes()
                    } else {
                        n.to_le_bytes()
                    }
                })
                .collect();
            for is_stored in [false, true] {
                let mut file = &bytes[..];
                let back = read::<i32>(&mut file, numbers.len(), big_endian, is_stored);
                assert_eq!(back.unwrap(), numbers);
            }
            let more = read::<i32>(&mut &bytes[..], numbers.len() + 1, big_endian, true);
            assert_eq!(more.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
