//! npz and safetensors files, byte by byte.

/// An npz file of members that are stored as they are.
pub(crate) fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut file, mut directory) = (vec![], vec![]);
    for (name, bytes) in members {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let length = (bytes.len() as u32).to_le_bytes();
        // Flags, method, time and date are 0; the name is the only thing of variable length.
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc.sum().to_le_bytes(),
            &length,
            &length,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        let offset = (file.len() as u32).to_le_bytes();
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend([&common[..], &[0; 10], &offset, name.as_bytes()].concat());
        file.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
    }
    let count = (members.len() as u16).to_le_bytes();
    let [length, start] = [directory.len(), file.len()].map(|n| (n as u32).to_le_bytes());
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([&count[..], &count, &length, &start, &[0, 0]].concat());
    file
}

/// A safetensors file of tensors: name, type, shape, values.
pub(crate) fn safetensors(tensors: &[(&str, &str, &[u64], Vec<u8>)]) -> Vec<u8> {
    let mut values = vec![];
    let mut entries = vec![];
    for (name, dtype, shape, bytes) in tensors {
        let (from, to) = (values.len(), values.len() + bytes.len());
        let (shape, offsets) = (format!("{shape:?}"), format!("[{from},{to}]"));
        let types = format!(r#""dtype":"{dtype}","shape":{shape}"#);
        entries.push(format!(r#""{name}":{{{types},"data_offsets":{offsets}}}"#));
        values.extend(bytes);
    }
    let header = format!("{{{}}}", entries.join(","));
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &values].concat()
}
