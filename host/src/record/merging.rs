//! Properties of positions: in whatever order and however often they are put together, the same comes out, and nothing
//! that was handled is handled again.

use proptest::prelude::*;

use super::Positions;

fn pairs() -> impl Strategy<Value = Vec<(i32, i64)>> {
    // Few partitions, so that they meet; offsets to the ends of their range.
    let next = prop_oneof![0..10i64, Just(i64::MIN), Just(i64::MAX), any::<i64>()];
    proptest::collection::vec((-2..4i32, next), 0..8)
}

fn positions() -> impl Strategy<Value = Positions> {
    pairs().prop_map(|pairs| {
        let mut positions = Positions::default();
        pairs.iter().for_each(|(partition, next)| positions.set_next(*partition, *next));
        positions
    })
}

fn merged(all: &[&Positions]) -> Positions {
    let mut sum = Positions::default();
    all.iter().for_each(|positions| sum.merge(positions));
    sum
}

proptest! {
    #[test]
    fn merging_is_commutative_associative_and_idempotent(a in positions(), b in positions(), c in positions()) {
        prop_assert_eq!(merged(&[&a, &b]), merged(&[&b, &a]));
        prop_assert_eq!(merged(&[&a, &merged(&[&b, &c])]), merged(&[&merged(&[&a, &b]), &c]));
        prop_assert_eq!(merged(&[&a, &a]), a.clone());
        prop_assert_eq!(merged(&[&a, &b, &a]), merged(&[&a, &b]));
    }

    #[test]
    fn merging_never_moves_backwards_and_makes_nothing_up(a in positions(), b in positions()) {
        let both = merged(&[&a, &b]);
        for partition in -2..4 {
            let larger = a.next_offset(partition).max(b.next_offset(partition));
            prop_assert_eq!(both.next_offset(partition), larger);
        }
    }

    #[test]
    fn advancing_never_moves_backwards(start in positions(), offsets in pairs()) {
        let mut moved = start.clone();
        for (partition, offset) in offsets {
            let before = moved.next_offset(partition);
            moved.advance(partition, offset);
            prop_assert!(moved.next_offset(partition) >= before);
            prop_assert!(moved.next_offset(partition) >= Some(offset));
        }
        prop_assert_eq!(merged(&[&start, &moved]), moved);
    }

    #[test]
    fn collecting_pairs_is_merging_them(pairs in pairs()) {
        let mut one_by_one = Positions::default();
        for (partition, next) in &pairs {
            one_by_one.set_next(*partition, *next);
        }
        let reversed: Positions = pairs.iter().rev().copied().collect();
        prop_assert_eq!(pairs.into_iter().collect::<Positions>(), one_by_one.clone());
        prop_assert_eq!(reversed, one_by_one.clone());
        prop_assert_eq!(one_by_one.iter().collect::<Positions>(), one_by_one);
    }
}
