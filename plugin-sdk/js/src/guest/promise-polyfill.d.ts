declare module "promise-polyfill" {
    const Polyfill: PromiseConstructor & {
        _immediateFn: (job: () => void) => void;
        _unhandledRejectionFn: (error: unknown) => void;
    };
    export default Polyfill;
}
