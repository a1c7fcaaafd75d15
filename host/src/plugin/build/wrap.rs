//! From a core WebAssembly module, as the compiler writes it, to a component, as the engine takes it.
//!
//! The module carries the contract it was built against; nothing is linked in, so a plugin gets no import by this.

use wit_component::ComponentEncoder;

/// How every WebAssembly file begins.
const MAGIC: &[u8] = b"\0asm";
/// What follows in a core module: version 1, layer 0.
const MODULE: [u8; 4] = [1, 0, 0, 0];
/// What comes in place of the layer in a component, whatever the version.
const COMPONENT_LAYER: [u8; 2] = [1, 0];

/// Why bytes cannot be made a component.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// They are neither a module nor a component.
    #[error("it is not WebAssembly: it does not begin as a module or a component does")]
    NotWebAssembly,
    /// They are a module that was not built with the SDK, or a damaged one.
    #[error("the module does not fit the plugin contract that it names: {what}; build it with the SDK of this release")]
    NotAPlugin {
        /// What the encoder said.
        what: String,
    },
}

/// Whether the bytes begin as a component does.
pub fn is_component(bytes: &[u8]) -> bool {
    matches!(bytes.strip_prefix(MAGIC), Some([_, _, layer @ ..]) if layer.starts_with(&COMPONENT_LAYER))
}

/// Makes a component of a core module; a component is passed through.
pub fn componentize(bytes: &[u8]) -> Result<Vec<u8>, WrapError> {
    if is_component(bytes) {
        return Ok(bytes.to_vec());
    }
    if !bytes.strip_prefix(MAGIC).is_some_and(|rest| rest.starts_with(&MODULE)) {
        return Err(WrapError::NotWebAssembly);
    }
    ComponentEncoder::default()
        .validate(true)
        .module(bytes)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| WrapError::NotAPlugin { what: format!("{error:#}") })
}
