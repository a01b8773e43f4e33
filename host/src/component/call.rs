//! What a call works with: an instance of its own, and what is left of it.

use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::{Instance, InstancePre};
use wasmtime::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};

use super::State;
use crate::contract::{auth, coredb, sessions, upkeep, users, utils};

/// One fresh instance, for one call.
pub struct Call {
    /// The exports of the component.
    pub exports: Exports,
    /// Where this instance lives; what the exports are called with.
    pub store: Sandbox,
}

/// The interfaces that the component exports.
///
/// Each is looked up when it is asked for, and its functions are then checked against the contract:
/// a call needs one of them, and looking up all would take as long as the rest of a short call.
pub struct Exports {
    instance: Instance,
    indices: Arc<Indices>,
}

/// Where the exports are; the same in every instance.
pub(super) struct Indices {
    auth: auth::GuestIndices,
    utils: utils::GuestIndices,
    sessions: sessions::GuestIndices,
    coredb: coredb::GuestIndices,
    upkeep: upkeep::GuestIndices,
    users: users::GuestIndices,
}

impl Indices {
    /// Those of a component that has all of them.
    pub(super) fn new<T>(component: &InstancePre<T>) -> wasmtime::Result<Self> {
        Ok(Self {
            auth: auth::GuestIndices::new(component)?,
            utils: utils::GuestIndices::new(component)?,
            sessions: sessions::GuestIndices::new(component)?,
            coredb: coredb::GuestIndices::new(component)?,
            upkeep: upkeep::GuestIndices::new(component)?,
            users: users::GuestIndices::new(component)?,
        })
    }
}

macro_rules! exports {
    ($($interface:ident),*) => {
        impl Exports {
            $(
                /// The interface of this name.
                ///
                /// # Errors
                /// When a function of it has other types than the contract says.
                pub fn $interface(
                    &self,
                    store: impl AsContextMut<Data = State>,
                ) -> wasmtime::Result<$interface::Guest> {
                    self.indices.$interface.load(store, &self.instance)
                }
            )*
        }
    };
}

exports!(auth, utils, sessions, coredb, upkeep, users);

impl Exports {
    pub(super) fn new(instance: Instance, indices: &Arc<Indices>) -> Self {
        Self { instance, indices: Arc::clone(indices) }
    }
}

/// The store of an instance. Nothing can be called in it any more once it is dropped; its memory is
/// wiped when the answer is out, for which nobody has to wait: 19 MiB take a tenth of the time that
/// they were hashed in.
pub struct Sandbox {
    store: ManuallyDrop<Store<State>>,
    remains: Remains,
}

impl Sandbox {
    pub(super) fn new(store: Store<State>, remains: Remains) -> Self {
        Self { store: ManuallyDrop::new(store), remains }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // SAFETY: this is the only place that takes it, and nothing of `self` is used afterwards.
        let store = unsafe { ManuallyDrop::take(&mut self.store) };
        self.remains.put(store);
    }
}

impl AsContext for Sandbox {
    type Data = State;

    fn as_context(&self) -> StoreContext<'_, State> {
        self.store.as_context()
    }
}

impl AsContextMut for Sandbox {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, State> {
        self.store.as_context_mut()
    }
}

/// What is left of a call. Wiped with the last clone.
#[derive(Clone, Default)]
pub(super) struct Remains(Arc<Mutex<Option<Store<State>>>>);

impl Remains {
    fn put(&self, store: Store<State>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(store);
    }
}
