//! Files that are wrong.

use super::F4;
use super::files::*;

/// What is wrong, the file, a key, and what the error has to say.
pub(super) type Wrong = (
    &'static str,
    Vec<u8>,
    Option<&'static str>,
    &'static [&'static str],
);

pub(super) fn all() -> Vec<Wrong> {
    [members(), keys(), directories(), arrays(), tensors()].concat()
}

fn stored() -> Member {
    Member::stored("a.npy", &good())
}

fn deflated() -> Member {
    Member::deflated("a.npy", &good())
}

/// Without its last bytes.
fn cut(mut file: Vec<u8>, bytes: usize) -> Vec<u8> {
    file.truncate(file.len() - bytes);
    file
}

/// A member of an archive contradicts the directory, or is packed in other ways.
fn members() -> Vec<Wrong> {
    let changed = |mut member: Member, change: fn(&mut Member)| {
        change(&mut member);
        zip(&[member])
    };
    let stored = |change| changed(stored(), change);
    let deflated = |change| changed(deflated(), change);
    let zeros = npy("|u1", "(200000000,)", &[]);
    let bomb = zip(&[Member {
        bytes: deflate(&[zeros.clone(), vec![0; 1 << 20]].concat()),
        unpacked: 200_000_000 + zeros.len() as u64,
        ..Member::deflated("a.npy", &[])
    }]);
    let mut longer = zip(&[Member::stored("a.npy", &good())]);
    longer[26..28].fill(0xff);
    let wrong_npy = Member::stored("a.npy", &npy("<f4", "(4,)", &[0; 12]));
    vec![
        ("bomb", bomb, None, &["`a.npy` unpacks from", "more than"]),
        ("checksum", stored(|m| m.crc ^= 1), None, &["CRC-32"]),
        ("deflated", deflated(|m| m.crc ^= 1), None, &["CRC-32"]),
        (
            "shorter",
            deflated(|m| m.unpacked -= 1),
            None,
            &["11 follow"],
        ),
        (
            "longer",
            deflated(|m| m.unpacked += 1),
            None,
            &["13 follow"],
        ),
        (
            "unpacks to more",
            deflated(|m| m.bytes = deflate(&[good(), vec![0]].concat())),
            None,
            &["to more bytes"],
        ),
        (
            "unpacks to fewer",
            deflated(|m| m.bytes = deflate(&cut(good(), 1))),
            None,
            &["to fewer bytes"],
        ),
        (
            "two sizes",
            stored(|m| m.unpacked += 1),
            None,
            &["is stored in"],
        ),
        (
            "no stream",
            deflated(|m| m.bytes.fill(0xff)),
            None,
            &["deflate"],
        ),
        (
            "cut stream",
            deflated(|m| m.bytes.truncate(30)),
            None,
            &["again"],
        ),
        (
            "encrypted",
            stored(|m| m.flags = 1),
            None,
            &["is encrypted"],
        ),
        (
            "strongly",
            deflated(|m| m.flags = 1 << 6),
            None,
            &["encrypted"],
        ),
        (
            "bzip2",
            stored(|m| m.method = 12),
            None,
            &["bzip2", "savez"],
        ),
        ("method 77", stored(|m| m.method = 77), None, &["method 77"]),
        (
            "two names",
            stored(|m| m.local_name = "b.npy"),
            None,
            &["something else"],
        ),
        (
            "name beyond the file",
            longer,
            None,
            &["into the directory"],
        ),
        (
            "stored, 1 TiB",
            stored(|m| (m.wide, m.unpacked) = (true, 1 << 40)),
            None,
            &["is stored in"],
        ),
        (
            "deflated, 16 EiB",
            deflated(|m| (m.wide, m.unpacked) = (true, u64::MAX)),
            None,
            &["unpacks from"],
        ),
        (
            "text",
            zip(&[Member::stored("a.npy", b"text")]),
            None,
            &["magic number of an npy"],
        ),
        (
            "values",
            zip(&[wrong_npy]),
            None,
            &["16 bytes", "12 follow"],
        ),
    ]
}

/// The key leads to no array.
fn keys() -> Vec<Wrong> {
    let b = || Member::stored("b.npy", &good());
    let pickle = Member::stored("archive/data.pkl", b"\x80\x02.");
    let text = Member::stored("readme.txt", b"text");
    let many = ["0.npy", "1.npy", "2.npy", "3.npy", "4.npy"];
    let many = [many, ["5.npy", "6.npy", "7.npy", "8.npy", "9.npy"]].concat();
    let many: Vec<Member> = many.iter().map(|name| Member::stored(name, &[])).collect();
    let escapes = ["a\u{1b}[2J\u{202e}.npy", "b.npy"].map(|name| Member::stored(name, &[]));
    let twice = [stored(), b(), deflated()];
    vec![
        ("twice", zip(&twice), Some("b"), &["`a.npy` twice"]),
        (
            "checkpoint",
            zip(&[pickle, stored()]),
            None,
            &["PyTorch checkpoint", "numpy.save or safetensors"],
        ),
        ("no array", zip(&[text]), None, &["holds no array"]),
        ("no member", zip(&[]), None, &["holds no array"]),
        (
            "no such key",
            zip(&[stored(), b()]),
            Some("c"),
            &["no array `c`", "`a`, `b`"],
        ),
        (
            "several",
            zip(&[stored(), b()]),
            None,
            &["2 arrays: `a`, `b`", "FILE:a"],
        ),
        ("many", zip(&many), None, &["10 arrays", "`7` and 2 more"]),
        ("escapes", zip(&escapes), None, &["`a\u{fffd}[2J\u{fffd}`"]),
    ]
}

/// The directory of an archive, or the end of it.
fn directories() -> Vec<Wrong> {
    let members = &[stored()];
    let (whole, start, length) = body(members);
    let ended = |count, length, start| [whole.clone(), end(count, length, start, b"")].concat();
    let mut part = zip(members);
    let disk = part.len() - 18;
    part[disk] = 1;
    vec![
        (
            "cut",
            cut(zip(members), 1),
            None,
            &["without an end", "write it again"],
        ),
        (
            "only its start",
            b"PK\x03\x04 an archive".to_vec(),
            None,
            &["without an end"],
        ),
        (
            "count",
            ended(2, length, start),
            None,
            &["promises 2 members", "has 1"],
        ),
        ("beyond", ended(1, length, start + 9), None, &["beyond"]),
        (
            "elsewhere",
            ended(1, length - 9, start + 9),
            None,
            &["not where it should be"],
        ),
        (
            "cut short",
            ended(1, length - 9, start),
            None,
            &["cut short"],
        ),
        (
            "wide, beyond",
            wide_zip(members, 1 << 40),
            None,
            &["beyond"],
        ),
        (
            "wide, elsewhere",
            wide_zip(members, u64::MAX),
            None,
            &["not where it should be"],
        ),
        ("several disks", part, None, &["one part of several"]),
    ]
}

/// Files of one array, and files of other kinds.
fn arrays() -> Vec<Wrong> {
    let axes = format!("({})", "1,".repeat(65));
    let large = [0.0, 1e300_f64].map(f64::to_le_bytes).concat();
    let huge = gzip(&npy("<f4", "(1099511627776,)", &[0; 64]));
    let mut wrong_sum = gzip(&good());
    let sum = wrong_sum.len() - 5;
    wrong_sum[sum] ^= 1;
    let header = b"\x93NUMPY\x01\x00\x80\x00{".to_vec();
    vec![
        ("empty", vec![], None, &["is empty", "numpy.save"]),
        ("text", b"1,2,3\n4,5,6\n".to_vec(), None, &["magic number"]),
        ("pickle", b"\x80\x04\x95 object".to_vec(), None, &["pickle"]),
        ("HDF5", b"\x89HDF\r\n\x1a\n....".to_vec(), None, &["HDF5"]),
        ("key of npy", good(), Some("a"), &["no key", "colon"]),
        ("key of gzip", gzip(&good()), Some("a"), &["no key"]),
        ("cut", cut(good(), 1), None, &["12 bytes", "11 follow"]),
        ("header cut", header, None, &["header cannot be read"]),
        ("axes", npy("<f4", &axes, &[0; 4]), None, &["65 axes"]),
        ("gzip of text", gzip(b"text"), None, &["of an npy"]),
        (
            "gzip claims much",
            huge,
            None,
            &["4398046511104 bytes", "may unpack to"],
        ),
        ("gzip, sum", wrong_sum, None, &["checksum"]),
        (
            "gzip, more",
            gzip(&[good(), vec![0]].concat()),
            None,
            &["more bytes follow"],
        ),
        ("gzip, fewer", gzip(&cut(good(), 1)), None, &["again"]),
        ("gzip cut", cut(gzip(&good()), 3), None, &["again"]),
        (
            "integers",
            npy("<i4", "(3,)", &[0; 12]),
            None,
            &["<i4", "not floats", ".astype('f4')"],
        ),
        ("raw", npy("|V2", "(1,)", &[0; 2]), None, &["|V2", "bf16"]),
        ("complex", npy("<c8", "()", &[0; 8]), None, &["<c8"]),
        (
            "beyond f4",
            npy("<f8", "(1, 2)", &large),
            None,
            &["row 0, column 1", "1e300", "range of f4"],
        ),
    ]
}

/// Files of safetensors.
fn tensors() -> Vec<Wrong> {
    const BROKEN: &[&str] = &["not that of safetensors", "write it again"];
    let with = |header: &str| safetensors(header, &[0; 12]);
    let changed = |from: &str, to: &str| with(&F4.replace(from, to));
    let twice = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
        "a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#;
    let axes = format!("[3{}]", ",1".repeat(64));
    let long = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    let small = F4.replace("F32", "F8_E4M3").replace("[3]", "[12]");
    vec![
        ("cut", cut(with(F4), 1), None, &["12 bytes", "11 follow"]),
        (
            "more",
            safetensors(F4, &[0; 13]),
            None,
            &["12 bytes", "13 follow"],
        ),
        (
            "long header",
            long,
            None,
            &["18446744073709551615 bytes", "2 follow"],
        ),
        ("no JSON", with("{nonsense"), None, BROKEN),
        ("nested", with(&r#"{"a":"#.repeat(5000)), None, BROKEN),
        ("twice", with(twice), None, &["`a` is there twice"]),
        ("hole", changed("[0,12]", "[4,16]"), None, BROKEN),
        ("other size", changed("[3]", "[4]"), None, BROKEN),
        (
            "overflow",
            changed("[3]", "[4294967296,4294967296]"),
            None,
            BROKEN,
        ),
        ("axes", changed("[3]", &axes), None, &["65 axes"]),
        (
            "unknown type",
            changed("F32", "F\\u001b[2J"),
            None,
            &["\u{fffd}[2J"],
        ),
        ("small type", with(&small), None, &["F8_E4M3", "not floats"]),
        (
            "integers",
            changed("F32", "I32"),
            None,
            &["i4", "not floats"],
        ),
        ("no such key", with(F4), Some("b"), &["no array `b`", "`a`"]),
        ("no tensor", safetensors("{}", &[]), None, &["no array"]),
        (
            "escapes",
            changed("\"a\"", "\"a\\u001b[2J\""),
            Some("b"),
            &["`a\u{fffd}[2J`"],
        ),
    ]
}
