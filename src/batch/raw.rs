//! Batches by address: of the host's memory for the CPU engine, of a device's for CUDA. What other
//! languages have of a batch is its addresses.

use super::builder::{feature_batch, row_batch};
use super::element::Element;
use crate::spec::Format;

/// An address of the host or of a device: a number, or a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub(crate) u64);

impl From<u64> for Address {
    fn from(address: u64) -> Self {
        Self(address)
    }
}

impl<T> From<*const T> for Address {
    fn from(pointer: *const T) -> Self {
        Self(pointer.expose_provenance() as u64)
    }
}

impl<T> From<*mut T> for Address {
    fn from(pointer: *mut T) -> Self {
        Self(pointer.expose_provenance() as u64)
    }
}

/// An address with the type of what lies there, which a plan is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypedAddress {
    pub(crate) address: Address,
    pub(crate) format: Format,
}

impl From<(u64, Format)> for TypedAddress {
    fn from((address, format): (u64, Format)) -> Self {
        let address = address.into();
        Self { address, format }
    }
}

impl<E: Element> From<*const E> for TypedAddress {
    fn from(pointer: *const E) -> Self {
        let (address, format) = (pointer.into(), E::FORMAT);
        Self { address, format }
    }
}

impl<E: Element> From<*mut E> for TypedAddress {
    fn from(pointer: *mut E) -> Self {
        let (address, format) = (pointer.into(), E::FORMAT);
        Self { address, format }
    }
}

row_batch! {
    /// A batch of logits by address: what a call reads and writes.
    ///
    /// Logits need no more alignment than their elements have; everything else is aligned to 4 bytes,
    /// the workspace to 16.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct RawBatch[][] {
        student: impl Into<TypedAddress> => TypedAddress,
        written: impl Into<TypedAddress> => TypedAddress,
        teacher: impl Into<TypedAddress> => TypedAddress,
        labels: impl Into<Address> => Address,
        floats: impl Into<Address> => Address,
        scalar: impl Into<Address> => Address,
        stats: impl Into<Address> => Address,
        total: impl Into<Address> => Address,
        workspace: impl Into<Address> => Address,
    }
}

feature_batch! {
    /// A batch of features by address: what a call reads and writes.
    ///
    /// Features need no more alignment than their elements have; everything else is aligned to 4 bytes,
    /// the workspace to 16.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct RawFeatureBatch[][] {
        student: impl Into<TypedAddress> => TypedAddress,
        written: impl Into<TypedAddress> => TypedAddress,
        target: impl Into<TypedAddress> => TypedAddress,
        floats: impl Into<Address> => Address,
        scalar: impl Into<Address> => Address,
        distances: impl Into<Address> => Address,
        total: impl Into<Address> => Address,
        workspace: impl Into<Address> => Address,
    }
}
