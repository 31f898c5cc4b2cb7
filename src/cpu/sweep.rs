//! Going over a row in blocks of lanes, and summing what the blocks give in a fixed order.

use super::Element;

/// Classes per block. The loops over a block have no branches, so the compiler makes vectors of
/// them; a short last block is filled with masked classes, which contribute nothing anywhere.
pub(super) const LANES: usize = 16;

/// A block of logits, probabilities or partial sums.
pub(super) type Block = [f32; LANES];

/// The longest stretch of classes that is summed serially; beyond it sums are combined as a tree.
const GROUP: usize = 4096;

/// The block of `row` that starts at class `start`.
#[inline(always)]
pub(super) fn load<E: Element>(row: &[E], start: usize) -> Block {
    let mut block = [f32::NEG_INFINITY; LANES];
    let rest = &row[start..];
    if let Some(full) = rest.first_chunk::<LANES>() {
        for (lane, value) in block.iter_mut().zip(full) {
            *lane = value.to_f32();
        }
    } else {
        for (lane, value) in block.iter_mut().zip(rest) {
            *lane = value.to_f32();
        }
    }
    block
}

/// Writes a block over the classes of `row` from `start` on.
#[inline(always)]
pub(super) fn store<E: Element>(row: &mut [E], start: usize, block: &Block) {
    for (value, &lane) in row[start..].iter_mut().zip(block) {
        *value = E::from_f32(lane);
    }
}

/// `N` sums over the classes `0..classes`: `add` adds the block that starts at its argument.
#[inline(always)]
pub(super) fn sum<const N: usize>(
    classes: usize,
    add: impl Fn(usize, &mut [Block; N]),
) -> [f32; N] {
    if classes <= GROUP {
        group(0, classes, &add)
    } else {
        tree(0, classes, &add)
    }
}

#[inline(always)]
fn group<const N: usize>(
    start: usize,
    end: usize,
    add: &impl Fn(usize, &mut [Block; N]),
) -> [f32; N] {
    let mut sums = [[0.0; LANES]; N];
    for block in (start..end).step_by(LANES) {
        add(block, &mut sums);
    }
    sums.map(across)
}

fn tree<const N: usize>(
    start: usize,
    end: usize,
    add: &impl Fn(usize, &mut [Block; N]),
) -> [f32; N] {
    if end - start <= GROUP {
        return group(start, end, add);
    }
    let middle = start + ((end - start) / 2).next_multiple_of(GROUP);
    let (left, right) = (tree(start, middle, add), tree(middle, end, add));
    std::array::from_fn(|i| left[i] + right[i])
}

/// The sum of a block's lanes, as a tree.
#[inline(always)]
fn across(mut block: Block) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            block[i] += block[i + width];
        }
        width /= 2;
    }
    block[0]
}
