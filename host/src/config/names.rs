//! The names of what a configuration has: a raw string does not cross a module.

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Takes the name as it is; names from a file are checked by `validate`.
            pub fn new(name: &str) -> Self {
                Self(name.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The key of a `[plugins.…]` table.
    PluginName;
    /// The key of an entry of `[trust.keys]`.
    KeyName;
    /// The key of a `[transformers.…]` table.
    TransformerName;
    /// The key of a `[connectors.…]` table.
    ConnectorName;
    /// The key of a `[subscriptions.…]` table.
    SubscriptionName;
    /// The key of an `[intake.clients.…]` table.
    ClientName;
}
