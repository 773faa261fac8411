//! Each rule is shown to bite: fake miniports, each wrong in one way, and the right one that breaks none.

mod bench;
mod callbacks;
mod driver_code;
mod dump;
mod entitlement;
mod kernel;
mod kernel_objects;
mod life;
mod line;
mod lists;
mod locks;
mod on_purpose;
mod power;
mod replay;
mod requests;
mod threads;
mod work;
