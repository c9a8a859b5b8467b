//! Where does the kernel enter the runtime? In `primitives/src/before_main.rs`, where it seals itself.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "x86_64") {
        println!("cargo::rustc-link-arg-bins=-Wl,--entry=porthole_begin");
    }
}
