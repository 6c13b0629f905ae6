//! What was built: version, commit, compiler.

use std::fmt;

/// One build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// Of the workspace, as in `Cargo.toml`.
    pub version: &'static str,
    /// The commit, where the build was told it in `ADT_BRIDGE_BUILD_COMMIT`; a build on a developer's machine is not:
    /// it would be made again after every commit.
    pub commit: Option<&'static str>,
    /// Version of the compiler that the workspace pins.
    pub rust: &'static str,
}

/// This build.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    commit: option_env!("ADT_BRIDGE_BUILD_COMMIT"),
    rust: env!("CARGO_PKG_RUST_VERSION"),
};

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, Rust {})", self.version, self.commit.unwrap_or("development build"), self.rust)
    }
}
