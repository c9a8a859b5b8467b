//! `image`: pulls, keeps, unpacks and pushes images.

fn main() {}
