use super::*;

#[test]
fn parts_are_all_of_a_list_once() {
    let list: Vec<usize> = (0..17).collect();
    let parts = (0..5).map(|index| Shard::new(index, 5).unwrap().of(&list));
    let mut all: Vec<usize> = parts.flatten().collect();
    assert_eq!(all[..4], [0, 5, 10, 15]);
    all.sort_unstable();
    assert_eq!(all, list);
    assert!(Shard::new(19, 20).unwrap().of(&list).is_empty());
}

#[test]
fn there_are_no_parts_beyond_the_last_and_not_too_many() {
    for (index, count) in [(5, 5), (0, 0), (0, MAX_SHARDS + 1)] {
        assert!(matches!(Shard::new(index, count), Err(ShardError::Number { .. })));
    }
    assert_eq!(Shard::new(0, MAX_SHARDS).unwrap().to_string(), "0/500");
}
