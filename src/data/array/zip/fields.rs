//! Fields of a zip record, one after the other.

use crate::data::array::error::Problem;

/// What is left of a record.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// Steps over `signature`.
    pub(super) fn expect(&mut self, signature: &[u8; 4], what: &str) -> Result<(), Problem> {
        match self.bytes(4)? == signature {
            true => Ok(()),
            false => Err(Problem::damaged(format_args!(
                "{what} is not where it should be"
            ))),
        }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Problem> {
        let (bytes, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| Problem::damaged("a record of its directory is cut short"))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Problem> {
        Ok(self.number(2)? as u16)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Problem> {
        Ok(self.number(4)? as u32)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Problem> {
        self.number(8)
    }

    /// A number of so many bytes, the lowest first.
    fn number(&mut self, size: usize) -> Result<u64, Problem> {
        let bytes = self.bytes(size)?.iter().rev();
        Ok(bytes.fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }
}
