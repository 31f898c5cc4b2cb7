//! The order of an array's values.

/// Values whose first index runs fastest, in the order in which the last one does.
pub(super) fn last_index_fastest<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
    // An axis of length 1 moves nothing.
    let axes: Vec<usize> = shape.iter().copied().filter(|&axis| axis != 1).collect();
    let place = |mut index: usize| {
        let (mut place, mut stride) = (0, values.len());
        for &axis in axes.iter().rev() {
            stride /= axis;
            place += index % axis * stride;
            index /= axis;
        }
        values[place]
    };
    (0..values.len()).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_two_and_three_axes_change_places() {
        assert_eq!(
            last_index_fastest(&[1, 4, 2, 5, 3, 6], &[2, 3]),
            [1, 2, 3, 4, 5, 6]
        );
        // The value at (i, j, k) is 100 i + 10 j + k.
        let value = |i, j, k| 100 * i + 10 * j + k;
        let mut first = Vec::new();
        let mut last = Vec::new();
        for k in 0..4 {
            for j in 0..3 {
                first.extend((0..2).map(|i| value(i, j, k)));
            }
        }
        for i in 0..2 {
            for j in 0..3 {
                last.extend((0..4).map(|k| value(i, j, k)));
            }
        }
        assert_eq!(last_index_fastest(&first, &[2, 3, 1, 4]), last);
        assert!(last_index_fastest::<u8>(&[], &[2, 0, 3]).is_empty());
        assert_eq!(last_index_fastest(&[7], &[]), [7]);
    }
}
