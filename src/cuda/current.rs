//! The calling thread's current context, which is the caller's: what the engine makes current lasts
//! as long as its call. PyTorch takes the thread's current context for its current device.

use cudarc::driver::result::ctx;
use cudarc::driver::sys::{self, CUcontext};
use cudarc::driver::{CudaContext, DriverError};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr;

/// Puts the context back that was current when this was made, which may be none (a null).
pub(super) struct Current {
    before: CUcontext,
}

impl Current {
    /// Remembers what is current, for calls that make another context current themselves. The driver
    /// must have been initialised.
    pub(super) fn kept() -> Result<Self, DriverError> {
        let before = current()?;
        Ok(Self { before })
    }

    /// Makes this context current for as long as the value lives.
    pub(super) fn of(context: &CudaContext) -> Result<Self, DriverError> {
        let current = Self::kept()?;
        context.bind_to_thread()?;
        Ok(current)
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        if current().is_ok_and(|now| now != self.before) {
            // SAFETY: it was current when this was made, or null, which unbinds. The driver refuses a
            // context that has been destroyed since.
            let _ = unsafe { sys::cuCtxSetCurrent(self.before) };
        }
    }
}

/// What is current, null where nothing is.
fn current() -> Result<CUcontext, DriverError> {
    Ok(ctx::get_current()?.unwrap_or(ptr::null_mut()))
}

/// What cudarc makes: its destructor makes its own context current, this one puts the thread's back.
pub(super) struct Guarded<T>(ManuallyDrop<T>);

impl<T> Guarded<T> {
    pub(super) fn new(value: T) -> Self {
        Self(ManuallyDrop::new(value))
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // Where the driver is gone there is nothing to put back.
        let _current = Current::kept();
        // SAFETY: this is the destructor, after which nothing uses the value.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Default> Default for Guarded<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        T::fmt(self, f)
    }
}
