//! What is made of the [table](super::table): declarative macros.
//!
//! From one entry of the table follow
//! - its descriptor in [`FUNCTIONS`](super::FUNCTIONS), for lists, help and look-ups by name;
//! - a typed method for embedders, `tenant.auth().register_user(…)`;
//! - the reading of its JSON arguments, which ends in that method.
//!
//! The small macros say what a parameter is in each of the three: a parameter is written as its
//! kind, with `= None`, `= False` or `= True` behind it where it has a default. A combination that
//! no function uses has no arm, so that a slip in the table does not compile.

/// The type of a parameter in the typed method.
macro_rules! typed {
    (text) => { &str };
    (text = None) => { Option<&str> };
    (secret) => { &str };
    (secret = None) => { Option<&str> };
    (json) => { &str };
    (json = None) => { Option<&str> };
    (integer = None) => { Option<i64> };
    (boolean = $default:ident) => { bool };
}

/// A parameter in the descriptor.
macro_rules! described {
    ($name:expr, text) => {
        Parameter::new($name, Kind::Text, None)
    };
    ($name:expr, text = None) => {
        Parameter::new($name, Kind::Text, Some(Default::None))
    };
    ($name:expr, secret) => {
        Parameter::new($name, Kind::Text, None).secret()
    };
    ($name:expr, secret = None) => {
        Parameter::new($name, Kind::Text, Some(Default::None)).secret()
    };
    ($name:expr, json) => {
        Parameter::new($name, Kind::Json, None)
    };
    ($name:expr, json = None) => {
        Parameter::new($name, Kind::Json, Some(Default::None))
    };
    ($name:expr, integer = None) => {
        Parameter::new($name, Kind::Integer, Some(Default::None))
    };
    ($name:expr, boolean = $default:ident) => {
        Parameter::new($name, Kind::Boolean, Some(Default::$default))
    };
}

/// The value of a parameter, read from the JSON arguments that were [`Given`](super::arguments).
macro_rules! read {
    ($given:ident, $name:expr, text) => {
        $given.text($name)?
    };
    ($given:ident, $name:expr, text = None) => {
        $given.optional_text($name)?
    };
    ($given:ident, $name:expr, secret) => {
        $given.text($name)?
    };
    ($given:ident, $name:expr, secret = None) => {
        $given.optional_text($name)?
    };
    ($given:ident, $name:expr, json) => {
        $given.json($name)?
    };
    ($given:ident, $name:expr, json = None) => {
        $given.optional_json($name)
    };
    ($given:ident, $name:expr, integer = None) => {
        $given.optional_integer($name)?
    };
    ($given:ident, $name:expr, boolean = False) => {
        $given.boolean($name, false)?
    };
    ($given:ident, $name:expr, boolean = True) => {
        $given.boolean($name, true)?
    };
}

/// Whether a function of this weight hashes.
macro_rules! hashes {
    (hashing) => {
        true
    };
    (plain) => {
        false
    };
}

/// The queue that a function of this weight stands in.
macro_rules! work {
    (hashing) => {
        Work::Hashing
    };
    (plain) => {
        Work::Plain
    };
}

/// Interfaces and their functions; see [the table](super::table) for how it reads.
///
/// `via` names what the bindings call the export.
macro_rules! interfaces {
    ($(
        #[doc = $about:literal]
        interface $interface:ident: $Interface:ident {
            $(
                #[doc = $summary:literal]
                $weight:ident $name:ident via $export:ident(
                    $($parameter:ident: $kind:ident $(= $default:ident)?),* $(,)?
                ) -> $Answer:ty;
            )*
        }
    )*) => {
        /// A group of functions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Interface { $( #[doc = $about] $Interface, )* }

        impl Interface {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$( Self::$Interface ),*];

            /// Its name, as in `auth.register_user`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$Interface => stringify!($interface), )* }
            }

            /// What it is for, in one line.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $( Self::$Interface => $about.trim_ascii(), )* }
            }
        }

        impl Tenant {
            $(
                #[doc = $about]
                #[must_use]
                pub fn $interface(&self) -> $Interface<'_> { $Interface { tenant: self } }
            )*
        }

        $(
            #[doc = $about]
            ///
            /// Custom data is JSON text; codes have `cust_length` digits, 4 to 32, or as many as the
            /// setting `code_length` says. A refusal is an outcome, not an error.
            #[derive(Clone, Copy)]
            pub struct $Interface<'t> { tenant: &'t Tenant }

            impl $Interface<'_> {
                $(
                    #[doc = $summary]
                    ///
                    /// # Errors
                    /// [`CallError`], without an outcome: the call was not decided.
                    pub async fn $name(
                        &self,
                        $( $parameter: $crate::functions::define::typed!($kind $(= $default)?), )*
                    ) -> Result<$Answer, CallError> {
                        $( let $parameter = $parameter.keep(); )*
                        let subject = Subject::of(stringify!($name))
                            $( .with(stringify!($parameter), $parameter.text()) )*;
                        let name = concat!(stringify!($interface), ".", stringify!($name));
                        let work = $crate::functions::define::work!($weight);
                        let run = self.tenant
                            .decide(subject, Answers::told, work, move |mut call| async move {
                                let exports = call.exports.$interface(&mut call.store)?;
                                exports.$export(&mut call.store, $( $parameter.lend() ),*).await
                            });
                        self.tenant.watched(name, run, Answers::told).await
                    }
                )*
            }
        )*

        /// All functions, in the order of the table.
        pub static FUNCTIONS: &[Function] = &[$($(
            Function {
                interface: Interface::$Interface,
                name: stringify!($name),
                summary: $summary.trim_ascii(),
                parameters: &[$(
                    $crate::functions::define::described!(
                        stringify!($parameter), $kind $(= $default)?
                    ),
                )*],
                returns: <$Answer as Answers>::RETURNS,
                hashes: $crate::functions::define::hashes!($weight),
                prepare: |given| {
                    $(
                        let $parameter = $crate::functions::define::read!(
                            given, stringify!($parameter), $kind $(= $default)?
                        );
                    )*
                    let _ = given; // a function without parameters reads nothing
                    Ok(Box::new(move |tenant| Box::pin(async move {
                        tenant.$interface().$name($( $parameter.lend() ),*).await?.reply()
                    })))
                },
            },
        )*)*];
    };
}

pub(super) use {described, hashes, interfaces, read, typed, work};
