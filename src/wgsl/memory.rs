//! Memory of the device, within its limits.

use super::error::Error;

/// A buffer of so many bytes.
pub(super) fn buffer(
    device: &wgpu::Device,
    limits: &wgpu::Limits,
    name: &'static str,
    size: u64,
    usage: wgpu::BufferUsages,
) -> Result<wgpu::Buffer, Error> {
    let most = limits.max_buffer_size;
    if size > most {
        return Err(Error::TooLarge {
            argument: name,
            needed: size,
            limit: "max_buffer_size",
            given: most,
        });
    }
    Ok(device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(name),
        size,
        usage,
        mapped_at_creation: false,
    }))
}

/// A buffer with these bytes in it, which no queue is needed for.
pub(super) fn filled(
    device: &wgpu::Device,
    name: &'static str,
    usage: wgpu::BufferUsages,
    bytes: &[u8],
) -> Result<wgpu::Buffer, Error> {
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(name),
        size: bytes.len() as u64,
        usage,
        mapped_at_creation: true,
    });
    match buffer.get_mapped_range_mut(..) {
        Ok(mut view) => view.copy_from_slice(bytes),
        Err(error) => {
            return Err(Error::Device {
                message: error.to_string(),
            });
        }
    }
    buffer.unmap();
    Ok(buffer)
}
