//! What the `argon2` crate says.

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};

use crate::cases::Case;

/// What the `argon2` crate makes of it.
pub(crate) fn expected(case: &Case) -> Vec<u8> {
    let mut params = ParamsBuilder::new();
    params.m_cost(case.cost.memory).t_cost(case.cost.passes).p_cost(case.cost.lanes);
    params.output_len(case.tag).data(AssociatedData::new(&case.data).unwrap());
    let (variant, version) = (Algorithm::Argon2id, Version::V0x13);
    let argon2 =
        Argon2::new_with_secret(&case.secret, variant, version, params.build().unwrap()).unwrap();
    let mut tag = vec![0; case.tag];
    argon2.hash_password_into(&case.password, &case.salt, &mut tag).unwrap();
    tag
}
