//! Migrations are compiled in: a new file has to be noticed although no source changed.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/catalog");
}
