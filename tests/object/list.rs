//! What a list does, in one process.

use crossdock::object::ObjectError;

use crate::list;

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn values_are_pushed_and_popped_at_the_end() {
    let (_segment, list) = list(10);
    assert_eq!(
        (list.pop(), list.get(0), list.len()),
        (Ok(None), Ok(None), 0)
    );
    list.push(&"a".into()).unwrap();
    list.extend(texts(&["b", "c"])).unwrap();
    assert_eq!((list.len(), list.get(2)), (3, Ok(Some("c".into()))));
    assert_eq!(list.pop(), Ok(Some("c".into())));
    assert_eq!(list.get(2), Ok(None));
    assert_eq!(list.snapshot(), Ok(texts(&["a", "b"])));
    assert_eq!(format!("{list:?}"), r#"["a", "b"]"#);
}

#[test]
fn values_are_changed_where_they_are() {
    let (_segment, list) = list(10);
    list.extend(texts(&["a", "b", "c"])).unwrap();
    assert_eq!(
        (list.set(1, &"x".into()), list.set(3, &"y".into())),
        (Ok(true), Ok(false))
    );
    assert_eq!(
        list.update(0, |value| {
            value.push('!');
            value.len()
        }),
        Ok(Some(2))
    );
    assert_eq!(list.update(3, |_| ()), Ok(None));
    assert_eq!(
        (list.insert(1, &"i".into()), list.insert(9, &"j".into())),
        (Ok(true), Ok(false))
    );
    assert_eq!(list.insert(4, &"end".into()), Ok(true));
    assert_eq!(list.snapshot(), Ok(texts(&["a!", "i", "x", "c", "end"])));
    assert_eq!(
        (list.remove(1), list.remove(9)),
        (Ok(Some("i".into())), Ok(None))
    );
    assert_eq!(list.slice(1..), Ok(texts(&["x", "c", "end"])));
    assert_eq!(list.slice(..=1), Ok(texts(&["a!", "x"])));
    assert_eq!(
        (list.slice(2..99), list.slice(7..)),
        (Ok(texts(&["c", "end"])), Ok(vec![]))
    );
    list.sort().unwrap();
    assert_eq!(list.snapshot(), Ok(texts(&["a!", "c", "end", "x"])));
    list.sort_by(|one, other| other.cmp(one)).unwrap();
    list.retain(|value| value.len() == 1).unwrap();
    assert_eq!(
        list.iter().collect::<Result<Vec<_>, _>>(),
        Ok(texts(&["x", "c"]))
    );
    list.clear().unwrap();
    assert!(list.is_empty() && list.slice(..) == Ok(vec![]));
}

#[test]
fn a_closure_may_change_the_same_list() {
    let (_segment, list) = list(10);
    list.extend(texts(&["b", "a"])).unwrap();
    let mut calls = 0;
    list.sort_by(|one, other| {
        calls += 1;
        if calls == 1 {
            list.push(&"0".into()).unwrap();
        }
        one.cmp(other)
    })
    .unwrap();
    assert_eq!(list.snapshot(), Ok(texts(&["0", "a", "b"])), "sorted again");
}

#[test]
fn a_full_list_takes_all_or_none() {
    let (_segment, list) = list(10);
    let more = list.extend((0..100).map(|number| number.to_string()));
    assert!(matches!(more, Err(ObjectError::Full { .. })), "{more:?}");
    assert_eq!((list.len(), list.get(0)), (0, Ok(None)));
    for _ in 0..30 {
        list.extend((0..10).map(|number| number.to_string()))
            .unwrap();
        list.set(3, &"x".repeat(200)).unwrap();
        assert_eq!(list.remove(3), Ok(Some("x".repeat(200))));
        list.retain(|value| value == "9").unwrap();
        assert_eq!(list.pop(), Ok(Some("9".into())), "all room comes back");
    }
}
