//! Labels beside the ends of lines, none over another.

/// Moves places apart until each has `gap` to the next, as little as can be, and keeps them between
/// `top` and `bottom` as long as there is room. They come back in the order that they were given in.
pub(super) fn spread(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    // Without the gaps that those above take, places need only not descend: neighbours that do are
    // joined to a block at their mean.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for (rank, at) in order.iter().enumerate() {
        let mut block = (wanted[*at] - rank as f64 * gap, 1);
        while let Some(above) = blocks.pop_if(|above| above.0 > block.0) {
            let sum = above.0 * above.1 as f64 + block.0 * block.1 as f64;
            let count = above.1 + block.1;
            block = (sum / count as f64, count);
        }
        blocks.push(block);
    }
    let lowest = bottom - wanted.len().saturating_sub(1) as f64 * gap;
    let mut places = vec![0.0; wanted.len()];
    let free = blocks
        .iter()
        .flat_map(|(place, count)| std::iter::repeat_n(*place, *count));
    for (rank, (at, place)) in order.into_iter().zip(free).enumerate() {
        places[at] = place.min(lowest).max(top) + rank as f64 * gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_are_apart_stay() {
        assert_eq!(spread(&[50.0, 10.0], 20.0, 0.0, 100.0), [50.0, 10.0]);
        assert!(spread(&[], 20.0, 0.0, 100.0).is_empty());
    }

    #[test]
    fn places_too_close_move_apart_by_the_same() {
        assert_eq!(spread(&[50.0, 50.0], 20.0, 0.0, 100.0), [40.0, 60.0]);
        let places = spread(&[50.0, 52.0, 48.0], 20.0, 0.0, 100.0);
        assert_eq!(places, [50.0, 70.0, 30.0]);
    }

    #[test]
    fn places_stay_between_top_and_bottom() {
        assert_eq!(spread(&[1.0, 2.0], 20.0, 0.0, 100.0), [0.0, 20.0]);
        assert_eq!(spread(&[98.0, 99.0], 20.0, 0.0, 100.0), [80.0, 100.0]);
    }

    #[test]
    fn no_two_places_are_closer_than_the_gap() {
        let wanted = [3.0, 90.0, 91.0, 20.0, 21.0, 22.0, 60.0, 60.0];
        let mut places = spread(&wanted, 12.0, 0.0, 100.0);
        places.sort_by(f64::total_cmp);
        assert!(
            places.windows(2).all(|two| two[1] - two[0] > 11.999),
            "{places:?}"
        );
        assert!(places[0] >= 0.0 && places[7] <= 100.001, "{places:?}");
    }
}
