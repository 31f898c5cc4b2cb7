//! What docs/embedding.md shows stands in the examples, which are compiled.

const PAGE: &str = include_str!("../../docs/embedding.md");

#[test]
fn the_page_shows_the_examples() {
    let examples = [
        include_str!("../../examples/embed_cpu.rs"),
        include_str!("../../examples/embed_raw.rs"),
        include_str!("../../examples/embed_cuda.rs"),
        include_str!("../../examples/embed_wgpu.rs"),
    ];
    let blocks = PAGE.split("```rust\n").skip(1);
    let blocks: Vec<&str> = blocks
        .filter_map(|b| Some(b.split_once("```")?.0))
        .collect();
    assert_eq!(blocks.len(), examples.len());
    for (block, example) in blocks.into_iter().zip(examples) {
        let lines: Vec<&str> = example.lines().map(str::trim).collect();
        for line in block.lines() {
            assert!(lines.contains(&line.trim()), "no example has: {line}");
        }
    }
}
