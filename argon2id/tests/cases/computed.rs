//! What this crate says.

use portcullis_argon2id::{Error, Input, hash};

use crate::cases::Case;

/// What this crate makes of it.
pub(crate) fn computed(case: &Case) -> Result<Vec<u8>, Error> {
    let mut tag = vec![0; case.tag];
    let input = Input {
        password: &case.password,
        salt: &case.salt,
        secret: &case.secret,
        data: &case.data,
    };
    hash(input, case.cost, &mut tag).map(|()| tag)
}
