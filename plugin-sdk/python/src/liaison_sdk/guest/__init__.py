"""Between the host and an author's functions, inside WebAssembly.

`liaison_sdk.build` names one of these modules in the component that it makes. They can be imported nowhere else: the
bindings that they use are generated for each component.
"""
