//! What makes a function the plugin of its crate.

/// Makes this crate a connector.
///
/// `connector!(deliver)` takes an `async fn(&Delivery, &Http) -> R`, where `R` is an
/// [`Outcome`](crate::outcome::Outcome), the last request as [`Settling`](crate::http::Settling), either of
/// them as [`Ending`](crate::outcome::Ending), or a `Result` of one with any error that becomes an outcome:
/// [`Failure`](crate::failure::Failure) does. `connector!(deliver, check)` also takes an `async fn(&Http) ->
/// R`, where `R` is [`Check`](crate::outcome::Check) or such a `Result`: it finds out whether the external
/// system is usable, and must change nothing there.
#[macro_export]
macro_rules! connector {
    ($deliver:path $(,)?) => {
        $crate::connector!($deliver, $crate::raw::no_check);
    };
    ($deliver:path, $check:path $(,)?) => {
        const _: () = {
            use $crate::raw::connector::exports::liaison::plugin::connector as contract;
            use $crate::raw::connector::liaison::plugin::effects::Reply;

            struct Connector;

            impl contract::Guest for Connector {
                fn deliver(
                    deliveries: ::std::vec::Vec<contract::Delivery>,
                ) -> ::std::vec::Vec<contract::Step> {
                    $crate::raw::deliver(deliveries, $deliver)
                }

                fn check(now: u64, rounds: ::std::vec::Vec<::std::vec::Vec<Reply>>) -> contract::CheckStep {
                    $crate::raw::check(now, rounds, $check)
                }
            }

            // The exports have names that only WebAssembly's linker takes; elsewhere this keeps them in use.
            #[cfg(target_family = "wasm")]
    $crate::raw::connector::export_connector!(Connector with_types_in $crate::raw::connector);
            #[cfg(not(target_family = "wasm"))]
            const _: fn(::std::vec::Vec<contract::Delivery>) -> ::std::vec::Vec<contract::Step> =
                <Connector as contract::Guest>::deliver;
        };
    };
}

/// Makes this crate a connector whose deliveries can share requests.
///
/// `joining_connector!(deliver, check, join, split)` is [`connector!`](crate::connector) with two functions more, which
/// [`joint`](crate::joint) describes: `fn(Vec<Effect>) -> Vec<Joint>` or `fn(Vec<Delivery>) -> Vec<Joint>`, and
/// `fn(Vec<u8>, Reply) -> Vec<Reply>`.
#[macro_export]
macro_rules! joining_connector {
    ($deliver:path, $check:path, $join:path, $split:path $(,)?) => {
        $crate::connector!($deliver, $check);
        const _: () = {
            use $crate::joint::{Joint, Reply};
            use $crate::outcome::Delivery;
            use $crate::raw::joiner::exports::liaison::plugin::joiner as contract;

            struct Joiner;

            impl contract::Guest for Joiner {
                fn join(deliveries: ::std::vec::Vec<Delivery>) -> ::std::vec::Vec<Joint> {
                    $crate::raw::Join::join($join, deliveries, $deliver)
                }

                fn split(memo: ::std::vec::Vec<u8>, reply: Reply) -> ::std::vec::Vec<Reply> {
                    $split(memo, reply)
                }
            }

            // As in `connector!`.
            #[cfg(target_family = "wasm")]
    $crate::raw::joiner::export_joiner!(Joiner with_types_in $crate::raw::joiner);
            #[cfg(not(target_family = "wasm"))]
            const _: fn(::std::vec::Vec<Delivery>) -> ::std::vec::Vec<Joint> =
                <Joiner as contract::Guest>::join;
        };
    };
}

/// Makes this crate a transformer.
///
/// `transformer!(transform)` takes a `fn(Event) -> R`, where `R` is
/// [`Transformed`](crate::transform::Transformed) or a `Result` of it with any error that becomes one:
/// [`Failure`](crate::failure::Failure) does.
#[macro_export]
macro_rules! transformer {
    ($transform:path $(,)?) => {
        const _: () = {
            use $crate::raw::transformer::exports::liaison::plugin::transformer as contract;
            use $crate::transform::Event;

            struct Transformer;

            impl contract::Guest for Transformer {
                fn transform(events: ::std::vec::Vec<Event>) -> ::std::vec::Vec<contract::Transformed> {
                    $crate::raw::transform(events, $transform)
                }
            }

            // As in `connector!`.
            #[cfg(target_family = "wasm")]
            $crate::raw::transformer::export_transformer!(
                Transformer with_types_in $crate::raw::transformer
            );
            #[cfg(not(target_family = "wasm"))]
            const _: fn(::std::vec::Vec<Event>) -> ::std::vec::Vec<contract::Transformed> =
                <Transformer as contract::Guest>::transform;
        };
    };
}
