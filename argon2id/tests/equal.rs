//! That every hash is the one that RFC 9106 and the `argon2` crate have.
#![allow(clippy::unwrap_used, missing_docs)] // what fails here fails the test

mod cases;
#[path = "cases/computed.rs"]
mod computed;
#[path = "cases/expected.rs"]
mod expected;

use cases::Case;
use computed::computed;
use expected::expected;
use portcullis_argon2id::{Cost, Error, Input, hash};

#[test]
fn the_test_vector_of_rfc_9106_section_5_3_comes_out() {
    let input = Input { password: &[1; 32], salt: &[2; 16], secret: &[3; 8], data: &[4; 12] };
    let mut tag = [0; 32];
    hash(input, Cost { memory: 32, passes: 3, lanes: 4 }, &mut tag).unwrap();
    assert_eq!(
        tag,
        [
            0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b,
            0x53, 0xc9, 0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9,
            0x6b, 0x01, 0xe6, 0x59
        ]
    );
}

#[test]
fn ten_thousand_random_cases_are_equal_to_the_argon2_crate() {
    for number in 0..10_000 {
        let case = Case::new(number);
        assert_eq!(computed(&case).unwrap(), expected(&case), "case {number}: {:?}", case.cost);
    }
}

#[test]
fn the_default_cost_is_equal_to_the_argon2_crate() {
    let cost = Cost { memory: 19 * 1024, passes: 2, lanes: 1 };
    let case = Case { cost, tag: 32, ..Case::new(0) };
    assert_eq!(computed(&case).unwrap(), expected(&case));
}

#[test]
fn what_argon2_does_not_allow_is_refused() {
    let fine = Cost { memory: 8, passes: 1, lanes: 1 };
    let input = Input { password: b"", salt: b"12345678", ..Input::default() };
    let refusal = |input, cost, tag: usize| hash(input, cost, &mut vec![0; tag]).err();
    assert_eq!(refusal(input, fine, 4), None);
    assert_eq!(refusal(input, fine, 3), Some(Error::Length));
    assert_eq!(refusal(Input { salt: b"1234567", ..input }, fine, 4), Some(Error::Length));
    for cost in [
        Cost { memory: 7, ..fine },
        Cost { passes: 0, ..fine },
        Cost { lanes: 0, ..fine },
        Cost { lanes: 2, memory: 15, ..fine },
        Cost { lanes: 1 << 24, memory: u32::MAX, ..fine },
    ] {
        assert_eq!(refusal(input, cost, 4), Some(Error::Cost), "{cost:?}");
    }
}
