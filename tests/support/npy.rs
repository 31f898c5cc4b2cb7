//! npy files, byte by byte: what the program reads and writes is not tested with its own means.

/// The bytes of numbers on a little-endian machine.
pub(crate) fn bytes<T: bytemuck::NoUninit>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

/// A file with this dictionary, whatever it says.
pub(crate) fn with_header(dictionary: &str, values: Vec<u8>) -> Vec<u8> {
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((dictionary.len() as u16 + 1).to_le_bytes());
    file.extend(dictionary.as_bytes());
    file.push(b'\n');
    file.extend(values);
    file
}

/// An array, the last index running fastest.
pub(crate) fn array(descr: &str, shape: &[u64], values: Vec<u8>) -> Vec<u8> {
    ordered(descr, "False", shape, values)
}

/// An array, the first index running fastest.
pub(crate) fn fortran(descr: &str, shape: &[u64], values: Vec<u8>) -> Vec<u8> {
    ordered(descr, "True", shape, values)
}

fn ordered(descr: &str, fortran_order: &str, shape: &[u64], values: Vec<u8>) -> Vec<u8> {
    let shape: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    let dictionary =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran_order}, 'shape': ({shape}), }}");
    with_header(&dictionary, values)
}

/// A file as it was written.
pub(crate) struct Written {
    pub(crate) descr: String,
    pub(crate) shape: String,
    pub(crate) values: Vec<u8>,
}

/// Takes a file of version 1 apart.
pub(crate) fn read(file: &[u8]) -> Written {
    assert_eq!(&file[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([file[8], file[9]]));
    let (header, values) = file[10..].split_at(length);
    let header = std::str::from_utf8(header).unwrap();
    let between = |start, end| {
        let (_, rest) = header.split_once(start).unwrap();
        rest.split_once(end).unwrap().0.to_owned()
    };
    Written {
        descr: between("'descr': ", ", 'fortran_order': False"),
        shape: between("'shape': ", ", }"),
        values: values.to_vec(),
    }
}

impl Written {
    /// The values as floats of this size.
    pub(crate) fn floats(&self, size: usize) -> Vec<f64> {
        floats(&self.values, size)
    }
}

/// Floats of this size.
pub(crate) fn floats(values: &[u8], size: usize) -> Vec<f64> {
    let float = |bytes: &[u8]| match size {
        4 => f64::from(f32::from_le_bytes(bytes.try_into().unwrap())),
        _ => f64::from_le_bytes(bytes.try_into().unwrap()),
    };
    values.chunks_exact(size).map(float).collect()
}
