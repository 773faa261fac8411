//! End-to-end tests of the packaged `ferronvme.sys`: what every test file here shares.
